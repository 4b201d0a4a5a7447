"""Fetch the marts from a Spark into a DuckDB file, some rows at a time: no table need fit into memory."""

import glob
import os
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import duckdb
from pyspark.sql import SparkSession
from pyspark.sql.functions import col

from mm.config import ReaderError
from mm.database import quoted

# Of the files that Spark wrote (see spark.sql.files.maxRecordsPerFile in profiles.yml), as many as have this.
_ROWS_AT_ONCE = 250_000
_DUCKDB_TYPES = {"int": "integer", "string": "varchar", "array<bigint>": "bigint[]"}


def fetch(
    spark: SparkSession, connection: duckdb.DuckDBPyConnection, built: Path, models: Sequence[Any]
) -> None:
    """Make a new DuckDB file, as the database `marts` of the connection, of the tables of these models."""
    connection.execute("set TimeZone = 'UTC'")
    # What a sort has no room for is of learners, too.
    connection.execute("set temp_directory = $1", [str(built.with_suffix(".tmp"))])
    connection.execute(f"attach {quoted(built)} as marts (storage_version 'v1.0.0')")
    connection.execute("use marts")
    for model in models:
        _create(spark, connection, model)
    names = [f"{model.schema}.{model.alias}" for model in models]
    for name, files, count in _parts(spark, names):
        into = f"insert into {name.rpartition('.')[2]} by name select * from"
        paths = [unquote(urlsplit(file).path) for file in files]
        if all(file.startswith("file:") for file in files) and all(map(os.path.isfile, paths)):
            # Where this machine sees the folder, that takes a quarter of the time.
            inserted = connection.execute(f"{into} read_parquet($1)", [list(map(glob.escape, paths))])
        else:
            rows = spark.table(name).where(col("_metadata.file_path").isin(files)).toArrow()
            connection.register("fetched", rows)
            inserted = connection.execute(f"{into} fetched")
        if inserted.fetchall() != [(count,)]:
            message = f"Not all {count} rows of {name} could be fetched: build again."
            raise ReaderError(message)


def _parts(spark: SparkSession, names: list[str]) -> Iterator[tuple[str, list[str], int]]:
    """Give by table its files that are fetched together, and how many rows they have."""
    counts = " union all ".join(
        f"select '{name}', _metadata.file_path as path, count(*) from {name} group by path" for name in names
    )
    for name, found in groupby(sorted(spark.sql(counts).collect()), key=lambda row: row[0]):
        files: list[str] = []
        rows = 0
        for _, path, count in found:
            if files and rows + count > _ROWS_AT_ONCE:
                yield name, files, rows
                files, rows = [], 0
            files.append(path)
            rows += count
        yield name, files, rows


def _create(spark: SparkSession, connection: duckdb.DuckDBPyConnection, node: Any) -> None:  # noqa: ANN401 - dbt's
    columns = []
    for name, type_name in spark.table(f"{node.schema}.{node.alias}").dtypes:
        constraints = node.columns[name].constraints if name in node.columns else []
        not_null = " not null" if any(each.type == "not_null" for each in constraints) else ""
        columns.append(f"{name} {_DUCKDB_TYPES.get(type_name, type_name)}{not_null}")
    connection.execute(f"create table {node.alias} ({', '.join(columns)})")
