"""The same models on Apache Spark: the same tables, messages and refusals as on DuckDB."""

import fcntl
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from cluster_fixtures import NEEDS_SPARK, SECONDS, build, run
from project_fixtures import Project
from report_fixtures import (
    DBT,
    ENVIRONMENT,
    Build,
    NewPlace,
    Place,
    Row,
    csv_text,
    differences,
    grade_report,
    grade_row,
    profile_report,
    profile_row,
)
from test_bad_input import OPT_IN_LIST, write_bad_rows, write_refused_files

from mm.build.mask import masked_path

pytestmark = NEEDS_SPARK

SEND_LOG = (
    "student_id,trigger_course_instance,trigger_course_verified,attempt,event,logged_at,message_id,email,detail\n"
    "400,UQx_LGDM2x_1T2019,1,1,intent,2019-06-02T10:00:00Z,<m1@example.org>,"
    "pupil400@learners.example.org,....\n"
    "400,UQx_LGDM2x_1T2019,1,1,sent,2019-06-02T10:00:01Z,<m1@example.org>,"
    "pupil400@learners.example.org,250 \\ok 'it'\n"
    "401,UQx_LGDM2x_1T2019,0,1,intent,2019-06-02T10:0"
)


def certified(student_id: int, **other: str) -> Row:
    cells = grade_row(student_id, other.get("grade", "0.9"), "verified", "Y")
    return (cells[0], other.get("email", cells[1]), other.get("username", cells[2]), *cells[3:])


def write_all(place: Place) -> None:
    """Write every kind of damage, and all that decides about the mailout, for one program."""
    write_bad_rows(place)
    place.write(
        "lgdm",
        "UQx_LGDM2x_1T2019_grade_report_2019-05-01-0000.csv",
        grade_report(
            *(certified(n) for n in (400, 403, 404)),
            certified(405, username="pupil_405", email="somebody@learners.example.org"),
            *(grade_row(n, "0.0005", "audit") for n in range(406, 416)),
        ),
    )
    place.write(
        "lgdm",
        "deep/folder's [1]/UQx_LGDM2x_1T2019_grade_report_2019-06-01-0000 (1).csv",
        grade_report(
            certified(400),
            grade_row(401, "0.65", "audit"),
            certified(402),
            certified(403),
            # retired since, and whose row is repeated or wrong
            certified(405, username="retired__user_405", email="retired__user_405@retired.invalid"),
            *(grade_row(n, "0.86", "audit") for n in range(406, 420)),
            grade_row(406, "0.8666666666666667", "audit"),
            ("x420", 'pupil"420"\r\nhere', "pupil_420", "0.5", "audit", "N/A", "N", "N", "N/A", "enrolled"),
        ),
    )
    place.write(
        "lgdm",
        "UQx_LGDM2x_1T2019_student_profile_info_2019-06-01-0000.csv",
        profile_report(
            profile_row(400, 'Pupil d\'Été, "the\\third"', "AU"),
            profile_row(401, "None", "None"),
            profile_row(404, "Pupil 404", "NZ"),
        ),
    )
    place.write("lgdm", "opt-in.csv", OPT_IN_LIST + csv_text("", opt_ins())[2:])
    (place.data / "unsubscribed.csv").write_text("email\nPupil402@Learners.example.org\n", encoding="utf-8")
    (place.data / "not_learners.csv").write_text("username\npupil_403\n", encoding="utf-8")
    place.database.mkdir(exist_ok=True)
    (place.database / "lgdm.send_log.csv").write_text(SEND_LOG, encoding="utf-8")


def opt_ins() -> list[Row]:
    """Wishes as edX writes them, and with times that only one of the engines would read."""
    times = [
        *("2019-05-01 10:00:00+00:00", "2019-05-01 10:00:00.123456+02:00", "2019-05-01T10:00Z", "2019-05-01"),
        *("now", "10:00", "2019", "infinity", "2019-05-01 24:00:00", "2019-02-30", ""),
    ]
    return [
        (f"pupil{400 + n}@learners.example.org", "course-v1:UQx+LGDM2x+1T2019", "True", said)
        for n, said in enumerate(times)
    ]


