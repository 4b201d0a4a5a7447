"""A build of the demo with all tests, for those who compare what the project says of itself."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

PROJECT = Path(__file__).parent.parent
PACKAGE = "micromastersreports"


@dataclass
class Built:
    """A build of the demo: what dbt said, its manifest, and the columns of each relation in its database."""

    output: str
    manifest: dict
    columns: dict[tuple[str, str], list[str]]

    def nodes(self, resource_type: str) -> list[dict]:
        """Return what dbt has of one resource type."""
        nodes = [n for n in self.manifest["nodes"].values() if n["resource_type"] == resource_type]
        assert nodes
        return nodes

    def relations(self) -> list[dict]:
        """Return everything that is a table or a view in the database."""
        return [*self.nodes("model"), *self.nodes("seed"), *self.manifest["sources"].values()]

    def macros(self) -> list[dict]:
        """Return the project's own macros; an engine's form of one is described with it."""
        macros = [
            macro
            for macro in self.manifest["macros"].values()
            if macro["package_name"] == PACKAGE and not macro["name"].startswith(("duckdb__", "spark__"))
        ]
        assert macros
        return macros


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Build the demo, unit tests and all."""
    folder = tmp_path_factory.mktemp("demo")
    environment = os.environ | {
        "MM_DATA_DIR": str(PROJECT / "data"),
        "MM_DATABASE_DIR": str(folder / "database"),
        "DBT_TARGET_PATH": str(folder / "target"),
        "DBT_WRITE_JSON": "true",
        "DBT_LOG_PATH": str(folder / "logs"),
    }
    run = subprocess.run(
        # All there is: a build by default leaves the unit tests out, see selectors.yml.
        [
            Path(sys.executable).with_name("dbt"),
            *("--no-use-colors", "build", "--no-partial-parse", "--select", "fqn:*"),
        ],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    output = run.stdout + run.stderr
    assert run.returncode == 0, output
    columns: dict[tuple[str, str], list[str]] = {}
    working = folder / "database" / "working"
    with duckdb.connect(str(working / "demo_steps.duckdb"), read_only=True) as connection:
        connection.execute(f"attach '{working / 'demo.duckdb'}' (read_only)")
        for schema, table, column in connection.execute(
            "select table_schema, table_name, column_name from information_schema.columns"
        ).fetchall():
            columns.setdefault((schema, table), []).append(column)
    manifest = json.loads((folder / "target/manifest.json").read_text(encoding="utf-8"))
    return Built(output, manifest, columns)
