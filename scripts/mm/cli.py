"""The command `mm`."""

import itertools
import json
import os
import re
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from threading import Event as Flag
from types import FrameType
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from typer.core import TyperGroup

from mm import csv_out, days, downloads, mailout, old_files
from mm.addresses import as_cell, read_address
from mm.combine import combine
from mm.export import Format, export
from mm.ledger import ALWAYS, EXPORT_COLUMNS, OPTED_OUT, TAKEN_BACK, Ledger, stands
from mm.mail_pages import write_mails
from mm.mail_templates import choose
from mm.marts import dbt_command
from mm.misplaced import misplaced_reports
from mm.optouts import Bounced, OptOuts, WhoIsNotMailed, is_opted_out
from mm.published import Candidate, Program, read_candidates, read_program
from mm.render import Renderer, clean_name, mail_address
from mm.seeds import check_program
from mm.send_log import Attempt, Event, MailKey
from mm.sender import Sender, server_from_environment
from mm.settings import PRIVATE_UMASK, PROJECT, SEEDS, ReaderError, data_dir
from mm.unsubscribe_check import check
from mm.unsubscribe_links import check_secret, is_nobodys, secret_from_environment

_NO_SECRET = "not-a-secret-links-made-with-this-do-not-work"  # noqa: S105 - as it says
_SECONDS_BETWEEN_LINES = 10
_SETS = ("audit_passed", "certificate_eligible")


class Engine(StrEnum):
    """Where a program is built: the targets of profiles.yml."""

    LAPTOP = "laptop"
    CLUSTER = "cluster"


class _OneSentence(TyperGroup):
    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - Typer's own signature
        """Show what a user can cause as a sentence; with MM_DEBUG=1 as a traceback."""
        os.umask(PRIVATE_UMASK)
        try:
            return super().invoke(ctx)
        except (ReaderError, OSError) as error:
            if os.environ.get("MM_DEBUG") == "1" or isinstance(error, BrokenPipeError):
                raise
            typer.echo(f"mm: {_sentence(error)}", err=True)
            raise typer.Exit(1) from error


