"""How long work shows where it is, and how it is stopped."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event as Flag
from types import FrameType

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from mm.mail.sending import Tally

_SECONDS_BETWEEN_LINES = 10


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
def progress(total: int) -> Iterator[Callable[[Tally], None]]:
    """Show how many mails are done: as a bar in a terminal, else as a line now and then."""
    started = time.monotonic()
    console = Console()

    def rate(tally: Tally) -> float:
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

    def line(tally: Tally) -> None:
        nonlocal next_line
        if time.monotonic() >= next_line:
            next_line += _SECONDS_BETWEEN_LINES
            left = (total - tally.done) / rate(tally)
            typer.echo(
                f"{tally.done} of {total} mails, {rate(tally):.1f} a second, about {left:.0f} seconds left"
            )

    yield line
