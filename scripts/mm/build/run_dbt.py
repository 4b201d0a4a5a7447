"""Run dbt in this process, and take from what it says what a reader needs."""

import json
import os
import re
import signal
from _thread import interrupt_main
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event
from types import FrameType
from typing import Any, NoReturn

from dbt.cli.main import dbtRunner
from dbt_common.events.base_types import EventMsg

from mm.config import PROJECT, ReaderError

# Of a message: on which model it came up, and by which macro it was raised.
_AROUND = re.compile(
    r"\A[\w ]+ Error(?: in [^\n]*)?\n|^ *> (?:in|called by) (?:macro|model) [^\n]*$", re.MULTILINE
)
_BAD_ENDS = {"error", "fail", "runtime error"}


@dataclass(slots=True)
class Said:
    """What was said of a run of dbt beside its steps: in sentences. result: dbt's own, of the command."""

    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    result: Any = None


def run_dbt(
    command: str,
    *options: str,
    variables: Mapping[str, str],
    on_step: Callable[[int, int, str], None] = lambda *_: None,
    said: Said | None = None,
) -> Said:
    """Run a command of dbt on the project, as the command line does, and return what it said.

    on_step: is told each step as it begins: its number from 1, of how many, and its name. said: what was said
    before it.
    ReaderError, with what dbt said of it, for what failed.
    """
    # dbt takes the paths of its project from the current folder.
    os.chdir(PROJECT)
    said = said or Said()

    stop = Event()

    def listen(event: EventMsg) -> None:
        name = event.info.name
        if name == "LogStartLine":
            if stop.is_set():
                # Ctrl-C came where nobody took it for that.
                interrupt_main()
            on_step(event.data.index, event.data.total, event.data.node_info.node_name)
        elif name == "JinjaLogInfo" and not event.info.msg.startswith("Not published"):
            said.notes.append(event.info.msg)
        elif name == "JinjaLogWarning":
            said.warnings.append(event.info.msg.removeprefix("Warning: "))

    quiet = ("--log-level", "none")
    with _interrupted(stop):
        done = dbtRunner(callbacks=[listen]).invoke(
            [command, *quiet, *options, "--vars", json.dumps(variables)]
        )
    said.result = done.result
    if done.success:
        return said
    if isinstance(done.exception, KeyboardInterrupt):
        message = "It was stopped."
        raise FailedError(message, said)
    failed = [result for result in getattr(done.result, "results", ()) if result.status in _BAD_ENDS]
    sentences = [_sentence(str(done.exception))] if done.exception else list(map(_failure, failed))
    raise FailedError("\n".join(dict.fromkeys(sentences)), said)


@contextmanager
def _interrupted(stop: Event) -> Iterator[None]:
    """Set `stop` at Ctrl-C, beside what Python does then."""

    def interrupt(number: int, frame: FrameType | None) -> NoReturn:
        stop.set()
        signal.default_int_handler(number, frame)

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class FailedError(ReaderError):
    """What dbt says of what failed, in its own words or ours. said: what else it said."""

    def __init__(self, message: str, said: Said) -> None:
        """Keep what was said until then."""
        super().__init__(message)
        self.said = said


def _failure(result: Any) -> str:  # noqa: ANN401 - dbt's own
    message = _sentence(result.message or "")
    if result.node.resource_type == "test":
        return (
            f"The test {result.node.name} does not hold: {message}. Its SQL is {result.node.compiled_path}."
        )
    return message or f"The step {result.node.name} failed."


def _sentence(message: str) -> str:
    """Return what a message of dbt says, less where in the project it came up."""
    before = None
    while message != before:
        before, message = message, _AROUND.sub("", message).strip()
    return "\n".join(line.strip() for line in message.splitlines() if line.strip())