app = typer.Typer(
    cls=_OneSentence,
    help="Look at a program's mailout, render it, send it, and see what was sent.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

ProgramCode = Annotated[
    str, typer.Argument(metavar="PROGRAM", help="A code from seeds/programs.csv, such as demo.")
]
OneAddress = Annotated[str, typer.Argument(metavar="ADDRESS", help="Such as somebody@example.org.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for other programs to read.")]


@app.command("list")
def list_mailout(
    program: ProgramCode,
    *,
    who: Annotated[bool, typer.Option("--who", help="Print the rows, with names and addresses.")] = False,
    as_json: AsJson = False,
) -> None:
    """Count who gets a mail and who does not, by set, by course and by reason.

    Example: mm list demo --who > who.csv
    """
    candidates = read_candidates(program)
    with _ledger(create=False) as ledger:
        selection = mailout.select(program, ledger.history(), WhoIsNotMailed(program, ledger))
    for note in choose(read_program(program)).notes:
        _warn(note)
    kept = [candidate for candidate in candidates if candidate.excluded_reason is None]
    counts = {
        "program": program,
        "candidates": len(candidates),
        "mailout": len(kept),
        "would_go_out_now": len(selection.mails),
        "by_set": dict(Counter(_SETS[candidate.trigger_course_verified] for candidate in kept)),
        "by_course": dict(Counter(candidate.trigger_course for candidate in kept)),
        "by_excluded_reason": dict(
            Counter(c.excluded_reason for c in candidates if c.excluded_reason is not None)
        ),
        "left_out_since_the_build": dict(selection.left_out),
    }
    if as_json:
        rows = {"who": [asdict(candidate) for candidate in candidates]} if who else {}
        typer.echo(json.dumps(counts | rows, indent=2))
    elif who:
        # A terminal obeys the control characters that a name may hold.
        rows = (asdict(each) | {"student_name": clean_name(each.student_name)} for each in candidates)
        csv_out.write(itertools.chain([Candidate.__slots__], (list(row.values()) for row in rows)))
    else:
        _print_counts(counts)


@app.command()
def render(
    program: ProgramCode,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder to write to; out/PROGRAM in the project if not given."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="Render only the first N.")] = None,
) -> None:
    """Write every mail that would go out now as .eml, .html and .txt.

    An index.html leafs through them. What the index of the render before lists is removed.

    Example: mm render demo --limit 20
    """
    renderer = _renderer(program, needs_secret=False)
    with _ledger(create=False) as ledger:
        mails = mailout.select(program, ledger.history(), WhoIsNotMailed(program, ledger)).mails[:limit]
    index = write_mails(program, mails, renderer, out or PROJECT / "out" / program)
    typer.echo(f"{_mails(len(mails))} rendered: open {index} in a browser.")


@app.command()
def send(  # noqa: PLR0913 - one argument for each option
    program: ProgramCode,
    *,
    confirm: Annotated[
        int | None,
        typer.Option(min=0, metavar="N", help="Send, if exactly N mails would go out now."),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Send to this test address only, and record nothing."),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="With --to: how many mails (3).")
    ] = None,
    per_second: Annotated[
        float | None,
        typer.Option(min=0.001, metavar="N", help="Send at most so many mails a second."),
    ] = None,
    insecure: Annotated[
        bool,
        typer.Option("--insecure", help="Do without STARTTLS and a trusted certificate."),
    ] = False,
    resend_unknown: Annotated[
        bool,
        typer.Option("--resend-unknown", help="Also send what may or may not have arrived before."),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Go all the way, connection and login included; record nothing."),
    ] = False,
) -> None:
    """Say how many mails would go out now and by which server; send them with --confirm or --to.

    MM_SMTP_URL names the server, MM_UNSUBSCRIBE_SECRET is what the unsubscribe links are made with.
    The mails of a program that is not invented go to no `mm smtp-sink`, but with --to.
    The exit code is 1 if a mail failed, was deferred or not reached, or if it is unknown whether it arrived.

    Examples: mm send demo, mm send demo --to me@example.org --limit 3, mm send demo --confirm 120
    """
    if (to is not None) + (confirm is not None) + dry_run > 1:
        message = "--to, --dry-run and --confirm exclude each other: test first, then send."
        raise typer.BadParameter(message)
    if limit is not None and to is None:
        message = "--limit goes with --to; the mailout itself is sent whole."
        raise typer.BadParameter(message)
    renderer = _renderer(program, needs_secret=True)
    server = server_from_environment()
    stop = Flag()
    to_sink = to is not None or renderer.is_of_invented
    sender = Sender(server, insecure=insecure, stop=stop, to_sink=to_sink)
    if confirm is None:
        with _ledger(create=False) as ledger:
            not_mailed = WhoIsNotMailed(program, ledger)
            selection = mailout.select(program, ledger.history(), not_mailed, resend_unknown=resend_unknown)
        if to is not None:
            _send_tests(selection.mails[: limit or 3], renderer, sender, to)
            return
        _check_all(selection.mails, renderer)
        count = len(selection.mails)
        _print_left_out(selection)
        if dry_run:
            with sender:
                typer.echo("The mail server lets us in.")
        typer.echo(f"{_mails(count)} would go out now, by {server}. Nothing was sent.")
        again = " --resend-unknown" if resend_unknown else ""
        typer.echo(f"To send them: mm send {program} --confirm {count}{again}")
        return
    _send_all(
        program, confirm, renderer, sender, per_second=per_second, resend_unknown=resend_unknown, stop=stop
    )


def _send_all(  # noqa: PLR0913 - what `mm send` was told
    program: str,
    confirm: int,
    renderer: Renderer,
    sender: Sender,
    *,
    per_second: float | None,
    resend_unknown: bool,
    stop: Flag,
) -> None:
    with _ledger() as ledger, ledger.sending(program):
        not_mailed = WhoIsNotMailed(program, ledger)
        selection = mailout.select(program, ledger.history(), not_mailed, resend_unknown=resend_unknown)
        if len(selection.mails) != confirm:
            message = (
                f"{_mails(len(selection.mails))} would go out now, not {confirm}: nothing was sent. "
                f"See `mm list {program}` for what changed, then confirm the right number."
            )
            raise ReaderError(message)
        _check_all(selection.mails, renderer)
        if not selection.mails:
            typer.echo("There is nothing to send.")
            return
        with _stopping_gently(stop), sender, _progress(confirm) as progress:
            tally = mailout.send(
                selection.mails,
                renderer,
                sender,
                ledger,
                not_mailed,
                per_second=per_second,
                resend_unknown=resend_unknown,
                stop=stop,
                progress=progress,
            )
    deferred = f"{tally.deferred} deferred, " if tally.deferred else ""
    too_late = f"{tally.too_late} too late (a last day is over), " if tally.too_late else ""
    typer.echo(
        f"{tally.sent} sent, {tally.failed} failed, {tally.unknown} unknown, {deferred}"
        f"{tally.left_out} left out (unsubscribed or mailed meanwhile), {too_late}"
        f"{confirm - tally.done} not reached."
    )
    if tally.stopped:
        raise ReaderError(tally.stopped)
    if tally.sent + tally.left_out + tally.too_late < confirm:
        typer.echo(f"mm log {program} tells what became of them.", err=True)
        raise typer.Exit(1)


@app.command("log")
def show_log(
    program: ProgramCode,
    *,
    as_json: AsJson = False,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Print a CSV, a line for each try, with addresses.")
    ] = False,
) -> None:
    """Say what was sent, what failed, and what may or may not have arrived (unknown).

    Deferred is what the server refused because of the sender, not of the learner; bounced is what came back.

    Example: mm log demo --json
    """
    if as_json and as_csv:
        message = "--json and --csv exclude each other."
        raise typer.BadParameter(message)
    with _ledger(create=False) as ledger:
        attempts = ledger.history().of_program(check_program(program))
    counts = Counter(attempt.outcome.value for attempt in attempts)
    if as_json:
        rows = [
            attempt.key._asdict()
            | {
                "attempt": attempt.attempt,
                "outcome": attempt.outcome,
                "logged_at": attempt.logged_at or None,
                "detail": attempt.detail.rstrip(".") or None,
            }
            for attempt in attempts
        ]
        typer.echo(json.dumps({"program": program, "counts": counts, "attempts": rows}, indent=2))
        return
    if as_csv:
        _print_as_csv(attempts)
        return
    for event in (Event.SENT, Event.FAILED, Event.UNKNOWN, Event.DEFERRED, Event.BOUNCED):
        typer.echo(f"{event:<8} {counts[event]:>8}")
    for attempt in attempts:
        if attempt.outcome is not Event.SENT:
            typer.echo(
                f"{attempt.outcome}: learner {attempt.key.student_id}, "
                f"{attempt.key.trigger_course_instance}, attempt {attempt.attempt}, "
                f"{attempt.logged_at}: {attempt.detail.rstrip('.') or 'no outcome on record'}"
            )


