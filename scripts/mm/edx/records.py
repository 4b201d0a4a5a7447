"""The records behind a header, each with its lines and its text."""

import csv
from collections.abc import Iterator
from typing import NamedTuple, TextIO

from mm.edx.columns import COLUMNS, positions
from mm.edx.far import AnyPath
from mm.edx.file import RefusedError, Report
from mm.edx.text import count_lines

# Free text such as a learner's goals can be long; a longer line than this is damage.
MAX_LINE_BYTES = 16 * 1024 * 1024
csv.field_size_limit(MAX_LINE_BYTES)
MIXED_LINE_ENDS = "its line ends are of several kinds: download it again"


class Record(NamedTuple):
    """A record behind the header: its first line, how many lines, its cells, its text to the letter.

    A blank line is a record without cells.
    """

    line: int
    line_count: int
    cells: list[str]
    raw_text: str


def records(path: AnyPath) -> Iterator[Record]:
    """Go through the records behind the header.

    Raises RefusedError where a quote is never closed, or where a line does not end as the header does.
    """
    read: list[str] = []

    def remembered(file: TextIO) -> Iterator[str]:
        for line in file:
            read.append(line)
            yield line

    # newline="\n": a line is what ends in a line feed, as it is for the loaded rows.
    with path.open(encoding="utf-8-sig", newline="\n") as file:
        reader = csv.reader(remembered(file), strict=True)
        next(reader)
        line = 1 + len(read)
        line_end = _line_end(read)
        read.clear()
        while True:
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                reason = f"line {line}: a quote is opened there and never closed: download it again"
                # so the reader calls a carriage return alone, outside quotes
                if "new-line character" in str(error):
                    reason = MIXED_LINE_ENDS
                raise RefusedError(reason) from None
            if _line_end(read) not in {line_end, ""}:
                raise RefusedError(MIXED_LINE_ENDS)
            yield Record(line, len(read), cells, "".join(read).rstrip("\r\n"))
            line += len(read)
            read.clear()


def _line_end(lines: list[str]) -> str:
    last = lines[-1]
    return last[len(last.rstrip("\r\n")) :] if last.endswith("\n") else ""


def damage(report: Report, record: Record) -> str | None:
    """Say what is wrong with a record's width; None: nothing, or it is a blank line.

    Raises RefusedError where the file ends within the record.
    """
    width = len(report.header)
    line, line_count, cells, _ = record
    if len(cells) < width and line + line_count > report.lines and not report.ends_with_break:
        reason = f"line {line}: it ends there, within a row: download it again"
        raise RefusedError(reason)
    return f"it has {len(cells)} cells, the header has {width}" if cells and len(cells) != width else None


def read_rows(report: Report) -> Iterator[tuple[Record, list[str | None], str | None]]:
    """Go through a report's records, less blank lines: the cells in the order of COLUMNS, or what is wrong.

    A cell is None where the file does not have the column. Raises RefusedError where the file cannot be read.
    """
    count_lines(report)
    found = positions(report.header, COLUMNS[report.kind]).values()
    for record in records(report.path):
        reason = damage(report, record)
        if reason:
            yield record, [], reason
        elif record.cells:
            yield record, [None if place is None else record.cells[place] for place in found], None
