"""Load a program's edX downloads, as they are, into the schema `edx` of the working database.

What a row means is decided by the SQL in `models/`, and edx_files.py tells what each file is. This module
puts the cells of each file that can be read, its line numbers and the rows of the wrong width on record.
"""

import glob
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import accumulate
from pathlib import Path

import duckdb

from mm import edx_files
from mm.edx_files import COLUMNS, GRADE_REPORT, MAX_LINE_BYTES, PATTERNS, Column, RefusedError, Report

# How many bytes of small files one statement reads: starting a reading costs as much as some megabytes.
GROUP_BYTES = 32 * 1024 * 1024
TABLES = {kind: f"edx.{kind}" for kind in COLUMNS}
TABLES_BY_FILE = ("edx.report_files", "edx.damaged_rows", *TABLES.values())


class _UnevenError(Exception):
    """Some line of some report is no loaded row's."""


def prepare_tables(connection: duckdb.DuckDBPyConnection) -> bool:
    """Create the schema `edx` where it is missing, or anew where another version of this module made it.

    Returns whether something that was loaded had to go.
    """
    modules = (Path(__file__), Path(edx_files.__file__))
    version = hashlib.sha256(b"".join(module.read_bytes() for module in modules)).hexdigest()
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


def load(connection: duckdb.DuckDBPyConnection, reports: Iterable[Report], *, afresh: bool = False) -> bool:
    """Make the schema `edx` hold just these files, not yet identified; those loaded are not opened again.

    A file is the same while its path, size and time of modification are. `afresh` forgets what was loaded.
    Returns whether something that was loaded had to go.
    """
    loaded = {
        row[1:]: row[0]
        for row in connection.execute(
            "select file_id, path, size_bytes, modified_ns from edx.report_files"
        ).fetchall()
    }
    present = {(r.location, r.size_bytes, r.modified_ns): r for r in reports}
    gone = [file_id for key, file_id in loaded.items() if afresh or key not in present]
    new = [report for key, report in present.items() if afresh or key not in loaded]
    with _transaction(connection):
        for table in TABLES_BY_FILE:
            connection.execute(f"delete from {table} where list_contains(?, file_id)", [gone])
    for file_id, report in enumerate(new, start=max(loaded.values(), default=0) + 1):
        report.file_id = file_id
        with edx_files.refusing(report):
            edx_files.identify(report)
    new = [report for report in new if not report.is_gone]
    # The numbering of lines keeps each reading on one core, so several are read at once.
    threads = connection.execute("select current_setting('threads')").fetchall()[0][0]
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(lambda group: _load(connection.cursor(), group), list(_groups(new))):
            pass
    _tell_twins_apart(connection)
    return bool(gone)


def _groups(reports: list[Report]) -> Iterator[list[Report]]:
    """Put reports together that one statement can read; those without rows to read come last."""
    alike: dict[tuple[str, ...], list[Report]] = {}
    unread = []
    for report in reports:
        if report.is_readable:
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
        if report.is_readable:
            with edx_files.refusing(report):
                edx_files.count_lines(report)
    group = [report for report in group if not report.is_gone]
    if not group:
        return
    try:
        with _transaction(connection):
            if readable := [report for report in group if report.is_readable]:
                _load_even_rows(connection, readable)
            _record(connection, group)
    except (_UnevenError, duckdb.InvalidInputException, duckdb.IOException):
        for report in group:
            _load_alone(connection, report)


def _load_alone(connection: duckdb.DuckDBPyConnection, report: Report) -> None:
    try:
        with edx_files.refusing(report), _transaction(connection):
            if report.is_readable:
                _load_uneven_rows(connection, report)
            _record(connection, [report])
            return
    except duckdb.IOException:
        # A file that is gone has nothing to record; a full disk is no file's fault.
        if os.path.lexists(report.path):
            raise
        report.is_gone = True
    except duckdb.InvalidInputException:
        # The error's own text quotes the file.
        report.refused = edx_files.MIXED_LINE_ENDS
    if report.is_gone:
        return
    report.row_count = None
    with _transaction(connection):
        _record(connection, [report])


def _create_tables(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("drop schema if exists edx cascade; create schema edx")
    connection.execute(
        "create table edx.report_files (file_id integer, file_name varchar, path varchar,"
        " report_kind varchar, course_instance varchar, reported_at timestamp,"
        " ignored_reason varchar, refused_reason varchar,"
        " row_count bigint, size_bytes bigint, modified_ns bigint, content_digest varchar)"
    )
    for kind, table in TABLES.items():
        cells = ", ".join(f"{column.name} {column.type}" for column in COLUMNS[kind])
        connection.execute(
            f"create table {table} (file_id integer, line bigint, line_count integer, {cells})"
        )
    connection.execute(
        "create table edx.damaged_rows (file_id integer, line bigint, reason varchar, raw_text varchar)"
    )


def _record(connection: duckdb.DuckDBPyConnection, reports: list[Report]) -> None:
    cells = [report.row(report.location) for report in reports]
    columns = ", ".join(f"unnest(${n})" for n in range(1, len(cells[0]) + 1))
    connection.execute(
        f"insert into edx.report_files select {columns}, null", list(map(list, zip(*cells, strict=True)))
    )


def _tell_twins_apart(connection: duckdb.DuckDBPyConnection) -> None:
    """Note a digest of the content of files that are of one run, kind and stamp."""
    twins = connection.execute("""
        select file_id, path
        from edx.report_files
        where ignored_reason is null and refused_reason is null and reported_at is not null
        qualify
            count(*) over (partition by lower(course_instance), report_kind, reported_at) > 1
            and content_digest is null
    """).fetchall()
    for file_id, path in twins:
        with suppress(FileNotFoundError), Path(path).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            connection.execute(
                "update edx.report_files set content_digest = $1 where file_id = $2", [digest, file_id]
            )


def _cells(report: Report) -> str:
    columns = COLUMNS[report.kind]
    positions = edx_files.positions(report.header, columns)
    return ", ".join(_cell(column, positions[column.name]) for column in columns)


def _cell(column: Column, position: int | None) -> str:
    if position is None:
        return "null"
    text = f"c{position}"
    if column.type not in PATTERNS:
        return text
    is_one = f"regexp_full_match({text}, '{PATTERNS[column.type]}')"
    return f"if({is_one}, try_cast({text} as {column.type}), null)"


def _insert_rows(connection: duckdb.DuckDBPyConnection, reports: list[Report], *, in_lines: bool) -> None:
    """Insert the rows of reports with the same header, one file's after the other's.

    in_lines: take it that each row is a line, which spares looking for line breaks within its cells.
    """
    first = reports[0]
    table = TABLES[first.kind]
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
    table = TABLES[reports[0].kind]
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
    for record in edx_files.records(report.path):
        if len(record.cells) == width:
            right_width += 1
            continue
        if reason := edx_files.damage(report, record):
            lines.append(record.line)
            reasons.append(reason)
            raw_texts.append(record.raw_text)
        shift += record.line_count
        shifts[right_width + 1] = shift
    if right_width != report.row_count:
        reason = "a quote is opened or closed in the wrong place: download it again"
        raise RefusedError(reason)
    connection.execute(
        "insert into edx.damaged_rows select $1, unnest($2), unnest($3), unnest($4)",
        [report.file_id, lines, reasons, raw_texts],
    )
    table = TABLES[report.kind]
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
