"""Days without a time: which one it still is somewhere, how a cell says one, how a language writes one."""

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from babel import Locale
from babel.core import UnknownLocaleError
from babel.dates import format_date

# A last day lasts until it has ended in UTC-12, where each day ends last, as in macros/values.sql.
_BEHIND_UTC = timedelta(hours=12)
_ISO_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# English of no country is that of most: 14 July 2026. en-US writes July 14, 2026.
_WORLD_ENGLISH = "en-001"


def day_of(moment: datetime) -> date:
    """Return the day in UTC-12 at a moment (aware): every earlier one is over everywhere."""
    return (moment.astimezone(UTC) - _BEHIND_UTC).date()


def today() -> date:
    """Return the day in UTC-12 now."""
    return day_of(datetime.now(UTC))


def end_of(day: date) -> datetime:
    """Return the moment, in UTC, from which a day is over everywhere."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1) + _BEHIND_UTC


def read_day(text: str) -> date:
    """Return the day of a text such as 2026-07-14; ValueError for any other text, as iso_date in macros/."""
    if not _ISO_DAY.fullmatch(text):
        message = "is not a day such as 2026-07-14"
        raise ValueError(message)
    return date.fromisoformat(text)


def same_tag(language: str) -> str:
    """Return a language's tag in the one form for all its spellings: pt-br for pt-BR, PT-BR and pt_BR."""
    return language.replace("_", "-").lower()


@lru_cache
def locale_of(language: str) -> Locale:
    """Return how a language, by its tag such as `es` or `pt-BR`, writes; ValueError where that is unknown."""
    tag = same_tag(language)
    try:
        return Locale.parse(_WORLD_ENGLISH if tag == "en" else tag, sep="-")
    except UnknownLocaleError as error:
        raise ValueError(str(error)) from error


@lru_cache
def in_words(day: date, language: str) -> str:
    """Return a day as a language writes it, its month in a word: 14 July 2026. ValueError as in locale_of."""
    return format_date(day, "long", locale=locale_of(language))
