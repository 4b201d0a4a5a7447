"""A build makes anew what new downloads touch, and everything where anything else may have changed.

A kept row is known by a mark, which the tests write into the marts' working file: a row made anew has none.
The program is lgdm, whose courses pass at 0.65.
"""

import os
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
    grade_report,
    grade_row,
    profile_report,
    profile_row,
    read,
    tables_of,
)

from mm.last_build import project_version

RUN = "UQx_LGDM1x_1T2019"
OTHER_RUN = "UQx_LGDM2x_1T2019"
# Runs that are only numbered stand before all others of their course.
NUMBERED = "UQx_LGDM2x_R1"
NUMBERED_TOO = "UQx_LGDM2x_R2"
RUN_BETWEEN = "UQx_LGDM2x_3T2018"
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
        if self.builds:
            mark(self.place, *KEEPING)
        build = self.place.build("lgdm", *arguments)
        published = tables_of(build.published)
        self.builds.append(build)
        self.anew.append(
            {table: learners(row for row in published[table] if unmarked(row) == row) for table in KEEPING}
        )
        self.tables.append({name: sorted(map(unmarked, rows), key=repr) for name, rows in published.items()})


def mark(place: Place, *tables: str) -> None:
    """Mark the rows of some tables that have no mark."""
    with duckdb.connect(str(place.marts("lgdm"))) as marts:
        for table in tables:
            column = KEEPING[table]
            has_none = f"not ends_with({column}, '{MARK}')"
            marts.execute(f"update {table} set {column} = concat({column}, '{MARK}') where {has_none}")


def learners(rows: Iterable[Row]) -> set[int]:
    """Say who the rows of a table that keeps rows are about: their first whole number is the learner's."""
    return {next(cell for cell in row if isinstance(cell, int)) for row in rows}


def unmarked(row: Row) -> Row:
    """Take the mark off a row."""
    return tuple(cell.removesuffix(MARK) if isinstance(cell, str) else cell for cell in row)


def write_first(place: Place) -> None:
    """Write the downloads that each story begins with."""
    place.write(
        "lgdm",
        f"{RUN}_grade_report_2019-05-01-0000.csv",
        grade_report(grade_row(301, "0.7", "audit"), grade_row(302, "0.1", "audit")),
    )
    place.write(
        "lgdm",
        f"{RUN}_student_profile_info_2019-05-01-0000.csv",
        profile_report(profile_row(301, "Pupil Before", "AU"), profile_row(305, "Pupil Alone", "NZ")),
    )
    place.write(
        "lgdm",
        f"{OTHER_RUN}_grade_report_2019-05-01-0000.csv",
        grade_report(
            grade_row(301, "0.4", "audit"),
            grade_row(303, "0.3", "audit"),
            grade_row(303, "0.2", "audit"),
            grade_row(304, "4", "audit"),
        ),
    )
    place.write(
        "lgdm",
        f"{NUMBERED}_grade_report_2018-05-01-0000.csv",
        grade_report(grade_row(303, "0.9", "audit"), grade_row(304, "0.9", "verified", "Y")),
    )
    place.write(
        "lgdm",
        f"{NUMBERED_TOO}_grade_report_2018-05-01-0000.csv",
        grade_report(grade_row(307, "0.2", "audit")),
    )


def write_newer(place: Place) -> None:
    """Write a newer download, which leaves 302 out and has 306 twice."""
    place.write(
        "lgdm",
        f"{RUN}_grade_report_2019-05-15-0000.csv",
        grade_report(
            grade_row(301, "0.8", "audit"), grade_row(306, "0.5", "audit"), grade_row(306, "0.6", "audit")
        ),
    )


# ---- one download more, time after time ----


@pytest.fixture(scope="module")
def weeks(new_place: NewPlace) -> Builds:
    """Build with nothing new, then each time with one download more, then from nothing."""
    place = new_place()
    builds = Builds(place)
    write_first(place)
    builds.build()
    builds.build()
    write_newer(place)
    builds.build()
    # One between the two, in which 302 was left out already.
    place.write(
        "lgdm", f"{RUN}_grade_report_2019-05-08-0000.csv", grade_report(grade_row(301, "0.7", "audit"))
    )
    builds.build()
    # The other kind of report.
    place.write(
        "lgdm",
        f"{OTHER_RUN}_student_profile_info_2019-05-15-0000.csv",
        profile_report(profile_row(303, "Pupil Named", "NZ")),
    )
    builds.build()
    # A run that stands between two others: the later one has another place.
    place.write(
        "lgdm",
        f"{RUN_BETWEEN}_grade_report_2019-06-01-0000.csv",
        grade_report(grade_row(307, "0.3", "audit")),
    )
    builds.build()
    builds.build("--full-refresh")
    return builds


@pytest.mark.parametrize(
    ("week", "touched"),
    [
        (1, set()),
        # 305 is in the run's profile report
        (2, {301, 302, 305, 306}),
        (3, {301, 302, 305, 306}),
        (4, {301, 303}),
        (5, {301, 303, 307}),
        (6, {301, 302, 303, 304, 305, 306, 307}),
    ],
    ids=["nothing", "a newer", "one between two", "a profile report", "another order", "full refresh"],
)
def test_whose_rows_are_made_anew(weeks: Builds, week: int, touched: set[int]) -> None:
    weeks.builds[week].passed()
    for table in KEEPING:
        assert weeks.anew[week][table] == learners(weeks.tables[week][table]) & touched, table


