"""What lies in a program's folder: each file as the next build will read it."""

from datetime import datetime
from threading import Lock
from typing import NamedTuple

from mm.build import inputs
from mm.config import SEEDS, data_dir
from mm.edx.file import Report
from mm.report.newest_downloads import AHEAD, age_rank, is_ahead, open_reports
from mm.seeds import prefix_of, prefixes_of, runs_of

_KINDS = {
    "student_profile_info": "profile information",
    "email_opt_in": "opt-in list",
    "grade_report_err": "error companion",
}


class Found(NamedTuple):
    """A file of the folder, as the build will read it.

    rows: None where it is not read. status: `newest`, `superseded`, `not read`, or `stops the build`; reason:
    why it is one of the last three.
    """

    name: str
    kind: str
    run: str
    reported_at: datetime | None
    rows: int | None
    status: str
    reason: str


# By program, path, size and time of modification: opening a file takes long.
_read: dict[tuple[str, str, int, int], Report] = {}
_reading = Lock()


def look(program: str, now: datetime) -> list[Found]:
    """Return what lies in the program's folder, the newest first, each as the build will read it.

    A file is opened once, as long as it stays as it is. ReaderError where the seeds are wrong.
    """
    with _reading:
        present = {
            (program, report.location, report.size_bytes, report.modified_ns): report
            for report in inputs.reports(program, data_dir(), SEEDS)
        }
        new = {key: report for key, report in present.items() if key not in _read}
        open_reports(list(new.values()))
        _read.update((key, report) for key, report in new.items() if not report.is_gone)
        reports = [_read[key] for key in present if key in _read]
    prefixes, runs = prefixes_of(SEEDS), runs_of(SEEDS)
    reasons = {report.name: _not_read(program, report, prefixes, runs) for report in reports}
    counting = sorted((report for report in reports if not reasons[report.name]), key=age_rank)
    newest = {_of(report): report.name for report in counting}
    found = [_found(report, reasons[report.name], newest.get(_of(report)), now) for report in reports]
    return sorted(found, key=lambda each: (str(each.reported_at or ""), each.name), reverse=True)


def _of(report: Report) -> tuple[str, str]:
    """Return what a report is on; a list that is on no run stands alone."""
    return (report.course_instance or report.name).lower(), report.kind


def _not_read(
    program: str, report: Report, prefixes: dict[str, dict[str, str]], runs: set[str]
) -> str | None:
    if report.ignored or not report.course_instance:
        return report.ignored
    prefix = prefix_of(report.course_instance, prefixes, runs)
    if prefix is None:
        return "no course in seeds/courses.csv or course_aliases.csv has its prefix"
    owners = [owner for owner, own in prefixes.items() if prefix in own]
    return None if program in owners else f"a report on {' and '.join(owners)}, another program"


def _found(report: Report, not_read: str | None, newest: str | None, now: datetime) -> Found:
    status, reason, rows = "newest", "", report.row_count
    if not_read:
        status, reason, rows = "not read", not_read, None
    elif report.refused or is_ahead(report, now):
        status, reason, rows = "stops the build", report.refused or AHEAD, None
    elif report.name != newest:
        status, reason = "superseded", f"a newer download of its run is here: {newest}"
    kind = _KINDS.get(report.kind, report.kind.replace("_", " "))
    return Found(report.name, kind, report.course_instance or "", report.reported_at, rows, status, reason)
