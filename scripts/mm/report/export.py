"""Write a published table to take away: for a spreadsheet (CSV, Excel) or for other tools (Parquet)."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import duckdb
from xlsxwriter import Workbook
from xlsxwriter.exceptions import XlsxWriterException

from mm.config import PROJECT, ReaderError
from mm.csv_out import BEGINS_A_FORMULA, NEVER_ENROLLED
from mm.database import is_damage, quoted, sync
from mm.published import WIDE, published

# Excel has 1,048,576 rows, and one of them is the header.
EXCEL_LEARNERS = 1_048_575

_ROWS_AT_ONCE = 10_000
# Excel's numbers have 15 digits; a longer id would lose its end.
_EXCEL_NUMBERS = 10**15
_NARROWEST, _WIDEST = 8, 40
_LONGEST_SHEET_NAME = 31
# Columns of tables that tell of single learners.
_OF_LEARNERS = {"student_id", "learner_id", "email", "raw_text"}
# The filter's arrow stands in the header.
_ARROW = 3


class Format(StrEnum):
    """What `mm export` can write."""

    CSV = "csv"
    XLSX = "xlsx"
    PARQUET = "parquet"


class Exported(NamedTuple):
    """What was written. rows: how many, one per learner in the report. is_personal: it tells of learners."""

    path: Path
    rows: int
    is_personal: bool


def export(
    program: str, kind: Format, out: Path | None = None, *, table: str | None = None, raw: bool = False
) -> Exported:
    """Write a published table. table None: the report, <program>_coursecompletion, most certificates first.

    out None: out/<program>/<table>.<kind> in the project. raw: CSV to the letter, without the apostrophe that
    keeps a spreadsheet from calculating a text. ReaderError or OSError where there is no such table or it
    cannot be written whole; then nothing has the file's name that did not have it before.
    """
    wide = f"{program}_{WIDE}"
    name = table or wide
    out = out or PROJECT / "out" / program / f"{name}.{kind}"
    with published(program, "export", without=(WIDE,) if table else ()) as connection:
        _check_table(connection, name)
        (count,) = connection.execute(f'select count(*) from "{name}"').fetchone() or (0,)
        if kind is Format.XLSX and count > EXCEL_LEARNERS:
            has_them = f"this program has {count:,}" if name == wide else f"{name} has {count:,} rows"
            message = (
                f"An Excel sheet holds {EXCEL_LEARNERS:,} {'learners' if name == wide else 'rows'}, and "
                f"{has_them}: export it with --format csv or --format parquet."
            )
            raise ReaderError(message)
        order = f'order by no_certificate_eligible desc, "{name}".student_id' if name == wide else ""
        is_personal = bool(_columns(connection, name).keys() & _OF_LEARNERS)
        with whole_file(out) as draft, _failing_in_words(out):
            # What does not fit into memory goes where the file will be: those files are personal data, too.
            connection.execute("set temp_directory = ?", [str(draft.parent)])
            # With more threads, DuckDB 2.0 now and then waits for ever once one cannot write to a full disk.
            connection.execute("set threads = 1")
            if kind is Format.XLSX:
                _write_xlsx(connection, name, count, order, draft)
            else:
                _copy(connection, name, kind, order, draft, raw=raw)
    return Exported(out, count, is_personal)


def _check_table(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    there = [table for (table,) in connection.execute("select table_name from duckdb_tables()").fetchall()]
    if name not in there:
        near = " or ".join(get_close_matches(name, there))
        message = (
            f"There is no published table {name!r}. {f'Did you mean {near}? ' if near else ''}"
            f"There are: {', '.join(sorted(there))}."
        )
        raise ReaderError(message)


@contextmanager
def whole_file(out: Path) -> Iterator[Path]:
    """Give a path to write to, in a new folder beside `out`; its file then gets the name of `out`.

    Where anything fails, the new folder is removed and `out` is as it was. Folders that are missing are
    made.
    """
    if out.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(out))
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".mm-", dir=out.parent) as folder:
        draft = Path(folder, out.name)
        yield draft
        sync(draft)
        draft.replace(out)
    sync(out.parent)


@contextmanager
def _failing_in_words(out: Path) -> Iterator[None]:
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        message = f"{out} needs more memory than it may take: set MM_MEMORY_LIMIT higher, such as 2GB."
        raise ReaderError(message) from error
    except duckdb.IOException as error:
        if is_damage(error):
            # What is read is, not what is written.
            raise
        message = f"{out} could not be written: see whether its disk has room."
        raise ReaderError(message) from error
    except XlsxWriterException as error:
        message = "Excel's format cannot hold this report: export it with --format csv or --format parquet."
        raise ReaderError(message) from error


def _copy(  # noqa: PLR0913 - what is written, how, and to where
    connection: duckdb.DuckDBPyConnection, name: str, kind: Format, order: str, draft: Path, *, raw: bool
) -> None:
    columns = _columns(connection, name)
    cells = [f'"{column}"' for column in columns]
    if kind is Format.CSV:
        if not raw:
            cells = [
                _protected(column) if data_type == "VARCHAR" else f'"{column}"'
                for column, data_type in columns.items()
            ]
        # Excel takes a CSV file for UTF-8 only where a byte order mark begins it.
        headings = ["\ufeff" + column if i == 0 else column for i, column in enumerate(columns)]
        cells = [f'{cell} as "{heading}"' for cell, heading in zip(cells, headings, strict=True)]
    options = "format csv, header" if kind is Format.CSV else "format parquet, compression zstd"
    connection.execute(f"copy ({_query(name, cells, order)}) to {quoted(draft)} ({options})")


def _protected(column: str) -> str:
    return (
        f"""if("{column}" != '{NEVER_ENROLLED}' and regexp_matches("{column}", '{BEGINS_A_FORMULA}'),"""
        f""" '''' || "{column}", "{column}")"""
    )


def _write_xlsx(
    connection: duckdb.DuckDBPyConnection, name: str, count: int, order: str, draft: Path
) -> None:
    columns = _columns(connection, name)
    longest = ", ".join(f'max(length("{column}"::varchar))' for column in columns)
    lengths = connection.execute(f'select {longest} from "{name}"').fetchone() or ()
    book = Workbook(draft, {"constant_memory": True, "tmpdir": str(draft.parent)})
    sheet = book.add_worksheet(WIDE if name.endswith(f"_{WIDE}") else name[:_LONGEST_SHEET_NAME])
    heading = book.add_format({"bold": True, "bottom": 1})
    # Excel would calculate such a text once somebody edits its cell, but for this mark.
    text = book.add_format({"quote_prefix": True})
    sheet.freeze_panes(1, 0)
    sheet.autofilter(0, 0, count, len(columns) - 1)
    for i, (column, length) in enumerate(zip(columns, lengths, strict=True)):
        sheet.set_column(i, i, min(max(length or 0, len(column) + _ARROW, _NARROWEST), _WIDEST))
        sheet.write_string(0, i, column, heading)
    cells = [f'"{column}"' for column in columns]
    begin_formulas = ", ".join(
        f"""coalesce(regexp_matches("{column}"::varchar, '{BEGINS_A_FORMULA}'), false)"""
        for column in columns
    )
    rows = connection.execute(_query(name, [*cells, f"[{begin_formulas}]"], order))
    number = 0
    while some := rows.fetchmany(_ROWS_AT_ONCE):
        for *values, marks in some:
            number += 1
            for i, (value, mark) in enumerate(zip(values, marks, strict=True)):
                if isinstance(value, bool):
                    sheet.write_boolean(number, i, value)
                elif isinstance(value, int | float) and abs(value) < _EXCEL_NUMBERS:
                    sheet.write_number(number, i, value)
                elif value is not None and sheet.write_string(number, i, str(value), text if mark else None):
                    message = (
                        f"Column {list(columns)[i]} holds a text that is longer than Excel's cells: "
                        "export it with --format csv or --format parquet."
                    )
                    raise ReaderError(message)
    book.close()


def _columns(connection: duckdb.DuckDBPyConnection, name: str) -> dict[str, str]:
    described = connection.execute(f'describe "{name}"').fetchall()
    return {column: data_type for column, data_type, *_ in described}


def _query(name: str, cells: list[str], order: str) -> str:
    return f'select {", ".join(cells)} from "{name}" {order}'
