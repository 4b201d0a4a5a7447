"""Reports that lie where no build of their program reads them; what such a place is stands here alone."""

import re
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from pathlib import Path

from mm.build.inputs import SEEDS
from mm.edx.far import AnyPath
from mm.edx.file import refusing
from mm.edx.folder import list_files, list_folder
from mm.edx.identify import identify
from mm.edx.kinds import GRADE_REPORT, PACKED, PROFILE_REPORT
from mm.edx.names import course_instance_of
from mm.seeds import prefix_of, prefixes_of, runs_of

Owners = Callable[[AnyPath], set[str]]


def misplaced_reports(program: str, data_dir: AnyPath, seeds: Path = SEEDS) -> Iterator[str]:
    """Say what of a program lies elsewhere than in its folder, and what in its folder is on other programs.

    Looked at are the data folder itself, folders there that are called nearly as the program, and the folders
    of all programs, at any depth. The seeds must be right.
    """
    folder, prefixes, runs = data_dir / program, prefixes_of(seeds), runs_of(seeds)

    def owners_of(path: AnyPath) -> set[str]:
        """Return the programs that have a course of which a file is by its name."""
        course_instance = course_instance_of(path.name)
        prefix = course_instance and prefix_of(course_instance, prefixes, runs)
        return {program for program, own in prefixes.items() if prefix in own}

    programs = prefixes.keys()
    elsewhere = [
        *_beside(data_dir, folder, programs, owners_of),
        *_with_others(data_dir, folder, programs, owners_of),
    ]
    if elsewhere:
        yield f"Not read, as they do not lie in {folder}: {', '.join(map(str, elsewhere))}. Put them there."
    of_others = [
        f"{report.path} ({' and '.join(sorted(owners))})"
        for report in list_folder(folder)
        if (owners := owners_of(report.path)) and program not in owners
    ]
    if of_others:
        yield (
            f"Not read, as they are on other programs: {', '.join(of_others)}. Put each into the folder of "
            "its program."
        )


def _beside(
    data_dir: AnyPath, folder: AnyPath, programs: AbstractSet[str], owners_of: Owners
) -> Iterator[AnyPath]:
    """Give what is or may hold reports in the data folder, and in folders there called nearly as this one."""
    for report in list_files(data_dir):
        with refusing(report):
            identify(report)
        # Whose an archive is nobody can tell.
        is_anybodys = report.kind in {GRADE_REPORT, PROFILE_REPORT, PACKED} and not report.course_instance
        if is_anybodys or folder.name in owners_of(report.path):
            yield report.path
    for other in sorted(data_dir.iterdir()) if data_dir.is_dir() else ():
        is_near = _folded(other.name) == _folded(folder.name) and other.name not in programs
        if is_near and other.is_dir() and not (folder.exists() and other.samefile(folder)):
            for report in list_folder(other):
                if course_instance_of(report.path.name) or report.path.suffix.lower() in {".csv", ".zip"}:
                    yield report.path


def _with_others(
    data_dir: AnyPath, folder: AnyPath, programs: AbstractSet[str], owners_of: Owners
) -> Iterator[AnyPath]:
    """Give the program's reports in the folders of others, where its own build does not look."""
    for other in programs - {folder.name}:
        for report in list_folder(data_dir / other):
            owners = owners_of(report.path)
            if folder.name in owners and other not in owners:
                yield report.path


def _folded(name: str) -> str:
    return re.sub(r"\s", "", name).casefold()
