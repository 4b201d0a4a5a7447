"""`mm combine`: the published files of all programs in one, with what only several programs can tell."""

import csv
import fcntl
import json
import os
import shutil
import stat
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import pytest
from mail_fixtures import World
from report_fixtures import (
    PROJECT,
    NewPlace,
    Place,
    Row,
    csv_text,
    grade_report,
    grade_row,
    profile_report,
    profile_row,
    read,
)
from test_masking import columns_of, expected_hash, found_in
from test_publishing import CLIENTS, READING_CLIENT

import mm.build.combine
from mm.build.mask import masked_path
from mm.database import log_of

SECRET = "an invented secret of the tests"  # noqa: S105 - of the tests
# In lgdm alone, in engy alone, in both, and in both with a certificate of each.
LGDM, ENGY, BOTH, CERTIFIED = 640_275_119_001, 640_275_119_002, 640_275_119_003, 640_275_119_004


@dataclass
class Combined:
    """What `mm combine` said and wrote, in a place with the files of two programs."""

    place: Place
    process: subprocess.CompletedProcess[str]

    @property
    def file(self) -> Path:
        """The file of all programs."""
        return self.place.published("all_programs")


@pytest.fixture(scope="module")
def combined(new_place: NewPlace) -> Combined:
    """Build two programs with learners in common, and combine them with the secret."""
    place = new_place()
    series = [f"UQx_LGDM{n}x_1T2019_grade_report_2019-06-0{n}-0000.csv" for n in range(1, 5)]
    for name in series:
        place.write(
            "lgdm",
            name,
            grade_report(
                grade_row(LGDM, "0.0", "audit"),
                grade_row(BOTH, "0.9", "verified", "Y"),
                grade_row(CERTIFIED, "0.9", "verified", "Y"),
            ),
        )
    place.write(
        "lgdm",
        "UQx_LGDM1x_1T2019_student_profile_info_2019-06-01-0000.csv",
        profile_report(profile_row(CERTIFIED, "Cy Pupilcombined", "NZ")),
    )
    place.write(
        "engy",
        "UQx_ENGY1x_1T2019_grade_report_2019-06-05-0000.csv",
        grade_report(
            grade_row(ENGY, "0.9", "verified", "Y"),
            grade_row(BOTH, "0.1", "audit"),
            grade_row(CERTIFIED, "0.9", "verified", "Y"),
        ),
    )
    for program in ("lgdm", "engy"):
        place.build(program).passed()
    process = subprocess.run(
        [sys.executable, "-c", "from mm.cli import app; app()", "combine"],
        cwd=place.root,
        env=replace(place, mask_secret=SECRET).environment | {"PYTHONPATH": str(place.root / "scripts")},
        capture_output=True,
        text=True,
        umask=0o022,
        check=False,
    )
    return Combined(place, process)


@pytest.fixture
def copied(combined: Combined, world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """Give a world with the same published files, to change, where dbt need not read the project again."""
    manifest = json.loads((combined.place.target / "combine" / "manifest.json").read_text("utf-8"))
    nodes = [node for node in manifest["nodes"].values() if node["resource_type"] == "model"]
    marts = [node for node in nodes if node["access"] == "public"]
    monkeypatch.setattr(mm.build.combine, "read_marts", lambda: marts)
    for program in ("lgdm", "engy"):
        shutil.copyfile(combined.place.published(program), file_of(world, program))
    return world


def file_of(world: World, program: str) -> Path:
    return world.folder / "database" / f"{program}.duckdb"


# ---- what is in it ----


def test_it_says_what_it_put_together(combined: Combined) -> None:
    assert combined.process.returncode == 0, combined.process.stderr
    written, others = combined.process.stdout.splitlines()
    assert written.startswith("Published ")
    # in the order of seeds/programs.csv
    assert written.endswith("all_programs.masked.duckdb, of engy, lgdm.")
    assert others == "No published file yet: demo, buslead, corpinn."
    assert combined.process.stderr == ""


def test_each_published_table_is_there_once_with_the_program_first(combined: Combined) -> None:
    there = columns_of(combined.file)
    found = {table: [column for of, column in there if of == table] for table, _ in there}
    expected = {}
    for table, column in columns_of(combined.place.published("lgdm")):
        if table == "lgdm_coursecompletion":
            expected.setdefault(table, []).append(column)
        elif column != "program":
            expected.setdefault(table, ["program"]).append(column)
    expected["engy_coursecompletion"] = [
        column
        for table, column in columns_of(combined.place.published("engy"))
        if table == "engy_coursecompletion"
    ]
    own = {
        "learner_programs": ["program", "student_id", "stage", "no_certificate_eligible", "is_complete"],
        "program_overlap": ["program", "other_program", "learners_in_both", "certified_in_both"],
    }
    assert found == expected | own
    assert len(found) >= 28


def test_each_row_is_there_once_as_its_program_has_it(combined: Combined) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"attach '{combined.file}' as combined (read_only)")
        for program in ("lgdm", "engy"):
            columns = columns_of(combined.place.published(program))
            connection.execute(f"attach '{combined.place.published(program)}' as {program} (read_only)")
            for table in {table for table, _ in columns}:
                names = ", ".join(f'"{column}"' for of, column in columns if of == table)
                own = "" if table == f"{program}_coursecompletion" else f"where program = '{program}'"
                rows = f"select {names} from combined.{table} {own}"
                expected = f"select {names} from {program}.{table}"
                for one, other in [(rows, expected), (expected, rows)]:
                    assert connection.execute(f"{one} except all {other}").fetchall() == [], table
    programs = read(combined.file, "select program, count(*) from learners group by program order by all")
    assert programs == [("engy", 3), ("lgdm", 3)]


