"""What pages share: their templates, and how they say numbers, shares and days."""

import re
import unicodedata
from datetime import datetime, timedelta

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from mm.config import TEMPLATES

# Control characters and halves of characters, which HTML and UTF-8 have no place for.
_IN_NO_PAGE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def environment() -> Environment:
    """Return the templates of pages, with this module's words as filters.

    They escape what they are given, put a space for each control character, and take no undefined name.
    """
    templates = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_fit_for_a_page,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {"number": number, "share": share, "day": day, "moment": moment, "many": many}
    return templates


def _fit_for_a_page(value: object) -> object:
    if isinstance(value, str) and _IN_NO_PAGE.search(value):
        fit = _IN_NO_PAGE.sub(" ", value)
        return Markup(fit) if isinstance(value, Markup) else fit  # noqa: S704 - as it was
    return value


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
