"""`mm ui`."""

import webbrowser
from typing import Annotated

import typer

from mm.cli.app import app, check_port
from mm.seeds import check_program


@app.command("ui")
def serve_pages(
    program: Annotated[
        str | None, typer.Argument(metavar="PROGRAM", help="The program to open first; the list if none.")
    ] = None,
    *,
    port: Annotated[int, typer.Option(min=1024, max=65535, help="Port on this machine.")] = 8030,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Only print the address; do not open a browser.")
    ] = False,
) -> None:
    """Do the weekly round in a browser: downloads, build, report, mails.

    The pages run on this machine, for this user alone; Ctrl-C ends them. What they have started goes on.
    What mails are sent with is set in the environment, as for `mm send`.

    Examples: mm ui, mm ui demo --port 8031
    """
    # The other commands need no web server.
    from mm.ui.server import serve  # noqa: PLC0415

    if program is not None:
        check_program(program)
    check_port(port)

    def tell(address: str, address_once: str) -> None:
        first = f"&program={program}" if program else ""
        typer.echo(f"Open {address}{first} in a browser. Ctrl-C ends it.")
        if not no_browser:
            webbrowser.open(f"{address_once}{first}")

    serve(port, tell)
