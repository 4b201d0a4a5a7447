"""The hooks of dbt and dbt-duckdb that are not made for what we do with them: one test of each.

An upgrade that calls them otherwise fails here, and not in the middle of a build.
"""

import json
import os
import subprocess

import pytest
from report_fixtures import DBT

FILES = {
    "dbt_project.yml": """
name: hooks
profile: hooks
flags: {send_anonymous_usage_stats: false}
on-run-end:
  - >
    {% set one = ref('one') %}
    {% if execute %}
    {% do adapter.store_relation('recorder', one, [], 'there.duckdb', 'duckdb', {'models': [1]}) %}
    {% endif %}
""",
    "profiles.yml": """
hooks:
  target: here
  outputs:
    here:
      type: duckdb
      path: steps.duckdb
      attach: [{path: marts.duckdb, alias: marts, options: {storage_version: v1.0.0}}]
      threads: 1
      module_paths: [.]
      plugins: [{module: recorder, alias: recorder, config: {program: demo}}]
""",
    "models/one.sql": "select count(*) as loaded from main.of_the_hook",
    "seeds/two.csv": "a\n1\n",
    "recorder.py": """
import json
from dbt.adapters.duckdb.plugins import BasePlugin
from dbt_common.invocation import get_invocation_id

def note(*what):
    with open("noted.jsonl", "a") as file:
        file.write(json.dumps(what) + "\\n")

class Plugin(BasePlugin):
    def initialize(self, plugin_config):
        [marts] = self.creds.attach
        note("initialize", plugin_config, self.creds.path, marts.path, marts.to_sql())

    def configure_connection(self, conn):
        note("configure_connection", conn.execute("from duckdb_tables()").fetchall())
        conn.execute("create or replace table of_the_hook as select 1 as one")

    def configure_cursor(self, cursor):
        note("configure_cursor", cursor.execute("from of_the_hook").fetchall(), get_invocation_id())

    def store(self, target_config):
        note("store", target_config.config["models"], target_config.relation.render())
""",
    "dbt_noting.py": """
from dbt.plugins.manager import dbtPlugin
from recorder import note

class Noting(dbtPlugin):
    def initialize(self):
        note("dbt plugin", self.project_name)

plugins = [Noting]
""",
}


@pytest.fixture(scope="module")
def noted(tmp_path_factory: pytest.TempPathFactory) -> list[list]:
    """Build a project whose hooks note that they are called, and with what."""
    folder = tmp_path_factory.mktemp("hooks")
    for name, text in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DBT_", "MM_"))}
    done = subprocess.run(
        [DBT, "build"],
        cwd=folder,
        env=environment | {"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return [json.loads(line) for line in (folder / "noted.jsonl").read_text("utf-8").splitlines()]


def of(noted: list[list], hook: str) -> list[list]:
    return [rest for name, *rest in noted if name == hook]


def test_dbt_calls_its_plugins_before_it_reads_the_project(noted: list[list]) -> None:
    assert noted[0] == ["dbt plugin", "hooks"]


def test_the_plugin_knows_both_files_before_they_are_opened(noted: list[list]) -> None:
    [[config, path, marts, attach]] = of(noted, "initialize")
    assert (config, path, marts) == ({"program": "demo"}, "steps.duckdb", "marts.duckdb")
    assert attach.startswith("ATTACH ")
    assert "v1.0.0" in attach
    names = [name for name, *_ in noted]
    assert names.index("initialize") < names.index("configure_connection")


def test_a_connection_is_configured_once_before_any_step(noted: list[list]) -> None:
    assert of(noted, "configure_connection") == [[[]]]
    names = [name for name, *_ in noted]
    assert names.index("configure_connection") < names.index("configure_cursor")


def test_each_cursor_sees_what_the_connection_was_given_and_knows_its_command(noted: list[list]) -> None:
    cursors = of(noted, "configure_cursor")
    assert len(cursors) > 1
    assert {json.dumps(cursor) for cursor in cursors} == {json.dumps(cursors[0])}
    assert cursors[0][0] == [[1]]


def test_storing_a_relation_hands_on_its_config(noted: list[list]) -> None:
    assert of(noted, "store") == [[[1], '"steps"."main"."one"']]
    assert noted[-1][0] in {"store", "configure_cursor"}
