"""Draw the charts of a page: bars and lines as SVG, which takes its colours from the page."""

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from xml.etree import ElementTree as ET

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path
from matplotlib.ticker import MaxNLocator

from mm.pages import day, on_one_line, short_number

# A chart is as wide as a phone of 360 pixels leaves room for, so its text is never scaled down.
_WIDTH = 328
_ROW, _HEADER = 24, 22
_PLOT, _LABEL, _LEADER, _TICK = 120, 17, 14, 4
_TEXT, _SMALL_TEXT = 12, 11
_GAP = 8
_WIDEST_LABEL = 120
# Okabe and Ito's colours, which everybody can tell apart, and a grey. They only stand for the page's own
# properties, such as --passed, which have a shade for light and one for dark.
_COLOURS = {
    "enrolled": "#999999",
    "attempted": "#009e73",
    "passed": "#0072b2",
    "verified": "#cc79a7",
    "eligible": "#d55e00",
    "axis": "#333333",
}
# Label, column, colour and matplotlib's style of each line; through dashes one sees the line below.
LINES = (
    ("Enrolled", "enrolled", "enrolled", "solid"),
    ("Attempted", "attempted", "attempted", "solid"),
    ("Passed", "passed", "passed", "solid"),
    ("Verified", "verified", "verified", (0, (4, 2))),
    ("Eligible", "certificate_eligible", "eligible", (0, (2, 2))),
)
_SVG = "{http://www.w3.org/2000/svg}"
_LOOK = ("fill", "stroke", "stroke-width", "stroke-dasharray")


