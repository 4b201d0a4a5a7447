"""How long work shows where it is, and how it is stopped."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event as Flag
from types import FrameType

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from mm.config import progress_seconds
from mm.mail.sending import Tally


@contextmanager
def stopping_gently(stop: Flag) -> Iterator[None]:
    """Set `stop` at the first Ctrl-C or SIGTERM; the second ends the process."""
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
def progress(what: str) -> Iterator[Callable[[int, int, str], None]]:
    """Yield what shows how many are done, of how many, and a few words about it; what: their name.

    It is a line that moves in a terminal; else a line now and then, as MM_PROGRESS_SECONDS says.
    """
    console = Console()
    if console.is_terminal:
        columns = (
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TextColumn(what),
            TextColumn("{task.fields[words]}"),
        )
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task("", total=None, words="")
            yield lambda done, total, words: bar.update(task, completed=done, total=total, words=words)
        return

    between = progress_seconds()
    next_line = time.monotonic() + between

    def line(done: int, total: int, words: str) -> None:
        nonlocal next_line
        if time.monotonic() >= next_line:
            next_line = time.monotonic() + between
            typer.echo(f"{done} of {total} {what}, {words}")

    yield line


@contextmanager
def progress_of_mails(total: int) -> Iterator[Callable[[Tally], None]]:
    """Yield what shows how many mails are done, how fast, and how long the rest takes."""
    started = time.monotonic()
    with progress("mails") as show:

        def tell(tally: Tally) -> None:
            rate = tally.done / max(time.monotonic() - started, 0.001)
            left = (total - tally.done) / rate
            show(tally.done, total, f"{rate:.1f} a second, about {left:.0f} seconds left")

        yield tell
