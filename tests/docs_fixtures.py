"""README.md and the pages under docs/ as a reader has them: links, tables, and blocks of commands to run."""

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

from report_fixtures import ENVIRONMENT, PROJECT

README = PROJECT / "README.md"
PAGES = [README, *sorted((PROJECT / "docs").rglob("*.md"))]
_NOT_IN_A_CLONE = shutil.ignore_patterns(
    ".git", ".venv*", ".*_cache", "__pycache__", "*.egg-info", "database", "logs", "out", "target"
)

# What the reader's machine has, and this one need not have.
_PROGRAMS = {
    "git": '[ "$1" = clone ] && cp -a "$FRESH" "$3"',
    "ssh": "shift; exec $*",
    "xdg-open": 'test -f "$1"',
    "sqlite3": "python -c 'import sqlite3, sys; _, file, command = sys.argv; word, copy = command.split();"
    ' assert word == ".backup"; sqlite3.connect(file).backup(sqlite3.connect(copy))\' "$@"',
}
# Tests of their own run these: tests/bi and tests/cluster.
_ELSEWHERE = ("mm build demo --on cluster", "mm build demo --on cluster --fetch summaries")
# The demo's page is at www.example.org, where there is none.
_ENDS_WITH_1 = ("mm unsubscribe check demo",)
# By the port that a page names.
_SERVERS = {"mm ui": "8030", "mm smtp-sink": "1025", "mm unsubscribe serve --port 8025": "8025"}


def name_of(page: Path) -> str:
    """Return a page's path from the project."""
    return page.relative_to(PROJECT).as_posix()


def blocks(page: Path, language: str) -> list[str]:
    """Return the page's code blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)


def commands(page: Path) -> list[str]:
    """Return the lines that the page tells its reader to type."""
    return [line for block in blocks(page, "sh") for line in block.splitlines()]


def inline(page: Path) -> list[str]:
    """Return what stands in the page as code within a line."""
    prose = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    return re.findall(r"`([^`\n]+)`", prose)


def rows(page: Path, first_column: str) -> Iterator[list[str]]:
    """Give the cells of each row of the page's tables whose first column is called so."""
    wanted = False
    for line in page.read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if not line.startswith("|"):
            wanted = False
        elif cells[0].strip(" |") == first_column:
            wanted = True
        elif wanted and not line.startswith("|---"):
            yield cells


class Reader:
    """Somebody who has a home, a folder of downloads and a terminal, and does what the pages say."""

    def __init__(self, home: Path) -> None:
        """Put into the home what the pages take for granted."""
        self.home, self.project = home, home / "micromastersreports"
        fresh = home / "fresh"
        shutil.copytree(PROJECT, fresh, ignore=_NOT_IN_A_CLONE)
        (fresh / ".venv").symlink_to(PROJECT / ".venv")
        for name in ("requirements.txt", "pyproject.toml"):
            # The tests' own environment is there, and nothing is installed into it.
            os.utime(fresh / name, (0, 0))
        (home / "bin").mkdir()
        for name, script in _PROGRAMS.items():
            program = home / "bin" / name
            program.write_text(f"#!/bin/sh\n{script}\n")
            program.chmod(0o755)
        downloads = home / "Downloads"
        downloads.mkdir()
        for file in (PROJECT / "data" / "demo").glob("*.csv"):
            name = file.name.replace("ExampleX_HIVES101x", "UQx_BUSLEAD2x")
            shutil.copy2(file, downloads / name.replace("ExampleX_BEES", "UQx_BUSLEAD"))
        (home / "Mail").mkdir()
        (home / "Mail" / "bounces.mbox").write_text("From a@example.org\nSubject: Re: bees\n\nThank you!\n")
        self.environment = ENVIRONMENT | {
            "HOME": str(home),
            "PATH": f"{home / 'bin'}:{PROJECT / '.venv' / 'bin'}:{ENVIRONMENT['PATH']}",
            "PYTHONPATH": str(self.project / "scripts"),
            "FRESH": str(fresh),
        }

    def types(self, page: Path) -> str:
        """Type all that a page says, in one terminal, and return what is said; all must go well."""
        # A server would keep the output open after a command that fails.
        script = [
            "set -eu",
            "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT",
            f"cd {self.project if self.project.exists() else self.home}",
        ]
        for command in commands(page):
            script += [f"printf '%s\\n' {_quoted('$ ' + command)}", self._typed(command)]
        text = "\n".join(script)
        for port in _SERVERS.values():
            text = text.replace(port, str(_free_port()))
        done = subprocess.run(
            ["bash", "-c", text],  # noqa: S607 - the reader's own
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def _typed(self, command: str) -> str:
        if command in _ELSEWHERE:
            return "true"
        if command in _ENDS_WITH_1:
            return f"{command} && exit 1 || test $? = 1"
        if port := _SERVERS.get(command):
            # A reader does so in a second terminal.
            option = "" if port in command else f" --port {port}"
            answers = f"(exec 3<>/dev/tcp/127.0.0.1/{port}) 2>/dev/null"
            return f"{command}{option} &\nuntil {answers}; do kill -0 $!; sleep 0.1; done"
        if command.startswith("make ") and command not in {"make build", "make docs"}:
            # Without its hours and gigabytes: whether there is such a target, and what it would run.
            return command.replace("make ", "make --dry-run ", 1)
        return command


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _free_port() -> int:
    with socket.socket() as any_port:
        any_port.bind(("127.0.0.1", 0))
        port: int = any_port.getsockname()[1]
        return port
