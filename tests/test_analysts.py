"""What analysts use: the analyses, and SQLAlchemy with old DuckDB clients while the file is replaced."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from project_fixtures import Project
from report_fixtures import PROJECT, Build, NewPlace, read

from mm.build.publish import publish

CLIENTS = PROJECT / ".venv" / "clients"
# Holds a connection open as Superset does; says what it sees before and after a line from outside, and anew.
READER = """
import sys
import sqlalchemy
url = f"duckdb:///{sys.argv[1]}?access_mode=read_only"
count = sqlalchemy.text("select count(*) from learners")
engine = sqlalchemy.create_engine(url)
with engine.connect() as connection:
    print(connection.execute(count).scalar(), flush=True)
    sys.stdin.readline()
    print(connection.execute(count).scalar(), flush=True)
engine.dispose()
with sqlalchemy.create_engine(url).connect() as connection:
    print(connection.execute(count).scalar(), flush=True)
"""

DESCRIBER = """
import json
import sys
import duckdb
connection = duckdb.connect(sys.argv[1], read_only=True)
of_tables = "select table_name, '', comment from duckdb_tables() where comment is not null"
of_columns = "select table_name, column_name, comment from duckdb_columns() where comment is not null"
print(json.dumps(connection.execute(f"{of_tables} union all {of_columns}").fetchall()))
"""


@pytest.fixture(scope="module")
def demo_copy(demo: Build, new_place: NewPlace) -> Build:
    """Copy the demo's build to a place where it may change."""
    place = new_place()
    for folder in ("data", "database", "target"):
        shutil.copytree(getattr(demo.place, folder), getattr(place, folder), dirs_exist_ok=True)
    return replace(demo, place=place)


@pytest.fixture(scope="module")
def analyses(demo_copy: Build) -> Path:
    """Compile the analyses of the demo; give the folder that they are in."""
    place = demo_copy.place
    place.run_dbt("demo", "compile", "--select", "path:analyses", "--vars", "program: demo").passed()
    return place.target / "compiled" / "micromastersreports" / "analyses"


# Rows of the demo by other ways to count them: learners and courses of the published tables themselves.
@pytest.mark.parametrize(
    ("name", "rows_by_another_way"),
    [
        ("micromasters_report", "select count(*) from learners"),
        (
            "audit_passed_in_the_last_run",
            "select count(*) from course_instancedetails where audit_passed = 'Y' and term || year = '12026'",
        ),
        ("one_course_away", "select count(*) from demo_coursecompletion where no_certificate_eligible = 3"),
        (
            "certificate_rate_by_country_and_track",
            "select count(distinct (country, enrollment_track)) from learner_courses natural join learners",
        ),
        # the demo is one program
        ("cross_program_learners", "select 0"),
    ],
)
def test_an_analysis_answers_its_question(
    demo_copy: Build, analyses: Path, name: str, rows_by_another_way: str
) -> None:
    answer = read(demo_copy.published, (analyses / f"{name}.sql").read_text("utf-8"))
    assert len(answer) == demo_copy.rows(rows_by_another_way)[0][0]


def test_steps_between_courses_are_one_fewer_than_the_courses_passed(
    demo_copy: Build, analyses: Path
) -> None:
    answer = read(demo_copy.published, (analyses / "time_between_courses.sql").read_text("utf-8"))
    passed = demo_copy.rows("select sum(courses_passed - 1) from learner_progress where courses_passed > 0")
    assert sum(learners for _, _, learners, _ in answer) == passed[0][0]


def test_every_analysis_is_tried_and_tells_its_question(analyses: Path) -> None:
    for path in sorted((PROJECT / "analyses").glob("*.sql")):
        text = path.read_text("utf-8")
        assert text.startswith("-- Question: "), path.name
        assert "\n-- Answer: " in text, path.name
        assert (analyses / path.name).is_file()


@pytest.mark.parametrize("version", ["1.0.0", "1.4.5"])
def test_an_old_client_shows_what_each_table_and_column_is(
    demo: Build, project: Project, version: str
) -> None:
    if version == "1.0.0" and sys.version_info >= (3, 13):
        pytest.skip("DuckDB 1.0.0 has no wheel for this Python")
    run = subprocess.run(
        [sys.executable, "-c", DESCRIBER, demo.published],
        env=os.environ | {"PYTHONPATH": str(CLIENTS / f"duckdb-{version}")},
        capture_output=True,
        text=True,
        check=True,
    )
    described = {
        (mart["alias"], name): " ".join(said["description"].split())
        for mart in project.nodes("model")
        if mart["access"] == "public"
        for name, said in {"": mart, **mart["columns"]}.items()
    }
    assert {(table, column): comment for table, column, comment in json.loads(run.stdout)} == described


@pytest.mark.parametrize("version", ["1.0.0", "1.4.5"])
def test_an_old_client_reads_on_while_the_file_is_replaced(demo: Build, tmp_path: Path, version: str) -> None:
    client = CLIENTS / f"duckdb-{version}"
    if version == "1.0.0" and sys.version_info >= (3, 13):
        pytest.skip("DuckDB 1.0.0 has no wheel for this Python")
    assert (client / "duckdb_engine").is_dir(), "`make test` installs the old clients; run it once"
    published, built = tmp_path / "demo.duckdb", tmp_path / "working.duckdb"
    shutil.copyfile(demo.published, published)
    shutil.copyfile(demo.published, built)
    # as a build that knows one learner more
    with duckdb.connect(built) as connection:
        connection.execute("insert into learners select * replace (0 as student_id) from learners limit 1")
    before = demo.rows("select count(*) from learners")[0][0]
    reader = subprocess.Popen(
        [sys.executable, "-c", READER, published],
        env=os.environ | {"PYTHONPATH": str(client)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert reader.stdout
    assert int(reader.stdout.readline()) == before
    publish({published: built}, pytest.fail)
    rest, _ = reader.communicate("go on\n", timeout=60)
    assert list(map(int, rest.split())) == [before, before + 1]
