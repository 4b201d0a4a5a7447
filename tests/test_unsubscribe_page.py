"""The page that the unsubscribe links lead to: a real server, real HTTP, and a real browser."""

import base64
import csv
import hashlib
import hmac
import json
import logging
import random
import re
import resource
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import count
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import pytest
from mail_fixtures import MM, SECRET, MailServer, World, candidate, free_port, world_in
from selenium.webdriver import Chrome
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.expected_conditions import title_is
from selenium.webdriver.support.wait import WebDriverWait
from test_mail_browser import CONTRASTS, OVERFLOW, show

from mm import unsubscribe_links, unsubscribe_page
from mm.optouts import OptOuts

ADA = "ada+bees@example.org"
ONE_CLICK = "List-Unsubscribe=One-Click"
BUTTON = "unsubscribe=yes"
HEADER = "email,unsubscribed_at,source\n"


def query(email: str, kind: str = "hmac-sha256", secret: str = SECRET) -> str:
    """Return a link's query, with the hash worked out here."""
    if kind == "md5":
        digest = hashlib.md5((secret + email).encode()).hexdigest()  # noqa: S324 - as the links have it
    else:
        digest = hmac.new(secret.encode(), email.encode(), "sha256").hexdigest()
    return f"?email={quote(email, safe='')}&validation_hash={digest}"


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def title(self) -> str:
        return "".join(re.findall("<h1>(.*)</h1>", self.text))

    @property
    def token(self) -> str | None:
        found = re.search('name="take_back" value="([^"]+)"', self.text)
        return found and found[1]