def test_types_and_what_may_be_null_are_those_of_the_programs_files(combined: Combined) -> None:
    own = columns_of(combined.place.published("lgdm"))
    there = columns_of(combined.file)
    assert {column: there[column] for column in own} == own


def test_learner_programs(combined: Combined) -> None:
    # lgdm asks for four certificates, engy for more.
    assert read(combined.file, "from learner_programs order by all") == [
        ("engy", ENGY, "passed one", 1, False),
        ("engy", BOTH, "attempted", 0, False),
        ("engy", CERTIFIED, "passed one", 1, False),
        ("lgdm", LGDM, "enrolled", 0, False),
        ("lgdm", BOTH, "series complete", 4, True),
        ("lgdm", CERTIFIED, "series complete", 4, True),
    ]


def test_program_overlap(combined: Combined) -> None:
    # two are in both, of whom one has no certificate in engy
    assert read(combined.file, "from program_overlap order by all") == [
        ("engy", "lgdm", 2, 1),
        ("lgdm", "engy", 2, 1),
    ]


OVERLAP = Path(__file__).parents[1] / "scripts" / "mm" / "build" / "combined" / "program_overlap.sql"


@pytest.mark.parametrize(
    ("programs", "learners", "expected"),
    [
        (["one"], [("one", 1, 4)], []),
        (["one", "two"], [], [("one", "two", 0, 0), ("two", "one", 0, 0)]),
        (
            ["one", "two", "three"],
            [("one", 1, 0), ("two", 1, 3), ("three", 1, 1), ("one", 2, 1), ("two", 2, 2), ("three", 3, 9)],
            [
                ("one", "three", 1, 0),
                ("one", "two", 2, 1),
                ("three", "one", 1, 0),
                ("three", "two", 1, 1),
                ("two", "one", 2, 1),
                ("two", "three", 1, 1),
            ],
        ),
    ],
    ids=["one program", "nobody", "three programs"],
)
def test_each_pair_of_programs_stands_twice(
    programs: list[str], learners: list[Row], expected: list[Row]
) -> None:
    with duckdb.connect() as connection:
        connection.execute("create table programs as select unnest($1) as program", [programs])
        columns = "program varchar, student_id bigint, no_certificate_eligible integer"
        connection.execute(f"create table learner_programs ({columns})")
        for row in learners:
            connection.execute("insert into learner_programs values ($1, $2, $3)", list(row))
        connection.execute(OVERLAP.read_text("utf-8"))
        assert connection.execute("from program_overlap order by all").fetchall() == expected


def test_its_own_tables_are_described_in_it(combined: Combined) -> None:
    query = """
        select table_name, column_name from duckdb_columns()
        where table_name in ('learner_programs', 'program_overlap') and comment is null
    """
    assert read(combined.file, query) == []


def test_programs_tables_are_described_as_theirs_are(combined: Combined) -> None:
    query = """
        select column_name, comment from duckdb_columns()
        where table_name = '{}' and column_name != 'program'
    """
    for table in ("learners", "lgdm_coursecompletion"):
        described = read(combined.place.published("lgdm"), query.format(table))
        assert read(combined.file, query.format(table)) == described
        assert read(masked_path(combined.file), query.format(table)) == described
        assert any(comment for _, comment in described)


