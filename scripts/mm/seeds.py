"""The seeds as files: what dbt could not read, or only with an error of its own, is told in a sentence."""

import csv
import re
from collections.abc import Collection, Iterator
from difflib import get_close_matches
from itertools import chain
from pathlib import Path

import yaml

from mm.config import ALL_PROGRAMS, SEEDS, ReaderError
from mm.edx.columns import Column, check_columns
from mm.edx.file import RefusedError, Report
from mm.edx.records import records
from mm.edx.text import count_lines, read_header

# What a program's code may be, as it names tables and folders: int_seed_problems.sql says so, too.
CODE = re.compile("[a-z][a-z0-9_]*")


def check_seeds(folder: Path) -> None:
    """Raise ReaderError that names each seed in `folder` that is no CSV file with its columns.

    Which columns those are, and which a seed need not have, stands in its _seeds.yml. A seed that is missing
    is dbt's to tell.
    """
    described = yaml.safe_load((folder / "_seeds.yml").read_text("utf-8"))["seeds"]
    messages = []
    for seed in described:
        path = folder / f"{seed['name']}.csv"
        if not path.exists():
            continue
        try:
            _check(Report(path, path.name, 0, 0), tuple(_columns(seed)))
        except _WrongCellError as error:
            messages.append(f"{path}: {error}.")
        except RefusedError as error:
            reason = str(error).removesuffix(": download it again")
            messages.append(
                f"{path}: {reason}; expected text in UTF-8 with commas between its cells: "
                "put back the file from before, or save it so."
            )
    if messages:
        raise ReaderError("\n".join(messages))


def rows_of(name: str, folder: Path) -> list[dict[str, str]]:
    """Return the rows of a seed in `folder` that check_seeds has found right, each by column.

    A cell that is empty, and one that a short row does not have, is an empty text.
    """
    with (folder / f"{name}.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file, restval=""))


def check_program(program: str, folder: Path = SEEDS) -> str:
    """Return the program's code as it is; ReaderError, with the nearest names, where the seeds lack it."""
    if program == ALL_PROGRAMS:
        message = f"{program} is the file of all programs, not one of them: expected a code such as demo."
        raise ReaderError(message)
    try:
        programs = [row["program"] for row in rows_of("programs", folder)]
    except (ValueError, KeyError, csv.Error):
        # It says what is wrong with the file.
        check_seeds(folder)
        raise
    if program in programs and not CODE.fullmatch(program):
        message = (
            f"seeds/programs.csv, program {program}: it names a table, so only a-z, 0-9 and _ can be in it."
        )
        raise ReaderError(message)
    if program not in programs:
        near = " or ".join(get_close_matches(program, programs))
        message = (
            f"There is no program {program!r} in seeds/programs.csv. "
            f"{f'Did you mean {near}? ' if near else ''}There are: {', '.join(programs)}."
        )
        raise ReaderError(message)
    return program


def prefixes_of(folder: Path) -> dict[str, dict[str, str]]:
    """Return by program which course each file prefix is of, older ones included; prefixes in lower case."""
    courses = rows_of("courses", folder)
    prefixes: dict[str, dict[str, str]] = {row["program"]: {} for row in courses}
    for row in courses:
        prefixes[row["program"]][row["file_prefix"].lower()] = row["course"]
    for alias in rows_of("course_aliases", folder):
        for row in courses:
            if row["course"] == alias["course"]:
                prefixes[row["program"]][alias["file_prefix"].lower()] = row["course"]
    return prefixes


def runs_of(folder: Path) -> set[str]:
    """Return the runs that seeds/course_runs.csv names, in lower case."""
    return {row["course_instance"].lower() for row in rows_of("course_runs", folder)}


def prefix_of(course_instance: str, prefixes: dict[str, dict[str, str]], runs: Collection[str]) -> str | None:
    """Return the longest prefix of any program that a run's name begins with; None where it is of no course.

    prefixes, runs: as prefixes_of and runs_of give them. int_course_run_files.sql says the same.
    """
    key = course_instance.lower()
    every = chain.from_iterable(prefixes.values())
    fitting = [prefix for prefix in every if prefix and key.startswith(f"{prefix}_")]
    longest = max(fitting, key=len, default=None)
    # 3_1T2017 behind 6.041x is of another course, 6.041x_3
    if longest and key not in runs and re.match(r"[0-9]{1,2}_", key[len(longest) + 1 :]):
        return None
    return longest


def _columns(seed: dict) -> Iterator[Column]:
    for column in seed["columns"]:
        is_optional = column.get("config", {}).get("meta", {}).get("optional", False)
        yield Column(column["name"], (column["name"],), needed=not is_optional)


def _check(seed: Report, columns: tuple[Column, ...]) -> None:
    read_header(seed)
    check_columns(seed, columns)
    count_lines(seed)
    _check_blanks(1, seed.header, seed.header)
    for line, _, cells, _ in records(seed.path):
        if len(cells) > len(seed.header):
            reason = f"line {line}: it has {len(cells)} cells, the header has {len(seed.header)}"
            raise RefusedError(reason)
        _check_blanks(line, seed.header, cells)


def _check_blanks(line: int, header: list[str], cells: list[str]) -> None:
    # By eye such a cell is like the one that it is not the same as.
    for name, cell in zip(header, cells, strict=False):
        if cell != cell.strip():
            reason = f"line {line}: its {name.strip()} is {cell!r}, with blanks around it: take them away"
            raise _WrongCellError(reason)


class _WrongCellError(RefusedError):
    """What is wrong with one cell of a file that can be read."""
