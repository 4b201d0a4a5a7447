"""`mm send`."""

from threading import Event as Flag
from typing import Annotated

import typer

from mm.cli.app import ProgramCode, app, open_ledger, warn
from mm.cli.progress import progress_of_mails, stopping_gently
from mm.config import ReaderError
from mm.mail import mailout
from mm.mail import sending as mailing
from mm.mail.not_mailed import WhoIsNotMailed
from mm.mail.ready import renderer_of
from mm.mail.render import Renderer
from mm.mail.sender import Sender
from mm.mail.server import Server, server_from_environment
from mm.pages import counted

Confirm = Annotated[
    int | None, typer.Option(min=0, metavar="N", help="Send only if exactly N mails would go out now.")
]
To = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="Send to this test address only, and record nothing."),
]
Limit = Annotated[int | None, typer.Option(min=1, metavar="N", help="With --to: how many mails (3).")]
PerSecond = Annotated[
    float | None, typer.Option(min=0.001, metavar="N", help="Send at most so many mails a second.")
]
Insecure = Annotated[
    bool, typer.Option("--insecure", help="Allow no encryption and an untrusted certificate.")
]
ResendUnknown = Annotated[
    bool, typer.Option("--resend-unknown", help="Also resend mails whose outcome is unknown.")
]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Connect and log in, but send and record nothing."),
]


@app.command()
def send(  # noqa: PLR0913 - one argument for each option
    program: ProgramCode,
    *,
    confirm: Confirm = None,
    to: To = None,
    limit: Limit = None,
    per_second: PerSecond = None,
    insecure: Insecure = False,
    resend_unknown: ResendUnknown = False,
    dry_run: DryRun = False,
) -> None:
    """Send the mails; without --confirm or --to, say how many.

    MM_SMTP_URL names the server, MM_UNSUBSCRIBE_SECRET is what the unsubscribe links are made with.
    The mails of a program that is not invented go to no `mm smtp-sink`, but with --to.
    The exit code is 1 if a mail failed, was deferred or not reached, or if it is unknown whether it arrived.

    Examples: mm send demo, mm send demo --to me@example.org --limit 3, mm send demo --confirm 120
    """
    if (to is not None) + (confirm is not None) + dry_run > 1:
        message = "Use only one of --to, --dry-run and --confirm: test first, then send."
        raise typer.BadParameter(message)
    if limit is not None and to is None:
        message = "--limit goes with --to; the mailout itself is sent whole."
        raise typer.BadParameter(message)
    renderer = renderer_of(program, needs_secret=True, warn=warn)
    server = server_from_environment()
    stop = Flag()
    to_sink = to is not None or renderer.is_of_invented
    sender = Sender(server, insecure=insecure, stop=stop, to_sink=to_sink)
    if confirm is not None:
        how = {"per_second": per_second, "resend_unknown": resend_unknown, "stop": stop}
        _send_all(program, confirm, renderer, sender, **how)
        return
    with open_ledger(create=False) as ledger:
        not_mailed = WhoIsNotMailed(program, ledger)
        selection = mailout.select(program, ledger.history(), not_mailed, resend_unknown=resend_unknown)
    if to is not None:
        count = mailing.send_tests(selection.mails[: limit or 3], renderer, sender, to)
        typer.echo(f"{counted(count, 'mail')} sent for a test; nothing was recorded.")
        return
    mailing.check_all(selection.mails, renderer)
    _print_left_out(selection)
    if dry_run:
        with sender:
            typer.echo("The mail server lets us in.")
    _print_how_to_send(program, len(selection.mails), server, resend_unknown=resend_unknown)


def _print_how_to_send(program: str, count: int, server: Server, *, resend_unknown: bool) -> None:
    typer.echo(f"{counted(count, 'mail')} would go out now, by {server}. Nothing was sent.")
    again = " --resend-unknown" if resend_unknown else ""
    typer.echo(f"To send them: mm send {program} --confirm {count}{again}")


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
    with open_ledger() as ledger, ledger.sending(program):
        not_mailed = WhoIsNotMailed(program, ledger)
        selection = mailout.select(program, ledger.history(), not_mailed, resend_unknown=resend_unknown)
        if len(selection.mails) != confirm:
            message = (
                f"{counted(len(selection.mails), 'mail')} would go out now, not {confirm}: nothing was sent. "
                f"See `mm list {program}` for what changed, then confirm the right number."
            )
            raise ReaderError(message)
        mailing.check_all(selection.mails, renderer)
        if not selection.mails:
            typer.echo("There is nothing to send.")
            return
        with stopping_gently(stop), sender, progress_of_mails(confirm) as show:
            tally = mailing.send(
                selection.mails,
                renderer,
                sender,
                ledger,
                not_mailed,
                per_second=per_second,
                resend_unknown=resend_unknown,
                stop=stop,
                progress=show,
            )
    counts = {
        "sent": tally.sent,
        "failed": tally.failed,
        "unknown": tally.unknown,
        "deferred": tally.deferred,
        "left out (unsubscribed or mailed meanwhile)": tally.left_out,
        "too late (a last day is over)": tally.too_late,
        "not reached": confirm - tally.done,
    }
    typer.echo(f"{', '.join(f'{count} {what}' for what, count in counts.items() if count)}.")
    if tally.stopped:
        raise ReaderError(tally.stopped)
    if tally.sent + tally.left_out + tally.too_late < confirm:
        typer.echo(f"mm log {program} tells what became of them.", err=True)
        raise typer.Exit(1)


def _print_left_out(selection: mailout.Selection) -> None:
    for reason, count in sorted(selection.left_out.items()):
        typer.echo(f"{count} of the last build's mails are left out: {reason}.")
