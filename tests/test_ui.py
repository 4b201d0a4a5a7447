"""`mm ui`: who is let in, and what becomes of files that are dropped."""

import io
import socket
import stat
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from report_fixtures import NewPlace, grade_report, grade_row
from selenium.webdriver import Chrome
from ui_fixtures import Ui, outcomes, upload, wait_for

from mm.ui.app import create_app
from mm.ui.guard import Guard

PAGES = ("/", "/lgdm/downloads", "/lgdm/build", "/lgdm/report", "/lgdm/mails", "/style.css", "/script.js")
NAME = "UQx_LGDM1x_1T2019_grade_report_2019-06-03-0102.csv"
OF_RUN = "grade report of UQx_LGDM1x_1T2019"
REPORT = grade_report(grade_row(1, "0.9", "verified", "Y"), grade_row(2, "0.2", "audit")).encode()


@pytest.fixture(scope="module")
def ui(new_place: NewPlace) -> Iterator[Ui]:
    with Ui(new_place()) as running:
        yield running


@pytest.fixture
def folder(ui: Ui) -> Path:
    """Return the empty folder of lgdm."""
    folder = ui.place.data / "lgdm"
    folder.mkdir(parents=True, exist_ok=True)
    for file in folder.iterdir():
        file.unlink()
    return folder


def in_data(ui: Ui) -> list[str]:
    return sorted(path.name for path in ui.place.root.rglob("*") if path.is_file() and "x.csv" in path.name)


# ---- who is let in ----


def test_the_address_that_is_printed_lets_a_browser_in(ui: Ui) -> None:
    answer = ui.ask("GET", ui.address)
    assert (answer.status, answer.headers["Location"]) == (303, "/")
    _, *flags = answer.headers["Set-Cookie"].split("; ")
    assert {"HttpOnly", "SameSite=Strict"} <= set(flags)
    for page in PAGES:
        assert ui.get(page).status == 200, page
    assert ui.get("/nothing/build").status == 404
    assert "no program 'nothing'" in ui.get("/nothing/build").says


def test_the_address_that_a_browser_is_started_with_is_good_once() -> None:
    guard = Guard(8030)
    client = create_app(guard).test_client()
    used, headers = guard.token_once, {"Host": "127.0.0.1:8030"}
    assert client.get(f"/?token={used}", headers=headers).status_code == 303
    client.delete_cookie("mm_ui_8030", domain="127.0.0.1")
    assert client.get(f"/?token={used}", headers=headers).status_code == 403
    assert [client.get(f"/?token={guard.token}", headers=headers).status_code for _ in range(2)] == [303, 303]


def test_nobody_else_gets_anything(ui: Ui) -> None:
    cookie = ui.cookie.partition(";")[0]
    wrong = [{}, {"Cookie": "mm_ui=1"}, {"Cookie": f"{cookie.partition('=')[0]}=guessed"}]
    for page in (*PAGES, "/?token=guessed"):
        for headers in wrong:
            answer = ui.ask("GET", page, headers=headers)
            assert answer.status == 403, page
            assert "Open the address that `mm ui` printed" in answer.says
    # A page of elsewhere whose name leads to this machine.
    for host in ("evil.example:80", f"evil.example:{ui.port}", "127.0.0.1", "127.0.0.1:1"):
        for page in (*PAGES, ui.address):
            assert ui.get(page, Host=host).status == 421, host
    assert ui.get("/", Host=f"localhost:{ui.port}").status == 200


