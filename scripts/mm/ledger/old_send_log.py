"""The `<program>.send_log.csv` that earlier versions wrote, torn lines too."""

from collections.abc import Iterator
from pathlib import Path

from mm.config import ReaderError
from mm.ledger.history import Event, Line, MailKey

_COLUMNS = (
    "student_id",
    "trigger_course_instance",
    "trigger_course_verified",
    "attempt",
    "event",
    "logged_at",
    "message_id",
    "email",
    "detail",
)
_HEADER = (",".join(_COLUMNS) + "\n").encode()
_CELLS_OF_AN_INTENT = 4


def read_old_log(path: Path, program: str) -> Iterator[Line]:
    """Go through the send log that an earlier version wrote for a program, a torn one too.

    No file has no lines. ReaderError where the file cannot be read or is not a send log.
    """
    try:
        with path.open("rb") as file:
            header = file.readline()
            if not _HEADER.startswith(header):
                raise _unreadable(path, 1)
            for number, content in enumerate(file, start=2):
                text = content.decode(errors="replace").removesuffix("\n")
                line = _line(path, number, text, program)
                if line is not None:
                    yield line
    except FileNotFoundError:
        pass
    except OSError as error:
        message = f"The send log {path} cannot be read ({error.strerror}): nobody is mailed until it is."
        raise ReaderError(message) from error


def _line(path: Path, number: int, text: str, program: str) -> Line | None:
    cells = text.split(",")
    if len(cells) <= _CELLS_OF_AN_INTENT:
        # Torn inside its key: such an intent was not on disk yet, so nothing was accepted.
        return None
    try:
        key = MailKey(int(cells[0]), cells[1], int(cells[2]))
        attempt = int(cells[3])
        # A line torn after its key is an intent: what it was to say beyond that is not certain.
        event = Event(cells[4]) if len(cells) == len(_COLUMNS) else Event.INTENT
    except ValueError as error:
        raise _unreadable(path, number) from error
    if len(cells) > len(_COLUMNS):
        raise _unreadable(path, number)
    # Only a cell that a comma ends is whole.
    whole = dict(zip(_COLUMNS, cells[:-1], strict=False))
    return Line(
        program,
        key,
        attempt,
        event,
        whole.get("logged_at", ""),
        whole.get("message_id", ""),
        whole.get("email", ""),
        # Earlier versions filled a short line up with dots.
        cells[-1].rstrip(".") if len(cells) == len(_COLUMNS) else "",
    )


def _unreadable(path: Path, number: int) -> ReaderError:
    return ReaderError(
        f"{path}, line {number}, is not a line of a send log: expected {','.join(_COLUMNS)}. "
        "Nobody is mailed until the file is as `mm send` wrote it; restore it from a copy."
    )
