"""What pages share: their templates, and how they say numbers, shares and days."""

import unicodedata
from datetime import datetime, timedelta
from typing import Any

import duckdb
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from mm.config import TEMPLATES


def environment() -> Environment:
    """Return the templates, which escape what they are given and have this module's words as filters."""
    templates = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {"number": number, "share": share, "day": day, "moment": moment, "many": many}
    return templates


def all_rows(connection: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    """Return a query's rows, each by column."""
    cursor = connection.execute(query)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def on_one_line(text: str) -> str:
    """Return a text without line breaks and control characters, of which XML takes none, and trimmed."""
    is_no_letter = {"Cc", "Cs", "Zl", "Zp"}
    letters = (" " if unicodedata.category(each) in is_no_letter else each for each in text)
    return " ".join("".join(letters).translate({0xFFFE: " ", 0xFFFF: " "}).split())


def number(count: int) -> str:
    """Return a whole number with commas between its thousands."""
    return f"{count:,}"


def short_number(count: int) -> str:
    """Return at most four digits and a letter, which a chart's narrow column has room for."""
    for unit, letter in ((10**6, "M"), (10**3, "k")):
        if count >= 10 * unit:
            return f"{count / unit:.0f}{letter}"
    return number(count)


def share(count: int, total: int) -> str:
    """Return a percentage that says neither 0% nor 100% where it only nearly is; empty without a total."""
    if not total:
        return ""
    percent = f"{count / total:.0%}"
    if percent == "0%" and count:
        return "<1%"
    return ">99%" if percent == "100%" and count < total else percent


def many(count: int, one: str, several: str | None = None) -> str:
    """Return a number of things with their name; several: their name where it is not `one` with an s."""
    return f"{number(count)} {one if count == 1 else several or one + 's'}"


def day(at: datetime, month: str = "%B") -> str:
    """Return a moment's day; month: how strftime writes its month."""
    return f"{at.day} {at:{month} %Y}"


def moment(at: datetime) -> str:
    """Return a moment, UTC, to the minute."""
    return f"{day(at)}, {at:%H:%M} UTC"


def counted(count: int, one: str) -> str:
    """Return a number of things, without commas, with their name and an s where they are several."""
    return f"{count} {one if count == 1 else one + 's'}"


def age(since: timedelta) -> str:
    """Return in whole days how old something is; negative: it is of later than the page."""
    if since < timedelta(0):
        return "dated later than this report"
    return f"{many(since.days, 'day')} old" if since.days else "less than a day old"
