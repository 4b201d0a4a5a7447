"""What the tests of the report share: real CSV files in a folder of their own, a real `dbt build`.

A build takes seconds and most of the tests only read what it made, so a module's tests share theirs: a
fixture takes a new place, writes files and builds. What runs side by side are processes, each with modules
of its own.

A place is a copy of the project, as fresh from a clone, with its data and database beside it.

Every invented learner has `pupil` in address, username and name, so that a test can tell whether anything
that dbt writes names one.
"""

import csv
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Self

import duckdb
import pytest

PROJECT = Path(__file__).resolve().parent.parent
DBT = Path(sys.executable).with_name("dbt")
DBT_FORKS = Path(__file__).with_name("dbt_forks.py")
PROJECT_FILES = ("dbt_project.yml", "profiles.yml", "selectors.yml")
PROJECT_FOLDERS = ("analyses", "macros", "models", "scripts", "seeds", "tests")
BUILD_SECONDS = 300
# As it is before any test: those that run `mm` in this process change it for a moment.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("MM_")}

# A course without graded content, cohorts, experiments or teams has just these.
G4_MINIMAL = (
    "Student ID,Email,Username,Grade,Enrollment Track,Verification Status,Certificate Eligible,"
    "Certificate Delivered,Certificate Type,Enrollment Status"
)
PROFILE = (
    "id,username,name,email,language,location,year_of_birth,gender,level_of_education,mailing_address,"
    "goals,enrollment_mode,verification_status,city,country"
)

Row = tuple[Any, ...]
NewPlace = Callable[[], "Place"]


