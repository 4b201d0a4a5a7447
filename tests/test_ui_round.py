"""The weekly round in a real browser: list, drop, build, report, preview, test mail, send, log."""

import csv
import io
import json
import stat
from collections.abc import Callable, Iterator

import pytest
from mail_fixtures import MailServer
from report_fixtures import PROJECT, NewPlace, read
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from test_mail_browser import CONTRASTS, OVERFLOW, look
from typer.testing import CliRunner
from ui_fixtures import Ui, wait_for

from mm.cli import app

DEMO = sorted((PROJECT / "data" / "demo").iterdir())
PAGES = ("", "demo/downloads", "demo/build", "demo/report", "demo/mails", "demo/mails/10000023")
UNNAMED = """
return [...document.querySelectorAll('input:not([type=hidden]), select, progress, iframe, button, a')].filter(
    each => !(each.labels?.length || each.ariaLabel || each.title || each.textContent.trim())
).map(each => each.outerHTML);
"""


ROWS = """
return [...document.querySelectorAll('#files tbody tr')].map(
    row => [...row.children].map(cell => cell.innerText)
);
"""

COUNTS = """
return [...document.querySelectorAll('.columns table')].map(table => Object.fromEntries(
    [...table.querySelectorAll('tr')].map(row => [row.cells[0].innerText, Number(row.cells[1].innerText)])
));
"""

DROP = """
const data = new DataTransfer();
data.items.add(new File(["a,b\\n"], "notes.csv"));
document.body.dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true}));
"""


class Round:
    """A browser, `mm ui` on a copy of the project, and a mail server."""

    def __init__(self, ui: Ui, browser: Chrome, server: MailServer) -> None:
        self.ui, self.browser, self.server = ui, browser, server

    def start(self) -> None:
        """Start `mm ui`, and open the address that it prints."""
        self.ui.__enter__()
        self.browser.get(self.ui.address)

    def open(self, page: str) -> None:
        self.browser.get(f"http://127.0.0.1:{self.ui.port}/{page}")

    def find(self, selector: str) -> WebElement:
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def text(self) -> str:
        return self.find("main").text

    def press(self, button: str) -> None:
        self.browser.find_element(By.XPATH, f"//button[.='{button}']").click()

    def shows(self, text: str) -> Callable[[], bool]:
        def look_for() -> bool:
            # A page may go while it is read.
            return text in self.browser.execute_script("return document.body?.innerText ?? ''")

        return look_for

    def mm(self, *arguments: str) -> str:
        """Run a command on the same files, in this process, which saves its start."""
        place = self.ui.place
        folders = {"MM_DATA_DIR": str(place.data), "MM_DATABASE_DIR": str(place.database)}
        result = CliRunner().invoke(app, list(arguments), env=folders)
        assert result.exit_code == 0, result.output
        return result.stdout

    def job(self, kind: str, name: str) -> str:
        path = self.ui.place.root / "out" / "ui" / "demo" / kind / name
        return path.read_text() if path.exists() else ""


@pytest.fixture(scope="module")
def week(new_place: NewPlace, browser: Chrome) -> Iterator[Round]:
    with MailServer("localhost", delay=0.1) as server:
        ui = Ui(new_place(), "demo", {"MM_SMTP_URL": server.url()})
        week = Round(ui, browser, server)
        week.start()
        yield week
        ui.__exit__()


def test_downloads_are_listed_and_dropped(week: Round) -> None:
    assert week.browser.title == "Downloads of demo - mm ui"
    runs = json.loads(week.mm("downloads", "demo", "--json"))["runs"]
    to_fetch = [run for run in runs if run["to_fetch"]]
    links = week.browser.find_elements(By.CSS_SELECTOR, "#fetch a")
    assert [link.get_attribute("href") for link in links] == [run["link"] for run in to_fetch]
    assert len(links) > 3
    assert "0 files, as the build will read them." in week.text()

    week.find("#choose").send_keys("\n".join(map(str, DEMO)))
    week.press("Put into the folder")
    wait_for(week.shows(f"{len(DEMO)} files were looked at."))
    assert len(week.browser.find_elements(By.CSS_SELECTOR, "#put li")) == len(DEMO)
    assert f"{len(DEMO)} files, as the build will read them." in week.text()
    folder = week.ui.place.data / "demo"
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == {
        file.name: file.read_bytes() for file in DEMO
    }
    assert week.text().count("It is in the folder: ") == len(DEMO)
    # The same once more; then another, dropped on the page.
    week.find("#choose").send_keys(str(DEMO[0]))
    week.press("Put into the folder")
    wait_for(week.shows("It was there already, with the same content: "))
    week.browser.execute_script(DROP)
    wait_for(week.shows("notes.csv: It is in the folder: other; not read, not an edX grade report"))
    assert (folder / "notes.csv").read_text() == "a,b\n"


