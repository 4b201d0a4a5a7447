"""What a credential takes, said by rows: tracks, core courses and electives, a course offered no more.

The shapes of real programs, the learners and what becomes of them worked out by hand: four tracks that share
courses and end in one exam; two tracks with core courses and one of three electives; one with three core
courses and two of three electives. They stand in one program, each with courses and learners of its own.
Beside it, programs of which no row says anything, a course that has ended for good, a course of two programs,
a run with a pass grade of its own.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest
from report_fixtures import Build, NewPlace, Place, Row, grade_report, grade_row

from mm.report.downloads import list_runs
from mm.report.program import write_report

STAMP = "2020-06-01-0100"
# A run, current and coming, of each course; learners by what they are in it.
CERTIFIED = ("0.9", "verified", "Y")
# On a verified track and passed; the certificate is not there yet.
SETTLED = ("0.9", "verified", "N")
AUDITED = ("0.9", "audit", "N")

# course: learner: what the learner is in it
COURSES: dict[str, dict[int, tuple[str, str, str]]] = {
    "sds1": {1: CERTIFIED, 2: CERTIFIED, 3: CERTIFIED, 4: CERTIFIED},
    "sds2": {1: CERTIFIED, 3: CERTIFIED, 4: CERTIFIED},
    "sds3": {2: CERTIFIED, 4: CERTIFIED},
    "sds4": {4: CERTIFIED},
    "sds5": {1: CERTIFIED, 3: CERTIFIED, 4: CERTIFIED},
    "sdsx": {3: CERTIFIED},
    "dev1": {11: CERTIFIED, 12: AUDITED, 14: CERTIFIED, 15: CERTIFIED, 16: CERTIFIED},
    "dev2": {12: CERTIFIED, 14: CERTIFIED, 15: CERTIFIED, 16: CERTIFIED},
    "dev3": {11: CERTIFIED},
    "dev4": {13: CERTIFIED, 14: AUDITED, 15: CERTIFIED},
    "dev5": {11: SETTLED, 13: CERTIFIED},
    "dev6": {13: CERTIFIED},
    # 21: all but the third core course; 22: the core courses and two electives
    "pol1": {21: CERTIFIED, 22: CERTIFIED},
    "pol2": {21: CERTIFIED, 22: CERTIFIED},
    "pol3": {22: CERTIFIED},
    "pol4": {21: CERTIFIED, 22: CERTIFIED},
    "pol5": {21: CERTIFIED, 22: CERTIFIED},
    "pol6": {21: CERTIFIED},
}
EXAM = "sdsx"
# track: requirement: how many of which courses; the order is the seed's, and not the alphabet's
TRACKS: dict[str, dict[str, tuple[int, str]]] = {
    "Time": {"core": (2, "sds1 sds4"), "one of": (1, "sds3 sds5"), "exam": (1, EXAM)},
    "Social": {"core": (3, "sds1 sds2 sds5"), "exam": (1, EXAM)},
    "Methods": {"core": (3, "sds1 sds2 sds4"), "exam": (1, EXAM)},
    "General": {"core": (3, "sds1 sds2 sds3"), "exam": (1, EXAM)},
    "Trade": {"core": (2, "dev1 dev2"), "one of": (1, "dev4 dev5 dev6")},
    "Health": {"core": (2, "dev1 dev3"), "one of": (1, "dev4 dev5 dev6")},
    "Policy": {"core": (3, "pol1 pol2 pol3"), "two of": (2, "pol4 pol5 pol6")},
}


def _append(place: Place, seed: str, lines: Iterable[str]) -> None:
    path = place.root / "seeds" / f"{seed}.csv"
    path.write_text(path.read_text("utf-8") + "".join(f"{line}\n" for line in lines), "utf-8")


@pytest.fixture(scope="module")
def tracks(new_place: NewPlace) -> Build:
    """Build a program whose courses have one run, in which its mails are sent, and one that is coming."""
    place = new_place()
    demo = (place.root / "seeds" / "programs.csv").read_text("utf-8").splitlines()[1]
    _append(place, "programs", [demo.replace("demo,", "shapes,", 1).replace("delivered", "eligible")])
    for position, (course, learners) in enumerate(COURSES.items(), start=1):
        prefix, is_capstone = f"Any_{course.upper()}", "true" if course == EXAM else "false"
        facts = f"{position},Course {position},{prefix},0.5,{is_capstone}"
        _append(place, "courses", [f"shapes,{course},{facts}"])
        _append(
            place,
            "course_runs",
            [
                f"{course},{role},{prefix}_{run},Course {position},https://www.example.org/{course}"
                for role, run in (("current", "1T2020"), ("coming", "2T2020"))
            ],
        )
        rows = [grade_row(learner, *what) for learner, what in learners.items()]
        place.write("shapes", f"{prefix}_1T2020_grade_report_{STAMP}.csv", grade_report(*rows))
    for track, requirements in TRACKS.items():
        for requirement, (required, courses) in requirements.items():
            _append(place, "requirements", [f"shapes,{track},{requirement},{required}"])
            of = [f"shapes,{track},{requirement},{course}" for course in courses.split()]
            _append(place, "requirement_courses", of)
    return place.build("shapes").passed().proved()


PROGRESS = "select student_id, track, certificates_required, certificates_to_go, stage, next_course"


def progress(build: Build, first: int, last: int) -> list[Row]:
    where = f"where student_id between {first} and {last}"
    return build.rows(f"{PROGRESS} from learner_progress {where} order by student_id")


def test_the_nearest_of_four_tracks_that_end_in_one_exam(tracks: Build) -> None:
    # 1: Time lacks 4 and X, Social X, Methods 4 and X, General 3 and X
    # 2: Time lacks 4 and X, General 2 and X: the first in the seed; the others lack three
    # 3: Social is complete; 4: five certificates, and every track lacks the exam
    assert progress(tracks, 1, 4) == [
        (1, "Social", 4, 1, "one to go", "sdsx"),
        (2, "Time", 4, 2, "on the way", "sds4"),
        (3, "Social", 4, 0, "series complete", None),
        (4, "Time", 4, 1, "one to go", "sdsx"),
    ]


def test_every_track_of_a_learner_is_there(tracks: Build) -> None:
    query = """
        select program, track, is_nearest, is_complete, certificates_required, certificates_to_go, next_course
        from learner_tracks where student_id = 1 order by certificates_to_go, track"""
    assert tracks.rows(query) == [
        ("shapes", "Social", True, False, 4, 1, "sdsx"),
        ("shapes", "General", False, False, 4, 2, "sds3"),
        ("shapes", "Methods", False, False, 4, 2, "sds4"),
        ("shapes", "Time", False, False, 4, 2, "sds4"),
        ("shapes", "Health", False, False, 3, 3, "dev1"),
        ("shapes", "Trade", False, False, 3, 3, "dev1"),
        ("shapes", "Policy", False, False, 5, 5, "pol1"),
    ]


def test_a_course_counts_in_several_tracks_and_says_what_is_missing(tracks: Build) -> None:
    query = """
        select track, requirement, earned, required, is_met, missing_courses
        from learner_requirements where student_id = 2 and track in ('General', 'Methods', 'Social', 'Time')
        order by track, requirement"""
    assert tracks.rows(query) == [
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


def test_an_elective_is_next_only_as_long_as_one_is_needed(tracks: Build) -> None:
    # 11: Health lacks one certificate, which is due; 13: electives alone count once
    assert progress(tracks, 11, 16) == [
        (11, "Health", 3, 1, "one to go", None),
        (12, "Trade", 3, 2, "on the way", "dev1"),
        (13, "Trade", 3, 2, "on the way", "dev1"),
        (14, "Trade", 3, 1, "one to go", "dev4"),
        (15, "Trade", 3, 0, "series complete", None),
        (16, "Trade", 3, 1, "one to go", "dev4"),
    ]


def test_mails_are_about_the_nearest_track(tracks: Build) -> None:
    query = """
        select
            student_id, trigger_course, trigger_course_verified, no_certificate_eligible,
            certificates_required, next_course, next_course_reason, excluded_reason
        from mailout_candidates
        where student_id between 11 and 16 and excluded_reason is distinct from 'another course''s mail'
        order by all"""
    assert tracks.rows(query) == [
        (11, "dev3", 1, 2, 3, None, "none left", None),
        # has a certificate for Trade, and upgrades the other core course: an elective is next
        (12, "dev2", 1, 1, 3, "dev1", "enrol", None),
        # three electives are one certificate
        (13, "dev6", 1, 1, 3, "dev1", "enrol", None),
        (14, "dev2", 1, 2, 3, "dev4", "enrol", None),
        (15, "dev1", 1, 3, 3, None, "none left", "whole series certified"),
        (15, "dev2", 1, 3, 3, None, "none left", "whole series certified"),
        (15, "dev4", 1, 3, 3, None, "none left", "whole series certified"),
        (16, "dev2", 1, 2, 3, "dev4", "enrol", None),
    ]


def test_an_auditor_upgrades_first(tracks: Build) -> None:
    query = """
        select student_id, trigger_course, next_course, next_course_reason
        from mailout_candidates where trigger_course_verified = 0 order by all"""
    # 12: with dev1 upgraded, an elective remains; 14: the upgrade of an elective is the last certificate
    assert tracks.rows(query) == [(12, "dev1", "dev4", "enrol"), (14, "dev4", None, "none left")]


def test_summaries_count_by_the_nearest_track(tracks: Build) -> None:
    query = "select all_but_one_certified, whole_series_certified from program_summary"
    assert tracks.rows(query) == [(6, 3)]
    # 12; 2, 11, 14 and 16; 1, 13 and 15; 3; 4, 21 and 22
    assert tracks.rows("from certificate_summary where learners > 0") == [
        (1, 1, 0, 0),
        (2, 4, 3, 0),
        (3, 3, 1, 1),
        (4, 1, 0, 1),
        (5, 3, 2, 1),
    ]
    assert tracks.rows("select count(*), max(no_certificate_eligible) from certificate_summary") == [(19, 18)]


def test_electives_do_not_stand_in_for_a_core_course(tracks: Build) -> None:
    assert progress(tracks, 21, 22) == [
        (21, "Policy", 5, 1, "one to go", "pol3"),
        (22, "Policy", 5, 0, "series complete", None),
    ]
    query = """
        select student_id, no_certificate_eligible, certificates_required, next_course
        from mailout where student_id > 20"""
    assert tracks.rows(query) == [(21, 4, 5, "pol3")]


def test_a_report_page_names_the_tracks(tracks: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    page = report_page(tracks, monkeypatch)
    assert "all certificates of a track" in page
    # complete, one to go, nearest
    cells = "".join(f'<td class="number">{count}</td>' for count in (1, 2, 2))
    assert f'<th scope="row">Social</th>{cells}' in page


def report_page(build: Build, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("MM_DATABASE_DIR", str(build.place.database))
    # the program is in that place's seeds alone
    monkeypatch.setattr("mm.published.check_program", str)
    path = build.place.root / f"{build.program}.html"
    return write_report(build.program, path, now=datetime(2020, 6, 2, tzinfo=UTC)).read_text("utf-8")


# ---- what is said of a course, or of a run ----


@pytest.fixture(scope="module")
def odd_courses(new_place: NewPlace) -> dict[str, Build]:
    """Build buslead and corpinn, which share courses; buslead2x is no more, and corpinn has no capstone."""
    place = new_place()
    place.change_seed("courses.csv", "UQx_CORPINN5x,0.5,true\n", "UQx_CORPINN5x,0.5,false\n")
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
        [
            "corpinn_lead,coming,UQx_BUSLEAD1x_1T2019,Becoming an Effective Leader,https://www.example.org/x",
            "corpinn5x,coming,UQx_CORPINN5x_1T2019,Corporate Innovation,https://www.example.org/y",
        ],
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
    # 6: three of the four that are needed; 7: four
    for number, learners in {"1": (2, 6, 7), "2": (6, 7), "3": (6, 7), "5": (7,)}.items():
        own = grade_report(*(grade_row(learner, *CERTIFIED) for learner in learners))
        place.write("corpinn", f"UQx_CORPINN{number}x_1T2019_grade_report_{STAMP}.csv", own)
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


def test_courses_without_a_capstone_need_no_rows(
    odd_courses: dict[str, Build], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert progress(odd_courses["corpinn"], 6, 7) == [
        (6, "series", 4, 1, "one to go", "corpinn4x"),
        (7, "series", 4, 0, "series complete", None),
    ]
    assert "of a track" not in report_page(odd_courses["corpinn"], monkeypatch)


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
        (6, "Y", "-", "-", 3),
        (7, "Y", "-", "-", 4),
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
        ("corpinn_lead", "UQx_BUSLEAD1x_1T2018", (), ["grade_report"]),
        ("corpinn_lead", "UQx_BUSLEAD1x_1T2019", ("coming",), ["grade_report"]),
        ("buslead3x", "UQx_BUSLEAD3x_1T2019", ("current", "coming"), ["grade_report"]),
    ]
    assert unreadable == []


def test_nothing_of_another_programs_own_courses_is_read(odd_courses: dict[str, Build]) -> None:
    query = """
        select distinct split_part(file_name, '_', 2)
        from report_files where file_name like '../%' order by 1"""
    assert odd_courses["corpinn"].rows(query) == [("BUSLEAD1x",), ("BUSLEAD3x",)]
    assert odd_courses["buslead"].rows(query) == [("BUSLEAD3x",)]
