"""A file's first bytes and its lines: whether it is CSV in UTF-8 at all, and its header."""

import codecs
import csv
import stat
import zipfile

from mm.edx.far import AnyPath
from mm.edx.file import RefusedError, Report

# What is looked at to tell what kind of file it is.
HEAD_BYTES = 64 * 1024
# How files begin that are no CSV files, in lower case, and what each is.
_BEGINNINGS = {
    b"\x1f\x8b": "gzip",
    b"pk\x03\x04": "zip",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"rar!": "rar",
    b"\xd0\xcf\x11\xe0": "old workbook",
    b"%pdf": "pdf",
    b"bplist00": "icloud",
    b"<": "web page",
    b"{": "json",
    b"[": "json",
    b"sep=": "sep=",
    b'"sep=': "sep=",
}
_REASONS = {
    "gzip": "it is gzip-compressed: unpack it first, or download it with a browser",
    "zip": "it is a zip archive, not a CSV file: unpack it first",
    "7z": "it is a 7z archive: unpack it first",
    "rar": "it is a rar archive: unpack it first",
    "old workbook": "it is an Excel workbook, not a CSV file: download it again",
    "pdf": "it is a PDF file, not a CSV file: download it again",
    "icloud": "it is in iCloud and not on this machine: fetch it (Download Now in the Finder)",
    "web page": "it is a web page, not a CSV file: the download link had expired, download it again",
    "json": "it is JSON, not a CSV file: download it again",
    "sep=": "its first line is Excel's sep=, as a spreadsheet saved it: download it again",
    "utf-16": "it is UTF-16, not UTF-8 text (a spreadsheet or an editor saved it): download it again",
}


def kind_of_content(start: bytes) -> str | None:
    """Return what a file is, by its first bytes, that is no text in UTF-8 with cells; None: nothing tells.

    It is one of gzip, zip, 7z, rar, old workbook, pdf, icloud, web page, json, sep= and utf-16.
    """
    beginning = start.removeprefix(codecs.BOM_UTF8).lstrip()[: max(map(len, _BEGINNINGS))].lower()
    zeros = start[::2].count(0), start[1::2].count(0)
    # UTF-16 of Latin letters has a zero in each second place, with or without its mark before.
    if (
        start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        or max(zeros) > len(start) // 4 > min(zeros) * 4
    ):
        return "utf-16"
    return next((kind for magic, kind in _BEGINNINGS.items() if beginning.startswith(magic)), None)


def head(path: AnyPath) -> bytes:
    """Return a file's first bytes. Raises RefusedError where it is no file."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        if not path.is_symlink():
            raise
        reason = "it is a broken link: what it leads to is not there"
        raise RefusedError(reason) from None
    if stat.S_ISDIR(mode):
        reason = "it is a folder, not a CSV file: take the file out of it"
        raise RefusedError(reason)
    if not stat.S_ISREG(mode):
        reason = "it is no file"
        raise RefusedError(reason)
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)


def _check_text(path: AnyPath, start: bytes) -> None:
    """Raise RefusedError where a file's first bytes are not those of a CSV file in UTF-8."""
    text = start.removeprefix(codecs.BOM_UTF8).lstrip()
    kind = kind_of_content(start)
    if not text:
        reason = "it is empty"
    elif kind == "zip" and any(name.startswith(("xl/", "content.xml")) for name in _names_in_zip(path)):
        reason = "it is a spreadsheet, not a CSV file: download it again"
    elif kind:
        reason = _REASONS[kind]
    elif b"\r" in text and b"\n" not in text:
        reason = "its lines end in carriage returns alone: download it again"
    else:
        return
    raise RefusedError(reason)


def _names_in_zip(path: AnyPath) -> list[str]:
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            return archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return []


def read_header(report: Report) -> None:
    """Read the first record. Raises RefusedError where the file is no comma-separated UTF-8 text."""
    start = head(report.path)
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
