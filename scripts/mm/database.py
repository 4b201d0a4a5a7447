"""DuckDB files: opened within a limit, their logs and locks, and what DuckDB's errors mean to a reader."""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedRandom, BufferedReader
from pathlib import Path

import duckdb

from mm.config import ReaderError, memory_limit

# Its words where a file is not what a DuckDB of this version has written whole.
_DAMAGE = re.compile(
    r"corrupt (?:database )?file|file appears to be corrupt|^Corrupted|data may be corrupt"
    r"|is not a valid DuckDB database|Could not read enough bytes|storage version number|replaying WAL",
    re.IGNORECASE,
)
_LOCKED = re.compile(r"Could not set lock|Conflicting lock")


def is_damage(error: duckdb.Error) -> bool:
    """Tell whether an error says that a file is damaged, no database, or of another version of DuckDB."""
    types = (duckdb.SerializationException, duckdb.InternalException, duckdb.FatalException)
    if isinstance(error, types):
        return True
    # A file's name may have these words, too.
    words = re.sub(r'"[^"]*"', "", str(error))
    return _DAMAGE.search(words) is not None


@contextmanager
def told_of(path: Path, command: str) -> Iterator[None]:
    """Raise ReaderError where a published file cannot be read; the command makes it anew.

    Whatever else DuckDB says, of a query, is no reader's to mend, and passes.
    """
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        message = f"{path} needs more memory than it may take: set MM_MEMORY_LIMIT higher, such as 4GB."
        raise ReaderError(message) from error
    except duckdb.Error as error:
        if _LOCKED.search(str(error)):
            message = (
                f"{path} cannot be read: close the program that has it open for writing, "
                f"or run `{command}` again."
            )
        elif is_damage(error):
            message = f"{path} is damaged, or no DuckDB file of this version: run `{command}` again."
        elif isinstance(error, duckdb.IOException):
            message = f"{path} cannot be read: see its permissions, and its disk ({first_line(error)})."
        else:
            raise
        raise ReaderError(message) from error


def first_line(error: duckdb.Error) -> str:
    """Return what DuckDB says, less its advice."""
    return str(error).partition("\n")[0]


def quoted(path: Path) -> str:
    """Return a path as a text in SQL, for statements that take no parameters."""
    return "'" + str(path).replace("'", "''") + "'"


def log_of(database: Path) -> Path:
    """Return where DuckDB logs the changes to a file; a file is there only while there are some."""
    return database.with_name(f"{database.name}.wal")


def has_writer(database: BufferedReader) -> bool:
    """Return whether another process has a DuckDB file open for writing.

    If none has, none can open it so until `database` is closed.
    """
    try:
        # As DuckDB itself does: a writer's lock excludes all others, and readers share theirs.
        fcntl.lockf(database, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return True
    return False


def is_in_use(database: BufferedRandom) -> bool:
    """Return whether another process has a DuckDB file open, if only to read."""
    try:
        fcntl.lockf(database, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return True
    return False


def sync(path: Path) -> None:
    """Have a file, or a folder's list of names, on disk before this returns, where a power cut leaves it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def connect_limited(path: Path | str = ":memory:", *, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    """Open a database in at most MM_MEMORY_LIMIT (2GB) of memory; ReaderError where that is no size."""
    limit = memory_limit()
    try:
        return duckdb.connect(path, read_only=read_only, config={"memory_limit": limit})
    except (duckdb.InvalidInputException, duckdb.ParserException) as error:
        message = f"MM_MEMORY_LIMIT is {limit!r}: expected a size such as 2GB."
        raise ReaderError(message) from error


def check_unwritten(path: Path, command: str) -> None:
    """Raise ReaderError where a log lies beside a published file, which the command puts aside."""
    log = log_of(path)
    if log.exists():
        message = (
            f"{log} holds changes by a program that opened the published file for writing, perhaps that of "
            f"an earlier build. Close the program, then run `{command}`: it puts them aside."
        )
        raise ReaderError(message)