@dataclass
class Page:
    """A process of `mm unsubscribe serve`; a context manager."""

    world: World
    port: int = field(default_factory=free_port)
    # So that a test which asks often is many clients.
    clients: Iterator[int] = field(default_factory=count)
    largest_file: int | None = None

    def __enter__(self) -> Self:
        """Start it, and wait until it listens."""
        self.output = (self.world.folder / f"page-{self.port}.log").open("w+")
        self.process = subprocess.Popen(
            [MM, "unsubscribe", "serve", "--port", str(self.port)],
            env=self.world.environment | {"PYTHONDONTWRITEBYTECODE": "1"},
            stdout=self.output,
            stderr=subprocess.STDOUT,
            preexec_fn=self._limit,  # noqa: PLW1509 - it only sets a limit
        )
        for _ in range(200):
            assert self.process.poll() is None, self.said()
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port)).close()
                return self
            time.sleep(0.05)
        pytest.fail("the page does not listen")

    def _limit(self) -> None:
        if self.largest_file is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.largest_file, self.largest_file))

    def __exit__(self, *_: object) -> None:
        """End it; no test may find an address in its log."""
        self.process.terminate()
        self.process.wait(10)
        assert "@" not in self.said(), "an address is in the log"
        assert "%40" not in self.said(), "an address is in the log"
        assert "Traceback" not in self.said(), self.said()
        self.output.close()

    def said(self) -> str:
        """Return what the process wrote."""
        return (self.world.folder / f"page-{self.port}.log").read_text()

    def ask(
        self,
        method: str,
        link: str,
        body: str | bytes | None = None,
        client: str | None = None,
        **headers: str,
    ) -> Answer:
        """Ask as a client that has asked nothing before, or as the one named."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        number = next(self.clients)
        sent = {"X-Forwarded-For": client or f"10.0.{number // 250}.{number % 250}"}
        if body is not None:
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        connection.request(method, f"/unsubscribe{link}", body, sent | headers)
        response = connection.getresponse()
        answer = Answer(response.status, dict(response.getheaders()), response.read().decode())
        connection.close()
        return answer


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with Page(world_in(tmp_path_factory.mktemp("page"))) as page:
        yield page


@pytest.fixture
def page(running: Page) -> Page:
    """Return the page that all tests share, with an empty data folder."""
    data = running.world.opt_outs.parent
    shutil.rmtree(data)
    data.mkdir()
    return running


def lines(world: World) -> list[tuple[str, str]]:
    """Return address and source of every line of unsubscribed.csv."""
    with world.opt_outs.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, strict=True))
    for row in rows:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", row["unsubscribed_at"])
        assert None not in row
    return [(row["email"], row["source"]) for row in rows]


# ---- what each request does ----


@pytest.mark.parametrize("kind", ["hmac-sha256", "md5"])
def test_looking_changes_nothing_and_pressing_the_button_does(page: Page, kind: str) -> None:
    link = query(ADA, kind)
    assert page.ask("GET", link).title == "Unsubscribe?"
    head = page.ask("HEAD", link)
    assert (head.status, head.text) == (200, "")
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"):
        refused = page.ask(method, link, BUTTON)
        assert refused.status == 405
        assert set(refused.headers["Allow"].split(", ")) == {"GET", "HEAD", "POST"}
    assert page.ask("POST", link).status == 400
    assert page.ask("POST", link, "List-Unsubscribe=Two-Clicks").status == 400
    assert not page.world.opt_outs.exists()
    for _ in range(3):
        answer = page.ask("POST", link, BUTTON)
        assert (answer.status, answer.title) == (200, "You are unsubscribed")
        assert ADA in answer.text
    assert lines(page.world) == [(ADA, "page")]
    assert page.world.opt_outs.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("form", ["urlencoded", "multipart"])
def test_a_mail_program_unsubscribes_with_one_click(page: Page, form: str) -> None:
    body, kind = ONE_CLICK, "application/x-www-form-urlencoded"
    if form == "multipart":
        kind = "multipart/form-data; boundary=b"
        body = '--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--b--\r\n'
    for _ in range(2):
        answer = page.ask("POST", query(ADA), body, **{"Content-Type": kind})
        # RFC 8058: no cookie is needed or set, and nothing redirects.
        assert (answer.status, answer.title) == (200, "You are unsubscribed")
        assert not {"set-cookie", "location"} & {name.lower() for name in answer.headers}
    assert lines(page.world) == [(ADA, "one-click")]


@pytest.mark.parametrize(
    ("email", "cell"),
    [
        ("o'neil@example.org", "o'neil@example.org"),
        ("'quoted'@example.org", "<'quoted'@example.org>"),
        ("=1+1@example.org", "<=1+1@example.org>"),
        ("-dash@example.org", "<-dash@example.org>"),
        ("a?b@example.org", "<a?b@example.org>"),
        ("_under@example.org", "_under@example.org"),
    ],
)
def test_what_is_written_is_read_as_that_address(page: Page, email: str, cell: str) -> None:
    assert page.ask("POST", query(email), BUTTON).status == 200
    assert lines(page.world) == [(cell, "page")]
    assert list(OptOuts(page.world.opt_outs)) == [email]


def test_a_plus_that_a_mail_program_decoded_is_a_plus(page: Page) -> None:
    assert page.ask("POST", query(ADA).replace("%2B", "+"), BUTTON).status == 200
    assert lines(page.world) == [(ADA, "page")]


def test_nobody_learns_from_a_wrong_link_who_is_a_learner(page: Page) -> None:
    known, unknown = "known@example.org", "nobody@example.org"
    page.ask("POST", query(known), BUTTON)
    wrong = [
        query("somebody@example.org").partition("&")[2],
        "validation_hash=",
        "",
        query(known, "md5", "another secret").partition("&")[2],
        "validation_hash=%FF%00\u00e9",
        f"validation_hash={'0' * 3000}",
    ]
    seen = set()
    for email in (known, unknown, unknown.upper(), "", "no address", "<script>"):
        for rest in wrong:
            for method, body in (
                ("GET", None),
                ("POST", BUTTON),
                ("POST", ONE_CLICK),
                ("POST", "take_back=x"),
            ):
                answer = page.ask(method, f"?email={quote(email)}&{quote(rest, safe='=%')}", body)
                assert answer.status == 400
                assert answer.title == "This link is not complete"
                seen.add(re.sub('nonce="[^"]+"', "", answer.text))
    assert page.ask("GET", "").status == 400
    assert len(seen) == 1
    assert lines(page.world) == [(known, "page")]


def test_hashes_are_compared_in_a_time_that_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return one == other

    monkeypatch.setattr(unsubscribe_links.hmac, "compare_digest", compare)
    right = query(ADA).rpartition("=")[2]
    assert unsubscribe_links.is_of_link(ADA, right, SECRET)
    assert not unsubscribe_links.is_of_link(ADA, right[:-1], SECRET)
    # Both kinds each time, whichever it is.
    assert len(compared) == 4


def test_what_is_answered_leaves_nothing_behind_and_loads_nothing(page: Page) -> None:
    answers = [
        page.ask("GET", query(ADA)),
        page.ask("GET", ""),
        page.ask("POST", query(ADA), ONE_CLICK),
        page.ask("PUT", query(ADA)),
        page.ask("POST", query(ADA), "take_back=x"),
    ]
    for answer in answers:
        policy = dict(part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; "))
        nonce = re.search('<style nonce="([^"]+)">', answer.text)
        assert nonce
        assert policy == {
            "default-src": "'none'",
            "style-src": f"'nonce-{nonce[1]}'",
            "img-src": "data:",
            "form-action": "'self'",
            "base-uri": "'none'",
            "frame-ancestors": "'none'",
        }
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "Set-Cookie" not in answer.headers
        assert "Server" not in answer.headers
        assert "<script" not in answer.text
        assert not re.search("https?://", answer.text)


def test_a_name_that_is_markup_is_text(page: Page) -> None:
    link = query("<b>&@example.org")
    assert "<bdi>&lt;b&gt;&amp;@example.org</bdi>" in page.ask("GET", link).text
    # Signed, and yet no address that could be mailed.
    assert page.ask("POST", link, BUTTON).status == 400
    assert not page.world.opt_outs.exists()


def test_large_bodies_are_refused(page: Page) -> None:
    assert page.ask("POST", query(ADA), ONE_CLICK + "&x=" + "x" * (4096 - len(ONE_CLICK) - 3)).status == 200
    page.world.opt_outs.unlink()
    assert page.ask("POST", query(ADA), ONE_CLICK + "&x=" + "x" * (4097 - len(ONE_CLICK) - 3)).status == 413
    chunked = page.ask("POST", query(ADA), (b"x" * 1000 for _ in range(9)))  # type: ignore[arg-type]
    assert chunked.status == 413
    with suppress(OSError, HTTPException):
        assert page.ask("POST", query(ADA), b"x" * 50_000_000).status == 413
    assert page.ask("GET", query(ADA)).status == 200
    assert not page.world.opt_outs.exists()


def test_another_server_refuses_large_bodies_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MM_UNSUBSCRIBE_SECRET", SECRET)
    monkeypatch.setenv("MM_DATA_DIR", str(world.folder / "data"))
    client = unsubscribe_page.create_app().test_client()
    answer = client.post(f"/any/path/{query(ADA)}", data={"List-Unsubscribe": "One-Click", "x": "x" * 5000})
    assert (answer.status_code, world.opt_outs.exists()) == (413, False)
    assert client.post(f"//{query(ADA)}", data={"List-Unsubscribe": "One-Click"}).status_code == 200
    assert lines(world) == [(ADA, "one-click")]


def test_the_page_needs_its_secret(world: World) -> None:
    done = world.mm_process("unsubscribe", "serve", "--port", free_port(), MM_UNSUBSCRIBE_SECRET="")
    assert done.returncode == 1
    assert done.stderr.startswith("mm: MM_UNSUBSCRIBE_SECRET is not set")
    taken = free_port()
    with socket.create_server(("127.0.0.1", taken)):
        done = world.mm_process("unsubscribe", "serve", "--port", taken)
    assert "cannot be used (Address already in use" in done.stderr


# ---- it was a mistake ----


def test_a_mistake_is_taken_back_by_the_answer_page_and_last_lines_count(page: Page) -> None:
    first = page.ask("POST", query(ADA), ONE_CLICK)
    assert first.token
    undone = page.ask("POST", query(ADA), f"take_back={first.token}")
    assert (undone.status, undone.title) == (200, "You get our mails again")
    # Pressed twice, or reloaded.
    assert page.ask("POST", query(ADA), f"take_back={first.token}").status == 200
    assert lines(page.world) == [(ADA, "one-click"), (ADA, "taken back")]
    assert list(OptOuts(page.world.opt_outs)) == []
    page.ask("POST", query(ADA), BUTTON)
    assert lines(page.world)[2:] == [(ADA, "page")]
    assert list(OptOuts(page.world.opt_outs)) == [ADA]


def test_a_token_is_for_one_address_and_for_some_minutes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MM_UNSUBSCRIBE_SECRET", SECRET)
    monkeypatch.setenv("MM_DATA_DIR", str(world.folder / "data"))
    client = unsubscribe_page.create_app().test_client()
    now = time.time()
    tokens = {}
    for email in (ADA, "bo@example.org"):
        found = Answer(200, {}, client.post(f"/{query(email)}", data={"unsubscribe": "yes"}).text).token
        assert found
        tokens[email] = found
    forged = base64.urlsafe_b64encode(b'"ada+bees@example.org"').decode().rstrip("=")
    for token in (tokens["bo@example.org"], "", "x", f"{forged}.{tokens[ADA].split('.', 1)[1][::-1]}"):
        answer = client.post(f"/{query(ADA)}", data={"take_back": token})
        assert (answer.status_code, "You stay unsubscribed" in answer.text) == (400, True)
    # It needs the link, too.
    assert client.post(f"/?email={quote(ADA)}", data={"take_back": tokens[ADA]}).status_code == 400
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: now + 15 * 60 + 2)
    assert client.post(f"/{query(ADA)}", data={"take_back": tokens[ADA]}).status_code == 400
    assert set(OptOuts(world.opt_outs)) == {ADA, "bo@example.org"}
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: now + 15 * 60 - 2)
    assert client.post(f"/{query(ADA)}", data={"take_back": tokens[ADA]}).status_code == 200
    assert set(OptOuts(world.opt_outs)) == {"bo@example.org"}


@pytest.mark.parametrize(
    ("content", "after"),
    [
        # Whoever complained, or whom a person wrote down, is not asked whether it was a mistake.
        (f"{HEADER}{ADA},2026-01-01,complaint\n", ""),
        (f"{HEADER}Ada <{ADA.upper()}>,2026-01-01,by phone\n", ""),
        (f"{HEADER}{ADA},2026-01-01,\n", ""),
        # Without the column nobody could read that it was taken back.
        ("email\n", f"{ADA}\n"),
    ],
)
def test_an_opt_out_that_is_not_the_pages_is_not_taken_back(page: Page, content: str, after: str) -> None:
    page.ask("POST", query(ADA), BUTTON)
    token = page.ask("POST", query(ADA), BUTTON).token
    page.world.opt_outs.write_text(content)
    answer = page.ask("POST", query(ADA), BUTTON)
    assert (answer.status, answer.title, answer.token) == (200, "You are unsubscribed", None)
    assert page.ask("POST", query(ADA), f"take_back={token}").status == 400
    assert page.world.opt_outs.read_text() == content + after


def test_a_sender_that_runs_remembers_what_was_taken_back(world: World) -> None:
    world.opt_outs.write_text(f"{HEADER}{ADA},2026-01-01,page\n")
    running = OptOuts(world.opt_outs)
    with world.opt_outs.open("a") as file:
        file.write(f"{ADA},2026-01-01,Taken back \n")
    running.refresh()
    assert ADA in running
    assert ADA not in OptOuts(world.opt_outs)


# ---- the file, and what may happen to it ----


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            f"{HEADER}bo@example.org,2026-01-01,form",
            f"{HEADER}bo@example.org,2026-01-01,form\n{ADA},*,page\n",
        ),
        (f"\ufeff{HEADER}".replace("\n", "\r\n"), f"\ufeff{HEADER}{ADA},*,page\n".replace("\n", "\r\n")),
        (
            'Source, "E-mail" ,email\r\nform,"a, b",bo@example.org\r\n',
            f'Source, "E-mail" ,email\r\nform,"a, b",bo@example.org\r\npage,,{ADA}\r\n',
        ),
        ("email\r", f"email\r{ADA}\r"),
        ("email", f"email\n{ADA}\n"),
    ],
)
def test_a_line_is_written_as_the_file_is(page: Page, before: str, after: str) -> None:
    page.world.opt_outs.write_bytes(before.encode())
    assert page.ask("POST", query(ADA), BUTTON).status == 200
    content = page.world.opt_outs.read_bytes().decode()
    assert re.sub(r"\d{4}-\d\d-\d\dT[\d:]{8}Z", "*", content) == after
    assert ADA in OptOuts(page.world.opt_outs)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"email;source\nbo@example.org;form\n",
        b'email,source\nbo@example.org,"form\n',
        "email\n".encode("utf-16"),
    ],
)
def test_a_file_that_cannot_be_understood_is_left_as_it_is(page: Page, content: bytes) -> None:
    page.world.opt_outs.write_bytes(content)
    for body in (BUTTON, ONE_CLICK):
        answer = page.ask("POST", query(ADA), body)
        assert (answer.status, answer.title) == (503, "This did not work")
        assert "our server has a problem" in answer.text
        assert "Retry-After" in answer.headers
    assert page.world.opt_outs.read_bytes() == content
    assert f"{page.world.opt_outs}" in page.said()
    # Looking needs no file.
    assert page.ask("GET", query(ADA)).status == 200


def test_a_file_that_cannot_be_read_is_said(page: Page) -> None:
    page.world.opt_outs.mkdir()
    assert page.ask("POST", query(ADA), ONE_CLICK).status == 503
    assert f"{page.world.opt_outs} cannot be written (Is a directory)" in page.said()
    page.world.opt_outs.rmdir()
    page.world.opt_outs.symlink_to(page.world.folder / "data" / "gone.csv")
    assert page.ask("POST", query(ADA), ONE_CLICK).status == 503
    page.world.opt_outs.unlink()
    assert page.ask("POST", query(ADA), ONE_CLICK).status == 200


@pytest.mark.parametrize("room", [10, 70, 71])
def test_on_a_full_disk_nothing_is_acknowledged_and_no_half_line_stays(world: World, room: int) -> None:
    # Longer than the process's log, which has no more room than it.
    before = HEADER + "".join(f"bo{number}@example.org,2026-01-01,form\n" for number in range(100))
    world.opt_outs.write_text(before)
    line = len(f"{ADA},2026-01-01T00:00:00Z,page\n")
    assert line == 47
    full = len(before) + room
    with Page(world, largest_file=full) as page:
        answers = [page.ask("POST", query(f"{number}{ADA}"), BUTTON) for number in range(3)]
        fitting = room // (line + 1)
        assert [answer.status for answer in answers] == [200] * fitting + [503] * (3 - fitting)
        # What was acknowledged is there, and nothing else.
        assert lines_after(world, before) == [f"{number}{ADA}" for number in range(fitting)]
        assert "cannot be written (File too large)" in page.said()
    with Page(world) as page:
        assert page.ask("POST", query(ADA), BUTTON).status == 200
    assert ADA in OptOuts(world.opt_outs)


def lines_after(world: World, before: str) -> list[str]:
    content = world.opt_outs.read_text()
    assert content.startswith(before)
    return [row.split(",")[0] for row in content.removeprefix(before).splitlines()]


def test_a_fault_is_logged_without_an_address(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MM_UNSUBSCRIBE_SECRET", SECRET)
    monkeypatch.setenv("MM_DATA_DIR", str(world.folder / "data"))

    def fail(email: str, _: str) -> None:
        raise RuntimeError(email)

    monkeypatch.setattr(unsubscribe_page, "opt_out", fail)
    client = unsubscribe_page.create_app().test_client()
    with caplog.at_level(logging.DEBUG):
        answer = client.post(f"/{query(ADA)}", data={"unsubscribe": "yes"})
    assert (answer.status_code, "This did not work" in answer.text) == (500, True)
    assert "RuntimeError" in caplog.text
    assert "@" not in caplog.text.replace("@pytest", "")


# ---- many at once ----


def test_a_client_that_asks_too_often_is_refused_and_others_are_not(page: Page) -> None:
    statuses: Counter[int] = Counter()
    stop = time.monotonic() + 3

    def hammer(_: int) -> None:
        connection = HTTPConnection("127.0.0.1", page.port, timeout=20)
        while time.monotonic() < stop:
            connection.request("GET", f"/{query(ADA)}", headers={"X-Forwarded-For": "10.9.9.9"})
            response = connection.getresponse()
            response.read()
            statuses[response.status] += 1

    with ThreadPoolExecutor(8) as threads:
        hammering = threads.map(hammer, range(7))
        time.sleep(1)
        asked = time.monotonic()
        assert page.ask("POST", query(ADA), ONE_CLICK, client="10.1.1.1").status == 200
        assert time.monotonic() - asked < 2
        refused = page.ask("GET", query(ADA), client="10.9.9.9")
        list(hammering)
    assert set(statuses) == {200, 429}
    # In three seconds, and the four that they touch, at most 20 each.
    assert 20 <= statuses[200] <= 80
    assert statuses[429] > 500
    assert (refused.status, refused.title, refused.headers["Retry-After"]) == (
        429,
        "This request was refused",
        "1",
    )
    time.sleep(1.1)
    assert page.ask("GET", query(ADA), client="10.9.9.9").status == 200


def post_all(pages: list[Page], emails: list[str], threads: int = 6) -> set[str]:
    """Post each address once, to the pages in turn; return which were acknowledged."""
    acknowledged = set()

    def post(number: int) -> None:
        with suppress(OSError, HTTPException):
            if pages[number % len(pages)].ask("POST", query(emails[number]), ONE_CLICK).status == 200:
                acknowledged.add(emails[number])

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(post, range(len(emails))))
    return acknowledged


@pytest.mark.parametrize("seed", [20261126])
def test_killed_while_200_post_every_acknowledged_one_is_in_the_file(world: World, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - moments, not secrets
    emails = [f"learner{number}@example.org" for number in range(200)]
    acknowledged: set[str] = set()
    kills = 0
    while kills < 4:
        left = [email for email in emails if email not in acknowledged]
        page = Page(world).__enter__()
        killing = threading.Timer(chance.uniform(0.02, 0.1), page.process.kill)
        killing.start()
        before = len(acknowledged)
        acknowledged |= post_all([page], left)
        killing.join()
        assert page.process.wait(10) == -signal.SIGKILL
        page.output.close()
        assert len(acknowledged) < 200, "it ended before it was killed"
        kills += len(acknowledged) > before
        written = [email for email, _ in lines(world)] if world.opt_outs.exists() else []
        assert set(acknowledged) <= set(written)
        assert len(written) == len(set(written))
    with Page(world) as page:
        acknowledged |= post_all([page], emails)
    assert acknowledged == set(emails)
    assert sorted(lines(world)) == sorted((email, "one-click") for email in emails)


def test_two_servers_and_a_reader_at_once(world: World) -> None:
    emails = [f"learner{number}@example.org" for number in range(100)]
    stop = threading.Event()
    seen = []

    def read() -> None:
        while not stop.is_set():
            # A line that is half there would be refused, or be another address.
            seen.append(set(OptOuts(world.opt_outs)))

    with Page(world) as one, Page(world) as other, ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read)
        # Each address to both, at about the same time.
        twice = [email for email in emails for _ in range(2)]
        acknowledged = post_all([one, other], twice)
        stop.set()
        reading.result()
    assert acknowledged == set(emails)
    assert sorted(lines(world)) == sorted((email, "one-click") for email in emails)
    assert all(addresses <= set(emails) for addresses in seen)
    assert len(seen) > 5


def test_a_file_that_an_editor_replaced_meanwhile_is_the_one_that_is_written(page: Page) -> None:
    page.ask("POST", query(ADA), BUTTON)
    anew = page.world.folder / "anew.csv"
    anew.write_text(f"{HEADER}bo@example.org,2026-01-01,form\n")
    anew.rename(page.world.opt_outs)
    page.ask("POST", query(ADA), BUTTON)
    assert lines_after(page.world, f"{HEADER}bo@example.org,2026-01-01,form\n") == [ADA]


# ---- what is around it ----


class Tls:
    """What a web server does in front of the page: TLS at 127.0.0.2, and on to a port of this machine."""

    def __init__(self, context: ssl.SSLContext, port: int) -> None:
        self._context, self._port = context, port
        self._listener = socket.create_server(("127.0.0.2", 0))
        self.base = f"https://127.0.0.2:{self._listener.getsockname()[1]}/unsubscribe"

    def __enter__(self) -> Self:
        """Listen."""
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Listen no more."""
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._relay, args=(plain,), daemon=True).start()

    def _relay(self, plain: socket.socket) -> None:
        with (
            suppress(OSError),
            self._context.wrap_socket(plain, server_side=True) as outside,
            socket.create_connection(("127.0.0.1", self._port)) as inside,
        ):
            threading.Thread(target=_copy, args=(outside, inside), daemon=True).start()
            _copy(inside, outside)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while block := source.recv(65536):
            target.sendall(block)
        target.shutdown(socket.SHUT_WR)