class _ReadsByDefault(TyperGroup):
    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401 - Typer's own signature
        """Read bounces where the first word is no command: it is a program then."""
        return super().resolve_command(ctx, args if args[0] in self.commands else ["read", *args])


bounces = typer.Typer(
    cls=_ReadsByDefault,
    help="What came back: `mm bounces PROGRAM PATH...` reads it, as `read` does.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(bounces, name="bounces")


@bounces.command("read")
def read_bounces(
    program: ProgramCode,
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH...", help="Mail, .emlx, mbox, ZIP of these, Maildir, or any folder."),
    ],
) -> None:
    """Read mails that came back, and complaints: their addresses get no more mail.

    Only what was sent counts, of all programs. Reading the same again changes nothing.

    Example: mm bounces demo ~/Mail/bounces.mbox
    """
    # The other commands read no mail.
    from mm.bounces import take_in  # noqa: PLC0415
    from mm.mail_files import mails_in  # noqa: PLC0415

    check_program(program)
    with _ledger() as ledger:
        if not ledger.history().of_program(program):
            message = f"The ledger has no mail of {program}: nothing was sent, so nothing can have come back."
            raise ReaderError(message)
        tally = take_in(itertools.chain.from_iterable(map(mails_in, paths)), ledger)
    for line in tally.lines:
        typer.echo(line)
    for name, value in asdict(tally).items():
        if name != "lines":
            typer.echo(f"{value:>8}  {name.replace('_', ' ')}")


