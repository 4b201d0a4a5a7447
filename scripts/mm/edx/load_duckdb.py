"""Load a program's edX downloads, as they are, into the schema `edx` of the working database.

What a row means is decided by the SQL in `models/`, and identify.py tells what each file is. This module
puts the cells of each file that can be read, its line numbers and the rows of the wrong width on record.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb

from mm.edx.columns import COLUMNS, REPORT_FILES
from mm.edx.file import Report, refusing
from mm.edx.identify import identify
from mm.edx.records import MIXED_LINE_ENDS
from mm.edx.rows_duckdb import TABLES, UnevenError, load_even_rows, load_uneven_rows
from mm.edx.text import count_lines

# How many bytes of small files one statement reads: starting a reading costs as much as some megabytes.
GROUP_BYTES = 32 * 1024 * 1024
TABLES_BY_FILE = ("edx.report_files", "edx.damaged_rows", *TABLES.values())


def prepare_tables(connection: duckdb.DuckDBPyConnection) -> bool:
    """Create the schema `edx` where it is missing, or anew where another version of this module made it.

    Returns whether something that was loaded had to go.
    """
    modules = sorted(Path(__file__).parent.glob("*.py"))
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
        with refusing(report):
            identify(report)
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
            with refusing(report):
                count_lines(report)
    group = [report for report in group if not report.is_gone]
    if not group:
        return
    try:
        with _transaction(connection):
            if readable := [report for report in group if report.is_readable]:
                load_even_rows(connection, readable)
            _record(connection, group)
    except (UnevenError, duckdb.InvalidInputException, duckdb.IOException):
        for report in group:
            _load_alone(connection, report)


def _load_alone(connection: duckdb.DuckDBPyConnection, report: Report) -> None:
    try:
        with refusing(report), _transaction(connection):
            if report.is_readable:
                load_uneven_rows(connection, report)
            _record(connection, [report])
            return
    except duckdb.IOException:
        # A file that is gone has nothing to record; a full disk is no file's fault.
        if os.path.lexists(report.path):
            raise
        report.is_gone = True
    except duckdb.InvalidInputException:
        # The error's own text quotes the file.
        report.refused = MIXED_LINE_ENDS
    if report.is_gone:
        return
    report.row_count = None
    with _transaction(connection):
        _record(connection, [report])


def _create_tables(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("drop schema if exists edx cascade; create schema edx")
    connection.execute(f"create table edx.report_files ({REPORT_FILES})")
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
