"""What lies in a program's folder, and what each file there is: by its name, then by its header.

What a row means is decided by the SQL in `models/`, and edx_reports.py loads the rows. This module tells what
a file is, or why it is none that can be read, and goes through its records; it knows no database. The formats
are edX's course grade report with its error companion, student profile report and opt-in list, May 2015 to
today.
"""

import bz2
import codecs
import csv
import gzip
import lzma
import os
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, TextIO
from urllib.parse import unquote

GRADE_REPORT = "grade_report"
GRADE_REPORT_ERRORS = "grade_report_err"
PROFILE_REPORT = "student_profile_info"
EMAIL_OPT_IN = "email_opt_in"
OPT_OUTS = "unsubscribed"
PACKED = "packed"
OTHER = "other"

# Free text such as a learner's goals can be long; a longer line than this is damage.
MAX_LINE_BYTES = 16 * 1024 * 1024
csv.field_size_limit(MAX_LINE_BYTES)
MIXED_LINE_ENDS = "its line ends are of several kinds: download it again"
# What is looked at to tell what kind of file it is.
HEAD_BYTES = 64 * 1024

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
_REPORT_NAME = re.compile(
    # Google Sheets names a download after the document and the sheet
    rf"{_COPY_OF}*(?P<download>{_DOWNLOAD})(?:(?:\.csv)? - (?P=download))?(?:{_COPY_MARK})*(?P<own_words>.*)",
    re.DOTALL,
)
_OPT_IN_NAME = re.compile(r"(?:e-?mail|[^a-z]|^)opt[-_ ]?ins?(?![a-z])", re.IGNORECASE)
_OPT_OUT_NAME = re.compile(r"unsub|opt[-_ ]?outs?(?![a-z])|do[-_ ]?not[-_ ]?e?-?mail", re.IGNORECASE)
_OPT_OUTS_ELSEWHERE = (
    "looks like an opt-out list, and only unsubscribed.csv in the data folder is read: "
    "put its lines there, then take it away"
)
EXPECTED_NAMES = (
    "<course>_<run>_grade_report_<YYYY-MM-DD-HHMM>.csv and "
    "<course>_<run>_student_profile_info_<YYYY-MM-DD-HHMM>.csv"
)

# What systems and programs leave behind: nobody put it there to be read.
_LEFT_BEHIND = re.compile(
    r"(?:eh)?thumbs\.db|desktop\.ini|icon\r|~\$.*|\.(?!.*\.icloud$).*", re.IGNORECASE | re.DOTALL
)
_PACKED_ENDINGS = (".zip", ".gz", ".tgz", ".tar", ".bz2", ".xz", ".zst", ".7z", ".rar")
_SPREADSHEETS = (".xlsx", ".xlsm", ".xls", ".ods", ".numbers")
# Of files, and of the folders that Safari and others keep a part in until it is whole.
_IN_PROGRESS = (
    *(".crdownload", ".part", ".partial", ".download", ".opdownload"),
    *(".filepart", ".fdmdownload", ".drivedownload"),
)
_OTHER_ENDINGS = {
    **dict.fromkeys(_PACKED_ENDINGS, "it is packed: unpack it here, so that what is in it is read"),
    **dict.fromkeys((".gpg", ".pgp", ".asc"), "it is encrypted: decrypt it here, so that it is read"),
    ".icloud": "it is in iCloud and not on this machine: fetch it (Download Now in the Finder)",
    **dict.fromkeys(_IN_PROGRESS, "its download has not ended: wait for it, or download it again"),
    **dict.fromkeys(
        _SPREADSHEETS, "it is a spreadsheet: download it from edX again, as the CSV file that it was"
    ),
}
_MAGIC = {
    b"\x1f\x8b": "it is gzip-compressed: unpack it first, or download it with a browser",
    b"7z\xbc\xaf\x27\x1c": "it is a 7z archive: unpack it first",
    b"rar!": "it is a rar archive: unpack it first",
    b"\xd0\xcf\x11\xe0": "it is an Excel workbook, not a CSV file: download it again",
    b"%pdf": "it is a PDF file, not a CSV file: download it again",
    b"bplist00": "it is in iCloud and not on this machine: fetch it (Download Now in the Finder)",
    b"<": "it is a web page, not a CSV file: the download link had expired, download it again",
    b"{": "it is JSON, not a CSV file: download it again",
    b"[": "it is JSON, not a CSV file: download it again",
    b"sep=": "its first line is Excel's sep=, as a spreadsheet saved it: download it again",
    b'"sep=': "its first line is Excel's sep=, as a spreadsheet saved it: download it again",
}


