"""Load a program's edX downloads, as they are, into the schema `<program>_edx` of a Spark.

Each file is read by one task, with the same Python as for DuckDB: from where the workers see it, or, at a
URL, from what Spark reads there.
"""

import os
import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.functions import broadcast, expr, lit, udtf
from pyspark.sql.udtf import UserDefinedTableFunction

from mm.edx.columns import COLUMNS, PATTERNS, REPORT_FILES, Column
from mm.edx.far import FarPath, Storage
from mm.edx.file import Report, refusing
from mm.edx.identify import identify
from mm.edx.task import Said, take_over

# What a task says: the rows, those of the wrong width, and at last what became of the file.
_YIELDED = (
    "part string, report_kind string, line bigint, line_count int, cells array<string>, reason string,"
    " raw_text string"
)
# Spark reads what lies in a storage as one cell, which cannot be larger.
_LARGEST = 2**31 - 1
_WHERE = re.compile(r"\A[A-Za-z][A-Za-z0-9+.-]*:(?://[^/]*)?")


def save(spark: SparkSession, table: str, columns: str, rows: list[tuple[Any, ...]]) -> None:
    """Write a table anew."""
    spark.sql(f"drop table if exists {table}")
    spark.createDataFrame(rows, columns).write.saveAsTable(table)


def far_folder(spark: SparkSession, url: str) -> FarPath:
    """Return a folder of a storage, as it is now; Spark's error where there is none, or no right to it."""
    listed = _files(spark, [url]).select("path", "length", expr("unix_micros(modificationTime) * 1000"))
    # An empty file has no row there.
    files = {unquote(path): (0, 0) for path in listed.inputFiles()}
    files |= {path: (length, modified_ns) for path, length, modified_ns in listed.collect()}

    def read(path: str) -> bytes:
        return b"".join(content for (content,) in _files(spark, [path]).select("content").collect())

    # Spark may say more of where it is than the URL does, as of hdfs:///data.
    where = _WHERE.match(next(iter(files), url))
    return FarPath((where[0] if where else "") + _WHERE.sub("", url), Storage(files, read))


def _files(spark: SparkSession, urls: list[str]) -> DataFrame:
    """Return all files at URLs and below; their content is read only where it is asked for."""
    reader = spark.read.format("binaryFile").option("recursiveFileLookup", "true")
    # Else names that begin with a dot or an underscore are passed over.
    reader = reader.option("ignoredPathSegmentRegex", "(?!)")
    # A path is a pattern there: what is none has a backslash before it.
    return reader.load([re.sub(r"([][*?{}\\])", r"\\\1", url) for url in urls])


def load_reports(spark: SparkSession, schema: str, reports: list[Report]) -> None:
    """Make the tables of a schema hold just these files, not yet identified."""
    for file_id, report in enumerate(reports, start=1):
        report.file_id = file_id
        if isinstance(report.path, FarPath) and report.size_bytes > _LARGEST:
            report.refused = "it has more than 2 GB, which Spark reads from a folder only: put it into one"
        if not _is_for_a_task(report):
            with refusing(report):
                identify(report)
    by_id = {report.file_id: report for report in reports}
    _read(spark, schema, [report for report in reports if _is_for_a_task(report)])
    digests = {}
    for file_id, *said in spark.sql(
        f"select file_id, report_kind, line, cells, reason from {schema}.records where part = 'verdict'"
    ).collect():
        report = by_id[file_id]
        digests[file_id] = take_over(report, *said)
        if report.is_gone and os.path.lexists(report.path):
            report.is_gone, report.refused = False, "it is not there, or not for a worker of the cluster"
    reports = [report for report in reports if not report.is_gone]
    twins = _twins(reports)
    save(
        spark,
        f"{schema}.report_files",
        REPORT_FILES,
        [
            (
                *report.row(_as_spark_says(report)),
                digests[report.file_id] if report.file_id in twins else None,
            )
            for report in reports
        ],
    )
    _make_views(spark, schema, reports)


def _is_for_a_task(report: Report) -> bool:
    """Tell whether a task can be told of a file: its name is a text, and it is no folder.

    Of an empty file in a storage Spark tells no task.
    """
    if report.refused or report.location != str(report.path) or report.path.is_dir():
        return False
    return not isinstance(report.path, FarPath) or report.size_bytes > 0


def _as_spark_says(report: Report) -> str:
    return report.location if isinstance(report.path, FarPath) else f"file:{report.location}"


def _read(spark: SparkSession, schema: str, reports: list[Report]) -> None:
    """Make the table `records` of what the tasks say, one for each file."""
    files = spark.createDataFrame(
        [(report.file_id, str(report.path), report.name) for report in reports],
        "file_id int, path string, name string",
    )
    if reports and isinstance(reports[0].path, FarPath):
        # So that Spark puts no two of them into one task.
        spark.conf.set("spark.sql.files.openCostInBytes", "1g")
        contents = _files(spark, [str(report.path) for report in reports]).select("path", "content")
        files = contents.join(broadcast(files), "path")
    else:
        files = files.repartition(max(len(reports), 1)).withColumn("content", lit(None).cast("binary"))
    files.createOrReplaceTempView("files_to_read")
    spark.udtf.register("read_report", _reader())
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
            records.report_kind,
            records.part
        from files_to_read
        cross join lateral read_report(
            files_to_read.path, files_to_read.name, files_to_read.content
        ) as records
    """)
    spark.conf.unset("spark.sql.files.openCostInBytes")


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
        def eval(self, path: str, name: str, content: bytes | None) -> Iterator[Said]:
            from mm.edx.task import read_file  # noqa: PLC0415

            yield from read_file(path, name, None if content is None else bytes(content))

    return ReadReport


def _twins(reports: list[Report]) -> set[int]:
    """Return the files that are of one run, kind and stamp with another one."""
    of_runs = {
        report.file_id: (report.course_instance.lower(), report.kind, report.reported_at)
        for report in reports
        if not report.ignored and not report.refused and report.reported_at and report.course_instance
    }
    often = {run for run, files in Counter(of_runs.values()).items() if files > 1}
    return {file_id for file_id, run in of_runs.items() if run in often}
