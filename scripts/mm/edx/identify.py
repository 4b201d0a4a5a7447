"""Tell by name, then by header, what a file is."""

from mm.edx.columns import COLUMNS, check_columns, lowered, missing_columns
from mm.edx.file import RefusedError, Report
from mm.edx.kinds import EMAIL_OPT_IN, GRADE_REPORT, GRADE_REPORT_ERRORS, OPT_OUTS, OTHER, PROFILE_REPORT
from mm.edx.names import (
    EXPECTED_NAMES,
    OPT_IN_NAME,
    OPT_OUT_NAME,
    OTHER_ENDINGS,
    REPORT_NAME,
    SPREADSHEETS,
    is_csv,
    run_of_prefix,
    stamp_of,
    without_endings,
)
from mm.edx.packed import kind_by_head, kind_of_packed
from mm.edx.text import head, read_header

OPT_OUTS_ELSEWHERE = (
    "looks like an opt-out list, and only unsubscribed.csv in the data folder is read: "
    "put its lines there, then take it away"
)


def identify(report: Report) -> None:
    """Tell by name, then by header, what a file is, and fill in `report`.

    Raises RefusedError or OSError for a file that counts, or may count, and cannot be read.
    """
    if report.refused:
        return
    if report.location != str(report.path):
        report.ignored = "its name is not UTF-8 text: rename it"
        return
    stem, ending = without_endings(report.path.name)
    if OPT_OUT_NAME.search(report.path.name):
        _refuse_opt_outs(report)
    match = REPORT_NAME.fullmatch(stem)
    if match:
        report.kind = match["kind"].lower() + (match["err"] or "").lower()
        report.course_instance = run_of_prefix(match["prefix"])
        report.reported_at = stamp_of(match["day"], match["time"])
    if ending in OTHER_ENDINGS:
        _look_into_other(report, ending)
    elif ending not in {".csv", ".txt", ".tsv", ""} and not is_csv(report.path.name):
        report.ignored = "it is no CSV file, by its name"
        if match:
            report.ignored += ": if it is one, rename it to end in .csv"
    elif match and is_csv(report.path.name):
        _look_at_report(report, match["own_words"])
    elif match:
        report.ignored = "its name does not end in .csv: rename it, if it is edX's file"
    else:
        _look_at_unnamed(report)


def _refuse_opt_outs(report: Report) -> None:
    report.kind = OPT_OUTS
    reason = f"it {OPT_OUTS_ELSEWHERE}"
    raise RefusedError(reason)


def _look_into_other(report: Report, ending: str) -> None:
    """Say of a file that is not read what to do with it, and stop at one that is or holds an opt-in list."""
    report.ignored = OTHER_ENDINGS[ending]
    if OPT_IN_NAME.search(report.name):
        report.kind = EMAIL_OPT_IN
    elif report.kind == OTHER and ending not in SPREADSHEETS:
        report.kind = kind_of_packed(report.path)
    if report.kind in {EMAIL_OPT_IN, OPT_OUTS}:
        name = "opt-in" if report.kind == EMAIL_OPT_IN else "opt-out"
        reason = f"it is or holds an {name} list, which is not read as it is; {report.ignored}"
        report.ignored = None
        raise RefusedError(reason)


def _look_at_report(report: Report, own_words: str) -> None:
    if report.kind == GRADE_REPORT_ERRORS:
        report.ignored = "an error companion: it lists learners whom edX could not grade"
        try:
            read_header(report)
            check_columns(report, COLUMNS[report.kind])
        except FileNotFoundError:
            raise
        except (RefusedError, OSError):
            report.header = []
        return
    if report.kind.startswith("problem_"):
        report.ignored = "a problem grade report: it has grades of problems, not of the course"
        if report.kind.endswith("_err"):
            report.ignored = "an error companion: it lists learners whom edX could not grade"
        return
    if own_words:
        report.ignored = (
            f"its name goes on behind the stamp with {own_words!r}, which is neither edX's nor a copy's: "
            "if the report is to count, give it edX's name"
        )
        return
    read_header(report)
    report.ignored = _look_alike(report.header)
    if not report.ignored:
        check_columns(report, COLUMNS[report.kind])


def _look_at_unnamed(report: Report) -> None:
    """Tell by its header what a file is whose name is free."""
    kind = kind_by_head(head(report.path))
    if kind == OPT_OUTS:
        _refuse_opt_outs(report)
    if kind == EMAIL_OPT_IN or (OPT_IN_NAME.search(report.path.name) and is_csv(report.path.name)):
        report.kind = EMAIL_OPT_IN
        read_header(report)
        check_columns(report, COLUMNS[report.kind])
        return
    report.ignored = "not an edX grade report or profile report, by its name"
    try:
        read_header(report)
    except RefusedError:
        return
    for kind in (GRADE_REPORT, PROFILE_REPORT):
        if not missing_columns(report.header, COLUMNS[kind]) and _look_alike(report.header) is None:
            # Many a file has the profile report's one needed column.
            if kind == PROFILE_REPORT and "level_of_education" not in lowered(report.header):
                continue
            report.kind = kind
            report.ignored = (
                f"a {kind} by its header, but its name does not tell course, run and time: "
                f"expected {EXPECTED_NAMES}"
            )
            return


def _look_alike(header: list[str]) -> str | None:
    """Say why a file with this header is ignored whatever its name, or None."""
    names = lowered(header)
    if names in (["student id", "username", "error"], ["id", "username", "error_msg"]):
        return "an error companion by its header: it lists learners whom edX could not grade"
    if "certificate eligible" not in names and any(name.endswith("(earned)") for name in names):
        return "a problem grade report by its header: it has grades of problems, not of the course"
    return None
