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
import select
import shutil
import signal
import socket
import sqlite3
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from itsdangerous import URLSafeTimedSerializer
from mail_fixtures import MM, SECRET, MailServer, World, candidate, free_port, world_in
from selenium.webdriver import Chrome
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.expected_conditions import title_is
from selenium.webdriver.support.wait import WebDriverWait
from test_mail_browser import CONTRASTS, OVERFLOW, look, show

from mm.config import ReaderError
from mm.ledger.ledger import Ledger
from mm.people import unsubscribe_links
from mm.people.addresses import read_address
from mm.unsubscribe import page as unsubscribe_page

CASES = Path(__file__).parent / "opt_outs"
ADA = "ada+bees@example.org"
ONE_CLICK = "List-Unsubscribe=One-Click"
BUTTON = "unsubscribe=yes"


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
        content_type: str | None = "application/x-www-form-urlencoded",
    ) -> Answer:
        """Ask; content_type None: none is sent."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        headers = {} if body is None or content_type is None else {"Content-Type": content_type}
        connection.request(method, f"/unsubscribe{link}", body, headers)
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
    """Return the page that all tests share, with a ledger in which nothing was said."""
    if ledger_of(running.world).exists():
        with sqlite3.connect(ledger_of(running.world)) as connection:
            connection.execute("delete from said")
        connection.close()
    return running


def ledger_of(world: World) -> Path:
    return world.folder / "database" / "mailing.sqlite"


def lines(world: World) -> list[tuple[str, str]]:
    """Return address and source of what the ledger's opt-outs are, in their order; `taken back` is one."""
    if not ledger_of(world).exists():
        return []
    with sqlite3.connect(ledger_of(world)) as connection:
        rows = list(connection.execute("select email, says, source, said_at from said order by id"))
    connection.close()
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", row[3]) for row in rows)
    return [(email, source if says == "opted out" else says) for email, says, source, _ in rows]


def opted_out(world: World) -> list[str]:
    """Return whom `mm unsubscribe list` names."""
    done = world.mm("unsubscribe", "list")
    assert done.returncode == 0, done.stderr
    return [row["email"] for row in csv.DictReader(done.stdout.splitlines(), strict=True)]


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
    assert lines(page.world) == []
    for _ in range(3):
        answer = page.ask("POST", link, BUTTON)
        assert (answer.status, answer.title) == (200, "You are unsubscribed")
        assert ADA in answer.text
    assert lines(page.world) == [(ADA, "page")]
    assert ledger_of(page.world).stat().st_mode & 0o777 == 0o640


MULTIPART = '--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--b--\r\n'
FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (ONE_CLICK, FORM),
        (MULTIPART, "multipart/form-data; boundary=b"),
        (MULTIPART, "multipart/form-data"),
        (ONE_CLICK, None),
        (ONE_CLICK, "text/plain"),
        (f"{ONE_CLICK}\r\n", FORM),
        ("", FORM),
        ("", None),
        (None, None),
        ("List-Unsubscribe=Two-Clicks", FORM),
        ('{"unsubscribe": true}', "application/json"),
        (b"\xff\x00", "application/octet-stream"),
    ],
)
def test_whatever_a_mail_program_posts_unsubscribes(
    page: Page, body: str | bytes | None, content_type: str | None
) -> None:
    for _ in range(2):
        answer = page.ask("POST", query(ADA), body, content_type)
        # RFC 8058: no cookie is needed or set, and nothing redirects.
        assert (answer.status, answer.title) == (200, "You are unsubscribed")
        assert not {"set-cookie", "location"} & {name.lower() for name in answer.headers}
    assert lines(page.world) == [(ADA, "one-click")]


