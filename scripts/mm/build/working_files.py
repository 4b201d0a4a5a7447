"""The two files in which dbt builds a program: whether they can be used, and their end where they cannot."""

from collections.abc import Callable
from pathlib import Path

import duckdb

from mm.config import ReaderError
from mm.database import first_line, is_damage, is_in_use, log_of


def check_unopened(path: Path, published: Path) -> None:
    """Raise ReaderError where a program has a working file open, or it cannot be written.

    published: the file to read in its place.
    """
    try:
        with path.open("r+b") as file:
            is_open = is_in_use(file)
    except FileNotFoundError:
        return
    except OSError as error:
        message = (
            f"The working file {path} cannot be used ({error.strerror}): it must be yours to read and "
            "write. A build makes it anew where it is gone."
        )
        raise ReaderError(message) from None
    if is_open:
        message = (
            f"A program has the working file {path} open: close it, then build again. "
            f"To read {published} is enough."
        )
        raise ReaderError(message)


def check_usable(path: Path, *statements: str, say: Callable[[str], None]) -> None:
    """Discard a working file that is damaged, and say so; ReaderError where another reason keeps it unread.

    statements: what a build needs of it first, as DuckDB opens files of which it cannot read every block.
    """
    try:
        with duckdb.connect() as connection:
            for statement in statements:
                connection.execute(statement).fetchall()
    except duckdb.CatalogException:
        # A new file has no tables yet.
        return
    except duckdb.Error as error:
        if not is_damage(error):
            message = (
                f"The working file {path} cannot be read ({first_line(error)}). Mend that, and build again; "
                "or delete the file, and the build reads all downloads anew."
            )
            raise ReaderError(message) from None
        name = type(error).__name__
        say(f"The working file {path} is damaged or of another version ({name}): it is built anew.")
        discard(path)


def discard(path: Path) -> None:
    """Remove a working file, with its log."""
    for part in (path, log_of(path)):
        part.unlink(missing_ok=True)
