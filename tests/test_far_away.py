"""What a cluster brings along, without a cluster: files that no Python can open, and summaries alone."""

import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from report_fixtures import PROJECT, NewPlace, Place, grade_report, grade_row
from test_bad_input import write_bad_rows, write_refused_files

from mm.build import inputs
from mm.build.misplaced import misplaced_reports
from mm.edx.far import FarPath, Storage
from mm.edx.task import read_file

LARGE = (
    *("lgdm_coursecompletion", "learners", "learner_courses"),
    *("course_instancedetails", "learner_course_history"),
)


@pytest.fixture(scope="module")
def damaged(new_place: NewPlace) -> Place:
    """Write all kinds of files, for two programs, and some where nobody reads them."""
    place = new_place()
    write_bad_rows(place)
    write_refused_files(place)
    for folder in ("engy", "L gdm", ""):
        place.write(folder, "UQx_LGDM1x_3T2019_grade_report_2019-06-01-0000.csv", grade_report())
    # a storage has no links that lead nowhere
    for path in [path for path in place.data.rglob("*") if path.is_symlink()]:
        path.unlink()
    return place


def far(folder: Path) -> FarPath:
    """Return a folder as if it were at a URL."""
    url = "s3a://a bucket/döwn%20loads"
    paths = {f"{url}/{p.relative_to(folder).as_posix()}": p for p in folder.rglob("*") if p.is_file()}
    files = {name: (path.stat().st_size, path.stat().st_mtime_ns) for name, path in paths.items()}
    return FarPath(url, Storage(files, lambda name: paths[name].read_bytes()))


def test_a_file_far_away_is_read_as_one_that_is_here(damaged: Place) -> None:
    paths = [path for path in damaged.data.rglob("*") if path.is_file()]
    assert len(paths) > 80
    for path in paths:
        here = list(read_file(str(path), path.name, None))
        assert list(read_file(f"hdfs://far/{path.name}", path.name, path.read_bytes())) == here, path


def test_what_lies_far_away_is_listed_as_in_a_folder(damaged: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(damaged.root)
    downloads = far(damaged.data)
    # Nor has it folders without files.
    listed = {report.name for report in inputs.reports("lgdm", damaged.data) if report.path.is_file()}
    assert {report.name for report in inputs.reports("lgdm", downloads)} == listed
    found = [[*misplaced_reports("lgdm", data)] for data in (damaged.data, downloads)]
    assert [text.replace(str(downloads), str(damaged.data)) for text in found[1]] == found[0] != []
    assert list(inputs.missing_folder("lgdm", downloads)) == []
    assert list(inputs.missing_folder("jpl", downloads))


def mm(place: Place, *arguments: str, **environment: str) -> str:
    """Run `mm` in a place, and return all that it says."""
    done = subprocess.run(
        [sys.executable, "-c", "from mm.cli import app; app()", *arguments],
        cwd=place.root,
        env=place.environment | {"PYTHONPATH": str(place.root / "scripts")} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.stdout


@pytest.fixture(scope="module")
def summaries(new_place: NewPlace) -> Place:
    """Publish a program, less the tables that `--fetch summaries` leaves in the warehouse."""
    place = new_place()
    shutil.copytree(PROJECT / "templates", place.root / "templates")
    for day in (1, 2):
        rows = (grade_row(1, "0.9", "verified", "Y"), grade_row(day + 1, "0.7", "audit"))
        place.write("lgdm", f"UQx_LGDM1x_1T2019_grade_report_2019-06-0{day}-0000.csv", grade_report(*rows))
    published = place.build("lgdm").passed().published
    published.chmod(0o640)
    with duckdb.connect(published) as connection:
        for name in LARGE:
            connection.execute(f"drop table {name}")
    return place


def test_summaries_alone_make_the_report_and_the_mailout(summaries: Place) -> None:
    assert mm(summaries, "report", "lgdm").startswith("Report written: ")
    assert "lgdm1x" in mm(summaries, "list", "lgdm")
    assert "1 row" in mm(summaries, "export", "lgdm", "program_summary", "--format", "csv")


@pytest.mark.parametrize(
    ("arguments", "table"),
    [
        (("report", "lgdm", "--with-learners"), "learners"),
        (("export", "lgdm", "--format", "csv"), "lgdm_coursecompletion"),
    ],
)
def test_what_summaries_cannot_give_is_a_sentence(
    summaries: Place, arguments: tuple[str, ...], table: str
) -> None:
    assert mm(summaries, *arguments) == (
        f"mm: {summaries.published('lgdm')} has no table {table}, as it was fetched with --fetch summaries: "
        "run `mm build lgdm --on cluster` for all tables.\n"
    )


def test_other_builds_say_what_they_do_not_know_of_summaries(summaries: Place) -> None:
    said = mm(summaries, "combine")
    assert "lgdm.duckdb is left out, as it was fetched with --fetch summaries: run `mm build lgdm" in said
    summaries.write("engy", "UQx_ENGY1x_1T2019_grade_report_2019-06-01-0000.csv", grade_report())
    said = mm(summaries, "build", "engy")
    assert "lgdm.duckdb has summaries alone, so whom it knows as retired is not known here." in said


@pytest.mark.parametrize("arguments", [("build", "lgdm"), ("downloads", "lgdm")])
def test_a_url_is_for_a_cluster(summaries: Place, arguments: tuple[str, ...]) -> None:
    said = mm(summaries, *arguments, MM_DATA_DIR="s3a://bucket/downloads")
    assert "The downloads are at s3a://bucket/downloads, which only `mm build PROGRAM --on cluster`" in said


def test_fetch_goes_with_a_cluster(summaries: Place) -> None:
    assert "--fetch goes with --on cluster." in mm(summaries, "build", "lgdm", "--fetch", "summaries")