def test_a_build_is_stopped_and_one_outlives_its_server(week: Round) -> None:
    week.open("demo/mails")
    assert "There is no mailout yet" in week.text()
    week.open("demo/build")
    assert "Not published yet." in week.text()
    week.press("Build from the downloads")
    wait_for(week.shows("The build runs."))
    wait_for(lambda: "steps" in week.job("build", "log"))
    week.press("Stop")
    wait_for(week.shows("It was stopped."))
    assert "Nothing was published." in week.text()
    assert not week.ui.place.published("demo").exists()

    # ---- two tabs, of which each shows it, and one process ----
    token = week.ui.token("/demo/build", "/demo/build/start")
    week.press("Build from the downloads")
    wait_for(week.shows("The build runs."))
    first = week.browser.current_window_handle
    week.browser.switch_to.new_window("tab")
    week.open("demo/build")
    assert "The build runs." in week.text()
    assert "Build from the downloads" not in week.text()
    process = week.job("build", "pid")
    assert week.ui.post_form(token, "/demo/build/start").status == 303
    wait_for(lambda: int(week.find("progress").get_attribute("value") or 0) > 5)
    assert " of " in week.find(".words").text
    assert week.job("build", "pid") == process

    # ---- the server is killed, and the build goes on ----
    week.ui.kill()
    wait_for(week.shows("The pages cannot be reached"))
    week.start()
    week.open("demo/build")
    assert week.job("build", "pid") == process
    wait_for(week.shows("Published "), 120)
    week.browser.close()
    week.browser.switch_to.window(first)


def test_the_build_is_what_the_command_says(week: Round) -> None:
    week.open("demo/build")
    published = week.ui.place.published("demo")
    assert week.job("build", "code").strip() == "0"
    [last] = [line for line in week.job("build", "log").splitlines() if line.startswith("Published")]
    assert last in week.text()
    # Of the demo, by hand: 400 learners, 215 certificates, 39 mails.
    headlines = [
        each.text.split("\n") for each in week.browser.find_elements(By.CSS_SELECTOR, ".headlines div")
    ]
    assert headlines == [
        ["Learners", "400", "no build before"],
        ["Certificates", "215", "no build before"],
        ["Mails", "39", "no build before"],
    ]
    assert "2 newly certified, 1 unenrolled, 2 upgraded" in week.text()
    # ---- what each file was said to be is what the build made of it ----
    week.open("demo/downloads")
    rows = week.browser.execute_script(ROWS)
    words = {"used": "newest", "superseded": "superseded", "ignored": "not read"}
    said = {name: (rows_, what) for name, _, _, rows_, what in rows}
    for name, status, reason, row_count in read(
        published, "select file_name, status, reason, row_count from report_files"
    ):
        what = words[status] + (f": {reason}" if reason else "")
        assert said.pop(name) == (str(row_count) if status != "ignored" else "", what)
    assert said == {}


def test_the_report_and_the_exports_are_those_of_the_commands(week: Round) -> None:
    week.open("demo/report")
    assert str(week.ui.place.published("demo")) in week.text()
    week.browser.switch_to.frame(week.find("iframe"))
    wait_for(week.shows("Urban Beekeeping"))
    assert week.shows("400")()
    week.browser.switch_to.default_content()
    out = week.ui.place.root / "out.csv"
    week.mm("export", "demo", "--format", "csv", "--out", str(out))
    answer = week.ui.post("/demo/report", "/demo/report/export", table="", format="csv")
    assert answer.body == out.read_bytes()
    assert answer.headers["Content-Disposition"] == "attachment; filename=demo_coursecompletion.csv"
    assert week.ui.post("/demo/report", "/demo/report/export", table="no", format="csv").status == 503
    workbook = week.ui.post("/demo/report", "/demo/report/export", table="mailout", format="xlsx")
    assert workbook.body.startswith(b"PK")


def test_who_gets_a_mail_and_how_it_looks(week: Round) -> None:
    listed = json.loads(week.mm("list", "demo", "--json"))
    assert listed["would_go_out_now"] == 39
    week.open("demo/mails")
    assert "39 mails would go out now" in week.text()
    counts = week.browser.execute_script(COUNTS)
    assert counts == [listed["by_set"], listed["by_course"], listed["by_excluded_reason"]]
    # ---- searchable, a page at a time ----
    who = list(csv.DictReader(io.StringIO(week.mm("list", "demo", "--who"))))
    assert f"{len(who)} in all, page 1 of 2." in week.text()
    week.find("#q").send_keys(who[-1]["email"] + Keys.ENTER)
    wait_for(week.shows("1 in all"))
    assert who[-1]["student_id"] in week.find("#who tbody").text
    week.open("demo/mails?outcome=mailed")
    assert "39 in all." in week.text()
    # ---- a mail, as HTML and as text, and the next ----
    week.open("demo/mails")
    week.browser.find_element(By.LINK_TEXT, "Read the mails").click()
    wait_for(lambda: week.browser.title == "Mail 1 of 39 of demo - mm ui")
    frame = week.find("iframe")
    assert frame.get_attribute("sandbox") == "allow-popups"
    week.browser.switch_to.frame(frame)
    wait_for(week.shows("Congratulations on completing"))
    week.browser.switch_to.default_content()
    first = next(row for row in who if row["excluded_reason"] == "")
    assert f"Dear {first['student_name']}" in week.find("pre").text
    assert first["email"].casefold() in week.text().casefold()
    week.browser.find_element(By.LINK_TEXT, "Next").click()
    wait_for(lambda: week.browser.title == "Mail 2 of 39 of demo - mm ui")
    policy = week.ui.get(f"/demo/mails/{first['student_id']}/html").headers["Content-Security-Policy"]
    assert "sandbox" in policy
    assert "script-src" not in policy


