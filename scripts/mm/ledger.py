"""The ledger: what `mm` itself learns about mail, of all programs, in `database/mailing.sqlite`.

Two tables are only ever added to. `mails` has an intent for each mail, on disk before a server can accept it,
and how it ended. `said` has what was said about an address: opted out, taken back, bounced, forgotten.

All that is said is on disk before the method that says it returns, but for outcomes: these are in the file
at once, which outlives the process, and on disk with the next thing said or when the ledger is closed. A
power cut can turn the last outcome into `unknown`, never a mail into unsent. SQLite's WAL lets all commands
and the page write in turn; what another wrote is seen by the next call.
"""

import csv
import fcntl
import io
import os
import sqlite3
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import RLock
from types import TracebackType
from typing import Any, NamedTuple, Self

from mm import csv_out
from mm.addresses import MAIL_ADDRESS, as_cell, normalized, read_address
from mm.publish import sync
from mm.seeds import check_program
from mm.send_log import Event, History, Intent, Line, MailKey
from mm.settings import ReaderError, database_dir

_NAME = "mailing.sqlite"
_MODE = 0o640
# What tells the file from any other SQLite file: "mmml".
_APPLICATION_ID = 0x6D6D6D6C
_VERSION = 1
_SECONDS_TO_WAIT = 30
_LONGEST_DETAIL = 200
_SCHEMA = f"""
    pragma application_id = {_APPLICATION_ID};
    pragma user_version = {_VERSION};
    create table mails (
        id integer primary key autoincrement,
        program text not null,
        student_id integer not null,
        trigger_course_instance text not null,
        trigger_course_verified integer not null,
        attempt integer not null,
        event text not null,
        logged_at text not null,
        message_id text not null,
        email text not null,
        detail text not null,
        server_id text,
        -- the attempt's number in the send log of an earlier version that it was taken in from
        old_attempt integer,
        unique (program, student_id, trigger_course_instance, trigger_course_verified, attempt, event)
    );
    create table said (
        id integer primary key autoincrement,
        email text not null,
        says text not null check (says in ('opted out', 'taken back', 'bounced', 'forgotten')),
        said_at text not null,
        source text not null,
        status text not null,
        detail text not null,
        program text,
        message_id text not null,
        unique (email, says, said_at, source, message_id)
    );
    create table taken_in (file text primary key, seen text not null);
    pragma journal_mode = wal;
"""

OPTED_OUT, TAKEN_BACK, BOUNCED, FORGOTTEN = "opted out", "taken back", "bounced", "forgotten"
_OPT_OUT_SAYS, _BOUNCE_SAYS = (OPTED_OUT, TAKEN_BACK), (BOUNCED, FORGOTTEN)
# Opt-outs of these sources the page may take back; others' are not one click's to undo.
_OF_THE_PAGE = {"page", "one-click"}
# The sources in lists of opt-outs that take back: the page's, and that of `mm unsubscribe undo`.
TAKING_BACK = {"taken back": "page", "undone": "command"}
EXPORT_COLUMNS = ("email", "unsubscribed_at", "source")
# The time of what counts whatever was said later: a line kept by hand that has none.
ALWAYS = "always"


class Statement(NamedTuple):
    """What was said about an address, in lower case.

    says: one of OPTED_OUT, TAKEN_BACK, BOUNCED and FORGOTTEN. said_at: as `utc_time` writes it, or ALWAYS.
    """

    email: str
    says: str
    said_at: str
    source: str


class AlreadyMailedError(Exception):
    """The ledger has a mail to the learner or the address for the same run and kind by now."""


def ledger_path() -> Path:
    """Return where the ledger is, or would be."""
    return database_dir() / _NAME


def utc_time(text: str, *, latest: bool = False) -> str | None:
    """Return a time such as 2026-11-30T01:53:45Z, or a day, in the one form that sorts; None: it is none.

    A time without a zone is in UTC. A day is its first moment, with `latest` its last.
    """
    try:
        day = date.fromisoformat(text)
        time = datetime(day.year, day.month, day.day, tzinfo=UTC)
        if latest:
            time += timedelta(days=1, microseconds=-1)
    except (ValueError, OverflowError):
        try:
            time = datetime.fromisoformat(text)
            time = time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            return None
    return time.strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")


