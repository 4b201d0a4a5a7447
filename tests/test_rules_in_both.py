"""Rules that SQL and Python must both say: one table of cases is put to each."""

import re
from pathlib import Path

import duckdb
import pytest
import yaml
from report_fixtures import PROJECT

from mm.build.last_build import has_newly_retired
from mm.report import downloads
from mm.report.newest_downloads import UNUSABLE
from mm.seeds import CODE, prefix_of

INTERMEDIATE = PROJECT / "models" / "intermediate"


def macro(name: str, argument: str) -> str:
    """Return what a macro of macros/values.sql says of one argument."""
    macros = (PROJECT / "macros" / "values.sql").read_text("utf-8")
    [body] = re.findall(rf"macro {name}\(text\) -%}}(.*?)\{{%- endmacro", macros, re.DOTALL)
    return body.replace("{{ text }}", argument)


def unit_tests(model: str, folder: Path = INTERMEDIATE) -> list[dict]:
    """Return dbt's unit tests of a model."""
    found = [
        test
        for path in folder.glob("*__unit_tests.yml")
        for test in yaml.safe_load(path.read_text())["unit_tests"]
    ]
    return [test for test in found if test["model"] == model]


@pytest.mark.parametrize(
    ("username", "email", "is_retired"),
    [
        ("retired__user_1f2e", "ada@example.org", True),
        (" Retired__user_1f2e ", "ada@example.org", True),
        ("retired_ada", "ada@example.org", False),
        ("was_retired__ada", "ada@example.org", False),
        ("ada", "retired__user_1f2e@retired.invalid", True),
        ("ada", " ADA@RETIRED.INVALID ", True),
        ("ada", "ada@invalid", False),
        ("ada", "ada@example.invalid.org", False),
        ("ada", "ada.invalid@example.org", False),
        ("ada", "", False),
        ("retired__user_1f2e", None, True),
        (None, "ada@retired.invalid", True),
        ("ada", None, False),
        (None, None, False),
    ],
)
def test_whose_account_is_retired(username: str | None, email: str | None, *, is_retired: bool) -> None:
    conditions = f"{macro('is_retired_username', '$1')} or {macro('is_retired_email', '$2')}"
    with duckdb.connect() as connection:
        said = connection.execute(f"select {conditions}", [username, email]).fetchall()
        connection.execute("create schema edx")
        for table in ("grade_report", "student_profile_info"):
            columns = "file_id integer, student_id bigint, username varchar, email varchar"
            connection.execute(f"create table edx.{table} ({columns})")
        connection.execute("insert into edx.grade_report values (2, 1, $1, $2)", [username, email])
        assert (said[0][0], has_newly_retired(connection, 1)) == (is_retired, is_retired)


def test_which_course_a_file_is_of() -> None:
    [test] = [t for t in unit_tests("int_course_run_files") if t["name"].startswith("files_are_owned")]
    files, courses, runs = (given["rows"] for given in test["given"])
    prefixes: dict[str, dict[str, str]] = {}
    for row in courses:
        prefixes.setdefault(row["program"], {})[row["file_prefix"].lower()] = row["course"]
    in_seed = {row["course_instance"].lower() for row in runs}
    expected = {row["file_id"]: row for row in test["expect"]["rows"]}
    assert expected
    for file in files:
        instance = file["course_instance"]
        prefix = instance and prefix_of(instance, prefixes, in_seed)
        if file["file_id"] not in expected:
            assert prefix is None, instance
            continue
        owner = expected[file["file_id"]]
        assert prefixes[owner["program"]][prefix] == owner["course"]
        assert instance[len(prefix) + 1 :] == owner["run_code"]


@pytest.mark.parametrize(
    ("grade", "eligible", "delivered", "is_usable"),
    [
        (0.0, "N", "N", True),
        (2.0, "Y", "Y", True),
        (2.01, "N", "N", False),
        (-0.1, "N", "N", False),
        (None, "N", "N", False),
        (0.5, "y", "N", False),
        (0.5, "", "N", False),
        (0.5, "N", "Yes", False),
        # a column that the report does not have
        (0.5, "N", None, True),
    ],
)
def test_which_rows_of_a_grade_report_can_be_used(
    grade: float | None, eligible: str, delivered: str | None, *, is_usable: bool
) -> None:
    model = (PROJECT / "models" / "staging" / "stg_edx__grade_report_rows.sql").read_text("utf-8")
    for source in ("grade_report", "report_files"):
        model = model.replace(f"{{{{ source('edx', '{source}') }}}}", f"edx.{source}")
    with duckdb.connect() as connection:
        connection.execute("""
            create schema edx;
            create table edx.grade_report as
            select
                1 as file_id, 2 as line, 1 as line_count, 7 as student_id, 'ada' as username, '' as email,
                null::double as grade, 'audit' as enrollment_track, '' as verification_status,
                '' as certificate_eligible, '' as certificate_delivered, '' as certificate_type,
                '' as enrollment_status;
            create table edx.report_files as select 1 as file_id, 'a.csv' as file_name, now() as reported_at;
            create table edx.damaged_rows (file_id integer);
            create table edx.student_profile_info (file_id integer, student_id bigint)
        """)
        connection.execute(
            "update edx.grade_report set grade = $1, certificate_eligible = $2, certificate_delivered = $3",
            [grade, eligible, delivered],
        )
        faults = connection.execute(f"select fault from ({model})").fetchall()
        unusable = connection.execute(UNUSABLE).fetchall()
    assert (faults[0][0] is None, unusable == []) == (is_usable, is_usable)


def test_what_a_program_s_code_and_an_lms_base_look_like() -> None:
    seeds = (INTERMEDIATE / "seeds" / "int_seed_problems.sql").read_text("utf-8")
    for column, pattern in (("\"coalesce(program, '')\"", CODE), ("'lms_base'", downloads.LMS_BASE)):
        assert f"""('programs', 'not ' ~ matches({column}, "'{pattern.pattern}'"),""" in seeds