@dataclass(frozen=True)
class Column:
    """A column of a report: `name` in our tables, the `headers` edX gave it, and where to look for it.

    Letter case does not matter in a header. type: as which both engines load it; a cell that is none is NULL.
    """

    name: str
    headers: tuple[str, ...]
    needed: bool = False
    # Authors name assignment columns freely, `Grade` or `Certificate Type` included: identifiers are the
    # leftmost of their name, the enrolment block is the rightmost.
    from_right: bool = False
    type: str = "varchar"


# What a cell of a type is from end to end. But for these, DuckDB reads 1_0 and Spark 0.5d.
PATTERNS = {
    "bigint": r"[0-9]+",
    "double": r"\s*[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?\s*",
}
COLUMNS = {
    GRADE_REPORT: (
        Column("student_id", ("Student ID", "id"), needed=True, type="bigint"),
        Column("email", ("Email",), needed=True),
        Column("username", ("Username",), needed=True),
        Column("grade", ("Grade",), needed=True, type="double"),
        Column("enrollment_track", ("Enrollment Track",), needed=True, from_right=True),
        Column("verification_status", ("Verification Status",), from_right=True),
        Column("certificate_eligible", ("Certificate Eligible",), needed=True, from_right=True),
        Column("certificate_delivered", ("Certificate Delivered",), from_right=True),
        Column("certificate_type", ("Certificate Type",), from_right=True),
        Column("enrollment_status", ("Enrollment Status",), from_right=True),
    ),
    GRADE_REPORT_ERRORS: (Column("student_id", ("Student ID", "id"), needed=True, type="bigint"),),
    PROFILE_REPORT: (
        Column("student_id", ("id",), needed=True, type="bigint"),
        Column("username", ("username",)),
        Column("name", ("name",)),
        Column("email", ("email",)),
        Column("country", ("country",), from_right=True),
    ),
    EMAIL_OPT_IN: tuple(
        Column(name, (name,), needed=True)
        for name in ("email", "course_id", "is_opted_in_for_email", "preference_set_datetime")
    ),
}


class RefusedError(Exception):
    """A report that cannot be read; the message is the reason, in a sentence that names no learner."""


@dataclass
class Report:
    """What is known of one file. `ignored` and `refused` say why its rows do not count (None: they may).

    name: the path from the program's folder on. lines: how many its text has, and whether the last one has an
    end. row_count: how many records are loaded or damaged, None where none were. is_gone: it was there when
    its folder was listed, and is there no more.
    """

    path: Path
    name: str
    size_bytes: int
    modified_ns: int
    file_id: int = 0
    kind: str = OTHER
    course_instance: str | None = None
    reported_at: datetime | None = None
    ignored: str | None = None
    refused: str | None = None
    header: list[str] = field(default_factory=list)
    header_lines: int = 1
    lines: int = 0
    ends_with_break: bool = True
    row_count: int | None = None
    is_gone: bool = False

    @property
    def location(self) -> str:
        """The path as a text, also where the file system's bytes are none."""
        return os.fsencode(self.path).decode(errors="replace")

    def row(self, path: str) -> tuple[object, ...]:
        """Return the file's row in edx.report_files, less its digest; path is as the engine says it."""
        return (
            self.file_id,
            os.fsencode(self.name).decode(errors="replace"),
            path,
            self.kind,
            self.course_instance,
            self.reported_at,
            self.ignored,
            self.refused,
            self.row_count,
            self.size_bytes,
            self.modified_ns,
        )

    @property
    def is_readable(self) -> bool:
        """Whether it has rows to load: a report's, or those that an error companion is counted by."""
        is_of_use = self.ignored is None or (self.kind == GRADE_REPORT_ERRORS and bool(self.header))
        return is_of_use and self.refused is None