def test_md5_links_are_those_of_programs_that_have_them(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_world(world, monkeypatch)
    header = "program,unsubscribe_hash\n"
    for seeds, status in ((f"{header}a,hmac-sha256\nb,\n", 400), (f"{header}a,hmac-sha256\nb,md5\n", 200)):
        (tmp_path / "programs.csv").write_text(seeds)
        monkeypatch.setattr(
            unsubscribe_page, "hashes_of_programs", partial(unsubscribe_links.hashes_of_programs, tmp_path)
        )
        client = unsubscribe_page.create_app().test_client()
        assert client.post(f"/{query(ADA, 'md5')}").status_code == status
        assert client.get(f"/{query(ADA)}").status_code == 200
    assert lines(world) == [(ADA, "one-click")]


@pytest.mark.parametrize(
    "email",
    [
        "o'neil@example.org",
        "'quoted'@example.org",
        "=1+1@example.org",
        "a?b@example.org",
        "_under@example.org",
    ],
)
def test_an_address_is_written_as_it_is(page: Page, email: str) -> None:
    assert page.ask("POST", query(email), BUTTON).status == 200
    assert lines(page.world) == [(email, "page")]
    assert [read_address(cell) for cell in opted_out(page.world)] == [email]


def in_world(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process have the world's environment."""
    for name, value in world.environment.items():
        if name.startswith("MM_"):
            monkeypatch.setenv(name, value)


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
    assert unsubscribe_links.is_of_link(ADA, right, SECRET, ("md5", "hmac-sha256"))
    assert not unsubscribe_links.is_of_link(ADA, right[:-1], SECRET, ("md5", "hmac-sha256"))
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
    assert lines(page.world) == []


def test_large_bodies_are_refused(page: Page) -> None:
    assert page.ask("POST", query(ADA), ONE_CLICK + "&x=" + "x" * (4096 - len(ONE_CLICK) - 3)).status == 200
    bo = query("bo@example.org")
    assert page.ask("POST", bo, ONE_CLICK + "&x=" + "x" * (4097 - len(ONE_CLICK) - 3)).status == 413
    # all in one go: the page may end the connection before a client that sends on has read the answer
    head = f"POST /unsubscribe{bo} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = (b"3e8\r\n" + b"x" * 1000 + b"\r\n") * 5
    with socket.create_connection(("127.0.0.1", page.port), timeout=20) as connection:
        connection.sendall(head.encode() + chunks + b"0\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")
    with suppress(OSError, HTTPException):
        assert page.ask("POST", bo, b"x" * 50_000_000).status == 413
    assert page.ask("GET", bo).status == 200
    assert lines(page.world) == [(ADA, "one-click")]


def test_another_server_refuses_large_bodies_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    in_world(world, monkeypatch)
    client = unsubscribe_page.create_app().test_client()
    answer = client.post(f"/any/path/{query(ADA)}", data={"List-Unsubscribe": "One-Click", "x": "x" * 5000})
    assert (answer.status_code, lines(world)) == (413, [])
    assert client.post(f"//{query(ADA)}", data={"List-Unsubscribe": "One-Click"}).status_code == 200
    assert lines(world) == [(ADA, "one-click")]


@pytest.mark.parametrize(
    ("secret", "says"),
    [
        ("", "MM_UNSUBSCRIBE_SECRET is not set"),
        (
            "fifteen letters",
            "MM_UNSUBSCRIBE_SECRET has 15 characters, and who guesses it can unsubscribe every",
        ),
        (f'"{SECRET}"', "MM_UNSUBSCRIBE_SECRET has blanks or quotes around it"),
        (f"{SECRET}\r", "MM_UNSUBSCRIBE_SECRET has blanks or quotes around it"),
    ],
)
def test_the_page_needs_its_secret(secret: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MM_UNSUBSCRIBE_SECRET", secret)
    with pytest.raises(ReaderError, match=f"^{says}"):
        unsubscribe_page.create_app()


def test_a_port_that_is_taken_is_said(world: World) -> None:
    taken = free_port()
    with socket.create_server(("127.0.0.1", taken)):
        done = world.mm_process("unsubscribe", "serve", "--port", taken)
    assert "cannot be used (Address already in use" in done.stderr


def test_a_short_secret_is_for_programs_whose_page_is_not_ours(world: World, server: MailServer) -> None:
    short = {"MM_UNSUBSCRIBE_SECRET": "fifteen letters"}
    says = "mm: MM_UNSUBSCRIBE_SECRET has 15 characters, and who guesses it can unsubscribe everybody"
    commands = (
        ("render", "demo", "--out", world.folder / "out"),
        ("send", "demo"),
        ("unsubscribe", "check", "demo"),
    )
    for kind in ("hmac-sha256", None):
        world.publish(
            [candidate(1)], unsubscribe_hash=kind, unsubscribe_base="https://127.0.0.1:9/unsubscribe"
        )
        for command in commands:
            done = world.mm(*command, **short)
            assert (done.returncode, done.stderr.startswith(says)) == (1, True)
    world.publish([candidate(1)], unsubscribe_hash="md5", unsubscribe_base="https://127.0.0.1:9/unsubscribe")
    for command in commands[:2]:
        done = world.mm(*command, **short)
        assert (done.returncode, done.stderr.startswith(says)) == (0, True)
    assert (
        world.mm(*commands[2], **short)
        .stderr.splitlines()[1]
        .startswith("mm: The page at https://127.0.0.1:9/")
    )
    assert not server.accepted


# ---- it was a mistake ----


def test_a_mistake_is_taken_back_by_the_answer_page(page: Page) -> None:
    first = page.ask("POST", query(ADA), ONE_CLICK)
    assert first.token
    undone = page.ask("POST", query(ADA), f"take_back={first.token}")
    assert (undone.status, undone.title) == (200, "You get our mails again")
    # Pressed twice, or reloaded.
    assert page.ask("POST", query(ADA), f"take_back={first.token}").status == 200
    assert lines(page.world) == [(ADA, "one-click"), (ADA, "taken back")]
    assert opted_out(page.world) == []
    page.ask("POST", query(ADA), BUTTON)
    assert lines(page.world)[2:] == [(ADA, "page")]
    assert opted_out(page.world) == [ADA]


def test_a_token_is_for_one_address_and_for_some_minutes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_world(world, monkeypatch)
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
    # The links' secret makes no token.
    with_secret = URLSafeTimedSerializer(SECRET, signer_kwargs={"digest_method": hashlib.sha256}).dumps(ADA)
    assert client.post(f"/{query(ADA)}", data={"take_back": with_secret}).status_code == 400
    # It needs the link, too.
    assert client.post(f"/?email={quote(ADA)}", data={"take_back": tokens[ADA]}).status_code == 400
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: now + 15 * 60 + 2)
    assert client.post(f"/{query(ADA)}", data={"take_back": tokens[ADA]}).status_code == 400
    assert set(opted_out(world)) == {ADA, "bo@example.org"}
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: now + 15 * 60 - 2)
    assert client.post(f"/{query(ADA)}", data={"take_back": tokens[ADA]}).status_code == 200
    assert opted_out(world) == ["bo@example.org"]


def test_an_opt_out_that_is_not_the_pages_is_not_taken_back(page: Page) -> None:
    page.ask("POST", query(ADA), BUTTON)
    token = page.ask("POST", query(ADA), BUTTON).token
    # Whoever complained, or whom a person wrote down, is not asked whether it was a mistake.
    assert page.world.mm("unsubscribe", "add", ADA).returncode == 0
    answer = page.ask("POST", query(ADA), BUTTON)
    assert (answer.status, answer.title, answer.token) == (200, "You are unsubscribed", None)
    assert page.ask("POST", query(ADA), f"take_back={token}").status == 400
    assert opted_out(page.world) == [ADA]


# ---- the lists that people keep, the ledger, and what may happen to them ----


def test_a_line_in_doubt_stops_the_sending_and_not_the_page(world: World, server: MailServer) -> None:
    # ana, cleo, dan and who asked for nothing
    people = {name: f"{name}@example.org" for name in ("ana", "cleo", "dan", "eve")}
    world.publish([candidate(number, email=email) for number, email in enumerate(people.values(), 1)])
    shutil.copy(CASES / "line_in_doubt.csv", world.opt_outs)
    with Page(world) as page:
        assert page.ask("POST", query(people["cleo"]), ONE_CLICK).status == 200
        assert page.ask("POST", query(people["dan"]), BUTTON).status == 200
    done = world.mm("send", "demo", "--confirm", 2)
    assert (done.returncode, "unsubscribed.csv, line 2: its email" in done.stderr) == (1, True)
    world.opt_outs.write_text(world.opt_outs.read_text().replace("ana at ", "ana@"))
    assert world.mm("send", "demo", "--confirm", 1).returncode == 0
    assert list(server.recipients) == [people["eve"]]


def test_what_a_spreadsheet_saves_over_the_list_takes_no_opt_out_of_the_page_away(
    world: World, server: MailServer
) -> None:
    people = [f"{name}@example.org" for name in ("old", "ana", "ben", "eve")]
    world.publish([candidate(number, email=email) for number, email in enumerate(people, 1)])
    shutil.copy(CASES / "spreadsheet_before.csv", world.opt_outs)
    with Page(world) as page:
        assert page.ask("POST", query("ana@example.org"), BUTTON).status == 200
    assert world.opt_outs.read_bytes() == (CASES / "spreadsheet_before.csv").read_bytes()
    shutil.copy(CASES / "spreadsheet_after_save.csv", world.opt_outs)
    assert world.mm("send", "demo", "--confirm", 1).returncode == 0
    assert list(server.recipients) == ["eve@example.org"]


def test_without_the_ledger_nothing_is_acknowledged_until_it_is_there_again(world: World) -> None:
    ledger = ledger_of(world)
    ledger.write_text("no ledger")
    with Page(world) as page:
        for body in (BUTTON, ONE_CLICK):
            answer = page.ask("POST", query(ADA), body)
            assert (answer.status, answer.title) == (503, "This did not work")
            assert "our server has a problem" in answer.text
            assert "Retry-After" in answer.headers
        assert f"The ledger {ledger} cannot be used" in page.said()
        # Looking needs no ledger.
        assert page.ask("GET", query(ADA)).status == 200
        ledger.unlink()
        assert page.ask("POST", query(ADA), ONE_CLICK).status == 200
        # Where a copy takes its place, what is said goes there.
        ledger.rename(world.folder / "copy")
        (world.folder / "copy").rename(ledger)
        shutil.copy(ledger, world.folder / "copy")
        (world.folder / "copy").rename(ledger)
        statuses = [page.ask("POST", query("bo@example.org"), ONE_CLICK).status for _ in range(2)]
        assert statuses == [503, 200]
    assert "bo@example.org" in opted_out(world)


def test_on_a_full_disk_nothing_is_acknowledged_that_is_not_kept(world: World) -> None:
    emails = [f"learner{number}@example.org" for number in range(40)]
    with Page(world, largest_file=200_000) as page:
        statuses = [page.ask("POST", query(email), BUTTON).status for email in emails]
        acknowledged = {email for email, status in zip(emails, statuses, strict=True) if status == 200}
        assert set(statuses) == {200, 503}
        assert "cannot be used (" in page.said()
    assert acknowledged <= {email for email, _ in lines(world)}
    with Page(world) as page:
        assert page.ask("POST", query(ADA), BUTTON).status == 200
    assert acknowledged | {ADA} <= set(opted_out(world))


def test_a_fault_is_logged_without_an_address(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    in_world(world, monkeypatch)

    def fail(_: Ledger, email: str, __: str) -> None:
        raise RuntimeError(email)

    monkeypatch.setattr(Ledger, "opt_out", fail)
    client = unsubscribe_page.create_app().test_client()
    with caplog.at_level(logging.DEBUG):
        answer = client.post(f"/{query(ADA)}", data={"unsubscribe": "yes"})
    assert (answer.status_code, "This did not work" in answer.text) == (500, True)
    assert "RuntimeError" in caplog.text
    assert "@" not in caplog.text.replace("@pytest", "")


# ---- many at once ----


def test_right_links_are_not_refused_however_many_come_from_one_address(world: World) -> None:
    emails = [f"learner{number}@example.org" for number in range(1000)]

    def post(mine: list[str]) -> set[int]:
        connection = HTTPConnection("127.0.0.1", page.port, timeout=20)
        statuses = set()
        for email in mine:
            connection.request("POST", f"/{query(email)}", ONE_CLICK)
            response = connection.getresponse()
            response.read()
            statuses.add(response.status)
        connection.close()
        return statuses

    with Page(world) as page, ThreadPoolExecutor(50) as clients:
        assert set().union(*clients.map(post, [emails[number::50] for number in range(50)])) == {200}
    assert sorted(lines(world)) == sorted((email, "one-click") for email in emails)


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
        written = [email for email, _ in lines(world)]
        assert set(acknowledged) <= set(written)
        assert len(written) == len(set(written))
    with Page(world) as page:
        acknowledged |= post_all([page], emails)
    assert acknowledged == set(emails)
    assert sorted(lines(world)) == sorted((email, "one-click") for email in emails)


def test_two_servers_and_a_reader_at_once(world: World) -> None:
    emails = [f"learner{number}@example.org" for number in range(100)]
    with Page(world) as one, Page(world) as other, ThreadPoolExecutor(1) as pool:
        # Each address to both, at about the same time.
        posting = pool.submit(post_all, [one, other], [email for email in emails for _ in range(2)])
        seen = [opted_out(world)]
        while not posting.done():
            seen.append(opted_out(world))
    assert posting.result() == set(emails)
    assert sorted(lines(world)) == sorted((email, "one-click") for email in emails)
    assert all(set(earlier) <= set(later) for earlier, later in pairwise(seen))
    assert len(seen) > 5


# ---- by command, and from machine to machine ----


def test_who_keeps_the_list_can_add_and_undo(page: Page) -> None:
    world = page.world
    assert world.mm("unsubscribe", "add", f"Ada <{ADA.upper()}>").stdout == "The address gets no more mail.\n"
    page.ask("POST", query("bo@example.org"), ONE_CLICK)
    listed = world.mm("unsubscribe", "list").stdout.splitlines()
    assert listed[0] == "email,unsubscribed_at,source"
    assert [re.sub(r",\d{4}-[^,]+Z,", ",*,", line) for line in listed[1:]] == [
        f"{ADA},*,command",
        "bo@example.org,*,one-click",
    ]
    # Others' opt-outs, too.
    for email in (ADA, "bo@example.org"):
        assert world.mm("unsubscribe", "undo", email).stdout == "The address gets mail again.\n"
    assert opted_out(world) == []
    done = world.mm("unsubscribe", "undo", ADA)
    assert (done.returncode, done.stdout) == (0, "The address was not opted out: nothing was changed.\n")
    for command in ("add", "undo"):
        done = world.mm("unsubscribe", command, "ada at example.org")
        assert done.returncode == 1
        assert done.stderr.startswith("mm: ADDRESS ")
        assert "ada at" not in done.stderr


def test_an_opt_out_in_the_list_that_people_keep_is_theirs_to_take_away(world: World) -> None:
    world.opt_outs.write_text(f"email,source\n{ADA},phone\n")
    assert world.mm("unsubscribe", "list").stdout == f"email,unsubscribed_at,source\n{ADA},,phone\n"
    done = world.mm("unsubscribe", "undo", ADA)
    assert done.returncode == 1
    where = f"mm: The address is in {world.opt_outs}, which mm only reads: remove its line there.\n"
    assert done.stderr == where


def test_opt_outs_of_two_machines_are_merged(tmp_path: Path, server: MailServer, world: World) -> None:
    (tmp_path / "page").mkdir()
    at_page, at_sender = world_in(tmp_path / "page"), world
    shutil.copy(CASES / "two_machines_page.csv", at_page.opt_outs)
    shutil.copy(CASES / "two_machines_sender.csv", at_sender.opt_outs)
    people = [f"{name}@example.org" for name in ("ana", "ben", "cleo", "dan", "eve", "fay")]
    at_sender.publish([candidate(number, email=email) for number, email in enumerate(people, 1)])
    with Page(at_page) as page:
        assert page.ask("POST", query("dan@example.org"), BUTTON).status == 200
        token = page.ask("POST", query("fay@example.org"), BUTTON).token
        first = at_page.mm("unsubscribe", "export")
        assert page.ask("POST", query("fay@example.org"), f"take_back={token}").status == 200
    second = at_page.mm("unsubscribe", "export")
    assert (second.returncode, second.stderr) == (0, "")
    # Whatever the order, and twice is once.
    for number, (export, taken_in) in enumerate([(second, 4), (first, 0), (second, 0)]):
        file = tmp_path / f"{number}.csv"
        file.write_text(export.stdout)
        done = at_sender.mm("unsubscribe", "import", file)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == f"{taken_in} lines of it were new.\n"
    assert at_sender.mm("send", "demo", "--confirm", 2).returncode == 0
    assert sorted(server.recipients) == ["eve@example.org", "fay@example.org"]


def test_what_is_no_export_is_refused_as_a_whole(world: World) -> None:
    header = "email,unsubscribed_at,source\n"
    right = f"{ADA},2026-11-30T01:00:00Z,page\n"
    file = world.folder / "export.csv"
    for content, line in (
        ("", 1),
        (f"{header}{right}bo at example.org,2026-11-30T01:00:00Z,page\n", 3),
        (f"{header}{right}bo@example.org,yesterday,page\n", 3),
        # cut off
        (f"{header}{right}bo@example.org,2026-11-3", 3),
    ):
        file.write_text(content)
        done = world.mm("unsubscribe", "import", file)
        assert done.returncode == 1
        assert f"{file}, line {line}: expected what `mm unsubscribe export` writes" in done.stderr
        assert "@" not in done.stderr
    assert opted_out(world) == []
    done = world.mm("unsubscribe", "import", world.folder / "none.csv")
    assert (done.returncode, "none.csv': No such file or directory" in done.stderr) == (2, True)


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
            # In one thread, as two may not use a TLS connection at once.
            while True:
                ready = [outside] if outside.pending() else select.select([outside, inside], [], [])[0]
                for source in ready:
                    block = source.recv(65536)
                    if not block:
                        return
                    (inside if source is outside else outside).sendall(block)


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
        other = {"SSL_CERT_FILE": str(certificate), "MM_UNSUBSCRIBE_SECRET": "another invented secret"}
        done = check("unsubscribe", "check", "demo", **other)
        assert done.returncode == 1
        assert f"The page at {front.base} answers 400 to a right link: see that it runs" in done.stderr
        done = check("unsubscribe", "check", "demo")
        assert done.returncode == 1
        assert (
            "has a certificate that mail programs do not trust (self-signed certificate): give" in done.stderr
        )
        assert done.stderr.count("\n") == 1
    assert lines(page.world) == []


def test_what_answers_and_is_no_page_is_told(
    world: World, certificate: Path, tls: ssl.SSLContext, server: MailServer
) -> None:
    with Tls(tls, server.port) as front:
        world.publish([candidate(1)], unsubscribe_base=front.base)
        done = world.mm_process("unsubscribe", "check", "demo", SSL_CERT_FILE=str(certificate))
    assert done.returncode == 1
    assert f"{front.base} cannot be opened (what answers speaks no HTTP: BadStatusLine)" in done.stderr
    assert done.stderr.count("\n") == 1


class _Other(BaseHTTPRequestHandler):
    """Somebody else's page. answers: what is sent, by method, for a right link and a wrong one."""

    answers: Callable[["_Other"], tuple[int, dict[str, str]]]

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, headers = type(self).answers(self)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_GET  # noqa: N815 - the library's name

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    @property
    def is_right(self) -> bool:
        """Whether the link is."""
        given = parse_qs(urlsplit(self.path).query)
        return query(given["email"][0]).endswith(given["validation_hash"][0])


COOKIE = {"Set-Cookie": "session=bees; Secure; HttpOnly"}


def moved(request: _Other) -> tuple[int, dict[str, str]]:
    return 301, {"Location": f"https://www.example.org/bees{request.path}"}


def moved_for_posts(request: _Other) -> tuple[int, dict[str, str]]:
    return (
        (302, {"Location": "/done"}) if request.command == "POST" else (200 if request.is_right else 400, {})
    )


def sets_a_cookie_first(request: _Other) -> tuple[int, dict[str, str]]:
    if "Cookie" not in request.headers:
        return 302, {"Location": request.path} | COOKIE
    return (200 if request.is_right else 400), {}


def posts_with_a_cookie(request: _Other) -> tuple[int, dict[str, str]]:
    if request.command == "POST" and "Cookie" not in request.headers:
        return 403, {}
    return (200 if request.is_right else 400), COOKIE


def sets_a_cookie(request: _Other) -> tuple[int, dict[str, str]]:
    return (200 if request.is_right else 400), COOKIE


def refuses_in_two_ways(request: _Other) -> tuple[int, dict[str, str]]:
    return (200 if request.is_right else 400 if request.command == "POST" else 404), {}


def takes_no_posts(request: _Other) -> tuple[int, dict[str, str]]:
    return (405, {}) if request.command == "POST" else (200 if request.is_right else 400, {})


@pytest.mark.parametrize(
    ("answers", "code", "says"),
    [
        (lambda _: (200, {}), 1, "answers a wrong link as it does a right one"),
        (
            moved,
            1,
            "redirects to https://www.example.org/bees/unsubscribe (301): a POST that is redirected",
        ),
        (moved_for_posts, 1, "/done (302): a POST that is redirected"),
        (sets_a_cookie_first, 1, "needs a cookie, and mail programs that unsubscribe send none"),
        (posts_with_a_cookie, 1, "needs a cookie, and mail programs that unsubscribe send none"),
        (sets_a_cookie, 0, "It sets a cookie, which no mail program sends back"),
        (
            takes_no_posts,
            1,
            "answers 405 to what a mail program posts, and 400 where the same link is opened",
        ),
    ],
)
def test_check_says_what_a_mail_program_would_meet(  # noqa: PLR0913, PLR0917 - three of them are fixtures
    world: World, certificate: Path, tls: ssl.SSLContext, answers: Callable, code: int, says: str
) -> None:
    handler = type("Handler", (_Other,), {"answers": staticmethod(answers)})
    with HTTPServer(("127.0.0.1", 0), handler) as other, Tls(tls, other.server_port) as front:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        world.publish([candidate(1)], unsubscribe_base=front.base)
        done = world.mm_process("unsubscribe", "check", "demo", SSL_CERT_FILE=str(certificate))
        other.shutdown()
    assert done.returncode == code, done.stderr
    assert says in (done.stderr if code else done.stdout)
    assert "nobody" not in done.stderr.replace("so nobody can", "")
    assert "validation_hash" not in done.stderr


def test_check_says_that_a_page_has_no_tls(world: World) -> None:
    world.publish([candidate(1)], unsubscribe_base="http://mail.example.edu/unsubscribe")
    done = world.mm("unsubscribe", "check", "demo")
    assert done.returncode == 1
    assert (
        "unsubscribe_base of demo is http://mail.example.edu/unsubscribe, a page without TLS" in done.stderr
    )
    with HTTPServer(("127.0.0.1", 0), _Other) as plain:
        threading.Thread(target=plain.serve_forever, daemon=True).start()
        base = f"https://127.0.0.1:{plain.server_port}/unsubscribe"
        world.publish([candidate(1)], unsubscribe_base=base)
        done = world.mm("unsubscribe", "check", "demo")
        plain.shutdown()
    assert f"The page at {base} answers without TLS at port {plain.server_port}" in done.stderr


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
    assert lines(page.world) == []
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
    backgrounds = set()
    show(browser, page.world.folder / "out" / "1.html", 360)
    browser.find_element("link text", "Unsubscribe").click()
    for step in ("Unsubscribe", "It was a mistake", None):
        for width, scheme in ((360, "light"), (1280, "light"), (360, "dark")):
            look(browser, width, scheme)
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