@contextmanager
def service(place: Place, name: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run a part of a stand-alone cluster as a process of its own."""
    spark = Path(importlib.util.find_spec("pyspark").submodule_search_locations[0])  # type: ignore[union-attr]
    log = place.root / f"{name}-{time.monotonic_ns()}.log"
    with log.open("w") as file:
        process = subprocess.Popen(
            [spark / "bin/spark-class", f"org.apache.spark.deploy.{name}", *arguments],
            cwd=place.root,
            env=ENVIRONMENT | {"SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable},
            stdout=file,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            kill(process)


def kill(process: subprocess.Popen[str]) -> None:
    """Kill a process with all that it started, and wait for it."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def build_while_a_worker_dies(place: Place, program: str) -> Build:
    """Build on a stand-alone cluster of a master and two workers, of which one is killed in the middle."""
    port = free_port()
    master = f"spark://127.0.0.1:{port}"
    worker = (
        *("worker.Worker", "--host", "127.0.0.1"),
        *("--cores", "1", "--memory", "1500m", "--webui-port", "0"),
    )
    with (
        service(place, "master.Master", "--host", "127.0.0.1", "--port", str(port), "--webui-port", "0"),
        service(place, *worker, "--work-dir", str(place.root / "work1"), master),
        service(place, *worker, "--work-dir", str(place.root / "work2"), master) as doomed,
    ):
        process = run(place, program, MM_SPARK_MASTER=master)
        said = []
        assert process.stdout is not None
        for text in process.stdout:
            said.append(text)
            if "OK created" in text and "int_report_files_judged" in text:
                kill(doomed)
        process.wait(timeout=SECONDS)
    return Build(place, program, process.returncode, "".join(said))


@pytest.fixture(scope="module")
def everything(new_place: NewPlace) -> tuple[Path, Build, Build]:
    """Build a folder with all that with DuckDB, then with a cluster's Spark, each with a masked file."""
    place = new_place()
    write_all(place)
    # two tracks, of which the seed's first is not the alphabet's
    place.change_seed(
        "requirements.csv", "courses_required\n", "courses_required\nlgdm,Zeta,core,2\nlgdm,Alpha,core,2\n"
    )
    listed = ("Zeta,core,lgdm1x", "Zeta,core,lgdm2x", "Alpha,core,lgdm3x", "Alpha,core,lgdm4x")
    place.change_seed(
        "requirement_courses.csv", ",course\n", ",course\n" + "".join(f"lgdm,{each}\n" for each in listed)
    )
    place = replace(place, mask_secret="an invented secret of the tests")  # noqa: S106 - of the tests
    on_laptop = place.build("lgdm").passed()
    kept = on_laptop.published.rename(place.root / "laptop.duckdb")
    masked_path(on_laptop.published).rename(masked_path(kept))
    return kept, on_laptop, build_while_a_worker_dies(place, "lgdm").passed()


def test_every_published_table_is_the_same(everything: tuple[Path, Build, Build]) -> None:
    on_laptop, _, on_cluster = everything
    assert differences(on_laptop, on_cluster.published) == {}


def test_both_workers_had_a_part(everything: tuple[Path, Build, Build]) -> None:
    root = everything[2].place.root
    workers = [path.name for path in root.glob("work?") if any(path.glob("app-*"))]
    assert sorted(workers) == ["work1", "work2"]


def test_the_masked_file_is_the_same(everything: tuple[Path, Build, Build]) -> None:
    on_laptop, _, on_cluster = everything
    masked = masked_path(on_cluster.published)
    assert differences(masked_path(on_laptop), masked) == {}
    assert b"pupil" not in masked.read_bytes().lower()
    assert masked.stat().st_mode & 0o777 == 0o440


def test_the_folder_has_what_engines_could_differ_in(everything: tuple[Path, Build, Build]) -> None:
    _, _, on_cluster = everything
    assert on_cluster.rows("""
        select
            (select count(*) > 25 from rejected_rows),
            (select count(*) > 5 from changes),
            (select count(*) > 0 from changes where before = 'grade 0.0005' and after = 'grade 0.86'),
            (select count(*) > 0 from changes where after = 'grade 0.8666666666666667'),
            (select count(*) from learners where is_retired),
            (select count(*) from send_log),
            (select count(distinct status) > 2 from report_files),
            (select count(*) from mailout_candidates where excluded_reason = 'unsubscribed'),
            (select bool_and(track = 'Zeta') from learner_progress where certificates_to_go = 2),
            (select count(*) > 0 from learner_progress where certificates_to_go < 2)
    """) == [(True, True, True, True, 1, 2, True, 1, True, True)]


def test_both_engines_warn_of_the_same(everything: tuple[Path, Build, Build]) -> None:
    _, on_laptop, on_cluster = everything
    said = [
        {text.partition("Warning: ")[2] for text in each.output.splitlines() if "Warning: " in text}
        for each in (on_laptop, on_cluster)
    ]
    assert said[0] == said[1] != set()


def test_nothing_that_a_cluster_says_names_a_learner(everything: tuple[Path, Build, Build]) -> None:
    _, _, on_cluster = everything
    assert "pupil" not in on_cluster.output.lower()


def test_all_that_proves_the_sql_passes_on_spark(
    everything: tuple[Path, Build, Build], project: Project
) -> None:
    """Plain dbt finds the tables that the build left, as it does wherever there is a metastore."""
    place = everything[2].place
    done = subprocess.run(
        [
            *(DBT, "test", "--target", "cluster", "--target-path", "target/cluster"),
            *("--vars", "program: lgdm", "--select", "test_type:unit", "tag:proof"),
        ],
        cwd=place.root,
        env=place.environment | {"MM_SPARK_MASTER": "local[2]", "SPARK_LOCAL_IP": "127.0.0.1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    # dbt counts the hook that publishes, too
    count = len(project.manifest["unit_tests"]) + len(project.proofs()) + 1
    assert f"PASS={count} WARN=0 ERROR=0" in done.stdout


@pytest.fixture(scope="module")
def refused_by_both(new_place: NewPlace) -> tuple[bytes, Build, Build]:
    """Publish, then build with every kind of damaged file: with DuckDB, then with Spark."""
    place = new_place()
    write_refused_files(place)
    place.database.mkdir()
    place.published("lgdm").write_bytes(b"what was published before")
    on_laptop = place.build("lgdm")
    return place.published("lgdm").read_bytes(), on_laptop, build(place, "lgdm")


def test_broken_files_give_the_same_sentences(refused_by_both: tuple[bytes, Build, Build]) -> None:
    _, on_laptop, on_cluster = refused_by_both
    said = [
        # before a warning dbt writes the time
        {
            text.rpartition("Warning: ")[2].strip()
            for text in each.output.splitlines()
            if "downloads/lgdm/" in text
        }
        for each in (on_laptop, on_cluster)
    ]
    assert said[0] == said[1]
    assert len(said[0]) > 40


def test_a_build_that_fails_leaves_the_published_file(refused_by_both: tuple[bytes, Build, Build]) -> None:
    before, _, on_cluster = refused_by_both
    assert on_cluster.returncode == 1
    assert "did not succeed" in on_cluster.output
    assert on_cluster.published.read_bytes() == before


def test_a_second_build_stops(new_place: NewPlace) -> None:
    place = new_place()
    lock = place.database / "working" / "lgdm.lock"
    lock.parent.mkdir(parents=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        second = build(place, "lgdm")
    assert second.returncode == 1
    assert "Another build of lgdm is running: wait until it has ended, then build again." in second.output


def test_without_java_there_is_a_sentence(new_place: NewPlace, tmp_path: Path) -> None:
    none = build(new_place(), "lgdm", JAVA_HOME=str(tmp_path))
    assert none.returncode == 1
    [sentence] = none.output.splitlines()
    assert sentence.startswith("mm: Spark needs Java 17 or newer, and there is none here: install it")


def test_a_killed_build_leaves_the_published_file(everything: tuple[Path, Build, Build]) -> None:
    place = everything[2].place
    before = place.published("lgdm").read_bytes()
    process = run(place, "lgdm")
    assert process.stdout is not None
    for text in process.stdout:
        if "START" in text:
            break
    kill(process)
    assert place.published("lgdm").read_bytes() == before
