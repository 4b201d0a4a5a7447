"""Draw the report of all programs side by side, from the file that `mm combine` writes."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from mm.config import ALL_PROGRAMS, PROJECT
from mm.pages import age, environment, many, number, share, short_number
from mm.published import published_of_all
from mm.report.charts import Bars, Chart, chart_of_bars
from mm.report.export import whole_file
from mm.report.program import STAGES, certificates_chart, countries_chart, stages_chart
from mm.report.queries import all_rows, rows_of

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
    programs = rows_of(connection, "programs")
    for program in programs:
        for moment in ("newest", "oldest_current"):
            program[f"{moment}_age"] = None if program[moment] is None else age(now - program[moment])
    [totals] = rows_of(connection, "totals")
    by_stage = "select program, stage, count(*) as learners from learner_programs group by program, stage"
    stages = _by_program(programs, all_rows(connection, by_stage))
    certificates = _by_program(
        programs, all_rows(connection, "from certificate_summary order by no_certificate_eligible")
    )
    countries = _by_program(programs, rows_of(connection, "countries", largest=_COUNTRIES))
    pairs = rows_of(connection, "pairs")
    return (
        environment()
        .get_template("report_of_all.html.j2")
        .render(
            now=now,
            programs=programs,
            totals=totals,
            oldest=min((each for each in programs if each["newest"]), key=_newest, default=None),
            side_by_side=_side_by_side(programs) if programs else None,
            funnels=[_funnel(each) for each in programs],
            stages=[stages_chart(each["name"], _counts(stages[each["program"]])) for each in programs],
            stages_mean=STAGES,
            certificates=[
                certificates_chart(each["name"], certificates[each["program"]])
                for each in programs
                if certificates[each["program"]]
            ],
            countries=[
                countries_chart(each["name"], countries[each["program"]])
                for each in programs
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
    return chart_of_bars(
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


def _funnel(program: Mapping[str, Any]) -> Chart:
    counts = {label: program[column] for label, column, _ in _STEPS}
    everybody = program["learners"]
    return chart_of_bars(
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
    return chart_of_bars(
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
