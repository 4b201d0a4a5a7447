"""Lists of people, read as of this moment, which people keep by hand; nothing is ever written to them.

`unsubscribed.csv` has who asked for no more mail, `bounced.csv` to which addresses none can be delivered, and
`not_learners.csv` who is no learner, such as staff. What `mm` itself learns is in the ledger.
"""

import codecs
import csv
import io
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Generic, NamedTuple, NoReturn, TypeVar

from mm.addresses import normalized, read_address, visible
from mm.edx_files import misplaced_lists
from mm.ledger import (
    ALWAYS,
    BOUNCED,
    FORGOTTEN,
    OPTED_OUT,
    TAKEN_BACK,
    Ledger,
    Statement,
    stands,
    statement_of,
    utc_time,
)
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

    def __init__(self, path: Path | None = None) -> None:
        """Read the file at `path` (None: the list's own in the data folder).

        ReaderError where it cannot be read for certain; no file at all means no entries.
        """
        self.path = path or data_dir() / self.name
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
                self._entries |= self._read(self.path.read_bytes())
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


class _Addresses(_PeopleList[Statement]):
    """What the lines of a list say about addresses, which are in lower case.

    Of lines about one address that carry a time the newest counts; one that keeps it from being mailed and
    has no time, or none that can be read, counts always.
    """

    _keys = ("email",)
    # The column after the address, in which a second address would be a mistake.
    _time: ClassVar[str]

    def __init__(self, path: Path | None = None) -> None:
        """Read the file, as every list."""
        self._by_address: dict[str, list[Statement]] = {}
        super().__init__(path)

    def __contains__(self, email: str) -> bool:
        """Tell whether the list alone keeps an address, in whatever letter case, from being mailed."""
        return stands(self.about(email)) is not None

    def refresh(self) -> None:
        """Read the file again if it changed since; ReaderError as at the start."""
        before = len(self._entries)
        super().refresh()
        if len(self._entries) != before:
            self._by_address = {}
            for each in self._entries:
                self._by_address.setdefault(each.email, []).append(each)

    def about(self, email: str) -> list[Statement]:
        """Return what the list says about an address."""
        return self._by_address.get(normalized(email), [])

    def _entries_of(self, lines: Iterable[Cells]) -> set[Statement]:
        return set(map(self._statement, lines))

    @abstractmethod
    def _statement(self, cells: Cells) -> Statement: ...

    def _address(self, cells: Cells) -> str:
        address = _email(cells.get("email", ""))
        if "@" in cells.get(self._time, ""):
            raise ValueError(_SEVERAL)
        return address


class OptOuts(_Addresses):
    """What is said in `unsubscribed.csv` about who asked for no more mail."""

    name = "unsubscribed.csv"
    columns = ("email", "unsubscribed_at", "source")
    _time = "unsubscribed_at"

    def _statement(self, cells: Cells) -> Statement:
        address, source = self._address(cells), visible(cells.get("source", "")).lower()
        text = visible(cells.get(self._time, ""))
        statement = statement_of(address, utc_time(text, latest=True) or ALWAYS, source)
        if statement.says == OPTED_OUT:
            return statement
        # A day alone may be that of the opt-out, too: in doubt, it was before it.
        said_at = utc_time(text)
        if said_at is None:
            message = (
                f"it takes an opt-out back, and its {self._time} is no time such as 2026-11-30T10:00:00Z"
            )
            raise ValueError(message)
        if datetime.fromisoformat(said_at) > datetime.now(UTC) + timedelta(days=1):
            message = f"its {self._time} is in the future"
            raise ValueError(message)
        return statement._replace(said_at=said_at, source="by hand")


class Bounced(_Addresses):
    """What is said in `bounced.csv` about addresses to which no mail can be delivered."""

    name = "bounced.csv"
    columns = ("email", "bounced_at", "status", "detail")
    _time = "bounced_at"

    def _statement(self, cells: Cells) -> Statement:
        said_at = utc_time(visible(cells.get(self._time, "")), latest=True) or ALWAYS
        return Statement(self._address(cells), BOUNCED, said_at, "by hand")


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
    """All that is said against mailing somebody by now, to be read again before each mail."""

    def __init__(self, program: str, ledger: Ledger) -> None:
        """Read the lists, beside the open ledger.

        ReaderError where one cannot be read for certain, or where a file lies about that looks like one and
        is not read.
        """
        misplaced = [f"{sentence}." for sentence in misplaced_lists(data_dir(), program)]
        if misplaced:
            raise ReaderError("\n".join(misplaced))
        self._ledger = ledger
        self._opt_outs = OptOuts()
        self._bounced = Bounced()
        self._not_learners = NotLearners()
        self.refresh()

    def refresh(self) -> None:
        """Read again what changed since; ReaderError as at the start."""
        self._opt_outs.refresh()
        self._bounced.refresh()
        self._not_learners.refresh()
        self._history, self._said = self._ledger.history(), self._ledger.statements()

    def reason(self, student_id: int, username: str | None, email: str | None) -> str | None:
        """Say why somebody whom the last build would mail is not to be mailed; None: nothing says so.

        An opt-out holds for the account, whichever of its addresses in the ledger it was said for.
        """
        addresses = self._history.addresses_of(student_id) | ({normalized(email)} if email else set())
        if any(is_opted_out(address, self._opt_outs, self._said) for address in addresses):
            return "unsubscribed since the build"
        if email is not None and has_bounced(email, self._bounced, self._said):
            return "address bounced since the build"
        if any(self._not_learners.has(student_id, username, each) for each in addresses or {None}):
            return "no learner since the build"
        return None


def is_opted_out(email: str, listed: OptOuts, said: Mapping[str, list[Statement]]) -> bool:
    """Tell whether an address asked for no more mail: the newest of what the list and the ledger say."""
    return _stands(email, listed, said, (OPTED_OUT, TAKEN_BACK))


def has_bounced(email: str, listed: Bounced, said: Mapping[str, list[Statement]]) -> bool:
    """Tell whether no mail can be delivered to an address, by the newest of what list and ledger say."""
    return _stands(email, listed, said, (BOUNCED, FORGOTTEN))


def _stands(
    email: str, listed: _Addresses, said: Mapping[str, list[Statement]], says: tuple[str, str]
) -> bool:
    of_ledger = (statement for statement in said.get(normalized(email), []) if statement.says in says)
    return stands([*listed.about(email), *of_ledger]) is not None


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
