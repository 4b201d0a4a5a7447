"""The project as dbt reads it, and its demo, built once for all who only read them."""

import fcntl
import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import duckdb
import pytest
from report_fixtures import DBT, PROJECT, Build, Dbt, Place

PACKAGE = "micromastersreports"


@dataclass
class Project:
    """What dbt says when it parses the project without what it kept, the manifest, and the demo's columns."""

    output: str
    manifest: dict
    demo: Build

    def nodes(self, resource_type: str) -> list[dict]:
        """Return what dbt has of one resource type."""
        nodes = [n for n in self.manifest["nodes"].values() if n["resource_type"] == resource_type]
        assert nodes
        return nodes

    def relations(self) -> list[dict]:
        """Return everything that is a table or a view in the database."""
        return [*self.nodes("model"), *self.nodes("seed"), *self.manifest["sources"].values()]

    def proofs(self) -> list[dict]:
        """Return the data tests that a plain build leaves out."""
        return [test for test in self.nodes("test") if "proof" in test["tags"]]

    def macros(self) -> list[dict]:
        """Return the project's own macros; an engine's form of one is described with it."""
        macros = [
            macro
            for macro in self.manifest["macros"].values()
            if macro["package_name"] == PACKAGE and not macro["name"].startswith(("duckdb__", "spark__"))
        ]
        assert macros
        return macros

    @cached_property
    def columns(self) -> dict[tuple[str, str], list[str]]:
        """The columns of each relation that a build of the demo makes, by schema and name."""
        columns: dict[tuple[str, str], list[str]] = {}
        place = self.demo.place
        with duckdb.connect(place.working("demo"), read_only=True) as connection:
            connection.execute(f"attach '{place.marts('demo')}' (read_only)")
            for schema, table, column in connection.execute(
                "select table_schema, table_name, column_name from information_schema.columns"
            ).fetchall():
                columns.setdefault((schema, table), []).append(column)
        return columns


@contextmanager
def only_one(lock: Path) -> Iterator[None]:
    """Keep the other processes of the tests waiting."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def demo(dbt: Dbt, of_all_processes: Path) -> Build:
    """Build the demo of the README; the first process that needs it does. Nobody may change it."""
    said = of_all_processes / "demo.txt"
    with only_one(of_all_processes / "demo.lock"):
        place = Place(of_all_processes / "demo", dbt)
        if not said.exists():
            shutil.copytree(PROJECT / "data" / "demo", place.data / "demo", dirs_exist_ok=True)
            said.write_text(place.build("demo").passed().output, "utf-8")
    return Build(place, "demo", 0, said.read_text("utf-8"))


@pytest.fixture(scope="session")
def project(demo: Build, of_all_processes: Path) -> Project:
    """Let dbt parse the project, with the demo for its program, as nobody has before."""
    said, target = of_all_processes / "parsed.txt", of_all_processes / "parsed"
    with only_one(of_all_processes / "parsed.lock"):
        if not said.exists():
            parse = subprocess.run(
                [DBT, "parse", "--target-path", target],
                cwd=demo.place.root,
                env=demo.place.environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            assert parse.returncode == 0, parse.stdout
            said.write_text(parse.stdout, "utf-8")
    manifest = json.loads((target / "manifest.json").read_text("utf-8"))
    return Project(said.read_text("utf-8"), manifest, demo)
