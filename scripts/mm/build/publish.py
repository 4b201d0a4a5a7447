"""Put newly built files in the place of the published ones, whatever other programs do to those.

DuckDB logs what a program changes in a file that it opened for writing, in a second file of the same name
with `.wal` behind it, and whoever opens the first reads the changes into it, by the places of rows. So what
was logged of one build's file must never lie beside another's.
"""

import shutil
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path

from mm.database import has_writer, log_of, sync

# For owner and group to read. Root alone can still open such a file for writing.
_UNWRITABLE = 0o440
# Where a log is a link to a folder that is not there, every DuckDB reads none and can begin none.
_NOWHERE = "open-it-read-only/log"


def publish(files: Mapping[Path, Path | None], warn: Callable[[str], None]) -> None:
    """Replace published files by copies of those that were built, all or none, with no log beside any.

    files: the one that was built by the published one. None: there is none any more, and what is published is
    removed. warn gets a sentence for each such file, and for each thing that another program did to a file
    that is replaced. OSError where one cannot be replaced: then all stay, as they were built.
    """
    new = {published: built.with_suffix(".new") for published, built in files.items() if built}
    try:
        for published, built in files.items():
            if built:
                # What a killed build left is unwritable, too.
                new[published].unlink(missing_ok=True)
                shutil.copyfile(built, new[published])
                new[published].chmod(_UNWRITABLE)
                sync(new[published])
        with ExitStack() as until_replaced:
            for published in files:
                is_written = published.exists() and has_writer(
                    until_replaced.enter_context(published.open("rb"))
                )
                if is_written:
                    warn(
                        f"A program has {published} open for writing. It goes on with the file of the build "
                        "before, and what it writes is not published. Close it, and make it read-only."
                    )
                _clear(log_of(published), warn, for_good=is_written)
            _rename(new)
            for published in files.keys() - new.keys():
                _remove(published, warn)
        for folder in {published.parent for published in files}:
            sync(folder)
    finally:
        for path in new.values():
            path.unlink(missing_ok=True)
            _before(path).unlink(missing_ok=True)


def _rename(new: Mapping[Path, Path]) -> None:
    """Give each new file its published name, or none of them."""
    *others, last = new
    with ExitStack() as back:
        for published in others:
            before = _before(new[published])
            before.unlink(missing_ok=True)
            if published.exists():
                before.hardlink_to(published)
                back.callback(before.replace, published)
            else:
                back.callback(published.unlink, missing_ok=True)
            new[published].replace(published)
        new[last].replace(last)
        back.pop_all()


def _before(new: Path) -> Path:
    return new.with_suffix(".before")


def _remove(published: Path, warn: Callable[[str], None]) -> None:
    if published.exists():
        published.unlink()
        warn(f"{published} was removed: it is out of date, and MM_MASK_SECRET is not set.")


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
        "file for writing; they are no longer in any published file. Delete it if you do not need it."
    )
