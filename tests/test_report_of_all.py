"""`mm report --all`: its numbers and words. How it looks is tested in test_report_page, with the other."""

from datetime import datetime
from pathlib import Path

import duckdb
import pytest
from all_programs_fixtures import TABLES, Rows, few, many, write_file
from mail_fixtures import World
from test_report_page import LONG_TITLE, NOW, UNBROKEN_TITLE, Page

from mm.report.all_programs import render_report_of_all


def page_of(path: Path) -> str:
    with duckdb.connect(path, read_only=True) as connection:
        return render_report_of_all(connection, NOW)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("all") / "all_programs.duckdb"
    write_file(path, few())
    return path


@pytest.fixture(scope="module")
def page(database: Path) -> Page:
    return Page(page_of(database))


def test_at_a_glance_a_learner_counts_once(page: Page) -> None:
    for words in (
        "3 programs side by side",
        "Ever enrolled 5 in 3 programs",
        # 3, 4 and 5 have one somewhere; 4 and 5 have a whole series
        "With a certificate 3 60% of learners",
        "Whole series 2 of at least one program",
        "In several programs 2 40% of learners",
        # one of them is in two programs
        "Course runs 3 in 3 courses",
        "Oldest data 1 May 2026: moths",
        "each program's newest is of 1 May 2026 or later",
    ):
        assert words in page.text


def test_programs_are_side_by_side_by_name(page: Page) -> None:
    numbers = ("Courses", "Runs", "Learners", "With a certificate", "Of learners", "One to go")
    numbers += ("Whole series", "Of learners", "Countries")
    assert page.one_table("Program", "Code", *numbers) == [
        ["Bees", "bees", "2", "3", "4", "2", "50%", "1", "1", "25%", "2"],
        ["Moths & <b>Lamps</b>", "moths", "1", "1", "3", "2", "67%", "0", "1", "33%", "1"],
        ["ants", "ants", "0", "0", "0", "0", "", "0", "0", "", "0"],
    ]
    assert page.one_table("Program", "Learners", "With a certificate", "Whole series") == [
        ["Bees", "4", "2", "1"],
        ["Moths & <b>Lamps</b>", "3", "2", "1"],
        ["ants", "0", "0", "0"],
    ]


def test_each_program_has_its_stages_steps_certificates_and_countries(page: Page) -> None:
    stages = page.table("Stage", "Which means", "Learners", "Of all learners")
    assert [[row[2] for row in table] for table in stages] == [
        ["1", "1", "0", "0", "1", "1"],
        ["1", "0", "1", "0", "0", "1"],
        ["0", "0", "0", "0", "0", "0"],
    ]
    steps = page.table("Step", "Learners", "Of all learners")
    assert steps == [
        [
            ["Learners", "4", "100%"],
            ["Attempted", "3", "75%"],
            ["Passed", "2", "50%"],
            ["Passed, verified", "2", "50%"],
            ["Certificate-eligible", "2", "50%"],
            ["Whole series", "1", "25%"],
        ],
        [
            ["Learners", "3", "100%"],
            ["Attempted", "2", "67%"],
            ["Passed", "2", "67%"],
            ["Passed, verified", "1", "33%"],
            ["Certificate-eligible", "2", "67%"],
            ["Whole series", "1", "33%"],
        ],
        [[label, "0", ""] for label in ("Learners", "Attempted", "Passed", "Passed, verified")]
        + [["Certificate-eligible", "0", ""], ["Whole series", "0", ""]],
    ]
    certificates = page.table("Certificates", "Learners", "Of all learners")
    assert [[row[:2] for row in table] for table in certificates] == [
        [["0", "2"], ["1", "0"], ["3", "1"], ["4", "1"]],
        [["0", "1"], ["1", "1"], ["4", "1"]],
    ]
    bees, moths = page.table("Country", "Ever enrolled", "Passed", "Eligible")
    assert [row[0] for row in bees] == [*(f"A{letter}" for letter in "ABCDEFGHIJ"), "Others", "Not given"]
    # 20 + 19, 10 + 9, 10 + 11
    assert bees[-2:] == [["Others", "39", "19", "21"], ["Not given", "500", "3", "1"]]
    assert moths == [["NZ", "3", "2", "2"]]


