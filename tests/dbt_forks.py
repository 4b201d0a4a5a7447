"""Runs `dbt` again and again, each time in a fork of one process that knows it: its start takes seconds.

It reads one command a line, as JSON of what `be_dbt` takes, and answers each with its exit code.
"""

import json
import os
import signal
import sys
import tempfile
from pathlib import Path

from dbt.cli.main import cli

# A node of each kind that the project has: dbt works their classes out when it first meets them.
ALL_KINDS = {
    "dbt_project.yml": "{name: kinds, profile: kinds, flags: {send_anonymous_usage_stats: false}}",
    "profiles.yml": "kinds: {target: here, outputs: {here: {type: duckdb}}}",
    "macros/nothing.sql": "{% macro nothing() %}{% endmacro %}",
    "models/one.sql": "select a from {{ ref('two') }}",
    "models/one.yml": """
models:
  - name: one
    config: {contract: {enforced: true}}
    columns: [{name: a, data_type: int, data_tests: [unique]}]
sources: [{name: s, tables: [{name: t}]}]
exposures: [{name: e, type: dashboard, owner: {name: o}, depends_on: [ref('one')]}]
unit_tests: [{name: u, model: one, given: [{input: ref('two'), rows: [{a: 1}]}], expect: {rows: [{a: 1}]}}]
""",
    "seeds/two.csv": "a\n1\n",
    "tests/none.sql": "select a from {{ ref('one') }} where false",
}


def be_dbt(arguments: list[str], folder: str, environment: dict[str, str], output: str, seconds: int) -> None:
    """Do as a `dbt` that was started in a folder, with this environment alone; end after so many seconds."""
    signal.alarm(seconds)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(os.open(output, os.O_WRONLY), 1)
    os.dup2(1, 2)
    # as on most machines: what is made is readable by all, unless somebody cares
    os.umask(0o022)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["dbt", *arguments]
    cli()


def get_ready() -> None:
    """Parse a project of all kinds, the second time from what the first has kept."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in ALL_KINDS.items():
            path = Path(folder, name)
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, "utf-8")
        places = [
            f"--{place}={folder}" for place in ("project-dir", "profiles-dir", "target-path", "log-path")
        ]
        for _ in range(2):
            # dbt's static parser has threads of its own, which no fork has
            cli(["--quiet", "--no-static-parser", "parse", *places], standalone_mode=False)


if __name__ == "__main__":
    get_ready()
    for line in sys.stdin:
        if (fork := os.fork()) == 0:
            be_dbt(**json.loads(line))
        _, status = os.waitpid(fork, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()
