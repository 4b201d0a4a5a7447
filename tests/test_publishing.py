"""Publishing: readers have a whole file at any moment, whatever happens to a build."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterable
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

from mm.build import inputs
from mm.build.publish import publish
from mm.config import ReaderError

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
    "track_summary",
]
CLIENTS = Path(sys.prefix) / "clients"
# When so many of a build's 135 models, seeds and tests have started, the first marts are made.
STARTS = 60
FIRST = "UQx_LGDM1x_1T2019_grade_report_2019-06-01-0000.csv"
SECOND = "UQx_LGDM2x_1T2019_grade_report_2019-06-01-0000.csv"
THIRD = "UQx_LGDM3x_1T2018_grade_report_2018-06-01-0000.csv"
THIRD_NEWER = "UQx_LGDM3x_1T2018_grade_report_2018-07-01-0000.csv"
FIRST_PROFILES = "UQx_LGDM1x_1T2019_student_profile_info_2019-06-01-0000.csv"
OTHER = "UQx_ENGY0x_1T2019_grade_report_2019-06-01-0000.csv"
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


def check_modes(place: Place, paths: Iterable[Path]) -> None:
    """See that others can read nothing, and that nobody can write to what is published."""
    for path in paths:
        is_published = path.parent == place.database and path.suffix == ".duckdb"
        expected = "drwxr-x---" if path.is_dir() else "-r--r-----" if is_published else "-rw-r-----"
        assert stat.filemode(path.stat().st_mode) == expected, path


# ---- a client that stays connected; loading what is new; a newer version of the project ----


@dataclass
class Rebuilt:
    """What was published first and then, and what a part was built of that an older version had loaded."""

    first: dict[str, list[Row]]
    second: dict[str, list[Row]]
    client_said: list[str]
    build: Build
    loaded_anew: Build
    rows_then: list[Row]


def make_built_older(place: Place) -> None:
    """Let the files be as an older version left them.

    A model counted wrongly, one was a table, one lacked a column, and one was there that is gone since.
    """
    with duckdb.connect(str(place.marts("lgdm"))) as marts:
        marts.execute("update progress_over_time set attempted = attempted + 1000")
        marts.execute("create table gone_since as select 1 as one")
    with duckdb.connect(str(place.working("lgdm"))) as steps:
        steps.execute("drop view intermediate.int_course_prefixes")
        steps.execute("create table intermediate.int_course_prefixes as select 1 as one")
        steps.execute("alter table intermediate.int_report_rows_repeated drop column last_line")
        steps.execute("update last_build.note set project = 'older'")


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
    build = place.build("lgdm").passed()
    first = tables_of(build.published)
    make_built_older(place)
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
        build = place.build("lgdm").passed()
        client.stdin.write("after\n")
        client_said.append(client.stdout.readline().strip())
        client.stdin.close()
    second = tables_of(build.published)
    make_loaded_older(place)
    loaded_anew = place.build("lgdm", "--select", "+int_report_rows").passed()
    query = (
        "select student_id, grade from intermediate.int_report_rows"
        " where report_kind = 'grade_report' and rejected_reason is null"
    )
    return Rebuilt(first, second, client_said, build, loaded_anew, read(place.working("lgdm"), query))


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
    # Course, download number and how many attempted. No newer download touches lgdm4x.
    assert [(row[0], row[3], row[5]) for row in rebuilt.second["progress_over_time"]] == [
        ("lgdm1x", 1, 1),
        ("lgdm3x", 1, 1),
        ("lgdm3x", 2, 1),
        ("lgdm4x", 1, 1),
    ]


def test_what_another_version_loaded_is_loaded_anew_and_that_is_said(rebuilt: Rebuilt) -> None:
    assert "Another version made the working file" in rebuilt.loaded_anew.output
    # All files are read, the one that looks untouched too.
    assert sorted(rebuilt.rows_then) == [(301, 0.9), (303, 0.2), (303, 0.6), (305, 0.7)]


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
    place = rebuilt.build.place
    check_modes(place, [place.database, *place.database.rglob("*")])


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
    assert json.loads(run.stdout) == [version, {name: len(rebuilt.second[name]) for name in TABLES}]


# ---- a part, a build that meets others and is killed, folders that move, damaged files ----


@dataclass
class Events:
    """The builds of a program and another one, and what was published of it after each."""

    first: Build
    part: Build
    met: Build
    other_program: Build
    after: Build
    # first, after the part, after the kill
    published: list[bytes]


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


def stop_in_the_middle(place: Place, starts: int) -> subprocess.Popen[str]:
    """Start a build, and stop it when so many of its models, seeds and tests have started; it can go on."""
    process = place.start("lgdm")
    assert process.stdout
    for line in process.stdout:
        starts -= " START " in line
        if starts <= 0:
            break
    process.send_signal(signal.SIGSTOP)
    assert process.poll() is None
    return process


@pytest.fixture(scope="module")
def events(new_place: NewPlace) -> Events:
    """Build in folders with awkward names, then a part, kill a build that others met, move, and build."""
    place = new_place()
    # "block" has "lock" in it, the word by which DuckDB tells that a file is in use.
    awkward = {"data_dir": 'o\'block "data"', "database_dir": str(place.root / "o'block data")}
    place = replace(place, **awkward)
    write_first(place, "0.5")
    place.write(
        "lgdm",
        SECOND,
        f"{G4_MINIMAL}\n{UNUSED.replace('303', '302').replace(',4,', ',0.4,')}\n{UNUSED}\n",
    )
    (place.data / "lgdm" / os.fsdecode(b"Bj\xf6rn.csv")).write_text("a,b\n")
    place.write("engy", OTHER, grade_report(grade_row(401, "0.7", "audit")))
    place.working("lgdm").parent.mkdir(parents=True)
    place.working("lgdm").write_bytes(b"not a database" * 1000)
    first = place.build("lgdm").passed()
    published = [first.published.read_bytes()]
    write_first(place, "0.9")
    place.marts("lgdm").write_bytes(b"not a database" * 1000)
    damage(place.working("lgdm"), "edx.report_files")
    part = place.build("lgdm", "--select", "+learners", "--exclude-resource-type", "test")
    published.append(first.published.read_bytes())
    stopped = stop_in_the_middle(place, STARTS)
    met, other_program = place.build("lgdm"), place.build("engy")
    stopped.kill()
    stopped.communicate()
    published.append(first.published.read_bytes())
    # The data move, as they are, and the reports still say what is in them.
    moved = replace(place, data_dir="moved")
    place.data.rename(moved.data)
    return Events(first, part, met, other_program, moved.build("lgdm"), published)


def test_a_name_that_is_no_text_is_ignored(events: Events) -> None:
    rows = events.after.passed().rows("select file_name, reason from report_files where status = 'ignored'")
    assert rows == [("Bj\ufffdrn.csv", "its name is not UTF-8 text: rename it")]


def test_a_working_file_that_is_no_database_is_built_anew_and_that_is_said(events: Events) -> None:
    assert "lgdm_steps.duckdb is damaged" in events.first.output


def test_a_build_of_a_part_is_not_published_and_says_so(events: Events) -> None:
    assert "Not published" in events.part.passed().output
    assert events.published[1] == events.published[0]


@pytest.mark.parametrize("name", ["lgdm.duckdb", "lgdm_steps.duckdb"])
def test_a_damaged_file_is_built_anew_and_that_is_said(events: Events, name: str) -> None:
    assert f"working/{name} is damaged" in events.part.passed().output


def test_of_two_builds_of_one_program_the_second_says_why_not(events: Events) -> None:
    assert events.met.returncode != 0
    assert "Another build of lgdm is running" in events.met.output
    assert "Traceback" not in events.met.output


def test_two_programs_can_be_built_at_once(events: Events) -> None:
    query = "select learner_id, course from course_instancedetails"
    assert events.other_program.passed().rows(query) == [(401, "engy0x")]


def test_a_killed_build_leaves_the_published_file_byte_for_byte(events: Events) -> None:
    assert events.published[2] == events.published[0]


def test_the_build_after_a_kill_passes_and_data_may_be_moved(events: Events) -> None:
    build = events.after.passed()
    assert list(tables_of(build.published)) == TABLES
    # 302 and 303 are in the file that nobody changed, which was loaded anew as the working file was damaged.
    assert grades(tables_of(build.published)) == [
        (301, "UQx_LGDM1x_1T2019", 0.9),
        (302, "UQx_LGDM2x_1T2019", 0.4),
    ]
    assert build.rows("select file_name, line, raw_text from rejected_rows") == [(SECOND, 3, UNUSED)]


def test_nothing_of_a_killed_build_stays(events: Events) -> None:
    place = events.after.place
    check_modes(place, filter(Path.is_file, place.database.rglob("*")))
    assert {path.name for path in place.database.rglob("*")} == {
        "working",
        *(f"{name}{end}" for name in ("engy", "lgdm") for end in (".duckdb", ".lock", "_steps.duckdb")),
    }


# ---- a build that is killed as it publishes ----

# A copy of so many bytes takes long enough to be met.
LARGE = 1024**3
PUBLISHING = """
import sys, pathlib, mm.build.publish
mm.build.publish.publish(dict([map(pathlib.Path, sys.argv[1:])]), print)
"""


def test_a_build_that_is_killed_while_publishing_leaves_what_was_there(tmp_path: Path) -> None:
    published, built = tmp_path / "demo.duckdb", tmp_path / "working" / "demo.duckdb"
    built.parent.mkdir()
    published.write_text("before")
    with built.open("wb") as file:
        file.truncate(LARGE)
    process = subprocess.Popen([sys.executable, "-c", PUBLISHING, published, built])
    while process.poll() is None and not list(tmp_path.rglob("*.new")):
        time.sleep(0.001)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert published.read_text() == "before"
    built.write_text("after")
    publish({published: built}, pytest.fail)
    assert published.read_text() == "after"
    assert {path.name for path in tmp_path.rglob("*")} == {"working", "demo.duckdb"}


def test_a_new_file_is_on_disk_before_it_has_its_name_and_the_name_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published, built = tmp_path / "demo.duckdb", tmp_path / "working" / "demo.duckdb"
    built.parent.mkdir()
    built.write_text("built")
    happened: list[str] = []
    fsync, replace_by = os.fsync, Path.replace

    def recorded(descriptor: int) -> None:
        happened.append(f"sync {Path(f'/proc/self/fd/{descriptor}').readlink()}")
        fsync(descriptor)

    def renamed(path: Path, target: Path) -> Path:
        happened.append(f"rename {path}")
        return replace_by(path, target)

    monkeypatch.setattr(os, "fsync", recorded)
    monkeypatch.setattr(Path, "replace", renamed)
    publish({published: built}, pytest.fail)
    new = built.with_suffix(".new")
    assert happened == [f"sync {new}", f"rename {new}", f"sync {tmp_path}"]


# ---- what stops a build ----


def test_a_mailing_record_that_nobody_understands_stops_the_build(new_place: NewPlace) -> None:
    place = new_place()
    write_first(place, "0.5")
    place.write("", "unsubscribed.csv", "email,source\nPupil pupil1@learners.example.org,web\n")
    build = place.build("lgdm")
    assert build.returncode != 0
    assert "line 2: its email is not an address" in build.output
    assert "Traceback" not in build.output
    assert "pupil1@" not in build.output


def test_a_send_log_that_nobody_understands_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(PROJECT)
    log = tmp_path / "lgdm.send_log.csv"
    log.write_text(
        "student_id,trigger_course_instance,trigger_course_verified,attempt,event,logged_at,message_id,email,detail\n"
        '"1","UQx_LGDM1x_1T2019","0","1","sent","2019-06-01T00:00:00Z","m","e","d"\n'
    )
    with pytest.raises(ReaderError, match="line 2"):
        inputs.mailing_tables("lgdm", tmp_path, tmp_path, pytest.fail)
