"""A published database, an SMTP server and the command `mm`, for the tests of the mailout."""

import asyncio
import os
import socket
import sqlite3
import ssl
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import duckdb
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session, syntax
from typer.testing import CliRunner

from mm.cli import app

PROJECT = Path(__file__).parents[1]
MM = Path(sys.executable).with_name("mm")
SECRET = "an invented secret"  # noqa: S105 - of the tests
USER, PASSWORD = "mailer@example.org", "p@ss/w:rd"
LOG_COLUMNS = (
    "student_id,trigger_course_instance,trigger_course_verified,attempt,event,"
    "logged_at,message_id,email,detail"
)

_CANDIDATE_COLUMNS = {
    "program": "varchar",
    "student_id": "bigint",
    "student_name": "varchar",
    "email": "varchar",
    "trigger_course": "varchar",
    "trigger_course_instance": "varchar",
    "trigger_course_title": "varchar",
    "trigger_course_link": "varchar",
    "trigger_course_verified": "integer",
    "is_certificate_delivered": "boolean",
    "no_certificate_eligible": "integer",
    "certificates_required": "integer",
    "next_course": "varchar",
    "next_course_title": "varchar",
    "next_course_link": "varchar",
    "next_course_reason": "varchar",
    "excluded_reason": "varchar",
    "username": "varchar",
    "trigger_course_upgrade_ends_on": "date",
    "next_course_starts_on": "date",
    "next_course_open_until": "date",
    "trigger_course_open_until": "date",
}


def candidate(student_id: int, **values: object) -> dict[str, object]:
    """Return a row of mailout_candidates: an audit learner of Bee Biology, but for `values`."""
    row: dict[str, object] = {
        "program": "demo",
        "student_id": student_id,
        "student_name": f"Learner {student_id}",
        "email": f"learner{student_id}@example.org",
        "trigger_course": "bees1x",
        "trigger_course_instance": "ExampleX_BEES1x_1T2026",
        "trigger_course_title": "Bee Biology",
        "trigger_course_link": "https://www.example.org/course/bee-biology",
        "trigger_course_verified": 0,
        "is_certificate_delivered": None,
        "no_certificate_eligible": 0,
        "certificates_required": 4,
        "next_course": "bees2x",
        "next_course_title": "Hives Through the Year",
        "next_course_link": "https://www.example.org/course/hives-through-the-year",
        "next_course_reason": "enrol",
        "excluded_reason": None,
        "username": f"learner_{student_id}",
        "trigger_course_upgrade_ends_on": None,
        "next_course_starts_on": None,
        "next_course_open_until": None,
        "trigger_course_open_until": None,
    }
    return row | values


# One address each, as people paste them; invisible characters by their escapes.
ADDRESS_CELLS = (
    "{user}@{domain}",
    "{USER}@{DOMAIN}",
    "\ufeff{user}@{domain}",
    "{user}@{domain}\u200b",
    "{user}\u200b@\u2060{domain}\u00ad",
    "\u202a{user}@{domain}\u202c",
    "\u00a0{user}@{domain} \t\u3000",
    "mailto:{user}@{domain}",
    " MailTo: {user}%40{domain}?subject=No%20more%20mail",
    '"{user}@{domain}"',
    "'{user}@{domain}'.",
    "\u201e{user}@{domain}\u201c",
    "<{user}@{domain}>",
    "({user}@{domain})",
    "[{user}@{domain}]",
    "<mailto:{user}@{domain}>;",
    "{user}@{domain}.",
    "{user}@{domain} ,",
    "{user}@{domain}?",
    "Ada Lovelace <{user}@{domain}>",
    '"Lovelace, Ada" <{user}@{domain}>',
    "Lovelace, Ada (Bees) <{user}@{domain}>,",
    "Ada Lovelace [mailto:{user}@{domain}]",
    "{user}@{domain}<mailto:{user}@{domain}>",
    "'{user}@{domain}' <{USER}@{domain}>",
    "[{user}@{domain}](mailto:{user}@{domain})",
    "{user}@{domain} (Ada Lovelace)",
)


def as_pasted(cell: str, address: str) -> str:
    """Return one of ADDRESS_CELLS with this address in it."""
    user, _, domain = address.partition("@")
    return cell.format(user=user, domain=domain, USER=user.upper(), DOMAIN=domain.title())


