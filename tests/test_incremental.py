"""A build makes anew what new downloads touch, and everything where anything else may have changed.

A kept row is known by a mark, which the tests write into the marts' working file: a row made anew has none.
The program is lgdm, whose courses pass at 0.65.
"""

import os
import random
import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from report_fixtures import (
    Build,
    NewPlace,
    Place,
    Row,
    address,
    csv_text,
    grade_report,
    grade_row,
    profile_report,
    profile_row,
    read,
    tables_of,
)

from mm.build.last_build import project_version

RUN = "UQx_LGDM1x_1T2019"
OTHER_RUN = "UQx_LGDM2x_1T2019"
# Runs that are only numbered stand before all others of their course.
NUMBERED = "UQx_LGDM2x_R1"
NUMBERED_TOO = "UQx_LGDM2x_R2"
RUN_BETWEEN = "UQx_LGDM2x_3T2018"
RUN_WITH_A_GAP = "UQx_LGDM3x_1T2019"
RUN_WITHOUT_PROFILES = "UQx_LGDM4x_1T2019"
# The tables that keep rows, with a column where a mark does no harm.
KEEPING = {
    "course_instancedetails": "certificate_type",
    "learner_course_history": "certificate_delivered",
    "learner_courses": "best_course_instance",
    "learner_progress": "stage_reason",
    "learner_requirements": "program",
    "learner_tracks": "program",
    "learners": "username",
    "lgdm_coursecompletion": "username",
}
MARK = " (kept)"


@dataclass
class Builds:
    """Build after build of one place: what each published, and whose rows it made anew, table by table."""

    place: Place
    builds: list[Build] = field(default_factory=list)
    tables: list[dict[str, list[Row]]] = field(default_factory=list)
    anew: list[dict[str, set[int]]] = field(default_factory=list)

    def build(self, *arguments: str) -> None:
        """Mark all rows, build, take the marks off what was published, and note which were there."""
        if self.place.marts("lgdm").exists():
            mark(self.place)
        build = self.place.build("lgdm", *arguments)
        published = tables_of(build.published)
        self.builds.append(build)
        self.anew.append(
            {table: learners(row for row in published[table] if unmarked(row) == row) for table in KEEPING}
        )
        self.tables.append({name: sorted(map(unmarked, rows), key=repr) for name, rows in published.items()})


def mark(place: Place) -> None:
    """Mark the rows that have no mark."""
    with duckdb.connect(str(place.marts("lgdm"))) as marts:
        for table, column in KEEPING.items():
            has_none = f"not ends_with({column}, '{MARK}')"
            marts.execute(f"update {table} set {column} = concat({column}, '{MARK}') where {has_none}")


def learners(rows: Iterable[Row]) -> set[int]:
    """Say who the rows of a table that keeps rows are about: their first whole number is the learner's."""
    return {next(cell for cell in row if isinstance(cell, int)) for row in rows}


def unmarked(row: Row) -> Row:
    """Take the mark off a row."""
    return tuple(cell.removesuffix(MARK) if isinstance(cell, str) else cell for cell in row)


def assert_all_is_anew(builds: Builds, number: int) -> None:
    """See that a build kept no row."""
    for table in KEEPING:
        assert builds.anew[number][table] == learners(builds.tables[number][table]), table


def write_grades(place: Place, run: str, day: str, *rows: Row) -> None:
    """Write a grade report."""
    place.write("lgdm", f"{run}_grade_report_{day}-0000.csv", grade_report(*rows))


def write_profiles(place: Place, run: str, day: str, *rows: Row) -> None:
    """Write a profile report."""
    place.write("lgdm", f"{run}_student_profile_info_{day}-0000.csv", profile_report(*rows))


def write_first(place: Place) -> None:
    """Write the downloads that each story begins with."""
    write_grades(place, RUN, "2019-05-01", grade_row(301, "0.7", "audit"), grade_row(302, "0.1", "audit"))
    profiles = profile_row(301, "Pupil Before", "AU"), profile_row(305, "Pupil Alone", "NZ")
    write_profiles(place, RUN, "2019-05-01", *profiles)
    write_grades(
        place,
        OTHER_RUN,
        "2019-05-01",
        grade_row(308, "0.4", "audit"),
        grade_row(303, "0.3", "audit"),
        grade_row(303, "0.2", "audit"),
        grade_row(304, "4", "audit"),
    )
    of_2018 = grade_row(303, "0.9", "audit"), grade_row(304, "0.9", "verified", "Y")
    write_grades(place, NUMBERED, "2018-05-01", *of_2018)
    write_grades(place, NUMBERED_TOO, "2018-05-01", grade_row(307, "0.2", "audit"))
    write_grades(place, RUN_WITH_A_GAP, "2019-05-01", grade_row(311, "0.1", "audit"))
    write_grades(place, RUN_WITH_A_GAP, "2019-05-15", grade_row(312, "0.7", "audit"))
    write_grades(place, RUN_WITHOUT_PROFILES, "2019-05-01", grade_row(321, "0.7", "audit"))