def list_folder(folder: Path, home: Path | None = None) -> Iterator[Report]:
    """Go through what lies in a folder, to any depth, less what systems leave behind.

    Linked folders come after the others, and no folder is read twice. home: the program's folder, from which
    files are named, where it is another one.
    """
    folders, linked, seen = [folder], [], set()
    while folders or linked:
        here = folders.pop(0) if folders else linked.pop(0)
        try:
            status = here.stat()
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            entries = sorted(here.iterdir())
        except FileNotFoundError:
            continue
        except OSError as error:
            for report in _report(here, home or folder):
                report.refused = f"it is a folder that cannot be read ({error.strerror})"
                yield report
            continue
        for path in entries:
            if _LEFT_BEHIND.fullmatch(path.name):
                continue
            is_read_as_file = _is_csv(path.name) or path.name.lower().endswith(_IN_PROGRESS)
            if path.is_dir() and not is_read_as_file:
                (linked if path.is_symlink() else folders).append(path)
            else:
                yield from _report(path, home or folder)


def list_files(folder: Path) -> Iterator[Report]:
    """Go through what lies in a folder itself and is no folder, less what systems leave behind."""
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if not _LEFT_BEHIND.fullmatch(path.name) and not path.is_dir():
            yield from _report(path, folder)


def _report(path: Path, home: Path) -> Iterator[Report]:
    """Give the one report, or none where the file is gone meanwhile, as a download is that has ended."""
    try:
        status = path.stat()
    except OSError:
        try:
            status = path.lstat()
        except FileNotFoundError:
            return
    name = Path(os.path.relpath(path, home)).as_posix()
    yield Report(path, name, status.st_size, status.st_mtime_ns)


def course_instance_of(name: str) -> str | None:
    """Return the course run that a file's name says it reports on; None where it is not named so."""
    match = _REPORT_NAME.fullmatch(_without_endings(name)[0])
    return _course_instance(match["prefix"]) if match else None


def identify(report: Report) -> None:
    """Tell by name, then by header, what a file is, and fill in `report`.

    Raises RefusedError or OSError for a file that counts, or may count, and cannot be read.
    """
    if report.refused:
        return
    if report.location != str(report.path):
        report.ignored = "its name is not UTF-8 text: rename it"
        return
    stem, ending = _without_endings(report.path.name)
    if _OPT_OUT_NAME.search(report.path.name):
        _refuse_opt_outs(report)
    match = _REPORT_NAME.fullmatch(stem)
    if match:
        report.kind = match["kind"].lower() + (match["err"] or "").lower()
        report.course_instance = _course_instance(match["prefix"])
        report.reported_at = _reported_at(match["day"], match["time"])
    if ending in _OTHER_ENDINGS:
        _look_into_other(report, ending)
    elif ending not in {".csv", ".txt", ".tsv", ""} and not _is_csv(report.path.name):
        report.ignored = "it is no CSV file, by its name"
        if match:
            report.ignored += ": if it is one, rename it to end in .csv"
    elif match and _is_csv(report.path.name):
        _look_at_report(report, match["own_words"])
    elif match:
        report.ignored = "its name does not end in .csv: rename it, if it is edX's file"
    else:
        _look_at_unnamed(report)


