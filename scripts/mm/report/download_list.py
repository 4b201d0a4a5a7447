"""The runs of a program and what to fetch of them, as lines, JSON or a page."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from mm.config import PROJECT
from mm.edx.kinds import GRADE_REPORT
from mm.pages import counted, environment
from mm.report.downloads import Run
from mm.report.export import whole_file
from mm.report.newest_downloads import KINDS


def lines(runs: list[Run], now: datetime) -> Iterator[str]:
    """Give the runs as a table, and then where to fetch what."""
    rows = [("run", "role", "state", "grade report", "profile report")]
    rows += [
        (
            run.course_instance,
            ", ".join(run.roles) or "-",
            run.state,
            *(age(run.newest.get(kind), now) for kind in KINDS),
        )
        for run in runs
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    due = [run for run in runs if run.to_fetch]
    yield "\nTo fetch now:" if due else "\nThere is nothing to fetch now."
    for run in due:
        yield f"{run.course_instance}: {words(run.to_fetch)}"
        yield f"  {run.link or 'its page on edX, which the prefix of its course does not tell'}"


def as_json(run: Run, now: datetime) -> dict[str, Any]:
    """Return a run as JSON has it: days and times as ISO texts, ages in days, null for what is not known."""
    return {
        "course": run.course,
        "course_instance": run.course_instance,
        "roles": run.roles,
        "starts_on": run.starts_on and run.starts_on.isoformat(),
        "ends_on": run.ends_on and run.ends_on.isoformat(),
        "state": run.state,
        "newest": {
            kind: {
                "reported_at": moment.isoformat(),
                "age_days": round((now - moment) / timedelta(days=1), 2),
            }
            for kind, moment in sorted(run.newest.items())
        },
        "to_fetch": run.to_fetch,
        "link": run.link,
    }


def write_page(program: str, runs: list[Run], *, now: datetime, out: Path | None = None) -> Path:
    """Write the runs as a page with links to click, and return its file.

    out None: out/<program>/downloads.html in the project. OSError where it cannot be written; then it is as
    it was.
    """
    pages = environment()
    pages.filters |= {"age": lambda moment: age(moment, now), "words": words}
    page = pages.get_template("downloads.html.j2").render(
        program=program, runs=runs, now=now.astimezone(UTC), kinds=KINDS
    )
    out = out or PROJECT / "out" / program / "downloads.html"
    with whole_file(out) as draft:
        draft.write_text(page, encoding="utf-8")
    return out


def age(moment: datetime | None, now: datetime) -> str:
    """Return how old a download is, in words; None: there is none."""
    if moment is None:
        return "missing"
    days = max(now - moment, timedelta()).days
    return counted(days, "day") if days else "under a day"


def words(kinds: Iterable[str]) -> str:
    """Return kinds of report as edX's page calls them, one after the other."""
    return ", ".join("grade report" if kind == GRADE_REPORT else "profile information" for kind in kinds)