def test_the_pages_are_for_all_eyes_and_screens(week: Round) -> None:
    for page in PAGES:
        for scheme in ("light", "dark"):
            look(week.browser, 360, scheme)
            week.open(page)
            assert week.browser.execute_script(OVERFLOW) == 0, page
            for text, contrast in week.browser.execute_script(CONTRASTS):
                assert contrast >= 4.5, (page, scheme, text)
        week.browser.execute_script("document.documentElement.style.fontSize = '200%'")
        assert week.browser.execute_script(OVERFLOW) == 0, f"{page} at 200 %"
        assert week.browser.execute_script(UNNAMED) == []
        look(week.browser, 1280, "light")
        assert week.browser.execute_script(OVERFLOW) == 0, page
        week.open(page)
        week.find("body").send_keys(Keys.TAB)
        assert week.browser.switch_to.active_element.text == "To the content"


def test_mails_are_sent_each_once(week: Round) -> None:
    look(week.browser, 1280, "light")
    week.open("demo/mails")
    week.find("#to").send_keys("me@example.org")
    week.press("Send the test")
    wait_for(week.shows("3 mails sent for a test; nothing was recorded."))
    assert week.server.recipients == {"me@example.org": 3}
    assert week.mm("log", "demo") == "No mail of demo was sent.\n"
    week.server.accepted.clear()

    # ---- only by the right number ----
    type_number(week, "38")
    wait_for(week.shows("39 mails would go out now, not 38: nothing was sent."))
    assert week.server.accepted == []

    # ---- stopped gently: none is lost ----
    type_number(week, "39")
    wait_for(lambda: len(week.server.accepted) >= 3)
    wait_for(week.shows("Stop"))
    token = week.ui.token("/demo/mails", "/demo/send/stop")
    week.press("Stop")
    # A second time would kill it.
    assert week.ui.post_form(token, "/demo/send/stop").status == 303
    wait_for(week.shows("not reached"))
    gone = len(week.server.accepted)
    assert 3 <= gone < 30
    assert f"{gone} sent, {39 - gone} not reached." in week.text()
    assert f"{39 - gone} mails would go out now" in week.text()

    week.open("demo/mails?outcome=sent+since+the+build")
    assert f"{gone} in all." in week.find("#who").text
    week.open("demo/mails")

    # ---- the server is killed, and the sending goes on; nobody can start a second one ----
    token = week.ui.token("/demo/mails", "/demo/send/start")
    type_number(week, str(39 - gone))
    wait_for(lambda: len(week.server.accepted) >= gone + 3)
    process = week.job("send", "pid")
    assert week.ui.post_form(token, "/demo/send/start", number=str(39 - gone)).status == 303
    assert week.job("send", "pid") == process
    week.ui.kill()
    week.start()
    week.open("demo/mails")
    wait_for(lambda: week.job("send", "code") != "")
    wait_for(week.shows(f"\n{39 - gone} sent."))
    assert week.find("h2").text == "0 mails would go out now"
    assert len(week.server.accepted) == 39
    assert set(week.server.recipients.values()) == {1}


def type_number(week: Round, number: str) -> None:
    field = week.find("#confirm")
    field.clear()
    field.send_keys(number)
    week.press("Send to the learners")


def test_the_log_is_that_of_the_command(week: Round) -> None:
    assert json.loads(week.mm("log", "demo", "--json"))["counts"] == {"sent": 39}
    week.open("demo/mails")
    assert "39 in all." in week.find("#log").text
    assert "sent 39" in week.find("#log table").text
    week.open("")
    assert "\n0 mails would go out now" in week.text()
    runs = json.loads(week.mm("downloads", "demo", "--json"))["runs"]
    assert f"{sum(bool(run['to_fetch']) for run in runs)} runs to fetch" in week.text()


def test_nothing_is_said_of_a_learner_and_nothing_is_left_open(week: Round) -> None:
    folder = week.ui.place.root / "out" / "ui"
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 8
    for path in files:
        assert stat.S_IMODE(path.stat().st_mode) & 0o137 == 0, path
        assert "@" not in path.read_text(), path
    blocked = [
        line for line in week.browser.get_log("browser") if "Content Security Policy" in line["message"]
    ]
    assert blocked == []
