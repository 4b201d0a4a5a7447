"""One file of a program's folder: what is known of it, and why it cannot be read."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from mm.edx.far import AnyPath
from mm.edx.kinds import GRADE_REPORT_ERRORS, OTHER


class RefusedError(Exception):
    """A report that cannot be read; the message is the reason, in a sentence that names no learner."""


@dataclass
class Report:
    """What is known of one file. `ignored` and `refused` say why its rows do not count (None: they may).

    name: the path from the program's folder on. lines: how many its text has, and whether the last one has an
    end. row_count: how many records are loaded or damaged, None where none were. is_gone: it was there when
    its folder was listed, and is there no more.
    """

    path: AnyPath
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
