"""What a build needs beside the downloads, whichever engine builds: its lock, and the mailing records."""

import fcntl
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, TextIO

import duckdb

from mm.config import ReaderError
from mm.database import connect_limited, told_of
from mm.edx.far import AnyPath
from mm.edx.file import Report
from mm.edx.folder import list_folder, misplaced_lists
from mm.edx.names import course_instance_of
from mm.ledger import old_files
from mm.ledger.history import Attempt
from mm.ledger.ledger import Ledger
from mm.people.address_lists import Bounced, OptOuts, has_bounced, is_opted_out
from mm.people.addresses import read_address
from mm.people.not_learners import NotLearner, NotLearners
from mm.people.statements import Statement
from mm.published import has_summaries_alone, tables_of
from mm.seeds import prefix_of, prefixes_of, rows_of, runs_of

# Read as files: before the first build of a program no table has them.
SEEDS = Path("seeds")
_ADDRESS_COLUMNS = ("sender", "reply_to", "contact_email")
_MAILS = {
    "program": "string",
    "student_id": "bigint",
    "trigger_course_instance": "string",
    "trigger_course_verified": "int",
    "attempt": "int",
    "message_id": "string",
    "email": "string",
    "intended_at": "string",
    "status": "string",
    "status_at": "string",
    "detail": "string",
}


class Table(NamedTuple):
    """A table to make: its columns with their types, which both engines know by these names, and its rows."""

    columns: dict[str, str]
    rows: list[tuple[object, ...]]


def lock_builds(program: str, database_dir: Path) -> TextIO:
    """Keep other builds of a program out for as long as the file returned is open.

    Raises ReaderError where another one is running.
    """
    lock = database_dir / "working" / f"{program}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    file = lock.open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        message = f"Another build of {program} is running: wait until it has ended, then build again."
        raise ReaderError(message) from None
    return file


def reports(program: str, data_dir: AnyPath, seeds: Path = SEEDS) -> Iterator[Report]:
    """Go through what lies in the program's folder, then through what others' hold on courses of both.

    Of another program's folder it gives the reports whose names begin with a prefix that a course of this
    program has, too; the seeds must be right.
    """
    folder = data_dir / program
    prefixes, runs = prefixes_of(seeds), runs_of(seeds)
    own = prefixes.get(program, {})
    others = [
        other for other, theirs in prefixes.items() if other != program and not own.keys().isdisjoint(theirs)
    ]
    seen = set()
    for report in list_folder(folder):
        if others:
            seen.add(report.path.resolve())
        yield report
    for other in others:
        for report in list_folder(data_dir / other, folder):
            course_instance = course_instance_of(report.path.name)
            is_own = course_instance and prefix_of(course_instance, prefixes, runs) in own
            # what a folder holds that cannot be read is not known; one folder may be a link to another
            if (is_own or report.refused) and report.path.resolve() not in seen:
                seen.add(report.path.resolve())
                yield report


def missing_folder(program: str, data_dir: AnyPath) -> Iterator[str]:
    """Say that the program's folder is not there, where nothing of the program is in others' either."""
    folder = data_dir / program
    if not folder.is_dir() and not any(reports(program, data_dir)):
        yield f"There is no folder {folder}: make it, and put the downloads of {program} there."


def read_not_learners(data_dir: Path) -> list[NotLearner]:
    """Read who is no learner, as the sender does; ReaderError where that is in doubt."""
    return list(NotLearners(data_dir / "not_learners.csv"))


def mailing_tables(
    program: str, data_dir: Path, database_dir: Path, say: Callable[[str], None]
) -> dict[str, Table]:
    """Return the tables of the source `mailing`, read as the sender itself reads them.

    say: is told, in a sentence each, which files of earlier versions the ledger takes in, and what is not
    known of other programs.
    ReaderError where one cannot be read for certain, or where a file lies about that looks like one.
    """
    if misplaced := list(misplaced_lists(data_dir)):
        raise ReaderError("\n".join(f"{sentence}." for sentence in misplaced))
    with Ledger(database_dir, create=False) as ledger:
        old_files.take_in(ledger, say, lists=data_dir)
        history, said = ledger.history(), ledger.statements()
    texts = {row.get(column) or "" for row in rows_of("programs", SEEDS) for column in _ADDRESS_COLUMNS}
    opt_outs, bounced = OptOuts(data_dir / OptOuts.name), Bounced(data_dir / Bounced.name)
    return {
        "unsubscribed": Table(
            {"email": "string"},
            [(email,) for email in _addresses(opt_outs, said) if is_opted_out(email, opt_outs, said)],
        ),
        "bounced": Table(
            {"email": "string"},
            [(email,) for email in _addresses(bounced, said) if has_bounced(email, bounced, said)],
        ),
        "not_learners": Table(
            {"username": "string", "email": "string", "student_id": "bigint", "line": "bigint"},
            read_not_learners(data_dir),
        ),
        "mails": Table(_MAILS, [_mail(attempt) for attempt in history]),
        "seed_addresses": Table(
            {"text": "string", "email": "string"},
            [(text, _address_or_none(text)) for text in sorted(texts - {""})],
        ),
        "retired_elsewhere": Table({"student_id": "bigint"}, _retired_elsewhere(program, database_dir, say)),
    }


def _retired_elsewhere(program: str, database_dir: Path, say: Callable[[str], None]) -> list[tuple[int]]:
    """Return whom other programs' published files know as retired; ReaderError where one cannot be read.

    Whom such a file knows from another one alone has neither edX's username nor address there, and is none.
    say: is told which file has no learners, as these stayed on a cluster.
    """
    found: set[tuple[int]] = set()
    for row in rows_of("programs", SEEDS):
        path = database_dir / f"{row['program']}.duckdb"
        if row["program"] == program or not path.is_file():
            continue
        try:
            with (
                told_of(path, f"mm build {row['program']}"),
                connect_limited(path, read_only=True) as connection,
            ):
                if has_summaries_alone(tables_of(connection)):
                    say(f"{path} has summaries alone, so whom it knows as retired is not known here.")
                    continue
                found.update(
                    connection.execute(
                        "select student_id from learners where is_retired and coalesce(username, email) != ''"
                    ).fetchall()
                )
        except (duckdb.CatalogException, duckdb.BinderException):
            # Of another version, which knew nobody as retired.
            continue
    return sorted(found)


def _addresses(listed: Iterable[Statement], said: Mapping[str, list[Statement]]) -> list[str]:
    return sorted({statement.email for statement in listed} | said.keys())


def _mail(attempt: Attempt) -> tuple[object, ...]:
    return (
        attempt.program,
        *attempt.key,
        attempt.attempt,
        attempt.message_id or None,
        attempt.email or None,
        attempt.intended_at or None,
        attempt.outcome.value,
        (attempt.logged_at or None) if attempt.has_ended else None,
        attempt.detail or None,
    )


def _address_or_none(text: str) -> str | None:
    try:
        return read_address(text)
    except ValueError:
        return None
