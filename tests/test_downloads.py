"""`mm downloads`: which runs are known, what is to be fetched of each, and where."""

import json
import re
import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from mail_fixtures import World
from report_fixtures import G4_MINIMAL, PROJECT, grade_report, grade_row, profile_report, profile_row
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from mm.build.misplaced import misplaced_reports
from mm.config import ReaderError
from mm.report.downloads import Run, list_runs
from mm.report.run_times import when

NOON = datetime(2026, 7, 15, 12, tzinfo=UTC)
WEEK = timedelta(days=7)
BOTH = ("grade_report", "student_profile_info")
GRADES, PROFILES = "grade_report", "student_profile_info"
VIEW = "instructor#view-data_download"
RUNS = """course,run_role,course_instance,title,link,year,term,starts_on,ends_on
lgdm1x,current,UQx_LGDM1x_1T2026,,,,,2026-03-01,2026-07-15
lgdm1x,coming,UQx_LGDM1x_3T2026,,,,,2026-07-16,
lgdm1x,past,UQx_LGDM1x_3T2025,,,,,,2026-07-14
lgdm1x,past,UQx_LGDM1x_2T2025,,,,,2025-05-01,2025-08-01
lgdm1x,past,UQx_LGDM1x_1T2025,,,,,,2025-05-01
lgdm2x,current,UQx_LGDM2x_1T2026,,
lgdm2x,coming,uqx_lgdm2x_1T2026,,
lgdm2x,past,UQx_LGDM2x_R9,,
engy0x,current,UQx_ENGY0x_1T2026,,
"""