@bounces.command("forget")
def forget_bounce(address: OneAddress) -> None:
    """Let an address be mailed again that works now; what came back before changes nothing more.

    Example: mm bounces forget somebody@example.org
    """
    email = _read_argument(address)
    with _ledger() as ledger:
        had_bounced = ledger.forget_bounce(email)
    listed = Bounced()
    if email in listed:
        message = f"{listed.path} has the address: take its line away there."
        raise ReaderError(message)
    if had_bounced:
        typer.echo("The address gets mail again.")
    else:
        typer.echo("Nothing had come back from the address: nothing was changed.")


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
    typer.echo(f"{_learners(learners)} written to {path}. It holds personal data.")


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
    # The plotting library takes as long to load as all the rest together.
    from mm.report import write_report  # noqa: PLC0415
    from mm.report_all import write_report_of_all  # noqa: PLC0415

    now = datetime.now(UTC)
    if program is None:
        path = write_report_of_all(out, now=now)
    else:
        path = write_report(program, out, now=now, with_learners=with_learners)
    private = " It holds personal data." if with_learners else ""
    typer.echo(f"Report written: open {path} in a browser.{private}")


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
        _warn(f"not counted: {sentence}")
    for sentence in misplaced_reports(program, data_dir(), SEEDS):
        _warn(sentence)
    if as_json:
        rows = [downloads.as_json(run, now) for run in runs]
        typer.echo(json.dumps({"program": program, "runs": rows}, indent=2))
    elif as_html:
        page = downloads.write_page(program, runs, now=now, out=out)
        typer.echo(f"Page written: open {page} in a browser.")
    else:
        for line in downloads.lines(runs, now):
            typer.echo(line)


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
            from mm import cluster  # noqa: PLC0415 - an extra that few have
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
    combined = combine(_warn, [check_program(program) for program in also or ()])
    typer.echo(f"Published {' and '.join(map(str, combined.files))}, of {', '.join(combined.programs)}.")
    if combined.not_built:
        typer.echo(f"No published file yet: {', '.join(combined.not_built)}.")
    for program in combined.invented:
        typer.echo(
            f"{program} is left out, as its learners are invented: `mm combine --with {program}` takes it."
        )


@app.command()
def smtp_sink(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on this machine.")] = 1025,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the mails; out/smtp-sink in the project if not given."),
    ] = None,
) -> None:
    """Run a mail server on this machine that delivers nothing and keeps every mail as a file.

    Send to it with MM_SMTP_URL=smtp://localhost:1025; Ctrl-C ends it. It says what it is, so that no mails
    of a real program count as sent for lying there.

    Example: mm smtp-sink --port 1025
    """
    out = out or PROJECT / "out" / "smtp-sink"
    stop = Flag()
    _check_port(port)
    out.mkdir(parents=True, exist_ok=True)
    # The other commands need no mail server.
    from mm import smtp_sink as sink  # noqa: PLC0415

    controller = sink.start(port, out, typer.echo)
    with _stopping_gently(stop):
        typer.echo(f"MM_SMTP_URL=smtp://localhost:{port} delivers to {out}. Ctrl-C ends it.")
        stop.wait()
    controller.stop()