def write_newer(place: Place) -> None:
    """Write a newer download, which leaves 302 out and has 306 twice."""
    write_grades(
        place,
        RUN,
        "2019-05-15",
        grade_row(301, "0.8", "audit"),
        grade_row(306, "0.5", "audit"),
        grade_row(306, "0.6", "audit"),
    )


# ---- downloads more ----


@dataclass
class Kept:
    """The builds of a place to which downloads are added, and the one between that is not published."""

    published: Builds
    failed: Build


@pytest.fixture(scope="module")
def kept(new_place: NewPlace) -> Kept:
    """Build; with a download more of each of several runs; with a row too many; then everything anew."""
    place = new_place()
    builds = Builds(place)
    write_first(place)
    builds.build()
    write_newer(place)
    # One between two, in which 311 was left out already.
    write_grades(place, RUN_WITH_A_GAP, "2019-05-08", grade_row(313, "0.7", "audit"))
    # The other kind of report.
    write_profiles(place, RUN_WITHOUT_PROFILES, "2019-05-15", profile_row(322, "Pupil Named", "NZ"))
    # A run that stands between others: the later one has another place, but the same one to the others.
    write_grades(place, RUN_BETWEEN, "2019-06-01", grade_row(309, "0.3", "audit"))
    builds.build()
    # Of somebody whom nothing touches: a test fails.
    with duckdb.connect(str(place.marts("lgdm"))) as marts:
        marts.execute("insert into learners from learners where student_id = 307")
    failed = place.build("lgdm")
    builds.build()
    return Kept(builds, failed)


def test_who_is_in_a_run_with_a_download_more_is_made_anew(kept: Kept) -> None:
    kept.published.builds[1].passed()
    touched = {
        # by the newer download; 305 is in the run's profile report
        *(301, 302, 305, 306),
        # by the one between two
        *(311, 312, 313),
        # by the profile report
        *(321, 322),
        # by the run between others, which changes nothing for who is in the later one
        309,
    }
    everybody = touched | {303, 304, 307, 308}
    tables, anew = kept.published.tables[1], kept.published.anew[1]
    # who is in no newest report has a history alone
    assert learners(tables["learners"]) | learners(tables["learner_course_history"]) == everybody
    for table in KEEPING:
        assert anew[table] == learners(tables[table]) & touched, table


def test_a_run_between_others_moves_the_later_one(kept: Kept) -> None:
    # R1, R2, 1T2019, and then R1, R2, 3T2018, 1T2019
    summaries = [tables["course_run_summary"] for tables in kept.published.tables[:2]]
    assert [{row[2]: row[3] for row in rows}[OTHER_RUN] for rows in summaries] == [3, 4]


def test_a_kept_row_too_many_is_not_published(kept: Kept) -> None:
    assert kept.failed.returncode == 1
    assert "because not everything passed" in kept.failed.output
    assert "unique_key_learners_student_id" in kept.failed.output


def test_after_a_failure_everything_is_made_anew(kept: Kept) -> None:
    kept.published.builds[2].passed()
    assert_all_is_anew(kept.published, 2)


def test_downloads_more_give_what_a_build_of_everything_gives(kept: Kept) -> None:
    assert kept.published.tables[1] == kept.published.tables[2]


# ---- a process that builds twice; a part; a file that goes ----

BUILD_TWICE = """
import sys
from pathlib import Path
from dbt.cli.main import dbtRunner

assert dbtRunner().invoke(["build", "--vars", "program: lgdm"]).success
seed = Path("seeds/courses.csv")
seed.write_text(seed.read_text().replace("UQx_LGDM2x,0.65", "UQx_LGDM2x,0.15"))
Path(sys.argv[1]).rename(sys.argv[2])
assert dbtRunner().invoke(["build", "--vars", "program: lgdm"]).success
"""


@dataclass
class Upsets:
    """What one process published, the part built then, and the builds after each upset."""

    one_process: dict[str, list[Row]]
    part: Build
    in_the_part: dict[str, list[Row]]
    whole: Builds


