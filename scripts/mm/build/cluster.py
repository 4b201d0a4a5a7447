"""Build a program on Apache Spark instead of this machine's DuckDB: the same models, the same published file.

The downloads are read where the workers are. Then dbt builds in the session that loaded them, and the marts
are fetched into a DuckDB file. Everything is made anew each time.
"""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from pyspark.sql import SparkSession

from mm.build import inputs, last_build
from mm.build.fetch import fetch
from mm.build.mask import mask_secret, publish_marts
from mm.build.misplaced import misplaced_reports
from mm.build.run_dbt import Said, run_dbt
from mm.build.spark_session import session, starts_quickly, target, told_by_spark
from mm.config import PROJECT, ReaderError, data_dir, data_url, database_dir
from mm.database import connect_limited
from mm.edx.far import FarPath
from mm.edx.folder import misplaced_lists
from mm.edx.load_spark import far_folder, load_reports, save, ship_code
from mm.people.address_lists import Bounced, OptOuts
from mm.people.not_learners import NotLearners
from mm.published import stays_in_the_warehouse
from mm.seeds import check_program

# dbt's and the sources' schemas, behind the program's name.
_SCHEMAS = ("", "_edx", "_mailing", "_last_build", "_seeds", "_staging", "_intermediate")


def build(
    variables: dict[str, str], on_step: Callable[[int, int, str], None], *, summaries: bool = False
) -> Said:
    """Load, build and publish a program with the Spark that MM_SPARK_MASTER names; return what dbt said.

    variables: dbt's, `program` among them. on_step: as in run_dbt. summaries: publish no table that has rows
    per learner and course, nor the history. ReaderError for what the reader can mend; what was published
    before stays as it was then.
    """
    os.chdir(PROJECT)
    program = variables["program"]
    check_program(program, inputs.SEEDS)
    mask_secret()
    sizes = None if data_url() else (report.size_bytes for report in inputs.reports(program, data_dir()))
    is_quick = starts_quickly(os.environ, sizes)
    # the workers fetch the code as long as the session lasts
    with (
        inputs.lock_builds(program, database_dir()),
        tempfile.TemporaryDirectory() as folder,
        session(program, is_quick=is_quick) as spark,
    ):
        said = Said()
        ship_code(spark, Path(folder))
        _load(spark, program, said)
        place = ("--target", target(), "--target-path", "target/cluster")
        run_dbt("build", *place, variables=variables, on_step=on_step, said=said)
        files = _publish(spark, program, said, summaries=summaries)
    said.notes.append(f"Published {' and '.join(map(str, files))}")
    return said


def _load(spark: SparkSession, program: str, said: Said) -> None:
    """Make the sources' tables of what is in the program's folder and of the mailing records."""
    lists = data_dir()
    records = inputs.mailing_tables(program, lists, database_dir(), said.notes.append)
    # Messages name a folder as those of SQL do.
    downloads, where = lists, Path(os.environ.get("MM_DATA_DIR", "data"))
    if url := data_url():
        with told_by_spark(f"{url} could not be read, see MM_DATA_DIR"):
            downloads = where = far_folder(spark, url)
        _check_lists(where, lists)
    with told_by_spark("The downloads could not be loaded"):
        _empty(spark, program)
        for name, table in records.items():
            columns = ", ".join(f"{column} {type_name}" for column, type_name in table.columns.items())
            save(spark, f"{program}_mailing.{name}", columns, table.rows)
        # Nothing is kept from the last build, so nobody asks what it knew.
        save(spark, f"{program}_last_build.report_files", last_build.REPORT_FILES, [])
        said.warnings += (*inputs.missing_folder(program, where), *misplaced_reports(program, where))
        load_reports(spark, f"{program}_edx", list(inputs.reports(program, downloads)))


def _empty(spark: SparkSession, program: str) -> None:
    """Make the program's databases anew where the warehouse is now.

    What a killed build left there, or a list of tables that was lost, would be in a new table's way.
    """
    for schema in _SCHEMAS:
        spark.sql(f"create database if not exists {program}{schema}")
        spark.sql(f"drop database {program}{schema} cascade")
        spark.sql(f"create database {program}{schema}")


def _check_lists(downloads: FarPath, lists: Path) -> None:
    """Raise ReaderError where a list that people keep lies at a URL, as it would count for nothing."""
    names = (OptOuts.name, Bounced.name, NotLearners.name)
    found = [downloads / name for name in names if (downloads / name).exists()]
    if found:
        message = f"{', '.join(map(str, found))}: lists are read from {lists} on this machine, put it there."
        raise ReaderError(message)
    if misplaced := list(misplaced_lists(downloads)):
        raise ReaderError("\n".join(f"{sentence}." for sentence in misplaced))


def _publish(spark: SparkSession, program: str, said: Said, *, summaries: bool) -> list[Path]:
    """Put the marts into a DuckDB file of the published format, and that into the published one's place."""
    built = database_dir() / "working" / f"{program}_cluster.duckdb"
    built.unlink(missing_ok=True)
    published = database_dir() / f"{program}.duckdb"
    models = [result.node for result in said.result.results if result.node.resource_type == "model"]
    models = [model for model in models if model.access == "public"]
    if summaries:
        large = [model.alias for model in models if stays_in_the_warehouse(model.name)]
        models = [model for model in models if model.alias not in large]
        said.notes.append(
            f"Not fetched: {', '.join(large)}. `mm export` of these, `mm report --with-learners` and "
            "`mm combine` need them."
        )
    try:
        with connect_limited() as connection:
            with told_by_spark("The tables could not be fetched"):
                fetch(spark, connection, built, models)
            nodes = [model.to_dict() for model in models]
            return publish_marts(
                connection, "marts", built, published, models=nodes, warn=said.warnings.append
            )
    finally:
        built.unlink(missing_ok=True)
