"""The lists of people in the data folder as they are at this moment, which people keep by hand.

`unsubscribed.csv` has who asked for no more mail, `bounced.csv` to which addresses none can be delivered, and
`not_learners.csv` who is no learner, such as staff. To the first two, `mm` appends what it hears.
"""

import codecs
import csv
import io
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Generic, NamedTuple, NoReturn, TypeVar

from mm.addresses import normalized, read_address, visible
from mm.edx_files import misplaced_lists
from mm.list_files import append_line, read_whole
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
_NOT_IN_A_USERNAME = re.compile(r"[\s@/#]")
_SEVERAL = "it has more than one address: give each a line of its own"

# The source of a line that takes an opt-out back: of an address's lines, the last counts.
TAKEN_BACK = "taken back"
_OF_THE_PAGE = {"page", "one-click"}

Cells = Mapping[str, str]
Entry = TypeVar("Entry")


class _PeopleList(ABC, Generic[Entry]):
    """The entries of a CSV file; `refresh` reads it again where it changed.

    An entry stays for as long as the object lives, whatever becomes of the file.
    """

    name: ClassVar[str]
    columns: ClassVar[tuple[str, ...]]
    # At least one of these must be in the header.
    _keys: ClassVar[tuple[str, ...]]

    def __init__(self, path: Path | None = None, content: bytes | None = None) -> None:
        """Read the file at `path` (None: the list's own in the data folder).

        content: what is in it, where the caller has read it already. ReaderError where it cannot be read for
        certain; no file at all means no entries.
        """
        self.path = path or data_dir() / self.name
        self._entries: set[Entry] = set()
        self._seen: tuple[int, int, int] | None = None
        if content is None:
            self.refresh()
        else:
            self._entries = self._read(content)

    def __iter__(self) -> Iterator[Entry]:
        """Go through the entries, each once, always in the same order."""
        yield from sorted(self._entries, key=str)

    def refresh(self) -> None:
        """Read the file again if it changed since; ReaderError as at the start."""
        try:
            status = self.path.stat()
            seen = (status.st_mtime_ns, status.st_size, status.st_ino)
            if seen != self._seen:
                self._entries |= self._read(read_whole(self.path))
                self._seen = seen
        except FileNotFoundError:
            if self.path.is_symlink():
                self._refuse("it is a link, and what it leads to is not there")
            self._seen = None
        except OSError as error:
            message = f"{self.path} cannot be read ({error.strerror}): nobody is mailed until it is."
            raise ReaderError(message) from error

    @abstractmethod
    def _entries_of(self, lines: Iterable[Cells]) -> set[Entry]:
        """Return what all lines, each by column, say; ValueError, with what is wrong, for one in doubt."""

    def _read(self, content: bytes) -> set[Entry]:
        text = self._text(content)
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        # A line that nobody understands must not be passed over.
        try:
            return self._entries_of(self._lines(reader))
        except csv.Error:
            self._refuse("its quotes do not match", reader.line_num)
        except ValueError as error:
            self._refuse(str(error), reader.line_num)

    def _lines(self, reader: Iterator[list[str]]) -> Iterator[Cells]:
        header = [visible(cell).lower() for cell in next(reader, [])]
        self._check_header(header)
        for row in reader:
            # A stray quote swallows the lines after it, and the people in them.
            if _has_line_break(row):
                message = "a cell spans several lines"
                raise ValueError(message)
            if any(map(visible, row)):
                yield _by_column(header, row)

    def _text(self, content: bytes) -> str:
        content = content.removeprefix(codecs.BOM_UTF8)
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
            f"{where}: {what}; expected a CSV with the columns {', '.join(self.columns)}. "
            "Nobody is mailed until it is repaired."
        )
        raise ReaderError(message)


class _Addresses(_PeopleList[str]):
    """A list of addresses, in lower case."""

    _keys = ("email",)
    # The column after the address, in which a second address would be a mistake.
    _time: ClassVar[str]

    def __contains__(self, email: str) -> bool:
        """Tell whether a learner's address, in whatever letter case, is in the list."""
        return normalized(email) in self._entries

    def _entries_of(self, lines: Iterable[Cells]) -> set[str]:
        return {self._address(cells) for cells in lines}

    def _address(self, cells: Cells) -> str:
        address = _email(cells.get("email", ""))
        if "@" in cells.get(self._time, ""):
            raise ValueError(_SEVERAL)
        return address


class OptOuts(_Addresses):
    """Addresses that asked for no more mail, in lower case: those whose last line is not `taken back`."""

    name = "unsubscribed.csv"
    columns = ("email", "unsubscribed_at", "source")
    _time = "unsubscribed_at"

    def _entries_of(self, lines: Iterable[Cells]) -> set[str]:
        self._sources = {self._address(cells): visible(cells.get("source", "")).lower() for cells in lines}
        return {address for address, source in self._sources.items() if source != TAKEN_BACK}

    def may_take_back(self, email: str) -> bool:
        """Tell whether the unsubscribe page wrote the opt-out that stands: others are not the page's to undo.

        In a file without the column `source` nobody can tell.
        """
        return self._sources.get(normalized(email)) in _OF_THE_PAGE