# ---- without names ----


def test_the_masked_file_has_the_same_rows_masked(combined: Combined) -> None:
    opened, masked = columns_of(combined.file), columns_of(masked_path(combined.file))
    assert list(masked) == [column for column in opened if column[0] != "send_log"]
    expected = [
        (program, expected_hash(student, SECRET), *others)
        for program, student, *others in read(combined.file, "from learner_programs")
    ]
    assert sorted(read(masked_path(combined.file), "from learner_programs")) == sorted(expected)
    query = """
        select learners.program, learner_programs.stage, count(*), count(learners.country)
        from learners
        inner join learner_programs
            on
                learners.program = learner_programs.program
                and learners.student_id = learner_programs.student_id
        inner join lgdm_coursecompletion as report on learners.student_id = report.student_id
        group by all order by all
    """
    assert read(masked_path(combined.file), query) == read(combined.file, query) != []
    assert read(masked_path(combined.file), "select count(email), count(name) from learners") == [(0, 0)]


def test_no_learner_is_in_the_masked_file_s_bytes(combined: Combined) -> None:
    texts = ["pupil", "learners.example.org", *map(str, (LGDM, ENGY, BOTH, CERTIFIED))]
    assert "pupil" in found_in(combined.file.read_bytes(), texts)
    assert found_in(masked_path(combined.file).read_bytes(), texts) == set()


# ---- who is retired ----

# Of lgdm's account; engy knows that it is retired.
WORDS = {
    "learners": "username = 'cy_old', email = 'Cy.Old@example.org', name = 'Cy Pupilretired', country = 'NZ'",
    "mailout_candidates": "email = 'Cy.Old@example.org', student_name = 'Cy Pupilretired'",
    "lgdm_coursecompletion": "username = 'cy_old', email = 'Cy.Old@example.org', name = 'Cy Pupilretired'",
}
RETIRED_NAME = "retired__user_x"


@pytest.fixture
def retired(copied: World) -> World:
    """Combine, where engy alone knows that CERTIFIED is retired, and lgdm has mailed and rejected it."""
    for table, words in WORDS.items():
        change(copied, "lgdm", f"update {table} set {words} where student_id = {CERTIFIED}")
    change(
        copied,
        "lgdm",
        f"""
        update mailout_candidates set excluded_reason = null where student_id in ({BOTH}, {CERTIFIED});
        insert into mailout select * from mailout_candidates where excluded_reason is null;
        update mailout_candidates set excluded_reason = 'already certified'
        where student_id = {CERTIFIED} and trigger_course = 'lgdm1x';
        insert into send_log
        select 'lgdm', id, 'UQx_LGDM1x_1T2019', 1, 1, email, 'm', 'sent', null, null, '250 to ' || email
        from (values ({CERTIFIED}, 'Cy.Old@example.org'), ({BOTH}, 'bo@example.org')) as mails (id, email);
        insert into rejected_rows
        select 'f.csv', line, 'it has 2 cells', raw_text
        from (values
            (1, '{CERTIFIED},x'), (2, '"00{CERTIFIED}",x'), (3, 'x,"CY_OLD" '), (4, 'y,cy.old@example.org'),
            (5, '{BOTH},{CERTIFIED}')
        ) as rows (line, raw_text)
        """,
    )
    change(
        copied,
        "engy",
        f"""
        update learners
        set is_retired = true, username = '{RETIRED_NAME}', email = null, name = null, country = null
        where student_id = {CERTIFIED}
        """,
    )
    done = copied.mm("combine")
    assert done.returncode == 0, done.stderr
    return copied


def test_who_is_retired_in_one_program_is_so_in_all(retired: World) -> None:
    published = file_of(retired, "all_programs")
    of_all = f"from learners where student_id = {CERTIFIED} order by program"
    assert read(published, f"select program, username, email, name, country, is_retired {of_all}") == [
        ("engy", RETIRED_NAME, None, None, None, True),
        ("lgdm", None, None, None, None, True),
    ]
    report = "select username, email, name, country, no_certificate_eligible from lgdm_coursecompletion"
    assert read(published, f"{report} where student_id = {CERTIFIED}") == [(None, None, None, None, 4)]
    assert read(published, "select student_id, email, status, detail from send_log order by all") == [
        (BOTH, "bo@example.org", "sent", "250 to bo@example.org"),
        (CERTIFIED, None, "sent", None),
    ]
    withheld = [(line, "withheld: of a retired account") for line in range(1, 5)]
    rejected = read(published, "select line, raw_text from rejected_rows where program = 'lgdm' order by all")
    assert rejected == [*withheld, (5, f"{BOTH},{CERTIFIED}")]


