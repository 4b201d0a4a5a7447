"""The commands around opt-outs, and the page that the unsubscribe links lead to."""

from typing import Annotated

import typer

from mm import csv_out
from mm.cli.app import OneAddress, ProgramCode, app, check_port, open_ledger, read_argument, warn
from mm.config import ReaderError
from mm.ledger.ledger import Ledger
from mm.ledger.said import EXPORT_COLUMNS
from mm.pages import counted
from mm.people.address_lists import OptOuts, is_opted_out
from mm.people.addresses import as_cell
from mm.people.statements import ALWAYS, OPTED_OUT, TAKEN_BACK, stands
from mm.people.unsubscribe_links import check_secret, secret_from_environment
from mm.published import read_program
from mm.unsubscribe.check import check

unsubscribe = typer.Typer(
    help="Opt-outs, and the page that the links in mails lead to.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(unsubscribe, name="unsubscribe")


@unsubscribe.command("serve")
def serve_page(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on this machine.")] = 8025,
) -> None:
    """Run the page on this machine; Ctrl-C ends it.

    A web server with TLS belongs in front of it. MM_UNSUBSCRIBE_SECRET is what the links are made with. Who
    unsubscribes is put into the ledger.

    Example: mm unsubscribe serve --port 8025
    """
    # The other commands need no web server.
    from mm.unsubscribe.server import serve  # noqa: PLC0415

    check_port(port)
    serve(port, lambda: typer.echo(f"http://127.0.0.1:{port} serves the page. Ctrl-C ends it."))


@unsubscribe.command("check")
def check_page(program: ProgramCode) -> None:
    """Ask the program's page, as mail programs do, if it works.

    It asks for a made-up address, whether the page knows its links. MM_UNSUBSCRIBE_SECRET is what they are
    made with. The exit code is 1 where it would lose an opt-out.

    Example: mm unsubscribe check demo
    """
    facts = read_program(program)
    secret = secret_from_environment("there is nothing to check")
    check_secret(secret, facts.unsubscribe_hash, warn)
    typer.echo(check(facts, secret))


@unsubscribe.command("list")
def list_opt_outs() -> None:
    """Print as CSV who gets no mail for having asked for none.

    It is by the ledger or data/unsubscribed.csv.

    Example: mm unsubscribe list > opted_out.csv
    """
    with open_ledger() as ledger:
        listed, said = OptOuts(), ledger.statements()
    rows: list[tuple[object, ...]] = [EXPORT_COLUMNS]
    for email in sorted(said.keys() | {each.email for each in listed}):
        of_ledger = (each for each in said.get(email, ()) if each.says in {OPTED_OUT, TAKEN_BACK})
        if standing := stands([*listed.about(email), *of_ledger]):
            said_at = "" if standing.said_at == ALWAYS else standing.said_at
            rows.append((as_cell(email), said_at, standing.source))
    csv_out.write(rows)


@unsubscribe.command("add")
def add_opt_out(address: OneAddress) -> None:
    """Opt out an address that asked for it, such as by phone.

    Example: mm unsubscribe add somebody@example.org
    """
    with Ledger() as ledger:
        ledger.opt_out(read_argument(address), "command")
    typer.echo("The address gets no more mail.")


@unsubscribe.command("undo")
def undo_opt_out(address: OneAddress) -> None:
    """Take an opt-out back, wherever it is from.

    It may be from the page, a complaint or `add`.

    Example: mm unsubscribe undo somebody@example.org
    """
    email = read_argument(address)
    with open_ledger() as ledger:
        listed = OptOuts()
        was_opted_out = is_opted_out(email, listed, ledger.statements())
        ledger.take_back(email, "command")
        still_is = is_opted_out(email, listed, ledger.statements())
    if still_is:
        message = f"The address is in {listed.path}, which mm only reads: remove its line there."
        raise ReaderError(message)
    if was_opted_out:
        typer.echo("The address gets mail again.")
    else:
        typer.echo("The address was not opted out: nothing was changed.")


@unsubscribe.command("export")
def export_opt_outs() -> None:
    """Print the ledger's opt-outs as CSV, for `import` elsewhere.

    Opt-outs that were taken back are in it, too.

    Example: mm unsubscribe export > from_the_page.csv
    """
    with open_ledger() as ledger:
        for line in ledger.export_lines():
            typer.echo(line, nl=False)


@unsubscribe.command("import")
def import_opt_outs(
    file: Annotated[
        typer.FileText,
        typer.Argument(metavar="FILE", encoding="utf-8-sig", help="What `export` wrote; -: standard input."),
    ],
) -> None:
    """Add what `export` wrote on another machine.

    The order does not matter, and the same file twice is once.

    Example: ssh page mm unsubscribe export | mm unsubscribe import -
    """
    with Ledger() as ledger:
        new = ledger.import_lines(file, file.name)
    typer.echo(f"{counted(new, 'line')} of it {'was' if new == 1 else 'were'} new.")
