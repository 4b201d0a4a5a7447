"""The ledger's mails: an intent for each, on disk before a server can accept it, and how it ended."""

import fcntl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

from mm.config import ReaderError
from mm.ledger.file import LedgerFile
from mm.ledger.history import Event, History, Intent, Line, MailKey
from mm.seeds import check_program

_LONGEST_DETAIL = 200


class AlreadyMailedError(Exception):
    """The ledger has a mail to the learner or the address for the same run and kind by now."""


class SentMails(LedgerFile):
    """What was sent, of all programs."""

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

    def _forget_read(self) -> None:
        super()._forget_read()
        self._history, self._last_mail = History(), 0


def is_had(history: History, program: str, key: MailKey, email: str | None, *, again: bool = False) -> bool:
    """Tell whether the learner or the address had a mail for the run and kind, or may have had it.

    again: what may have arrived of this program counts for nothing.
    """
    outcome = history.outcome(key, email)
    if outcome is not Event.UNKNOWN:
        return outcome is Event.SENT
    return not again or history.outcome(key, email, program) is not Event.UNKNOWN


def _now_in_seconds() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
