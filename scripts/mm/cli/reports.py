"""The commands that build, draw and write a program's report."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from mm.build.misplaced import misplaced_reports
from mm.cli.app import AsJson, ProgramCode, app, warn
from mm.config import SEEDS, check_downloads_here, data_dir
from mm.pages import counted
from mm.report import download_list
from mm.report.all_programs import write_report_of_all
from mm.report.downloads import list_runs
from mm.report.export import Format, export
from mm.report.program import write_report
from mm.seeds import check_program


@app.command("downloads")
def show_downloads(
    program: ProgramCode,
    *,
    older_than: Annotated[
        str, typer.Option(metavar="TIME", help="Ask again for reports older than this: 12h, 7d or 2w.")
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
    """Say which reports to download from edX now, and where.

    Those are missing or old, of runs that are on. The runs are those of the seeds and of the program's
    folder; it needs no build.

    Examples: mm downloads demo, mm downloads demo --older-than 1d --html
    """
    if out is not None and not as_html:
        message = "--out goes with --html."
        raise typer.BadParameter(message)
    check_downloads_here()
    now = datetime.now(UTC)
    runs, unreadable = list_runs(check_program(program), now=now, older_than=_time(older_than))
    for sentence in unreadable:
        warn(f"not counted: {sentence}")
    for sentence in misplaced_reports(program, data_dir(), SEEDS):
        warn(sentence)
    if as_json:
        rows = [download_list.as_json(run, now) for run in runs]
        typer.echo(json.dumps({"program": program, "runs": rows}, indent=2))
    elif as_html:
        page = download_list.write_page(program, runs, now=now, out=out)
        typer.echo(f"Page written: open {page} in a browser.")
    else:
        for line in download_list.lines(runs, now):
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
    """Draw a program's report, or that of all, as one HTML page.

    It is to be read, printed or handed on, and names no learner.

    Examples: mm report demo, mm report --all
    """
    if all_programs is (program is not None):
        message = "Name a program, such as demo, or use --all."
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
def export_table(
    program: ProgramCode,
    table: Annotated[
        str | None,
        typer.Argument(metavar="TABLE", help="A published table, such as mailout; the report if not given."),
    ] = None,
    *,
    kind: Annotated[
        Format, typer.Option("--format", help="csv or xlsx for a spreadsheet, parquet for other tools.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="File to write; out/PROGRAM/TABLE.* in the project if not given."),
    ] = None,
    raw: Annotated[
        bool,
        typer.Option("--raw", help="CSV: put no apostrophe before texts that look like formulas."),
    ] = False,
) -> None:
    """Write the report, or another published table, to a file.

    The report has a row per learner, most certificates first.

    Examples: mm export demo --format xlsx, mm export demo mailout --format csv
    """
    if raw and kind is not Format.CSV:
        message = "--raw goes with --format csv; the other formats hold every text as it is."
        raise typer.BadParameter(message)
    done = export(program, kind, out, table=table, raw=raw)
    private = " It holds personal data." if done.is_personal else ""
    typer.echo(f"{counted(done.rows, 'row' if table else 'learner')} written to {done.path}.{private}")


def _time(text: str) -> timedelta:
    match = re.fullmatch(r"([0-9]{1,4})([hdw])", text)
    if not match:
        message = (
            f"--older-than is {text!r}: expected a number of hours, days or weeks, such as 12h, 7d or 2w."
        )
        raise typer.BadParameter(message)
    unit = {"h": "hours", "d": "days", "w": "weeks"}[match[2]]
    return timedelta(**{unit: int(match[1])})
