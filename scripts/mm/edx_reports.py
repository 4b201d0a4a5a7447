"""Load a program's edX downloads, as they are, into the schema `edx` of the working database.

What a row means is decided by the SQL in `models/`. This module only finds out what each file is, whether
it can be read at all, and puts its cells, its line numbers and the rows of the wrong width on record.
The formats are edX's course grade report and student profile report, May 2015 to today.
"""

import codecs
import csv
import glob
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import accumulate
from pathlib import Path
from typing import TextIO
from urllib.parse import unquote

import duckdb

GRADE_REPORT = "grade_report"
PROFILE_REPORT = "student_profile_info"
EMAIL_OPT_IN = "email_opt_in"
OTHER = "other"

FILE_NAME = re.compile(
    r"^(?P<prefix>.+?)_(?P<kind>problem_grade_report|grade_report|student_profile_info)(?P<err>_err)?"
    r"(?:_sanitized)?_(?P<day>\d{4}-\d\d-\d\d)(?:-(?P<time>\d{4}))?"
    # What storage, browsers and people append: a random tail, a copy's number, "_sanitized".
    r"(?:_sanitized|_[a-z0-9]{7}| ?\(\d+\))*\.csv$",
    re.IGNORECASE,
)
OPT_IN_FILE_NAME = re.compile(r"-email_opt_in-.*\.csv$", re.IGNORECASE)
EXPECTED_NAMES = (
    "<course>_<run>_grade_report_<YYYY-MM-DD-HHMM>.csv and "
    "<course>_<run>_student_profile_info_<YYYY-MM-DD-HHMM>.csv"
)
GZIP_MAGIC = b"\x1f\x8b"
# Free text such as a learner's goals can be long; a longer line than this is damage.
MAX_LINE_BYTES = 16 * 1024 * 1024
# What is looked at to tell what kind of file it is.
HEAD_BYTES = 64 * 1024
# How many bytes of small files one statement reads: starting a reading costs as much as some megabytes.
GROUP_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True)
class Column:
    """A column of a report: `name` in our tables, the `headers` edX gave it, and where to look for it."""

    name: str
    headers: tuple[str, ...]
    needed: bool = False
    # Authors name assignment columns freely, `Grade` or `Certificate Type` included: identifiers are the
    # leftmost of their name, the enrolment block is the rightmost.
    from_right: bool = False


GRADE_REPORT_COLUMNS = (
    Column("student_id", ("student id", "id"), needed=True),
    Column("email", ("email",), needed=True),
    Column("username", ("username",), needed=True),
    Column("grade", ("grade",), needed=True),
    Column("enrollment_track", ("enrollment track",), needed=True, from_right=True),
    Column("verification_status", ("verification status",), from_right=True),
    Column("certificate_eligible", ("certificate eligible",), needed=True, from_right=True),
    Column("certificate_delivered", ("certificate delivered",), from_right=True),
    Column("certificate_type", ("certificate type",), from_right=True),
    Column("enrollment_status", ("enrollment status",), from_right=True),
)
PROFILE_COLUMNS = (
    Column("student_id", ("id",), needed=True),
    Column("username", ("username",)),
    Column("name", ("name",)),
    Column("email", ("email",)),
    Column("country", ("country",), from_right=True),
)
EMAIL_OPT_IN_COLUMNS = tuple(
    Column(name, (name,), needed=True)
    for name in ("email", "course_id", "is_opted_in_for_email", "preference_set_datetime")
)
TABLES = {
    GRADE_REPORT: ("edx.grade_report", GRADE_REPORT_COLUMNS),
    PROFILE_REPORT: ("edx.student_profile_info", PROFILE_COLUMNS),
    EMAIL_OPT_IN: ("edx.email_opt_in", EMAIL_OPT_IN_COLUMNS),
}
TABLES_BY_FILE = ("edx.report_files", "edx.damaged_rows", *(table for table, _ in TABLES.values()))


class RefusedError(Exception):
    """A report that cannot be read; the message is the reason, in a sentence that names no learner."""


