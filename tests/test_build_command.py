"""`mm build`: one line that moves, then what a reader needs, and nothing after the sentence that matters."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest
from report_fixtures import NewPlace, Place, grade_report, grade_row

SECONDS = 300
RUN = [sys.executable, "-c", "from mm.cli import app; app()"]
REPORT = grade_report(grade_row(1, "0.9", "verified", "Y"), grade_row(2, "0.2", "audit"))
OF_LGDM = "UQx_LGDM1x_1T2019_{}_2019-06-0{}-0102.csv"


def start(place: Place, *arguments: str) -> subprocess.Popen[str]:
    """Start `mm` on a place's own copy of the project."""
    environment = {"PYTHONPATH": str(place.root / "scripts"), "MM_PROGRESS_SECONDS": "0.001"}
    return subprocess.Popen(
        [*RUN, *arguments],
        cwd=place.root,
        env=place.environment | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


Mm = Callable[..., tuple[int, list[str], list[str]]]


@pytest.fixture(scope="module")
def place(new_place: NewPlace) -> Place:
    """Make a place without downloads."""
    return new_place()


@pytest.fixture(scope="module")
def mm(place: Place) -> Mm:
    """Run `mm` there: its exit code, and the lines that it printed, less those of progress, and to stderr."""

    def run(*arguments: str) -> tuple[int, list[str], list[str]]:
        process = start(place, *arguments)
        output, errors = process.communicate(timeout=SECONDS)
        lines = output.splitlines()
        if arguments[0] == "build" and len(arguments) > 1:
            steps = [line for line in lines if re.fullmatch(r"\d+ of \d+ steps, \w+", line)]
            assert len(steps) > 1
            lines = [line for line in lines if line not in steps]
        return process.returncode, lines, errors.splitlines()

    return run


def test_a_build_ends_with_the_sentence_that_matters(place: Place, mm: Mm) -> None:
    # ---- nothing is there ----
    code, lines, errors = mm("build", "lgdm")
    assert code == 1
    assert lines == [
        f"Warning: There is no folder {place.data_dir}/lgdm: make it, and put the downloads of lgdm there.",
        "Nothing was published.",
    ]
    [error] = errors
    assert error.startswith(
        f"mm: No grade report of lgdm to read in {place.data_dir}/lgdm (CSV files there: 0)."
    )

    # ---- a first build ----
    place.write("lgdm", OF_LGDM.format("grade_report", 3), REPORT)
    place.write("lgdm", OF_LGDM.format("grade_report", 2), REPORT)
    place.write("lgdm", "notes.txt", "of somebody")
    code, lines, errors = mm("build", "lgdm")
    assert (code, errors) == (0, [])
    published = place.published("lgdm")
    *warnings, last = lines
    assert (
        last == f"Published {place.database_dir}/lgdm.duckdb: 2 learners; files: 1 used, 1 older, 1 ignored."
    )
    assert len(warnings) >= 1
    assert all(line.startswith("Warning: ") for line in warnings)

    # ---- a build that fails leaves it, and says so ----
    before = published.read_bytes()
    damaged = place.write("lgdm", OF_LGDM.format("grade_report", 4), REPORT[:-20])
    code, lines, errors = mm("build", "lgdm")
    assert code == 1
    assert lines[-1] == f"Nothing was published: {published} is as it was."
    [error] = errors
    assert damaged.name in error
    assert error.endswith("within a row: download it again.")
    assert published.read_bytes() == before
    damaged.unlink()


def test_all_programs_are_listed_with_the_age_of_their_builds(place: Place, mm: Mm) -> None:
    published = place.published("lgdm")
    two_days_ago = time.time() - 2 * 86_400
    os.utime(published, (two_days_ago, two_days_ago))
    code, lines, errors = mm("build")
    assert (code, errors) == (0, [])
    assert [line.split()[0] for line in lines] == ["demo", "buslead", "corpinn", "engy", "lgdm"]
    assert [line.split(maxsplit=1)[1] for line in lines[:4]] == ["not built"] * 4
    assert re.fullmatch(r"lgdm +built \d+ \w+ \d{4}, \d\d:\d\d UTC, 2 days old", lines[4])


def test_ctrl_c_ends_a_build_with_a_sentence(place: Place) -> None:
    before = place.published("lgdm").read_bytes()
    process = start(place, "build", "lgdm")
    for line in process.stdout or ():
        if " steps, " in line:
            process.send_signal(signal.SIGINT)
            break
    output, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 1
    assert output.splitlines()[-1] == f"Nothing was published: {place.published('lgdm')} is as it was."
    assert errors == "mm: It was stopped.\n"
    assert place.published("lgdm").read_bytes() == before
