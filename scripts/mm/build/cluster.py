"""Build a program on Apache Spark instead of this machine's DuckDB: the same models, the same published file.

The downloads are read where the workers are. Then dbt builds in the session that loaded them, and the marts
are fetched into a DuckDB file. Everything is made anew each time.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import duckdb
import yaml
from jinja2 import Template
from pyspark.sql import SparkSession

from mm.build import inputs
from mm.build.mask import mask_secret, publish_marts
from mm.build.misplaced import misplaced_reports
from mm.build.run_dbt import Said, run_dbt
from mm.config import PROJECT, ReaderError, data_dir, database_dir
from mm.database import quoted
from mm.edx.load_spark import load_reports, save, ship_code
from mm.seeds import check_program

_OLDEST_JAVA = 17
# Nothing is kept from the last build, so nobody asks what it knew.
_LAST_REPORT_FILES = "file_id int, run_key string, course string, course_instance string, status string"
_DUCKDB_TYPES = {"int": "integer", "string": "varchar", "array<bigint>": "bigint[]"}


def build(variables: dict[str, str], on_step: Callable[[int, int, str], None]) -> Said:
    """Load, build and publish a program with the Spark that MM_SPARK_MASTER names; return what dbt said.

    variables: dbt's, `program` among them. on_step: as in run_dbt. ReaderError for what the reader can mend;
    what was published before stays as it was then.
    """
    os.chdir(PROJECT)
    program = variables["program"]
    check_program(program, inputs.SEEDS)
    mask_secret()
    # the workers fetch the code as long as the session lasts
    with inputs.lock_builds(program, database_dir()), tempfile.TemporaryDirectory() as folder:
        spark = _session(program)
        try:
            ship_code(spark, Path(folder))
            said = Said()
            _load(spark, program, said)
            place = ("--target", "cluster", "--target-path", "target/cluster")
            run_dbt("build", *place, variables=variables, on_step=on_step, said=said)
            files = _fetch(spark, program, said)
        finally:
            spark.stop()
    said.notes.append(f"Published {' and '.join(map(str, files))}")
    return said


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


def _load(spark: SparkSession, program: str, said: Said) -> None:
    """Make the sources' tables of what is in the program's folder and of the mailing records."""
    records = inputs.mailing_tables(program, data_dir(), database_dir(), said.notes.append)
    for schema in ("edx", "mailing", "last_build"):
        spark.sql(f"create database if not exists {program}_{schema}")
    for name, table in records.items():
        columns = ", ".join(f"{column} {type_name}" for column, type_name in table.columns.items())
        save(spark, f"{program}_mailing.{name}", columns, table.rows)
    save(spark, f"{program}_last_build.report_files", _LAST_REPORT_FILES, [])
    # As the messages of SQL name the folder, and those of a build on this machine.
    where = (program, Path(os.environ.get("MM_DATA_DIR", "data")))
    said.warnings += (*inputs.missing_folder(*where), *misplaced_reports(*where))
    load_reports(spark, f"{program}_edx", list(inputs.reports(program, data_dir())))


def _fetch(spark: SparkSession, program: str, said: Said) -> list[Path]:
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
            models = [result.node for result in said.result.results if result.node.resource_type == "model"]
            for model in models:
                if model.access == "public":
                    _copy(spark, connection, model)
            nodes = [model.to_dict() for model in models]
            return publish_marts(
                connection, "marts", built, published, models=nodes, warn=said.warnings.append
            )
    finally:
        built.unlink(missing_ok=True)


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
