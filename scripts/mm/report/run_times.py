"""The order of runs in time, by their keys alone: close to int_run_codes.sql, which says it in full."""

import re
from collections.abc import Iterable, Mapping

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_SEASONS = {"winter": 1.0, "spring": 2.0, "summer": 3.0, "fall": 4.0, "autumn": 4.0}


def when(run_code: str, rows: Iterable[Mapping[str, str]] = ()) -> tuple[int, list[float], str]:
    """Return what sorts runs of a course by year, term and suffix; without a year, before all others.

    rows: those of seeds/course_runs.csv on the run, whose year and term go before what its key says.
    """
    said = next((f"{row['year']} {row.get('term', '')}" for row in rows if row.get("year")), None)
    text = (said or run_code).lower()
    year = re.search(r"(?<![0-9])(?:19|20)[0-9]{2}", text)
    rest = text.replace(year[0], " ", 1) if year else text
    ranks = [rank for word in re.findall(r"[a-z]+|[0-9]+", rest) if (rank := _rank(word)) is not None]
    return int(year[0]) if year else 0, ranks, rest


def _rank(word: str) -> float | None:
    if word.isdigit():
        # A month, in two digits, stands within its quarter.
        return 1 + (int(word) - 1) / 3 if len(word) == 2 else float(word)  # noqa: PLR2004 - as it says
    if word in _SEASONS:
        return _SEASONS[word]
    return 1 + _MONTHS.index(word[:3]) / 3 if word[:3] in _MONTHS else None
