"""CSV that people open: no cell of it is calculated by a spreadsheet."""

import csv
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from typing import TextIO

# Spreadsheets calculate what begins so, also after blanks and invisible characters; some also read the
# full-width forms, and a cell that begins with a tab or a line break may lose it and then begin so.
BEGINS_A_FORMULA = r"^[\pZ\pC]*[=+\-@＝＋－＠]|^[\t\r\n]"  # noqa: RUF001 - full-width on purpose
# What a learner's cell shows for a course never enrolled in. Alone it cannot be calculated.
NEVER_ENROLLED = "-"

_SIGNS = "=+-@＝＋－＠"  # noqa: RUF001 - full-width on purpose


def shown(cell: object) -> object:
    """Return a cell as a spreadsheet shows it and does not calculate it: a text, with an apostrophe."""
    if not isinstance(cell, str) or cell == NEVER_ENROLLED:
        return cell
    # As BEGINS_A_FORMULA says it to DuckDB, whose classes of characters Python's expressions lack.
    first = next((letter for letter in cell if unicodedata.category(letter)[0] not in "ZC"), "")
    return f"'{cell}" if cell.startswith(("\t", "\r", "\n")) or (first and first in _SIGNS) else cell


def write(rows: Iterable[Sequence[object]], file: TextIO | None = None) -> None:
    """Write rows, the header first; file None: to standard output."""
    writer = csv.writer(file or sys.stdout, lineterminator="\n")
    writer.writerows(map(shown, row) for row in rows)