def test_check_tells_whether_the_page_knows_the_programs_links(
    page: Page, certificate: Path, tls: ssl.SSLContext
) -> None:
    with Tls(tls, page.port) as front:
        for kind in ("hmac-sha256", "md5"):
            page.world.publish([candidate(1)], unsubscribe_base=front.base, unsubscribe_hash=kind)
            check: Callable[..., Any] = page.world.mm_process
            done = check("unsubscribe", "check", "demo", SSL_CERT_FILE=str(certificate))
            assert (done.returncode, done.stderr) == (0, "")
            assert done.stdout == (
                f"The page at {front.base} knows the links of demo, and refuses a wrong one.\n"
            )
        other = {"SSL_CERT_FILE": str(certificate), "MM_UNSUBSCRIBE_SECRET": "another"}
        done = check("unsubscribe", "check", "demo", **other)
        assert done.returncode == 1
        assert f"The page at {front.base} answers 400 to a right link: see that it runs" in done.stderr
        done = check("unsubscribe", "check", "demo")
        assert done.returncode == 1
        assert "cannot be opened ([SSL: CERTIFICATE_VERIFY_FAILED]" in done.stderr
        assert done.stderr.count("\n") == 1
    assert not page.world.opt_outs.exists()


class _Yes(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_check_says_where_a_page_tells_nothing_apart(
    world: World, certificate: Path, tls: ssl.SSLContext
) -> None:
    with HTTPServer(("127.0.0.1", 0), _Yes) as yes, Tls(tls, yes.server_port) as front:
        threading.Thread(target=yes.serve_forever, daemon=True).start()
        world.publish([candidate(1)], unsubscribe_base=front.base)
        done = world.mm_process("unsubscribe", "check", "demo", SSL_CERT_FILE=str(certificate))
        yes.shutdown()
    assert done.returncode == 1
    assert "answers a wrong link as it does a right one" in done.stderr


@pytest.mark.parametrize(
    "base",
    ["https://www.example.org/unsubscribe", "https://unsubscribe.test", "https://Example.COM:8025/u?p=1"],
)
def test_where_no_page_can_be_is_said_before_anything_goes_out(
    world: World, server: MailServer, base: str
) -> None:
    world.publish([candidate(1)], unsubscribe_base=base)
    says = f"mm: unsubscribe_base of demo is {base}, where no page can be"
    for command in (("render", "demo", "--out", world.folder / "out"), ("send", "demo")):
        assert world.mm(*command).stderr.startswith(says)
    assert not server.accepted
    done = world.mm("unsubscribe", "check", "demo")
    assert (done.returncode, "where no page can be" in done.stderr) == (1, True)
    for wrong in ("http://mail.example.edu/unsubscribe", "https://[mail.example.edu", "https:/mail", ""):
        world.publish([candidate(1)], unsubscribe_base=wrong)
        for command in (
            ("render", "demo"),
            ("send", "demo", "--confirm", 1),
            ("unsubscribe", "check", "demo"),
        ):
            done = world.mm(*command)
            assert done.returncode == 1
            assert "unsubscribe_base of demo is" in done.stderr
    assert not server.accepted


# ---- a learner's way, in a browser ----


@pytest.fixture
def learner(
    world: World, tls: ssl.SSLContext, browser: Chrome, server: MailServer
) -> Iterator[tuple[Page, Chrome, MailServer]]:
    with Page(world) as page, Tls(tls, page.port) as front:
        page.world.publish([candidate(1), candidate(2)], unsubscribe_base=front.base)
        assert page.world.mm("render", "demo", "--out", page.world.folder / "out").returncode == 0
        browser.execute_cdp_cmd("Security.setIgnoreCertificateErrors", {"ignore": True})
        yield page, browser, server
        browser.execute_cdp_cmd("Security.setIgnoreCertificateErrors", {"ignore": False})


def press(browser: Chrome, name: str, title: str) -> None:
    [button] = [each for each in browser.find_elements("tag name", "button") if each.text == name]
    button.click()
    WebDriverWait(browser, 10).until(title_is(title))
    assert browser.find_element("tag name", "h1").text == title


def test_from_the_mail_to_the_next_mailout(learner: tuple[Page, Chrome, MailServer]) -> None:
    page, browser, server = learner
    browser.get_log("browser")
    browser.get_log("performance")
    show(browser, page.world.folder / "out" / "1.html", 360)
    browser.find_element("link text", "Unsubscribe").click()
    assert browser.title == "Unsubscribe?"
    assert not page.world.opt_outs.exists()
    press(browser, "Unsubscribe", "You are unsubscribed")
    assert lines(page.world) == [("learner1@example.org", "page")]
    browser.refresh()
    assert browser.title == "You are unsubscribed"
    assert "1 mail would go out now" in page.world.mm("send", "demo").stdout
    press(browser, "It was a mistake", "You get our mails again")
    assert "2 mails would go out now" in page.world.mm("send", "demo").stdout
    press(browser, "Unsubscribe", "You are unsubscribed")
    assert page.world.mm("send", "demo", "--confirm", 1).returncode == 0
    assert set(server.recipients) == {"learner2@example.org"}
    assert [source for _, source in lines(page.world)] == ["page", "taken back", "page"]
    assert browser.get_cookies() == []
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
    for entry in browser.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            request = message["params"]["request"]
            assert request["url"].startswith(("file:", "data:", "https://127.0.0.2:"))
            assert not {"referer", "cookie"} & {name.lower() for name in request["headers"]}


def test_the_page_is_for_all_eyes_and_for_none(learner: tuple[Page, Chrome, MailServer]) -> None:
    page, browser, _ = learner
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    mail = page.world.folder / "out" / "1.html"
    backgrounds = set()
    for width, scheme in ((360, "light"), (360, "dark"), (1280, "light")):
        show(browser, mail, width, scheme)
        browser.find_element("link text", "Unsubscribe").click()
        for step in ("Unsubscribe", "It was a mistake", None):
            assert browser.execute_script(OVERFLOW) == 0
            for text, contrast in browser.execute_script(CONTRASTS):
                assert contrast >= 4.5, text
            backgrounds.add(browser.execute_script("return getComputedStyle(document.body).backgroundColor"))
            heard = browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
            roles = [(node["role"]["value"], node.get("name", {}).get("value")) for node in heard]
            assert ("heading", browser.title) in roles
            assert [role for role, _ in roles].count("main") == 1
            assert browser.find_element("tag name", "html").get_attribute("lang") == "en"
            if step:
                assert ("button", step) in roles
                button = browser.find_element("tag name", "button")
                assert button.rect["height"] >= 44
                # By keyboard.
                browser.find_element("tag name", "body").send_keys(Keys.TAB)
                assert browser.switch_to.active_element == button
                before = browser.title
                button.send_keys(Keys.ENTER)
                WebDriverWait(browser, 10).until_not(title_is(before))
    assert len(backgrounds) == 2


def test_the_page_works_without_scripts(learner: tuple[Page, Chrome, MailServer]) -> None:
    page, browser, _ = learner
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get((page.world.folder / "out" / "2.html").as_uri())
        browser.find_element("link text", "Unsubscribe").click()
        press(browser, "Unsubscribe", "You are unsubscribed")
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    assert lines(page.world) == [("learner2@example.org", "page")]
