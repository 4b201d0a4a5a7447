"""Long work: a command of `mm` in a process of its own, which goes on when the pages are closed or killed."""

import fcntl
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TextIO

from mm.config import PROJECT

# The shell outlives the command, to note how it ended. It has its pid written before the command starts.
_RUN = 'echo $$ > "$0/pid"; trap : INT TERM; "$@"; echo $? > "$0/code"'
_MM = (sys.executable, "-c", "from mm.cli import app; app()")
# So often a command prints a line of progress into its log.
_SECONDS = "0.2"
_MOMENT, _TRIES = 0.01, 20
_PROGRESS = re.compile(r"(\d+) of (\d+) (?:steps|mails), (.*)")
# What a model is before its name says what it makes.
_LAYER = re.compile(r"\b(?:stg|int)_|__")


@dataclass(slots=True)
class State:
    """How a command is, or how it ended.

    code: its exit code, None: it runs, was never started, or was killed. ended_at: as a file's time of
    modification. done, total, words: as its last line of progress says; total 0: there is none yet. said: its
    sentences, each a kind (`warning`, `error` or `note`) and a text. is_stopping: it was asked to end.
    """

    was_started: bool = False
    is_running: bool = False
    is_stopping: bool = False
    code: int | None = None
    ended_at: float = 0
    done: int = 0
    total: int = 0
    words: str = ""
    said: list[tuple[str, str]] = field(default_factory=list)


class Job:
    """One kind of work on a program: `build`, `send` or `test`. Its files tell every process how it is."""

    def __init__(self, program: str, kind: str) -> None:
        """Name it; nothing is started."""
        self.folder = PROJECT / "out" / "ui" / program / kind

    def start(self, *arguments: str) -> None:
        """Start `mm` with these arguments, unless it runs already."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("a") as lock:
            # A page that looks has the lock for a moment.
            if not any(_is_free(lock, fcntl.LOCK_EX) or time.sleep(_MOMENT) for _ in range(_TRIES)):
                return
            for name in ("code", "pid", "stopping"):
                (self.folder / name).unlink(missing_ok=True)
            with (self.folder / "log").open("wb") as log:
                # The process has the lock from here on, until it ends in whatever way.
                subprocess.Popen(  # noqa: S603 - our own command; each argument is one word of it
                    ["/bin/sh", "-c", _RUN, self.folder, *_MM, *arguments],
                    cwd=PROJECT,
                    env=os.environ | {"MM_PROGRESS_SECONDS": _SECONDS},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    pass_fds=[lock.fileno()],
                )

    def stop(self) -> None:
        """Ask it to end, as Ctrl-C does; once, as a second time would kill it."""
        with suppress(FileExistsError, FileNotFoundError, ValueError, ProcessLookupError):
            process_group = int((self.folder / "pid").read_text("ascii"))
            if self.state().is_running:
                (self.folder / "stopping").touch(exist_ok=False)
                os.killpg(process_group, signal.SIGINT)

    def state(self) -> State:
        """Read how it is now."""
        state = State(is_stopping=(self.folder / "stopping").exists())
        with suppress(FileNotFoundError), (self.folder / "lock").open() as lock:
            state.was_started, state.is_running = True, not _is_free(lock, fcntl.LOCK_SH)
        with suppress(FileNotFoundError, ValueError):
            state.code = int((self.folder / "code").read_text("ascii"))
            state.ended_at = (self.folder / "code").stat().st_mtime
        with suppress(FileNotFoundError):
            _read(state, (self.folder / "log").read_text("utf-8", "replace"))
        if state.was_started and not state.is_running and state.code is None:
            state.said.append(("error", "It was killed before it ended."))
        return state


def _is_free(lock: TextIO, how: int) -> bool:
    try:
        fcntl.flock(lock, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(state: State, log: str) -> None:
    """Take from a log how far it is, and its sentences."""
    # Python's own words are no reader's: it was stopped before it listened, or failed in an unforeseen way.
    log, trace, _ = log.partition("Traceback (most recent call last)")
    last_error = f"\n{log}".rfind("\nmm: ")
    at = 0
    for line in log.splitlines(keepends=True):
        at, text = at + len(line), line.strip()
        if progress := _PROGRESS.fullmatch(text):
            state.done, state.total = int(progress[1]), int(progress[2])
            state.words = _LAYER.sub(" ", progress[3]).replace("_", " ").strip()
        elif text.startswith("Warning: "):
            state.said.append(("warning", text.removeprefix("Warning: ")))
        elif text:
            kind = "error" if state.code else "warning"
            if text.startswith("mm: "):
                state.said.append((kind, text.removeprefix("mm: ")))
            elif at > last_error >= 0 and state.code:
                # An error of several lines, which it ends with.
                state.said[-1] = ("error", f"{state.said[-1][1]}\n{text}")
            else:
                state.said.append(("note", text))
    if trace:
        text = "It was stopped." if state.is_stopping else "It failed; see its log under out/ui/."
        state.said.append(("error", text))