def test_a_post_needs_a_form_of_the_page(ui: Ui, folder: Path) -> None:
    page = "/lgdm/downloads"
    body, headers = upload(ui.token(page, page), (NAME, REPORT)), ui.upload_headers()
    elsewhere = (
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": f"http://127.0.0.1:{ui.port + 1}"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
    )
    for other in elsewhere:
        answer = ui.ask("POST", page, body, headers | other)
        assert (answer.status, "from another page" in answer.says) == (403, True), other
    for token in ("", "guessed", ui.token("/lgdm/build", "/lgdm/build/start")):
        answer = ui.ask("POST", page, upload(token, (NAME, REPORT)), headers)
        assert (answer.status, "load the page again" in answer.says) == (403, True)
    assert ui.ask("POST", page, body, {**headers, "Cookie": ""}).status == 403
    assert list(folder.iterdir()) == []
    for path in ("/lgdm/build/start", "/lgdm/send/start", "/lgdm/build/stop", "/lgdm/report/export"):
        assert ui.ask("POST", path, b"", headers).status == 403
        assert ui.get(path).status == 405
    assert not (ui.place.root / "out" / "ui" / "lgdm").exists()
    own = {"Origin": f"http://127.0.0.1:{ui.port}", "Sec-Fetch-Site": "same-origin"}
    assert ui.ask("POST", page, body, headers | own).status == 200
    assert [file.name for file in folder.iterdir()] == [NAME]


def test_a_page_of_another_port_cannot_post_in_the_name_of_a_browser_that_is_let_in(
    ui: Ui, folder: Path, browser: Chrome
) -> None:
    page = (
        f'<form method="post" action="http://127.0.0.1:{ui.port}/lgdm/build/start"><button>Go</button></form>'
    )

    class Elsewhere(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page.encode())

        def log_message(self, *_: object) -> None:
            pass

    # A browser opens connections ahead, which one thread would wait for.
    server = ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
    Thread(target=server.serve_forever, daemon=True).start()
    browser.get(ui.address)
    assert browser.title == "Programs - mm ui"
    browser.get(f"http://127.0.0.1:{server.server_port}/")
    browser.find_element("tag name", "button").click()
    wait_for(lambda: "did not work (403)" in browser.title)
    server.shutdown()
    server.server_close()
    assert not (ui.place.root / "out" / "ui" / "lgdm").exists()
    assert list(folder.iterdir()) == []


def test_a_page_keeps_to_itself(ui: Ui) -> None:
    for page in (*PAGES, "/nothing/build"):
        headers = ui.get(page).headers
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; style-src 'self'; script-src 'self';")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == "same-origin"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"
        text = ui.get(page).text
        assert "<style" not in text
        assert " style=" not in text
        assert " onclick" not in text
    # Another address of this machine, as others would come by.
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", ui.port)).close()


# ---- files ----


def test_a_file_says_at_once_what_it_is(ui: Ui, folder: Path) -> None:
    newer, profile = NAME.replace("06-03", "06-09"), NAME.replace("grade_report", "student_profile_info")
    other = NAME.replace("LGDM1x", "ENGY0x")
    page = b"<!DOCTYPE html><html><body>AccessDenied</body></html>"
    workbook = io.BytesIO()
    with zipfile.ZipFile(workbook, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    answer = ui.drop(
        "lgdm",
        (NAME, REPORT),
        (newer, REPORT),
        (profile, page),
        (NAME.replace("1T2019", "3T2018"), workbook.getvalue()),
        ("grades.xlsx", workbook.getvalue()),
        (other, REPORT),
        (NAME.replace("LGDM1x", "NOBODY1x"), REPORT),
        (NAME.replace("2019-06-03", "2999-06-03").replace("1T", "2T"), REPORT),
        ("notes.csv", b"a,b\n1,2\n"),
    )
    assert answer.status == 200
    assert [line.partition(": It is in the folder: ")[2] for line in outcomes(answer)] == [
        f"{OF_RUN}, 2 rows; superseded, a newer download of its run is here: {newer}.",
        f"{OF_RUN}, 2 rows; newest.",
        (
            "profile information of UQx_LGDM1x_1T2019; stops the build, it is a web page, not a CSV file: "
            "the download link had expired, download it again."
        ),
        (
            "grade report of UQx_LGDM1x_3T2018; stops the build, it is a spreadsheet, not a CSV file: "
            "download it again."
        ),
        "other; not read, it is a spreadsheet: download it from edX again, as the CSV file that it was.",
        "grade report of UQx_ENGY0x_1T2019; not read, a report on engy, another program.",
        (
            "grade report of UQx_NOBODY1x_1T2019; not read, no course in seeds/courses.csv or "
            "course_aliases.csv has its prefix."
        ),
        "grade report of UQx_LGDM1x_2T2019; stops the build, its stamp is more than a day ahead of now.",
        "other; not read, not an edX grade report or profile report, by its name.",
    ]
    assert len(list(folder.iterdir())) == 9
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o640}