class _UnevenError(Exception):
    """Some line of some report is no loaded row's."""


@dataclass
class Report:
    """What is known of one file. `ignored` and `refused` say why its rows are not here (None: they are).

    lines: how many its text has. row_count: how many records are loaded or damaged, None where none were.
    """

    path: Path
    size_bytes: int
    modified_ns: int
    file_id: int = 0
    kind: str = OTHER
    course_instance: str | None = None
    reported_at: datetime | None = None
    ignored: str | None = None
    refused: str | None = None
    header: list[str] = field(default_factory=list)
    header_lines: int = 1
    lines: int = 0
    row_count: int | None = None

    @property
    def location(self) -> str:
        """The path as a text, also where the file system's bytes are none."""
        return os.fsencode(self.path).decode(errors="replace")


def prepare_tables(connection: duckdb.DuckDBPyConnection) -> bool:
    """Create the schema `edx` where it is missing, or anew where another version of this module made it.

    Returns whether something that was loaded had to go.
    """
    version = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    try:
        found = connection.execute("select version from edx.loader").fetchall()
    except duckdb.CatalogException:
        found = []
    if found == [(version,)]:
        return False
    with _transaction(connection):
        _create_tables(connection)
        connection.execute("create table edx.loader as select $1 as version", [version])
    return bool(found)


def load_folder(connection: duckdb.DuckDBPyConnection, folder: Path, *, afresh: bool = False) -> bool:
    """Make the schema `edx` hold just what is in `folder`; files already loaded are not opened again.

    A file is the same while its path, size and time of modification are. `afresh` forgets what was loaded.
    Returns whether something that was loaded had to go.
    """
    loaded = {
        row[1:]: row[0]
        for row in connection.execute(
            "select file_id, path, size_bytes, modified_ns from edx.report_files"
        ).fetchall()
    }
    present = {(r.location, r.size_bytes, r.modified_ns): r for r in _list_folder(folder)}
    gone = [file_id for key, file_id in loaded.items() if afresh or key not in present]
    new = [report for key, report in present.items() if afresh or key not in loaded]
    with _transaction(connection):
        for table in TABLES_BY_FILE:
            connection.execute(f"delete from {table} where list_contains(?, file_id)", [gone])
    for file_id, report in enumerate(new, start=max(loaded.values(), default=0) + 1):
        report.file_id = file_id
        with _refusing(report):
            _identify(report)
    # The numbering of lines keeps each reading on one core, so several are read at once.
    threads = connection.execute("select current_setting('threads')").fetchall()[0][0]
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(lambda group: _load(connection.cursor(), group), list(_groups(new))):
            pass
    return bool(gone)


def _groups(reports: list[Report]) -> Iterator[list[Report]]:
    """Put reports together that one statement can read; those without rows to read come last."""
    alike: dict[tuple[str, ...], list[Report]] = {}
    unread = []
    for report in reports:
        if _is_readable(report):
            # what has line breaks in its header is read from a copy
            own = report.location if report.header_lines > 1 else ""
            alike.setdefault((own, report.kind, *report.header), []).append(report)
        else:
            unread.append(report)
    for members in alike.values():
        group, size = [], 0
        for report in members:
            group.append(report)
            size += report.size_bytes
            if size > GROUP_BYTES:
                yield group
                group, size = [], 0
        if group:
            yield group
    if unread:
        yield unread


@contextmanager
def _transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    connection.execute("begin")
    try:
        yield
    except BaseException:
        connection.execute("rollback")
        raise
    connection.execute("commit")


def _load(connection: duckdb.DuckDBPyConnection, group: list[Report]) -> None:
    """Load a group of reports in one transaction, or one by one where some lines are no rows."""
    for report in group:
        if _is_readable(report):
            with _refusing(report):
                report.lines = _check_utf8(report.path)
    try:
        with _transaction(connection):
            if readable := [report for report in group if _is_readable(report)]:
                _load_even_rows(connection, readable)
            _record(connection, group)
    except (_UnevenError, duckdb.InvalidInputException):
        for report in group:
            _load_alone(connection, report)


