"""Read a program's published database: its facts, and who gets what."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TypeVar

import duckdb

from mm.settings import MailoutError, check_program, database_dir

Row = TypeVar("Row")

_ROWS_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class Program:
    """A program's facts, a row of seeds/programs.csv. None: that cell is empty."""

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


@dataclass(frozen=True, slots=True)
class Candidate:
    """A learner and the course that triggers a mail, a row of `mailout_candidates` or `mailout`.

    trigger_course_verified is 0 (passed on the audit track) or 1 (certificate-eligible).
    next_course_reason is `enrol`, `continue` or `none left`; with the last, next_course is None.
    student_name None: edX has no name. excluded_reason None: will be mailed.
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
    no_certificate_eligible: int
    certificates_required: int
    next_course: str | None
    next_course_title: str | None
    next_course_link: str | None
    next_course_reason: str
    excluded_reason: str | None


def database_path(program: str) -> Path:
    """Return where the program's published database is, or would be."""
    return database_dir() / f"{check_program(program)}.duckdb"


def read_program(program: str) -> Program:
    """Return the program's facts; MailoutError where its database cannot say them."""
    with _published(program) as connection:
        rows = list(_rows(connection, "select * from programs", Program))
    if len(rows) != 1:
        message = (
            f"{database_path(program)} holds {len(rows)} programs, expected one: "
            f"run `mm build {program}` again."
        )
        raise MailoutError(message)
    return rows[0]


def read_mailout(program: str) -> list[Candidate]:
    """Return the one mail that each learner gets, as the last build decided; ordered, repeatable.

    All rows at once, so that no connection is open while mails go out. MailoutError where the
    database is missing, held by a writer, or built by another version.
    """
    with _published(program) as connection:
        return list(
            _rows(
                connection,
                "select *, null as excluded_reason from mailout"
                " order by trigger_course_verified desc, trigger_course, student_id",
                Candidate,
            )
        )


def read_candidates(program: str) -> list[Candidate]:
    """Return every learner and triggering course with the reason, if any, why no mail goes out.

    MailoutError as in read_mailout.
    """
    with _published(program) as connection:
        return list(
            _rows(
                connection,
                "select * from mailout_candidates"
                " order by trigger_course_verified desc, trigger_course, student_id",
                Candidate,
            )
        )


@contextmanager
def _published(program: str) -> Iterator[duckdb.DuckDBPyConnection]:
    path = database_path(program)
    if not path.is_file():
        found = ", ".join(sorted(file.stem for file in path.parent.glob("*.duckdb"))) or "none"
        message = (
            f"There is no published database {path} (found there: {found}): run `mm build {program}` first."
        )
        raise MailoutError(message)
    try:
        with duckdb.connect(path, read_only=True) as connection:
            yield connection
    except duckdb.CatalogException as error:
        message = (
            f"{path} lacks a table that the mailout needs, so another version built it: "
            f"run `mm build {program}` again."
        )
        raise MailoutError(message) from error
    except duckdb.Error as error:
        message = (
            f"{path} cannot be read: close the program that has it open for writing, "
            f"or run `mm build {program}` again."
        )
        raise MailoutError(message) from error


def _rows(connection: duckdb.DuckDBPyConnection, query: str, row_type: type[Row]) -> Iterator[Row]:
    cursor = connection.execute(query)
    names = [column[0] for column in cursor.description]
    missing = [field.name for field in fields(row_type) if field.name not in names]
    if missing:
        message = (
            f"The published database lacks the column {missing[0]}, so another version built it: "
            "run `mm build` again."
        )
        raise MailoutError(message)
    positions = [names.index(field.name) for field in fields(row_type)]
    while rows := cursor.fetchmany(_ROWS_AT_ONCE):
        for row in rows:
            # Titles and links repeat in every row: one copy of each keeps 100,000 rows small.
            yield row_type(*(_one_copy(row[position]) for position in positions))


def _one_copy(value: object) -> object:
    return sys.intern(value) if isinstance(value, str) else value