@pytest.fixture(scope="module")
def upsets(new_place: NewPlace) -> Upsets:
    """Build twice in one process, with another seed and download; then a part; all; without a file."""
    place = new_place()
    write_first(place)
    write_newer(place)
    newer = place.data / "lgdm" / f"{RUN}_grade_report_2019-05-15-0000.csv"
    waiting = newer.rename(place.root / newer.name)
    # so that the process has what dbt parsed elsewhere
    place.run_dbt("lgdm", "list", "--select", "learners", "--vars", "program: lgdm").passed()
    subprocess.run(
        [sys.executable, "-c", BUILD_TWICE, waiting, newer],
        cwd=place.root,
        env=place.environment,
        check=True,
        capture_output=True,
    )
    one_process = tables_of(place.published("lgdm"))
    mark(place)
    part = place.build("lgdm", "--exclude-resource-type", "test")
    in_the_part = tables_of(place.marts("lgdm"))
    whole = Builds(place)
    whole.build()
    (place.data / "lgdm" / f"{NUMBERED}_grade_report_2018-05-01-0000.csv").unlink()
    whole.build()
    return Upsets(one_process, part, in_the_part, whole)


def test_a_second_build_in_a_process_sees_what_has_changed(upsets: Upsets) -> None:
    assert upsets.one_process == upsets.whole.tables[0]
    assert 306 in learners(upsets.one_process["learners"])


def test_with_nothing_new_all_is_kept(upsets: Upsets) -> None:
    assert "only a part was built" in upsets.part.passed().output
    for name, rows in upsets.in_the_part.items():
        assert sorted(map(unmarked, rows), key=repr) == upsets.one_process[name], name
        assert name not in KEEPING or all(unmarked(row) != row for row in rows), name


@pytest.mark.parametrize("number", [0, 1], ids=["a part", "a file gone"])
def test_after_an_upset_everything_is_made_anew(upsets: Upsets, number: int) -> None:
    upsets.whole.builds[number].passed()
    assert_all_is_anew(upsets.whole, number)


def test_what_is_published_after_an_upset_is_right(upsets: Upsets) -> None:
    # Of lgdm2x, 303 has 0.9 in R1 and 0.2 in 1T2019, which decides; 0.15 is enough now.
    for tables, learners_of_r1 in zip(upsets.whole.tables, [{304}, set()], strict=True):
        said = {(row[0], row[6]) for row in tables["learner_courses"] if row[2] == "lgdm2x"}
        assert said == {(learner, "Y") for learner in {303, 307, 308} | learners_of_r1}


# ---- files that come, change and go at random ----

# With it, of the files of the first build two are redrawn, one is rewritten and two are gone in the second.
SEED = 2030
# So many steps between the first build and the second, then so many files more.
STEPS = ["add"] * 3 + ["remove"] * 3 + ["redraw"] * 3 + ["rewrite"] * 3
ADDED_LAST = 2
OPT_INS = "UQx-email_opt_in-2019-06-0{}.csv"
# Several downloads of several runs; one run is spelled in two ways, and one download lies there twice.
KINDS = [
    f"{run}_{kind}_2019-06-0{{}}-0000{copy}.csv"
    for run in (RUN, RUN.lower(), "UQx_LGDM1x_3T2018", OTHER_RUN, "UQx_LGDM5x_1T2019")
    for kind, copy in (("grade_report", ""), ("grade_report", " (1)"), ("student_profile_info", ""))
]
NAMES = [kind.format(day) for kind in (*KINDS, OPT_INS, OPT_INS) for day in range(1, 4)]
# Without a grade report nothing could be built: this one stays.
KEPT = NAMES[0]
STARTING = [KEPT, *NAMES[1:4], NAMES[6], NAMES[-1], NAMES[-2]]


def invented(name: str, chance: random.Random) -> str:
    """Write a file of the kind that its name says. Its learners are some of the numbers 400 to 439."""
    learners = chance.sample(range(400, 440), chance.randrange(20, 40))
    if "email_opt_in" in name:
        return csv_text(
            "email,course_id,is_opted_in_for_email,preference_set_datetime",
            [
                (address(learner), "key", chance.choice(["True", "False"]), f"2019-01-0{number % 9 + 1}")
                for number, learner in enumerate(learners)
            ],
        )
    if "student_profile_info" in name:
        return profile_report(
            *(profile_row(learner, "Pupil 0.5", chance.choice(["AU", "NZ", ""])) for learner in learners)
        )
    rows = [
        grade_row(
            learner,
            f"0.{chance.randrange(1, 10)}",
            chance.choice(["audit", "audit", "verified", "platinum"]),
            chance.choice("YN"),
            chance.choice(["enrolled", "enrolled", "unenrolled"]),
        )
        for learner in learners
    ]
    # One learner twice, a grade that is none, and too few cells.
    return grade_report(*rows, rows[0], grade_row(440, "4", "audit"), (441, address(441)))


