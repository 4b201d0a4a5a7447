"""Publishing: readers have a whole file at any moment, whatever happens to a build."""

import json
import os
import random
import shutil
import stat
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import pytest
from report_fixtures import (
    G4_MINIMAL,
    PROJECT,
    Build,
    NewPlace,
    Place,
    Row,
    grade_report,
    grade_row,
    profile_report,
    profile_row,
    read,
    tables_of,
)

# A table of the report, of the mailout, the summaries and the history.
TABLES = [
    "certificate_summary",
    "changes",
    "country_summary",
    "course_instancedetails",
    "course_run_summary",
    "course_runs",
    "course_runs_by_country_and_track",
    "course_summary",
    "courses",
    "courses_by_country_and_track",
    "downloads_by_course_run",
    "learner_course_history",
    "learner_courses",
    "learner_progress",
    "learner_requirements",
    "learner_tracks",
    "learners",
    "lgdm_coursecompletion",
    "mailout",
    "mailout_audit_passed",
    "mailout_by_country",
    "mailout_candidates",
    "mailout_certificate_eligible",
    "mails_by_day",
    "program_summary",
    "programs",
    "progress_over_time",
    "rejected_rows",
    "rejected_rows_by_reason",
    "report_files",
    "send_log",
    "stages_by_country",
]
CLIENTS = Path(sys.prefix) / "clients"
FIRST = "UQx_LGDM1x_1T2019_grade_report_2019-06-01-0000.csv"
SECOND = "UQx_LGDM2x_1T2019_grade_report_2019-06-01-0000.csv"
THIRD = "UQx_LGDM3x_1T2018_grade_report_2018-06-01-0000.csv"
THIRD_NEWER = "UQx_LGDM3x_1T2018_grade_report_2018-07-01-0000.csv"
FIRST_PROFILES = "UQx_LGDM1x_1T2019_student_profile_info_2019-06-01-0000.csv"
UNTOUCHED = "UQx_LGDM4x_1T2019_grade_report_2019-06-01-0000.csv"
# A row whose grade is none.
UNUSED = "303,pupil303@learners.example.org,pupil_303,4,audit,N/A,N,N,N/A,enrolled"

# It tells the best grade in the file as often as somebody asks.
HOLDING_CLIENT = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1], read_only=True)
for _ in sys.stdin:
    print(connection.execute("select max(grade) from course_instancedetails").fetchall()[0][0], flush=True)