NO_NEXT_COURSE: dict[str, object] = {
    "next_course": None,
    "next_course_title": None,
    "next_course_link": None,
    "next_course_reason": "none left",
}


@dataclass
class World:
    """A folder with a published database, and the environment that `mm` runs in."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def ledger(self) -> Path:
        """Return the path of the ledger."""
        return self.folder / "database" / "mailing.sqlite"

    @property
    def old_log(self) -> Path:
        """Return the path of the send log that an earlier version wrote for demo."""
        return self.folder / "database" / "demo.send_log.csv"

    @property
    def opt_outs(self) -> Path:
        """Return the path of unsubscribed.csv."""
        return self.folder / "data" / "unsubscribed.csv"

    def publish(
        self, rows: list[dict[str, object]], program: str = "demo", **facts: str | int | None
    ) -> None:
        """Publish a program of the seeds with these candidates; `facts` replace its own."""
        path = self.folder / "database" / f"{program}.duckdb"
        path.unlink(missing_ok=True)
        seed = PROJECT / "seeds" / "programs.csv"
        columns = ", ".join(f"{name} {kind}" for name, kind in _CANDIDATE_COLUMNS.items())
        with duckdb.connect(path) as connection:
            connection.execute(
                "create table programs as select * replace (certificates_required::integer as"
                " certificates_required), coalesce(invented, 'false') = 'true' as is_invented"
                " from read_csv(?, header = true, all_varchar = true)"
                " where program = ?",
                [str(seed), program],
            )
            # Of the demo's own, `mm` says each time that there can be no page.
            base = "replace(unsubscribe_base, 'example.org', 'example.edu')"
            connection.execute(f"update programs set unsubscribe_base = {base}")
            for fact, value in facts.items():
                connection.execute(f"update programs set {fact} = ?", [value])
            connection.execute(f"create table mailout_candidates ({columns})")
            if rows:
                places = ", ".join("?" for _ in _CANDIDATE_COLUMNS)
                connection.executemany(
                    f"insert into mailout_candidates values ({places})",
                    [[row[name] for name in _CANDIDATE_COLUMNS] for row in rows],
                )
            connection.execute(
                "create table mailout as select * from mailout_candidates where excluded_reason is null"
            )

    def mm(self, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run `mm` to its end in this process, which saves its start."""
        result = CliRunner().invoke(
            app, [str(each) for each in arguments], env=self.environment | environment
        )
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return subprocess.CompletedProcess([], result.exit_code, result.stdout, result.stderr)

    def mm_process(self, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run `mm` to its end in a process of its own."""
        return subprocess.run(
            [MM, *map(str, arguments)],
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def log_rows(self) -> list[dict[str, Any]]:
        """Return what the ledger has of mails, a row for each thing written, by column."""
        with closing(sqlite3.connect(self.ledger)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute("select * from mails order by id")]

    def events(self) -> list[tuple[int, str]]:
        """Return learner and event of every thing that the ledger has of mails."""
        return [(row["student_id"], row["event"]) for row in self.log_rows()]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Return an empty world; its SMTP server is yet to be named."""
    for name in [*filter(lambda name: name.startswith("MM_"), os.environ), "SSL_CERT_FILE"]:
        monkeypatch.delenv(name, raising=False)
    return world_in(tmp_path)


def world_in(folder: Path) -> World:
    """Return an empty world in a folder."""
    for name in ("database", "data"):
        (folder / name).mkdir()
    environment = dict(os.environ) | {
        "MM_DATABASE_DIR": str(folder / "database"),
        "MM_DATA_DIR": str(folder / "data"),
        "MM_UNSUBSCRIBE_SECRET": SECRET,
        "MM_SMTP_TIMEOUT": "2",
        "MM_SMTP_BACKOFF": "0.01",
    }
    return World(folder, environment)


Answer = Callable[[str], str | None]


class MailServer:
    """A real SMTP server on loopback that keeps what it accepted.

    `answers` says for MAIL, RCPT, DATA (before the mail) and END (after it) what to do with an address: None
    to accept, a reply to refuse, or `hang`, `drop` or `accept and drop`. MAIL has the sender's address.
    """

    def __init__(
        self,
        host: str,
        tls: ssl.SSLContext | None = None,
        *,
        smtps: bool = False,
        login: bool = False,
        delay: float = 0,
    ) -> None:
        """Name the host; `tls` is for STARTTLS or SMTPS, delay the seconds before a mail is accepted."""
        self.host, self.port, self.smtps = host, free_port(host), smtps
        self.accepted: list[Envelope] = []
        self.sessions = 0
        self.answers: dict[str, Answer] = {}
        self._delay = delay
        arguments: dict[str, Any] = {"ident": "test", "authenticator": _check_login}
        if tls is not None and not smtps:
            arguments |= {"tls_context": tls, "require_starttls": True}
        if login:
            arguments |= {"auth_required": True, "auth_require_tls": not smtps}
        self._controller = _Controller(
            self,
            hostname=host,
            port=self.port,
            ssl_context=tls if smtps else None,
            **arguments,
        )

    def __enter__(self) -> Self:
        """Listen."""
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Listen no more."""
        self._controller.stop()

    def url(self, user: str = "", password: str = "") -> str:
        """Return the address as MM_SMTP_URL, with a login where there is a user."""
        login = f"{quote(user, safe='')}:{quote(password, safe='')}@" if user else ""
        return f"{'smtps' if self.smtps else 'smtp'}://{login}{self.host}:{self.port}"

    @property
    def recipients(self) -> Counter[str]:
        """Return how many mails were accepted for each address."""
        return Counter(address for envelope in self.accepted for address in envelope.rcpt_tos)

    def answer(self, command: str, address: str) -> str | None:
        """Return what `answers` says."""
        return self.answers.get(command, _accept)(address)

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, replies: list[str]
    ) -> list[str]:
        """Count the sessions."""
        del server, envelope
        self.sessions += 1
        session.host_name = hostname
        return replies

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Reply to MAIL."""
        del server, session, options
        answer = self.answer("MAIL", address)
        if answer is None:
            envelope.mail_from = address
        return answer or "250 OK"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Reply to RCPT."""
        del session, options
        answer = self.answer("RCPT", address)
        if answer is None:
            envelope.rcpt_tos.append(address)
        await _obey(answer, server)
        return answer or "250 OK"

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Reply to the end of the mail."""
        del session
        await asyncio.sleep(self._delay)
        answer = self.answer("END", envelope.rcpt_tos[0])
        if answer in {None, "accept and drop"}:
            self.accepted.append(envelope)
        await _obey(answer, server)
        return answer or "250 OK"


class _Smtp(SMTP):
    @syntax("DATA")
    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802 - aiosmtpd's name
        if self.envelope.rcpt_tos and self.event_handler.answer("DATA", self.envelope.rcpt_tos[0]):
            await self.push("354 Go on")
            await self._reader.read(100)
            self.transport.abort()
            return
        await super().smtp_DATA(arg)


class _Controller(Controller):
    def factory(self) -> SMTP:
        return _Smtp(self.handler, **self.SMTP_kwargs)


async def _obey(answer: str | None, server: SMTP) -> None:
    if answer == "hang":
        await asyncio.sleep(30)
    elif answer in {"drop", "accept and drop"}:
        server.transport.abort()


def _accept(_: str) -> str | None:
    return None


def _check_login(
    server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: LoginPassword
) -> AuthResult:
    del server, session, envelope, mechanism
    right = (data.login, data.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=right, handled=False)


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a certificate of 127.0.0.2, which a client trusts where SSL_CERT_FILE names it."""
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        [
            *("/usr/bin/openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-keyout", folder / "key.pem", "-out", folder / "cert.pem"),
            *("-subj", "/CN=mail test", "-addext", "subjectAltName=IP:127.0.0.2"),
        ],
        capture_output=True,
        check=True,
    )
    return folder / "cert.pem"


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    """Return what a server at 127.0.0.2 shows the certificate with."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    return context


@pytest.fixture
def server(world: World) -> Iterator[MailServer]:
    """Run a mail server on localhost that takes everything, and name it in the world's environment."""
    with MailServer("localhost") as running:
        world.environment["MM_SMTP_URL"] = running.url()
        yield running
