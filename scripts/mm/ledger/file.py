"""The ledger's file: how it is made, opened, checked and written, and what is told where that fails."""

import os
import sqlite3
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import RLock
from types import TracebackType
from typing import Any, Self

from mm.config import ReaderError, database_dir
from mm.database import sync

_NAME = "mailing.sqlite"
_MODE = 0o640
# What tells the file from any other SQLite file: "mmml".
_APPLICATION_ID = 0x6D6D6D6C
_VERSION = 1
_SECONDS_TO_WAIT = 30
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


def ledger_path() -> Path:
    """Return where the ledger is, or would be."""
    return database_dir() / _NAME


class LedgerFile:
    """The file, open to read and write; a context manager, which threads may share.

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
        self._forget_read()

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

    def wait(self) -> None:
        """Wait until the last intent is on disk, and with it all that was written before."""
        pending, self._on_disk = self._on_disk, None
        if pending is not None:
            with self._told():
                pending.result()

    def seen(self, file: str) -> str | None:
        """Return how an old file was when it was taken in; None: it was not."""
        with self._told(), self._lock:
            row = self._connection.execute("select seen from taken_in where file = ?", [file]).fetchone()
        return row[0] if row else None

    def note_seen(self, file: str, seen: str) -> None:
        """Note how an old file was when it was taken in."""
        with self._writing():
            self._connection.execute("insert or replace into taken_in values (?, ?)", [file, seen])

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
        self._forget_read()
        with suppress(sqlite3.Error):
            self._connection.execute("rollback")

    def _forget_read(self) -> None:
        """Read all from the beginning, the next time that somebody asks."""
