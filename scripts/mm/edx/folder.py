"""What lies in a folder, to any depth, less what systems leave behind."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from mm.edx.far import AnyPath
from mm.edx.file import Report
from mm.edx.identify import OPT_OUTS_ELSEWHERE
from mm.edx.kinds import EMAIL_OPT_IN, OPT_OUTS, OTHER
from mm.edx.names import IN_PROGRESS, LEFT_BEHIND, OPT_OUT_NAME, is_csv, kind_by_name
from mm.edx.packed import kind_by_head
from mm.edx.text import head


def list_folder(folder: AnyPath, home: AnyPath | None = None) -> Iterator[Report]:
    """Go through what lies in a folder, to any depth, less what systems leave behind.

    Linked folders come after the others, and no folder is read twice. home: the program's folder, from which
    files are named, where it is another one.
    """
    folders, linked, seen = [folder], [], set()
    while folders or linked:
        here = folders.pop(0) if folders else linked.pop(0)
        try:
            status = here.stat()
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            entries = sorted(here.iterdir())
        except FileNotFoundError:
            continue
        except OSError as error:
            for report in _report(here, home or folder):
                report.refused = f"it is a folder that cannot be read ({error.strerror})"
                yield report
            continue
        for path in entries:
            if LEFT_BEHIND.fullmatch(path.name):
                continue
            is_read_as_file = is_csv(path.name) or path.name.lower().endswith(IN_PROGRESS)
            if path.is_dir() and not is_read_as_file:
                (linked if path.is_symlink() else folders).append(path)
            else:
                yield from _report(path, home or folder)


def list_files(folder: AnyPath) -> Iterator[Report]:
    """Go through what lies in a folder itself and is no folder, less what systems leave behind."""
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if not LEFT_BEHIND.fullmatch(path.name) and not path.is_dir():
            yield from _report(path, folder)


def _report(path: AnyPath, home: AnyPath) -> Iterator[Report]:
    """Give the one report, or none where the file is gone meanwhile, as a download is that has ended."""
    try:
        status = path.stat()
    except OSError:
        try:
            status = path.lstat()
        except FileNotFoundError:
            return
    name = Path(os.path.relpath(path, home)).as_posix()
    yield Report(path, name, status.st_size, status.st_mtime_ns)


def misplaced_lists(data_dir: AnyPath, program: str | None = None) -> Iterator[str]:
    """Say of each file that looks like an opt-out or an opt-in list that nobody reads it, and what to do.

    Looked at are the files of the data folder itself and, by their names, all in the folder of a program.
    """
    read = data_dir / "unsubscribed.csv"
    paths = sorted(data_dir.iterdir()) if data_dir.is_dir() else []
    for path in paths:
        if LEFT_BEHIND.fullmatch(path.name) or not path.is_file() or (read.exists() and path.samefile(read)):
            continue
        kind = kind_by_name(path.name)
        if kind == OTHER:
            with suppress(OSError):
                kind = kind_by_head(head(path))
        if kind == OPT_OUTS:
            yield f"{path}: it {OPT_OUTS_ELSEWHERE}"
        elif kind == EMAIL_OPT_IN:
            yield (
                f"{path}: it looks like edX's opt-in list, and is read only in a program's folder: "
                "put it into the folder of each program that it is of"
            )
    for report in list_folder(data_dir / program) if program else ():
        if OPT_OUT_NAME.search(report.path.name):
            yield f"{report.path}: it {OPT_OUTS_ELSEWHERE}"
