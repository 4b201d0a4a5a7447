"""Lists of people, read as of this moment, which people keep by hand; nothing is ever written to them.

What `mm` itself learns is in the ledger.
"""

import codecs
import csv
import io
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Generic, NoReturn, TypeVar

from mm.config import ReaderError, data_dir
from mm.edx.text import HEAD_BYTES, kind_of_content
from mm.people.addresses import normalized, read_address, visible

_SAVE_ANEW = 'save it as "CSV UTF-8", separated by commas'
_OTHER_KINDS = {
    "gzip": "it is gzip-compressed: unpack it",
    "zip": f"it is a workbook or a ZIP archive, not a CSV file: unpack it, or {_SAVE_ANEW}",
    "old workbook": f"it is an Excel workbook, not a CSV file: {_SAVE_ANEW}",
    "utf-16": f"it is UTF-16 text: {_SAVE_ANEW}",
    "web page": f"it is a web page, not a CSV file: put the list itself there, or {_SAVE_ANEW}",
    "pdf": f"it is a PDF file, not a CSV file: {_SAVE_ANEW}",
}
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}
SEVERAL = "it has more than one address: give each a line of its own"
Cells = Mapping[str, str]
Entry = TypeVar("Entry")


class PeopleList(ABC, Generic[Entry]):
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
                self._refuse("it is a broken link: what it leads to is not there")
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
        if what := _OTHER_KINDS.get(kind_of_content(content[:HEAD_BYTES]) or ""):
            self._refuse(what)
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


def _has_line_break(row: list[str]) -> bool:
    return any("\n" in cell or "\r" in cell for cell in row)


def _by_column(header: list[str], row: list[str]) -> dict[str, str]:
    if len(row) == 1 < len(header) and "," in row[0]:
        message = "the line as a whole is in quotes: take these away"
        raise ValueError(message)
    if any("@" in cell for cell in row[len(header) :]):
        raise ValueError(SEVERAL)
    return dict(zip(header, row, strict=False))


# A list is read again at each change, and nearly all of its lines are those of before.
@lru_cache(maxsize=100_000)
def email_of(cell: str) -> str:
    """Return the address that a cell has, in lower case; ValueError where it is none."""
    try:
        return normalized(read_address(cell))
    except ValueError as error:
        message = f"its email {error}"
        raise ValueError(message) from error


def _line_at(content: bytes, position: int) -> int:
    return len(re.split(rb"\r\n|\r|\n", content[:position]))