def stands(statements: Iterable[Statement]) -> Statement | None:
    """Return what keeps an address from being mailed, of all statements about it of one kind; None: nothing.

    It is the newest opt-out or bounce that nothing later takes back. What the page takes back is what the
    page wrote. Of the same moment, the opt-out counts.
    """
    statements = list(statements)
    by_all, by_page = "", ""
    for statement in statements:
        if statement.says in {TAKEN_BACK, FORGOTTEN}:
            if statement.says == TAKEN_BACK and statement.source == "page":
                by_page = max(by_page, statement.said_at)
            else:
                by_all = max(by_all, statement.said_at)
    standing = [
        statement
        for statement in statements
        if statement.says in {OPTED_OUT, BOUNCED}
        and statement.said_at >= (max(by_all, by_page) if statement.source in _OF_THE_PAGE else by_all)
    ]
    return max(standing, key=lambda statement: statement.said_at, default=None)


class Ledger:
    """The ledger, open to read and write; a context manager, which threads may share.

    ReaderError, on entering and in each method, where it cannot be read or written for certain.
    """

    def __init__(self, folder: Path | None = None, *, create: bool = True) -> None:
        """Name the ledger of a folder; None: that of the databases.

        create: make it where it is missing; else an empty one, in memory, is read.
        """
        self.path = ledger_path() if folder is None else folder / _NAME
        self.is_on_disk = create or os.path.lexists(self.path)
        self._lock = RLock()
        self._disk = ThreadPoolExecutor(max_workers=1)
        self._on_disk: Future[None] | None = None
        self._file: os.stat_result | None = None
        self._history = History()
        self._statements: dict[str, list[Statement]] = {}
        self._last_mail = self._last_said = 0

    def __enter__(self) -> Self:
        """Open the ledger, and see that it is whole."""
        with self._told():
            if self.is_on_disk:
                self._make()
            self._connection = sqlite3.connect(
                f"{self.path.absolute().as_uri()}?mode=rw" if self.is_on_disk else ":memory:",
                uri=self.is_on_disk,
                timeout=_SECONDS_TO_WAIT,
                isolation_level=None,
                check_same_thread=False,
            )
            try:
                if self.is_on_disk:
                    self._file = self.path.stat()
                    self._check()
                    self._connection.execute("pragma synchronous = full")
                else:
                    self._connection.executescript(_SCHEMA)
            except BaseException:
                self._connection.close()
                raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Put all outcomes on disk and close the ledger."""
        try:
            with self._told():
                try:
                    self.wait()
                    self._connection.execute("pragma wal_checkpoint(passive)")
                finally:
                    self._disk.shutdown()
                    self._connection.close()
        except ReaderError:
            if error is None:
                raise

    # -- mails

    @contextmanager
    def sending(self, program: str) -> Iterator[None]:
        """Keep other senders of the program out; ReaderError where there is one.

        One of an earlier version, which locks its own send log, counts, too.
        """
        lock = self.path.parent / "working" / f"{check_program(program)}.send.lock"
        files = []
        try:
            with self._told():
                lock.parent.mkdir(parents=True, exist_ok=True)
                files.append(lock.open("w"))
                with suppress(FileNotFoundError):
                    files.append((self.path.parent / f"{program}.send_log.csv").open())
            for file in files:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError as error:
            message = (
                f"Another `mm send {program}` is sending now: nothing was sent by this one. "
                "Wait until it has ended."
            )
            raise ReaderError(message) from error
        finally:
            for file in files:
                file.close()

    def history(self) -> History:
        """Return the mails of all programs as of now; it is read on, not anew, by the next call."""
        with self._told(), self._lock:
            self._check_in_place()
            self._read_mails()
        return self._history

    def intend(
        self, program: str, key: MailKey, message_id: str, email: str, *, again: bool = False
    ) -> Intent:
        """Write that a mail is about to be handed over; only after `wait` may its end go out.

        AlreadyMailedError where the learner or the address has had that mail of any program. again: it goes
        out where it is unknown whether a mail of this program arrived.
        """
        self.wait()
        with self._told(), self._lock:
            self._connection.execute("begin immediate")
            try:
                self._check_in_place()
                self._read_mails()
                is_first = not is_had(self._history, program, key, email, again=again)
                attempt = self._history.next_attempt(program, key)
                if is_first:
                    now = _now_in_seconds()
                    self._add_mail(Line(program, key, attempt, Event.INTENT, now, message_id, email))
            except BaseException:
                self._roll_back()
                raise
            if not is_first:
                self._connection.execute("rollback")
                raise AlreadyMailedError
            # The disk takes its time while the rest of the mail is handed over.
            self._on_disk = self._disk.submit(self._commit)
        return Intent(program, key, attempt, message_id, email)

    def wait(self) -> None:
        """Wait until the last intent is on disk, and with it all that was written before."""
        pending, self._on_disk = self._on_disk, None
        if pending is not None:
            with self._told():
                pending.result()

    def conclude(self, intent: Intent, outcome: Event, detail: str, server_id: str | None = None) -> None:
        """Write how an attempt ended, or that its mail came back (BOUNCED), and why, in a few words.

        server_id: by which the server knows the mail, where it gave one. Said twice, it is there once.
        """
        self.wait()
        line = Line(
            intent.program,
            intent.key,
            intent.attempt,
            outcome,
            _now_in_seconds(),
            intent.message_id,
            intent.email,
            " ".join(detail.split())[:_LONGEST_DETAIL],
            server_id,
        )
        with self._told(), self._lock:
            # In the file at once; the next intent's sync puts it on disk.
            self._connection.execute("pragma synchronous = normal")
            try:
                self._add_mail(line)
            finally:
                self._connection.execute("pragma synchronous = full")

    def take_in_mails(self, lines: Iterable[Line]) -> int:
        """Add what a program's old send log says and the ledger does not; return how many lines that were.

        Its attempts keep their numbers where these are free.
        """
        with self._writing():
            self._read_mails()
            rows = self._connection.execute(
                "select distinct program, student_id, trigger_course_instance, trigger_course_verified,"
                " old_attempt, attempt from mails where old_attempt is not null"
            )
            numbers = {(program, MailKey(*key), old): number for program, *key, old, number in rows}
            before = self._connection.total_changes
            for line in lines:
                known = (line.program, line.key, line.attempt)
                if known not in numbers:
                    free = self._history.next_attempt(line.program, line.key)
                    numbers[known] = max(line.attempt, free)
                self._add_mail(line._replace(attempt=numbers[known]), line.attempt)
                self._read_mails()
            return self._connection.total_changes - before

    # -- people

    def opt_out(self, email: str, source: str) -> None:
        """Write that an address asked for no more mail, unless that stands by the same source.

        source: page, one-click, complaint or command. ValueError where the address is none that is mailed.
        """
        address = _mailable(email)
        with self._writing():
            now = self._statements_about(address, _OPT_OUT_SAYS)
            standing = stands(statement for statement in now if statement.source == source)
            if standing is None or not _is_standing(standing, now):
                self._say(Statement(address, OPTED_OUT, _after(now), source))

    def take_back(self, email: str, source: str) -> bool:
        """Take an opt-out back; return whether the address is opted out no more, by what the ledger knows.

        source: page, for which only what the page wrote is taken back, or command.
        """
        address = normalized(email)
        with self._writing():
            now = self._statements_about(address, _OPT_OUT_SAYS)
            standing = stands(now)
            if standing is not None and (source != "page" or standing.source in _OF_THE_PAGE):
                self._say(Statement(address, TAKEN_BACK, _after(now), source))
                standing = stands(self._statements_about(address, _OPT_OUT_SAYS))
        return standing is None

    def opted_out(self) -> set[str]:
        """Return the addresses, in lower case, that are opted out by what the ledger knows."""
        return self._standing(_OPT_OUT_SAYS)

    def may_take_back(self, email: str) -> bool:
        """Tell whether the opt-out that stands is the page's own, so that the page may take it back."""
        with self._told(), self._lock:
            standing = stands(self._statements_about(normalized(email), _OPT_OUT_SAYS))
        return standing is not None and standing.source in _OF_THE_PAGE

    def bounce(  # noqa: PLR0913, PLR0917 - what is known of a bounce
        self,
        email: str,
        bounced_at: str,
        status: str,
        detail: str,
        message_id: str = "",
        program: str | None = None,
    ) -> bool:
        """Write that no mail can be delivered to an address; return whether that was not known yet.

        bounced_at: UTC, such as 2026-11-30T01:53:45Z. status: as RFC 3463 has it, such as 5.1.1. message_id:
        what tells one such mail from another, such as the Message-ID of what came back. A mail that was read
        before changes nothing, nor does one from before `forget_bounce`. ValueError where the address is none
        that is mailed.
        """
        address, said_at = _mailable(email), utc_time(bounced_at) or _now()
        with self._writing():
            now = self._statements_about(address, _BOUNCE_SAYS)
            read = self._connection.execute(
                "select 1 from said where email = ? and says = 'bounced'"
                " and (said_at = ? or message_id = ? and message_id != '')",
                [address, said_at, message_id],
            ).fetchone()
            if read:
                return False
            was_known = stands(now) is not None
            self._say(Statement(address, BOUNCED, said_at, "bounce"), status, detail, message_id, program)
            is_known = stands(self._statements_about(address, _BOUNCE_SAYS)) is not None
        return is_known and not was_known

    def forget_bounce(self, email: str) -> bool:
        """Let an address be mailed again; return whether the ledger had it as bounced."""
        address = normalized(email)
        with self._writing():
            now = self._statements_about(address, _BOUNCE_SAYS)
            if stands(now) is None:
                return False
            self._say(Statement(address, FORGOTTEN, _after(now), "command"))
        return True

    def bounced(self) -> set[str]:
        """Return the addresses, in lower case, to which no mail can be delivered by what the ledger knows."""
        return self._standing(_BOUNCE_SAYS)

    def statements(self) -> dict[str, list[Statement]]:
        """Return all that was said as of now, by address; it is read on, not anew, by the next call."""
        with self._told(), self._lock:
            self._check_in_place()
            self._read_said()
        return self._statements

    def add_statements(self, statements: Iterable[Statement], status: str = "", detail: str = "") -> int:
        """Add what was said elsewhere, each once however often; return how many were new."""
        with self._writing():
            before = self._connection.total_changes
            for statement in statements:
                self._say(statement, status, detail)
            return self._connection.total_changes - before

    def export_lines(self) -> Iterator[str]:
        """Go through the lines, each with its end, of a CSV with all opt-outs and takings back."""
        sources = {source: word for word, source in TAKING_BACK.items()}
        yield ",".join(EXPORT_COLUMNS) + "\n"
        said = (statement for about in self.statements().values() for statement in about)
        for email, says, said_at, source in sorted(said):
            if says in _OPT_OUT_SAYS:
                word = sources.get(source, "undone") if says == TAKEN_BACK else source
                yield _csv_line(email, said_at, word)

    def import_lines(self, lines: Iterable[str], name: str) -> int:
        """Add what `export_lines` of another ledger gave; return how many statements were new.

        name: of the file, for messages. ReaderError for a line that is none of such a file; nothing is added
        then.
        """
        return self.add_statements(list(_read_export(lines, name)))

    # -- old files

    def seen(self, file: str) -> str | None:
        """Return how an old file was when it was taken in; None: it was not."""
        with self._told(), self._lock:
            row = self._connection.execute("select seen from taken_in where file = ?", [file]).fetchone()
        return row[0] if row else None

    def note_seen(self, file: str, seen: str) -> None:
        """Note how an old file was when it was taken in."""
        with self._writing():
            self._connection.execute("insert or replace into taken_in values (?, ?)", [file, seen])

    # -- the file

    def _make(self) -> None:
        """Make the file with its tables in one step: half of one would be taken for a damaged ledger."""
        if os.path.lexists(self.path):
            return
        self.path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        with TemporaryDirectory(dir=self.path.parent, prefix=f".{self.path.name}.") as folder:
            new = Path(folder) / self.path.name
            connection = sqlite3.connect(new)
            connection.executescript(_SCHEMA)
            connection.close()
            new.chmod(_MODE)
            sync(new)
            # Another process may have been faster: then its file is the one.
            with suppress(FileExistsError):
                self.path.hardlink_to(new)
        sync(self.path.parent)

    def _check(self) -> None:
        is_ours = self.path.stat().st_size > 0 and (
            self._one("pragma application_id"),
            self._one("pragma user_version"),
        ) == (_APPLICATION_ID, _VERSION)
        if not is_ours:
            message = "it is no ledger that this version knows"
            raise sqlite3.DatabaseError(message)
        if self._one("pragma quick_check(1)") != "ok" or self._lacks_its_end():
            message = "it is damaged"
            raise sqlite3.DatabaseError(message)

    def _lacks_its_end(self) -> bool:
        log = self.path.with_name(f"{self.path.name}-wal")
        if log.exists() and log.stat().st_size:
            # What the file lacks may be in there.
            return False
        size = self._one("select page_count * page_size from pragma_page_count, pragma_page_size")
        return self.path.stat().st_size < size

    def _one(self, statement: str) -> Any:  # noqa: ANN401 - SQLite's own
        return self._connection.execute(statement).fetchone()[0]

    def _check_in_place(self) -> None:
        if self._file is None:
            return
        try:
            is_in_place = os.path.samestat(self._file, self.path.stat())
        except OSError:
            is_in_place = False
        if not is_in_place:
            message = (
                f"The ledger {self.path} was moved or replaced while it was in use: put it back, with its "
                "-wal file, see `mm log`, and start again."
            )
            raise ReaderError(message)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (BlockingIOError, sqlite3.IntegrityError, sqlite3.ProgrammingError):
            # Not the file's fault.
            raise
        except (sqlite3.DatabaseError, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            what_to_do = "Make room, mend the permissions, or put back a copy of it."
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
                what_to_do = "Close the program that has had it open for writing all the time."
            message = (
                f"The ledger {self.path} cannot be used ({reason}): nobody is mailed until it can be. "
                f"{what_to_do}"
            )
            raise ReaderError(message) from error

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Do all or nothing, while nobody else writes; it is on disk at the end."""
        self.wait()
        with self._told(), self._lock:
            self._check_in_place()
            self._connection.execute("begin immediate")
            try:
                yield
                self._connection.execute("commit")
            except BaseException:
                self._roll_back()
                raise

    def _commit(self) -> None:
        try:
            self._connection.execute("commit")
        except BaseException:
            self._roll_back()
            raise

    def _roll_back(self) -> None:
        # What was read in it may never have been written.
        self._history, self._statements, self._last_mail, self._last_said = History(), {}, 0, 0
        with suppress(sqlite3.Error):
            self._connection.execute("rollback")

    def _add_mail(self, line: Line, old_attempt: int | None = None) -> None:
        self._connection.execute(
            "insert or ignore into mails values (null, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [line.program, *line.key, *line[2:], old_attempt],
        )

    def _read_mails(self) -> None:
        rows = self._connection.execute(
            "select id, program, student_id, trigger_course_instance, trigger_course_verified, attempt,"
            " event, logged_at, message_id, email, detail, server_id from mails where id > ? order by id",
            [self._last_mail],
        )
        for number, program, student_id, run, verified, attempt, event, *rest in rows:
            key = MailKey(student_id, run, verified)
            self._history.record(Line(program, key, attempt, Event(event), *rest))
            self._last_mail = number

    def _say(
        self,
        statement: Statement,
        status: str = "",
        detail: str = "",
        message_id: str = "",
        program: str | None = None,
    ) -> None:
        email, says, said_at, source = statement
        self._connection.execute(
            "insert or ignore into said values (null, ?, ?, ?, ?, ?, ?, ?, ?)",
            [email, says, said_at, source, status, detail[:_LONGEST_DETAIL], program, message_id],
        )

    def _read_said(self) -> None:
        rows = self._connection.execute(
            "select id, email, says, said_at, source from said where id > ? order by id", [self._last_said]
        )
        for number, *said in rows:
            statement = Statement(*said)
            self._statements.setdefault(statement.email, []).append(statement)
            self._last_said = number

    def _statements_about(self, address: str, says: tuple[str, str]) -> list[Statement]:
        rows = self._connection.execute(
            "select email, says, said_at, source from said where email = ? and says in (?, ?)",
            [address, *says],
        )
        return [Statement(*row) for row in rows]

    def _standing(self, says: tuple[str, str]) -> set[str]:
        return {
            email
            for email, about in self.statements().items()
            if stands(statement for statement in about if statement.says in says)
        }


def is_had(history: History, program: str, key: MailKey, email: str | None, *, again: bool = False) -> bool:
    """Tell whether the learner or the address had a mail for the run and kind, or may have had it.

    again: what may have arrived of this program counts for nothing.
    """
    outcome = history.outcome(key, email)
    if outcome is not Event.UNKNOWN:
        return outcome is Event.SENT
    return not again or history.outcome(key, email, program) is not Event.UNKNOWN


def _is_standing(standing: Statement, statements: list[Statement]) -> bool:
    taken_back = [statement for statement in statements if statement.says == TAKEN_BACK]
    return stands([standing, *taken_back]) is not None


def _after(statements: list[Statement]) -> str:
    """Return now or, where a clock was ahead, right after the newest statement: what is said last counts."""
    newest = max((statement.said_at for statement in statements), default="")
    now = _now()
    if newest < now:
        return now
    later = datetime.fromisoformat(newest) + timedelta(microseconds=1)
    return utc_time(later.isoformat()) or now


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _now_in_seconds() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _mailable(email: str) -> str:
    address = normalized(email)
    if not MAIL_ADDRESS.fullmatch(address):
        message = "it is no address that is mailed"
        raise ValueError(message)
    return address


def _read_export(lines: Iterable[str], name: str) -> Iterator[Statement]:
    reader = csv.reader(lines, strict=True)
    try:
        header = ",".join(next(reader, [])).removeprefix("\ufeff")
        if header == ",".join(EXPORT_COLUMNS):
            for email, said_at, source in reader:
                yield statement_of(read_address(email), _time_of(said_at), source)
            return
        message = "the header is another"
        raise ValueError(message)  # noqa: TRY301 - said as all that is wrong with a line
    except (ValueError, csv.Error) as error:
        message = (
            f"{name}, line {reader.line_num or 1}: expected what `mm unsubscribe export` writes, a CSV with "
            f"the columns {', '.join(EXPORT_COLUMNS)}. Nothing was taken in."
        )
        raise ReaderError(message) from error


def _time_of(text: str) -> str:
    time = utc_time(text)
    if time is None:
        message = "it has no time"
        raise ValueError(message)
    return time


def statement_of(email: str, said_at: str, source: str) -> Statement:
    """Return what a line of a list of opt-outs says; said_at is as `utc_time` writes it, or ALWAYS."""
    by = TAKING_BACK.get(source.lower())
    if by is not None:
        return Statement(normalized(email), TAKEN_BACK, said_at, by)
    return Statement(normalized(email), OPTED_OUT, said_at, source.lower())


def _csv_line(email: str, *rest: str) -> str:
    buffer = io.StringIO()
    csv_out.write([(as_cell(email), *rest)], buffer)
    return buffer.getvalue()
