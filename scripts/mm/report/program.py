"""Draw a program's report: one HTML file with pictures, which needs nothing else to be shown."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from mm.config import PROJECT, ReaderError
from mm.pages import age, day, environment, many, number, share, short_number
from mm.published import published
from mm.report.charts import LINES, Bars, Chart, chart_of_bars, lines_over_time
from mm.report.export import whole_file
from mm.report.queries import all_rows, rows_of

# What bars stand for, with its colour, where there are three to a row.
THREE = (("ever enrolled", "enrolled"), ("passed", "passed"), ("eligible", "eligible"))
# What each stage means; a learner is at the last of them that applies.
STAGES = {
    "enrolled": "has no grade above 0 yet",
    "attempted": "has a grade above 0, and has passed no course yet",
    "passed one": "has passed one course",
    "on the way": "has passed several courses",
    "one to go": "lacks one certificate of the series",
    "series complete": "has all certificates of the series",
}

_COUNTRIES = 15


def write_report(
    program: str, out: Path | None = None, *, now: datetime, with_learners: bool = False
) -> Path:
    """Write the report as of `now` (aware) and return its file.

    out None: out/<program>/report.html in the project, or report_with_learners.html there. with_learners:
    also name those who are one certificate short. ReaderError or OSError where it cannot be made; then `out`
    is as it was.
    """
    # Only the names are of this table, which may have stayed in a warehouse.
    without = () if with_learners else ("learners",)
    with published(program, "report", without=without) as connection:
        page = render_report(connection, now, with_learners=with_learners)
    out = out or PROJECT / "out" / program / f"report{'_with_learners' if with_learners else ''}.html"
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
    courses = all_rows(
        connection, "select *, coalesce(title, course) as name from course_summary order by position"
    )
    runs = rows_of(connection, "runs")
    countries = rows_of(connection, "countries", largest=_COUNTRIES)
    progress, unmoved = _progress(connection, runs)
    by_stage = connection.execute("select stage, count(*) from learner_progress group by stage")
    stages = dict(by_stage.fetchall())
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            program=program,
            now=now,
            summary=_one(connection, "from program_summary"),
            courses=courses,
            runs=len(runs),
            certificates=certificates_chart(
                "Certificates per learner",
                all_rows(connection, "from certificate_summary order by no_certificate_eligible"),
            ),
            stages=stages_chart("Learners by stage", stages),
            stages_mean=STAGES,
            tracks=all_rows(
                connection, "from track_summary order by complete desc, one_to_go desc, nearest desc, track"
            ),
            one_to_go=rows_of(connection, "one_to_go"),
            all_offered=not all_rows(connection, "from courses where not is_offered"),
            learners=rows_of(connection, "learners") if with_learners else None,
            funnels=[_funnel(course) for course in courses],
            course_runs=_course_runs(courses, runs),
            progress=progress,
            unmoved=unmoved,
            countries=countries_chart("Learners by country", countries) if countries else None,
            differences=rows_of(connection, "differences")[0],
            health=_health(connection, now),
        )
    )


def certificates_chart(title: str, rows: Sequence[Mapping[str, Any]]) -> Chart:
    """Return how many learners have just so many certificates; rows: as in certificate_summary, in order."""
    total = sum(row["learners"] for row in rows)
    names = [many(row["no_certificate_eligible"], "certificate") for row in rows]
    return chart_of_bars(
        title,
        [
            Bars(
                name,
                [(row["learners"], "passed")],
                [number(row["learners"]), share(row["learners"], total)],
            )
            for name, row in zip(names, rows, strict=True)
        ],
        ["Certificates", "Learners", "Of all learners"],
        [
            [str(row["no_certificate_eligible"]), number(row["learners"]), share(row["learners"], total)]
            for row in rows
        ],
    )


def stages_chart(title: str, found: Mapping[str, int]) -> Chart:
    """Return how many learners are at each stage; found: learners by stage, of those that have any."""
    counts = dict.fromkeys(STAGES, 0) | found
    total = sum(counts.values())
    colours = {"one to go": "eligible", "series complete": "attempted"}
    return chart_of_bars(
        title,
        [
            Bars(
                stage.capitalize(),
                [(count, colours.get(stage, "passed"))],
                [number(count), share(count, total)],
            )
            for stage, count in counts.items()
        ],
        ["Stage", "Which means", "Learners", "Of all learners"],
        [
            [stage.capitalize(), STAGES.get(stage, ""), number(count), share(count, total)]
            for stage, count in counts.items()
        ],
    )


def _funnel(course: Mapping[str, Any]) -> Chart:
    steps = {
        "Ever enrolled": ("learners", "enrolled"),
        "Attempted": ("attempted", "attempted"),
        "Passed": ("passed", "passed"),
        "Passed, verified": ("verified_passed", "verified"),
        "Certificate-eligible": ("certificate_eligible", "eligible"),
    }
    everybody = course["learners"]
    counts = {step: course[column] for step, (column, _) in steps.items()}
    return chart_of_bars(
        course["name"],
        [
            Bars(step, [(counts[step], colour)], [number(counts[step]), share(counts[step], everybody)])
            for step, (_, colour) in steps.items()
        ],
        ["Step", "Learners", "Of those ever enrolled"],
        [[step, number(count), share(count, everybody)] for step, count in counts.items()],
        detail="Capstone" if course["is_capstone"] else None,
    )


def _course_runs(courses: Sequence[Mapping[str, Any]], runs: Sequence[Mapping[str, Any]]) -> list[Chart]:
    charts = []
    for course in courses:
        own = [run for run in runs if run["course"] == course["course"]]
        if own:
            charts.append(
                chart_of_bars(
                    course["name"],
                    [three_bars(run["run_code"], run) for run in own],
                    ["Run", "Reported", "Ever enrolled", "Attempted", "Passed", "Eligible"],
                    [
                        [run["run_code"], f"{run['reported_at']:%d\u00a0%b\u00a0%Y}"]
                        + [number(run[column]) for column in ("learners", "attempted", "passed")]
                        + [number(run["certificate_eligible"])]
                        for run in own
                    ],
                    detail=many(len(own), "run"),
                    headers=THREE,
                )
            )
    return charts


def _progress(
    connection: duckdb.DuckDBPyConnection, runs: Sequence[Mapping[str, Any]]
) -> tuple[list[Chart], int]:
    """Return a chart of each run whose numbers differ between downloads; and of how many they do not."""
    downloads: dict[str, list[dict[str, Any]]] = {}
    for download in all_rows(connection, "from progress_over_time order by course_instance, reported_at"):
        downloads.setdefault(download["course_instance"], []).append(download)
    charts, unmoved = [], 0
    for run in runs:
        own = downloads.get(run["course_instance"], [])
        if len({tuple(download[of] for _, of, *_ in LINES) for download in own}) > 1:
            charts.append(_progress_of(run, own))
        elif len(own) > 1:
            unmoved += 1
    return charts, unmoved


def _progress_of(run: Mapping[str, Any], downloads: Sequence[Mapping[str, Any]]) -> Chart:
    first, last = downloads[0], downloads[-1]
    steps = [f"{label} {number(first[of])} to {number(last[of])}" for label, of, *_ in LINES]
    return Chart(
        run["name"],
        f"{run['run_code']}, {many(len(downloads), 'download')}",
        f"{day(first['reported_at'])} to {day(last['reported_at'])}: {', '.join(steps)}",
        ["Reported", *(label for label, *_ in LINES)],
        [
            [stamp, *(number(download[of]) for _, of, *_ in LINES)]
            for stamp, download in zip(_stamps(downloads), downloads, strict=True)
        ],
        lines=lines_over_time(downloads),
    )


def _stamps(downloads: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the day of each download, with the time where two are of one day."""
    moments = [download["reported_at"] for download in downloads]
    days = [f"{moment:%d\u00a0%b\u00a0%Y}" for moment in moments]
    if len(set(days)) == len(days):
        return days
    return [f"{day} {moment:%H:%M}" for day, moment in zip(days, moments, strict=True)]


