"""What to fetch from edX now: the runs that the seeds and the folder know, and how old their downloads are.

It reads both as they are, and no database: it is asked before the first build, and between the putting of
downloads into the folder and the next one. Whose a file is, is what int_course_run_files.sql says, too.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

from mm.build import inputs
from mm.config import PROJECT, ReaderError, check_downloads_here, data_dir
from mm.days import day_of, end_of, read_day
from mm.edx.kinds import GRADE_REPORT, PROFILE_REPORT
from mm.report.newest_downloads import KINDS, read_newest
from mm.report.run_times import when
from mm.seeds import check_program, check_seeds, prefix_of, prefixes_of, rows_of, runs_of

_ROLES = ("current", "coming", "past")
_EDX = "https://courses.edx.org"
# As int_seed_problems.sql has it.
LMS_BASE = re.compile("https://[^ /?#]+[^ ?#]*")
# A certificate that is not there by then may never be: its learner has no verified name, or it was revoked.
_UNTIL_DELIVERED = timedelta(days=60)


@dataclass(frozen=True, slots=True)
class Run:
    """A course run, its downloads, and which of them to make now.

    roles: of `current`, `coming`, `past`, those in seeds/course_runs.csv; none where only the folder has it.
    newest: by kind of report, when the newest download was made, UTC; a kind that is missing is not there.
    state: `on`, `not started`, `ended`, `done` (a grade report from after its end has all certificates
    delivered, or is from 60 days after it or later), or `past` (neither current nor coming, and its end is
    not known). to_fetch: kinds of report.
    link: edX's page to fetch them from; None where the course's prefix does not tell its organization.
    """

    course: str
    course_instance: str
    roles: tuple[str, ...]
    starts_on: date | None
    ends_on: date | None
    newest: dict[str, datetime]
    state: str
    to_fetch: tuple[str, ...]
    link: str | None


@dataclass(slots=True)
class _Known:
    """What the seeds (rows) and the folder (newest) say of a run.

    undelivered: its newest grade report has learners who are eligible and whose certificate is not there.
    run_code: what stands behind the course's prefix. course: its row in the seeds.
    """

    course_instance: str
    rows: list[dict[str, str]] = field(default_factory=list)
    newest: dict[str, datetime] = field(default_factory=dict)
    undelivered: bool = False
    run_code: str = ""
    course: dict[str, str] = field(default_factory=dict)


def list_runs(
    program: str, *, now: datetime, older_than: timedelta, seeds: Path = PROJECT / "seeds"
) -> tuple[list[Run], list[str]]:
    """Return the program's runs, by course and time, and a sentence per file that does not count.

    To fetch at `now` (aware) is, of a run that is on, what is missing or older than `older_than`; of one that
    has ended, what it lacks to be done. ReaderError where the seeds are wrong, or lack the program.
    """
    check_seeds(seeds)
    check_downloads_here()
    base = _lms_base(program, seeds)
    courses = {row["course"]: row for row in rows_of("courses", seeds) if row["program"] == program}
    prefixes = prefixes_of(seeds)
    own, in_seed = prefixes.get(program, {}), runs_of(seeds)
    known: dict[str, _Known] = {}
    for row in rows_of("course_runs", seeds):
        instance = row["course_instance"]
        known.setdefault(instance.lower(), _Known(instance)).rows.append(row)
    reports, unreadable = read_newest(inputs.reports(program, data_dir(), seeds), now)
    for report, undelivered in reports:
        instance, stamp = report.course_instance or "", (report.reported_at or now).replace(tzinfo=UTC)
        run = known.setdefault(instance.lower(), _Known(instance))
        run.newest[report.kind] = stamp
        run.undelivered |= undelivered
    found = []
    for each in known.values():
        prefix = prefix_of(each.course_instance, prefixes, in_seed)
        if prefix in own:
            each.course, each.run_code = courses[own[prefix]], each.course_instance[len(prefix) + 1 :]
            found.append(each)
    # As texts of one length: what is no number there is a build's to tell.
    found.sort(key=lambda run: (run.course["position"].zfill(9), when(run.run_code, run.rows)))
    # Of each course the last one.
    newest = {run.course["course"]: run for run in found if _needs_no_row(run.course)}
    runs = [_judged(run, base, now, older_than, is_newest=run in newest.values()) for run in found]
    return runs, unreadable


def _lms_base(program: str, seeds: Path) -> str:
    check_program(program, seeds)
    [row, *_] = (row for row in rows_of("programs", seeds) if row["program"] == program)
    base = row.get("lms_base") or _EDX
    if not LMS_BASE.fullmatch(base):
        message = (
            f"seeds/programs.csv, program {program}: its lms_base, {base}, is not a link such as {_EDX}."
        )
        raise ReaderError(message)
    return base.rstrip("/")


def _judged(run: _Known, base: str, now: datetime, older_than: timedelta, *, is_newest: bool) -> Run:
    """Say how a run is. is_newest: it is the newest of a course that needs no row for its current one."""
    course, instance = run.course["course"], run.course_instance
    starts_on, ends_on = _day(run, "starts_on"), _day(run, "ends_on")
    # a run may be another program's current one, and a coming one here
    said = {row["run_role"] for row in run.rows if row["course"] == course}
    roles = tuple(role for role in _ROLES if role in said)
    today = day_of(now)
    to_fetch: Iterable[str] = ()
    if ends_on and ends_on < today:
        to_fetch = tuple(_lacking(run, end_of(ends_on)))
        state = "ended" if GRADE_REPORT in to_fetch else "done"
    elif starts_on and starts_on > today:
        state = "not started"
    elif ends_on or {"current", "coming"} & set(roles) or (is_newest and not roles):
        state = "on"
        to_fetch = _older(run, now - older_than)
    else:
        state = "past"
    link = _link(base, instance, run.run_code)
    return Run(course, instance, roles, starts_on, ends_on, run.newest, state, tuple(to_fetch), link)


def _needs_no_row(course: Mapping[str, str]) -> bool:
    return course["is_capstone"].lower() == "true" and course.get("offered", "").lower() != "false"


def _lacking(run: _Known, end: datetime) -> Iterator[str]:
    """Give what a run that has ended lacks: edX makes certificates days or weeks after its end."""
    grades = run.newest.get(GRADE_REPORT)
    if grades is None or grades < end:
        yield from _older(run, end)
        return
    if run.undelivered and grades < end + _UNTIL_DELIVERED:
        yield GRADE_REPORT
    if PROFILE_REPORT not in run.newest:
        yield PROFILE_REPORT


def _older(run: _Known, moment: datetime) -> Iterator[str]:
    for kind in KINDS:
        newest = run.newest.get(kind)
        if newest is None or newest < moment:
            yield kind


def _day(run: _Known, column: str) -> date | None:
    """Return what any of the run's rows says; ReaderError where that is no day."""
    for row in run.rows:
        text = row.get(column)
        if text:
            try:
                return read_day(text)
            except ValueError as error:
                message = (
                    f"seeds/course_runs.csv, {row['run_role']} run {run.course_instance} of {row['course']}: "
                    f"its {column}, {text}, is not a day such as 2026-07-14."
                )
                raise ReaderError(message) from error
    return None


def _link(base: str, course_instance: str, run_code: str) -> str | None:
    """Return the page of a run's Data Download; its prefix is organization and course, with a _ between."""
    organization, _, course = course_instance[: -len(run_code) - 1].partition("_")
    if not course:
        return None
    key = f"course-v1:{organization}+{course}+{run_code}"
    # A coach's custom course.
    if custom := re.fullmatch(r"(.+)_ccx_([0-9]+)", run_code, re.IGNORECASE):
        key = f"ccx-v1:{organization}+{course}+{custom[1]}+ccx@{custom[2]}"
    return f"{base}/courses/{quote(key, safe=':+@')}/instructor#view-data_download"
