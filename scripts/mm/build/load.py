"""Load what a build needs into DuckDB: the program's downloads, and the mailing records."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from mm.build import inputs, last_build
from mm.build.misplaced import misplaced_reports
from mm.edx import load_duckdb


@dataclass(frozen=True, slots=True)
class Loaded:
    """What was loaded for a build. may_keep: what stands in the marts may stay where nothing is new.

    said: what decides for rows that did not change. project: as last_build.project_version gives it.
    """

    may_keep: bool
    said: str
    project: str | None


def prepare(connection: duckdb.DuckDBPyConnection, working: Path, say: Callable[[str], None]) -> None:
    """Make the tables that downloads and notes are kept in, anew where another version made them."""
    last_build.prepare_tables(connection)
    if load_duckdb.prepare_tables(connection):
        say(f"Another version made the working file {working}: a build loads all files anew.")
        last_build.forget(connection)


def load_downloads(  # noqa: PLR0913 - what is loaded, from where, and how
    connection: duckdb.DuckDBPyConnection,
    program: str,
    data_dir: Path,
    *,
    afresh: bool,
    since: datetime,
    warn: Callable[[str], None],
) -> Loaded:
    """Load what is new in the program's folder; the mailing records must be there.

    afresh: as in load_duckdb.load. since: as in last_build.project_version.
    """
    note = last_build.take_away_note(connection)
    for sentence in (*inputs.missing_folder(program, data_dir), *misplaced_reports(program, data_dir)):
        warn(sentence)
    has_lost = load_duckdb.load(connection, inputs.reports(program, data_dir), afresh=afresh)
    said = last_build.said_beside_reports(connection, program)
    project = last_build.project_version(since, said=said)
    may_keep = False
    if note and not has_lost:
        published_by, newest_file_id = note
        may_keep = published_by == project and not last_build.has_newly_retired(connection, newest_file_id)
    if not may_keep:
        last_build.forget(connection)
    return Loaded(may_keep, said, project)


def load_mailing_records(
    connection: duckdb.DuckDBPyConnection,
    program: str,
    data_dir: Path,
    database_dir: Path,
    say: Callable[[str], None],
) -> None:
    """Make the source `mailing`; ReaderError where a list or the ledger cannot be read for certain."""
    connection.execute("create schema if not exists mailing")
    for name, table in inputs.mailing_tables(program, data_dir, database_dir, say).items():
        cells = ", ".join(
            f"unnest(${n}::{type_name}[]) as {column}"
            for n, (column, type_name) in enumerate(table.columns.items(), start=1)
        )
        values = [[row[n] for row in table.rows] for n in range(len(table.columns))]
        connection.execute(f"create or replace table mailing.{name} as select {cells}", values)
