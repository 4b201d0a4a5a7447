"""The lists of people that somebody keeps by hand in the data folder, as they are at this moment.

`unsubscribed.csv` has who asked for no more mail, `not_learners.csv` who is no learner, such as staff.
"""

import codecs
import csv
import io
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Generic, NamedTuple, NoReturn, TypeVar

from mm.addresses import normalized, read_address, visible
from mm.edx_files import misplaced_lists
from mm.settings import ReaderError, data_dir

_SAVE_ANEW = 'save it as "CSV UTF-8", separated by commas'
_OTHER_KINDS = (
    (b"\x1f\x8b", "it is gzip-compressed: unpack it"),
    (b"PK\x03\x04", f"it is a workbook or a ZIP archive, not a CSV file: unpack it, or {_SAVE_ANEW}"),
    (b"\xd0\xcf\x11\xe0", f"it is an Excel workbook, not a CSV file: {_SAVE_ANEW}"),
    (codecs.BOM_UTF16_LE, f"it is UTF-16 text: {_SAVE_ANEW}"),
    (codecs.BOM_UTF16_BE, f"it is UTF-16 text: {_SAVE_ANEW}"),
)
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_LARGEST_ID = 2**63 - 1
_SEVERAL = "it has more than one address: give each a line of its own"

Entry = TypeVar("Entry")


class _PeopleList(ABC, Generic[Entry]):
    """The entries of a CSV file; `refresh` reads it again where it changed.

    An entry stays for as long as the object lives, whatever becomes of the file.
    """

    _name: ClassVar[str]
    _columns: ClassVar[tuple[str, ...]]
    # At least one of these must be in the header.
    _keys: ClassVar[tuple[str, ...]]

    def __init__(self, path: Path | None = None) -> None:
        """Read the file at `path` (None: the list's own in the data folder).

        ReaderError where it cannot be read for certain; no file at all means no entries.
        """
        self.path = path or data_dir() / self._name
        self._entries: set[Entry] = set()
        self._seen: tuple[int, int, int] | None = None
        self.refresh()

    def __iter__(self) -> Iterator[Entry]:
        """Go through the entries, each once, always in the same order."""
        yield from sorted(self._entries, key=str)

    def refresh(self) -> None:
        """Read the file again if it changed since; ReaderError as at the start."""
        try:
            status = self.path.stat()
            seen = (status.st_mtime_ns, status.st_size, status.st_ino)
            if seen != self._seen:
                self._entries |= self._read()
                self._seen = seen
        except FileNotFoundError:
            if self.path.is_symlink():
                self._refuse("it is a link, and what it leads to is not there")
            self._seen = None
        except OSError as error:
            message = f"{self.path} cannot be read ({error.strerror}): nobody is mailed until it is."
            raise ReaderError(message) from error

    @abstractmethod
    def _entry(self, cells: dict[str, str]) -> Entry:
        """Return what a line says, by column; ValueError, with what is wrong, where that is in doubt."""

    def _read(self) -> set[Entry]:
        entries = set()
        reader = csv.reader(io.StringIO(self._text(), newline=""), strict=True)
        try:
            header = [visible(cell).lower() for cell in next(reader, [])]
            self._check_header(header)
            for row in reader:
                # A stray quote swallows the lines after it, and the people in them.
                if _has_line_break(row):
                    self._refuse("a cell spans several lines", reader.line_num)
                if not any(map(visible, row)):
                    continue
                # A line that nobody understands must not be passed over.
                try:
                    entries.add(self._entry(_by_column(header, row)))
                except ValueError as error:
                    self._refuse(str(error), reader.line_num)
        except csv.Error:
            self._refuse("its quotes do not match", reader.line_num)
        return entries

    def _text(self) -> str:
        content = self.path.read_bytes().removeprefix(codecs.BOM_UTF8)
        for start, what in _OTHER_KINDS:
            if content.startswith(start):
                self._refuse(what)
        if content[:2].count(0) == 1:
            self._refuse(f"it is UTF-16 text: {_SAVE_ANEW}")
        if b"\0" in content:
            line = _line_at(content, content.index(b"\0"))
            self._refuse("it has bytes that are no text: write that line anew", line)
        try:
            return content.decode()
        except UnicodeDecodeError as error:
            line = _line_at(content, error.start)
            self._refuse(f"it is not UTF-8 text: {_SAVE_ANEW}", line)

    def _check_header(self, header: list[str]) -> None:
        if _has_line_break(header):
            self._refuse("a cell of its header spans several lines", 1)
        twice = [key for key in self._keys if header.count(key) > 1]
        if twice:
            self._refuse(f"its header has two columns {twice[0]}", 1)
        if set(header) & set(self._keys):
            return
        missing = f"its header has no column {' and no '.join(self._keys)}"
        self._refuse(f"{missing}{self._why_no_column(','.join(header))}", 1)

    def _why_no_column(self, header: str) -> str:
        for separator, name in _SEPARATORS.items():
            if set(map(visible, header.split(separator))) & set(self._keys):
                return f", as it is separated by {name}: {_SAVE_ANEW}"
        if not header:
            return ", as it is empty"
        if header.startswith("sep="):
            return f", as it is a line for Excel alone: take it away, and {_SAVE_ANEW}"
        if set(map(visible, header.split(","))) & set(self._keys):
            return ", as the line as a whole is in quotes: take those around whole lines away"
        if "@" in header:
            return ", as it is a line of the list already: put the names of the columns above it"
        return ""

    def _refuse(self, what: str, line: int | None = None) -> NoReturn:
        where = f"{self.path}, line {line}" if line else self.path
        message = (
            f"{where}: {what}; expected a CSV with the columns {', '.join(self._columns)}. "
            "Nobody is mailed until it is repaired."
        )
        raise ReaderError(message)


