"""Read the newest download of each run and kind, as a build would."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from mm.config import database_dir
from mm.database import connect_limited
from mm.edx.file import Report, refusing
from mm.edx.identify import identify
from mm.edx.kinds import GRADE_REPORT, PROFILE_REPORT
from mm.edx.load_duckdb import load, prepare_tables

KINDS = (GRADE_REPORT, PROFILE_REPORT)
_UNDELIVERED = """
    select file_id, bool_or(certificate_eligible = 'Y' and certificate_delivered = 'N')
    from edx.grade_report
    group by file_id
"""
# What stg_edx__grade_report_rows.sql and stg_edx__profile_report_rows.sql reject, beside damaged lines.
UNUSABLE = """
    select file_id, count(*)
    from (
        select file_id from edx.damaged_rows
        union all
        select file_id from edx.grade_report
        where
            student_id is null
            or coalesce(grade, -1) not between 0 and 2
            or certificate_eligible not in ('Y', 'N')
            or certificate_delivered not in ('Y', 'N')
        union all
        select file_id from edx.student_profile_info
        where student_id is null
    )
    group by file_id
"""
# A stamp that is further ahead is a mistake, as it is for a build.
_AHEAD = timedelta(days=1)
AHEAD = "its stamp is more than a day ahead of now"


def read_newest(found: Iterable[Report], now: datetime) -> tuple[list[tuple[Report, bool]], list[str]]:
    """Return the newest report of each run and kind that a build would read, and why it would not others.

    With each stands whether it has learners who are eligible and have no certificate yet.
    """
    reports: dict[tuple[str, str], list[Report]] = {}
    unreadable = []
    for report in found:
        with refusing(report):
            identify(report)
        if report.kind not in KINDS or report.ignored or report.is_gone or not report.reported_at:
            continue
        if not report.refused and is_ahead(report, now):
            report.refused = AHEAD
        if report.refused:
            unreadable.append(f"{report.path}: {report.refused}.")
        else:
            reports.setdefault(((report.course_instance or "").lower(), report.kind), []).append(report)
    for downloads in reports.values():
        downloads.sort(key=age_rank)
    read = []
    while newest := [downloads.pop() for downloads in reports.values() if downloads]:
        opened = open_reports(newest)
        for report in newest:
            if report.refused:
                unreadable.append(f"{report.path}: {report.refused}.")
            elif not report.is_gone:
                read.append((report, opened.get(report.file_id, False)))
                reports.pop(((report.course_instance or "").lower(), report.kind))
    return read, unreadable


def is_ahead(report: Report, now: datetime) -> bool:
    """Tell whether a file's stamp is too far ahead of `now` (aware) to be true."""
    return report.reported_at is not None and report.reported_at.replace(tzinfo=UTC) > now + _AHEAD


def age_rank(report: Report) -> tuple[datetime, int, str, str]:
    """Return what reports of one run and kind are ordered by: the greatest is the newest.

    At one stamp the longer name is the later copy, as it is for a build.
    """
    name = report.path.name
    return report.reported_at or datetime.min, len(name), name, report.name  # noqa: DTZ901 - as stamps


def open_reports(reports: list[Report]) -> dict[int, bool]:
    """Read reports as a build does, which notes in each why it is refused, and how many rows it has.

    Return by file whether it has learners who are eligible and have no certificate yet.
    """
    with connect_limited() as connection:
        # What has no room in memory is of learners.
        connection.execute("set temp_directory = $1", [str(database_dir() / "working" / "downloads.tmp")])
        prepare_tables(connection)
        load(connection, reports)
        unusable = dict(connection.execute(UNUSABLE).fetchall())
        for report in reports:
            count, total = unusable.get(report.file_id, 0), report.row_count or 0
            if not report.refused and count and (count == total or (count > 1 and count * 10 > total)):
                report.refused = f"{count} of its {total} rows cannot be used: download it again"
        return dict(connection.execute(_UNDELIVERED).fetchall())