def _load_alone(connection: duckdb.DuckDBPyConnection, report: Report) -> None:
    try:
        with _refusing(report), _transaction(connection):
            if _is_readable(report):
                _load_uneven_rows(connection, report)
            _record(connection, [report])
            return
    except duckdb.InvalidInputException:
        # The error's own text quotes the file.
        report.refused = "its line ends are of several kinds: download it again"
    report.row_count = None
    with _transaction(connection):
        _record(connection, [report])


def _is_readable(report: Report) -> bool:
    return report.ignored is None and report.refused is None


def _create_tables(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("drop schema if exists edx cascade; create schema edx")
    connection.execute(
        "create table edx.report_files (file_id integer, file_name varchar, path varchar,"
        " report_kind varchar, course_instance varchar, reported_at timestamp,"
        " ignored_reason varchar, refused_reason varchar,"
        " row_count bigint, size_bytes bigint, modified_ns bigint)"
    )
    for table, columns in TABLES.values():
        cells = ", ".join(f"{column.name} varchar" for column in columns)
        connection.execute(
            f"create table {table} (file_id integer, line bigint, line_count integer, {cells})"
        )
    connection.execute(
        "create table edx.damaged_rows (file_id integer, line bigint, reason varchar, raw_text varchar)"
    )


def _list_folder(folder: Path) -> Iterator[Report]:
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() == ".csv" and path.is_file():
            stat = path.stat()
            yield Report(path, stat.st_size, stat.st_mtime_ns)


def _record(connection: duckdb.DuckDBPyConnection, reports: list[Report]) -> None:
    cells = [
        (
            report.file_id,
            Path(report.location).name,
            report.location,
            report.kind,
            report.course_instance,
            report.reported_at,
            report.ignored,
            report.refused,
            report.row_count,
            report.size_bytes,
            report.modified_ns,
        )
        for report in reports
    ]
    columns = ", ".join(f"unnest(${n})" for n in range(1, len(cells[0]) + 1))
    connection.execute(
        f"insert into edx.report_files select {columns}", list(map(list, zip(*cells, strict=True)))
    )


@contextmanager
def _refusing(report: Report) -> Iterator[None]:
    """Note in `report` why it cannot be read, if what is tried says so."""
    try:
        yield
    except RefusedError as error:
        report.refused = str(error)
    except OSError as error:
        report.refused = f"it cannot be read ({error.strerror})"


def _identify(report: Report) -> None:
    """Tell by name, then by header, what a file is, and fill in `report`.

    Raises RefusedError for a file that is named like a report and is not one that can be read.
    """
    if report.location != str(report.path):
        report.ignored = "its name is not UTF-8 text: rename it"
        return
    if OPT_IN_FILE_NAME.search(report.path.name):
        report.kind = EMAIL_OPT_IN
        _read_header(report)
        _check_columns(report)
        return
    match = FILE_NAME.match(report.path.name)
    if match is None:
        _look_at_unnamed(report)
        return
    report.kind = match["kind"].lower() + (match["err"] or "").lower()
    if match["err"]:
        report.ignored = "an error companion: it lists learners whom edX could not grade"
        return
    if report.kind == "problem_grade_report":
        report.ignored = "a problem grade report: it has grades of problems, not of the course"
        return
    report.course_instance = _course_instance(match["prefix"])
    report.reported_at = _reported_at(match["day"], match["time"])
    _read_header(report)
    report.ignored = _look_alike(report.header)
    if not report.ignored:
        _check_columns(report)


def _look_at_unnamed(report: Report) -> None:
    report.ignored = "not an edX grade report or profile report, by its name"
    try:
        _read_header(report)
    except RefusedError:
        return
    for kind, columns in ((GRADE_REPORT, GRADE_REPORT_COLUMNS), (PROFILE_REPORT, PROFILE_COLUMNS)):
        if not _missing_columns(report.header, columns) and _look_alike(report.header) is None:
            # Many a file has the profile report's one needed column.
            if kind == PROFILE_REPORT and "level_of_education" not in _lowered(report.header):
                continue
            report.kind = kind
            report.ignored = (
                f"a {kind} by its header, but its name does not tell course, run and time: "
                f"expected {EXPECTED_NAMES}"
            )
            return


def _course_instance(prefix: str) -> str:
    """`UQx_BUSLEAD1x_1T2019`, also from a URL-quoted key (`course-v1%3AUQx%2BBUSLEAD1x%2B1T2019`)."""
    return unquote(prefix).removeprefix("course-v1:").replace("+", "_").replace("/", "_")


def _reported_at(day: str, time: str | None) -> datetime:
    """Read a name's stamp, UTC; where somebody cut the time off, it is the day's first minute."""
    try:
        # DuckDB's timestamps have no zone: all of ours are UTC.
        return datetime.strptime(day + (time or "0000"), "%Y-%m-%d%H%M")  # noqa: DTZ007
    except ValueError:
        message = "the stamp in its name is no date and time"
        raise RefusedError(message) from None


def _lowered(header: list[str]) -> list[str]:
    return [cell.strip().lower() for cell in header]


def _look_alike(header: list[str]) -> str | None:
    """Say why a file with this header is ignored whatever its name, or None."""
    names = _lowered(header)
    if names in (["student id", "username", "error"], ["id", "username", "error_msg"]):
        return "an error companion by its header: it lists learners whom edX could not grade"
    if "certificate eligible" not in names and any(name.endswith("(earned)") for name in names):
        return "a problem grade report by its header: it has grades of problems, not of the course"
    return None


def _read_header(report: Report) -> None:
    """Read the first record. Raises RefusedError where the file is no comma-separated UTF-8 text."""
    with report.path.open("rb") as file:
        start = file.read(HEAD_BYTES)
    if not start.removeprefix(codecs.BOM_UTF8).strip():
        reason = "it is empty"
        raise RefusedError(reason)
    if start.startswith(GZIP_MAGIC):
        reason = "it is gzip-compressed: unpack it first, or download it with a browser"
        raise RefusedError(reason)
    if start.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"<"):
        reason = "it is a web page, not a CSV file: the download link had expired, download it again"
        raise RefusedError(reason)
    if b"\r" in start and b"\n" not in start and len(start) < HEAD_BYTES:
        reason = "its lines end in carriage returns alone: download it again"
        raise RefusedError(reason)
    csv.field_size_limit(MAX_LINE_BYTES)
    try:
        with report.path.open(encoding="utf-8-sig", newline="\n") as file:
            reader = csv.reader(file, strict=True)
            report.header = next(reader)
            report.header_lines = reader.line_num
    except UnicodeDecodeError:
        # The decoder reads ahead of the header, so the line is found by reading all.
        _check_utf8(report.path)
    except csv.Error:
        reason = "line 1: its header has a quote that is never closed"
        raise RefusedError(reason) from None


