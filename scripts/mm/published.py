"""Read a program's published database: its facts, and who gets what."""

import sys
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TypeVar

import duckdb
import yaml

from mm.config import ALL_PROGRAMS, PROJECT, ReaderError, database_dir
from mm.database import check_unwritten, connect_limited, told_of
from mm.seeds import check_program

Row = TypeVar("Row")
# The model whose published name begins with the program's.
WIDE = "coursecompletion"
# The models that `mm build --fetch summaries` leaves in the warehouse: they have the most rows.
_LARGE = {WIDE, "learners", "learner_courses", "course_instancedetails", "learner_course_history"}
_ROWS_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class Program:
    """A program's facts, a row of seeds/programs.csv. None: that cell is empty.

    language is a tag such as `en` or `pt-BR`. is_invented: its learners are made up, to try things with.
    """

    program: str
    title: str
    credential: str
    certificates_required: int
    degree: str | None
    degree_link: str | None
    apply_link: str | None
    contact_email: str | None
    organization: str | None
    postal_address: str | None
    sender: str | None
    reply_to: str | None
    subject: str | None
    unsubscribe_base: str | None
    unsubscribe_hash: str | None
    certificate_mail: str
    language: str = "en"
    is_invented: bool = False


@dataclass(frozen=True, slots=True)
class Candidate:
    """A learner and the course that triggers a mail, a row of `mailout_candidates` or `mailout`.

    trigger_course_verified is 0 (passed on the audit track) or 1 (certificate-eligible).
    is_certificate_delivered None: the report does not tell.
    next_course_reason is `enrol`, `continue`, `not open yet` (then there is no link and no day of the next
    course) or `none left`; with the last, next_course is None.
    student_name None: edX has no name. excluded_reason None: will be mailed.
    trigger_course_upgrade_ends_on, next_course_open_until and trigger_course_open_until are last days; a day
    that is None is not known.
    """

    program: str
    student_id: int
    student_name: str | None
    email: str | None
    trigger_course: str
    trigger_course_instance: str
    trigger_course_title: str
    trigger_course_link: str | None
    trigger_course_verified: int
    is_certificate_delivered: bool | None
    no_certificate_eligible: int
    certificates_required: int
    next_course: str | None
    next_course_title: str | None
    next_course_link: str | None
    next_course_reason: str
    excluded_reason: str | None
    username: str | None
    trigger_course_upgrade_ends_on: date | None
    next_course_starts_on: date | None
    next_course_open_until: date | None
    trigger_course_open_until: date | None


def database_path(program: str) -> Path:
    """Return where the program's published database is, or would be."""
    return database_dir() / f"{check_program(program)}.duckdb"


def published_at(program: str) -> datetime | None:
    """Return when the program was last published, in UTC; None: never."""
    path = database_path(program)
    return datetime.fromtimestamp(path.stat().st_mtime, UTC) if path.is_file() else None


def all_programs_path() -> Path:
    """Return where the published database of all programs is, or would be."""
    return database_dir() / f"{ALL_PROGRAMS}.duckdb"


def read_program(program: str) -> Program:
    """Return the program's facts; ReaderError where its database cannot say them."""
    with published(program, "mailout") as connection:
        rows = list(_rows(connection, "programs", Program))
    if len(rows) != 1:
        message = (
            f"{database_path(program)} holds {len(rows)} programs, expected one: "
            f"run `mm build {program}` again."
        )
        raise ReaderError(message)
    return rows[0]


def read_mailout(program: str) -> list[Candidate]:
    """Return the one mail that each learner gets, as the last build decided; ordered, repeatable.

    All rows at once, so that no connection is open while mails go out. ReaderError where the
    database is missing, held or changed by a writer, or built by another version.
    """
    with published(program, "mailout") as connection:
        return list(
            _rows(
                connection,
                "mailout order by trigger_course_verified desc, trigger_course, student_id",
                Candidate,
            )
        )


def read_candidates(program: str) -> list[Candidate]:
    """Return every learner and triggering course with the reason, if any, why no mail goes out.

    ReaderError as in read_mailout.
    """
    with published(program, "mailout") as connection:
        return list(
            _rows(
                connection,
                "mailout_candidates order by trigger_course_verified desc, trigger_course, student_id",
                Candidate,
            )
        )


@dataclass(frozen=True, slots=True)
class BuildFacts:
    """What a build put into a published file. files: how many by report_files.status; 0 where none."""

    learners: int
    files: Counter[str]