def misplaced_lists(data_dir: Path, program: str | None = None) -> Iterator[str]:
    """Say of each file that looks like an opt-out or an opt-in list that nobody reads it, and what to do.

    Looked at are the files of the data folder itself and, by their names, all in the folder of a program.
    """
    read = data_dir / "unsubscribed.csv"
    paths = sorted(data_dir.iterdir()) if data_dir.is_dir() else []
    for path in paths:
        if _LEFT_BEHIND.fullmatch(path.name) or not path.is_file() or (read.exists() and path.samefile(read)):
            continue
        kind = _kind_by_name(path.name)
        if kind == OTHER:
            with suppress(OSError):
                kind = _kind_by_head(_head(path))
        if kind == OPT_OUTS:
            yield f"{path}: it {_OPT_OUTS_ELSEWHERE}"
        elif kind == EMAIL_OPT_IN:
            yield (
                f"{path}: it looks like edX's opt-in list, and is read only in a program's folder: "
                "put it into the folder of each program that it is of"
            )
    for report in list_folder(data_dir / program) if program else ():
        if _OPT_OUT_NAME.search(report.path.name):
            yield f"{report.path}: it {_OPT_OUTS_ELSEWHERE}"


def _is_csv(name: str) -> bool:
    return bool(re.search(r"\.csv(?:\.csv|\.txt)*$", name, re.IGNORECASE))


def _without_endings(name: str) -> tuple[str, str]:
    """Return what a name is without its endings, and the last of them, in lower case; empty: it has none."""
    stem, last = name.removeprefix(".") if name.lower().endswith(".icloud") else name, ""
    while True:
        suffix = Path(stem).suffix
        ending = suffix.lower()
        if ending not in {".csv", ".txt", ".tsv", *_OTHER_ENDINGS} and (
            # a course's number may hold a dot, so what follows one need not be an ending
            last or not re.fullmatch(r"\.[a-z][a-z0-9]{1,4}", ending)
        ):
            return stem, last
        stem, last = stem.removesuffix(suffix), last or ending


def _refuse_opt_outs(report: Report) -> None:
    report.kind = OPT_OUTS
    reason = f"it {_OPT_OUTS_ELSEWHERE}"
    raise RefusedError(reason)


def _look_into_other(report: Report, ending: str) -> None:
    """Say of a file that is not read what to do with it, and stop at one that is or holds an opt-in list."""
    report.ignored = _OTHER_ENDINGS[ending]
    if _OPT_IN_NAME.search(report.name):
        report.kind = EMAIL_OPT_IN
    elif report.kind == OTHER and ending not in _SPREADSHEETS:
        report.kind = _kind_of_packed(report.path)
    if report.kind in {EMAIL_OPT_IN, OPT_OUTS}:
        name = "opt-in" if report.kind == EMAIL_OPT_IN else "opt-out"
        reason = f"it is or holds an {name} list, which is not read as it is; {report.ignored}"
        report.ignored = None
        raise RefusedError(reason)


def _kind_of_packed(path: Path) -> str:
    """Tell what a packed file holds that matters most; PACKED where nobody can tell."""
    try:
        kinds = {_kind_in_archive(name, head) for name, head in _unpacked(path)}
    except FileNotFoundError:
        raise
    except (
        KeyError,
        OSError,
        EOFError,
        RuntimeError,
        tarfile.TarError,
        zipfile.BadZipFile,
        zlib.error,
        lzma.LZMAError,
    ):
        return PACKED
    if not kinds:
        # Nobody packs nothing: it was cut off, or is not there yet.
        return PACKED
    order = (EMAIL_OPT_IN, OPT_OUTS, GRADE_REPORT, PROFILE_REPORT, PACKED)
    return next((kind for kind in order if kind in kinds), OTHER)


def _kind_in_archive(name: str, head: bytes) -> str:
    kind = _kind_by_head(head) or _kind_by_name(name)
    # What is in an archive within it nobody looks at.
    return PACKED if kind == OTHER and name.lower().endswith(_PACKED_ENDINGS) else kind