"""
# It reads all that is in the file.
READING_CLIENT = """
import json, sys, duckdb
connection = duckdb.connect(sys.argv[1], read_only=True)
tables = connection.execute("select table_name from information_schema.tables order by 1").fetchall()
counts = {name: len(connection.execute(f'select * from "{name}"').fetchall()) for name, in tables}
print(json.dumps([duckdb.__version__, counts]))
"""


def best_grade(published: Path) -> float:
    """Read the one value by which these tests tell one build from another."""
    [(grade,)] = read(published, "select max(grade) from course_instancedetails")
    return grade


def write_first(place: Place, grade: str) -> None:
    """Write the report whose best grade tells which build a file is of."""
    place.write("lgdm", FIRST, grade_report(grade_row(301, grade, "audit")))


def grades(tables: dict[str, list[Row]]) -> list[tuple[int, str, float]]:
    """Pick learner, run and grade of each row of the details."""
    return sorted((row[0], row[2], row[5]) for row in tables["course_instancedetails"])


def check_modes(place: Place) -> None:
    """See that others can read nothing in the folder, and that nobody can write to what is published."""
    for path in (place.database, *place.database.rglob("*")):
        expected = "-r--r-----" if path == place.published("lgdm") else "-rw-r-----"
        assert stat.filemode(path.stat().st_mode) == ("drwxr-x---" if path.is_dir() else expected), path


# ---- builds that are killed ----


@dataclass
class Killed:
    """What was published after each kill, and the build that came then."""

    before: bytes
    in_the_middle: list[bytes]
    while_publishing: float
    after: Build


def kill_after_starts(place: Place, count: int) -> bytes:
    """Kill a build when it has started `count` of its models, seeds and tests."""
    process = place.start("lgdm")
    assert process.stdout
    for line in process.stdout:
        count -= " START " in line
        if count <= 0:
            break
    process.kill()
    process.communicate()
    return place.published("lgdm").read_bytes()


def kill_while_publishing(place: Place) -> float:
    """Kill a build when it has begun to write the file that it is to publish."""
    process = place.start("lgdm")
    while process.poll() is None and not list(place.database.rglob("*.new")):
        time.sleep(0.001)
    process.kill()
    process.communicate()
    return best_grade(place.published("lgdm"))


@pytest.fixture(scope="module")
def killed(new_place: NewPlace) -> Killed:
    """Kill builds at several moments, the same in each run of the tests."""
    place = new_place()
    write_first(place, "0.5")
    before = place.build("lgdm").passed().published.read_bytes()
    write_first(place, "0.9")
    moments = sorted(random.Random(2019).sample(range(1, 40), 2))  # noqa: S311 - no secret
    in_the_middle = [kill_after_starts(place, moment) for moment in moments]
    return Killed(before, in_the_middle, kill_while_publishing(place), place.build("lgdm"))


def test_a_killed_build_leaves_the_published_file_byte_for_byte(killed: Killed) -> None:
    assert [published == killed.before for published in killed.in_the_middle] == [True, True]


def test_a_build_that_is_killed_while_publishing_leaves_a_whole_file(killed: Killed) -> None:
    # Of the build before, or, if the kill came just too late, of this one.
    assert killed.while_publishing in {0.5, 0.9}


def test_the_build_after_a_kill_passes(killed: Killed) -> None:
    build = killed.after.passed()
    assert best_grade(build.published) == 0.9
    assert list(tables_of(build.published)) == TABLES


def test_no_half_written_file_of_a_killed_build_stays(killed: Killed) -> None:
    assert {path.name for path in killed.after.place.database.rglob("*")} == {
        "working",
        "lgdm.duckdb",
        "lgdm.lock",
        "lgdm_steps.duckdb",
    }


def test_others_can_read_nothing_that_a_killed_build_wrote(killed: Killed) -> None:
    check_modes(killed.after.place)


# ---- a client that stays connected; loading what is new; a newer version of the project ----


@dataclass
class Rebuilt:
    """What was published by an older version, by this one, and by this one on what another had loaded."""

    first: dict[str, list[Row]]
    second: dict[str, list[Row]]
    third: dict[str, list[Row]]
    client_said: list[str]
    build: Build


def make_models_older(place: Place) -> None:
    """Let a model count wrongly, one be a table, one have a column and one be there that are gone since."""
    models = place.root / "models"
    progress = models / "marts/history/progress_over_time.sql"
    text = progress.read_text()
    assert text.count(" as attempted") == 1
    progress.write_text(text.replace(" as attempted", " + 1000 as attempted"))
    prefixes = models / "intermediate/seeds/int_course_prefixes.sql"
    prefixes.write_text("{{ config(materialized='table') }}\n" + prefixes.read_text())
    repeated = models / "intermediate/int_report_rows_repeated.sql"
    text = repeated.read_text()
    assert text.count("max(line) as last_line,") == 1
    repeated.write_text(text.replace("max(line) as last_line,", "max(line) as last_line, 1 as gone,"))
    (models / "marts/gone_since.sql").write_text(
        "{{ config(contract={'enforced': false}) }}\nselect 1 as one\n"
    )


def make_models_new(place: Place) -> None:
    """Put back the project's models."""
    shutil.rmtree(place.root / "models")
    shutil.copytree(PROJECT / "models", place.root / "models")


def make_loaded_older(place: Place) -> None:
    """Let the working file be as a version left it whose tables were others."""
    with duckdb.connect(str(place.working("lgdm"))) as connection:
        connection.execute("update edx.loader set version = 'older'")
        connection.execute("alter table edx.grade_report drop column certificate_type")
        connection.execute("update edx.grade_report set grade = '0.0'")


def change_unseen(path: Path, old: bytes, new: bytes) -> None:
    """Change a file so that its size and time of modification are as before, which nobody does by chance."""
    before = path.stat()
    path.write_bytes(path.read_bytes().replace(old, new))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size