unsubscribe = typer.Typer(
    help="Who asked for no more mail, and the page that the unsubscribe links lead to.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(unsubscribe, name="unsubscribe")


@unsubscribe.command("serve")
def serve_page(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on this machine.")] = 8025,
) -> None:
    """Run the page on this machine, for a web server with TLS in front of it; Ctrl-C ends it.

    MM_UNSUBSCRIBE_SECRET is what the links are made with. Who unsubscribes is put into the ledger.

    Example: mm unsubscribe serve --port 8025
    """
    # The other commands need no web server.
    from mm.unsubscribe_server import serve  # noqa: PLC0415

    _check_port(port)
    serve(port, lambda: typer.echo(f"http://127.0.0.1:{port} serves the page. Ctrl-C ends it."))


@unsubscribe.command("check")
def check_page(program: ProgramCode) -> None:
    """Ask the program's page as mail programs do, for a made-up address: whether it knows its links.

    MM_UNSUBSCRIBE_SECRET is what they are made with. The exit code is 1 where it would lose an opt-out.

    Example: mm unsubscribe check demo
    """
    facts = read_program(program)
    secret = secret_from_environment("there is nothing to check")
    check_secret(secret, facts.unsubscribe_hash, _warn)
    typer.echo(check(facts, secret))


@unsubscribe.command("list")
def list_opt_outs() -> None:
    """Print who gets no mail for having asked for none, by the ledger or data/unsubscribed.csv, as CSV.

    Example: mm unsubscribe list > opted_out.csv
    """
    with _ledger() as ledger:
        listed, said = OptOuts(), ledger.statements()
    rows: list[Sequence[object]] = [EXPORT_COLUMNS]
    for email in sorted(said.keys() | {each.email for each in listed}):
        of_ledger = (each for each in said.get(email, ()) if each.says in {OPTED_OUT, TAKEN_BACK})
        if standing := stands([*listed.about(email), *of_ledger]):
            said_at = "" if standing.said_at == ALWAYS else standing.said_at
            rows.append((as_cell(email), said_at, standing.source))
    csv_out.write(rows)


@unsubscribe.command("add")
def add_opt_out(address: OneAddress) -> None:
    """Write an address down that asked for no more mail, such as by phone.

    Example: mm unsubscribe add somebody@example.org
    """
    with Ledger() as ledger:
        ledger.opt_out(_read_argument(address), "command")
    typer.echo("The address gets no more mail.")


@unsubscribe.command("undo")
def undo_opt_out(address: OneAddress) -> None:
    """Take an opt-out back, whoever said it: on the page, by a complaint or with `add`.

    Example: mm unsubscribe undo somebody@example.org
    """
    email = _read_argument(address)
    with _ledger() as ledger:
        listed = OptOuts()
        was_opted_out = is_opted_out(email, listed, ledger.statements())
        ledger.take_back(email, "command")
        still_is = is_opted_out(email, listed, ledger.statements())
    if still_is:
        message = f"{listed.path} has the address: take its line away there."
        raise ReaderError(message)
    if was_opted_out:
        typer.echo("The address gets mail again.")
    else:
        typer.echo("The address was not opted out: nothing was changed.")


@unsubscribe.command("export")
def export_opt_outs() -> None:
    """Print all opt-outs and takings back of the ledger, as CSV, for `import` on another machine.

    Example: mm unsubscribe export > from_the_page.csv
    """
    with _ledger() as ledger:
        for line in ledger.export_lines():
            typer.echo(line, nl=False)


@unsubscribe.command("import")
def import_opt_outs(
    file: Annotated[
        typer.FileText,
        typer.Argument(metavar="FILE", encoding="utf-8-sig", help="What `export` wrote; -: standard input."),
    ],
) -> None:
    """Add what `export` wrote on another machine; in any order, and the same file twice is once.

    Example: ssh page mm unsubscribe export | mm unsubscribe import -
    """
    with Ledger() as ledger:
        new = ledger.import_lines(file, file.name)
    typer.echo(f"{_lines(new)} of it {'was' if new == 1 else 'were'} new.")


def _check_port(port: int) -> None:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError as error:
        message = f"Port {port} cannot be used ({error.strerror}): choose another with --port."
        raise ReaderError(message) from error


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename} cannot be used: {error.strerror}."
    return str(error)


def _time(text: str) -> timedelta:
    match = re.fullmatch(r"([0-9]{1,4})([hdw])", text)
    if not match:
        message = (
            f"--older-than is {text!r}: expected a number of hours, days or weeks, such as 12h, 7d or 2w."
        )
        raise typer.BadParameter(message)
    unit = {"h": "hours", "d": "days", "w": "weeks"}[match[2]]
    return timedelta(**{unit: int(match[1])})


def _read_argument(address: str) -> str:
    try:
        return read_address(address)
    except ValueError as error:
        message = f"ADDRESS {error}."
        raise ReaderError(message) from error


def _lines(count: int) -> str:
    return "1 line" if count == 1 else f"{count} lines"


def _learners(count: int) -> str:
    return "1 learner" if count == 1 else f"{count} learners"


def _mails(count: int) -> str:
    return "1 mail" if count == 1 else f"{count} mails"


def _renderer(program: str, *, needs_secret: bool) -> Renderer:
    facts = read_program(program)
    renderer = Renderer(facts, _secret(facts, needed=needs_secret))
    for note in renderer.notes:
        _warn(note)
    if is_nobodys(facts.unsubscribe_base or ""):
        _warn(
            f"unsubscribe_base of {program} is {facts.unsubscribe_base}, where no page can be: the "
            "unsubscribe links do not work. Correct it in seeds/programs.csv before you write to learners."
        )
    return renderer