def _check_utf8(path: Path) -> int:
    """Count the line breaks of a file. Raises RefusedError that names the first line that is not UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    breaks = 0
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError as error:
                line = breaks + chunk[: error.start].count(b"\n") + 1
                reason = f"line {line}: it is not UTF-8 text (Excel may have saved it): download it again"
                raise RefusedError(reason) from None
            breaks += chunk.count(b"\n")
            ends_with_break = chunk.endswith(b"\n")
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        reason = f"line {breaks + 1}: it is not UTF-8 text, it ends within a letter: download it again"
        raise RefusedError(reason) from None
    return breaks + (not ends_with_break)


def _missing_columns(header: list[str], columns: tuple[Column, ...]) -> list[str]:
    positions = _positions(header, columns)
    return [column.headers[0] for column in columns if column.needed and positions[column.name] is None]


def _other_separator(header: list[str], columns: tuple[Column, ...]) -> str | None:
    """Say by what a header is separated, where that makes it the right one."""
    for separator, name in ((";", "semicolons"), ("\t", "tabs")):
        cells = next(csv.reader([",".join(header)], delimiter=separator), [])
        if len(cells) > 1 and not _missing_columns(cells, columns):
            return name
    return None


def _positions(header: list[str], columns: tuple[Column, ...]) -> dict[str, int | None]:
    """Where each column is; None where it is not there.

    edX writes the enrolment block as the last columns, beginning with `Enrollment Track`, so what stands
    before that is an author's column whatever its name.
    """
    names = _lowered(header)
    block = max((i for i, name in enumerate(names) if name == "enrollment track"), default=0)
    positions = {}
    for column in columns:
        found = [
            i
            for i, name in enumerate(names)
            if name in column.headers and (not column.from_right or i >= block)
        ]
        positions[column.name] = (found[-1] if column.from_right else found[0]) if found else None
    return positions


def _check_columns(report: Report) -> None:
    """Raise RefusedError where a needed column is missing."""
    _, columns = TABLES[report.kind]
    if missing := _missing_columns(report.header, columns):
        separator = _other_separator(report.header, columns)
        reason = (
            f"line 1: it is separated by {separator}, not commas (Excel saves it so): download it again"
            if separator
            else f"line 1: its header has no column {' and no '.join(map(repr, missing))}"
        )
        raise RefusedError(reason)


def _cells(report: Report) -> str:
    _, columns = TABLES[report.kind]
    positions = _positions(report.header, columns).values()
    return ", ".join("null" if position is None else f"c{position}" for position in positions)


def _insert_rows(connection: duckdb.DuckDBPyConnection, reports: list[Report], *, in_lines: bool) -> None:
    """Insert the rows of reports with the same header, one file's after the other's.

    in_lines: take it that each row is a line, which spares looking for line breaks within its cells.
    """
    first = reports[0]
    table, _ = TABLES[first.kind]
    types = ", ".join(f"'c{i}': 'varchar'" for i in range(len(first.header)))
    text = f"concat({', '.join(f'c{i}' for i in range(len(first.header)))})"
    breaks = f"if(contains({text}, chr(10)), length({text}) - length(replace({text}, chr(10), '')), 0)"
    line_count = "1" if in_lines else f"1 + {breaks}"
    lines = [report.lines - report.header_lines for report in reports]
    connection.execute("drop table if exists reject_errors; drop table if exists reject_scans")
    with _with_header_in_one_line(first) as path:
        paths = [path, *(report.path for report in reports[1:])]
        connection.execute(
            f"""
        insert into {table}
        select
            $file_ids[1 + file_index::bigint],
            $header_lines + 1 - line_count
            + sum(line_count) over (rows unbounded preceding) - $lines_before[1 + file_index::bigint],
            line_count,
            {_cells(first)},
        from (
            select
                *,
                file_index,
                ({line_count})::integer as line_count,
            from read_csv(
                $paths, auto_detect = false, header = true, delim = ',', quote = '"', escape = '"',
                strict_mode = true, columns = {{{types}}}, max_line_size = {MAX_LINE_BYTES},
                -- an empty cell stays an empty text: NULL is for a column that the file does not have
                nullstr = chr(1),
                ignore_errors = true, store_rejects = true, rejects_limit = 0
            )
        )
        """,
            {
                "file_ids": [report.file_id for report in reports],
                "header_lines": first.header_lines,
                "lines_before": list(accumulate(lines[:-1], initial=0)),
                "paths": [glob.escape(str(path)) for path in paths],
            },
        )


def _load_even_rows(connection: duckdb.DuckDBPyConnection, reports: list[Report]) -> None:
    """Load the rows of reports with the same header. Raises _UnevenError where that needs a closer look."""
    _insert_rows(connection, reports, in_lines=reports[0].kind == GRADE_REPORT)
    if not _all_lines_are_rows(connection, reports):
        raise _UnevenError


def _load_uneven_rows(connection: duckdb.DuckDBPyConnection, report: Report) -> None:
    """Load a report's rows, whatever lines they have, and put those of the wrong width on record."""
    _insert_rows(connection, [report], in_lines=False)
    if not _all_lines_are_rows(connection, [report]):
        _relocate(connection, report)