@dataclass(frozen=True, slots=True)
class Bars:
    """A row of a chart: its label, a bar for each value with its colour, and texts at its right end."""

    label: str
    bars: Sequence[tuple[int, str]]
    texts: Sequence[str]


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture and the table behind it. detail: what the title does not say, or None."""

    title: str
    detail: str | None
    svg: Markup
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


def chart(  # noqa: PLR0913 - one argument for each part of a chart
    key: str,
    title: str,
    bars: Sequence[Bars],
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    detail: str | None = None,
    headers: Sequence[tuple[str, str]] = (),
) -> Chart:
    """Return a chart of bars; key: its name on the page; headers: the names and colours of its texts."""
    bars = [replace(row, label=on_one_line(row.label)) for row in bars]
    named = f"{title} ({detail})" if detail else title
    described = "; ".join(f"{row.label}: {', '.join(row.texts)}" for row in bars)
    heads = ", ".join(header for header, _ in headers)
    description = f"{heads}: {described}" if heads else described
    return Chart(title, detail, inline(_draw(bars, headers), key, named, description), head, rows)


def _draw(rows: Sequence[Bars], headers: Sequence[tuple[str, str]]) -> str:
    """Return an SVG of horizontal bars: label, bars, columns of texts; headers name columns and colours."""
    texts = list(zip(*(row.texts for row in rows), strict=True))
    names = [header for header, _ in headers] or [""] * len(texts)
    columns = [
        _GAP + max(_width(name, _SMALL_TEXT), *map(_width, column))
        for name, column in zip(names, texts, strict=True)
    ]
    rights = [_WIDTH - sum(columns[i + 1 :]) for i in range(len(columns))]
    left = _GAP + min(_WIDEST_LABEL, max(_width(row.label) for row in rows))
    room = _WIDTH - sum(columns) - left
    largest = max((value for row in rows for value, _ in row.bars), default=0) or 1
    top = _HEADER if headers else 0
    height = top + _ROW * len(rows)
    thickness = 5 if len(rows[0].bars) > 1 else 14
    canvas = _Canvas(height)
    for (name, colour), right in zip(headers, rights, strict=False):
        canvas.write(right, 7, name, "right", _SMALL_TEXT)
        canvas.bar(right - _width(name, _SMALL_TEXT), 17, _width(name, _SMALL_TEXT), 3, colour)
    for i, row in enumerate(rows):
        middle = top + _ROW * (i + 0.5)
        canvas.write(0, middle, _fitting(row.label), "left")
        for j, (value, colour) in enumerate(row.bars):
            y = middle + (thickness + 1) * (j - (len(row.bars) - 1) / 2)
            if value:
                # One learner among a million is still to be seen.
                canvas.bar(left, y, max(value / largest * room, 1), thickness, colour)
        for text, right in zip(row.texts, rights, strict=True):
            canvas.write(right, middle, text, "right")
    canvas.bar(left - 1, top + (height - top) / 2, 1, height - top, "axis")
    return canvas.svg()


def draw_lines(downloads: Sequence[Mapping[str, Any]]) -> str:
    """Return an SVG of lines over time, each with its label and newest number at its end.

    downloads: two or more, in the order of their stamps, all of which differ.
    """
    begin, end, newest = downloads[0]["reported_at"], downloads[-1]["reported_at"], downloads[-1]
    largest = max(download[of] for download in downloads for _, of, *_ in LINES) or 1
    ticks = [int(tick) for tick in MaxNLocator(4, steps=(1, 2, 5, 10), integer=True).tick_values(0, largest)]
    left = _GAP + max(_width(short_number(tick), _SMALL_TEXT) for tick in ticks)
    numbers = max(_width(short_number(newest[of])) for _, of, *_ in LINES)
    labels = _WIDTH - numbers - _GAP - max(_width(label) for label, *_ in LINES)
    right = labels - _GAP / 2 - _LEADER
    top, bottom = _LABEL / 2, _LABEL / 2 + _PLOT
    places = [left + (each["reported_at"] - begin) / (end - begin) * (right - left) for each in downloads]

    def height(count: int) -> float:
        return bottom - count / ticks[-1] * _PLOT

    canvas = _Canvas(bottom + _TICK + _LABEL)
    # The axes and all their ticks are one line with gaps, as a path for each tick would be much longer.
    strokes = [
        *([(left, top), (left, bottom)], [(left, bottom), (right, bottom)]),
        *([(left - _TICK, height(tick)), (left, height(tick))] for tick in ticks),
        *([(place, bottom), (place, bottom + _TICK)] for place in places),
    ]
    canvas.line([point for stroke in strokes for point in (*stroke, (math.nan, math.nan))], "axis")
    for tick in ticks:
        canvas.write(left - _GAP, height(tick), short_number(tick), "right", _SMALL_TEXT)
    canvas.write(left, bottom + _TICK + _LABEL / 2, day(begin, "%b"), "left", _SMALL_TEXT)
    if end.date() != begin.date():
        canvas.write(right, bottom + _TICK + _LABEL / 2, day(end, "%b"), "right", _SMALL_TEXT)
    for _, of, colour, style in LINES:
        points = [(place, height(each[of])) for place, each in zip(places, downloads, strict=True)]
        canvas.line(points, colour, 2, style)
    # Where lines end close together, their labels cannot: a leader goes from each end to its label.
    lowest = -math.inf
    for i, (label, of, colour, _) in enumerate(sorted(LINES, key=lambda line: -newest[line[1]])):
        lowest = max(lowest + _LABEL, height(newest[of]))
        y = min(lowest, bottom - _LABEL * (len(LINES) - 1 - i))
        canvas.line([(right, height(newest[of])), (right + _LEADER, y)], colour)
        canvas.write(labels, y, label, "left")
        canvas.write(_WIDTH, y, short_number(newest[of]), "right")
    return canvas.svg()


class _Canvas:
    """A picture in the making, _WIDTH wide, in pixels from its upper left corner."""

    def __init__(self, height: float) -> None:
        self._figure = Figure(figsize=(_WIDTH / 72, height / 72), dpi=72)
        self._axes = self._figure.add_axes((0, 0, 1, 1))
        self._axes.set_axis_off()
        self._axes.set_xlim(0, _WIDTH)
        self._axes.set_ylim(height, 0)

    def write(self, x: float, y: float, text: str, side: str, size: int = _TEXT) -> None:
        self._axes.text(x, y, text, ha=side, va="center_baseline", size=size, parse_math=False)

    def bar(self, x: float, y: float, width: float, thick: float, colour: str) -> None:
        self._axes.barh(y, width, thick, x, color=_COLOURS[colour], linewidth=0, clip_on=False)

    def line(
        self,
        points: Sequence[tuple[float, float]],
        colour: str,
        width: int = 1,
        style: str | tuple[int, tuple[int, int]] = "solid",
    ) -> None:
        # A tenth of a pixel is exact enough, and keeps a page of many lines small.
        xs, ys = ([round(each, 1) for each in side] for side in zip(*points, strict=True))
        # Simplified, a path of ticks has one too many.
        with mpl.rc_context({"path.simplify": False}):
            self._axes.plot(xs, ys, color=_COLOURS[colour], linewidth=width, linestyle=style, clip_on=False)

    def svg(self) -> str:
        buffer = io.StringIO()
        # Text stays text, so that it can be searched, read aloud and shown in the reader's own font.
        with mpl.rc_context({"svg.fonttype": "none"}):
            self._figure.savefig(buffer, format="svg", transparent=True)
        return buffer.getvalue()


def inline(svg: str, key: str, title: str, description: str) -> Markup:
    """Return the bars, lines and texts of matplotlib's SVG as one that a page can hold and colour."""
    drawn = ET.fromstring(svg)  # noqa: S314 - made here
    names = {"title": f"{key}-title", "desc": f"{key}-desc"}
    picture = ET.Element(
        "svg",
        {"viewBox": drawn.attrib["viewBox"], "role": "img", "aria-labelledby": " ".join(names.values())},
    )
    for tag, text in (("title", title), ("desc", description)):
        ET.SubElement(picture, tag, id=names[tag]).text = on_one_line(text)
    properties = {colour: f"var(--{name})" for name, colour in _COLOURS.items()}
    for part in drawn.iter():
        style = dict(item.split(": ", 1) for item in part.get("style", "").split("; ") if item)
        if part.tag == f"{_SVG}path" and properties.keys() & style.values():
            outline = " ".join(part.attrib["d"].split())
            look = [f"{name}: {properties.get(style[name], style[name])}" for name in _LOOK if name in style]
            ET.SubElement(picture, "path", d=outline, style="; ".join(look))
        elif part.tag == f"{_SVG}text":
            kept = {name: part.attrib[name] for name in ("x", "y")}
            kept |= {name: style[name] for name in ("font-size", "text-anchor")}
            ET.SubElement(picture, "text", kept).text = part.text
    return Markup(ET.tostring(picture, encoding="unicode"))  # noqa: S704 - escaped by tostring


def _width(text: str, size: int = _TEXT) -> float:
    # matplotlib's own font is wider than those that systems show, so what fits in it fits in theirs.
    width, _, _ = text_to_path.get_text_width_height_descent(text, FontProperties(size=size), ismath=False)
    return float(width)


def _fitting(label: str) -> str:
    if _width(label) <= _WIDEST_LABEL:
        return label
    while _width(label + "…") > _WIDEST_LABEL:
        label = label[:-1]
    return label + "…"