def test_who_is_retired_in_one_program_is_mailed_by_none(retired: World) -> None:
    published = file_of(retired, "all_programs")
    assert read(published, "select distinct student_id from mailout where program = 'lgdm'") == [(BOTH,)]
    candidates = f"""
        select distinct student_name, email, username, excluded_reason from mailout_candidates
        where program = 'lgdm' and student_id = {CERTIFIED} order by all"""
    # the former goes before the latter, as in a build
    assert read(published, candidates) == [
        (None, None, None, "already certified"),
        (None, None, None, "retired account"),
    ]


def test_no_byte_of_the_file_tells_who_was_retired(retired: World) -> None:
    content = file_of(retired, "all_programs").read_bytes()
    assert found_in(content, ["Pupilretired", "cy_old", "Cy.Old", "bo@example.org"]) == {"bo@example.org"}


def test_what_tells_who_somebody_is_is_withheld_of_the_retired(combined: Combined) -> None:
    manifest = json.loads((combined.place.target / "combine" / "manifest.json").read_text("utf-8"))
    personal = {
        (node["alias"], name)
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model"
        for name, column in node["columns"].items()
        if column["meta"].get("contains") and not column["meta"].get("masked_as")
    }
    withheld = {column for column in personal if column[1] in mm.build.combine._OF_THE_RETIRED}  # noqa: SLF001
    assert personal - withheld == {("rejected_rows", "raw_text"), ("send_log", "message_id")}


# ---- how it is published ----


def test_both_files_are_whole_and_nothing_lies_beside_them(combined: Combined) -> None:
    names = {path.name for path in combined.place.database.iterdir()}
    assert names == {
        *("all_programs.duckdb", "all_programs.masked.duckdb", "engy.duckdb", "lgdm.duckdb", "working")
    }
    for path in (combined.file, masked_path(combined.file)):
        assert stat.filemode(path.stat().st_mode) == "-r--r-----"
    working = {path.name for path in (combined.place.database / "working").glob("all_programs*")}
    assert working == {"all_programs.lock"}


@pytest.mark.parametrize("version", ["1.0.0", "1.4.5"])
def test_an_older_client_reads_it(combined: Combined, version: str) -> None:
    client = CLIENTS / f"duckdb-{version}"
    if version == "1.0.0" and sys.version_info >= (3, 13):
        pytest.skip("DuckDB 1.0.0 has no wheel for this Python")
    for path in (combined.file, masked_path(combined.file)):
        run = subprocess.run(
            [sys.executable, "-c", READING_CLIENT, path],
            env=os.environ | {"PYTHONPATH": str(client)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert '"learner_programs": 6' in run.stdout


def test_without_the_secret_the_masked_file_goes_and_an_open_reader_stays(
    combined: Combined, copied: World
) -> None:
    published = file_of(copied, "all_programs")
    shutil.copyfile(combined.file, published)
    masked_path(published).write_bytes(b"of a build before")
    file_of(copied, "engy").unlink()
    with duckdb.connect(str(published), read_only=True) as reader:
        done = copied.mm("combine")
        assert reader.execute("select count(*) from programs").fetchall() == [(2,)]
    assert done.returncode == 0, done.stderr
    assert "all_programs.masked.duckdb was removed" in done.stderr
    assert not masked_path(published).exists()
    assert read(published, "select program from programs") == [("lgdm",)]


# ---- what is left out, and what stops it ----


def change(world: World, program: str, statement: str) -> None:
    with duckdb.connect(str(file_of(world, program))) as connection:
        connection.execute(statement)


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("drop table changes", "it has no table changes"),
        ("alter table learners drop column country", "its table learners has no column country"),
        (
            "alter table lgdm_coursecompletion drop column name",
            "its table lgdm_coursecompletion has no column name",
        ),
        (
            "alter table learners alter column is_retired drop not null",
            "the column is_retired of its table learners is BOOLEAN, expected BOOLEAN not null",
        ),
    ],
)
def test_a_file_of_another_version_is_left_out(copied: World, statement: str, words: str) -> None:
    change(copied, "lgdm", statement)
    # columns that are not published any more are in nobody's way
    change(copied, "engy", "alter table learners add column other integer")
    shutil.copyfile(file_of(copied, "engy"), file_of(copied, "gone"))
    done = copied.mm("combine")
    assert done.returncode == 0, done.stderr
    unknown, older = done.stderr.splitlines()
    assert unknown == f"mm: {file_of(copied, 'gone')} is left out: seeds/programs.csv has no program gone."
    left_out = f"mm: {file_of(copied, 'lgdm')} is left out, as another version built it: {words}."
    assert older == f"{left_out} Run `mm build lgdm`."
    assert done.stdout.splitlines()[1] == "No published file yet: demo, buslead, corpinn."
    assert read(file_of(copied, "all_programs"), "select program from programs") == [("engy",)]
    tables = {table for table, _ in columns_of(file_of(copied, "all_programs"))}
    assert "lgdm_coursecompletion" not in tables


