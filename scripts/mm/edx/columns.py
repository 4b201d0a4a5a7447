"""The columns of edX's reports, and where they stand in a header."""

import csv
from dataclasses import dataclass

from mm.edx.file import RefusedError, Report
from mm.edx.kinds import EMAIL_OPT_IN, GRADE_REPORT, GRADE_REPORT_ERRORS, PROFILE_REPORT


@dataclass(frozen=True)
class Column:
    """A column of a report: `name` in our tables, the `headers` edX gave it, and where to look for it.

    Letter case does not matter in a header. type: as which both engines load it; a cell that is none is NULL.
    """

    name: str
    headers: tuple[str, ...]
    needed: bool = False
    # Authors name assignment columns freely, `Grade` or `Certificate Type` included: identifiers are the
    # leftmost of their name, the enrolment block is the rightmost.
    from_right: bool = False
    type: str = "varchar"


# What a cell of a type is from end to end. But for these, DuckDB reads 1_0 and Spark 0.5d.
PATTERNS = {
    "bigint": r"[0-9]+",
    "double": r"\s*[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?\s*",
}
# What both loaders put down of each file, in types that both engines know by these names.
REPORT_FILES = (
    "file_id int, file_name string, path string, report_kind string, course_instance string,"
    " reported_at timestamp, ignored_reason string, refused_reason string, row_count bigint,"
    " size_bytes bigint, modified_ns bigint, content_digest string"
)
COLUMNS = {
    GRADE_REPORT: (
        Column("student_id", ("Student ID", "id"), needed=True, type="bigint"),
        Column("email", ("Email",), needed=True),
        Column("username", ("Username",), needed=True),
        Column("grade", ("Grade",), needed=True, type="double"),
        Column("enrollment_track", ("Enrollment Track",), needed=True, from_right=True),
        Column("verification_status", ("Verification Status",), from_right=True),
        Column("certificate_eligible", ("Certificate Eligible",), needed=True, from_right=True),
        Column("certificate_delivered", ("Certificate Delivered",), from_right=True),
        Column("certificate_type", ("Certificate Type",), from_right=True),
        Column("enrollment_status", ("Enrollment Status",), from_right=True),
    ),
    GRADE_REPORT_ERRORS: (Column("student_id", ("Student ID", "id"), needed=True, type="bigint"),),
    PROFILE_REPORT: (
        Column("student_id", ("id",), needed=True, type="bigint"),
        Column("username", ("username",)),
        Column("name", ("name",)),
        Column("email", ("email",)),
        Column("country", ("country",), from_right=True),
    ),
    EMAIL_OPT_IN: tuple(
        Column(name, (name,), needed=True)
        for name in ("email", "course_id", "is_opted_in_for_email", "preference_set_datetime")
    ),
}


def positions(header: list[str], columns: tuple[Column, ...]) -> dict[str, int | None]:
    """Where each column is; None where it is not there.

    edX writes the enrolment block as the last columns, beginning with `Enrollment Track`, so what stands
    before that is an author's column whatever its name.
    """
    names = lowered(header)
    block = max((i for i, name in enumerate(names) if name == "enrollment track"), default=0)
    found_at = {}
    for column in columns:
        headers = lowered(list(column.headers))
        found = [
            i for i, name in enumerate(names) if name in headers and (not column.from_right or i >= block)
        ]
        found_at[column.name] = (found[-1] if column.from_right else found[0]) if found else None
    return found_at


def missing_columns(header: list[str], columns: tuple[Column, ...]) -> list[str]:
    """Return the headers of needed columns that are not there."""
    found = positions(header, columns)
    return [column.headers[0] for column in columns if column.needed and found[column.name] is None]


def _other_separation(header: list[str], columns: tuple[Column, ...]) -> str | None:
    """Say how a header's cells are told apart, where that makes it the right one."""
    for separator, name in (
        (";", "separated by semicolons, not commas"),
        ("\t", "separated by tabs, not commas"),
        (",", "quoted line by line"),
    ):
        text = header[0] if separator == "," and len(header) == 1 else ",".join(header)
        cells = next(csv.reader([text], delimiter=separator), [])
        if len(cells) > 1 and not missing_columns(cells, columns):
            return name
    return None


def check_columns(report: Report, columns: tuple[Column, ...]) -> None:
    """Raise RefusedError where a needed column is missing in the header that was read."""
    missing = missing_columns(report.header, columns)
    if not missing:
        return
    separation = _other_separation(report.header, columns)
    if separation:
        reason = f"line 1: it is {separation} (a spreadsheet saves it so): download it again"
    elif len(report.header) == 1:
        reason = "line 1: it is plain text, not a CSV file: download it again"
    else:
        names = " or ".join(filter(None, [", ".join(map(repr, missing[:-1])), repr(missing[-1])]))
        reason = f"line 1: its header has no column {names}"
    raise RefusedError(reason)


def lowered(header: list[str]) -> list[str]:
    """Return the cells of a header as they are compared."""
    return [cell.strip().lower() for cell in header]
