"""The commands that look at a mailout and at what became of it."""

import itertools
import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from threading import Event as Flag
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from mm import csv_out
from mm.cli.app import AsJson, OneAddress, ProgramCode, app, check_port, open_ledger, read_argument, warn
from mm.cli.progress import stopping_gently
from mm.config import PROJECT, ReaderError, unsubscribe_secret_as_given
from mm.ledger.history import Attempt, Event, MailKey
from mm.mail import mailout
from mm.mail.not_mailed import WhoIsNotMailed
from mm.mail.preview import write_mails
from mm.mail.render import Renderer, clean_name
from mm.mail.templates import choose
from mm.pages import counted
from mm.people.address_lists import Bounced
from mm.people.addresses import as_cell
from mm.people.unsubscribe_links import check_secret, is_nobodys, secret_from_environment
from mm.published import Candidate, Program, read_candidates, read_program
from mm.seeds import check_program

_NO_SECRET = "not-a-secret-links-made-with-this-do-not-work"  # noqa: S105 - as it says
_SETS = ("audit_passed", "certificate_eligible")


@app.command("list")
def list_mailout(
    program: ProgramCode,
    *,
    who: Annotated[bool, typer.Option("--who", help="Print the rows, with names and addresses.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say how many mails would go out now, and why others do not.

    Example: mm list demo --who > who.csv
    """
    candidates = read_candidates(program)
    with open_ledger(create=False) as ledger:
        selection = mailout.select(program, ledger.history(), WhoIsNotMailed(program, ledger))
    for note in choose(read_program(program)).notes:
        warn(note)
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
    """Write the mails that would go out now as files to look at.

    Each is written as .eml, .html and .txt. An index.html leafs through them. What the index of the render
    before lists is removed.

    Example: mm render demo --limit 20
    """
    renderer = renderer_of(program, needs_secret=False)
    with open_ledger(create=False) as ledger:
        mails = mailout.select(program, ledger.history(), WhoIsNotMailed(program, ledger)).mails[:limit]
    index = write_mails(program, mails, renderer, out or PROJECT / "out" / program)
    typer.echo(f"{counted(len(mails), 'mail')} rendered: open {index} in a browser.")


@app.command("log")
def show_log(
    program: ProgramCode,
    *,
    as_json: AsJson = False,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Print a CSV, a line for each try, with addresses.")
    ] = False,
) -> None:
    """Say what became of the mails that were sent.

    Unknown is what may or may not have arrived. Deferred is what the server refused because of the sender,
    not of the learner; bounced is what came back.

    Example: mm log demo --json
    """
    if as_json and as_csv:
        message = "Use either --json or --csv, not both."
        raise typer.BadParameter(message)
    with open_ledger(create=False) as ledger:
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
    if not attempts:
        typer.echo(f"No mail of {program} was sent.")
    for event in (Event.SENT, Event.FAILED, Event.UNKNOWN, Event.DEFERRED, Event.BOUNCED):
        if counts[event]:
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
    help="Read mails that came back: `mm bounces PROGRAM PATH`.",
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
    """Read mails that came back: their addresses get no more mail.

    Complaints count, too.

    Only what was sent counts, of all programs. Reading the same again changes nothing.

    Example: mm bounces demo ~/Mail/bounces.mbox
    """
    # The other commands read no mail.
    from mm.mail.bounces import take_in  # noqa: PLC0415
    from mm.mail.mailboxes import mails_in  # noqa: PLC0415

    check_program(program)
    with open_ledger() as ledger:
        if not ledger.history().of_program(program):
            message = f"The ledger has no mail of {program}: nothing was sent, so nothing can have come back."
            raise ReaderError(message)
        tally = take_in(itertools.chain.from_iterable(map(mails_in, paths)), ledger)
    for line in tally.lines:
        typer.echo(line)
    for name, value in asdict(tally).items():
        if name != "lines" and value:
            typer.echo(f"{value:>8}  {name.replace('_', ' ')}")


@bounces.command("forget")
def forget_bounce(address: OneAddress) -> None:
    """Let an address be mailed again that works now.

    What came back before changes nothing more.

    Example: mm bounces forget somebody@example.org
    """
    email = read_argument(address)
    with open_ledger() as ledger:
        had_bounced = ledger.forget_bounce(email)
    listed = Bounced()
    if email in listed:
        message = f"The address is in {listed.path}, which mm only reads: remove its line there."
        raise ReaderError(message)
    if had_bounced:
        typer.echo("The address gets mail again.")
    else:
        typer.echo("No mail had bounced from the address: nothing was changed.")


@app.command()
def smtp_sink(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on this machine.")] = 1025,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the mails; out/smtp-sink in the project if not given."),
    ] = None,
) -> None:
    """Run a mail server that delivers nothing, to try mails with.

    It runs on this machine and keeps every mail as a file. Send to it with MM_SMTP_URL=smtp://localhost:1025;
    Ctrl-C ends it. It says what it is, so that no mails of a real program count as sent for lying there.

    Example: mm smtp-sink --port 1025
    """
    out = out or PROJECT / "out" / "smtp-sink"
    stop = Flag()
    check_port(port)
    out.mkdir(parents=True, exist_ok=True)
    # The other commands need no mail server.
    from mm.mail import smtp_sink as sink  # noqa: PLC0415

    controller = sink.start(port, out, typer.echo)
    with stopping_gently(stop):
        typer.echo(f"MM_SMTP_URL=smtp://localhost:{port} delivers to {out}. Ctrl-C ends it.")
        stop.wait()
    controller.stop()


def renderer_of(program: str, *, needs_secret: bool) -> Renderer:
    """Return what renders the program's mails; needs_secret: real links are needed."""
    facts = read_program(program)
    renderer = Renderer(facts, _secret(facts, needed=needs_secret))
    for note in renderer.notes:
        warn(note)
    if is_nobodys(facts.unsubscribe_base or ""):
        warn(
            f"unsubscribe_base of {program} is {facts.unsubscribe_base}, where no page can be: the "
            "unsubscribe links do not work. Correct it in seeds/programs.csv before you write to learners."
        )
    return renderer


def _print_as_csv(attempts: list[Attempt]) -> None:
    ends = ("email", "outcome", "intended_at", "logged_at", "message_id", "server_id", "detail")
    rows: list[tuple[object, ...]] = [("program", *MailKey._fields, "attempt", *ends)]
    for attempt in attempts:
        email = as_cell(attempt.email) if attempt.email else ""
        times = (attempt.intended_at, attempt.logged_at)
        ids = (attempt.message_id, attempt.server_id)
        start = (attempt.program, *attempt.key, attempt.attempt)
        rows.append((*start, email, attempt.outcome, *times, *ids, attempt.detail))
    csv_out.write(rows)


def _secret(facts: Program, *, needed: bool) -> str:
    if not needed and not unsubscribe_secret_as_given():
        warn("MM_UNSUBSCRIBE_SECRET is not set: the unsubscribe links in these files do not work.")
        return _NO_SECRET
    secret = secret_from_environment("nothing is sent")
    check_secret(secret, facts.unsubscribe_hash, warn)
    return secret


def _print_counts(counts: dict[str, Any]) -> None:
    typer.echo(f"{counts['program']}: {counted(counts['would_go_out_now'], 'mail')} would go out now.")
    _print_group("left out since the build", counts["left_out_since_the_build"])
    typer.echo(
        f"\nAt the last build, {counts['mailout']} of {counts['candidates']} candidates were to be mailed."
    )
    _print_group("by set, at the build", counts["by_set"])
    _print_group("by course, at the build", counts["by_course"])
    _print_group("not mailed, at the build, by reason", counts["by_excluded_reason"])


def _print_group(title: str, counts: dict[str, int]) -> None:
    if counts:
        typer.echo(f"\n{title}:")
    for key, count in sorted(counts.items()):
        typer.echo(f"{count:>8}  {key}")
