"""What a file's name says: its kind, its course run and its stamp."""

import re
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote

from mm.edx.file import RefusedError
from mm.edx.kinds import EMAIL_OPT_IN, OPT_OUTS, OTHER

# What file managers, browsers, sheets and file services put around the name of a copy, in some languages.
_COPY_OF = r"(?i:(?:copy of|kopie von|copie de|copia de|cópia de|kopia) )"
_COPY = r"(?i:copy|kopie|copie|copia|cópia|kopia|kopi|копия|副本)"
_COPY_MARK = (
    rf"(?:[-_ ]\d{{1,3}}| ?\(\d+\)|\[\d+\]| (?:- )?{_COPY}(?: \d+| ?\(\d+\))?|のコピー"
    r"|(?i: \([^()]*conflicted copy[^()]*\)))"
)
# Storage appends seven letters and digits to a name that is taken; a word of seven letters is somebody's.
_STORAGE_MARK = r"_(?![A-Z]?[a-z]{6,7}(?![A-Za-z0-9])|[A-Z]{7}(?![A-Za-z0-9]))[A-Za-z0-9]{7}(?![A-Za-z0-9])"
_DOWNLOAD = (
    r"(?P<prefix>.+?)_(?P<kind>(?i:problem_grade_report|grade_report|student_profile_info))(?P<err>(?i:_err))?"
    rf"(?i:_sanitized)?_(?P<day>\d{{4}}-\d\d-\d\d)(?:-(?P<time>\d{{4}}))?(?:(?i:_sanitized)|{_STORAGE_MARK})*"
)
REPORT_NAME = re.compile(
    # Google Sheets names a download after the document and the sheet
    rf"{_COPY_OF}*(?P<download>{_DOWNLOAD})(?:(?:\.csv)? - (?P=download))?(?:{_COPY_MARK})*(?P<own_words>.*)",
    re.DOTALL,
)
OPT_IN_NAME = re.compile(r"(?:e-?mail|[^a-z]|^)opt[-_ ]?ins?(?![a-z])", re.IGNORECASE)
OPT_OUT_NAME = re.compile(r"unsub|opt[-_ ]?outs?(?![a-z])|do[-_ ]?not[-_ ]?e?-?mail", re.IGNORECASE)
EXPECTED_NAMES = (
    "<course>_<run>_grade_report_<YYYY-MM-DD-HHMM>.csv and "
    "<course>_<run>_student_profile_info_<YYYY-MM-DD-HHMM>.csv"
)
# What systems and programs leave behind: nobody put it there to be read.
LEFT_BEHIND = re.compile(
    r"(?:eh)?thumbs\.db|desktop\.ini|icon\r|~\$.*|\.(?!.*\.icloud$).*", re.IGNORECASE | re.DOTALL
)
PACKED_ENDINGS = (".zip", ".gz", ".tgz", ".tar", ".bz2", ".xz", ".zst", ".7z", ".rar")
SPREADSHEETS = (".xlsx", ".xlsm", ".xls", ".ods", ".numbers")
# Of files, and of the folders that Safari and others keep a part in until it is whole.
IN_PROGRESS = (
    *(".crdownload", ".part", ".partial", ".download", ".opdownload"),
    *(".filepart", ".fdmdownload", ".drivedownload"),
)
OTHER_ENDINGS = {
    **dict.fromkeys(PACKED_ENDINGS, "it is packed: unpack it here, so that what is in it is read"),
    **dict.fromkeys((".gpg", ".pgp", ".asc"), "it is encrypted: decrypt it here, so that it is read"),
    ".icloud": "it is in iCloud and not on this machine: fetch it (Download Now in the Finder)",
    **dict.fromkeys(IN_PROGRESS, "its download has not ended: wait for it, or download it again"),
    **dict.fromkeys(
        SPREADSHEETS, "it is a spreadsheet: download it from edX again, as the CSV file that it was"
    ),
}


def course_instance_of(name: str) -> str | None:
    """Return the course run that a file's name says it reports on; None where it is not named so."""
    match = REPORT_NAME.fullmatch(without_endings(name)[0])
    return run_of_prefix(match["prefix"]) if match else None


def kind_by_name(name: str) -> str:
    """Return what a file is by its name alone; OTHER: that tells nothing."""
    if OPT_IN_NAME.search(name):
        return EMAIL_OPT_IN
    if OPT_OUT_NAME.search(name):
        return OPT_OUTS
    stem, _ = without_endings(name.rpartition("/")[2])
    match = REPORT_NAME.fullmatch(stem)
    return match["kind"].lower() + (match["err"] or "").lower() if match else OTHER


def is_csv(name: str) -> bool:
    """Tell whether a name ends as that of a CSV file does."""
    return bool(re.search(r"\.csv(?:\.csv|\.txt)*$", name, re.IGNORECASE))


def without_endings(name: str) -> tuple[str, str]:
    """Return what a name is without its endings, and the last of them, in lower case; empty: it has none."""
    stem, last = name.removeprefix(".") if name.lower().endswith(".icloud") else name, ""
    while True:
        suffix = Path(stem).suffix
        ending = suffix.lower()
        if ending not in {".csv", ".txt", ".tsv", *OTHER_ENDINGS} and (
            # a course's number may hold a dot, so what follows one need not be an ending
            last or not re.fullmatch(r"\.[a-z][a-z0-9]{1,4}", ending)
        ):
            return stem, last
        stem, last = stem.removesuffix(suffix), last or ending


def run_of_prefix(prefix: str) -> str:
    """`UQx_BUSLEAD1x_1T2019`, also from a URL-quoted key (`course-v1%3AUQx%2BBUSLEAD1x%2B1T2019`)."""
    return unquote(prefix).removeprefix("course-v1:").replace("+", "_").replace("/", "_")


def stamp_of(day: str, time: str | None) -> datetime:
    """Read a name's stamp, UTC; where somebody cut the time off, it is the day's first minute."""
    try:
        # DuckDB's timestamps have no zone: all of ours are UTC.
        return datetime.strptime(day + (time or "0000"), "%Y-%m-%d%H%M")  # noqa: DTZ007
    except ValueError:
        message = "the stamp in its name is not a date and time"
        raise RefusedError(message) from None
