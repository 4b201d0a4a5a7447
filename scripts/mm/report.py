"""Draw a program's report: one HTML file with pictures, which needs nothing else to be shown."""

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import duckdb
import matplotlib as mpl
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path
from matplotlib.ticker import MaxNLocator

from mm.export import whole_file
from mm.published import published
from mm.settings import PROJECT, TEMPLATES, ReaderError

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
_LINES = (
    ("Enrolled", "enrolled", "enrolled", "solid"),
    ("Attempted", "attempted", "attempted", "solid"),
    ("Passed", "passed", "passed", "solid"),
    ("Verified", "verified", "verified", (0, (4, 2))),
    ("Eligible", "certificate_eligible", "eligible", (0, (2, 2))),
)
_COUNTRIES = 15
_SVG = "{http://www.w3.org/2000/svg}"
_LOOK = ("fill", "stroke", "stroke-width", "stroke-dasharray")
_STAGES = {
    "enrolled": "no graded work handed in yet",
    "attempted": "a grade above 0, no course passed yet",
    "passed one": "passed one course",
    "on the way": "passed several courses",
    "one to go": "one certificate short of the series",
    "series complete": "all certificates of the series",
}


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


def write_report(
    program: str, out: Path | None = None, *, now: datetime, with_learners: bool = False
) -> Path:
    """Write the report as of `now` (aware) and return its file.

    out None: out/<program>/report.html in the project. with_learners: also name those who are one
    certificate short. ReaderError or OSError where it cannot be made; then `out` is as it was.
    """
    with published(program, "report") as connection:
        page = render_report(connection, now, with_learners=with_learners)
    out = out or PROJECT / "out" / program / "report.html"
    with whole_file(out) as draft:
        draft.write_text(page, encoding="utf-8")
    return out


def render_report(
    connection: duckdb.DuckDBPyConnection, now: datetime, *, with_learners: bool = False
) -> str:
    """Return the report's HTML, the same for the same data and moment."""
    # The tables' times are UTC without saying so.
    now = now.astimezone(UTC).replace(tzinfo=None)
    program = _one(connection, "from programs")
    courses = _all(
        connection, "select *, coalesce(title, course) as name from course_summary order by position"
    )
    runs = _all(connection, _RUNS)
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": _number, "share": _share, "day": _day, "moment": _moment, "many": _many}
    return environment.get_template("report.html.j2").render(
        program=program,
        now=now,
        summary=_one(connection, "from program_summary"),
        courses=courses,
        runs=len(runs),
        certificates=_certificates(connection),
        stages=_stages(connection),
        tracks=_all(connection, _TRACKS),
        one_to_go=_all(connection, _ONE_TO_GO),
        learners=_all(connection, _LEARNERS) if with_learners else None,
        funnels=[_funnel(course) for course in courses],
        course_runs=_course_runs(courses, runs),
        progress=_progress(connection, runs),
        countries=_countries(connection),
        differences=_one(connection, _DIFFERENCES),
        health=_health(connection, now),
    )


_ONE_TO_GO = """
    select
        coalesce(courses.title, learner_progress.next_course) as course,
        count(*) as learners
    from learner_progress
    left join courses on learner_progress.next_course = courses.course
    where learner_progress.stage = 'one to go'
    group by courses.position, courses.title, learner_progress.next_course
    order by courses.position nulls last
"""

_TRACKS = """
    select
        track,
        any_value(certificates_required) as certificates_required,
        count(*) filter (is_complete) as complete,
        count(*) filter (certificates_to_go = 1) as one_to_go,
        count(*) filter (is_nearest) as nearest
    from learner_tracks
    group by track
    order by complete desc, one_to_go desc, nearest desc, track
"""

_LEARNERS = """
    select
        learners.student_id,
        learners.name,
        learners.email,
        learners.is_retired,
        coalesce(courses.title, learner_progress.next_course) as course,
        learner_progress.stage_reason
    from learner_progress
    inner join learners on learner_progress.student_id = learners.student_id
    left join courses on learner_progress.next_course = courses.course
    where learner_progress.stage = 'one to go'
    order by courses.position nulls last, learners.student_id
"""

