"""Draw the report of all programs side by side, from the file that `mm combine` writes."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from mm.config import ALL_PROGRAMS, PROJECT
from mm.pages import age, all_rows, environment, many, number, share, short_number
from mm.published import published_of_all
from mm.report.charts import Bars, Chart, chart
from mm.report.export import whole_file
from mm.report.program import certificates_chart, countries_chart, stages_chart

_COUNTRIES = 10
_PAIRS = 15
# What bars stand for, with its colour.
_OF_PROGRAMS = (("learners", "enrolled"), ("certified", "passed"), ("complete", "attempted"))
_OF_PAIRS = (("in both", "passed"), ("certified", "attempted"))
# Label, column and colour of each step.
_STEPS = (
    ("Learners", "learners", "enrolled"),
    ("Attempted", "attempted", "attempted"),
    ("Passed", "passed", "passed"),
    ("Passed, verified", "verified_passed", "verified"),
    ("Certificate-eligible", "with_a_certificate", "eligible"),
    ("Whole series", "whole_series_certified", "attempted"),
)

_PROGRAMS = """
    with used as (
        select program, max(reported_at) as newest
        from report_files
        where status = 'used'
        group by program
    ),

    files as (
        select
            program,
            count(*) filter (status = 'ignored') as ignored_files,
            sum(rejected_row_count)::bigint as rejected_rows
        from report_files
        group by program
    ),

    course_counts as (
        select program, count(*) as courses
        from courses
        group by program
    ),

    run_counts as (
        select program, count(*) as runs
        from course_run_summary
        group by program
    ),

    current_runs as (
        select course_runs.program, min(summary.reported_at) as oldest_current
        from course_runs
        inner join course_run_summary as summary
            on
                course_runs.program = summary.program
                and lower(course_runs.course_instance) = lower(summary.course_instance)
        where course_runs.run_role = 'current'
        group by course_runs.program
    ),

    in_a_course as (
        select
            program,
            student_id,
            bool_or(best_grade > 0) as attempted,
            bool_or(ever_passed) as passed,
            bool_or(is_verified_passed) as verified_passed
        from learner_courses
        group by program, student_id
    ),

    steps as (
        select
            program,
            count(*) filter (attempted) as attempted,
            count(*) filter (passed) as passed,
            count(*) filter (verified_passed) as verified_passed
        from in_a_course
        group by program
    )

    select
        programs.program,
        coalesce(programs.title, programs.program) as name,
        programs.as_of,
        summary.learners,
        summary.with_a_certificate,
        summary.all_but_one_certified,
        summary.whole_series_certified,
        summary.countries,
        coalesce(steps.attempted, 0) as attempted,
        coalesce(steps.passed, 0) as passed,
        coalesce(steps.verified_passed, 0) as verified_passed,
        coalesce(course_counts.courses, 0) as courses,
        coalesce(run_counts.runs, 0) as runs,
        coalesce(files.ignored_files, 0) as ignored_files,
        coalesce(files.rejected_rows, 0) as rejected_rows,
        used.newest,
        current_runs.oldest_current
    from programs
    inner join program_summary as summary on programs.program = summary.program
    left join steps on programs.program = steps.program
    left join course_counts on programs.program = course_counts.program
    left join run_counts on programs.program = run_counts.program
    left join files on programs.program = files.program
    left join used on programs.program = used.program
    left join current_runs on programs.program = current_runs.program
    order by name, programs.program
"""

# A learner, a course and a run of several programs count once. Programs may call one course by several codes,
# but its files by one prefix; the case of letters varies in it, and in a run.
_TOTALS = """
    with learners as (
        select
            student_id,
            count(*) as programs,
            max(no_certificate_eligible) as certificates,
            bool_or(is_complete) as is_complete
        from learner_programs
        group by student_id
    )

    select
        count(*) as learners,
        count(*) filter (certificates > 0) as with_a_certificate,
        count(*) filter (is_complete) as complete,
        count(*) filter (programs > 1) as in_several,
        (select count(distinct lower(file_prefix)) from courses) as courses,
        (select count(distinct lower(course_instance)) from course_run_summary) as runs
    from learners
"""

_COUNTRY_ROWS = f"""
    with placed as (
        select
            *,
            row_number() over (partition by program order by country is null, learners desc, country) as place
        from country_summary
    )

    select
        program,
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
    group by program, label
    order by label = 'Not given', label = 'Others', learners desc, label
"""

# Each pair stands in the table twice.
_PAIR_ROWS = """
    from program_overlap
    where program < other_program and learners_in_both > 0
    order by learners_in_both desc, program, other_program
