"""What DuckDB's errors mean to a reader: it has one type for a lock, for damage and for a full disk."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from mm.settings import ReaderError

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