def _unpacked(path: Path) -> Iterator[tuple[str, bytes]]:
    """Go through the files in an archive: their names and first bytes, none where these are encrypted."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for each in archive.infolist():
                is_encrypted = each.flag_bits & 1
                yield each.filename, b"" if is_encrypted else archive.open(each).read(HEAD_BYTES)
        return
    with suppress(tarfile.ReadError), tarfile.open(path) as archive:
        for member in archive:
            content = archive.extractfile(member)
            yield member.name, content.read(HEAD_BYTES) if content else b""
        return
    unpack = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}[path.suffix.lower()]
    with unpack(path) as content:
        yield path.stem, content.read(HEAD_BYTES)


def _kind_by_head(head: bytes) -> str | None:
    # UTF-16 has zeros between its letters
    text = head.replace(b"\0", b"").lower()
    if b"is_opted_in_for_email" in text:
        return EMAIL_OPT_IN
    return OPT_OUTS if b"unsubscribed_at" in text else None


def _kind_by_name(name: str) -> str:
    if _OPT_IN_NAME.search(name):
        return EMAIL_OPT_IN
    if _OPT_OUT_NAME.search(name):
        return OPT_OUTS
    stem, _ = _without_endings(name.rpartition("/")[2])
    match = _REPORT_NAME.fullmatch(stem)
    return match["kind"].lower() + (match["err"] or "").lower() if match else OTHER


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
    kind = _kind_by_head(_head(report.path))
    if kind == OPT_OUTS:
        _refuse_opt_outs(report)
    if kind == EMAIL_OPT_IN or (_OPT_IN_NAME.search(report.path.name) and _is_csv(report.path.name)):
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
        if not _missing_columns(report.header, COLUMNS[kind]) and _look_alike(report.header) is None:
            # Many a file has the profile report's one needed column.
            if kind == PROFILE_REPORT and "level_of_education" not in _lowered(report.header):
                continue
            report.kind = kind
            report.ignored = (
                f"a {kind} by its header, but its name does not tell course, run and time: "
                f"expected {EXPECTED_NAMES}"
            )
            return


def _course_instance(prefix: str) -> str:
    """`UQx_BUSLEAD1x_1T2019`, also from a URL-quoted key (`course-v1%3AUQx%2BBUSLEAD1x%2B1T2019`)."""
    return unquote(prefix).removeprefix("course-v1:").replace("+", "_").replace("/", "_")


def _reported_at(day: str, time: str | None) -> datetime:
    """Read a name's stamp, UTC; where somebody cut the time off, it is the day's first minute."""
    try:
        # DuckDB's timestamps have no zone: all of ours are UTC.
        return datetime.strptime(day + (time or "0000"), "%Y-%m-%d%H%M")  # noqa: DTZ007
    except ValueError:
        message = "the stamp in its name is no date and time"
        raise RefusedError(message) from None


def _lowered(header: list[str]) -> list[str]:
    return [cell.strip().lower() for cell in header]


def _look_alike(header: list[str]) -> str | None:
    """Say why a file with this header is ignored whatever its name, or None."""
    names = _lowered(header)
    if names in (["student id", "username", "error"], ["id", "username", "error_msg"]):
        return "an error companion by its header: it lists learners whom edX could not grade"
    if "certificate eligible" not in names and any(name.endswith("(earned)") for name in names):
        return "a problem grade report by its header: it has grades of problems, not of the course"
    return None


def _head(path: Path) -> bytes:
    """Return a file's first bytes. Raises RefusedError where it is no file."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        if not path.is_symlink():
            raise
        reason = "it is a link, and what it leads to is not there"
        raise RefusedError(reason) from None
    if stat.S_ISDIR(mode):
        reason = "it is a folder, not a CSV file: take the file out of it"
        raise RefusedError(reason)
    if not stat.S_ISREG(mode):
        reason = "it is no file"
        raise RefusedError(reason)
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)


