"""Runs `dbt` again and again, each time in a fork of one process that knows it: its start takes seconds.

It reads one command a line, as JSON of what `run` takes, and answers each with its exit code. What dbt has
parsed once it parses no more: the forks have its manifest, and so have those of other processes that were
started with the same folder for manifests.
"""

import fcntl
import gc
import hashlib
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from dbt.cli.main import cli
from dbt.contracts.graph.manifest import Manifest
from dbt.parser.manifest import extended_mashumuro_decoder

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


PARSED = "partial_parse.msgpack"
# What dbt parses, but for the seeds' rows, which it reads when it loads them.
PARSED_FILES = ("*.yml", "macros/**/*", "models/**/*", "tests/**/*", "analyses/**/*", "seeds/*.yml")


class Forks:
    """Forks of this process that are `dbt`, and the manifests that they are given."""

    def __init__(self, folder: Path) -> None:
        """Name the folder in which manifests are kept, for other processes as well."""
        self._folder = folder
        self._manifests: dict[str, Manifest | None] = {}

    def run(
        self,
        arguments: Sequence[str],
        folder: str,
        environment: dict[str, str],
        output: str,
        seconds: int,
    ) -> int:
        """Do as a `dbt` that was started in a folder with this environment alone; return its exit code.

        What it says goes to the file `output`. It is killed after so many seconds.
        """
        manifest = self._manifest(arguments, folder, environment)

        def be_dbt() -> None:
            said = {}
            if manifest is not None:
                for node in manifest.nodes.values():
                    if node.resource_type == "seed":
                        node.root_path = folder
                said = {"manifest": manifest, "callbacks": []}
            sys.argv = ["dbt", *arguments]
            cli(obj=said)

        return _in_a_fork(be_dbt, folder, environment, output, seconds)

    def _manifest(
        self, arguments: Sequence[str], folder: str, environment: dict[str, str]
    ) -> Manifest | None:
        """Return what dbt parses for a command; None where it cannot, as dbt itself will say."""
        variables = [arguments[place + 1] for place, argument in enumerate(arguments) if argument == "--vars"]
        key = version_of(Path(folder), variables)
        if key not in self._manifests:
            path = self._folder / f"{key}.msgpack"
            # Two processes that need the same one: the second waits, and reads what the first has parsed.
            with (self._folder / f"{key}.lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if not path.exists():
                    _parse(variables, folder, environment, path)
            self._manifests[key] = _read(path) if path.exists() else None
        # For those that are processes of their own in this place.
        parsed = Path(folder, environment["DBT_TARGET_PATH"], PARSED)
        if self._manifests[key] and not parsed.exists():
            parsed.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self._folder / f"{key}.msgpack", parsed)
        return self._manifests[key]


def version_of(project: Path, variables: Sequence[str]) -> str:
    """Return a digest of all that decides what dbt parses in a project."""
    digest = hashlib.sha256(json.dumps(list(variables)).encode())
    for pattern in PARSED_FILES:
        for path in sorted(project.glob(pattern)):
            if path.is_file():
                content = path.read_bytes()
                digest.update(f"{path.relative_to(project)} {len(content)} ".encode() + content)
    return digest.hexdigest()


def _parse(variables: Sequence[str], folder: str, environment: dict[str, str], path: Path) -> None:
    target = path.with_suffix("")
    given = [part for each in variables for part in ("--vars", each)]

    def parse() -> None:
        sys.argv = ["dbt", "parse"]
        cli(["--quiet", "parse", "--target-path", str(target), "--log-path", str(target), *given])

    if _in_a_fork(parse, folder, environment, os.devnull, 120) == 0:
        (target / PARSED).rename(path)


def _read(path: Path) -> Manifest:
    manifest = Manifest.from_msgpack(path.read_bytes(), decoder=extended_mashumuro_decoder)
    manifest.build_parent_and_child_maps()
    manifest.build_flat_graph()
    return manifest


def _in_a_fork(
    act: Callable[[], None], folder: str, environment: dict[str, str], output: str, seconds: int
) -> int:
    if (fork := os.fork()) == 0:
        signal.alarm(seconds)
        # In some seconds there is little to collect, and looking for it would copy all memory.
        gc.disable()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(os.open(output, os.O_WRONLY), 1)
        os.dup2(1, 2)
        # as on most machines: what is made is readable by all, unless somebody cares
        os.umask(0o022)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        act()
        sys.exit()
    _, status = os.waitpid(fork, 0)
    return os.waitstatus_to_exitcode(status)


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
    forks = Forks(Path(sys.argv[1]))
    for line in sys.stdin:
        sys.stdout.write(f"{forks.run(**json.loads(line))}\n")
        sys.stdout.flush()