def take_step(step: str, place: Place, chance: random.Random) -> None:
    """Add or remove a file, or replace one: `redraw` keeps its size, `rewrite` its time of modification."""
    there = sorted(path.name for path in (place.data / "lgdm").iterdir())
    if step == "add":
        name = chance.choice([name for name in NAMES if name not in there])
        place.write("lgdm", name, invented(name, chance))
        return
    path = place.data / "lgdm" / chance.choice([name for name in there if name in NAMES and name != KEPT])
    before = path.stat()
    if step == "remove":
        path.unlink()
    elif step == "redraw":
        # Other grades, names or dates, in as many letters.
        text = path.read_bytes().decode()
        text = re.sub(r"(0\.|-0)\d", lambda found: found[1] + str(chance.randrange(1, 10)), text)
        place.write("lgdm", path.name, text)
        assert path.stat().st_size == before.st_size
    elif step == "rewrite":
        place.write("lgdm", path.name, invented(path.name, chance))
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert path.stat().st_size != before.st_size


@pytest.fixture(scope="module")
def random_steps(new_place: NewPlace) -> Builds:
    """Build, let files come, change and go, build, let more files come, build, and then from nothing."""
    place = new_place()
    chance = random.Random(SEED)  # noqa: S311 - no secret
    builds = Builds(place)
    for name in STARTING:
        place.write("lgdm", name, invented(name, chance))
    # of learners whom no step touches
    write_grades(
        place, RUN_WITH_A_GAP, "2019-06-01", *(grade_row(n, "0.7", "audit") for n in range(450, 455))
    )
    builds.build()
    for step in chance.sample(STEPS, len(STEPS)):
        take_step(step, place, chance)
    builds.build()
    for _ in range(ADDED_LAST):
        take_step("add", place, chance)
    builds.build()
    builds.build("--full-refresh")
    return builds


def differing(builds: Builds, number: int, other: int) -> list[str]:
    """Name the tables that two builds did not publish alike; their rows would be too much to print."""
    tables = builds.tables
    return [name for name in tables[number] if tables[number][name] != tables[other][name]]


def test_a_build_from_nothing_gives_the_same(random_steps: Builds) -> None:
    random_steps.builds[3].passed()
    assert differing(random_steps, 2, 3) == [], f"with the seed {SEED}"
    assert_all_is_anew(random_steps, 3)
    # the files, too, have been read again: the numbers of the first ones are no more
    query = "select min(file_id) from edx.report_files"
    assert read(random_steps.place.working("lgdm"), query)[0][0] > len(STARTING)


def test_the_last_random_steps_touch_some_learners_alone(random_steps: Builds) -> None:
    for table in KEEPING:
        assert set() < random_steps.anew[2][table] < learners(random_steps.tables[2][table]), table


def test_the_random_steps_reach_every_table(random_steps: Builds) -> None:
    # Nothing was sent.
    empty = [name for name, rows in random_steps.tables[3].items() if not rows]
    assert empty == ["mails_by_day", "send_log"], f"with the seed {SEED}"


def test_the_random_steps_change_all_that_files_tell(random_steps: Builds) -> None:
    changed = differing(random_steps, 0, 2)
    told_by_no_file = ["course_runs", "courses", "mails_by_day", "programs", "send_log"]
    unchanged = [name for name in random_steps.tables[0] if name not in changed]
    assert unchanged == told_by_no_file, f"with the seed {SEED}"


# ---- which project made the marts ----


def test_a_project_is_known_by_all_that_decides_what_the_marts_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    files = ("seeds/a.csv", "models/marts/b.sql", "macros/c.sql", "dbt_project.yml", "scripts/mm/build/d.py")
    for name in files:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("1")
    (tmp_path / "README.md").write_text("1")
    since = datetime.now(UTC).replace(tzinfo=None) + timedelta(hours=1)
    versions = [project_version(since)]
    for name in files:
        (tmp_path / name).write_text("2")
        versions.append(project_version(since))
    (tmp_path / "models/marts/b.sql").rename(tmp_path / "models/b.sql")
    versions.append(project_version(since))
    assert None not in versions
    assert len(set(versions)) == 7
    (tmp_path / "README.md").write_text("2")
    assert project_version(since) == versions[-1]


def test_nobody_knows_the_project_of_a_file_that_is_changed_during_a_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    seed = tmp_path / "seeds" / "courses.csv"
    seed.parent.mkdir()
    seed.write_text("1")
    begun = datetime(2019, 6, 1, 12, 0)  # noqa: DTZ001 - UTC, as dbt has it
    for minute, is_known in ((59, False), (0, True)):
        changed = datetime(2019, 6, 1, 12, minute, tzinfo=UTC).timestamp()
        os.utime(seed, (changed, changed))
        assert (project_version(begun) is not None) == is_known