def test_programs_with_invented_learners_are_in_no_total_of_others(
    copied: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds = copied.folder / "seeds"
    seeds.mkdir()
    rows = list(csv.DictReader((PROJECT / "seeds" / "programs.csv").read_text("utf-8").splitlines()))
    monkeypatch.setattr(mm.build.combine, "SEEDS", seeds)

    def combined_with(invented: set[str], *arguments: str) -> tuple[list[str], str]:
        cells = [[row["program"], "TRUE" if row["program"] in invented else ""] for row in rows]
        (seeds / "programs.csv").write_text(csv_text("program,invented", cells), "utf-8")
        done = copied.mm("combine", *arguments)
        assert done.returncode == 0, done.stderr
        programs = read(file_of(copied, "all_programs"), "select program from programs order by 1")
        return [program for (program,) in programs], done.stdout

    programs, said = combined_with({"demo", "lgdm"})
    assert programs == ["engy"]
    assert "lgdm is left out, as its learners are invented: `mm combine --with lgdm` takes it." in said
    programs, said = combined_with({"demo", "lgdm"}, "--with", "lgdm")
    assert (programs, "left out" in said) == (["engy", "lgdm"], False)
    # there is no other
    assert combined_with({"demo", "lgdm", "engy"})[0] == ["engy", "lgdm"]
    assert copied.mm("combine", "--with", "ngy").returncode == 1


def test_where_there_is_nothing_to_combine_it_says_so(copied: World) -> None:
    change(copied, "lgdm", "drop table learners")
    file_of(copied, "engy").unlink()
    file_of(copied, "all_programs").write_bytes(b"what was published before")
    done = copied.mm("combine")
    assert done.returncode == 1
    assert "There is no published file to combine in" in done.stderr
    assert file_of(copied, "all_programs").read_bytes() == b"what was published before"


def test_what_cannot_be_read_for_certain_stops_it(copied: World) -> None:
    log = log_of(file_of(copied, "lgdm"))
    log.touch()
    done = copied.mm("combine")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{log} holds changes" in done.stderr
    log.unlink()
    file_of(copied, "lgdm").write_bytes(b"no database")
    done = copied.mm("combine")
    assert done.returncode == 1
    assert f"{file_of(copied, 'lgdm')} is damaged, or no DuckDB file of this version" in done.stderr
    assert not file_of(copied, "all_programs").exists()


@pytest.mark.parametrize("limit", ["300KB", "1MB"])
def test_too_little_memory_is_called_that(copied: World, limit: str) -> None:
    done = copied.mm("combine", MM_MEMORY_LIMIT=limit)
    assert done.returncode == 1
    assert "set MM_MEMORY_LIMIT higher" in done.stderr
    assert "close the program" not in done.stderr
    report = copied.mm("report", "lgdm", "--out", copied.folder / "page.html", MM_MEMORY_LIMIT=limit)
    assert "set MM_MEMORY_LIMIT higher" in report.stderr


def test_two_at_once_a_short_secret_and_no_size_stop_it(copied: World) -> None:
    assert "MM_MASK_SECRET has 9 characters" in copied.mm("combine", MM_MASK_SECRET="too short").stderr  # noqa: S106
    assert "MM_MEMORY_LIMIT is 'lots'" in copied.mm("combine", MM_MEMORY_LIMIT="lots").stderr
    with (copied.folder / "database" / "working" / "all_programs.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "Another build of all_programs is running" in copied.mm("combine").stderr
    assert not file_of(copied, "all_programs").exists()


def test_no_program_is_called_as_the_file_is(world: World) -> None:
    done = world.mm("list", "all_programs")
    assert done.returncode == 1
    assert "all_programs is the file of all programs, not one of them" in done.stderr