@pytest.fixture
def seeds(tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copy the seeds, with other runs; the downloads are below the world's data folder."""
    folder = tmp_path / "seeds"
    shutil.copytree(PROJECT / "seeds", folder)
    (folder / "course_runs.csv").write_text(RUNS, "utf-8")
    monkeypatch.setenv("MM_DATA_DIR", world.environment["MM_DATA_DIR"])
    return folder


def put(tmp_path: Path, run: str, kind: str, stamp: str, content: str | None = None) -> None:
    whole = {
        GRADES: grade_report(grade_row(1, "0.1", "audit")),
        PROFILES: profile_report(profile_row(1, "Pupil One", "AU")),
    }
    path = tmp_path / "data" / "lgdm" / "june" / f"{run}_{kind}_{stamp}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(whole[kind] if content is None else content, "utf-8", newline="")


def runs(seeds: Path, now: datetime = NOON, older_than: timedelta = WEEK) -> dict[str, Run]:
    listed, unreadable = list_runs("lgdm", now=now, older_than=older_than, seeds=seeds)
    assert unreadable == []
    return {run.course_instance.removeprefix("UQx_"): run for run in listed}


def test_before_the_first_download_the_runs_that_are_on_are_to_be_fetched(seeds: Path) -> None:
    listed = {name: (run.state, run.to_fetch) for name, run in runs(seeds).items()}
    assert listed == {
        "LGDM1x_1T2026": ("on", BOTH),
        "LGDM1x_3T2026": ("not started", ()),
        "LGDM1x_1T2025": ("ended", BOTH),
        "LGDM1x_2T2025": ("ended", BOTH),
        "LGDM1x_3T2025": ("ended", BOTH),
        # without days: what is current or coming is on
        "LGDM2x_1T2026": ("on", BOTH),
        "LGDM2x_R9": ("past", ()),
    }
    # in the order of time
    assert [name for name in listed if "LGDM1x" in name] == [
        f"LGDM1x_{run}" for run in ("1T2025", "2T2025", "3T2025", "1T2026", "3T2026")
    ]
    run = runs(seeds)["LGDM2x_1T2026"]
    assert (run.course, run.roles, run.newest) == ("lgdm2x", ("current", "coming"), {})
    assert run.link == f"https://courses.edx.org/courses/course-v1:UQx+LGDM2x+1T2026/{VIEW}"


@pytest.mark.parametrize(
    ("now", "first", "third"),
    [
        # the 15th of July ends everywhere at noon UTC of the 16th, and the run of the 16th begins then
        (datetime(2026, 7, 16, 11, 59, tzinfo=UTC), "on", "not started"),
        (datetime(2026, 7, 16, 12, tzinfo=UTC), "ended", "on"),
    ],
)
def test_a_run_is_on_from_its_first_to_its_last_day(
    seeds: Path, now: datetime, first: str, third: str
) -> None:
    listed = runs(seeds, now)
    assert (listed["LGDM1x_1T2026"].state, listed["LGDM1x_3T2026"].state) == (first, third)
    assert (listed["LGDM1x_1T2026"].starts_on, listed["LGDM1x_1T2026"].ends_on) == (
        date(2026, 3, 1),
        date(2026, 7, 15),
    )


def test_the_newest_of_each_kind_counts_and_what_is_old_or_missing_is_to_be_fetched(
    tmp_path: Path, seeds: Path
) -> None:
    for stamp in ("2026-07-08-1200", "2026-07-01-0000"):
        put(tmp_path, "UQx_LGDM1x_1T2026", GRADES, stamp)
    put(tmp_path, "uqx_lgdm1x_1t2026", PROFILES, "2026-07-08-1159")
    run = runs(seeds)["LGDM1x_1T2026"]
    assert run.newest == {
        GRADES: datetime(2026, 7, 8, 12, tzinfo=UTC),
        PROFILES: datetime(2026, 7, 8, 11, 59, tzinfo=UTC),
    }
    assert run.to_fetch == (PROFILES,)
    assert runs(seeds, older_than=timedelta(days=8))["LGDM1x_1T2026"].to_fetch == ()
    assert runs(seeds, older_than=timedelta(days=1))["LGDM1x_1T2026"].to_fetch == BOTH


def test_a_run_is_done_when_its_grades_are_of_after_its_end(tmp_path: Path, seeds: Path) -> None:
    # its last day, 14 July, is over from noon UTC of the 15th
    put(tmp_path, "UQx_LGDM1x_3T2025", GRADES, "2026-07-15-1200")
    put(tmp_path, "UQx_LGDM1x_2T2025", GRADES, "2025-08-02-1159")
    put(tmp_path, "UQx_LGDM1x_2T2025", PROFILES, "2025-08-02-1200")
    put(tmp_path, "UQx_LGDM1x_1T2025", PROFILES, "2026-07-01-0000")
    listed = runs(seeds)
    assert [(listed[name].state, listed[name].to_fetch) for name in ("LGDM1x_3T2025", "LGDM1x_2T2025")] == [
        # a missing profile report is asked for until one is there
        ("done", (PROFILES,)),
        ("ended", (GRADES,)),
    ]
    assert (listed["LGDM1x_1T2025"].state, listed["LGDM1x_1T2025"].to_fetch) == ("ended", (GRADES,))
    put(tmp_path, "UQx_LGDM1x_3T2025", PROFILES, "2026-05-01-0000")
    assert (runs(seeds)["LGDM1x_3T2025"].state, runs(seeds)["LGDM1x_3T2025"].to_fetch) == ("done", ())


@pytest.mark.parametrize(
    ("stamp", "delivered", "state"),
    [
        ("2025-08-03-0000", "N", "ended"),
        ("2025-08-03-0000", "Y", "done"),
        # its last day, 1 August, is over at noon UTC of the 2nd; 60 days later is 1 October
        ("2025-10-01-1159", "N", "ended"),
        ("2025-10-01-1200", "N", "done"),
    ],
)
def test_a_run_is_not_done_before_its_certificates_are_there(
    tmp_path: Path, seeds: Path, stamp: str, delivered: str, state: str
) -> None:
    eligible = [*grade_row(2, "0.9", "verified", "Y")]
    eligible[7] = delivered
    content = grade_report(grade_row(1, "0.1", "audit"), tuple(eligible))
    put(tmp_path, "UQx_LGDM1x_2T2025", GRADES, "2025-08-02-1200")
    put(tmp_path, "UQx_LGDM1x_2T2025", GRADES, stamp, content)
    put(tmp_path, "UQx_LGDM1x_2T2025", PROFILES, "2025-05-02-1200")
    run = runs(seeds)["LGDM1x_2T2025"]
    assert (run.state, run.to_fetch) == (state, (GRADES,) if state == "ended" else ())


def test_a_download_that_a_build_refuses_is_not_fresh_and_is_named(tmp_path: Path, seeds: Path) -> None:
    rows = "".join(
        f"{n},pupil{n}@learners.example.org,p{n},0.5,audit,N/A,N,N,N/A,enrolled\n" for n in range(9)
    )
    whole = f"{G4_MINIMAL}\n{rows}"
    put(tmp_path, "UQx_LGDM2x_1T2026", GRADES, "2026-07-01-0000")
    put(tmp_path, "UQx_LGDM2x_1T2026", GRADES, "2026-07-14-0000", whole[:-20])
    put(tmp_path, "UQx_LGDM2x_1T2026", GRADES, "2026-07-13-0000", whole.replace("0.5", "half"))
    listed, sentences = list_runs("lgdm", now=NOON, older_than=WEEK, seeds=seeds)
    [run] = [run for run in listed if run.course_instance == "UQx_LGDM2x_1T2026"]
    assert run.newest == {GRADES: datetime(2026, 7, 1, tzinfo=UTC)}
    assert run.to_fetch == BOTH
    assert [re.sub(r".*grade_report_2026-", "", sentence) for sentence in sentences] == [
        "07-14-0000.csv: line 10: it ends there, within a row: download it again.",
        "07-13-0000.csv: 9 of its 9 rows cannot be used: download it again.",
    ]


def test_a_report_on_a_course_of_two_programs_may_lie_in_either_folder(tmp_path: Path, seeds: Path) -> None:
    put(tmp_path, "UQx_LGDM2x_1T2026", GRADES, "2026-07-01-0000")
    assert list(misplaced_reports("engy", tmp_path / "data", seeds)) == []
    courses = seeds / "courses.csv"
    courses.write_text(f"{courses.read_text('utf-8')}engy,lgdm2x,99,,UQx_LGDM2x,0.65,true\n", "utf-8")
    assert list(misplaced_reports("engy", tmp_path / "data", seeds)) == []


def test_a_coach_s_run_has_the_link_of_a_custom_course(tmp_path: Path, seeds: Path) -> None:
    put(tmp_path, "UQx_LGDM2x_1T2026_ccx_12", GRADES, "2026-07-01-0000")
    link = f"https://courses.edx.org/courses/ccx-v1:UQx+LGDM2x+1T2026+ccx@12/{VIEW}"
    assert runs(seeds)["LGDM2x_1T2026_ccx_12"].link == link


def test_the_newest_run_of_a_capstone_is_asked_for_like_a_current_one(tmp_path: Path, seeds: Path) -> None:
    for run in ("1T2019", "S2_2019", "3T2018"):
        put(tmp_path, f"UQx_LGDM5x_{run}", GRADES, "2020-01-01-0000")
    listed = runs(seeds)
    assert [(name, run.state, run.to_fetch) for name, run in listed.items() if "5x" in name] == [
        ("LGDM5x_3T2018", "past", ()),
        ("LGDM5x_1T2019", "past", ()),
        ("LGDM5x_S2_2019", "on", BOTH),
    ]


def test_runs_are_sorted_by_their_time() -> None:
    in_order = [
        *(
            "session08",
            "2013_Winter",
            "2013_Fall",
            "2014_T1",
            "2015",
            "2015_3T",
            "2016_Feb",
            "2T2016",
            "S3_2016",
        ),
        *("1T2017", "1T2017_2", "1T2017_10", "2017_May", "1T2019", "1T2019a", "3T2019", "October2020"),
    ]
    assert sorted(sorted(in_order), key=when) == in_order
    assert when("R9", [{"year": "2018", "term": "2"}]) > when("1T2018")


def test_a_run_that_only_the_folder_has_is_past(tmp_path: Path, seeds: Path) -> None:
    put(tmp_path, "UQx_LGDM3x_2T2018", GRADES, "2018-07-01-0000")
    # other programs', other courses', and none's
    put(tmp_path, "UQx_ENGY0x_1T2026", GRADES, "2026-07-01-0000")
    put(tmp_path, "UQx_LGDM3x_3_1T2017", GRADES, "2026-07-01-0000")
    put(tmp_path, "MITx_1x_1T2017", GRADES, "2026-07-01-0000")
    listed = runs(seeds)
    assert len(listed) == 8
    run = listed["LGDM3x_2T2018"]
    assert (run.course, run.roles, run.state, run.to_fetch) == ("lgdm3x", (), "past", ())
    assert run.link == f"https://courses.edx.org/courses/course-v1:UQx+LGDM3x+2T2018/{VIEW}"


def test_files_that_are_no_reports_to_count_do_not(tmp_path: Path, seeds: Path) -> None:
    put(tmp_path, "UQx_LGDM2x_1T2026", GRADES, "2026-07-14-0000", "<html>expired</html>")
    put(tmp_path, "UQx_LGDM2x_1T2026", PROFILES, "2026-07-18-0000")
    put(tmp_path, "UQx_LGDM2x_1T2026", GRADES, "2026-07-13-0000_old")
    listed, unreadable = list_runs("lgdm", now=NOON, older_than=WEEK, seeds=seeds)
    assert [run.newest for run in listed if "lgdm2x" in run.course] == [{}, {}]
    page, future = (re.sub(r".*UQx_LGDM2x_1T2026_", "", sentence) for sentence in unreadable)
    assert page.startswith("grade_report_2026-07-14-0000.csv: it is a web page, not a CSV file: ")
    assert future == "student_profile_info_2026-07-18-0000.csv: its stamp is more than a day ahead of now."


def test_a_program_may_be_on_another_edx(seeds: Path) -> None:
    programs = seeds / "programs.csv"
    text = programs.read_text("utf-8")
    programs.write_text(text.replace("Development,en,,", "Development,en,https://lms.example.org/,"), "utf-8")
    link = f"https://lms.example.org/courses/course-v1:UQx+LGDM2x+1T2026/{VIEW}"
    assert runs(seeds)["LGDM2x_1T2026"].link == link
    programs.write_text(text.replace("Development,en,,", "Development,en,javascript:alert(1),"), "utf-8")
    with pytest.raises(ReaderError, match=r"program lgdm: its lms_base, .*, is not a link"):
        runs(seeds)


def test_wrong_seeds_are_told_in_a_sentence(seeds: Path) -> None:
    with pytest.raises(ReaderError, match=r"no program 'nobody' in seeds/programs.csv. There are: demo, "):
        list_runs("nobody", now=NOON, older_than=WEEK, seeds=seeds)
    path = seeds / "course_runs.csv"
    path.write_text(RUNS.replace("2026-07-16", "16/07/2026"), "utf-8")
    with pytest.raises(ReaderError) as caught:
        runs(seeds)
    assert str(caught.value) == (
        "seeds/course_runs.csv, coming run UQx_LGDM1x_3T2026 of lgdm1x: its starts_on, 16/07/2026, is not "
        "a day such as 2026-07-14."
    )
    path.write_text("<html>", "utf-8")
    with pytest.raises(ReaderError, match=r"course_runs.csv: it is a web page"):
        runs(seeds)


def test_the_command_says_it_as_a_table_as_json_and_as_a_page(world: World, browser: Chrome) -> None:
    put(world.folder, "UQx_LGDM1x_1T2019", GRADES, "2019-06-01-0000")
    link = f"https://courses.edx.org/courses/course-v1:UQx+LGDM1x+1T2019/{VIEW}"
    table = world.mm("downloads", "lgdm")
    assert table.returncode == 0, table.stderr
    lines = table.stdout.splitlines()
    assert lines[0].split() == ["run", "role", "state", "grade", "report", "profile", "report"]
    assert re.match(r"UQx_LGDM1x_1T2019 +current, coming +on +[0-9]{4} days +missing$", lines[1])
    assert lines[lines.index("To fetch now:") + 1 :][:2] == [
        "UQx_LGDM1x_1T2019: grade report, profile information",
        f"  {link}",
    ]
    [first, *_] = json.loads(world.mm("downloads", "lgdm", "--json").stdout)["runs"]
    assert first["newest"][GRADES]["reported_at"] == "2019-06-01T00:00:00+00:00"
    assert first["newest"][GRADES]["age_days"] > 2000
    assert first | {"newest": None} == {
        "course": "lgdm1x",
        "course_instance": "UQx_LGDM1x_1T2019",
        "roles": ["current", "coming"],
        "starts_on": None,
        "ends_on": None,
        "state": "on",
        "newest": None,
        "to_fetch": list(BOTH),
        "link": link,
    }
    page = world.folder / "page.html"
    assert world.mm("downloads", "lgdm", "--html", "--out", page).returncode == 0
    browser.get(page.as_uri())
    links: list[Any] = browser.find_elements(By.TAG_NAME, "a")
    assert links[0].get_attribute("href") == link
    assert len(links) == 4
    old = world.mm("downloads", "lgdm", "--older-than", "9999w")
    assert "UQx_LGDM1x_1T2019: profile information\n" in old.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--older-than", "week"], "expected a number of hours, days or weeks, such as 12h, 7d or 2w"),
        (["--out", "x.html"], "--out goes with --html"),
    ],
)
def test_wrong_options_are_usage_errors(world: World, arguments: list[str], says: str) -> None:
    done = world.mm("downloads", "lgdm", *arguments)
    assert done.returncode == 2
    assert says in done.stderr
