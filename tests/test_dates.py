"""The days of runs, from seeds/course_runs.csv to the mails: a real build as of a given day, and `mm render`.

All is far in the future, as the command leaves out what is late by its own clock.
"""

import os
from datetime import date
from typing import NoReturn

import pytest
from mail_fixtures import SECRET, World
from report_fixtures import Build, NewPlace, grade_report, grade_row

from mm.build.run_dbt import FailedError, Said

PASSED = "0.7"
TITLES = {
    "engy0x": "Energy Principles and Renewable Energy",
    "engy1x": "Climate Science and Policy",
    "engy2x": "Energy and Development",
}
LINKS = {
    "engy0x": "https://www.edx.org/course/energy-principles-and-renewable-energy-2",
    "engy1x": "https://www.edx.org/course/climate-science-and-policy-2",
    "engy2x": "https://www.edx.org/course/energy-and-development-1",
}
# starts_on, ends_on, enrollment_ends_on, upgrade_ends_on
DAYS = {
    ("engy0x", "current", "1T2019"): ",,,2199-07-13",
    ("engy1x", "current", "1T2019"): "2199-01-01,2199-08-01,,2199-07-14",
    ("engy2x", "current", "1T2019"): "2199-01-01,2199-07-13,,",
    ("engy0x", "coming", "1T2019a"): "2199-08-01,,2199-07-13,",
    ("engy1x", "coming", "1T2019a"): "2199-08-01,,2199-07-14,",
    ("engy2x", "coming", "2T2019"): "2199-07-01,,2199-07-13,",
}
MORE_RUNS = (
    "engy2x,coming,UQx_ENGY2x_1T2020,Energy again,https://www.example.org/dateless\n"
    "engy2x,coming,UQx_ENGY2x_4T2019,Energy in December,https://www.example.org/december,,,2199-12-01\n"
    "engy2x,coming,UQx_ENGY2x_3T2019,Energy in October,https://www.example.org/october,,,2199-10-01,,2199-10-07\n"
)


def certified(student_id: int) -> tuple[object, ...]:
    return grade_row(student_id, "0.9", "verified", "Y")


def audited(student_id: int) -> tuple[object, ...]:
    return grade_row(student_id, PASSED, "audit")


@pytest.fixture(scope="module")
def dated_runs(new_place: NewPlace) -> Build:
    """Build as of 14 July 2199, in a program whose mails are in Spanish."""
    place = new_place()
    for (course, role, run), days in DAYS.items():
        row = f"{course},{role},UQx_{course.upper()[:-1]}x_{run},{TITLES[course]},{LINKS[course]},,"
        place.change_seed("course_runs.csv", f"{row},,,,\n", f"{row},{days}\n")
    runs = place.root / "seeds" / "course_runs.csv"
    runs.write_text(runs.read_text("utf-8") + MORE_RUNS, "utf-8")
    place.change_seed("programs.csv", "engy,Sustainable Energy,en,", "engy,Sustainable Energy,es,")
    for name, rows in {
        "UQx_ENGY0x_1T2018_grade_report_2018-06-01-0000.csv": [certified(4)],
        "UQx_ENGY0x_1T2019_grade_report_2019-06-01-0000.csv": [audited(1), certified(2)],
        "UQx_ENGY1x_1T2019_grade_report_2019-06-01-0000.csv": [audited(3), certified(4)],
        "UQx_ENGY2x_1T2019_grade_report_2019-06-01-0000.csv": [audited(5), certified(6)],
    }.items():
        place.write("engy", name, grade_report(*rows))
    return place.build("engy", "--vars", "{program: engy, as_of: 2199-07-14}").passed()


def test_a_build_says_of_which_day_it_is(dated_runs: Build) -> None:
    assert dated_runs.rows("select as_of, language from programs") == [(date(2199, 7, 14), "es")]


def test_the_days_of_runs_are_published(dated_runs: Build) -> None:
    query = """
        select starts_on, ends_on, enrollment_ends_on, upgrade_ends_on from course_runs
        where course = 'engy1x' order by run_role desc"""
    assert dated_runs.rows(query) == [
        (date(2199, 1, 1), date(2199, 8, 1), None, date(2199, 7, 14)),
        (date(2199, 8, 1), None, date(2199, 7, 14), None),
    ]


def test_who_is_late_is_left_out_and_what_cannot_be_taken_has_no_link(dated_runs: Build) -> None:
    query = """
        select
            student_id, trigger_course_upgrade_ends_on, excluded_reason,
            next_course, next_course_reason, next_course_link, next_course_starts_on, next_course_open_until
        from mailout_candidates order by student_id"""
    october = ("https://www.example.org/october", date(2199, 10, 1), date(2199, 10, 7))
    engy1x = ("engy1x", "enrol", LINKS["engy1x"], date(2199, 8, 1), date(2199, 7, 14))
    assert dated_runs.rows(query) == [
        (1, date(2199, 7, 13), "upgrade deadline passed", *engy1x),
        (2, date(2199, 7, 13), None, *engy1x),
        (3, date(2199, 7, 14), None, "engy0x", "not open yet", None, None, None),
        (4, date(2199, 7, 14), None, "engy2x", "enrol", *october),
        # in a run that has ended, with no deadline of its own
        (5, None, "upgrade deadline passed", "engy0x", "not open yet", None, None, None),
        (6, None, None, "engy0x", "not open yet", None, None, None),
    ]


@pytest.fixture(scope="module")
def texts(dated_runs: Build, tmp_path_factory: pytest.TempPathFactory) -> dict[int, str]:
    """Render the mails, and return their texts on one line each, by learner."""
    place, out = dated_runs.place, tmp_path_factory.mktemp("mails")
    directories = {"MM_DATA_DIR": str(place.data), "MM_DATABASE_DIR": str(place.database)}
    world = World(place.root, dict(os.environ) | directories | {"MM_UNSUBSCRIBE_SECRET": SECRET})
    done = world.mm("render", "engy", "--out", out)
    assert done.returncode == 0, done.stderr
    return {int(path.stem): " ".join(path.read_text("utf-8").split()) for path in out.glob("*.txt")}


def test_mails_say_the_days_in_the_language_of_their_words(texts: dict[int, str]) -> None:
    assert sorted(texts) == [2, 3, 4, 6]
    assert "Upgrade by 14 July 2199." in texts[3]
    assert f"{TITLES['engy0x']} comes next. It takes no enrolments just now" in texts[3]
    assert "Enrol:" not in texts[3]
    assert "It starts on 1 October 2199. Enrol: https://www.example.org/october" in texts[4]


def test_the_command_builds_as_of_a_day_that_the_calendar_has(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[tuple[str, ...], dict[str, str]]] = []

    def stopped(*command: str, variables: dict[str, str], **_: object) -> NoReturn:
        started.append((command, variables))
        message = "No grade report."
        raise FailedError(message, Said())

    monkeypatch.setattr("mm.build.run_dbt.run_dbt", stopped)
    refused = world.mm("build", "demo", "--as-of", "2026-02-30")
    assert refused.returncode == 1
    assert refused.stderr == "mm: --as-of is '2026-02-30': expected a day such as 2026-07-14.\n"
    assert started == []
    failed = world.mm("build", "demo", "--as-of", "2024-02-29")
    assert failed.returncode == 1
    assert (failed.stdout, failed.stderr) == ("Nothing was published.\n", "mm: No grade report.\n")
    place = ("--target-path", "target/demo", "--no-write-json")
    assert started == [(("build", *place), {"program": "demo", "as_of": "2024-02-29"})]