class OptOuts(_PeopleList[str]):
    """Addresses that asked for no more mail, in lower case."""

    _name = "unsubscribed.csv"
    _columns = ("email", "unsubscribed_at", "source")
    _keys = ("email",)

    def __contains__(self, email: str) -> bool:
        """Tell whether a learner's address, in whatever letter case, is opted out."""
        return normalized(email) in self._entries

    def _entry(self, cells: dict[str, str]) -> str:
        address = _email(cells.get("email", ""))
        if "@" in cells.get("unsubscribed_at", ""):
            raise ValueError(_SEVERAL)
        return address


class NotLearner(NamedTuple):
    """Whom a line of not_learners.csv names, by at least one of these; None: it does not say.

    username and email are in lower case.
    """

    username: str | None
    email: str | None
    student_id: int | None


class NotLearners(_PeopleList[NotLearner]):
    """Who is in edX's reports and is no learner, for all programs."""

    def has(self, student_id: int, username: str | None, email: str | None) -> bool:
        """Tell whether any line names the account, by whichever of these it has."""
        return any(
            entry.student_id == student_id
            or (username is not None and entry.username == normalized(username))
            or (email is not None and entry.email == normalized(email))
            for entry in self._entries
        )

    _name = "not_learners.csv"
    _columns = ("username", "email", "student_id", "note")
    _keys = ("username", "email", "student_id")

    def _entry(self, cells: dict[str, str]) -> NotLearner:
        username, email, student_id = (visible(cells.get(key, "")) for key in self._keys)
        if not (username or email or student_id):
            message = "it has no username, no email and no student_id"
            raise ValueError(message)
        return NotLearner(
            username.lower() or None,
            _email(email) if email else None,
            _student_id(student_id) if student_id else None,
        )


class WhoIsNotMailed:
    """Both lists of a program's sender, to be read again before each mail."""

    def __init__(self, program: str) -> None:
        """Read the lists.

        ReaderError where one cannot be read for certain, or where a file lies about that looks like one and
        is not read.
        """
        misplaced = [f"{sentence}." for sentence in misplaced_lists(data_dir(), program)]
        if misplaced:
            raise ReaderError("\n".join(misplaced))
        self._opt_outs = OptOuts()
        self._not_learners = NotLearners()

    def refresh(self) -> None:
        """Read again what changed since; ReaderError as at the start."""
        self._opt_outs.refresh()
        self._not_learners.refresh()

    def reason(self, student_id: int, username: str | None, email: str | None) -> str | None:
        """Say why somebody whom the last build would mail is not to be mailed; None: nothing says so."""
        if email is not None and email in self._opt_outs:
            return "unsubscribed since the build"
        if self._not_learners.has(student_id, username, email):
            return "no learner since the build"
        return None


def _has_line_break(row: list[str]) -> bool:
    return any("\n" in cell or "\r" in cell for cell in row)


def _by_column(header: list[str], row: list[str]) -> dict[str, str]:
    if len(row) == 1 < len(header) and "," in row[0]:
        message = "the line as a whole is in quotes: take these away"
        raise ValueError(message)
    if any("@" in cell for cell in row[len(header) :]):
        raise ValueError(_SEVERAL)
    return dict(zip(header, row, strict=False))


def _email(cell: str) -> str:
    try:
        return normalized(read_address(cell))
    except ValueError as error:
        message = f"its email {error}"
        raise ValueError(message) from error


def _student_id(cell: str) -> int:
    if not re.fullmatch(r"[0-9]{1,19}", cell) or int(cell) > _LARGEST_ID:
        message = "its student_id is no whole number"
        raise ValueError(message)
    return int(cell)


def _line_at(content: bytes, position: int) -> int:
    return len(re.split(rb"\r\n|\r|\n", content[:position]))
