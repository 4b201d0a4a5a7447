"""What a credential takes, said by rows: tracks, core courses and electives, a course offered no more.

Three shapes of real programs, the learners and what becomes of them worked out by hand: four tracks that
share courses and end in one exam; two tracks with core courses and one of three electives; five courses and
no capstone. Beside them, what seeds could not say before: three core courses and two of three electives, a
course that has ended for good, a course of two programs, a run with a pass grade of its own.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest
from report_fixtures import Build, NewPlace, Place, Row, grade_report, grade_row

from mm.downloads import list_runs
from mm.report import write_report

STAMP = "2020-06-01-0100"
# A run, current and coming, of each course; learners by what they are in it.
CERTIFIED = ("0.9", "verified", "Y")
# On a verified track and passed; the certificate is not there yet.
SETTLED = ("0.9", "verified", "N")
AUDITED = ("0.9", "audit", "N")

# course number: learner: what the learner is in it
Courses = dict[str, dict[int, tuple[str, str, str]]]

STATISTICS: Courses = {
    "1": {1: CERTIFIED, 2: CERTIFIED, 3: CERTIFIED, 4: CERTIFIED},
    "2": {1: CERTIFIED, 3: CERTIFIED, 4: CERTIFIED},
    "3": {2: CERTIFIED, 4: CERTIFIED},
    "4": {4: CERTIFIED},
    "5": {1: CERTIFIED, 3: CERTIFIED, 4: CERTIFIED},
    "X": {3: CERTIFIED},
}
DEVELOPMENT: Courses = {
    "1": {1: CERTIFIED, 2: AUDITED, 4: CERTIFIED, 5: CERTIFIED, 6: CERTIFIED},
    "2": {2: CERTIFIED, 4: CERTIFIED, 5: CERTIFIED, 6: CERTIFIED},
    "3": {1: CERTIFIED},
    "4": {3: CERTIFIED, 4: AUDITED, 5: CERTIFIED},
    "5": {1: SETTLED, 3: CERTIFIED},
    "6": {3: CERTIFIED},
}
FINANCE: Courses = {
    "1": {1: CERTIFIED, 2: CERTIFIED},
    "2": {1: CERTIFIED, 2: CERTIFIED},
    "3": {1: CERTIFIED, 2: CERTIFIED},
    "4": {1: CERTIFIED, 2: CERTIFIED},
    "5": {2: CERTIFIED},
}
# 1: all but the third core course; 2: the core courses and two electives
ELECTIVES: Courses = {
    "1": {1: CERTIFIED, 2: CERTIFIED},
    "2": {1: CERTIFIED, 2: CERTIFIED},
    "3": {2: CERTIFIED},
    "4": {1: CERTIFIED, 2: CERTIFIED},
    "5": {1: CERTIFIED, 2: CERTIFIED},
    "6": {1: CERTIFIED},
}
# track: requirement: how many of which courses; the order is the seed's, and not the alphabet's
TRACKS: dict[str, dict[str, dict[str, tuple[int, str]]]] = {
    "sds": {
        "Time": {"core": (2, "14"), "one of": (1, "35"), "exam": (1, "X")},
        "Social": {"core": (3, "125"), "exam": (1, "X")},
        "Methods": {"core": (3, "124"), "exam": (1, "X")},
        "General": {"core": (3, "123"), "exam": (1, "X")},
    },
    "dev": {
        "Trade": {"core": (2, "12"), "one of": (1, "456")},
        "Health": {"core": (2, "13"), "one of": (1, "456")},
    },
    "pol": {"Policy": {"core": (3, "123"), "two of": (2, "456")}},
}


def _append(place: Place, seed: str, lines: Iterable[str]) -> None:
    path = place.root / "seeds" / f"{seed}.csv"
    path.write_text(path.read_text("utf-8") + "".join(f"{line}\n" for line in lines), "utf-8")


def _add_program(place: Place, program: str, courses: Courses, certificates_required: int) -> None:
    """Add a program whose courses have one run, in which its mails are sent, and one that is coming."""
    demo = (place.root / "seeds" / "programs.csv").read_text("utf-8").splitlines()[1]
    required = demo.replace("credential,4,", f"credential,{certificates_required},")
    _append(place, "programs", [required.replace("demo,", f"{program},", 1).replace("delivered", "eligible")])
    prefix = f"Any_{program.upper()}"
    for position, (number, learners) in enumerate(courses.items(), start=1):
        course, is_capstone = f"{program}{number.lower()}", "true" if number == "X" else "false"
        facts = f"{position},Course {number},{prefix}{number},0.5,{is_capstone}"
        _append(place, "courses", [f"{program},{course},{facts}"])
        _append(
            place,
            "course_runs",
            [
                f"{course},{role},{prefix}{number}_{run},Course {number},https://www.example.org/{course}"
                for role, run in (("current", "1T2020"), ("coming", "2T2020"))
            ],
        )
        rows = [grade_row(learner, *what) for learner, what in learners.items()]
        place.write(program, f"{prefix}{number}_1T2020_grade_report_{STAMP}.csv", grade_report(*rows))
    for track, requirements in TRACKS.get(program, {}).items():
        for requirement, (required, numbers) in requirements.items():
            _append(place, "requirements", [f"{program},{track},{requirement},{required}"])
            _append(
                place,
                "requirement_courses",
                [f"{program},{track},{requirement},{program}{number.lower()}" for number in numbers],
            )


@pytest.fixture(scope="module")
def tracks(new_place: NewPlace) -> dict[str, Build]:
    """Build the three shapes, and three core courses with two of three electives."""
    place = new_place()
    _add_program(place, "sds", STATISTICS, 4)
    _add_program(place, "dev", DEVELOPMENT, 3)
    _add_program(place, "fin", FINANCE, 5)
    _add_program(place, "pol", ELECTIVES, 5)
    return {program: place.build(program).passed() for program in ("sds", "dev", "fin", "pol")}


PROGRESS = "select student_id, track, certificates_required, certificates_to_go, stage, next_course"


def progress(build: Build) -> list[Row]:
    return build.rows(f"{PROGRESS} from learner_progress order by student_id")


def test_the_nearest_of_four_tracks_that_end_in_one_exam(tracks: dict[str, Build]) -> None:
    # 1: Time lacks 4 and X, Social X, Methods 4 and X, General 3 and X
    # 2: Time lacks 4 and X, General 2 and X: the first in the seed; the others lack three
    # 3: Social is complete; 4: five certificates, and every track lacks the exam
    assert progress(tracks["sds"]) == [
        (1, "Social", 4, 1, "one to go", "sdsx"),
        (2, "Time", 4, 2, "on the way", "sds4"),
        (3, "Social", 4, 0, "series complete", None),
        (4, "Time", 4, 1, "one to go", "sdsx"),
    ]


def test_every_track_of_a_learner_is_there(tracks: dict[str, Build]) -> None:
    query = """
        select program, track, is_nearest, is_complete, certificates_required, certificates_to_go, next_course
        from learner_tracks where student_id = 1 order by certificates_to_go, track"""
    assert tracks["sds"].rows(query) == [
        ("sds", "Social", True, False, 4, 1, "sdsx"),
        ("sds", "General", False, False, 4, 2, "sds3"),
        ("sds", "Methods", False, False, 4, 2, "sds4"),
        ("sds", "Time", False, False, 4, 2, "sds4"),
    ]


def test_a_course_counts_in_several_tracks_and_says_what_is_missing(tracks: dict[str, Build]) -> None:
    query = """
        select track, requirement, earned, required, is_met, missing_courses
        from learner_requirements where student_id = 2 order by track, requirement"""
    assert tracks["sds"].rows(query) == [
        ("General", "core", 2, 3, False, "sds2"),
        ("General", "exam", 0, 1, False, "sdsx"),
        ("Methods", "core", 1, 3, False, "sds2, sds4"),
        ("Methods", "exam", 0, 1, False, "sdsx"),
        ("Social", "core", 1, 3, False, "sds2, sds5"),
        ("Social", "exam", 0, 1, False, "sdsx"),
        ("Time", "core", 1, 2, False, "sds4"),
        ("Time", "exam", 0, 1, False, "sdsx"),
        ("Time", "one of", 1, 1, True, None),
    ]


def test_an_elective_is_next_only_as_long_as_one_is_needed(tracks: dict[str, Build]) -> None:
    # 1: Health lacks one certificate, which is due; 3: electives alone count once
    assert progress(tracks["dev"]) == [
        (1, "Health", 3, 1, "one to go", None),
        (2, "Trade", 3, 2, "on the way", "dev1"),
        (3, "Trade", 3, 2, "on the way", "dev1"),
        (4, "Trade", 3, 1, "one to go", "dev4"),
        (5, "Trade", 3, 0, "series complete", None),
        (6, "Trade", 3, 1, "one to go", "dev4"),
    ]


def test_mails_are_about_the_nearest_track(tracks: dict[str, Build]) -> None:
    query = """
        select
            student_id, trigger_course, trigger_course_verified, no_certificate_eligible,
            certificates_required, next_course, next_course_reason, excluded_reason
        from mailout_candidates
        where excluded_reason is distinct from 'another course''s mail' order by all"""
    assert tracks["dev"].rows(query) == [
        (1, "dev3", 1, 2, 3, None, "none left", None),
        # has a certificate for Trade, and upgrades the other core course: an elective is next
        (2, "dev2", 1, 1, 3, "dev1", "enrol", None),
        # three electives are one certificate
        (3, "dev6", 1, 1, 3, "dev1", "enrol", None),
        (4, "dev2", 1, 2, 3, "dev4", "enrol", None),
        (5, "dev1", 1, 3, 3, None, "none left", "whole series certified"),
        (5, "dev2", 1, 3, 3, None, "none left", "whole series certified"),
        (5, "dev4", 1, 3, 3, None, "none left", "whole series certified"),
        (6, "dev2", 1, 2, 3, "dev4", "enrol", None),
    ]


def test_an_auditor_upgrades_first(tracks: dict[str, Build]) -> None:
    query = """
        select student_id, trigger_course, next_course, next_course_reason
        from mailout_candidates where trigger_course_verified = 0 order by all"""
    # 2: with dev1 upgraded, an elective remains; 4: the upgrade of an elective is the last certificate
    assert tracks["dev"].rows(query) == [(2, "dev1", "dev4", "enrol"), (4, "dev4", None, "none left")]


def test_summaries_count_by_the_nearest_track(tracks: dict[str, Build]) -> None:
    query = "select all_but_one_certified, whole_series_certified from program_summary"
    assert tracks["dev"].rows(query) == [(3, 1)]
    assert tracks["sds"].rows(query) == [(2, 1)]
    assert tracks["dev"].rows("from certificate_summary") == [
        (0, 0, 0, 0),
        (1, 1, 0, 0),
        (2, 3, 3, 0),
        (3, 2, 0, 1),
        (4, 0, 0, 0),
        (5, 0, 0, 0),
        (6, 0, 0, 0),
    ]


def test_five_courses_without_a_capstone_need_no_rows(tracks: dict[str, Build]) -> None:
    assert progress(tracks["fin"]) == [
        (1, "series", 5, 1, "one to go", "fin5"),
        (2, "series", 5, 0, "series complete", None),
    ]


def test_electives_do_not_stand_in_for_a_core_course(tracks: dict[str, Build]) -> None:
    assert progress(tracks["pol"]) == [
        (1, "Policy", 5, 1, "one to go", "pol3"),
        (2, "Policy", 5, 0, "series complete", None),
    ]
    query = "select student_id, no_certificate_eligible, certificates_required, next_course from mailout"
    assert tracks["pol"].rows(query) == [(1, 4, 5, "pol3")]


def test_a_report_page_names_the_tracks(tracks: dict[str, Build], monkeypatch: pytest.MonkeyPatch) -> None:
    place = tracks["sds"].place
    monkeypatch.setenv("MM_DATABASE_DIR", str(place.database))
    pages = {
        program: write_report(program, place.root / f"{program}.html", now=datetime(2020, 6, 2, tzinfo=UTC))
        for program in ("sds", "fin")
    }
    page = pages["sds"].read_text("utf-8")
    assert "all certificates of a track" in page
    # complete, one to go, nearest
    cells = "".join(f'<td class="number">{count}</td>' for count in (1, 2, 2))
    assert f'<th scope="row">Social</th>{cells}' in page
    assert "of a track" not in pages["fin"].read_text("utf-8")


# ---- what is said of a course, or of a run ----


@pytest.fixture(scope="module")
def odd_courses(new_place: NewPlace) -> dict[str, Build]:
    """Build buslead and corpinn, which share courses; buslead2x is offered no more."""
    place = new_place()
    place.change_seed("courses.csv", "is_capstone\n", "is_capstone,offered\n")
    place.change_seed("courses.csv", "UQx_BUSLEAD2x,0.65,false\n", "UQx_BUSLEAD2x,0.65,false,false\n")
    for role in ("current", "coming"):
        row = f"buslead2x,{role},UQx_BUSLEAD2x_1T2019,Leading the Organization,"
        link = "https://www.edx.org/course/leading-the-organization-0,,,,,,\n"
        place.change_seed("course_runs.csv", row + link, "")
    # under a name of its own, and under the same one
    _append(
        place,
        "courses",
        [
            "corpinn,corpinn_lead,6,Becoming an Effective Leader,uqx_buslead1X,0.95,false",
            "corpinn,buslead3x,7,Leading High-Performing Teams,UQx_BUSLEAD3x,0.65,false",
        ],
    )
    _append(
        place,
        "course_runs",
        ["corpinn_lead,coming,UQx_BUSLEAD1x_1T2019,Becoming an Effective Leader,https://www.example.org/x"],
    )
    _append(place, "course_run_pass_grades", ["uqx_BUSLEAD1x_1T2018,0.5"])
    # Learner 1: of 2018, when 0.6 was enough; 2: three courses and the capstone; 3: all but 3x and 4x.
    files = {
        "UQx_BUSLEAD1x_1T2018": [grade_row(1, "0.6", "audit"), grade_row(4, "0.49", "audit")],
        "UQx_BUSLEAD1x_1T2019": [
            grade_row(2, *CERTIFIED),
            grade_row(3, *CERTIFIED),
            grade_row(5, "0.6", "audit"),
        ],
        "UQx_BUSLEAD2x_3T2016": [grade_row(3, *CERTIFIED)],
        "UQx_BUSLEAD3x_1T2019": [grade_row(2, *CERTIFIED)],
        "UQx_BUSLEAD4x_1T2019": [grade_row(2, *CERTIFIED)],
        "UQx_BUSLEAD5x_1T2019": [grade_row(2, *CERTIFIED)],
    }
    for run, rows in files.items():
        place.write("buslead", f"{run}_grade_report_{STAMP}.csv", grade_report(*rows))
    own = grade_report(grade_row(2, *CERTIFIED))
    place.write("corpinn", f"UQx_CORPINN1x_1T2019_grade_report_{STAMP}.csv", own)
    # a copy of what lies with the other program changes nothing
    copy = place.data / "buslead" / f"UQx_BUSLEAD3x_1T2019_grade_report_{STAMP}.csv"
    place.write("corpinn", f"mine/{copy.name}", copy.read_bytes())
    return {program: place.build(program).passed() for program in ("buslead", "corpinn")}


def test_a_run_has_a_pass_grade_of_its_own(odd_courses: dict[str, Build]) -> None:
    query = "select student_id, buslead1x_passed from buslead_coursecompletion order by 1"
    assert odd_courses["buslead"].rows(query) == [(1, "Y"), (2, "Y"), (3, "Y"), (4, "N"), (5, "N")]
    query = """
        select course_instance, pass_grade, passed, audit_passed
        from course_run_summary where position = 1 order by run_order"""
    assert odd_courses["buslead"].rows(query) == [
        ("UQx_BUSLEAD1x_1T2018", 0.5, 1, 1),
        ("UQx_BUSLEAD1x_1T2019", 0.65, 2, 0),
    ]
    # whichever program the course is in
    query = "select course, course_instance, pass_grade from course_run_summary where position = 6 order by 2"
    assert odd_courses["corpinn"].rows(query) == [
        ("corpinn_lead", "UQx_BUSLEAD1x_1T2018", 0.5),
        ("corpinn_lead", "UQx_BUSLEAD1x_1T2019", 0.95),
    ]


def test_three_courses_and_the_capstone_are_no_series(odd_courses: dict[str, Build]) -> None:
    assert odd_courses["buslead"].rows(
        "select no_certificate_eligible, certificates_to_go, stage from learner_progress where student_id = 2"
    ) == [(4, 1, "one to go")]
    assert odd_courses["buslead"].rows(
        "select no_certificate_eligible, certificates_required, next_course from mailout where student_id = 2"
    ) == [(3, 4, None)]


def test_a_course_offered_no_more_counts_and_is_not_suggested(odd_courses: dict[str, Build]) -> None:
    query = "select no_certificate_eligible, next_course from learner_progress where student_id = 3"
    assert odd_courses["buslead"].rows(query) == [(2, "buslead3x")]
    assert odd_courses["buslead"].rows(
        "select count(*) from mailout_candidates where next_course = 'buslead2x'"
    ) == [(0,)]
    assert "buslead2x has no current run" not in odd_courses["buslead"].output


def test_a_course_of_two_programs_counts_from_one_set_of_downloads(odd_courses: dict[str, Build]) -> None:
    query = """
        select student_id, corpinn1x_passed, corpinn_lead_passed, buslead3x_passed, no_certificate_eligible
        from corpinn_coursecompletion order by 1"""
    assert odd_courses["corpinn"].rows(query) == [
        (1, "-", "Y", "-", 0),
        (2, "Y", "Y", "Y", 3),
        (3, "-", "Y", "-", 1),
        (4, "-", "N", "-", 0),
        (5, "-", "N", "-", 0),
    ]
    query = "select file_name, status from report_files where course_instance not like '%CORP%' order by all"
    # a copy beside the first: the longer name counts as the later
    assert odd_courses["corpinn"].rows(query) == [
        (f"../buslead/UQx_BUSLEAD1x_1T2018_grade_report_{STAMP}.csv", "used"),
        (f"../buslead/UQx_BUSLEAD1x_1T2019_grade_report_{STAMP}.csv", "used"),
        (f"../buslead/UQx_BUSLEAD3x_1T2019_grade_report_{STAMP}.csv", "superseded"),
        (f"mine/UQx_BUSLEAD3x_1T2019_grade_report_{STAMP}.csv", "used"),
    ]


def test_what_to_fetch_of_a_course_of_two_programs(
    odd_courses: dict[str, Build], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = odd_courses["corpinn"].place
    monkeypatch.setenv("MM_DATA_DIR", str(place.data))
    listed, unreadable = list_runs(
        "corpinn",
        now=datetime(2020, 6, 2, tzinfo=UTC),
        older_than=timedelta(days=7),
        seeds=place.root / "seeds",
    )
    # the current run of buslead's course is a coming one here
    assert [
        (run.course, run.course_instance, run.roles, list(run.newest))
        for run in listed
        if run.course_instance.startswith("UQx_BUSLEAD")
    ] == [
        ("corpinn_lead", "UQx_BUSLEAD1x_1T2019", ("coming",), ["grade_report"]),
        ("corpinn_lead", "UQx_BUSLEAD1x_1T2018", (), ["grade_report"]),
        ("buslead3x", "UQx_BUSLEAD3x_1T2019", ("current", "coming"), ["grade_report"]),
    ]
    assert unreadable == []


def test_nothing_of_another_programs_own_courses_is_read(odd_courses: dict[str, Build]) -> None:
    query = """
        select distinct split_part(file_name, '_', 2)
        from report_files where file_name like '../%' order by 1"""
    assert odd_courses["corpinn"].rows(query) == [("BUSLEAD1x",), ("BUSLEAD3x",)]
    assert odd_courses["buslead"].rows(query) == [("BUSLEAD3x",)]