def countries_chart(title: str, rows: Sequence[Mapping[str, Any]]) -> Chart:
    """Return where learners are from; rows: `name`, how many `countries` that is, and three counts."""
    others = next((row["countries"] for row in rows if row["name"] == "Others"), 0)
    return chart_of_bars(
        title,
        # Those that are no country may be more than any that is: their bars would leave it no room.
        [three_bars(row["name"], row, drawn=row["name"] not in {"Others", "Not given"}) for row in rows],
        ["Country", "Ever enrolled", "Passed", "Eligible"],
        [
            [
                row["name"],
                *(number(row[column]) for column in ("learners", "passed", "certificate_eligible")),
            ]
            for row in rows
        ],
        detail=f"Others: {many(others, 'country', 'countries')}" if others else None,
        headers=THREE,
    )


def three_bars(label: str, row: Mapping[str, Any], *, drawn: bool = True) -> Bars:
    """Return the bars for THREE of a row's counts; drawn False: its numbers alone."""
    counts = [row["learners"], row["passed"], row["certificate_eligible"]]
    bars = [(count, colour) for count, (_, colour) in zip(counts, THREE, strict=True)]
    return Bars(label, bars if drawn else [], [short_number(count) for count in counts])


def _health(connection: duckdb.DuckDBPyConnection, now: datetime) -> dict[str, Any]:
    counts = dict(connection.execute("select status, count(*) from report_files group by status").fetchall())
    newest = _one(connection, "select max(reported_at) as at from report_files where status = 'used'")["at"]
    return {
        "files": {status: counts.get(status, 0) for status in ("used", "superseded", "ignored", "refused")},
        "newest": newest,
        "age": None if newest is None else age(now - newest),
        "ignored": rows_of(connection, "ignored_files"),
        "gone": rows_of(connection, "lacking"),
        "rejected": rows_of(connection, "rejected_rows"),
    }


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> dict[str, Any]:
    rows = all_rows(connection, query)
    if len(rows) != 1:
        message = "The published database does not hold just one program: run `mm build` again."
        raise ReaderError(message)
    return rows[0]
