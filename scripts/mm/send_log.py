"""The send log: which mail was handed to the mail server, and how that ended.

A CSV file that is only ever appended to. Each mail is an `intent` line, on disk before the server can
accept the mail, and an outcome line after it. An intent without an outcome is `unknown`: the process
died, and the server may or may not have the mail.

An outcome is in the file at once, which outlives the process, but on disk only with the next intent or
when the log is closed: a power cut can turn the last outcome into `unknown`, never a mail into unsent.
"""

import fcntl
import os
import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from mm.optouts import normalized
from mm.settings import ReaderError, check_program, database_dir

COLUMNS = (
    "student_id",
    "trigger_course_instance",
    "trigger_course_verified",
    "attempt",
    "event",
    "logged_at",
    "message_id",
    "email",
    "detail",
)
_HEADER = (",".join(COLUMNS) + "\n").encode()
_CELLS_OF_AN_INTENT = 4
_LONGEST_DETAIL = 200


class Event(StrEnum):
    """What a line says: `intent`, or how the mail ended.

    `deferred`: the server certainly did not accept it, because of the sender, not of the learner. `bounced`:
    it accepted it, and the mail came back, as a second outcome says.
    """

    INTENT = "intent"
    SENT = "sent"
    FAILED = "failed"
    DEFERRED = "deferred"
    UNKNOWN = "unknown"
    BOUNCED = "bounced"


class MailKey(NamedTuple):
    """What nobody is mailed twice for; trigger_course_verified is 0 or 1."""

    student_id: int
    trigger_course_instance: str
    trigger_course_verified: int


@dataclass(slots=True)
class Attempt:
    """One try to mail a learner.

    outcome is sent, failed, deferred, unknown or bounced; logged_at is in UTC. Where the log was torn, it,
    message_id and email can be empty.
    """

    key: MailKey
    attempt: int
    outcome: Event
    logged_at: str
    message_id: str
    email: str
    detail: str


@dataclass(frozen=True, slots=True)
class Intent:
    """An attempt that is in the log; attempt counts from 1 for each key."""

    key: MailKey
    attempt: int
    message_id: str
    email: str


class History:
    """What a send log says, by learner or address, course instance and kind."""

    def __init__(self) -> None:
        """Begin with nothing sent."""
        self._attempts: dict[MailKey, list[Attempt]] = {}
        self._attempts_by_address: dict[tuple[str, str, int], list[Attempt]] = {}

    def __iter__(self) -> Iterator[Attempt]:
        """Go through all attempts, a learner's together, in the order of their first lines."""
        for attempts in self._attempts.values():
            yield from attempts

    def outcome(self, key: MailKey, email: str | None = None) -> Event | None:
        """Return SENT if any attempt was, else UNKNOWN if any may have been, else how one ended, or None.

        email: what went to that address for the same run and kind counts, too, whoever the learner
        was. None: no attempt was made.
        """
        attempts = list(self._attempts.get(key, []))
        if email is not None:
            attempts += self._attempts_by_address.get(_address_key(key, email), [])
        outcomes = {attempt.outcome for attempt in attempts}
        for event in (Event.SENT, Event.UNKNOWN, Event.BOUNCED, Event.FAILED, Event.DEFERRED):
            if event in outcomes:
                return event
        return None

    def next_attempt(self, key: MailKey) -> int:
        """Return the number of the key's next attempt, from 1."""
        return max((attempt.attempt for attempt in self._attempts.get(key, [])), default=0) + 1

    def record(  # noqa: PLR0913, PLR0917 - what a line says
        self,
        key: MailKey,
        number: int,
        event: Event,
        logged_at: str,
        message_id: str,
        email: str,
        detail: str,
    ) -> None:
        """Take in one line. An intent is unknown until its outcome is recorded; torn cells are empty."""
        attempts = self._attempts.setdefault(key, [])
        known = next((attempt for attempt in attempts if attempt.attempt == number), None)
        if known is None:
            known = Attempt(key, number, Event.UNKNOWN, logged_at, message_id, email, detail)
            attempts.append(known)
        if event is not Event.INTENT:
            known.outcome, known.logged_at, known.detail = event, logged_at, detail
        if email:
            to_address = self._attempts_by_address.setdefault(_address_key(key, email), [])
            if known not in to_address:
                to_address.append(known)


