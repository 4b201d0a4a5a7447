"""The same models on Apache Spark: the same tables, messages and refusals as on DuckDB."""

import fcntl
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cluster_fixtures import (
    NEEDS_SPARK,
    SECONDS,
    TOKEN,
    Service,
    build,
    connect_server,
    far,
    free_port,
    kill,
    mount,
    run,
    service,
)
from project_fixtures import Project
from report_fixtures import (
    DBT,
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
    tables_of,
)
from test_bad_input import OF_ANOTHER, OPT_IN_LIST, write_bad_rows, write_refused_files

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


def build_while_a_worker_dies(place: Place, program: str) -> Build:
    """Build on a stand-alone cluster of a master and two workers, of which one is killed in the middle."""
    port = free_port()
    master = f"spark://127.0.0.1:{port}"
    at = ("--host", "127.0.0.1", "--webui-port", "0")
    worker = ("org.apache.spark.deploy.worker.Worker", *at, "--cores", "1", "--memory", "1500m")
    with (
        service(place, "spark-class", "org.apache.spark.deploy.master.Master", *at, "--port", str(port)),
        service(place, "spark-class", *worker, "--work-dir", str(place.root / "work1"), master),
        service(place, "spark-class", *worker, "--work-dir", str(place.root / "work2"), master) as doomed,
    ):
        process = run(place, program, MM_SPARK_MASTER=master, **far(place))
        said = read_until(process, "steps, int_report_files_judged")
        kill(doomed)
        output, _ = process.communicate(timeout=SECONDS)
    return Build(place, program, process.returncode, said + output)


def read_until(process: Service, words: str) -> str:
    """Return what a build says up to the line with these words, which must come."""
    said = ""
    assert process.stdout is not None
    for text in process.stdout:
        said += text
        if words in text:
            return said
    pytest.fail(f"{words!r} was never said:\n{said}")


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
    mount(place)
    return kept, on_laptop, build_while_a_worker_dies(place, "lgdm").passed()


@pytest.fixture(scope="module")
def over_connect(everything: tuple[Path, Build, Build]) -> Iterator[tuple[Build, Build, dict[str, str]]]:
    """Build the same from a folder over Spark Connect, then without the large tables; the server runs on."""
    first = everything[0].parent
    builds = []
    place = everything[2].place
    with connect_server(place) as server:
        for name, options in (("connected", ()), ("summaries", ("--fetch", "summaries"))):
            ignored = shutil.ignore_patterns("working", "*.duckdb")
            shutil.copytree(place.database, first / name, ignore=ignored)
            own = replace(place, database_dir=name)
            builds.append(build(own, "lgdm", *options, **server).passed())
        yield (*builds, server)


@pytest.mark.parametrize(
    ("environment", "sizes", "is_quick"),
    [
        ({}, [299_999_998, 1], True),
        ({}, [299_999_999, 1], False),
        ({}, None, False),
        ({"MM_SPARK_MASTER": "local"}, [0], True),
        ({"MM_SPARK_MASTER": "local[2]"}, [0], True),
        ({"MM_SPARK_MASTER": "local-cluster[2,1,1024]"}, [0], False),
        ({"MM_SPARK_MASTER": "spark://localhost:7077"}, [0], False),
        ({"MM_SPARK_MASTER": "sc://localhost"}, [0], False),
        ({"JAVA_TOOL_OPTIONS": "-XX:+UseG1GC"}, [0], False),
        ({"_JAVA_OPTIONS": ""}, [0], False),
    ],
)
def test_java_starts_quickly_for_what_is_small_and_here(
    environment: dict[str, str], sizes: list[int] | None, *, is_quick: bool
) -> None:
    from mm.build.spark_session import starts_quickly  # noqa: PLC0415 - it needs pyspark

    assert starts_quickly(environment, sizes) == is_quick


def test_every_published_table_is_the_same(everything: tuple[Path, Build, Build]) -> None:
    on_laptop, _, on_cluster = everything
    assert differences(on_laptop, on_cluster.published) == {}


def test_every_table_is_the_same_over_spark_connect(
    everything: tuple[Path, Build, Build], over_connect: tuple[Build, Build, dict[str, str]]
) -> None:
    assert differences(everything[0], over_connect[0].published) == {}


def test_summaries_alone_are_the_same(
    everything: tuple[Path, Build, Build], over_connect: tuple[Build, Build, dict[str, str]]
) -> None:
    tables = tables_of(everything[0])
    large = ("lgdm_coursecompletion", "learners", "learner_courses", "course_instancedetails")
    for name in (*large, "learner_course_history"):
        del tables[name]
    assert tables_of(over_connect[1].published) == tables


@pytest.mark.parametrize(
    ("given", "other", "words"),
    [
        (TOKEN, "of-nobody", "Invalid authentication token"),
        ("localhost", "127.0.0.1", "127.0.0.1: it does not speak TLS, which use_ssl=true needs"),
    ],
)
def test_a_token_that_is_not_taken_is_a_sentence(
    everything: tuple[Path, Build, Build],
    over_connect: tuple[Build, Build, dict[str, str]],
    given: str,
    other: str,
    words: str,
) -> None:
    server = over_connect[2]["MM_SPARK_MASTER"].replace(given, other)
    failed = build(everything[2].place, "lgdm", **over_connect[2] | {"MM_SPARK_MASTER": server})
    assert failed.returncode == 1
    [sentence] = [text for text in failed.output.splitlines() if text.startswith("mm: ")]
    assert words in sentence
    assert not {TOKEN, "of-nobody"} & set(re.split(r"[^\w-]", failed.output + over_connect[0].output))


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