def _check_text(path: Path, start: bytes) -> None:
    """Raise RefusedError where a file's first bytes are not those of a CSV file in UTF-8."""
    text = start.removeprefix(codecs.BOM_UTF8).lstrip()
    beginning = text[: max(map(len, _MAGIC))].lower()
    zeros = start[::2].count(0), start[1::2].count(0)
    if not text:
        reason = "it is empty"
    elif magic := next((magic for magic in _MAGIC if beginning.startswith(magic)), None):
        reason = _MAGIC[magic]
    elif text.startswith(b"PK\x03\x04"):
        reason = "it is a zip archive, not a CSV file: unpack it first"
        if any(name.startswith(("xl/", "content.xml")) for name in _names_in_zip(path)):
            reason = "it is a spreadsheet, not a CSV file: download it again"
    # UTF-16 of Latin letters has a zero in each second place, with or without its mark before
    elif (
        start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        or max(zeros) > len(start) // 4 > min(zeros) * 4
    ):
        reason = "it is UTF-16, not UTF-8 text (a spreadsheet or an editor saved it): download it again"
    elif b"\r" in text and b"\n" not in text:
        reason = "its lines end in carriage returns alone: download it again"
    else:
        return
    raise RefusedError(reason)


def _names_in_zip(path: Path) -> list[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return []


def read_header(report: Report) -> None:
    """Read the first record. Raises RefusedError where the file is no comma-separated UTF-8 text."""
    start = _head(report.path)
    _check_text(report.path, start)
    try:
        with report.path.open(encoding="utf-8-sig", newline="\n") as file:
            reader = csv.reader(file, strict=True)
            report.header = next(reader)
            report.header_lines = reader.line_num
    except UnicodeDecodeError:
        # The decoder reads ahead of the header, so the line is found by reading all.
        count_lines(report)
    except csv.Error:
        reason = "line 1: its header has a quote that is never closed"
        raise RefusedError(reason) from None


def count_lines(report: Report) -> None:
    """Note how many lines a file has. Raises RefusedError that names the first one that is not UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    breaks = 0
    with report.path.open("rb") as file:
        while chunk := file.read(1 << 20):
            try:
                # what is ASCII throughout need not be decoded, unless a letter began in the chunk before
                if decoder.getstate()[0] or not chunk.isascii():
                    decoder.decode(chunk)
            except UnicodeDecodeError as error:
                line = breaks + chunk[: error.start].count(b"\n") + 1
                reason = f"line {line}: it is not UTF-8 text (Excel may have saved it): download it again"
                raise RefusedError(reason) from None
            breaks += chunk.count(b"\n")
            report.ends_with_break = chunk.endswith(b"\n")
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        reason = f"line {breaks + 1}: it is not UTF-8 text, it ends within a letter: download it again"
        raise RefusedError(reason) from None
    report.lines = breaks + (not report.ends_with_break)


def _missing_columns(header: list[str], columns: tuple[Column, ...]) -> list[str]:
    found = positions(header, columns)
    return [column.headers[0] for column in columns if column.needed and found[column.name] is None]


def _other_separation(header: list[str], columns: tuple[Column, ...]) -> str | None:
    """Say how a header's cells are told apart, where that makes it the right one."""
    for separator, name in (
        (";", "separated by semicolons, not commas"),
        ("\t", "separated by tabs, not commas"),
        (",", "quoted line by line"),
    ):
        text = header[0] if separator == "," and len(header) == 1 else ",".join(header)
        cells = next(csv.reader([text], delimiter=separator), [])
        if len(cells) > 1 and not _missing_columns(cells, columns):
            return name
    return None


def positions(header: list[str], columns: tuple[Column, ...]) -> dict[str, int | None]:
    """Where each column is; None where it is not there.

    edX writes the enrolment block as the last columns, beginning with `Enrollment Track`, so what stands
    before that is an author's column whatever its name.
    """
    names = _lowered(header)
    block = max((i for i, name in enumerate(names) if name == "enrollment track"), default=0)
    found_at = {}
    for column in columns:
        headers = _lowered(list(column.headers))
        found = [
            i for i, name in enumerate(names) if name in headers and (not column.from_right or i >= block)
        ]
        found_at[column.name] = (found[-1] if column.from_right else found[0]) if found else None
    return found_at


def check_columns(report: Report, columns: tuple[Column, ...]) -> None:
    """Raise RefusedError where a needed column is missing in the header that was read."""
    missing = _missing_columns(report.header, columns)
    if not missing:
        return
    separation = _other_separation(report.header, columns)
    if separation:
        reason = f"line 1: it is {separation} (a spreadsheet saves it so): download it again"
    elif len(report.header) == 1:
        reason = "line 1: it is plain text, not a CSV file: download it again"
    else:
        names = " or ".join(filter(None, [", ".join(map(repr, missing[:-1])), repr(missing[-1])]))
        reason = f"line 1: its header has no column {names}"
    raise RefusedError(reason)


class Record(NamedTuple):
    """A record behind the header: its first line, how many lines, its cells, its text to the letter.

    A blank line is a record without cells.
    """

    line: int
    line_count: int
    cells: list[str]
    raw_text: str


def records(path: Path) -> Iterator[Record]:
    """Go through the records behind the header.

    Raises RefusedError where a quote is never closed, or where a line does not end as the header does.
    """
    read: list[str] = []

    def remembered(file: TextIO) -> Iterator[str]:
        for line in file:
            read.append(line)
            yield line

    # newline="\n": a line is what ends in a line feed, as it is for the loaded rows.
    with path.open(encoding="utf-8-sig", newline="\n") as file:
        reader = csv.reader(remembered(file), strict=True)
        next(reader)
        line = 1 + len(read)
        line_end = _line_end(read)
        read.clear()
        while True:
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                reason = f"line {line}: a quote is opened there and never closed: download it again"
                # so the reader calls a carriage return alone, outside quotes
                if "new-line character" in str(error):
                    reason = MIXED_LINE_ENDS
                raise RefusedError(reason) from None
            if _line_end(read) not in {line_end, ""}:
                raise RefusedError(MIXED_LINE_ENDS)
            yield Record(line, len(read), cells, "".join(read).rstrip("\r\n"))
            line += len(read)
            read.clear()


def _line_end(lines: list[str]) -> str:
    last = lines[-1]
    return last[len(last.rstrip("\r\n")) :] if last.endswith("\n") else ""


def damage(report: Report, record: Record) -> str | None:
    """Say what is wrong with a record's width; None: nothing, or it is a blank line.

    Raises RefusedError where the file ends within the record.
    """
    width = len(report.header)
    line, line_count, cells, _ = record
    if len(cells) < width and line + line_count > report.lines and not report.ends_with_break:
        reason = f"line {line}: it ends there, within a row: download it again"
        raise RefusedError(reason)
    return f"it has {len(cells)} cells, the header has {width}" if cells and len(cells) != width else None


def read(report: Report) -> Iterator[tuple[Record, list[str | None], str | None]]:
    """Go through a report's records, less blank lines: the cells in the order of COLUMNS, or what is wrong.

    A cell is None where the file does not have the column. Raises RefusedError where the file cannot be read.
    """
    count_lines(report)
    found = positions(report.header, COLUMNS[report.kind]).values()
    for record in records(report.path):
        reason = damage(report, record)
        if reason:
            yield record, [], reason
        elif record.cells:
            yield record, [None if place is None else record.cells[place] for place in found], None


@contextmanager
def refusing(report: Report) -> Iterator[None]:
    """Note in `report` why it cannot be read, if what is tried says so, or that it is gone."""
    try:
        yield
    except FileNotFoundError:
        report.is_gone = True
    except RefusedError as error:
        report.refused = str(error)
    except OSError as error:
        report.refused = f"it cannot be read ({error.strerror})"
