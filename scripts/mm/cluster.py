"""Build a program on Apache Spark instead of this machine's DuckDB: the same models, the same published file.

The downloads are read where the workers are, each file by one task, with the same Python as for DuckDB. Then
dbt builds in the session that loaded them, and the marts are fetched into a DuckDB file. Everything is made
anew each time.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import duckdb
import typer
import yaml
from dbt.artifacts.schemas.run import RunResult
from dbt.cli.main import dbtRunner
from jinja2 import Template
from pyspark.sql import SparkSession
from pyspark.sql.functions import udtf
from pyspark.sql.udtf import UserDefinedTableFunction

from mm import edx_files, inputs
from mm.descriptions import describe
from mm.edx_files import COLUMNS, PATTERNS, Column, Report
from mm.mask import known_of, mask_secret, masks_of, publish_with_mask
from mm.misplaced import misplaced_reports
from mm.publish import quoted
from mm.seeds import check_program
from mm.settings import PROJECT, ReaderError, data_dir, database_dir

_OLDEST_JAVA = 17
# What a worker has to know of this project.
_SHIPPED = ("__init__.py", "edx_files.py")
# What a task says: the rows, those of the wrong width, and at last what became of the file.
_YIELDED = "part string, line bigint, line_count int, cells array<string>, reason string, raw_text string"
_REPORT_FILES = (
    "file_id int, file_name string, path string, report_kind string, course_instance string,"
    " reported_at timestamp, ignored_reason string, refused_reason string, row_count bigint,"
    " size_bytes bigint, modified_ns bigint, content_digest string"
)
# Nothing is kept from the last build, so nobody asks what it knew.
_LAST_REPORT_FILES = "file_id int, run_key string, course string, course_instance string, status string"
_DUCKDB_TYPES = {"int": "integer", "string": "varchar", "array<bigint>": "bigint[]"}


def build(variables: dict[str, str]) -> None:
    """Load, build and publish a program with the Spark that MM_SPARK_MASTER names.

    variables: dbt's, `program` among them. ReaderError for what the reader can mend; what was published
    before stays as it was then.
    """
    os.chdir(PROJECT)
    program = variables["program"]
    check_program(program, inputs.SEEDS)
    mask_secret()
    # the workers fetch the code as long as the session lasts
    with inputs.lock_builds(program, database_dir()), tempfile.TemporaryDirectory() as folder:
        spark = _session(program)
        try:
            _ship_code(spark, Path(folder))
            _load(spark, program)
            arguments = ["build", "--target", "cluster", "--target-path", "target/cluster"]
            done = dbtRunner().invoke([*arguments, "--vars", json.dumps(variables)])
            if not done.success:
                message = f"The build of {program} did not succeed: dbt's messages above tell why."
                raise ReaderError(message)
            _fetch(spark, program, done.result.results)
        finally:
            spark.stop()


def _session(program: str) -> SparkSession:
    """Start or join the Spark of the profile's target `cluster`, with the settings that dbt gives it, too."""
    _check_java()
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    profile = yaml.safe_load(Path("profiles.yml").read_text(encoding="utf-8"))
    settings = profile["micromastersreports"]["outputs"]["cluster"]["server_side_parameters"]
    builder = SparkSession.builder.appName(f"micromastersreports {program}").enableHiveSupport()
    for name, value in settings.items():
        said = Template(str(value)).render(env_var=os.environ.get, var={"program": program}.get)
        builder = builder.config(name, said)
    try:
        return builder.getOrCreate()
    except Exception as error:
        # Java's own words are dozens of lines; its first one tells what it is about.
        message = f"Spark could not be started ({str(error).strip().splitlines()[0]}): see MM_SPARK_MASTER."
        raise ReaderError(message) from error


def _check_java() -> None:
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=f"{home}/bin" if home else None)
    if java:
        said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr  # noqa: S603
        version = re.search(r'version "(\d+)', said)
        if version and int(version[1]) >= _OLDEST_JAVA:
            return
    found = f"{java} is an older one" if java else "there is none here"
    message = (
        f"Spark needs Java {_OLDEST_JAVA} or newer, and {found}: install it, "
        "such as Debian's default-jre-headless, or set JAVA_HOME."
    )
    raise ReaderError(message)


