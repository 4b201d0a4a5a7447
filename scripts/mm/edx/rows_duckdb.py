"""Read the rows of reports into DuckDB, each with its line."""

import glob
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path

import duckdb

from mm.edx.columns import COLUMNS, PATTERNS, Column, positions
from mm.edx.file import RefusedError, Report
from mm.edx.kinds import GRADE_REPORT
from mm.edx.records import MAX_LINE_BYTES, damage, records

TABLES = {kind: f"edx.{kind}" for kind in COLUMNS}


class UnevenError(Exception):
    """Some line of some report is no loaded row's."""


def _cells(report: Report) -> str:
    columns = COLUMNS[report.kind]
    found = positions(report.header, columns)
    return ", ".join(_cell(column, found[column.name]) for column in columns)


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


def load_even_rows(connection: duckdb.DuckDBPyConnection, reports: list[Report]) -> None:
    """Load the rows of reports with the same header. Raises UnevenError where that needs a closer look."""
    _insert_rows(connection, reports, in_lines=reports[0].kind == GRADE_REPORT)
    if not _all_lines_are_rows(connection, reports):
        raise UnevenError


def load_uneven_rows(connection: duckdb.DuckDBPyConnection, report: Report) -> None:
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
    for record in records(report.path):
        if len(record.cells) == width:
            right_width += 1
            continue
        if reason := damage(report, record):
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