@contextmanager
def _ledger(*, create: bool = True) -> Iterator[Ledger]:
    """Open the ledger with what earlier versions left; without `create`, where there is none, in memory."""
    with Ledger(create=create) as ledger:
        old_files.take_in(ledger, _warn)
        yield ledger


def _print_as_csv(attempts: list[Attempt]) -> None:
    ends = ("email", "outcome", "intended_at", "logged_at", "message_id", "server_id", "detail")
    rows: list[Sequence[object]] = [("program", *MailKey._fields, "attempt", *ends)]
    for attempt in attempts:
        email = as_cell(attempt.email) if attempt.email else ""
        times = (attempt.intended_at, attempt.logged_at)
        ids = (attempt.message_id, attempt.server_id)
        start = (attempt.program, *attempt.key, attempt.attempt)
        rows.append((*start, email, attempt.outcome, *times, *ids, attempt.detail))
    csv_out.write(rows)


def _secret(facts: Program, *, needed: bool) -> str:
    if not needed and not os.environ.get("MM_UNSUBSCRIBE_SECRET"):
        _warn("MM_UNSUBSCRIBE_SECRET is not set: the unsubscribe links in these files do not work.")
        return _NO_SECRET
    secret = secret_from_environment("nothing is sent")
    check_secret(secret, facts.unsubscribe_hash, _warn)
    return secret


def _warn(message: str) -> None:
    typer.echo(f"mm: {message}", err=True)


def _check_all(mails: list[Candidate], renderer: Renderer) -> None:
    # A template's fault may show with one learner only: none is mailed before all are rendered.
    for candidate in mails:
        renderer.bodies(candidate)


def _send_tests(mails: list[Candidate], renderer: Renderer, sender: Sender, to: str) -> None:
    try:
        recipient = mail_address(to).addr_spec
    except ValueError as error:
        message = f"The address after --to is {error}."
        raise ReaderError(message) from error
    messages = [renderer.message(candidate, recipient).as_bytes() for candidate in mails]
    with sender:
        for number, content in enumerate(messages, start=1):
            outcome = sender.deliver(renderer.sender.addr_spec, recipient, content)
            if outcome.event is not Event.SENT:
                message = f"Test mail {number} of {len(messages)} was not accepted: {outcome.detail}."
                raise ReaderError(message)
    typer.echo(f"{_mails(len(messages))} sent for a test; nothing was recorded.")


def _print_counts(counts: dict[str, Any]) -> None:
    typer.echo(
        f"{counts['program']}: {counts['candidates']} candidates, {counts['mailout']} of them to "
        f"be mailed at the last build, {counts['would_go_out_now']} now."
    )
    for name in ("by_set", "by_course", "by_excluded_reason", "left_out_since_the_build"):
        if counts[name]:
            typer.echo(f"\n{name.replace('_', ' ')}:")
        for key, count in sorted(counts[name].items()):
            typer.echo(f"{count:>8}  {key}")


def _print_left_out(selection: mailout.Selection) -> None:
    for reason, count in sorted(selection.left_out.items()):
        typer.echo(f"{count} of the last build's mails are left out: {reason}.")


@contextmanager
def _stopping_gently(stop: Flag) -> Iterator[None]:
    signals = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in signals}

    def handle(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - signal's signature
        stop.set()
        for each in signals:
            signal.signal(each, signal.SIG_DFL)

    for number in signals:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number in signals:
            signal.signal(number, before[number])


@contextmanager
def _progress(total: int) -> Iterator[Callable[[mailout.Tally], None]]:
    started = time.monotonic()
    console = Console()

    def rate(tally: mailout.Tally) -> float:
        return tally.done / max(time.monotonic() - started, 0.001)

    if console.is_terminal:
        columns = (
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=console) as bar:
            task = bar.add_task("", total=total, rate="")
            yield lambda tally: bar.update(task, completed=tally.done, rate=f"{rate(tally):.1f} a second")
        return

    next_line = started + _SECONDS_BETWEEN_LINES

    def line(tally: mailout.Tally) -> None:
        nonlocal next_line
        if time.monotonic() >= next_line:
            next_line += _SECONDS_BETWEEN_LINES
            left = (total - tally.done) / rate(tally)
            typer.echo(
                f"{tally.done} of {total} mails, {rate(tally):.1f} a second, about {left:.0f} seconds left"
            )

    yield line


if __name__ == "__main__":
    app()
