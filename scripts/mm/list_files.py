"""CSV files that people keep by hand and that processes append to: never half a line, whoever does it when.

A line is written in one go while no other process reads or writes, and is on disk before anybody is told so.
"""

import codecs
import csv
import fcntl
import io
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

from mm.addresses import visible
from mm.settings import ReaderError

_MODE = 0o640


def read_whole(path: Path) -> bytes:
    """Return what is in the file while nobody appends to it; OSError where it cannot be read."""
    with path.open("rb") as file:
        # Not every network share has locks: there, it is read as any other file.
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_SH)
        return file.read()


def append_line(
    path: Path, columns: tuple[str, ...], cells_of: Callable[[bytes], Mapping[str, str] | None]
) -> bool:
    """Append a line for which the file, as it is then, gives reason; return whether there was one.

    A file that is not there is made, with these columns for its header. `cells_of` is given the content and
    returns the line's cells by column, None for no line; what it raises goes to the caller, and nothing is
    written. Cells go under the header's own columns: one that the header lacks is left out. When this
    returns, what the file says is on disk. ReaderError where the file cannot be read, locked or written;
    nothing of the line is in it then.
    """
    try:
        _make(path, columns)
        with _locked(path) as file:
            content = _read_all(file)
            cells = cells_of(content)
            if cells is not None:
                _append(file, _line(content, cells))
            # Somebody else's line, for which there is none of ours, must be on disk, too.
            os.fsync(file)
    except OSError as error:
        message = f"{path} cannot be written ({error.strerror}): mend that, then try again."
        raise ReaderError(message) from error
    return cells is not None


def _make(path: Path, columns: tuple[str, ...]) -> None:
    """Make the file with its header in one step: without a header, every reader would refuse it."""
    if os.path.lexists(path):
        return
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    # A name that begins with a dot is nobody's list.
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.") as file:
        file.write(f"{','.join(columns)}\n".encode())
        file.flush()
        os.fchmod(file.fileno(), _MODE)
        os.fsync(file.fileno())
        # Another process may have been faster: then its file is the one.
        with suppress(FileExistsError):
            path.hardlink_to(file.name)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """Open the file and keep all others out; again, where somebody's editor put another in its place."""
    while True:
        file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            if os.path.samestat(os.fstat(file), path.stat()):
                yield file
                return
        finally:
            os.close(file)


def _read_all(file: int) -> bytes:
    content = b""
    while block := os.pread(file, 1 << 20, len(content)):
        content += block
    return content


def _append(file: int, line: bytes) -> None:
    before = os.fstat(file).st_size
    try:
        left = memoryview(line)
        while left:
            left = left[os.write(file, left) :]
        os.fsync(file)
    except OSError:
        with suppress(OSError):
            os.ftruncate(file, before)
        raise


def _line(content: bytes, cells: Mapping[str, str]) -> bytes:
    text = content.removeprefix(codecs.BOM_UTF8).decode()
    header = next(csv.reader(io.StringIO(text, newline="")))
    end = _line_end(text)
    buffer = io.StringIO(newline="")
    names = (visible(name).lower() for name in header)
    csv.writer(buffer, lineterminator=end).writerow([cells.get(name, "") for name in names])
    torn = "" if text.endswith(("\n", "\r")) else end
    return f"{torn}{buffer.getvalue()}".encode()


def _line_end(text: str) -> str:
    for end in ("\r\n", "\n", "\r"):
        if end in text:
            return end
    return "\n"
