"""What the pages show, from the same functions as the commands."""

import json
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from mm.build.misplaced import misplaced_reports
from mm.config import PROJECT, SEEDS, ReaderError, data_dir
from mm.ledger import old_files
from mm.ledger.history import Attempt
from mm.ledger.ledger import Ledger
from mm.mail import mailout
from mm.mail.not_mailed import WhoIsNotMailed
from mm.mail.server import server_from_environment
from mm.people.unsubscribe_links import secret_from_environment
from mm.published import Candidate, database_path, published, published_at, read_candidates
from mm.report.downloads import Run, list_runs
from mm.ui.jobs import Job

# As `mm downloads` has it, if nothing is said.
_OLDER_THAN = timedelta(days=7)
_CONNECT = PROJECT / "docs" / "analyst" / "bi-tools.md"
_NUMBERS = """
    select
        (select learners from program_summary) as learners,
        (select sum(no_certificate_eligible * learners) from certificate_summary)::bigint as certificates,
        (select count(*) from mailout) as mails
"""


class Mails(NamedTuple):
    """A mailout as of now. whys: by candidate, why they get no mail now, or `mailed`."""

    selection: mailout.Selection
    whys: list[tuple[Candidate, str]]
    attempts: list[Attempt]
    counts: dict[str, Any]
    notes: list[str]


def read_mails(program: str) -> Mails:
    """Read who would be mailed now, and what was sent; ReaderError where either cannot be read."""
    notes: list[str] = []
    candidates = read_candidates(program)
    with Ledger(create=False) as ledger:
        old_files.take_in(ledger, notes.append)
        history, not_mailed = ledger.history(), WhoIsNotMailed(program, ledger)
        selection = mailout.select(program, history, not_mailed)
        whys = [
            (each, each.excluded_reason or mailout.reason_now(each, history, not_mailed) or "mailed")
            for each in candidates
        ]
        attempts = history.of_program(program)
    return Mails(selection, whys, attempts, mailout.counts_of(program, candidates, selection), notes)


def read_downloads(program: str, now: datetime) -> tuple[list[Run], list[str]]:
    """Return what `mm downloads` says: the runs, and which files do not count, in sentences."""
    runs, unreadable = list_runs(program, now=now, older_than=_OLDER_THAN, seeds=SEEDS)
    notes = [f"Not counted: {sentence}" for sentence in unreadable]
    return runs, [*notes, *misplaced_reports(program, data_dir(), SEEDS)]


def missing_settings() -> list[str]:
    """Say what the environment lacks to send by, and how to set it."""
    missing = []
    for read in (server_from_environment, lambda: secret_from_environment("nothing is sent")):
        try:
            read()
        except ReaderError as error:
            missing.append(str(error))
    return missing


def overview(program: str, now: datetime) -> dict[str, Any]:
    """Return how a program is. trouble: what cannot be told, in sentences."""
    found: dict[str, Any] = {"built": published_at(program), "runs": [], "mails": None, "trouble": []}
    try:
        found["runs"], _ = read_downloads(program, now)
        found["mails"] = read_mails(program) if found["built"] else None
    except ReaderError as error:
        found["trouble"].append(str(error))
    found["newest"] = max((at for run in found["runs"] for at in run.newest.values()), default=None)
    found["to_fetch"] = sum(bool(run.to_fetch) for run in found["runs"])
    found |= {kind: Job(program, kind).state() for kind in ("build", "send")}
    return found


def keep_numbers(program: str, folder: Path) -> None:
    """Keep the numbers of the published file before a build replaces it; of one that is damaged, none."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        numbers = _numbers(program) if published_at(program) else {}
    except ReaderError:
        numbers = {}
    (folder / "before.json").write_text(json.dumps(numbers), "utf-8")


def changed(program: str, folder: Path) -> list[tuple[str, int | None, int]]:
    """Return each number with how much it was before the build, None: there was nothing, and is now."""
    before = json.loads((folder / "before.json").read_text("utf-8"))
    return [(name, before.get(name), now) for name, now in _numbers(program).items()]


def _numbers(program: str) -> dict[str, int]:
    [row] = ask(program, "ui", _NUMBERS)
    return dict(zip(("learners", "certificates", "mails"), row, strict=True))


def ask(program: str, exposure: str, query: str) -> list[Any]:
    """Return the rows of a query on published tables; exposure: as `published` has it."""
    with published(program, exposure) as connection:
        return connection.execute(query).fetchall()


def ways_to_connect(program: str) -> list[tuple[str, ...]]:
    """Return from the docs by which setting each tool connects, with the program's own path in it."""
    text = _CONNECT.read_text("utf-8") if _CONNECT.is_file() else ""
    rows = re.findall(r"^\| (.+?) \| (.+?) \| (?:run here|read: .*?) \|$", text, re.MULTILINE)
    example = re.compile(r"(?:C:\\path\\|/absolute/path/database/|database/)buslead\.duckdb|[`*]")
    paths = {"`": "", "*": ""}
    path = str(database_path(program).absolute())
    return [tuple(example.sub(lambda found: paths.get(found[0], path), cell) for cell in row) for row in rows]
