"""The charts of a page, which templates/report_parts.html.j2 draws: bars, and lines over time."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import Any

from mm.pages import day, short_number

# Label, column, colour and dashes of each line; through dashes one sees the line below.
LINES = (
    ("Enrolled", "enrolled", "enrolled", None),
    ("Attempted", "attempted", "attempted", None),
    ("Passed", "passed", "passed", None),
    ("Verified", "verified", "verified", "8 4"),
    ("Eligible", "certificate_eligible", "eligible", "4 4"),
)
# In pixels. A chart of lines is as wide as a phone of 360 pixels leaves room for.
_WIDTH, _PLOT, _TEXT, _SMALL_TEXT = 328, 120, 12, 11
_LABEL, _LABEL_WIDTH, _LEADER, _TICK, _GAP = 17, 65, 14, 4, 8
# A digit is no wider than this fraction of its height, in all fonts that systems show.
_DIGIT = 0.64
_TICKS = 4


@dataclass(frozen=True, slots=True)
class Bars:
    """A row of a chart: its label, a bar for each value with its colour, and texts at its right end."""

    label: str
    bars: Sequence[tuple[int, str]]
    texts: Sequence[str]


@dataclass(frozen=True, slots=True)
class Line:
    """A line over time, and the leader from its end to where its label has room; points as SVG has them."""

    label: str
    number: str
    colour: str
    dashes: str | None
    points: str
    leader: str
    label_y: float


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines over time and their axes, in pixels from the upper left corner."""

    width: float
    height: float
    left: float
    right: float
    bottom: float
    labels_x: float
    axes: str
    ticks: Sequence[tuple[float, str]]
    days: Sequence[tuple[float, str, str]]
    lines: Sequence[Line]


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture, of bars or of lines, what it shows in words, and the table behind it.

    detail: what the title does not say, or None. headers: the names and colours of the bars' texts.
    """

    title: str
    detail: str | None
    words: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    bars: Sequence[Bars] = ()
    headers: Sequence[tuple[str, str]] = ()
    lines: Lines | None = None

    @property
    def largest(self) -> int:
        """The value of the longest bar; 0: no bar has a length."""
        return max((value for row in self.bars for value, _ in row.bars), default=0)


def chart_of_bars(  # noqa: PLR0913 - one argument for each part of a chart
    title: str,
    bars: Sequence[Bars],
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    detail: str | None = None,
    headers: Sequence[tuple[str, str]] = (),
) -> Chart:
    """Return a chart of bars."""
    words = "; ".join(f"{row.label}: {', '.join(row.texts)}" for row in bars)
    if headers:
        words = f"{', '.join(name for name, _ in headers)}: {words}"
    return Chart(title, detail, words, head, rows, bars, headers)


def lines_over_time(downloads: Sequence[Mapping[str, Any]]) -> Lines:
    """Return the lines of a run's downloads, each with its label and newest number at its end.

    downloads: two or more, in the order of their stamps, all of which differ.
    """
    begin, end, newest = downloads[0]["reported_at"], downloads[-1]["reported_at"], downloads[-1]
    ticks = _ticks(max(download[of] for download in downloads for _, of, *_ in LINES))
    left = _GAP + _SMALL_TEXT * _DIGIT * max(len(short_number(tick)) for tick in ticks)
    numbers = _TEXT * _DIGIT * max(len(short_number(newest[of])) for _, of, *_ in LINES)
    labels = _WIDTH - numbers - _GAP - _LABEL_WIDTH
    right = labels - _GAP / 2 - _LEADER
    top, bottom = _LABEL / 2, _LABEL / 2 + _PLOT
    places = [left + (each["reported_at"] - begin) / (end - begin) * (right - left) for each in downloads]

    def height(number: int) -> float:
        return bottom - number / ticks[-1] * _PLOT

    # Where lines end close together, their labels cannot: a leader goes from each end to its label.
    lines, lowest = [], -math.inf
    for i, (label, of, colour, dashes) in enumerate(sorted(LINES, key=lambda line: -newest[line[1]])):
        points = [(place, height(each[of])) for place, each in zip(places, downloads, strict=True)]
        lowest = max(lowest + _LABEL, points[-1][1])
        y = min(lowest, bottom - _LABEL * (len(LINES) - 1 - i))
        leader = _points([points[-1], (right + _LEADER, y)])
        number = short_number(newest[of])
        lines.append(Line(label, number, colour, dashes, _points(points), leader, round(y, 1)))
    # The axes and all their ticks are one path with gaps, as an element for each would be much longer.
    strokes = [
        [(left, top), (left, bottom), (right, bottom)],
        *([(left - _TICK, height(tick)), (left, height(tick))] for tick in ticks),
        *([(place, bottom), (place, bottom + _TICK)] for place in places),
    ]
    return Lines(
        width=_WIDTH,
        height=bottom + _TICK + _LABEL,
        left=round(left, 1),
        right=round(right, 1),
        bottom=bottom,
        labels_x=round(labels, 1),
        axes="M" + "M".join(map(_points, strokes)),
        ticks=[(round(height(tick), 1), short_number(tick)) for tick in ticks],
        days=_days(begin, end, left, right),
        lines=lines,
    )


def _ticks(largest: int) -> range:
    """Return the marks of an axis: 0, and at most _TICKS round steps up to `largest` (above 0) or beyond."""
    steps = (digit * 10**zeros for zeros in count() for digit in (1, 2, 5))
    step = next(step for step in steps if step * _TICKS >= largest)
    return range(0, largest + step, step)


def _days(begin: datetime, end: datetime, left: float, right: float) -> list[tuple[float, str, str]]:
    first = (round(left, 1), "start", day(begin, "%b"))
    last = (round(right, 1), "end", day(end, "%b"))
    return [first] if end.date() == begin.date() else [first, last]


def _points(points: Sequence[tuple[float, float]]) -> str:
    # A tenth of a pixel is exact enough, and keeps a page of many lines small.
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
