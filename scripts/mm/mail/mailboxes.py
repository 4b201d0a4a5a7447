"""The mails in the files that mail programs keep or save them in."""

import lzma
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

_ZIP = b"PK\x03\x04"
_OTHER_KINDS = (
    (b"\xd0\xcf\x11\xe0", "it is in Outlook's own format: save it there as .eml"),
    (b"!BDN", "it is a mailbox of Outlook: save its mails there as .eml"),
    (b"\x1f\x8b", "it is gzip-compressed: unpack it"),
)
_LONGEST_START = 100
_BLANKS = b"\xef\xbb\xbf \t\r\n"
# Mails with lines that begin with "From" are split at none but such as mail programs write.
_SEPARATOR = re.compile(rb"From \S+ .*\d\d:\d\d.*\d{4}")
_SIZE_OF_EMLX = re.compile(rb"\d+[ \t]*\r?\n")


class Mail(NamedTuple):
    """A mail as it is in a file, or a file that holds none.

    where: the file, and where in it. problem: why it cannot be read, and what to do; None: content has it.
    """

    where: str
    content: bytes
    problem: str | None = None


def mails_in(path: Path) -> Iterator[Mail]:
    """Go through the mails of a file or, with all folders in it, a folder.

    A file is a mail, an .emlx, an mbox, or a ZIP archive of these. A Maildir may lack folders. OSError where
    something cannot be read.
    """
    if not path.is_dir():
        with path.open("rb") as file:
            yield from _in_file(str(path), file)
        return
    is_maildir = _is_maildir(path)
    for each in sorted(path.iterdir()):
        # In `tmp` are mails that have not arrived yet; the folders of a Maildir begin with a dot.
        if is_maildir and each.name == "tmp":
            continue
        if not each.name.startswith(".") or _is_maildir(each):
            yield from mails_in(each)


def _is_maildir(path: Path) -> bool:
    return (path / "cur").is_dir() or (path / "new").is_dir()


def _in_file(where: str, file: IO[bytes]) -> Iterator[Mail]:
    start = file.read(_LONGEST_START)
    file.seek(0)
    problem = next((what for kind, what in _OTHER_KINDS if start.startswith(kind)), None)
    if problem:
        yield Mail(where, b"", problem)
    elif start.startswith(_ZIP):
        yield from _in_archive(where, file)
    elif size := _SIZE_OF_EMLX.match(start):
        file.seek(size.end())
        yield Mail(where, file.read(int(size[0])))
    else:
        yield from _in_text(where, file)


def _in_archive(where: str, file: IO[bytes]) -> Iterator[Mail]:
    try:
        with zipfile.ZipFile(file) as archive:
            for each in sorted(archive.namelist()):
                # A Mac adds what it knows of each file under such a name.
                if not each.endswith("/") and not re.search(r"(?:^|/)(?:__MACOSX/|\.[^/]*$)", each):
                    with archive.open(each) as member:
                        yield from _in_file(f"{where}, {each}", member)
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError, NotImplementedError):
        yield Mail(where, b"", "it is a ZIP archive that is damaged or locked: unpack it")


def _in_text(where: str, file: IO[bytes]) -> Iterator[Mail]:
    first = next((text for line in file if (text := line.lstrip(_BLANKS))), b"")
    if not first.startswith(b"From "):
        yield Mail(where, first + file.read())
        return
    number, lines = 1, []
    for line in file:
        if _SEPARATOR.match(line):
            yield Mail(f"{where}, mail {number}", b"".join(lines))
            number, lines = number + 1, []
        else:
            lines.append(line)
    yield Mail(f"{where}, mail {number}", b"".join(lines))