"""


def write_report_of_all(out: Path | None = None, *, now: datetime) -> Path:
    """Write the report of all programs as of `now` (aware) and return its file.

    out None: out/all_programs/report.html in the project. ReaderError or OSError where it cannot be made;
    then `out` is as it was.
    """
    with published_of_all("report_of_all") as connection:
        page = render_report_of_all(connection, now)
    out = out or PROJECT / "out" / ALL_PROGRAMS / "report.html"
    with whole_file(out) as draft:
        draft.write_text(page, encoding="utf-8")
    return out


def render_report_of_all(connection: duckdb.DuckDBPyConnection, now: datetime) -> str:
    """Return the report's HTML, the same for the same data and moment."""
    # The tables' times are UTC without saying so.
    now = now.astimezone(UTC).replace(tzinfo=None)
    programs = all_rows(connection, _PROGRAMS)
    for program in programs:
        for moment in ("newest", "oldest_current"):
            program[f"{moment}_age"] = None if program[moment] is None else age(now - program[moment])
    [totals] = all_rows(connection, _TOTALS)
    by_stage = "select program, stage, count(*) as learners from learner_programs group by program, stage"
    stages = _by_program(programs, all_rows(connection, by_stage))
    certificates = _by_program(
        programs, all_rows(connection, "from certificate_summary order by no_certificate_eligible")
    )
    countries = _by_program(programs, all_rows(connection, _COUNTRY_ROWS))
    pairs = all_rows(connection, _PAIR_ROWS)
    return (
        environment()
        .get_template("report_of_all.html.j2")
        .render(
            now=now,
            programs=programs,
            totals=totals,
            oldest=min((each for each in programs if each["newest"]), key=_newest, default=None),
            side_by_side=_side_by_side(programs) if programs else None,
            funnels=[_funnel(place, each) for place, each in enumerate(programs)],
            stages=[
                stages_chart(f"stages-{place}", each["name"], _counts(stages[each["program"]]))
                for place, each in enumerate(programs)
            ],
            certificates=[
                certificates_chart(f"certificates-{place}", each["name"], certificates[each["program"]])
                for place, each in enumerate(programs)
                if certificates[each["program"]]
            ],
            countries=[
                countries_chart(f"countries-{place}", each["name"], countries[each["program"]])
                for place, each in enumerate(programs)
                if countries[each["program"]]
            ],
            overlap=_overlap(programs, pairs) if pairs else None,
        )
    )


def _newest(program: Mapping[str, Any]) -> datetime:
    moment: datetime = program["newest"]
    return moment


def _by_program(
    programs: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]
) -> dict[str, list[Mapping[str, Any]]]:
    found: dict[str, list[Mapping[str, Any]]] = {each["program"]: [] for each in programs}
    for row in rows:
        found[row["program"]].append(row)
    return found


def _counts(stages: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    return {row["stage"]: row["learners"] for row in stages}


def _side_by_side(programs: Sequence[Mapping[str, Any]]) -> Chart:
    columns = ("learners", "with_a_certificate", "whole_series_certified")
    return chart(
        "side-by-side",
        "Learners of each program",
        [
            Bars(
                each["program"],
                [(each[column], colour) for column, (_, colour) in zip(columns, _OF_PROGRAMS, strict=True)],
                [short_number(each[column]) for column in columns],
            )
            for each in programs
        ],
        ["Program", "Learners", "With a certificate", "Whole series"],
        [[each["name"], *(number(each[column]) for column in columns)] for each in programs],
        headers=_OF_PROGRAMS,
    )


def _funnel(place: int, program: Mapping[str, Any]) -> Chart:
    counts = {label: program[column] for label, column, _ in _STEPS}
    everybody = program["learners"]
    return chart(
        f"funnel-{place}",
        program["name"],
        [
            Bars(label, [(counts[label], colour)], [number(counts[label]), share(counts[label], everybody)])
            for label, _, colour in _STEPS
        ],
        ["Step", "Learners", "Of all learners"],
        [[label, number(count), share(count, everybody)] for label, count in counts.items()],
    )


def _overlap(programs: Sequence[Mapping[str, Any]], pairs: Sequence[Mapping[str, Any]]) -> Chart:
    names = {each["program"]: each["name"] for each in programs}
    columns = ("learners_in_both", "certified_in_both")
    drawn = pairs[:_PAIRS]
    return chart(
        "overlap",
        "Learners of two programs",
        [
            Bars(
                f"{pair['program']}, {pair['other_program']}",
                [(pair[column], colour) for column, (_, colour) in zip(columns, _OF_PAIRS, strict=True)],
                [short_number(pair[column]) for column in columns],
            )
            for pair in drawn
        ],
        ["Program", "Other program", "In both", "Certified in both"],
        [
            [names[pair["program"]], names[pair["other_program"]], *(number(pair[each]) for each in columns)]
            for pair in pairs
        ],
        detail=f"The largest {_PAIRS} of {many(len(pairs), 'pair')}" if len(pairs) > _PAIRS else None,
        headers=_OF_PAIRS,
    )