def test_both_engines_warn_of_the_same(
    everything: tuple[Path, Build, Build], over_connect: tuple[Build, Build, dict[str, str]]
) -> None:
    _, on_laptop, on_cluster = everything
    said = [
        {
            text.partition("Warning: ")[2].replace("viewfs://far/data/", "downloads/")
            for text in each.output.splitlines()
            if "Warning: " in text
        }
        for each in (on_laptop, on_cluster, over_connect[0])
    ]
    assert said[0] == said[1] == said[2] != set()


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
        env=place.environment | far(place) | {"MM_SPARK_MASTER": "local[2]", "SPARK_LOCAL_IP": "127.0.0.1"},
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
def refused_by_all(new_place: NewPlace) -> tuple[bytes, Build, Build, Build]:
    """Publish, then build with every kind of damaged file: with DuckDB, Spark, and a server far away."""
    place = new_place()
    write_refused_files(place)
    place.database.mkdir()
    place.published("lgdm").write_bytes(b"what was published before")
    on_laptop = place.build("lgdm")
    mount(place)
    with connect_server(place) as server:
        far_away = build(place, "lgdm", **server, MM_DATA_DIR="viewfs://far/data")
    return place.published("lgdm").read_bytes(), on_laptop, build(place, "lgdm"), far_away


def test_broken_files_give_the_same_sentences(refused_by_all: tuple[bytes, Build, Build, Build]) -> None:
    said = [
        # before a warning dbt writes the time, and before errors `mm` its name
        {
            text.rpartition("Warning: ")[2]
            .strip()
            .removeprefix("mm: ")
            .replace("viewfs://far/data/", "downloads/")
            for text in each.output.splitlines()
            if "/lgdm/" in text
        }
        for each in refused_by_all[1:]
    ]
    assert len(said[0]) > 40
    assert said[0] == said[1]
    # A storage has no folders without files, and no links that lead nowhere, as OF_ANOTHER is.
    not_far_away = f"is a folder|is a broken link|{OF_ANOTHER}"
    assert said[2] == {text for text in said[0] if not re.search(not_far_away, text)}


def test_a_build_that_fails_leaves_the_published_file(
    refused_by_all: tuple[bytes, Build, Build, Build],
) -> None:
    after, _, *on_cluster = refused_by_all
    assert after == b"what was published before"
    for each in on_cluster:
        assert each.returncode == 1
        assert "databases/lgdm.duckdb is as it was." in each.output


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
    process = run(place, "lgdm", **far(place))
    read_until(process, "steps, int_report_files_judged")
    kill(process)
    assert place.published("lgdm").read_bytes() == before


@pytest.fixture(scope="module")
def far_away(new_place: NewPlace) -> Place:
    """Publish, and put a download where only Spark finds it."""
    place = new_place()
    place.write("lgdm", "UQx_LGDM1x_1T2019_grade_report_2019-06-01-0000.csv", grade_report(certified(400)))
    mount(place)
    # What another list of tables left there.
    stray = place.root / "mounted" / "warehouse" / "lgdm" / "tables" / "lgdm_edx.db" / "records"
    stray.mkdir(parents=True)
    (stray / "of-before").write_text("of before", encoding="utf-8")
    place.database.mkdir()
    place.published("lgdm").write_bytes(b"what was published before")
    return place


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"MM_DATA_DIR": "viewfs://far/nothing"}, "viewfs://far/nothing could not be read, see MM_DATA_DIR"),
        ({"MM_DATA_DIR": "s3a://of-nobody/data"}, "s3a://of-nobody/data could not be read, see MM_DATA_DIR"),
        # what is above the mounts is nobody's to write
        ({"MM_SPARK_WAREHOUSE": "viewfs://far"}, "The downloads could not be loaded: Spark says "),
        ({"MM_SPARK_MASTER": "sc://127.0.0.1:1/;token=of-nobody"}, "Spark could not be started or reached ("),
        ({"MM_SPARK_MASTER": "spark//nonsense"}, "Spark could not be started or reached ("),
    ],
)
def test_what_cannot_be_reached_is_a_sentence(far_away: Place, wrong: dict[str, str], words: str) -> None:
    environment = far(far_away) | wrong
    if wrong.get("MM_SPARK_MASTER", "").startswith("sc:"):
        del environment["MM_SPARK_WAREHOUSE"]
    failed = build(far_away, "lgdm", **environment)
    assert failed.returncode == 1
    [sentence] = [text for text in failed.output.splitlines() if text.startswith("mm: ")]
    assert words in sentence
    assert "of-nobody" not in sentence.replace("s3a://of-nobody", "")
    assert "Traceback" not in failed.output
    assert far_away.published("lgdm").read_bytes() == b"what was published before"


def test_a_storage_that_goes_away_is_a_sentence(far_away: Place) -> None:
    process = run(far_away, "lgdm", **far(far_away))
    warehouse = far_away.root / "mounted" / "warehouse"
    read_until(process, "steps, int_report_files_judged")
    away = warehouse.rename(warehouse.with_name("away"))
    output, _ = process.communicate(timeout=SECONDS)
    shutil.rmtree(warehouse, ignore_errors=True)
    away.rename(warehouse)
    assert process.returncode == 1
    assert "databases/lgdm.duckdb is as it was." in output
    assert "Traceback" not in output
    assert far_away.published("lgdm").read_bytes() == b"what was published before"


def test_lists_of_people_at_a_url_stop_the_build(far_away: Place) -> None:
    listed = far_away.root / "mounted" / "downloads" / "bounced.csv"
    listed.write_text("email\n", encoding="utf-8")
    failed = build(far_away, "lgdm", **far(far_away))
    listed.unlink()
    assert failed.returncode == 1
    assert "viewfs://far/data/bounced.csv: lists are read from " in failed.output
