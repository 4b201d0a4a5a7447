"""The command `mm`, and what its commands share."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from mm.config import PRIVATE_UMASK, ReaderError, is_debugging
from mm.ledger import old_files
from mm.ledger.ledger import Ledger
from mm.people.addresses import read_address

# The commands by what people do, in the order of a round.
GROUPS = {
    "The weekly round, in a browser": ("ui",),
    "A program's report": ("build", "downloads", "report", "export", "combine"),
    "A program's mails": ("list", "render", "send", "log", "bounces", "unsubscribe", "smtp-sink"),
}


class _OneSentence(TyperGroup):
    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401, ARG002 - Typer's signature
        """List the commands in their groups."""
        for title, names in GROUPS.items():
            with formatter.section(title):
                lines = [self.commands[name].get_short_help_str(limit=formatter.width) for name in names]
                formatter.write_dl(list(zip(names, lines, strict=True)))

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - Typer's own signature
        """Show what a user can cause as a sentence; with MM_DEBUG=1 as a traceback."""
        os.umask(PRIVATE_UMASK)
        try:
            return super().invoke(ctx)
        except (ReaderError, OSError) as error:
            if is_debugging() or isinstance(error, BrokenPipeError):
                raise
            typer.echo(f"mm: {_sentence(error)}", err=True)
            raise typer.Exit(1) from error


app = typer.Typer(
    cls=_OneSentence,
    help="Build a program's report from its downloads, and write to its learners.",
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


def check_port(port: int) -> None:
    """Raise ReaderError where a port of this machine cannot be had."""
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError as error:
        message = f"Port {port} cannot be used ({error.strerror}): choose another with --port."
        raise ReaderError(message) from error


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename} cannot be used: {error.strerror}."
    return str(error)


def read_argument(address: str) -> str:
    """Return the address that was given, as it is compared; ReaderError where it is none."""
    try:
        return read_address(address)
    except ValueError as error:
        message = f"ADDRESS {error}."
        raise ReaderError(message) from error


@contextmanager
def open_ledger(*, create: bool = True) -> Iterator[Ledger]:
    """Open the ledger with what earlier versions left; without `create`, where there is none, in memory."""
    with Ledger(create=create) as ledger:
        old_files.take_in(ledger, warn)
        yield ledger


def warn(message: str) -> None:
    """Tell whoever runs a command what they should know."""
    typer.echo(f"mm: {message}", err=True)
