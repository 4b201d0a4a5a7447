"""Know what the marts in the working file were made of, so that a build makes only what is new anew.

It is kept in the schema `last_build` of the working database of the steps: a note from when the marts were
published, with the reports as they counted then. Any other build or run in between takes the note away.
"""

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import duckdb

# What decides, beside the downloads, what stands in the marts.
PROJECT_FILES = (
    "dbt_project.yml",
    "profiles.yml",
    "requirements.txt",
    "macros/**/*",
    "models/**/*",
    "seeds/**/*",
    "scripts/mm/**/*.py",
)


def prepare_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Create the schema `last_build` where it is missing."""
    connection.execute("""
        create schema if not exists last_build;
        create table if not exists last_build.note (project varchar);
        create table if not exists last_build.report_files (
            file_id integer, run_key varchar, course varchar, course_instance varchar, status varchar,
            run_order bigint
        )
    """)


def project_version(since: datetime) -> str | None:
    """Return what the project's files are, as a digest; None where one was changed after `since`, in UTC.

    dbt has read them one by one from then on, so nobody knows what it has read of such a file.
    """
    digest = hashlib.sha256(duckdb.__version__.encode())
    for pattern in PROJECT_FILES:
        for path in sorted(Path().glob(pattern)):
            if not path.is_file():
                continue
            if path.stat().st_mtime > since.replace(tzinfo=UTC).timestamp():
                return None
            content = path.read_bytes()
            digest.update(f"{path} {len(content)} ".encode() + content)
    return digest.hexdigest()


def take_away_note(connection: duckdb.DuckDBPyConnection) -> str | None:
    """Return by which version of the project the marts were published, None where something came between."""
    notes = connection.execute("delete from last_build.note returning project").fetchall()
    return notes[0][0] if notes else None


def forget(connection: duckdb.DuckDBPyConnection) -> None:
    """Let builds make all anew. The tables are made anew too, as another version may have made them."""
    connection.execute("drop schema last_build cascade")
    prepare_tables(connection)


def remember(connection: duckdb.DuckDBPyConnection, project: str, report_files: str) -> None:
    """Note that this version of the project just published the marts, of the rows of the relation given.

    The note comes last: without it, what else was written counts for nothing.
    """
    connection.execute(
        f"""
        delete from last_build.report_files;
        insert into last_build.report_files by name select * from {report_files};
        insert into last_build.note values ('{project}')
        """
    )
