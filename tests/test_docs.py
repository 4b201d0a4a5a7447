"""README.md and docs/: what they say is so, what they tell to type works, and their links lead somewhere."""

import ast
import re
from collections import Counter
from pathlib import Path
from typing import Any

import click
import pytest
import typer
import yaml
from docs_fixtures import PAGES, README, Reader, blocks, commands, inline, name_of, rows
from project_fixtures import Project
from report_fixtures import PROJECT, NewPlace, grade_report, grade_row, read

from mm.cli import app

DOCS = PROJECT / "docs"
TABLES, QUERIES = DOCS / "analyst" / "tables.md", DOCS / "analyst" / "queries.md"
MESSAGES, NEW_PROGRAM = DOCS / "messages.md", DOCS / "new-program.md"
ENVIRONMENT_PAGE = DOCS / "operator" / "environment.md"
# Of edX, dbt, DuckDB, pip and the shell.
OTHERS_MESSAGES = (
    "command not found",
    "ensurepip is not available",
    "requires a different Python",
    "ValueError: day is out of range for month",
    "Corrupt database file",
    "Permission denied",
    "Cannot open file",
)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    return Reader(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def said_by_readme(reader: Reader) -> str:
    return reader.types(README)


def test_the_readme_is_short() -> None:
    assert len(README.read_text("utf-8").splitlines()) <= 150
    assert len((PROJECT / "DECISIONS.md").read_text("utf-8").splitlines()) <= 200


def test_a_first_report_is_made_by_the_readme_alone(reader: Reader, said_by_readme: str) -> None:
    [success] = blocks(README, "text")
    assert success in said_by_readme
    assert "mm" in said_by_readme
    for name in ("buslead_coursecompletion.xlsx", "report.html"):
        assert (reader.project / "out" / "buslead" / name).stat().st_size > 1000


@pytest.mark.usefixtures("said_by_readme")
@pytest.mark.parametrize("page", [page for page in PAGES if page != README and commands(page)], ids=name_of)
def test_what_a_page_tells_to_type_works(reader: Reader, page: Path) -> None:
    reader.types(page)
    if page.name == "mails.md":
        # three to the test address, then the mailout
        assert len(list((reader.project / "out" / "smtp-sink").glob("*.eml"))) == 3 + 39
    if page.name == "tables.md":
        documentation = reader.project / "target" / "static_index.html"
        assert "Which table answers what" in documentation.read_text("utf-8")


def test_commands_have_no_comments() -> None:
    # zsh, which macOS has, takes a comment that somebody pastes for arguments
    assert [command for page in PAGES for command in commands(page) if " #" in command] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_named_in_a_line_exist(page: Path) -> None:
    root: Any = typer.main.get_command(app)
    for text in [*inline(page), *commands(page)]:
        if not re.match(r"mm [a-z]", text):
            continue
        command, words = root, text.split(" | ")[0].split()[1:]
        context = click.Context(root)
        while words and isinstance(command, click.Group | typer.core.TyperGroup):
            # what a group does without the name of a command is the group's to say
            _, command, words = command.resolve_command(context, words)
        options = {option for each in command.params for option in each.opts} | {"--help"}
        assert {word for word in words if word.startswith("--")} <= options, text


def slug(heading: str) -> str:
    """Return the anchor that a heading has on the web."""
    return re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).replace(" ", "-")


def anchors(page: Path) -> list[str]:
    prose = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    return [slug(heading) for heading in re.findall(r"^#+ (.+)$", prose, re.MULTILINE)]


def links(page: Path) -> list[str]:
    return re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8"))