class Dbt:
    """dbt in forks of one process that knows it, started with the first command."""

    def __init__(self, folder: Path) -> None:
        """Name the folder that holds what dbt has parsed, for all processes of the tests."""
        self._folder = folder
        self._forks: subprocess.Popen[str] | None = None

    def run(self, arguments: Sequence[str], folder: Path, environment: dict[str, str]) -> tuple[int, str]:
        """Run dbt in a folder, and return its exit code and what it said; it is killed if it hangs."""
        if self._forks is None:
            self._forks = subprocess.Popen(
                [sys.executable, DBT_FORKS, self._folder],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        assert self._forks.stdin is not None
        assert self._forks.stdout is not None
        with tempfile.NamedTemporaryFile("r") as output:
            place = {"folder": str(folder), "environment": environment, "output": output.name}
            json.dump({"arguments": arguments, "seconds": BUILD_SECONDS} | place, self._forks.stdin)
            self._forks.stdin.write("\n")
            self._forks.stdin.flush()
            returncode = self._forks.stdout.readline()
            assert returncode, f"{DBT_FORKS} has ended"
            return int(returncode), output.read()

    def end(self) -> None:
        """End the process."""
        if self._forks is not None:
            self._forks.communicate()


@dataclass(frozen=True)
class Build:
    """What a `dbt build` that has ended leaves behind."""

    place: "Place"
    program: str
    returncode: int
    output: str = field(repr=False)
    arguments: tuple[str, ...] = ()

    @property
    def published(self) -> Path:
        """The file that readers have."""
        return self.place.published(self.program)

    def passed(self) -> Self:
        """Stop here, with which build it was and what dbt said, where it did not pass."""
        if self.returncode:
            pytest.fail(f"{self}:\n{self.output}")
        return self

    def proved(self) -> Self:
        """Hold against this build's data what a plain build leaves out, as it proves the SQL alone."""
        self.place.run_dbt(
            self.program, "test", "--select", "tag:proof", "--vars", f"program: {self.program}"
        ).passed()
        return self

    def __str__(self) -> str:
        """Say which build it was."""
        command = " ".join(("dbt", *self.arguments))
        return f"{command} in {self.place.root} ended with {self.returncode}"

    def rows(self, query: str) -> list[Row]:
        """Ask the published file."""
        return read(self.published, query)

    def everything_written(self) -> str:
        """All that dbt wrote for people to read, and all that it left in its own folders."""
        files = [
            path
            for folder in (self.place.logs, self.place.target)
            for path in folder.rglob("*")
            if path.is_file()
        ]
        return self.output + "".join(path.read_text("utf-8", "replace") for path in files)


def builds_in(value: object) -> Iterator[Build]:
    """Find the builds in what a fixture returned, however deep."""
    if isinstance(value, Build):
        yield value
    elif isinstance(value, list | tuple):
        for each in value:
            yield from builds_in(each)
    elif isinstance(value, dict):
        yield from builds_in(list(value.values()))
    elif is_dataclass(value) and not isinstance(value, Place | type):
        yield from builds_in([getattr(value, each.name) for each in fields(value)])


@dataclass(frozen=True)
class Place:
    """A folder with a copy of the project, and with all that a build reads and writes.

    The folders' names go to dbt as they are, relative to the project. So they are the same everywhere, and
    dbt can use again what it parsed in another place.
    """

    root: Path
    dbt: Dbt = field(repr=False)
    data_dir: str = "downloads"
    database_dir: str = "databases"
    mask_secret: str | None = None

    def __post_init__(self) -> None:
        """Copy the project, where it is not here yet."""
        if (self.root / "models").exists():
            return
        self.root.mkdir(exist_ok=True)
        for name in PROJECT_FILES:
            shutil.copy2(PROJECT / name, self.root)
        ignored = shutil.ignore_patterns("__pycache__", "*test*.py", "*fixtures.py", "clients")
        for name in PROJECT_FOLDERS:
            if (PROJECT / name).exists():
                shutil.copytree(PROJECT / name, self.root / name, ignore=ignored)

    @property
    def data(self) -> Path:
        """Where the programs' folders are."""
        return self.root / self.data_dir

    @property
    def database(self) -> Path:
        """Where the published files are."""
        return self.root / self.database_dir

    @property
    def logs(self) -> Path:
        """Where dbt logs."""
        return self.root / "logs"

    @property
    def target(self) -> Path:
        """Where dbt keeps what it parsed and compiled."""
        return self.root / "target"

    def published(self, program: str) -> Path:
        """Where a program's published file is."""
        return self.database / f"{program}.duckdb"

    def working(self, program: str) -> Path:
        """Where dbt keeps a program's downloads and steps."""
        return self.database / "working" / f"{program}_steps.duckdb"

    def marts(self, program: str) -> Path:
        """Where dbt builds a program's marts, before they are published."""
        return self.database / "working" / f"{program}.duckdb"

    def write(self, program: str, name: str, content: str | bytes) -> Path:
        """Put a download into a program's folder, byte for byte."""
        path = self.data / program / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    @property
    def environment(self) -> dict[str, str]:
        """What a command that works in this place has to know."""
        secret = {} if self.mask_secret is None else {"MM_MASK_SECRET": self.mask_secret}
        return (
            ENVIRONMENT
            | secret
            | {
                "MM_DATA_DIR": self.data_dir,
                "MM_DATABASE_DIR": self.database_dir,
                "DBT_TARGET_PATH": "target",
                "DBT_LOG_PATH": "logs",
                "DBT_USE_COLORS": "false",
            }
        )

    def start(self, program: str | None, *arguments: str) -> subprocess.Popen[str]:
        """Start a `dbt build` as a process of its own; None builds the program that nobody has to name."""
        return subprocess.Popen(
            [DBT, *_build(program, *arguments)],
            cwd=self.root,
            env=self.environment,
            # as on most machines: what is made is readable by all, unless somebody cares
            umask=0o022,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def ended(self, process: subprocess.Popen[str], program: str) -> Build:
        """Wait for a build that was started."""
        output, _ = process.communicate(timeout=BUILD_SECONDS)
        return Build(self, program, process.returncode, output, _build(program))

    def build(self, program: str | None, *arguments: str) -> Build:
        """Build a program and wait for it."""
        return self.run_dbt(program, *_build(program, *arguments))

    def run_dbt(self, program: str | None, *arguments: str) -> Build:
        """Run a command of dbt, and wait for its end."""
        returncode, output = self.dbt.run(arguments, self.root, self.environment)
        return Build(self, program or "demo", returncode, output, arguments)

    def change_seed(self, name: str, old: str, new: str) -> None:
        """Replace a text that is in a seed exactly once."""
        path = self.root / "seeds" / name
        text = path.read_text("utf-8")
        assert text.count(old) == 1, f"{old!r} is not once in {name}"
        path.write_text(text.replace(old, new), "utf-8")


def read(database: Path, query: str) -> list[Row]:
    """Ask a DuckDB file as a BI tool does: read-only."""
    connection = duckdb.connect(str(database), read_only=True)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def tables_of(database: Path) -> dict[str, list[Row]]:
    """All the rows of all the tables in a file, sorted."""
    names = [name for (name,) in read(database, "select table_name from duckdb_tables() order by all")]
    return {name: sorted(read(database, f'from "{name}"'), key=repr) for name in names}


def differences(one: Path, other: Path) -> dict[str, object]:
    """Say by table how two published files differ, in columns (name, type, may be NULL) or in rows."""
    columns = "select column_name, data_type, is_nullable from duckdb_columns() where table_name = '{}'"
    tables = tables_of(one), tables_of(other)
    found: dict[str, object] = {}
    for name in sorted(set(tables[0]) | set(tables[1])):
        shapes = [read(file, columns.format(name)) for file in (one, other)]
        rows = [Counter(map(repr, each.get(name, []))) for each in tables]
        if shapes[0] != shapes[1]:
            found[name] = shapes
        elif rows[0] != rows[1]:
            found[name] = (list((rows[0] - rows[1]).items())[:3], list((rows[1] - rows[0]).items())[:3])
    return found


def csv_text(header: str, rows: Iterable[Sequence[object]], line_end: str = "\r\n") -> str:
    """Write what edX writes: Python's own CSV dialect, under a header that is taken to the letter."""
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator=line_end).writerows(rows)
    return header + line_end + buffer.getvalue()


def address(student_id: int) -> str:
    """Give the address of a learner who has no address of their own in a test."""
    return f"pupil{student_id}@learners.example.org"


def username(student_id: int) -> str:
    """Give the username of a learner who has none of their own in a test."""
    return f"pupil_{student_id}"


def grade_row(student_id: int, grade: str, track: str, eligible: str = "N", status: str = "enrolled") -> Row:
    """Write a learner's row under the header G4_MINIMAL."""
    who = (student_id, address(student_id), username(student_id))
    verified = "ID Verified" if track == "verified" else "N/A"
    return (*who, grade, track, verified, eligible, "N", "N/A", status)


def grade_report(*rows: Row) -> str:
    """Write a grade report of today."""
    return csv_text(G4_MINIMAL, rows)


def profile_row(student_id: int, name: str, country: str, **other: str) -> Row:
    """Write a learner's row under the header PROFILE; `other` is for username and email."""
    return (
        student_id,
        other.get("username", username(student_id)),
        name,
        other.get("email", address(student_id)),
        *("", "", "None", "None", "none", "None", "None", "audit", "N/A", "None", country),
    )


def profile_report(*rows: Row) -> str:
    """Write a profile report of 2017 to 2019."""
    return csv_text(PROFILE, rows)


def zipped(files: dict[str, str]) -> bytes:
    """Pack texts into a zip archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def _build(program: str | None, *arguments: str) -> tuple[str, ...]:
    choice = () if program is None else ("--vars", f"program: {program}")
    return ("build", *choice, *arguments)