def log_path(program: str) -> Path:
    """Return where the program's send log is, or would be."""
    return database_dir() / f"{check_program(program)}.send_log.csv"


def read_history(path: Path) -> History:
    """Read a send log, a torn one too; no file is an empty history.

    ReaderError where the file cannot be read or is not a send log.
    """
    history = History()
    for number, line in _lines(path):
        record = _record(path, number, line)
        if record is not None:
            history.record(*record)
    return history


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Go through a send log's lines after its header, with their numbers; no file has none.

    ReaderError as in read_history.
    """
    for number, line in _lines(path):
        _record(path, number, line)
        yield number, line


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with path.open("rb") as file:
            header = file.readline()
            if not _HEADER.startswith(header):
                raise _unreadable(path, 1)
            for number, line in enumerate(file, start=2):
                yield number, line.decode(errors="replace").removesuffix("\n")
    except FileNotFoundError:
        pass
    except OSError as error:
        message = f"The send log {path} cannot be read ({error.strerror}): nobody is mailed until it is."
        raise ReaderError(message) from error


def _record(path: Path, number: int, line: str) -> tuple[MailKey, int, Event, str, str, str, str] | None:
    cells = line.split(",")
    if len(cells) <= _CELLS_OF_AN_INTENT:
        # Torn inside its key: such an intent was not on disk yet, so nothing was accepted.
        return None
    try:
        key = MailKey(int(cells[0]), cells[1], int(cells[2]))
        attempt = int(cells[3])
        # A line torn after its key is an intent: what it was to say beyond that is not certain.
        event = Event(cells[4]) if len(cells) == len(COLUMNS) else Event.INTENT
    except ValueError as error:
        raise _unreadable(path, number) from error
    if len(cells) > len(COLUMNS):
        raise _unreadable(path, number)
    whole = dict(zip(COLUMNS, cells, strict=False))
    # Only a cell that a comma ends is whole.
    message_id = whole.get("message_id", "") if "email" in whole else ""
    email = whole.get("email", "") if "detail" in whole else ""
    return key, attempt, event, whole.get("logged_at", ""), message_id, email, whole.get("detail", "")


def _unreadable(path: Path, number: int) -> ReaderError:
    return ReaderError(
        f"{path}, line {number}, is not a line of a send log: expected {','.join(COLUMNS)}. "
        "Nobody is mailed until the file is as `mm send` wrote it; restore it from a copy."
    )


class SendLog:
    """A program's send log, open for one process that writes; a context manager.

    ReaderError on entering if another has it, and whenever it cannot be read or written.
    """

    def __init__(self, program: str) -> None:
        """Name the log; it is opened, and created where missing, on entering."""
        self.path = log_path(program)
        self.history = History()
        self._program = program
        self._file = -1
        self._size = -1
        self._disk = ThreadPoolExecutor(max_workers=1)
        self._on_disk: Future[None] | None = None

    def __enter__(self) -> Self:
        """Open and lock the log, and end a line that an earlier sender left torn."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            self._lock()
            self.refresh()
        except BaseException:
            os.close(self._file)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Put all outcomes on disk and close the log, which lets the next sender in."""
        try:
            self._start_sync()
            self.wait()
        except ReaderError:
            if error is None:
                raise
        finally:
            self._disk.shutdown()
            os.close(self._file)

    def refresh(self) -> None:
        """Read the log again if it is not as this sender left it.

        ReaderError where it was moved or replaced.
        """
        ours = os.fstat(self._file)
        try:
            on_disk = self.path.stat()
        except OSError:
            on_disk = None
        if on_disk is None or not os.path.samestat(ours, on_disk):
            message = (
                f"The send log {self.path} was moved or replaced while sending: put it back, "
                f"see `mm log {self._program}`, and send again."
            )
            raise ReaderError(message)
        if ours.st_size != self._size:
            self._mend()
            self.history = read_history(self.path)
            self._size = os.fstat(self._file).st_size

    def intend(self, key: MailKey, message_id: str, email: str) -> Intent:
        """Write that a mail is about to be handed over; only after `wait` may its end go out."""
        # The mail before, if it was refused, did not wait for its own intent.
        self.wait()
        if _clean(key.trigger_course_instance) != key.trigger_course_instance:
            message = (
                f"The course instance {key.trigger_course_instance!r} has a comma, a quote or a "
                "line break, which the send log cannot hold: correct seeds/course_runs.csv."
            )
            raise ReaderError(message)
        intent = Intent(key, self.history.next_attempt(key), message_id, email)
        self._append(intent, Event.INTENT, "")
        self._start_sync()
        return intent

    def wait(self) -> None:
        """Wait until the last intent is on disk, and with it all that was written before."""
        try:
            if self._on_disk is not None:
                self._on_disk.result()
        except OSError as error:
            raise self._unwritable(error) from error

    def conclude(self, intent: Intent, outcome: Event, detail: str) -> None:
        """Write how an attempt ended, or that its mail came back (BOUNCED), and why, in a few words."""
        self._append(intent, outcome, detail)

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            message = (
                f"Another `mm send {self._program}` is sending now: nothing was sent by this one. "
                "Wait until it has ended."
            )
            raise ReaderError(message) from error

    def _mend(self) -> None:
        size = os.fstat(self._file).st_size
        start = os.pread(self._file, len(_HEADER), 0)
        if size < len(_HEADER) and _HEADER.startswith(start):
            if size == 0:
                os.fchmod(self._file, 0o640)
            self._write(_HEADER[size:])
            self._sync_folder()
        elif os.pread(self._file, 1, size - 1) != b"\n":
            self._write(b"\n")

    def _sync_folder(self) -> None:
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _start_sync(self) -> None:
        self._on_disk = self._disk.submit(os.fsync, self._file)

    def _append(self, intent: Intent, event: Event, detail: str) -> None:
        logged_at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        head = ",".join((*map(str, intent.key), str(intent.attempt), ""))
        rest = ",".join((event, logged_at, _clean(intent.message_id), _clean(intent.email), ""))
        # The first half of a line holds its whole key: a log cut there still says who it was.
        padding = len(head.encode()) - len(rest.encode())
        detail = _clean(detail)[:_LONGEST_DETAIL].ljust(padding, ".")
        line = f"{head}{rest}{detail}\n".encode()
        self._write(line)
        self._size += len(line)
        self.history.record(
            intent.key, intent.attempt, event, logged_at, intent.message_id, intent.email, detail
        )

    def _write(self, line: bytes) -> None:
        before = os.fstat(self._file).st_size
        try:
            left = memoryview(line)
            while left:
                left = left[os.write(self._file, left) :]
        except OSError as error:
            # Half of a line that was never completed is no record; without it the log is whole.
            with suppress(OSError):
                os.ftruncate(self._file, before)
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> ReaderError:
        return ReaderError(
            f"The send log {self.path} cannot be written ({error.strerror}): sending stopped. "
            f"Make room or mend the permissions; `mm send {self._program}` then sends the rest."
        )


def _address_key(key: MailKey, email: str) -> tuple[str, str, int]:
    return normalized(email), key.trigger_course_instance, key.trigger_course_verified


def _clean(text: str) -> str:
    return " ".join(re.sub(r"[,\"\x00-\x1f\x7f-\x9f\u2028\u2029]", " ", text).split())