def test_each_pair_of_programs_with_learners_in_common_stands_once(page: Page) -> None:
    assert page.one_table("Program", "Other program", "In both", "Certified in both") == [
        ["Bees", "Moths & <b>Lamps</b>", "2", "1"]
    ]
    assert "2 learners are in more than one program." in page.text


def test_how_old_each_program_s_data_is(page: Page) -> None:
    head = ("Program", "Built as of", "Newest download", "Oldest report of a current run")
    assert page.one_table(*head, "Files ignored", "Rows rejected") == [
        ["Bees", "18 June 2026", "15 June 2026, 3 days old", "8 June 2026, 10 days old", "1", "3"],
        ["Moths & <b>Lamps</b>", "17 June 2026", "1 May 2026, 48 days old", "none", "0", "0"],
        ["ants", "2 January 2026", "none", "none", "0", "0"],
    ]


def test_many_pairs_are_all_in_the_table_and_the_largest_are_drawn(tmp_path: Path) -> None:
    tables = many(LONG_TITLE, UNBROKEN_TITLE)
    without_learners = {
        "program_summary": [(code, 0, 0, 0, 0, 0) for code, *_ in tables["programs"]],
        "country_summary": [],
    }
    write_file(tmp_path / "all_programs.duckdb", tables | without_learners)
    page = Page(page_of(tmp_path / "all_programs.duckdb"))
    pairs = page.one_table("Program", "Other program", "In both", "Certified in both")
    # 12 times 11 by 2
    assert len(pairs) == 66
    assert "The largest 15 of 66 pairs" in page.text


def test_a_course_and_a_run_of_two_programs_count_once(tmp_path: Path) -> None:
    tables = few()
    shared = ("moths", "x_bees2X_1t2026", datetime(2026, 6, 15))  # noqa: DTZ001 - as in the tables
    # under the same code, and under another one
    tables["courses"] += [("moths", "bees2x", "X_BEES2x"), ("moths", "hives1x", "x_bees1X")]
    tables["course_run_summary"].append(shared)
    write_file(tmp_path / "all_programs.duckdb", tables)
    text = Page(page_of(tmp_path / "all_programs.duckdb")).text
    assert "Course runs 3 in 3 courses" in text


def test_one_program_without_learners_has_a_page(tmp_path: Path) -> None:
    rows: Rows = {table: [] for table in TABLES} | {
        "programs": [row for row in few()["programs"] if row[0] == "ants"],
        "program_summary": [("ants", 0, 0, 0, 0, 0)],
    }
    write_file(tmp_path / "all_programs.duckdb", rows)
    text = Page(page_of(tmp_path / "all_programs.duckdb")).text
    for words in (
        "1 program side by side",
        "Oldest data none",
        "Nobody is in two of these programs.",
        "no learners",
    ):
        assert words in text


def test_the_command_writes_the_page(world: World, database: Path) -> None:
    path = world.folder / "database" / "all_programs.duckdb"
    missing = world.mm("report", "--all")
    assert missing.returncode == 1
    assert f"There is no published database {path}" in missing.stderr
    assert "run `mm combine` first" in missing.stderr
    path.write_bytes(database.read_bytes())
    out = world.folder / "away" / "page.html"
    result = world.mm("report", "--all", "--out", out)
    assert (result.returncode, result.stdout) == (0, f"Report written: open {out} in a browser.\n")
    assert out.stat().st_mode & 0o777 == 0o640
    path.unlink()
    write_file(path, few())
    with duckdb.connect(path) as connection:
        connection.execute("drop table program_overlap")
    result = world.mm("report", "--all", "--out", out)
    assert result.returncode == 1
    assert "another version built it: run `mm combine` again" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Name a program, such as demo, or use --all"),
        (["demo", "--all"], "Name a program, such as demo, or use --all"),
        (["--all", "--with-learners"], "--with-learners goes with a program"),
    ],
)
def test_a_program_or_all_of_them(world: World, arguments: list[str], words: str) -> None:
    result = world.mm("report", *arguments)
    assert result.returncode == 2
    assert words in result.stderr