def _all_lines_are_rows(connection: duckdb.DuckDBPyConnection, reports: list[Report]) -> bool:
    """Tell whether each line of the reports just inserted is a loaded row's, and count those rows."""
    table, _ = TABLES[reports[0].kind]
    found = connection.execute(
        f"""
        select file_id, min(line), max(line + line_count - 1), count(*)
        from {table}
        where list_contains($1, file_id)
        group by file_id
        """,
        [[report.file_id for report in reports]],
    ).fetchall()
    rejected = connection.execute("select count(*) from reject_errors").fetchall()[0][0]
    spans = {file_id: span for file_id, *span in found}
    are_rows = rejected == 0
    for report in reports:
        empty = (report.header_lines + 1, report.header_lines, 0)
        first_line, last_line, report.row_count = spans.get(report.file_id, empty)
        are_rows &= first_line == report.header_lines + 1 and last_line == report.lines
    return are_rows


@contextmanager
def _with_header_in_one_line(report: Report) -> Iterator[Path]:
    """Yield a file to read, whose header is in one line.

    DuckDB takes the first line break that it sees, one within a header's quotes too, for the file's own, and
    then reads nothing, without an error. So a header that has some is replaced, in a copy.
    """
    if report.header_lines == 1:
        yield report.path
        return
    with tempfile.NamedTemporaryFile(suffix=".csv") as copy, report.path.open("rb") as file:
        for _ in range(report.header_lines):
            last_line = file.readline()
        line_end = b"\r\n" if last_line.endswith(b"\r\n") else b"\n"
        copy.write(b"," * (len(report.header) - 1) + line_end)
        shutil.copyfileobj(file, copy)
        copy.flush()
        yield Path(copy.name)


