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
    "scripts/mm/*.py",
    "scripts/mm/build/*.py",
    "scripts/mm/edx/*.py",
    "scripts/mm/people/*.py",
)
# What is known of each file, in types that both engines know by these names.
REPORT_FILES = "file_id int, run_key string, course string, course_instance string, status string"


def prepare_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Create the schema `last_build` where it is missing."""
    connection.execute(f"""
        create schema if not exists last_build;
        create table if not exists last_build.note (project varchar, newest_file_id integer);
        create table if not exists last_build.report_files ({REPORT_FILES})
    """)


def said_beside_reports(connection: duckdb.DuckDBPyConnection, program: str) -> str:
    """Return what decides for rows that did not change: who is no learner, and who is retired elsewhere.

    Of the latter those alone of whom the program's tables may tell. The sources must be loaded.
    """
    return repr(
        connection.execute(
            """
            select 'line', username, email, student_id from mailing.not_learners
            union
            select 'mailed', null, null, mails.student_id
            from mailing.mails
            semi join mailing.not_learners on lower(trim(mails.email)) = not_learners.email
            union
            select 'retired', null, null, retired_elsewhere.student_id
            from mailing.retired_elsewhere
            semi join (
                select student_id from edx.grade_report
                union all
                select student_id from edx.student_profile_info
                union all
                select try_cast(trim(split_part(raw_text, ',', 1), ' "') as bigint) from edx.damaged_rows
                union all
                select student_id from mailing.mails where program = $1
            ) as told on retired_elsewhere.student_id = told.student_id
            order by all
            """,
            [program],
        ).fetchall()
    )


def project_version(since: datetime, said: str = "") -> str | None:
    """Return what the project's files are, as a digest; None where one was changed after `since`, in UTC.

    dbt has read them one by one from then on, so nobody knows what it has read of such a file. `said` is what
    else decides for rows that did not change.
    """
    digest = hashlib.sha256(f"{duckdb.__version__} {said}".encode())
    for pattern in PROJECT_FILES:
        for path in sorted(Path().glob(pattern)):
            if not path.is_file():
                continue
            if path.stat().st_mtime > since.replace(tzinfo=UTC).timestamp():
                return None
            content = path.read_bytes()
            digest.update(f"{path} {len(content)} ".encode() + content)
    return digest.hexdigest()


def take_away_note(connection: duckdb.DuckDBPyConnection) -> tuple[str, int] | None:
    """Return by which version of the project the marts were published, and the newest file that it knew.

    None where something came between.
    """
    notes = connection.execute("delete from last_build.note returning project, newest_file_id").fetchall()
    return notes[0] if notes else None


def has_newly_retired(connection: duckdb.DuckDBPyConnection, newest_file_id: int) -> bool:
    """Tell whether a file after that one says that an account is retired of which no file up to it said so.

    What the marts held of such a learner would stay in their file's free space, were only the rows replaced.
    """
    retired = """
        select student_id from (
            select file_id, student_id, username, email from edx.grade_report
            union all
            select file_id, student_id, username, email from edx.student_profile_info
        )
        where (
            contains(username, '__') and starts_with(lower(trim(username)), 'retired__')
            or email ilike '%.invalid%' and ends_with(lower(trim(email)), '.invalid')
        )
    """
    found = connection.execute(
        f"select exists ({retired} and file_id > $1 except {retired} and file_id <= $1)", [newest_file_id]
    ).fetchall()
    return bool(found[0][0])


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
        insert into last_build.report_files by name
        select file_id, run_key, course, course_instance, status from {report_files} where course is not null;
        insert into last_build.note select '{project}', max(file_id) from edx.report_files
        """
    )