@pytest.fixture(scope="module")
def rebuilt(new_place: NewPlace) -> Rebuilt:
    """Build twice with a client holding the published file, and between the two change every kind of file."""
    place = new_place()
    write_first(place, "0.5")
    place.write("lgdm", SECOND, grade_report(grade_row(302, "0.4", "audit"), grade_row(302, "0.3", "audit")))
    place.write("lgdm", THIRD, grade_report(grade_row(303, "0.2", "audit"), grade_row(304, "3", "audit")))
    place.write("lgdm", FIRST_PROFILES, profile_report(profile_row(301, "Pupil Before", "AU")))
    untouched = place.write("lgdm", UNTOUCHED, grade_report(grade_row(305, "0.1", "audit")))
    make_models_older(place)
    build = place.build("lgdm").passed()
    first = tables_of(build.published)
    with subprocess.Popen(
        [sys.executable, "-c", HOLDING_CLIENT, build.published],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    ) as client:
        assert client.stdin
        assert client.stdout
        client.stdin.write("before\n")
        client_said = [client.stdout.readline().strip()]
        # Replaced under the same name, gone, newer, the same bytes as before but touched.
        write_first(place, "0.9")
        (place.data / "lgdm" / SECOND).unlink()
        place.write("lgdm", THIRD_NEWER, grade_report(grade_row(303, "0.6", "audit")))
        (place.data / "lgdm" / FIRST_PROFILES).touch()
        change_unseen(untouched, b"0.1", b"0.7")
        make_models_new(place)
        build = place.build("lgdm").passed()
        client.stdin.write("after\n")
        client_said.append(client.stdout.readline().strip())
        client.stdin.close()
    second = tables_of(build.published)
    make_loaded_older(place)
    build = place.build("lgdm").passed()
    return Rebuilt(first, second, tables_of(build.published), client_said, build)


def test_a_client_keeps_what_it_reads_while_the_file_is_replaced(rebuilt: Rebuilt) -> None:
    assert rebuilt.client_said == ["0.5", "0.5"]


def test_a_new_connection_reads_the_new_file(rebuilt: Rebuilt) -> None:
    assert best_grade(rebuilt.build.published) == 0.9


def test_what_is_new_replaced_or_gone_is_read_and_nothing_else(rebuilt: Rebuilt) -> None:
    assert grades(rebuilt.first) == [
        (301, "UQx_LGDM1x_1T2019", 0.5),
        (302, "UQx_LGDM2x_1T2019", 0.3),
        (303, "UQx_LGDM3x_1T2018", 0.2),
        (305, "UQx_LGDM4x_1T2019", 0.1),
    ]
    # A build that opened the file which nobody touched would see 0.7 in it.
    assert grades(rebuilt.second) == [
        (301, "UQx_LGDM1x_1T2019", 0.9),
        (303, "UQx_LGDM3x_1T2018", 0.6),
        (305, "UQx_LGDM4x_1T2019", 0.1),
    ]


def test_files_that_are_gone_are_not_on_record(rebuilt: Rebuilt) -> None:
    files = [(row[0], row[5]) for row in rebuilt.second["report_files"]]
    assert files == [
        (FIRST, "used"),
        (FIRST_PROFILES, "used"),
        (THIRD, "superseded"),
        (THIRD_NEWER, "used"),
        (UNTOUCHED, "used"),
    ]
    # Line 2 of the file that is gone was rejected, too.
    assert [row[:2] for row in rebuilt.second["rejected_rows"]] == [(THIRD, 3)]


def test_marts_of_an_older_version_are_built_anew(rebuilt: Rebuilt) -> None:
    # Course, download number and how many attempted, of the newest downloads.
    assert [(row[0], row[3], row[5]) for row in rebuilt.first["progress_over_time"]] == [
        ("lgdm1x", 1, 1001),
        ("lgdm2x", 1, 1001),
        ("lgdm3x", 1, 1001),
        ("lgdm4x", 1, 1001),
    ]
    assert [(row[0], row[3], row[5]) for row in rebuilt.second["progress_over_time"]] == [
        ("lgdm1x", 1, 1),
        ("lgdm3x", 1, 1),
        ("lgdm3x", 2, 1),
        ("lgdm4x", 1, 1),
    ]
    assert set(rebuilt.first) - set(rebuilt.second) == {"gone_since"}


def test_what_another_version_loaded_is_loaded_anew_and_that_is_said(rebuilt: Rebuilt) -> None:
    assert "Another version made the working file" in rebuilt.build.output
    # All files are read, the one that looks untouched too.
    assert grades(rebuilt.third) == [
        (301, "UQx_LGDM1x_1T2019", 0.9),
        (303, "UQx_LGDM3x_1T2018", 0.6),
        (305, "UQx_LGDM4x_1T2019", 0.7),
    ]
    assert rebuilt.third["report_files"] == rebuilt.second["report_files"]


def test_just_the_documented_tables_are_published(rebuilt: Rebuilt) -> None:
    query = "select table_schema, table_name, table_type from information_schema.tables order by 2"
    assert rebuilt.build.rows(query) == [("main", name, "BASE TABLE") for name in TABLES]


