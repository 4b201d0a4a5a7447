"""The opt-outs in unsubscribed.csv, as they are at this moment."""

import csv
import re
from collections.abc import Iterator
from pathlib import Path

from mm.settings import ReaderError, data_dir

_ADDRESS = re.compile(r"[^@\s<>,;]+@[^@\s<>,;]+")


def normalized(email: str) -> str:
    """Return the address as opt-outs and unsubscribe links know it: trimmed, lower-case."""
    return email.strip().lower()


class OptOuts:
    """Addresses that asked for no more mail; `refresh` reads the file again where it changed.

    An address stays opted out for as long as the object lives, whatever becomes of the file.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Read the file at `path` (None: unsubscribed.csv in the data folder).

        ReaderError where it cannot be read for certain; no file at all means no opt-outs.
        """
        self.path = path or data_dir() / "unsubscribed.csv"
        self._addresses: set[str] = set()
        self._seen: tuple[int, int, int] | None = None
        self.refresh()

    def __contains__(self, email: str) -> bool:
        """Tell whether the address, however written, is opted out."""
        return normalized(email) in self._addresses

    def __iter__(self) -> Iterator[str]:
        """Go through the addresses, trimmed and in lower case, in alphabetical order."""
        yield from sorted(self._addresses)

    def refresh(self) -> None:
        """Read the file again if it changed since; ReaderError as at the start."""
        try:
            status = self.path.stat()
            seen = (status.st_mtime_ns, status.st_size, status.st_ino)
            if seen != self._seen:
                self._addresses |= self._read()
                self._seen = seen
        except FileNotFoundError:
            self._seen = None
        except OSError as error:
            message = f"{self.path} cannot be read ({error.strerror}): nobody is mailed until it is."
            raise ReaderError(message) from error

    def _read(self) -> set[str]:
        addresses = set()
        with self.path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            try:
                header = [cell.strip().lower() for cell in next(reader, [])]
                if "email" not in header:
                    raise self._damaged(1, "its header has no column email")
                position = header.index("email")
                for row in reader:
                    # A stray quote swallows the lines after it, and the opt-outs in them.
                    if any("\n" in cell or "\r" in cell for cell in row):
                        raise self._damaged(reader.line_num, "a cell spans several lines")
                    if not any(cell.strip() for cell in row):
                        continue
                    # An opt-out that nobody understands must not be passed over.
                    address = normalized(row[position]) if len(row) > position else ""
                    if not _ADDRESS.fullmatch(address):
                        raise self._damaged(reader.line_num, "its email is no address")
                    addresses.add(address)
            except UnicodeDecodeError as error:
                raise self._damaged(reader.line_num + 1, "it is not UTF-8") from error
            except csv.Error as error:
                raise self._damaged(reader.line_num, "its quotes do not match") from error
        return addresses

    def _damaged(self, line: int, what: str) -> ReaderError:
        return ReaderError(
            f"{self.path}, line {line}: {what}; expected a CSV with the columns "
            "email, unsubscribed_at, source. Nobody is mailed until it is repaired."
        )
