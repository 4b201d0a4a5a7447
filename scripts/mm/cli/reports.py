"""The commands that build, draw and write a program's report."""

import json
import re
import subprocess
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mm import days
from mm.build.combine import combine
from mm.build.marts import dbt_command
from mm.build.misplaced import misplaced_reports
from mm.cli.app import AsJson, ProgramCode, app, warn
from mm.config import PROJECT, SEEDS, ReaderError, data_dir
from mm.pages import counted
from mm.report import downloads
from mm.report.all_programs import write_report_of_all
from mm.report.export import Format, export
from mm.report.program import write_report
from mm.seeds import check_program


class Engine(StrEnum):
    """Where a program is built: the targets of profiles.yml."""

    LAPTOP = "laptop"
    CLUSTER = "cluster"


@app.command()
def build(
    program: ProgramCode,
    *,
    engine: Annotated[
        Engine, typer.Option("--on", help="laptop: DuckDB, here; cluster: the Spark of MM_SPARK_MASTER.")
    ] = Engine.LAPTOP,
    as_of: Annotated[
        str | None,
        typer.Option(metavar="DAY", help="Build as of a day such as 2026-07-14; today's if not given."),
    ] = None,
) -> None:
    """Build the program's report and mailout from its downloads, as `dbt build` does.

    Examples: mm build demo, mm build demo --as-of 2026-07-14, mm build demo --on cluster
    """
    variables = {"program": check_program(program)}
    if as_of is not None:
        try:
            variables["as_of"] = days.read_day(as_of).isoformat()
        except ValueError as error:
            message = f"--as-of is {as_of!r}: expected a day such as 2026-07-14."
            raise ReaderError(message) from error
    if engine is Engine.CLUSTER:
        try:
            from mm.build import cluster  # noqa: PLC0415 - an extra that few have
        except ModuleNotFoundError as error:
            message = f"There is no {error.name} here, which a cluster needs: install it with `make cluster`."
            raise ReaderError(message) from error
        cluster.build(variables)
        return
    # dbt parses anew where the variables are others, so each program has a place of its own for that.
    place = ["--target-path", f"target/{program}", "--no-write-json"]
    command = [dbt_command(), "build", *place, "--vars", json.dumps(variables)]
    done = subprocess.run(command, cwd=PROJECT, check=False)  # noqa: S603 - a checked argument
    if done.returncode:
        message = f"The build of {program} did not succeed: dbt's messages above tell why."
        raise ReaderError(message)


@app.command("downloads")
def show_downloads(
    program: ProgramCode,
    *,
    older_than: Annotated[
        str, typer.Option(metavar="TIME", help="What is older is to be fetched anew: 12h, 7d or 2w.")
    ] = "7d",
    as_json: AsJson = False,
    as_html: Annotated[
        bool, typer.Option("--html", help="Write a page with links to click, and say where it is.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            help="With --html: file to write; out/PROGRAM/downloads.html in the project if not given."
        ),
    ] = None,
) -> None:
    """Say which reports to fetch from edX now, and where: those that are missing or old, of runs that are on.

    The runs are those of the seeds and of the program's folder; it needs no build.

    Examples: mm downloads demo, mm downloads demo --older-than 1d --html
    """
    if out is not None and not as_html:
        message = "--out goes with --html."
        raise typer.BadParameter(message)
    now = datetime.now(UTC)
    runs, unreadable = downloads.list_runs(check_program(program), now=now, older_than=_time(older_than))
    for sentence in unreadable:
        warn(f"not counted: {sentence}")
    for sentence in misplaced_reports(program, data_dir(), SEEDS):
        warn(sentence)
    if as_json:
        rows = [downloads.as_json(run, now) for run in runs]
        typer.echo(json.dumps({"program": program, "runs": rows}, indent=2))
    elif as_html:
        page = downloads.write_page(program, runs, now=now, out=out)
        typer.echo(f"Page written: open {page} in a browser.")
    else:
        for line in downloads.lines(runs, now):
            typer.echo(line)


@app.command("report")
def draw_report(
    program: Annotated[
        str | None,
        typer.Argument(metavar="PROGRAM", help="A code from seeds/programs.csv, such as demo; or --all."),
    ] = None,
    *,
    all_programs: Annotated[
        bool, typer.Option("--all", help="All programs side by side, from what `mm combine` wrote.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            help="File to write; out/PROGRAM/report.html or out/all_programs/report.html if not given."
        ),
    ] = None,
    with_learners: Annotated[
        bool,
        typer.Option("--with-learners", help="Also name the learners with one certificate to go."),
    ] = False,
) -> None:
    """Draw how a program does, or all do, as one HTML file to read, print or hand on; it names no learner.

    Examples: mm report demo, mm report --all
    """
    if all_programs is (program is not None):
        message = "expected a program, such as demo, or --all: one of the two."
        raise typer.BadParameter(message)
    if all_programs and with_learners:
        message = "--with-learners goes with a program, not with --all."
        raise typer.BadParameter(message)
    now = datetime.now(UTC)
    if program is None:
        path = write_report_of_all(out, now=now)
    else:
        path = write_report(program, out, now=now, with_learners=with_learners)
    private = " It holds personal data." if with_learners else ""
    typer.echo(f"Report written: open {path} in a browser.{private}")


@app.command("export")
def export_report(
    program: ProgramCode,
    *,
    kind: Annotated[
        Format, typer.Option("--format", help="csv or xlsx for a spreadsheet, parquet for other tools.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="File to write; out/PROGRAM/PROGRAM_coursecompletion.* in the project if not given."
        ),
    ] = None,
    raw: Annotated[
        bool,
        typer.Option("--raw", help="CSV: no apostrophe before texts that a spreadsheet would calculate."),
    ] = False,
) -> None:
    """Write the report, a row per learner, most certificates first.

    Example: mm export demo --format xlsx
    """
    if raw and kind is not Format.CSV:
        message = "--raw goes with --format csv; the other formats hold every text as it is."
        raise typer.BadParameter(message)
    path, learners = export(program, kind, out, raw=raw)
    typer.echo(f"{counted(learners, 'learner')} written to {path}. It holds personal data.")


@app.command("combine")
def combine_programs(
    also: Annotated[
        list[str] | None,
        typer.Option(
            "--with", metavar="PROGRAM", help="Also take in this program, whose learners are invented."
        ),
    ] = None,
) -> None:
    """Put the published files of all programs into one, database/all_programs.duckdb.

    Each is as its last build left it; one of another version is named and left out, and so are programs whose
    learners are invented, unless there is no other. With MM_MASK_SECRET there is also
    all_programs.masked.duckdb, without names.

    Examples: mm combine, mm combine --with demo
    """
    combined = combine(warn, [check_program(program) for program in also or ()])
    typer.echo(f"Published {' and '.join(map(str, combined.files))}, of {', '.join(combined.programs)}.")
    if combined.not_built:
        typer.echo(f"No published file yet: {', '.join(combined.not_built)}.")
    for program in combined.invented:
        typer.echo(
            f"{program} is left out, as its learners are invented: `mm combine --with {program}` takes it."
        )


def _time(text: str) -> timedelta:
    match = re.fullmatch(r"([0-9]{1,4})([hdw])", text)
    if not match:
        message = (
            f"--older-than is {text!r}: expected a number of hours, days or weeks, such as 12h, 7d or 2w."
        )
        raise typer.BadParameter(message)
    unit = {"h": "hours", "d": "days", "w": "weeks"}[match[2]]
    return timedelta(**{unit: int(match[1])})