def test_no_file_lies_beside_a_published_one(rebuilt: Rebuilt) -> None:
    names = {path.name for path in rebuilt.build.place.database.iterdir()}
    assert names == {"lgdm.duckdb", "working"}
    assert {path.name for path in (rebuilt.build.place.database / "working").iterdir()} == {
        "lgdm.duckdb",
        "lgdm.lock",
        "lgdm_steps.duckdb",
    }


def test_others_can_read_nothing_that_holds_learners(rebuilt: Rebuilt) -> None:
    check_modes(rebuilt.build.place)


@pytest.mark.parametrize("version", ["1.0.0", "1.4.5"])
def test_an_older_client_reads_every_table(rebuilt: Rebuilt, version: str) -> None:
    client = CLIENTS / f"duckdb-{version}"
    if version == "1.0.0" and sys.version_info >= (3, 13):
        pytest.skip("DuckDB 1.0.0 has no wheel for this Python")
    if not (client / "duckdb").is_dir():
        pytest.fail(f"There is no DuckDB {version} in {client}: `make test` installs it.", pytrace=False)
    run = subprocess.run(
        [sys.executable, "-c", READING_CLIENT, rebuilt.build.published],
        env=os.environ | {"PYTHONPATH": str(client)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == [version, {name: len(rebuilt.third[name]) for name in TABLES}]


# ---- only a whole build is published; folders that move; a damaged working file ----


@dataclass
class Steps:
    """The builds of a program, one after the other, and what was published before and after each."""

    builds: list[Build]
    published: list[bytes]

    def build(self, place: Place, *arguments: str) -> None:
        """Build and remember."""
        build = place.build("lgdm", *arguments)
        self.builds.append(build)
        self.published.append(build.published.read_bytes())


def damage(database: Path, table: str) -> None:
    """Write over what a DuckDB file has of a table, as a disk's fault would; the file can still be opened."""
    blocks = read(
        database, f"select distinct block_id from pragma_storage_info('{table}') where block_id >= 0"
    )
    assert blocks
    with database.open("r+b") as file:
        for (block,) in blocks:
            # three headers, then blocks of 256 KiB
            file.seek(3 * 4096 + block * 256 * 1024)
            file.write(b"damage" * 1000)


@pytest.fixture(scope="module")
def eventful(new_place: NewPlace) -> Steps:
    """Build in folders with awkward names, which then are moved, with a working file that is then damaged."""
    place = new_place()
    # "block" has "lock" in it, the word by which DuckDB tells that a file is in use.
    awkward = {"data_dir": 'o\'block "data"', "database_dir": str(place.root / "o'block data")}
    place = replace(place, **awkward)
    steps = Steps([], [])
    write_first(place, "0.5")
    place.write(
        "lgdm",
        SECOND,
        f"{G4_MINIMAL}\n{UNUSED.replace('303', '302').replace(',4,', ',0.4,')}\n{UNUSED}\n",
    )
    steps.build(place)
    # A part of the project.
    write_first(place, "0.9")
    place.marts("lgdm").write_bytes(b"not a database" * 1000)
    steps.build(place, "--select", "+learners", "--exclude-resource-type", "test")
    # The data move, as they are, and the reports still say what is in them.
    moved = replace(place, data_dir="moved")
    place.data.rename(moved.data)
    steps.build(moved)
    damage(moved.working("lgdm"), "edx.report_files")
    steps.build(moved)
    return steps


def test_folders_may_have_awkward_names(eventful: Steps) -> None:
    eventful.builds[0].passed()


def test_a_build_of_a_part_is_not_published_and_says_so(eventful: Steps) -> None:
    part = eventful.builds[1].passed()
    assert "Not published" in part.output
    assert eventful.published[1] == eventful.published[0]


def test_a_damaged_file_of_marts_is_built_anew_and_that_is_said(eventful: Steps) -> None:
    assert "damaged" in eventful.builds[1].passed().output


def test_data_may_be_moved_between_builds(eventful: Steps) -> None:
    eventful.builds[2].passed()
    assert eventful.published[2] != eventful.published[1]


def test_a_damaged_working_file_is_built_anew_and_that_is_said(eventful: Steps) -> None:
    build = eventful.builds[3].passed()
    assert "is damaged" in build.output
    assert best_grade(build.published) == 0.9
    assert build.rows("select file_name, line, raw_text from rejected_rows") == [(SECOND, 3, UNUSED)]


# ---- builds at once ----


@dataclass
class AtOnce:
    """Three builds that were started at the same moment: two of lgdm, one of engy."""

    lgdm: list[Build]
    engy: Build


@pytest.fixture(scope="module")
def at_once(new_place: NewPlace) -> AtOnce:
    """Build one program twice and another one, all at the same time."""
    place = new_place()
    write_first(place, "0.5")
    place.write(
        "engy",
        "UQx_ENGY0x_1T2019_grade_report_2019-06-01-0000.csv",
        grade_report(grade_row(401, "0.7", "audit")),
    )
    first, second, other = (place.start(program) for program in ("lgdm", "lgdm", "engy"))
    return AtOnce(
        [place.ended(first, "lgdm"), place.ended(second, "lgdm")],
        place.ended(other, "engy"),
    )


def test_two_programs_can_be_built_at_once(at_once: AtOnce) -> None:
    query = "select learner_id, course from course_instancedetails"
    assert at_once.engy.passed().rows(query) == [(401, "engy0x")]


def test_of_two_builds_of_one_program_at_least_one_passes(at_once: AtOnce) -> None:
    assert 0 in [build.returncode for build in at_once.lgdm]


def test_of_two_builds_of_one_program_the_other_passes_or_says_why_not(at_once: AtOnce) -> None:
    for build in at_once.lgdm:
        assert "Traceback" not in build.output
        assert build.returncode == 0 or "Another build of lgdm is running" in build.output


def test_two_builds_of_one_program_leave_the_file_whole(at_once: AtOnce) -> None:
    tables = tables_of(at_once.lgdm[0].published)
    assert list(tables) == TABLES
    assert grades(tables) == [(301, "UQx_LGDM1x_1T2019", 0.5)]


# ---- what nobody reads until it goes wrong ----


ONE_REPORT = "UQx_LGDM1x_1T2019_grade_report_2019-06-01-0000.csv"


@pytest.fixture(scope="module")
def odd_neighbours(new_place: NewPlace) -> Build:
    """Build with a file whose name is no UTF-8 text in the folder, and with a working file that is none."""
    place = new_place()
    place.write(
        "lgdm",
        "UQx_LGDM1x_1T2019_grade_report_2019-06-01-0000.csv",
        grade_report(grade_row(1, "0.5", "audit")),
    )
    (place.data / "lgdm" / os.fsdecode(b"Bj\xf6rn.csv")).write_text("a,b\n")
    place.working("lgdm").parent.mkdir(parents=True)
    place.working("lgdm").write_bytes(b"not a database" * 1000)
    return place.build("lgdm")


def test_a_name_that_is_no_text_is_ignored(odd_neighbours: Build) -> None:
    rows = odd_neighbours.passed().rows("select file_name, reason from report_files where status = 'ignored'")
    assert rows == [("Bj\ufffdrn.csv", "its name is not UTF-8 text: rename it")]


def test_a_working_file_that_is_no_database_is_built_anew_and_that_is_said(odd_neighbours: Build) -> None:
    assert "is damaged" in odd_neighbours.passed().output


@pytest.fixture(scope="module")
def damaged_records(new_place: NewPlace) -> dict[str, Build]:
    """Build with an opt-out file, then with a send log, that cannot be understood for certain."""
    place = new_place()
    place.write(
        "lgdm",
        "UQx_LGDM1x_1T2019_grade_report_2019-06-01-0000.csv",
        grade_report(grade_row(1, "0.5", "audit")),
    )
    opt_outs = place.write("", "unsubscribed.csv", "email,source\nPupil pupil1@learners.example.org,web\n")
    builds = {"opt-outs": place.build("lgdm")}
    opt_outs.unlink()
    log = place.database / "lgdm.send_log.csv"
    log.write_text(
        "student_id,trigger_course_instance,trigger_course_verified,attempt,event,logged_at,message_id,email,detail\n"
        '"1","UQx_LGDM1x_1T2019","0","1","sent","2019-06-01T00:00:00Z","m","e","d"\n'
    )
    return builds | {"send log": place.build("lgdm")}


@pytest.mark.parametrize(
    ("record", "words"), [("opt-outs", "line 2: its email is no address"), ("send log", "line 2")]
)
def test_mailing_records_that_nobody_understands_stop_the_build(
    damaged_records: dict[str, Build], record: str, words: str
) -> None:
    build = damaged_records[record]
    assert build.returncode != 0
    assert words in build.output
    assert "Traceback" not in build.output
    assert "pupil1@" not in build.output