@pytest.mark.parametrize("page", [*PAGES, PROJECT / "DECISIONS.md"], ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    assert [name for name, count in Counter(anchors(page)).items() if count > 1] == []
    for link in links(page):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_file(), link
        assert target.is_relative_to(PROJECT), link
        if anchor:
            assert anchor in anchors(target), link


def test_the_readme_leads_to_every_page() -> None:
    led_to = {(PROJECT / link.partition("#")[0]).resolve() for link in links(README)}
    assert [name_of(page) for page in PAGES if page != README and page not in led_to] == []


def texts_of_python(path: Path) -> list[str]:
    """Return the texts of a module, with ... for what differs."""
    texts = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.JoinedStr):
            parts = [str(each.value) if isinstance(each, ast.Constant) else "..." for each in node.values]
            texts.append("".join(parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            texts.append(node.value)
    return texts


def texts_of_sql(path: Path) -> str:
    """Return a model or macro with its texts joined over lines."""
    sql = re.sub(r"'\s*(\|\||~)\s*'", "", path.read_text("utf-8")).replace("''", "'").replace('"', "'")
    return re.sub(r"\s+", " ", re.sub(r"'\s*~\s*'", "", sql))


@pytest.fixture(scope="module")
def own_words() -> str:
    python = [*(PROJECT / "scripts").rglob("*.py"), *(PROJECT / "bi" / "superset").glob("*.py")]
    sql = [path for name in ("models", "macros") for path in (PROJECT / name).rglob("*.sql")]
    texts = [text for path in python for text in texts_of_python(path)]
    return "\n".join([*texts, *map(texts_of_sql, sql), (PROJECT / "Makefile").read_text("utf-8")])


@pytest.mark.parametrize("page", [MESSAGES, README], ids=name_of)
def test_messages_that_a_page_explains_are_said(page: Path, own_words: str) -> None:
    messages = [text for cells in rows(page, "message") for text in re.findall(r"`([^`]+)`", cells[0])]
    assert len(messages) > 5
    # Names of files, numbers and who says it differ.
    differs = r"^superset: |[\w./]*\.(csv|duckdb|wal|log)\b|\bMM_\w+_SECRET\b|\b\d+\b|\bit( is)?\b"
    said = [text for text in messages if not any(others in text for others in OTHERS_MESSAGES)]
    parts = [
        (text, part.strip(" ,;:()'/.")) for text in said for part in re.sub(differs, "...", text).split("...")
    ]
    assert [(text, part) for text, part in parts if len(part) > 3 and part not in own_words] == []


def test_the_environment_page_has_every_variable() -> None:
    read_by = [
        PROJECT / "profiles.yml",
        *(PROJECT / "bi").rglob("*.py"),
        *(PROJECT / "scripts").rglob("*.py"),
    ]
    exist = {name for path in read_by for name in re.findall(r"\bMM_[A-Z_]*[A-Z]\b", path.read_text("utf-8"))}
    assert sorted(cells[0].strip("`") for cells in rows(ENVIRONMENT_PAGE, "variable")) == sorted(exist)
    for page in PAGES:
        assert set(re.findall(r"\bMM_[A-Z_]*[A-Z]\b", page.read_text("utf-8"))) <= exist, page


def test_every_column_of_every_seed_is_explained() -> None:
    sections = re.split(r"^## ", NEW_PROGRAM.read_text("utf-8"), flags=re.MULTILINE)
    seeds = yaml.safe_load((PROJECT / "seeds" / "_seeds.yml").read_text("utf-8"))["seeds"]
    for seed in seeds:
        [section] = [text for text in sections if text.startswith(f"{seed['name']}.csv\n")]
        table = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| `")]
        assert [cells[0].strip("`") for cells in table] == [column["name"] for column in seed["columns"]]
        may_lack = [c["name"] for c in seed["columns"] if c.get("config", {}).get("meta", {}).get("optional")]
        assert [cells[0].strip("`") for cells in table if cells[3].startswith("no, column too")] == may_lack
        assert all(re.match(r"(yes|mails|no)\b", cells[3]) for cells in table), seed["name"]


def test_the_worked_example_of_a_new_program_builds(new_place: NewPlace) -> None:
    place = new_place()
    headers = {path: path.read_text("utf-8").splitlines()[0] for path in (place.root / "seeds").glob("*.csv")}
    for block in blocks(NEW_PROGRAM, "csv"):
        header, _, added = block.partition("\n")
        [seed] = [path for path, full in headers.items() if f"{full},".startswith(f"{header},")]
        with seed.open("a", encoding="utf-8") as file:
            file.write(added)
    for course in (1, 2, 5):
        name = f"ExampleX_POLICY{course}x_1T2026_grade_report_2026-06-15-0214.csv"
        place.write("policy", name, grade_report(grade_row(7, "0.9", "verified", eligible="Y")))
    build = place.build("policy").passed()
    [*_, table] = re.split(r"^\| `track` .*\n", NEW_PROGRAM.read_text("utf-8"), flags=re.MULTILINE)
    expected = [
        tuple(cell.strip("` ") for cell in line.strip("|").split("|")) for line in table.splitlines()[1:3]
    ]
    found = build.rows(
        "select track, is_nearest, certificates_required, certificates_to_go, next_course"
        " from learner_tracks order by track"
    )
    assert [tuple(str(cell).lower() for cell in row) for row in found] == [
        tuple(cell.lower() for cell in row) for row in expected
    ]
    assert build.rows("select stage from learner_progress") == [("one to go",)]


def keys_of_tables() -> dict[str, list[str]]:
    """Return by table the columns that the page calls its key; without the program's name before it."""
    return {
        cells[0].strip("`").removeprefix("<program>_"): re.findall(r"`([^`]+)`", cells[2])
        for cells in rows(TABLES, "table")
    }


def test_every_published_table_is_on_the_page(project: Project) -> None:
    models = [model for model in project.nodes("model") if model["schema"] == "main"]
    assert sorted(keys_of_tables()) == sorted(model["alias"].removeprefix("demo_") for model in models)


@pytest.mark.parametrize("table", sorted(keys_of_tables()))
def test_the_key_of_a_table_is_one(project: Project, table: str) -> None:
    name = "demo_coursecompletion" if table == "coursecompletion" else table
    keys = ", ".join(keys_of_tables()[table])
    query = f"select {keys} from {name} group by {keys} having count(*) > 1"
    assert read(project.demo.published, query) == []


def test_student_id_is_learner_id_and_runs_join(project: Project) -> None:
    columns = [(t, c) for (schema, t), names in project.columns.items() if schema == "main" for c in names]
    ids = [(table, column) for table, column in columns if column in {"student_id", "learner_id"}]
    assert {("learners", "student_id"), ("changes", "learner_id"), ("send_log", "student_id")} <= set(ids)
    for table, column in ids:
        query = f"select count(*) from {table} where {column} not in (select student_id from learners)"
        assert read(project.demo.published, query) == [(0,)], table
    for table in ("course_instancedetails", "learner_course_history", "changes", "progress_over_time"):
        query = f"select count(*) from {table} anti join course_run_summary using (course_instance)"
        assert read(project.demo.published, query) == [(0,)], table


def test_there_are_ten_queries_each_in_sql_and_pandas(project: Project) -> None:
    queries = blocks(QUERIES, "sql")
    # the first block of Python is how to begin
    assert len(queries) == len(blocks(QUERIES, "python")) - 1 == 10
    for query in queries:
        assert read(project.demo.published, query), query
