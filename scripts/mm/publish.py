"""Put a newly built file in the place of the published one, whatever other programs do to that one.

DuckDB logs what a program changes in a file that it opened for writing, in a second file of the same name
with `.wal` behind it, and whoever opens the first reads the changes into it, by the places of rows. So what
was logged of one build's file must never lie beside another's.
"""

import fcntl
import shutil
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from io import BufferedReader
from pathlib import Path

# For owner and group to read. Root alone can still open such a file for writing.
_UNWRITABLE = 0o440
# Where a log is a link to a folder that is not there, every DuckDB reads none and can begin none.
_NOWHERE = "open-it-read-only/log"


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
    except OSError:
        return True
    return False


def publish(built: Path, published: Path, warn: Callable[[str], None]) -> None:
    """Replace the published file by a copy of the one that was built, with no log beside it.

    warn gets a sentence for each thing that another program did to the file that is replaced. OSError where
    it cannot be replaced: then it stays, as it was built.
    """
    new = built.with_suffix(".new")
    # What a killed build left is unwritable, too.
    new.unlink(missing_ok=True)
    try:
        shutil.copyfile(built, new)
        new.chmod(_UNWRITABLE)
        with ExitStack() as until_replaced:
            is_written = published.exists() and has_writer(until_replaced.enter_context(published.open("rb")))
            if is_written:
                warn(
                    f"A program has {published} open for writing. It goes on with the file of the build "
                    "before, and what it writes is not published. Close it, and make it read-only."
                )
            _clear(log_of(published), warn, for_good=is_written)
            new.replace(published)
    finally:
        new.unlink(missing_ok=True)


def _clear(log: Path, warn: Callable[[str], None], *, for_good: bool) -> None:
    # Whoever has the replaced file open for writing may begin a log at any time; a link prevents it.
    while log.exists() or (for_good and not log.is_symlink()):
        if log.exists():
            _put_aside(log, warn)
        else:
            with suppress(FileExistsError):
                log.symlink_to(_NOWHERE)


def _put_aside(log: Path, warn: Callable[[str], None]) -> None:
    aside = log.with_name(f"{log.name}.{datetime.now(UTC):%Y-%m-%dT%H%M%S.%fZ}.aside")
    try:
        log.rename(aside)
    except FileNotFoundError:
        # Its program has just written it into the file, and removed it.
        return
    # A file of another user has the mode that it has.
    with suppress(PermissionError):
        aside.chmod(_UNWRITABLE)
    warn(
        f"{log} was put aside as {aside.name}. It holds changes by a program that had opened the published "
        "file for writing; they are in no published file any more. Delete it if you do not need it."
    )
