"""Draw a program's report: one HTML file with pictures, which needs nothing else to be shown."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from mm.config import PROJECT, ReaderError
from mm.pages import age, all_rows, day, environment, many, number, share, short_number
from mm.published import published
from mm.report.charts import LINES, Bars, Chart, chart, draw_lines, inline
from mm.report.export import whole_file

# What bars stand for, with its colour, where there are three to a row.
THREE = (("enrolled", "enrolled"), ("passed", "passed"), ("eligible", "eligible"))

_COUNTRIES = 15
_STAGES = {
    "enrolled": "no graded work handed in yet",
    "attempted": "a grade above 0, no course passed yet",
    "passed one": "passed one course",
    "on the way": "passed several courses",
    "one to go": "one certificate short of the series",
    "series complete": "all certificates of the series",
}


def write_report(
    program: str, out: Path | None = None, *, now: datetime, with_learners: bool = False
) -> Path:
    """Write the report as of `now` (aware) and return its file.

    out None: out/<program>/report.html in the project, or report_with_learners.html there. with_learners:
    also name those who are one certificate short. ReaderError or OSError where it cannot be made; then `out`
    is as it was.
    """
    with published(program, "report") as connection:
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
    runs = all_rows(connection, _RUNS)
    countries = all_rows(connection, _COUNTRY_ROWS)
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
                "certificates",
                "Certificates per learner",
                all_rows(connection, "from certificate_summary order by no_certificate_eligible"),
            ),
            stages=stages_chart("stages", "Learners by stage", stages),
            tracks=all_rows(connection, _TRACKS),
            one_to_go=all_rows(connection, _ONE_TO_GO),
            all_offered=not all_rows(connection, "from courses where not is_offered"),
            learners=all_rows(connection, _LEARNERS) if with_learners else None,
            funnels=[_funnel(course) for course in courses],
            course_runs=_course_runs(courses, runs),
            progress=_progress(connection, runs),
            countries=countries_chart("countries", "Learners by country", countries) if countries else None,
            differences=_one(connection, _DIFFERENCES),
            health=_health(connection, now),
        )
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


def certificates_chart(key: str, title: str, rows: Sequence[Mapping[str, Any]]) -> Chart:
    """Return how many learners have just so many certificates; rows: as in certificate_summary, in order."""
    total = sum(row["learners"] for row in rows)
    names = [many(row["no_certificate_eligible"], "certificate") for row in rows]
    return chart(
        key,
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


def stages_chart(key: str, title: str, found: Mapping[str, int]) -> Chart:
    """Return how many learners are at each stage; found: learners by stage, of those that have any."""
    counts = dict.fromkeys(_STAGES, 0) | found
    total = sum(counts.values())
    colours = {"one to go": "eligible", "series complete": "attempted"}
    return chart(
        key,
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
            [stage.capitalize(), _STAGES.get(stage, ""), number(count), share(count, total)]
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
    return chart(
        f"funnel-{course['position']}",
        course["name"],
        [
            Bars(step, [(counts[step], colour)], [number(counts[step]), share(counts[step], everybody)])
            for step, (_, colour) in steps.items()
        ],
        ["Step", "Learners", "Of those enrolled"],
        [[step, number(count), share(count, everybody)] for step, count in counts.items()],
        detail="Capstone" if course["is_capstone"] else None,
    )


def _course_runs(courses: Sequence[Mapping[str, Any]], runs: Sequence[Mapping[str, Any]]) -> list[Chart]:
    charts = []
    for course in courses:
        own = [run for run in runs if run["course"] == course["course"]]
        if own:
            charts.append(
                chart(
                    f"runs-{course['position']}",
                    course["name"],
                    [three_bars(run["run"], run) for run in own],
                    ["Run", "Reported", "Enrolled", "Attempted", "Passed", "Eligible"],
                    [
                        [run["run"], f"{run['reported_at']:%d\u00a0%b\u00a0%Y}"]
                        + [number(run[column]) for column in ("learners", "attempted", "passed")]
                        + [number(run["certificate_eligible"])]
                        for run in own
                    ],
                    detail=many(len(own), "run"),
                    headers=THREE,
                )
            )
    return charts


def _progress(connection: duckdb.DuckDBPyConnection, runs: Sequence[Mapping[str, Any]]) -> list[Chart]:
    downloads: dict[str, list[dict[str, Any]]] = {}
    for download in all_rows(connection, "from progress_over_time order by course_instance, reported_at"):
        downloads.setdefault(download["course_instance"], []).append(download)
    charts = []
    for run in runs:
        own = downloads.get(run["course_instance"], [])
        if len(own) > 1:
            first, last = own[0], own[-1]
            detail = f"{run['run']}, {many(len(own), 'download')}"
            steps = [f"{label} {number(first[of])} to {number(last[of])}" for label, of, *_ in LINES]
            picture = inline(
                draw_lines(own),
                f"progress-{run['position']}-{run['run_order']}",
                f"{run['name']} ({detail})",
                f"{day(first['reported_at'])} to {day(last['reported_at'])}: {', '.join(steps)}",
            )
            head = ["Reported", *(label for label, *_ in LINES)]
            rows = [
                [stamp, *(number(download[of]) for _, of, *_ in LINES)]
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


def countries_chart(key: str, title: str, rows: Sequence[Mapping[str, Any]]) -> Chart:
    """Return where learners are from; rows: `label`, how many `countries` that is, and three counts."""
    others = next((row["countries"] for row in rows if row["label"] == "Others"), 0)
    return chart(
        key,
        title,
        # Those that are no country may be more than any that is: their bars would leave it no room.
        [three_bars(row["label"], row, drawn=row["label"] not in {"Others", "Not given"}) for row in rows],
        ["Country", "Enrolled", "Passed", "Eligible"],
        [
            [
                row["label"],
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
        "ignored": all_rows(
            connection,
            "select reason, count(*) as files from report_files where status = 'ignored'"
            " group by reason order by files desc, reason",
        ),
        "gone": all_rows(
            connection,
            "select course_instance, learners_gone, certificates_gone from report_files"
            " where learners_gone > 0 or certificates_gone > 0"
            " order by certificates_gone desc, learners_gone desc, file_name",
        ),
        "rejected": all_rows(
            connection,
            # Each such reason names its own line: one group of them, not one for each.
            r"select regexp_replace(reason, '^line \d+ has', 'a later line has') as reason,"
            " count(*) as rows, count(distinct file_name) as files"
            " from rejected_rows group by 1 order by rows desc, reason",
        ),
    }


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> dict[str, Any]:
    rows = all_rows(connection, query)
    if len(rows) != 1:
        message = "The published database does not hold just one program: run `mm build` again."
        raise ReaderError(message)
    return rows[0]