def test_a_file_is_never_put_over_another(ui: Ui, folder: Path) -> None:
    [first] = outcomes(ui.drop("lgdm", (NAME, REPORT)))
    assert first.startswith(f"{NAME}: It is in the folder: ")
    [again] = outcomes(ui.drop("lgdm", (NAME, REPORT)))
    assert again.startswith(f"{NAME}: It was there already, with the same content: ")
    [other] = outcomes(ui.drop("lgdm", (NAME, REPORT + b"more")))
    assert other == (
        f"{NAME}: It was not put there: another file of this name is there, with other content. Download it "
        f"again from edX, which gives it a new name, or take {folder / NAME} away first."
    )
    assert [(file.name, file.read_bytes()) for file in folder.iterdir()] == [(NAME, REPORT)]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../x.csv", "is a path"),
        ("/tmp/x.csv", "is a path"),  # noqa: S108 - it is refused
        ("..\\\\x.csv", "is a path"),
        ("..", "is one that systems leave behind"),
        (".x.csv", "is one that systems leave behind"),
        ("CON", "is that of a device"),
        ("aux.x.csv", "is that of a device"),
        ("Com1.csv", "is that of a device"),
        ("x.csv.", "begins or ends with a blank"),
        (" x.csv", "begins or ends with a blank"),
        ("x.csv\x07", "has a control character"),
        ("x" * 296 + ".csv", "is longer than 255 bytes"),
        ("é" * 130 + "x.csv", "is longer than 255 bytes"),
    ],
)
def test_a_name_is_a_name(ui: Ui, folder: Path, name: str, reason: str) -> None:
    before = in_data(ui)
    [line] = outcomes(ui.drop("lgdm", (name, REPORT)))
    assert f"It was not put there: its name {reason}" in line
    assert list(folder.iterdir()) == []
    assert in_data(ui) == before


def test_300_files_at_once(ui: Ui, folder: Path) -> None:
    names = [NAME.replace("-0102", f"-{i // 60:02}{i % 60:02}") for i in range(300)]
    answer = ui.drop("lgdm", *((name, REPORT) for name in names))
    said = outcomes(answer)
    assert len(said) == 300
    assert sum("superseded" in line for line in said) == 299
    assert said[-1] == f"{names[-1]}: It is in the folder: grade report of UQx_LGDM1x_1T2019, 2 rows; newest."
    assert sorted(file.name for file in folder.iterdir()) == names


def test_an_upload_that_is_cut_off_leaves_nothing(ui: Ui, folder: Path) -> None:
    page = "/lgdm/downloads"
    body = upload(ui.token(page, page), (NAME, REPORT * 50_000))
    head = [f"POST {page} HTTP/1.1", f"Host: 127.0.0.1:{ui.port}", f"Content-Length: {len(body)}"]
    head += [f"{name}: {value}" for name, value in ui.upload_headers().items()]
    with socket.create_connection(("127.0.0.1", ui.port)) as connection:
        connection.sendall("\r\n".join([*head, "", ""]).encode() + body[: len(body) // 2])
    assert ui.get(page).status == 200
    assert list(folder.iterdir()) == []
    [line] = outcomes(ui.drop("lgdm", (NAME, REPORT)))
    assert line.startswith(f"{NAME}: It is in the folder: ")


def test_too_much_at_once_is_refused_with_a_sentence(ui: Ui) -> None:
    # Without waiting for what would come.
    headers = ui.upload_headers() | {"Content-Length": str(1 << 40)}
    assert ui.ask("POST", "/lgdm/downloads", b"", headers).status == 413
    guard = Guard(8030)
    guard.check = lambda: None  # type: ignore[method-assign]
    client = create_app(guard, largest_upload=2 << 20).test_client()
    answer = client.post("/lgdm/downloads", data={"files": (io.BytesIO(bytes(3 << 20)), NAME)})
    assert answer.status_code == 413
    assert "That is more than 2 MB at once. Nothing was put there" in answer.text