def read_build(program: str) -> BuildFacts:
    """Return what the last build of a program published; ReaderError where it cannot be read."""
    names = ["program_summary", "report_files"]
    with _opened(database_path(program), names, f"mm build {program}") as connection:
        [(learners,)] = connection.execute("select learners from program_summary").fetchall()
        files = connection.execute("select status, count(*) from report_files group by all").fetchall()
    return BuildFacts(learners, Counter(dict(files)))


@contextmanager
def published(
    program: str, exposure: str, *, without: Collection[str] = ()
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the program's published database to read, in at most MM_MEMORY_LIMIT (2GB) of memory.

    exposure names who reads, in models/exposures.yml, which says what that needs; without: not this time.
    ReaderError where the database is missing, held or changed by a writer, or lacks a table or a column.
    """
    needed = [name for name in _relations(exposure) if name not in without]
    names = [f"{program}_{WIDE}" if name == WIDE else name for name in needed]
    with _opened(database_path(program), names, f"mm build {program}") as connection:
        yield connection


@contextmanager
def published_of_all(exposure: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the published database of all programs, as `published` does that of one."""
    with _opened(all_programs_path(), _relations(exposure), "mm combine") as connection:
        yield connection


@contextmanager
def _opened(path: Path, names: list[str], command: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a published database that has tables of these names; the command makes it."""
    if not path.is_file():
        # A masked file's name has a dot more.
        files = {file.stem for file in path.parent.glob("*.duckdb") if "." not in file.stem}
        found = ", ".join(sorted(files - {ALL_PROGRAMS})) or "none"
        message = f"There is no published database {path} (found there: {found}): run `{command}` first."
        raise ReaderError(message)
    try:
        with told_of(path, command):
            check_unwritten(path, command)
            with connect_limited(path, read_only=True) as connection:
                # One that came in between has been read.
                check_unwritten(path, command)
                _check_relations(connection, path, names, command)
                yield connection
    except (duckdb.CatalogException, duckdb.BinderException) as error:
        message = (
            f"{path} lacks a table or a column that this needs, so another version built it: "
            f"run `{command}` again."
        )
        raise ReaderError(message) from error


def _relations(exposure: str) -> list[str]:
    exposures = yaml.safe_load((PROJECT / "models" / "exposures.yml").read_text("utf-8"))["exposures"]
    [needed] = (each["config"]["meta"]["relations"] for each in exposures if each["name"] == exposure)
    return needed


def _check_relations(
    connection: duckdb.DuckDBPyConnection, path: Path, names: list[str], command: str
) -> None:
    there = tables_of(connection)
    for name in names:
        if name not in there:
            message = f"{path} has no table {name}, so another version built it: run `{command}` again."
            if stays_in_the_warehouse(name) and has_summaries_alone(there):
                message = (
                    f"{path} has no table {name}, as it was fetched with --fetch summaries: "
                    f"run `{command} --on cluster` for all tables."
                )
            raise ReaderError(message)


def tables_of(connection: duckdb.DuckDBPyConnection, database: str | None = None) -> set[str]:
    """Return the names of the tables in an attached database; None: in the file that was opened."""
    query = "select table_name from duckdb_tables() where database_name = coalesce($1, current_database())"
    return {name for (name,) in connection.execute(query, [database]).fetchall()}


def stays_in_the_warehouse(name: str) -> bool:
    """Tell whether `--fetch summaries` leaves a table there; name: its model's, or the published one."""
    return name in _LARGE or name.endswith(f"_{WIDE}")


def has_summaries_alone(tables: Collection[str]) -> bool:
    """Tell whether a published file with these tables was made with `--fetch summaries`."""
    return "program_summary" in tables and not any(map(stays_in_the_warehouse, tables))


def _rows(connection: duckdb.DuckDBPyConnection, source: str, row_type: type[Row]) -> Iterator[Row]:
    columns = ", ".join(field.name for field in fields(row_type))
    cursor = connection.execute(f"select {columns} from {source}")
    while rows := cursor.fetchmany(_ROWS_AT_ONCE):
        for row in rows:
            # Titles and links repeat in every row: one copy of each keeps 100,000 rows small.
            yield row_type(*map(_one_copy, row))


def _one_copy(value: object) -> object:
    return sys.intern(value) if isinstance(value, str) else value