class Bounced(_Addresses):
    """Addresses to which no mail can be delivered, in lower case."""

    name = "bounced.csv"
    columns = ("email", "bounced_at", "status", "detail")
    _time = "bounced_at"


class NotLearner(NamedTuple):
    """Whom a line of not_learners.csv names, by at least one of the first three; None: it does not say.

    username and email are in lower case; line is the line's number, from 1.
    """

    username: str | None
    email: str | None
    student_id: int | None
    line: int


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

    name = "not_learners.csv"
    columns = ("username", "email", "student_id", "note")
    _keys = ("username", "email", "student_id")

    def _lines(self, reader: Iterator[list[str]]) -> Iterator[Cells]:
        for cells in super()._lines(reader):
            yield {**cells, "line": str(reader.line_num)}

    def _entries_of(self, lines: Iterable[Cells]) -> set[NotLearner]:
        return {_not_learner(cells) for cells in lines}


def _not_learner(cells: Cells) -> NotLearner:
    username, email, student_id = (visible(cells.get(key, "")) for key in NotLearner._fields[:3])
    if _NOT_IN_A_USERNAME.search(username):
        message = (
            "its username has a blank, @, / or #, as none of edX has: write the username alone, "
            "an address under email"
        )
        raise ValueError(message)
    if not (username or email or student_id):
        message = "it has no username, no email and no student_id"
        raise ValueError(message)
    return NotLearner(
        username.lower() or None,
        _email(email) if email else None,
        _student_id(student_id) if student_id else None,
        int(cells["line"]),
    )


class WhoIsNotMailed:
    """All lists of a program's sender, to be read again before each mail."""

    def __init__(self, program: str) -> None:
        """Read the lists.

        ReaderError where one cannot be read for certain, or where a file lies about that looks like one and
        is not read.
        """
        misplaced = [f"{sentence}." for sentence in misplaced_lists(data_dir(), program)]
        if misplaced:
            raise ReaderError("\n".join(misplaced))
        self._opt_outs = OptOuts()
        self._bounced = Bounced()
        self._not_learners = NotLearners()

    def refresh(self) -> None:
        """Read again what changed since; ReaderError as at the start."""
        self._opt_outs.refresh()
        self._bounced.refresh()
        self._not_learners.refresh()

    def reason(self, student_id: int, username: str | None, email: str | None) -> str | None:
        """Say why somebody whom the last build would mail is not to be mailed; None: nothing says so."""
        if email is not None and email in self._opt_outs:
            return "unsubscribed since the build"
        if email is not None and email in self._bounced:
            return "address bounced since the build"
        if self._not_learners.has(student_id, username, email):
            return "no learner since the build"
        return None


def opt_out(email: str, source: str) -> bool:
    """Put an address into unsubscribed.csv, unless it is there; return whether the page may take it back.

    source: `page`, `one-click` or `complaint`. When this returns, the opt-out is on disk. ValueError where
    the address is none that is mailed; ReaderError where the file cannot be understood, read or written.
    """
    path, line = data_dir() / OptOuts.name, _said_now(email, source)
    append_line(path, OptOuts.columns, lambda content: None if email in OptOuts(path, content) else line)
    return OptOuts(path).may_take_back(email)


def take_back(email: str) -> bool:
    """Take back an opt-out that the page wrote; return whether the address is opted out no more.

    That, too, is a line. Errors are those of opt_out.
    """
    path, line = data_dir() / OptOuts.name, _said_now(email, TAKEN_BACK)
    append_line(
        path,
        OptOuts.columns,
        lambda content: line if OptOuts(path, content).may_take_back(email) else None,
    )
    return email not in OptOuts(path)


def note_bounced(email: str, bounced_at: str, status: str, detail: str) -> bool:
    """Put an address into bounced.csv, unless it is there; return whether it was not.

    bounced_at: UTC, as in the file. status: as RFC 3463 has it, such as 5.1.1. Errors are those of opt_out.
    """
    path = data_dir() / Bounced.name
    cells = {"email": _cell(email), "bounced_at": bounced_at, "status": status, "detail": detail}
    return append_line(
        path, Bounced.columns, lambda content: None if email in Bounced(path, content) else cells
    )


def _cell(email: str) -> str:
    """Write an address so that it is read as that one, and so that no spreadsheet takes it for a formula."""
    address = normalized(email)
    for cell in (address, f"<{address}>"):
        with suppress(ValueError):
            if cell[0] not in "-+=" and normalized(read_address(cell)) == address:
                return cell
    message = "it is no address that is mailed"
    raise ValueError(message)


def _said_now(email: str, source: str) -> Cells:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"email": _cell(email), "unsubscribed_at": now, "source": source}


def _has_line_break(row: list[str]) -> bool:
    return any("\n" in cell or "\r" in cell for cell in row)


def _by_column(header: list[str], row: list[str]) -> dict[str, str]:
    if len(row) == 1 < len(header) and "," in row[0]:
        message = "the line as a whole is in quotes: take these away"
        raise ValueError(message)
    if any("@" in cell for cell in row[len(header) :]):
        raise ValueError(_SEVERAL)
    return dict(zip(header, row, strict=False))


# A list is read again at each change, and nearly all of its lines are those of before.
@lru_cache(maxsize=100_000)
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