def _load(spark: SparkSession, program: str) -> None:
    """Make the sources' tables of what is in the program's folder and of the mailing records."""
    records = inputs.mailing_tables(program, data_dir(), database_dir(), print)
    for schema in ("edx", "mailing", "last_build"):
        spark.sql(f"create database if not exists {program}_{schema}")
    for name, table in records.items():
        columns = ", ".join(f"{column} {type_name}" for column, type_name in table.columns.items())
        _save(spark, f"{program}_mailing.{name}", columns, table.rows)
    _save(spark, f"{program}_last_build.report_files", _LAST_REPORT_FILES, [])
    # As the messages of SQL name the folder, and those of a build on this machine.
    for sentence in misplaced_reports(program, Path(os.environ.get("MM_DATA_DIR", "data"))):
        typer.echo(f"Warning: {sentence}")
    _load_reports(spark, f"{program}_edx", list(inputs.reports(program, data_dir())))


def _save(spark: SparkSession, table: str, columns: str, rows: list[tuple[Any, ...]]) -> None:
    spark.sql(f"drop table if exists {table}")
    spark.createDataFrame(rows, columns).write.saveAsTable(table)


def _load_reports(spark: SparkSession, schema: str, reports: list[Report]) -> None:
    for file_id, report in enumerate(reports, start=1):
        report.file_id = file_id
        with edx_files.refusing(report):
            edx_files.identify(report)
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
    _save(
        spark,
        f"{schema}.report_files",
        _REPORT_FILES,
        [(*report.row(f"file:{report.location}"), digests.get(report.file_id)) for report in reports],
    )
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


def _ship_code(spark: SparkSession, folder: Path) -> None:
    package = Path(edx_files.__file__).parent
    archive = folder / "micromastersreports.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for name in _SHIPPED:
            file.write(package / name, f"{package.name}/{name}")
    spark.addArtifacts(str(archive), pyfile=True)


def _reader() -> UserDefinedTableFunction:
    """Return the table function that reads one file; defined in here, it travels as a value."""

    @udtf(returnType=_YIELDED, useArrow=False)
    class ReadReport:
        def eval(
            self, path: str, kind: str, header: list[str], header_lines: int
        ) -> Iterator[tuple[str, int | None, int | None, list[str | None] | None, str | None, str | None]]:
            from pathlib import Path  # noqa: PLC0415

            from mm import edx_files  # noqa: PLC0415

            report = edx_files.Report(
                Path(path), path, 0, 0, kind=kind, header=list(header), header_lines=header_lines
            )
            row_count = 0
            with edx_files.refusing(report):
                for record, cells, reason in edx_files.read(report):
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


def _fetch(spark: SparkSession, program: str, results: list[RunResult]) -> None:
    """Put the marts into a DuckDB file of the published format, and that into the published one's place."""
    built = database_dir() / "working" / f"{program}_cluster.duckdb"
    built.unlink(missing_ok=True)
    published = database_dir() / f"{program}.duckdb"
    try:
        with duckdb.connect() as connection:
            connection.execute("set TimeZone = 'UTC'")
            # What a sort has no room for is of learners, too.
            connection.execute("set temp_directory = $1", [str(built.with_suffix(".tmp"))])
            connection.execute(f"attach {quoted(built)} as marts (storage_version 'v1.0.0')")
            connection.execute("use marts")
            models = [result.node for result in results if result.node.resource_type == "model"]
            for model in models:
                if model.access == "public":
                    _copy(spark, connection, model)
            nodes = [model.to_dict() for model in models]
            describe(connection, "marts", nodes)
            connection.execute("checkpoint marts")
            files = publish_with_mask(
                connection,
                "marts",
                built,
                published,
                masks=masks_of(nodes),
                known=known_of(nodes),
                warn=_warn,
            )
    finally:
        built.unlink(missing_ok=True)
    typer.echo(f"Published {' and '.join(map(str, files))}")


def _warn(message: str) -> None:
    typer.echo(f"Warning: {message}", err=True)


def _copy(spark: SparkSession, connection: duckdb.DuckDBPyConnection, node: Any) -> None:  # noqa: ANN401 - dbt's
    frame = spark.table(f"{node.schema}.{node.alias}")
    columns = []
    for name, type_name in frame.dtypes:
        constraints = node.columns[name].constraints if name in node.columns else []
        not_null = " not null" if any(each.type == "not_null" for each in constraints) else ""
        columns.append(f"{name} {_DUCKDB_TYPES.get(type_name, type_name)}{not_null}")
    connection.execute(f"create table {node.alias} ({', '.join(columns)})")
    files = [urlparse(uri) for uri in frame.inputFiles()]
    if any(file.scheme != "file" for file in files):
        message = (
            f"The tables lie at {files[0].scheme}:, where they cannot be fetched from: "
            "set MM_SPARK_WAREHOUSE to a folder that this machine and all workers see."
        )
        raise ReaderError(message)
    if files:
        connection.execute(
            f"insert into {node.alias} by name select * from read_parquet($1)",
            [sorted(unquote(file.path) for file in files)],
        )