def test_with_nothing_new_the_same_is_published(weeks: Builds) -> None:
    assert weeks.tables[1] == weeks.tables[0]


def test_weeks_of_new_downloads_give_what_a_build_from_nothing_gives(weeks: Builds) -> None:
    assert weeks.tables[5] == weeks.tables[6]


def test_the_last_week_moved_another_run(weeks: Builds) -> None:
    # R1, R2, 1T2019, and then R1, R2, 3T2018, 1T2019
    places = [
        {row[2]: row[3] for row in weeks.tables[week]["course_run_summary"]}[OTHER_RUN] for week in (4, 5)
    ]
    assert places == [3, 4]


# ---- what makes a build do everything over again ----


@dataclass
class Upsets:
    """The builds after each upset, and those between that are not published."""

    whole: Builds
    parts: list[Build] = field(default_factory=list)
    marked_after_parts: list[int] = field(default_factory=list)
    failed: Build | None = None

    def build_learners(self, place: Place) -> None:
        """Build one mart, all of whose rows are marked, with what it needs."""
        mark(place, "learners")
        self.parts.append(place.build("lgdm", "--select", "+learners"))
        query = f"select count(*) from learners where ends_with(username, '{MARK}')"
        self.marked_after_parts.append(read(place.marts("lgdm"), query)[0][0])


@pytest.fixture(scope="module")
def upsets(new_place: NewPlace) -> Upsets:
    """Build after something else than just a new download has happened, each time."""
    place = new_place()
    upsets = Upsets(Builds(place))
    write_first(place)
    upsets.whole.build()
    # A part was built of what is new, twice: after the first time the marts are of two ages.
    write_newer(place)
    upsets.build_learners(place)
    upsets.build_learners(place)
    upsets.whole.build()
    # All but what has changed: the marts are of the new project, but not made by it.
    place.change_seed("courses.csv", "UQx_LGDM2x,0.65", "UQx_LGDM2x,0.15")
    upsets.parts.append(place.build("lgdm", "--exclude-resource-type", "seed"))
    upsets.whole.build()
    # A row too many of somebody whom nothing touches: a test fails.
    with duckdb.connect(str(place.marts("lgdm"))) as marts:
        marts.execute("insert into learners from learners where student_id = 307")
    upsets.failed = place.build("lgdm")
    upsets.whole.build()
    (place.data / "lgdm" / f"{NUMBERED}_grade_report_2018-05-01-0000.csv").unlink()
    upsets.whole.build()
    return upsets


@pytest.mark.parametrize("number", [1, 2, 3, 4], ids=["a part", "a seed", "a failure", "a file gone"])
def test_after_an_upset_everything_is_made_anew(upsets: Upsets, number: int) -> None:
    upsets.whole.builds[number].passed()
    for table in KEEPING:
        assert upsets.whole.anew[number][table] == learners(upsets.whole.tables[number][table])


def test_what_is_published_after_an_upset_is_right(upsets: Upsets) -> None:
    # of lgdm2x, 303 has 0.9 in R1 and 0.2 in 1T2019, which decides
    said = [
        {(row[0], row[6]) for row in tables["learner_courses"] if row[2] == "lgdm2x"}
        for tables in upsets.whole.tables
    ]
    before = {(301, "N"), (303, "N"), (304, "Y"), (307, "N")}
    assert said == [
        before,
        before,
        *[{(301, "Y"), (303, "Y"), (304, "Y"), (307, "Y")}] * 2,
        {(301, "Y"), (303, "Y"), (307, "Y")},
    ]


def test_a_part_is_made_anew_by_what_is_new_then_as_a_whole(upsets: Upsets) -> None:
    for build in upsets.parts:
        assert "only a part was built" in build.passed().output
    # 303, 304 and 307 are kept, once
    assert upsets.marked_after_parts == [3, 0]


def test_a_kept_row_too_many_is_not_published(upsets: Upsets) -> None:
    assert upsets.failed
    assert upsets.failed.returncode == 1
    assert "because not everything passed" in upsets.failed.output
    assert "unique_key_learners_student_id" in upsets.failed.output


# ---- a process that builds twice ----

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


@pytest.fixture(scope="module")
def one_process(new_place: NewPlace) -> Builds:
    """Build twice in one process, with another seed and another download, then from nothing."""
    place = new_place()
    builds = Builds(place)
    write_first(place)
    write_newer(place)
    newer = place.data / "lgdm" / f"{RUN}_grade_report_2019-05-15-0000.csv"
    waiting = newer.rename(place.root / newer.name)
    subprocess.run(
        [sys.executable, "-c", BUILD_TWICE, waiting, newer],
        cwd=place.root,
        env=place.environment,
        check=True,
        capture_output=True,
    )
    builds.tables.append(tables_of(place.published("lgdm")))
    builds.build("--full-refresh")
    return builds


def test_a_second_build_in_a_process_sees_what_has_changed(one_process: Builds) -> None:
    assert one_process.tables[0] == one_process.tables[1]
    assert 306 in learners(one_process.tables[0]["learners"])


# ---- which project made the marts ----


def test_a_project_is_known_by_all_that_decides_what_the_marts_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    files = ("seeds/a.csv", "models/marts/b.sql", "macros/c.sql", "dbt_project.yml", "scripts/mm/d.py")
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
