"""The commands that build: a program, and the file of all programs."""

from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from mm import days
from mm.cli.app import app, warn
from mm.cli.progress import progress
from mm.config import SEEDS, ReaderError
from mm.pages import age, counted, moment
from mm.published import database_path, published_at, read_build
from mm.seeds import check_program, rows_of

if TYPE_CHECKING:
    from mm.build.run_dbt import Said


# What becomes of files, in the words of report_files.status and in those of a reader.
_FILES = {"used": "used", "superseded": "older", "ignored": "ignored"}


class Engine(StrEnum):
    """Where a program is built: the targets of profiles.yml."""

    LAPTOP = "laptop"
    CLUSTER = "cluster"


class Fetched(StrEnum):
    """Which tables come from a cluster into the published file."""

    ALL = "all"
    SUMMARIES = "summaries"


@app.command()
def build(
    program: Annotated[
        str | None,
        typer.Argument(metavar="PROGRAM", help="A code from seeds/programs.csv; none: list them."),
    ] = None,
    *,
    engine: Annotated[
        Engine, typer.Option("--on", help="laptop: DuckDB, here; cluster: the Spark of MM_SPARK_MASTER.")
    ] = Engine.LAPTOP,
    fetched: Annotated[
        Fetched | None,
        typer.Option(
            "--fetch",
            help="With --on cluster: all tables, or summaries, without those that have a row per learner and "
            "course, learners and their history; all if not given.",
        ),
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option(metavar="DAY", help="Build as of this day, such as 2026-07-14; today if not given."),
    ] = None,
) -> None:
    """Build a program's report and mailout from its downloads.

    It is `dbt build` with one line that moves; at the end it says what was published. Without a program it
    lists all, with the age of each build.

    Examples: mm build demo, mm build demo --as-of 2026-07-14, mm build demo --on cluster
    """
    if program is None:
        _list_builds()
        return
    if fetched and engine is not Engine.CLUSTER:
        message = "--fetch goes with --on cluster."
        raise typer.BadParameter(message)
    variables = {"program": check_program(program)}
    if as_of is not None:
        try:
            variables["as_of"] = days.read_day(as_of).isoformat()
        except ValueError as error:
            message = f"--as-of is {as_of!r}: expected a day such as 2026-07-14."
            raise ReaderError(message) from error
    _build(program, variables, engine, summaries=fetched is Fetched.SUMMARIES)


def _build(program: str, variables: dict[str, str], engine: Engine, *, summaries: bool) -> None:
    # dbt's library takes as long to load as all the rest together.
    from mm.build.run_dbt import FailedError, run_dbt  # noqa: PLC0415

    try:
        with progress("steps") as show:
            if engine is Engine.CLUSTER:
                said = _cluster_build(variables, show, summaries=summaries)
            else:
                # dbt parses anew where the variables are others, so each program has a place of its own.
                place = ("--target-path", f"target/{program}", "--no-write-json")
                said = run_dbt("build", *place, variables=variables, on_step=show)
    except FailedError as error:
        _print(error.said.notes, error.said.warnings)
        as_it_was = f": {database_path(program)} is as it was" if published_at(program) else ""
        typer.echo(f"Nothing was published{as_it_was}.")
        raise
    *notes, published = said.notes
    _print(notes, said.warnings)
    facts = read_build(program)
    files = [f"{facts.files[status]} {word}" for status, word in _FILES.items() if facts.files[status]]
    typer.echo(f"{published}: {counted(facts.learners, 'learner')}; files: {', '.join(files)}.")


def _cluster_build(
    variables: dict[str, str], show: Callable[[int, int, str], None], *, summaries: bool
) -> "Said":
    try:
        from mm.build import cluster  # noqa: PLC0415 - an extra that few have
    except ModuleNotFoundError as error:
        message = f"There is no {error.name} here, which a cluster needs: install it with `make cluster`."
        raise ReaderError(message) from error
    return cluster.build(variables, show, summaries=summaries)


def _print(notes: list[str], warnings: list[str]) -> None:
    for note in notes:
        typer.echo(note)
    for warning in warnings:
        typer.echo(f"Warning: {warning}")


def _list_builds() -> None:
    programs = [row["program"] for row in rows_of("programs", SEEDS)]
    width = max(map(len, programs))
    for program in programs:
        at = published_at(program)
        built = f"built {moment(at)}, {age(datetime.now(UTC) - at)}" if at else "not built"
        typer.echo(f"{program.ljust(width)}  {built}")


@app.command("combine")
def combine_programs(
    also: Annotated[
        list[str] | None,
        typer.Option(
            "--with", metavar="PROGRAM", help="Also take in this program, whose learners are invented."
        ),
    ] = None,
) -> None:
    """Put the published files of all programs into one file.

    It is database/all_programs.duckdb. Each program is as its last build left it; one of another version is
    named and left out, and so are programs whose learners are invented, unless there is no other. With
    MM_MASK_SECRET there is also all_programs.masked.duckdb, without names.

    Examples: mm combine, mm combine --with demo
    """
    # As above.
    from mm.build.combine import combine  # noqa: PLC0415

    combined = combine(warn, [check_program(program) for program in also or ()])
    typer.echo(f"Published {' and '.join(map(str, combined.files))}, of {', '.join(combined.programs)}.")
    if combined.not_built:
        typer.echo(f"No published file yet: {', '.join(combined.not_built)}.")
    for program in combined.invented:
        typer.echo(
            f"{program} is left out, as its learners are invented: `mm combine --with {program}` takes it."
        )