# Until June 2018 edX called passing audit learners eligible, and until June 2017 it did not tell who left;
# since 2020 it may leave audit learners out.
_DIFFERENCES = """
    with runs as (
        select
            *,
            reported_at < timestamp '2018-06-01' as calls_audit_eligible,
            certificate_eligible - verified_passed as not_verified
        from course_run_summary
    )
    select
        coalesce(sum(not_verified) filter (calls_audit_eligible), 0)::bigint as early_eligible,
        count(*) filter (calls_audit_eligible and not_verified > 0) as early_runs,
        coalesce(sum(not_verified) filter (not calls_audit_eligible), 0)::bigint as other_eligible,
        coalesce(sum(unenrolled), 0)::bigint as unenrolled,
        count(*) filter (reported_at < timestamp '2017-06-01') as silent_runs,
        count(*) filter (reported_at >= timestamp '2020-01-01' and learners > 0 and verified = learners)
            as verified_only_runs,
        coalesce(bool_or(passed > attempted), false) as has_allowlisted
    from runs
"""

_RUNS = """
    select
        summary.*,
        coalesce(courses.title, courses.course) as name,
        case
            when starts_with(lower(summary.course_instance), lower(courses.file_prefix) || '_')
                then substr(summary.course_instance, length(courses.file_prefix) + 2)
            -- an older prefix of a course that was renumbered: organization and number
            else regexp_replace(summary.course_instance, '^[^_]+_[^_]+_', '')
        end as run
    from course_run_summary as summary
    inner join courses on summary.course = courses.course
    order by summary.position, summary.run_order
"""

_COUNTRY_ROWS = f"""
    with placed as (
        select
            *,
            row_number() over (order by country is null, learners desc, country) as place
        from country_summary
    )
    select
        case
            when country is null then 'Not given'
            when place <= {_COUNTRIES} then country
            else 'Others'
        end as label,
        count(*) as countries,
        sum(learners)::bigint as learners,
        sum(passed)::bigint as passed,
        sum(certificate_eligible)::bigint as certificate_eligible
    from placed
    group by label
    order by label = 'Not given', label = 'Others', learners desc, label
"""


def _certificates(connection: duckdb.DuckDBPyConnection) -> Chart:
    rows = _all(connection, "from certificate_summary order by no_certificate_eligible")
    total = sum(row["learners"] for row in rows)
    names = [_many(row["no_certificate_eligible"], "certificate") for row in rows]
    return _chart(
        "certificates",
        "Certificates per learner",
        [
            Bars(
                name,
                [(row["learners"], "passed")],
                [_number(row["learners"]), _share(row["learners"], total)],
            )
            for name, row in zip(names, rows, strict=True)
        ],
        ["Certificates", "Learners", "Of all learners"],
        [
            [str(row["no_certificate_eligible"]), _number(row["learners"]), _share(row["learners"], total)]
            for row in rows
        ],
    )


def _stages(connection: duckdb.DuckDBPyConnection) -> Chart:
    found = connection.execute("select stage, count(*) from learner_progress group by stage").fetchall()
    counts = dict.fromkeys(_STAGES, 0) | dict(found)
    total = sum(counts.values())
    colours = {"one to go": "eligible", "series complete": "attempted"}
    return _chart(
        "stages",
        "Learners by stage",
        [
            Bars(
                stage.capitalize(),
                [(count, colours.get(stage, "passed"))],
                [_number(count), _share(count, total)],
            )
            for stage, count in counts.items()
        ],
        ["Stage", "Which means", "Learners", "Of all learners"],
        [
            [stage.capitalize(), _STAGES.get(stage, ""), _number(count), _share(count, total)]
            for stage, count in counts.items()
        ],
    )


def _funnel(course: Mapping[str, Any]) -> Chart:
    steps = {
        "Enrolled": ("learners", "enrolled"),
        "Attempted": ("attempted", "attempted"),
        "Passed": ("passed", "passed"),
        "Passed, verified": ("verified_passed", "verified"),
        "Certificate-eligible": ("certificate_eligible", "eligible"),
    }
    everybody = course["learners"]
    counts = {step: course[column] for step, (column, _) in steps.items()}
    return _chart(
        f"funnel-{course['position']}",
        course["name"],
        [
            Bars(step, [(counts[step], colour)], [_number(counts[step]), _share(counts[step], everybody)])
            for step, (_, colour) in steps.items()
        ],
        ["Step", "Learners", "Of those enrolled"],
        [[step, _number(count), _share(count, everybody)] for step, count in counts.items()],
        detail="Capstone" if course["is_capstone"] else None,
    )


def _course_runs(courses: Sequence[Mapping[str, Any]], runs: Sequence[Mapping[str, Any]]) -> list[Chart]:
    charts = []
    for course in courses:
        own = [run for run in runs if run["course"] == course["course"]]
        if own:
            charts.append(
                _chart(
                    f"runs-{course['position']}",
                    course["name"],
                    [_three_bars(run["run"], run) for run in own],
                    ["Run", "Reported", "Enrolled", "Attempted", "Passed", "Eligible"],
                    [
                        [run["run"], f"{run['reported_at']:%d\u00a0%b\u00a0%Y}"]
                        + [_number(run[column]) for column in ("learners", "attempted", "passed")]
                        + [_number(run["certificate_eligible"])]
                        for run in own
                    ],
                    detail=_many(len(own), "run"),
                    headers=_THREE,
                )
            )
    return charts


