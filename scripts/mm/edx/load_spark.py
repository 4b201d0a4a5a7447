"""Load a program's edX downloads, as they are, into the schema `<program>_edx` of a Spark.

Each file is read by one task, with the same Python as for DuckDB, where the workers see it.
"""

import hashlib
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql.functions import udtf
from pyspark.sql.udtf import UserDefinedTableFunction

from mm.edx.columns import COLUMNS, PATTERNS, Column
from mm.edx.file import Report, refusing
from mm.edx.identify import identify

# What a task says: the rows, those of the wrong width, and at last what became of the file.
_YIELDED = "part string, line bigint, line_count int, cells array<string>, reason string, raw_text string"
_REPORT_FILES = (
    "file_id int, file_name string, path string, report_kind string, course_instance string,"
    " reported_at timestamp, ignored_reason string, refused_reason string, row_count bigint,"
    " size_bytes bigint, modified_ns bigint, content_digest string"
)


def save(spark: SparkSession, table: str, columns: str, rows: list[tuple[Any, ...]]) -> None:
    """Write a table anew."""
    spark.sql(f"drop table if exists {table}")
    spark.createDataFrame(rows, columns).write.saveAsTable(table)


def load_reports(spark: SparkSession, schema: str, reports: list[Report]) -> None:
    """Make the tables of a schema hold just these files, not yet identified."""
    for file_id, report in enumerate(reports, start=1):
        report.file_id = file_id
        with refusing(report):
            identify(report)
    reports = [report for report in reports if not report.is_gone]
    spark.udtf.register("read_report", _reader())
    readable = [
        (report.file_id, str(report.path), report.kind, report.header, report.header_lines)
        for report in reports
        if report.is_readable
    ]
    files = spark.createDataFrame(
        readable, "file_id int, path string, report_kind string, header array<string>, header_lines int"
    )
    files.repartition(max(len(readable), 1)).createOrReplaceTempView("files_to_read")
    spark.sql(f"drop table if exists {schema}.records")
    spark.sql(f"""
        create table {schema}.records using parquet partitioned by (report_kind, part) as
        select
            files_to_read.file_id,
            records.line,
            records.line_count,
            records.cells,
            records.reason,
            records.raw_text,
            files_to_read.report_kind,
            records.part
        from files_to_read
        cross join lateral read_report(
            files_to_read.path, files_to_read.report_kind, files_to_read.header, files_to_read.header_lines
        ) as records
    """)
    by_id = {report.file_id: report for report in reports}
    for file_id, row_count, reason in spark.sql(
        f"select file_id, line, reason from {schema}.records where part = 'verdict'"
    ).collect():
        by_id[file_id].row_count, by_id[file_id].refused = row_count, reason
    digests = _digests(reports)
    save(
        spark,
        f"{schema}.report_files",
        _REPORT_FILES,
        [(*report.row(f"file:{report.location}"), digests.get(report.file_id)) for report in reports],
    )
    _make_views(spark, schema, reports)


def _make_views(spark: SparkSession, schema: str, reports: list[Report]) -> None:
    # Of a file that cannot be read to its end, what was read before counts for nothing.
    refused = ", ".join(str(report.file_id) for report in reports if report.refused) or "-1"
    for kind, columns in COLUMNS.items():
        cells = ", ".join(_cell(column, place) for place, column in enumerate(columns))
        spark.sql(f"""
            create or replace view {schema}.{kind} as
            select file_id, line, line_count, {cells}
            from {schema}.records
            where report_kind = '{kind}' and part = 'row' and file_id not in ({refused})
        """)
    spark.sql(f"""
        create or replace view {schema}.damaged_rows as
        select file_id, line, reason, raw_text
        from {schema}.records
        where part = 'damaged' and file_id not in ({refused})
    """)


def _cell(column: Column, place: int) -> str:
    text = f"cells[{place}]"
    if column.type in PATTERNS:
        is_one = rf"{text} rlike r'\A(?:{PATTERNS[column.type]})\z'"
        text = f"if({is_one}, try_cast({text} as {column.type}), null)"
    return f"{text} as {column.name}"


def ship_code(spark: SparkSession, folder: Path) -> None:
    """Let the workers read files as this machine does; `folder` must stay as long as the session."""
    room = Path(__file__).parent
    archive = folder / "micromastersreports.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.write(room.parent / "__init__.py", f"{room.parent.name}/__init__.py")
        for path in room.glob("*.py"):
            file.write(path, f"{room.parent.name}/{room.name}/{path.name}")
    spark.addArtifacts(str(archive), pyfile=True)


def _reader() -> UserDefinedTableFunction:
    """Return the table function that reads one file; defined in here, it travels as a value."""

    @udtf(returnType=_YIELDED, useArrow=False)
    class ReadReport:
        def eval(
            self, path: str, kind: str, header: list[str], header_lines: int
        ) -> Iterator[tuple[str, int | None, int | None, list[str | None] | None, str | None, str | None]]:
            from pathlib import Path  # noqa: PLC0415

            from mm.edx.file import Report, refusing  # noqa: PLC0415
            from mm.edx.records import read_rows  # noqa: PLC0415

            report = Report(Path(path), path, 0, 0, kind=kind, header=list(header), header_lines=header_lines)
            row_count = 0
            with refusing(report):
                for record, cells, reason in read_rows(report):
                    row_count += 1
                    if reason is None:
                        yield "row", record.line, record.line_count, cells, None, None
                    else:
                        yield "damaged", record.line, record.line_count, None, reason, record.raw_text
            if report.is_gone:
                report.refused = "it is not there, or not for a worker of the cluster"
            yield "verdict", None if report.refused else row_count, None, None, report.refused, None

    return ReadReport


def _digests(reports: list[Report]) -> dict[int, str]:
    """Return a digest of the content of each file that is of one run, kind and stamp with another one."""
    of_runs = {
        report.file_id: (report.course_instance.lower(), report.kind, report.reported_at)
        for report in reports
        if not report.ignored and not report.refused and report.reported_at and report.course_instance
    }
    often = {run for run, files in Counter(of_runs.values()).items() if files > 1}
    return {
        report.file_id: hashlib.sha256(report.path.read_bytes()).hexdigest()
        for report in reports
        if of_runs.get(report.file_id) in often
    }