def _relocate(connection: duckdb.DuckDBPyConnection, report: Report) -> None:
    """Put rows of the wrong width on record and in the count, and move the line numbers behind them.

    Such rows and blank lines are rare, so only a file that has some is read this second time.
    """
    width = len(report.header)
    lines, reasons, raw_texts = [], [], []
    right_width, shift, shifts = 0, 0, {1: 0}
    for line, line_count, cells, raw_text in _records(report.path):
        if len(cells) == width:
            right_width += 1
            continue
        if cells:
            lines.append(line)
            reasons.append(f"it has {len(cells)} cells, the header has {width}")
            raw_texts.append(raw_text)
        shift += line_count
        shifts[right_width + 1] = shift
    if right_width != report.row_count:
        reason = "a quote is opened or closed in the wrong place: download it again"
        raise RefusedError(reason)
    connection.execute(
        "insert into edx.damaged_rows select $1, unnest($2), unnest($3), unnest($4)",
        [report.file_id, lines, reasons, raw_texts],
    )
    table, _ = TABLES[report.kind]
    connection.execute(
        f"""
        with
        loaded as (
            select rowid as row, row_number() over (order by rowid) as position
            from {table} where file_id = $1
        ),
        shifts as (select unnest($2) as position, unnest($3) as lines)
        update {table} as report
        set line = report.line + shifts.lines
        from loaded asof join shifts on loaded.position >= shifts.position
        where report.rowid = loaded.row
        """,
        [report.file_id, list(shifts), list(shifts.values())],
    )
    report.row_count += len(lines)


def _records(path: Path) -> Iterator[tuple[int, int, list[str], str]]:
    """Each record after the header: its first line, how many lines, its cells, its text to the letter.

    A blank line is a record without cells. Raises RefusedError where a quote is never closed.
    """
    read: list[str] = []

    def remembered(file: TextIO) -> Iterator[str]:
        for line in file:
            read.append(line)
            yield line

    # newline="\n": a line is what ends in a line feed, as it is for the loaded rows.
    with path.open(encoding="utf-8-sig", newline="\n") as file:
        reader = csv.reader(remembered(file), strict=True)
        next(reader)
        line = 1 + len(read)
        read.clear()
        while True:
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error:
                reason = f"line {line}: a quote is opened there and never closed: download it again"
                raise RefusedError(reason) from None
            yield line, len(read), cells, "".join(read).rstrip("\r\n")
            line += len(read)
            read.clear()