def _progress(connection: duckdb.DuckDBPyConnection, runs: Sequence[Mapping[str, Any]]) -> list[Chart]:
    downloads: dict[str, list[dict[str, Any]]] = {}
    for download in _all(connection, "from progress_over_time order by course_instance, reported_at"):
        downloads.setdefault(download["course_instance"], []).append(download)
    charts = []
    for run in runs:
        own = downloads.get(run["course_instance"], [])
        if len(own) > 1:
            first, last = own[0], own[-1]
            detail = f"{run['run']}, {_many(len(own), 'download')}"
            steps = [f"{label} {_number(first[of])} to {_number(last[of])}" for label, of, *_ in _LINES]
            picture = _inline(
                _draw_lines(own),
                f"progress-{run['position']}-{run['run_order']}",
                f"{run['name']} ({detail})",
                f"{_day(first['reported_at'])} to {_day(last['reported_at'])}: {', '.join(steps)}",
            )
            head = ["Reported", *(label for label, *_ in _LINES)]
            rows = [
                [stamp, *(_number(download[of]) for _, of, *_ in _LINES)]
                for stamp, download in zip(_stamps(own), own, strict=True)
            ]
            charts.append(Chart(run["name"], detail, picture, head, rows))
    return charts


def _stamps(downloads: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the day of each download, with the time where two are of one day."""
    moments = [download["reported_at"] for download in downloads]
    days = [f"{moment:%d\u00a0%b\u00a0%Y}" for moment in moments]
    if len(set(days)) == len(days):
        return days
    return [f"{day} {moment:%H:%M}" for day, moment in zip(days, moments, strict=True)]


def _countries(connection: duckdb.DuckDBPyConnection) -> Chart | None:
    rows = _all(connection, _COUNTRY_ROWS)
    if not rows:
        return None
    others = next((row["countries"] for row in rows if row["label"] == "Others"), 0)
    return _chart(
        "countries",
        "Learners by country",
        # Those that are no country may be more than any that is: their bars would leave it no room.
        [_three_bars(row["label"], row, drawn=row["label"] not in {"Others", "Not given"}) for row in rows],
        ["Country", "Enrolled", "Passed", "Eligible"],
        [
            [
                row["label"],
                *(_number(row[column]) for column in ("learners", "passed", "certificate_eligible")),
            ]
            for row in rows
        ],
        detail=f"Others: {_many(others, 'country', 'countries')}" if others else None,
        headers=_THREE,
    )


_THREE = (("enrolled", "enrolled"), ("passed", "passed"), ("eligible", "eligible"))


def _three_bars(label: str, row: Mapping[str, Any], *, drawn: bool = True) -> Bars:
    counts = [row["learners"], row["passed"], row["certificate_eligible"]]
    bars = [(count, colour) for count, (_, colour) in zip(counts, _THREE, strict=True)]
    return Bars(label, bars if drawn else [], [_short_number(count) for count in counts])


def _health(connection: duckdb.DuckDBPyConnection, now: datetime) -> dict[str, Any]:
    counts = dict(connection.execute("select status, count(*) from report_files group by status").fetchall())
    newest = _one(connection, "select max(reported_at) as at from report_files where status = 'used'")["at"]
    return {
        "files": {status: counts.get(status, 0) for status in ("used", "superseded", "ignored", "refused")},
        "newest": newest,
        "age": None if newest is None else _age(now - newest),
        "ignored": _all(
            connection,
            "select reason, count(*) as files from report_files where status = 'ignored'"
            " group by reason order by files desc, reason",
        ),
        "gone": _all(
            connection,
            "select course_instance, learners_gone, certificates_gone from report_files"
            " where learners_gone > 0 or certificates_gone > 0"
            " order by certificates_gone desc, learners_gone desc, file_name",
        ),
        "rejected": _all(
            connection,
            # Each such reason names its own line: one group of them, not one for each.
            r"select regexp_replace(reason, '^line \d+ has', 'a later line has') as reason,"
            " count(*) as rows, count(distinct file_name) as files"
            " from rejected_rows group by 1 order by rows desc, reason",
        ),
    }


def _chart(  # noqa: PLR0913 - one argument for each part of a chart
    key: str,
    title: str,
    bars: Sequence[Bars],
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    detail: str | None = None,
    headers: Sequence[tuple[str, str]] = (),
) -> Chart:
    named = f"{title} ({detail})" if detail else title
    described = "; ".join(f"{row.label}: {', '.join(row.texts)}" for row in bars)
    heads = ", ".join(header for header, _ in headers)
    description = f"{heads}: {described}" if heads else described
    return Chart(title, detail, _inline(_draw(bars, headers), key, named, description), head, rows)


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


def _draw_lines(downloads: Sequence[Mapping[str, Any]]) -> str:
    """Return an SVG of lines over time, each with its label and newest number at its end.

    downloads: two or more, in the order of their stamps, all of which differ.
    """
    begin, end, newest = downloads[0]["reported_at"], downloads[-1]["reported_at"], downloads[-1]
    largest = max(download[of] for download in downloads for _, of, *_ in _LINES) or 1
    ticks = [int(tick) for tick in MaxNLocator(4, steps=(1, 2, 5, 10), integer=True).tick_values(0, largest)]
    left = _GAP + max(_width(_short_number(tick), _SMALL_TEXT) for tick in ticks)
    numbers = max(_width(_short_number(newest[of])) for _, of, *_ in _LINES)
    labels = _WIDTH - numbers - _GAP - max(_width(label) for label, *_ in _LINES)
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
        canvas.write(left - _GAP, height(tick), _short_number(tick), "right", _SMALL_TEXT)
    canvas.write(left, bottom + _TICK + _LABEL / 2, _day(begin, "%b"), "left", _SMALL_TEXT)
    if end.date() != begin.date():
        canvas.write(right, bottom + _TICK + _LABEL / 2, _day(end, "%b"), "right", _SMALL_TEXT)
    for _, of, colour, style in _LINES:
        points = [(place, height(each[of])) for place, each in zip(places, downloads, strict=True)]
        canvas.line(points, colour, 2, style)
    # Where lines end close together, their labels cannot: a leader goes from each end to its label.
    lowest = -math.inf
    for i, (label, of, colour, _) in enumerate(sorted(_LINES, key=lambda line: -newest[line[1]])):
        lowest = max(lowest + _LABEL, height(newest[of]))
        y = min(lowest, bottom - _LABEL * (len(_LINES) - 1 - i))
        canvas.line([(right, height(newest[of])), (right + _LEADER, y)], colour)
        canvas.write(labels, y, label, "left")
        canvas.write(_WIDTH, y, _short_number(newest[of]), "right")
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


def _inline(svg: str, key: str, title: str, description: str) -> Markup:
    """Return the bars, lines and texts of matplotlib's SVG as one that a page can hold and colour."""
    drawn = ET.fromstring(svg)  # noqa: S314 - made here
    names = {"title": f"{key}-title", "desc": f"{key}-desc"}
    picture = ET.Element(
        "svg",
        {"viewBox": drawn.attrib["viewBox"], "role": "img", "aria-labelledby": " ".join(names.values())},
    )
    for tag, text in (("title", title), ("desc", description)):
        ET.SubElement(picture, tag, id=names[tag]).text = text
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


def _all(connection: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    cursor = connection.execute(query)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> dict[str, Any]:
    rows = _all(connection, query)
    if len(rows) != 1:
        message = "The published database does not hold just one program: run `mm build` again."
        raise ReaderError(message)
    return rows[0]


def _number(count: int) -> str:
    return f"{count:,}"


def _short_number(count: int) -> str:
    """Return at most four digits and a letter, which a chart's narrow column has room for."""
    for unit, letter in ((10**6, "M"), (10**3, "k")):
        if count >= 10 * unit:
            return f"{count / unit:.0f}{letter}"
    return _number(count)


def _share(count: int, total: int) -> str:
    """Return a percentage that says neither 0% nor 100% where it only nearly is; empty without a total."""
    if not total:
        return ""
    percent = f"{count / total:.0%}"
    if percent == "0%" and count:
        return "<1%"
    return ">99%" if percent == "100%" and count < total else percent


def _many(count: int, one: str, several: str | None = None) -> str:
    return f"{_number(count)} {one if count == 1 else several or one + 's'}"


def _day(moment: datetime, month: str = "%B") -> str:
    return f"{moment.day} {moment:{month} %Y}"


def _moment(moment: datetime) -> str:
    return f"{_day(moment)}, {moment:%H:%M} UTC"


def _age(age: timedelta) -> str:
    if age < timedelta(0):
        return "dated later than this report"
    return f"{_many(age.days, 'day')} old" if age.days else "less than a day old"
