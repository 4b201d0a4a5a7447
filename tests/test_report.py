"""The report's rules, each with a learner of its own, in one build of the program lgdm.

Its courses all pass at 0.65; lgdm5x is the capstone.
"""

from datetime import datetime
from textwrap import dedent

import pytest
from report_fixtures import (
    Build,
    NewPlace,
    Place,
    Row,
    address,
    grade_report,
    grade_row,
    profile_report,
    profile_row,
    username,
)

ODD_NAME = "=Pupil \"Lee\", of\r\nTwo; 'Lines' 李 \\ %s {{ x }}"
RETIRED = "retired__user_" + "4f" * 20


@pytest.fixture(scope="module")
def report(new_place: NewPlace) -> Build:
    """Build a program with the learners of all the rules."""
    place = new_place()
    write_first_course(place)
    write_other_courses(place)
    write_profiles(place)
    return place.build("lgdm").passed()


def write_first_course(place: Place) -> None:
    """Write four runs of one course: the later a run, the earlier its download."""
    place.write(
        "lgdm",
        "UQx_LGDM1x_3T2018_grade_report_2019-12-04-0000.csv",
        grade_report(
            grade_row(104, "0.7", "professional", "Y"),
            grade_row(105, "0.9", "audit"),
            grade_row(113, "0.1", "audit"),
            grade_row(114, "0.1", "audit"),
            grade_row(115, "0.1", "audit"),
            grade_row(122, "0.5", "audit"),
            grade_row(124, "0.8", "verified"),
        ),
    )
    place.write(
        "lgdm",
        "UQx_LGDM1x_1T2019_grade_report_2019-12-03-0000.csv",
        grade_report(
            grade_row(103, "0.8", "verified", "Y"),
            grade_row(104, "0.9", "honor", "Y"),
            grade_row(113, "0.2", "honor"),
            grade_row(114, "0.2", "honor"),
            grade_row(115, "0.2", "honor"),
            grade_row(117, "0.7", "audit"),
        ),
    )
    place.write(
        "lgdm",
        "UQx_LGDM1x_1T2019a_grade_report_2019-12-02-0000.csv",
        grade_report(
            grade_row(104, "0.66", "verified", "Y"),
            grade_row(113, "0.3", "credit"),
            grade_row(114, "0.3", "credit"),
        ),
    )
    place.write(
        "lgdm",
        "UQx_LGDM1x_3T2019_grade_report_2019-12-01-0000.csv",
        grade_report(
            grade_row(103, "0.1", "audit"),
            grade_row(105, "0.2", "audit"),
            grade_row(106, "0.65", "audit"),
            grade_row(107, "0.64", "audit"),
            grade_row(108, "0.8", "audit"),
            grade_row(111, "0.8", "verified"),
            grade_row(112, "0.0", "audit", "Y"),
            grade_row(113, "0.4", "masters"),
            grade_row(116, "1.0", "platinum"),
            grade_row(117, "0.1", ""),
            grade_row(122, "0.5", "verified"),
            grade_row(123, "0.9", "verified", "Y", status="unenrolled"),
            grade_row(124, "0.1", "audit"),
            grade_row(125, "0.9", "verified", "Y"),
            grade_row(126, "0.7", "audit"),
            grade_row(128, "1", "verified", "Y"),
        ),
    )


def write_other_courses(place: Place) -> None:
    """Write one run of each of the other courses; one of them has an older download, too."""
    place.write(
        "lgdm",
        "UQx_LGDM2x_1T2019_grade_report_2019-04-01-0000.csv",
        grade_report(
            grade_row(127, "0.9", "verified", "Y"),
            grade_row(129, "0.9", "verified", "Y"),
        ),
    )
    place.write(
        "lgdm",
        "UQx_LGDM2x_1T2019_grade_report_2019-05-01-1230.csv",
        grade_report(
            grade_row(102, "0.4", "audit"),
            (118, "Pupil118@Learners.Example.ORG", "Pupil_118", *grade_row(118, "0.0", "audit")[3:]),
            (119, f"{RETIRED}@retired.invalid", RETIRED, *grade_row(119, "0.0", "audit")[3:]),
            grade_row(121, "0.0", "audit"),
            grade_row(125, "0.9", "verified", "Y"),
            grade_row(126, "0.7", "audit"),
            grade_row(127, "0.3", "audit"),
        ),
    )
    # Downloaded before June 2018, when passing audit learners were eligible, too.
    place.write(
        "lgdm",
        "UQx_LGDM3x_1T2018_grade_report_2018-05-01-0000.csv",
        grade_report(
            grade_row(110, "0.7", "audit", "Y"),
            grade_row(125, "0.9", "verified", "Y"),
            grade_row(126, "0.7", "audit"),
        ),
    )
    place.write(
        "lgdm",
        "UQx_LGDM4x_1T2019_grade_report_2019-05-01-0000.csv",
        grade_report(grade_row(125, "0.9", "verified", "Y"), grade_row(126, "0.7", "audit")),
    )
    place.write(
        "lgdm",
        "UQx_LGDM5x_1T2019_grade_report_2019-05-01-0000.csv",
        grade_report(
            grade_row(108, "0.9", "verified", "Y"),
            grade_row(109, "0.9", "audit"),
            grade_row(125, "0.9", "verified", "Y"),
            grade_row(126, "0.7", "audit"),
        ),
    )


def write_profiles(place: Place) -> None:
    """Write profiles of three runs; every grade report is newer than they, except lgdm3x's."""
    place.write(
        "lgdm",
        "UQx_LGDM1x_3T2018_student_profile_info_2019-01-01-0000.csv",
        profile_report(
            profile_row(103, "Pupil Old Name", "DE", email="old.pupil@learners.example.org"),
            profile_row(104, "Pupil Older", "FR"),
            profile_row(121, "Pupil Kept", "PT", username="old_pupil"),
        ),
    )
    place.write(
        "lgdm",
        "UQx_LGDM1x_1T2019_student_profile_info_2019-02-01-0000.csv",
        profile_report(
            # Changed since: the newest profile counts, and it counts before newer grade reports.
            profile_row(103, "Pupil New Name", "AT", email="New.Pupil@learners.example.org"),
            # The newest profile has no country: the newest that has one counts.
            profile_row(104, "Pupil Newer", "None"),
            # All but the username is missing: name and country are the older profile's, the address
            # the grade report's.
            profile_row(121, "None", "None", email="None"),
            # Somebody is called "none", and nobody is in a country of that name.
            profile_row(106, "none", "none"),
            profile_row(107, "", ""),
            profile_row(118, ODD_NAME, "NA", username="Pupil_118", email="Pupil118@Learners.Example.ORG"),
        ),
    )
    # An older download of the same run, which the newer one replaces.
    place.write(
        "lgdm",
        "UQx_LGDM1x_1T2019_student_profile_info_2019-01-31-2359.csv",
        profile_report(profile_row(103, "Pupil Superseded", "US"), profile_row(130, "Pupil Gone", "US")),
    )
    place.write(
        "lgdm",
        "UQx_LGDM2x_1T2019_student_profile_info_2018-12-01-0000.csv",
        profile_report(profile_row(101, "Pupil Profile-Only", "AU")),
    )


def wide(  # noqa: PLR0913 - one argument per part of the row
    student_id: int,
    courses: str,
    eligible: int,
    audited: int,
    *,
    called: str | None = None,
    country: str | None = None,
    email: str | None = None,
    user: str | None = None,
) -> Row:
    """Write the row of the wide table from `track passed` of the five courses."""
    cells = [cell for course in courses.split("|") for cell in course.split()]
    return (
        student_id,
        user or username(student_id),
        email or address(student_id),
        called,
        *cells,
        eligible,
        audited,
        country,
    )


# By hand from the files above, learner by learner.
WIDE_ROWS = [
    # only in a profile report: never enrolled anywhere that a grade report tells of
    wide(101, "- - | - - | - - | - - | - -", 0, 0, called="Pupil Profile-Only", country="AU"),
    # only in a grade report: no name, no country
    wide(102, "- - | audit N | - - | - - | - -", 0, 0),
    # eligible in an old run, failed in the newest
    wide(
        103,
        "verified Y | - - | - - | - - | - -",
        1,
        0,
        called="Pupil New Name",
        country="AT",
        # the newest report of either kind is a grade report
        email=address(103),
    ),
    # eligible in 3T2018 (professional), 1T2019 (honor) and 1T2019a (verified): the newest's track
    wide(104, "verified Y | - - | - - | - - | - -", 1, 0, called="Pupil Newer", country="FR"),
    # passed in an old run, failed in the newest, never eligible
    wide(105, "audit N | - - | - - | - - | - -", 0, 0),
    # just the pass grade
    wide(106, "audit Y | - - | - - | - - | - -", 0, 1, called="none"),
    # just below it
    wide(107, "audit N | - - | - - | - - | - -", 0, 0),
    # the capstone's certificate counts
    wide(108, "audit Y | - - | - - | - - | verified Y", 1, 1),
    # the capstone passed in audit does not
    wide(109, "- - | - - | - - | - - | audit Y", 0, 0),
    # passing audit learner who was eligible before June 2018: counts in both
    wide(110, "- - | - - | audit Y | - - | - -", 1, 1),
    # passed on the verified track, not (yet) eligible
    wide(111, "verified Y | - - | - - | - - | - -", 0, 0),
    # on edX's allow list: eligible with grade 0 in audit
    wide(112, "audit Y | - - | - - | - - | - -", 1, 1),
    # in all four runs, in three, in two: 3T2018 < 1T2019 < 1T2019a < 3T2019
    wide(113, "masters N | - - | - - | - - | - -", 0, 0),
    wide(114, "credit N | - - | - - | - - | - -", 0, 0),
    wide(115, "honor N | - - | - - | - - | - -", 0, 0),
    # a track nobody knows is kept
    wide(116, "platinum Y | - - | - - | - - | - -", 0, 0),
    wide(
        118,
        "- - | audit N | - - | - - | - -",
        0,
        0,
        called=ODD_NAME,
        country="NA",
        email="Pupil118@Learners.Example.ORG",
        user="Pupil_118",
    ),
    wide(119, "- - | audit N | - - | - - | - -", 0, 0, email=f"{RETIRED}@retired.invalid", user=RETIRED),
    wide(121, "- - | audit N | - - | - - | - -", 0, 0, called="Pupil Kept", country="PT"),
    wide(122, "verified N | - - | - - | - - | - -", 0, 0),
    # left the course: still in the report
    wide(123, "verified Y | - - | - - | - - | - -", 1, 0),
    wide(124, "audit N | - - | - - | - - | - -", 0, 0),
    # five certificates, the capstone's among them
    wide(125, "verified Y | verified Y | verified Y | verified Y | verified Y", 5, 0),
    # four audited, and the capstone is not one of the series
    wide(126, "audit Y | audit Y | audit Y | audit Y | audit Y", 0, 4),
    # eligible in an older download only: the newest counts
    wide(127, "- - | audit N | - - | - - | - -", 0, 0),
    # a spreadsheet saves 1.0 as 1
    wide(128, "verified Y | - - | - - | - - | - -", 1, 0),
]


@pytest.mark.parametrize("expected", WIDE_ROWS, ids=lambda row: str(row[0]))
def test_wide_table_row(report: Build, expected: Row) -> None:
    query = f"from lgdm_coursecompletion where student_id = {expected[0]}"
    assert report.rows(query) == [expected]


def test_wide_table_has_each_learner_once_and_nobody_of_a_superseded_download(report: Build) -> None:
    # 117 has a test of its own. 129 and 130 are in superseded downloads only.
    expected = sorted([*(row[0] for row in WIDE_ROWS), 117])
    assert [row[0] for row in report.rows("from lgdm_coursecompletion order by 1")] == expected


COLUMNS = {
    "lgdm_coursecompletion": """
        student_id BIGINT, username VARCHAR, email VARCHAR, name VARCHAR,
        lgdm1x_enrollment_track VARCHAR, lgdm1x_passed VARCHAR,
        lgdm2x_enrollment_track VARCHAR, lgdm2x_passed VARCHAR,
        lgdm3x_enrollment_track VARCHAR, lgdm3x_passed VARCHAR,
        lgdm4x_enrollment_track VARCHAR, lgdm4x_passed VARCHAR,
        lgdm5x_enrollment_track VARCHAR, lgdm5x_passed VARCHAR,
        no_certificate_eligible INTEGER, no_audited_passed INTEGER, country VARCHAR""",
    "learners": """
        student_id BIGINT, username VARCHAR, email VARCHAR, name VARCHAR, country VARCHAR,
        is_retired BOOLEAN, first_reported_at TIMESTAMP, last_reported_at TIMESTAMP""",
    "course_instancedetails": """
        learner_id BIGINT, course VARCHAR, course_instance VARCHAR, term VARCHAR, year INTEGER,
        grade DOUBLE, enrollment_track VARCHAR, verification_status VARCHAR,
        certificate_eligible VARCHAR, certificate_delivered VARCHAR, certificate_type VARCHAR,
        enrollment_status VARCHAR, audit_passed VARCHAR, file_name VARCHAR, reported_at TIMESTAMP,
        is_carried_over BOOLEAN""",
    "learner_courses": """
        student_id BIGINT, program VARCHAR, course VARCHAR, position INTEGER, is_capstone BOOLEAN,
        enrollment_track VARCHAR, passed VARCHAR, is_certificate_eligible BOOLEAN,
        is_verified_passed BOOLEAN, is_audit_passed BOOLEAN, is_settled BOOLEAN,
        deciding_course_instance VARCHAR, decided_by VARCHAR, latest_course_instance VARCHAR,
        latest_grade DOUBLE, best_course_instance VARCHAR, best_grade DOUBLE, ever_passed BOOLEAN,
        runs_taken INTEGER""",
    "courses": """
        program VARCHAR, course VARCHAR, position INTEGER, title VARCHAR, file_prefix VARCHAR,
        pass_grade DOUBLE, is_capstone BOOLEAN, is_offered BOOLEAN""",
    "course_runs": """
        course VARCHAR, run_role VARCHAR, course_instance VARCHAR, title VARCHAR, link VARCHAR,
        starts_on DATE, ends_on DATE, enrollment_ends_on DATE, upgrade_ends_on DATE""",
    "report_files": """
        file_name VARCHAR, report_kind VARCHAR, course VARCHAR, course_instance VARCHAR,
        reported_at TIMESTAMP, status VARCHAR, reason VARCHAR, row_count BIGINT,
        rejected_row_count BIGINT, size_bytes BIGINT, learner_count BIGINT, learners_gone BIGINT,
        certificates_gone BIGINT""",
    "rejected_rows": "file_name VARCHAR, line BIGINT, reason VARCHAR, raw_text VARCHAR",
}


@pytest.mark.parametrize("table", COLUMNS)
def test_columns_and_types(report: Build, table: str) -> None:
    described = report.rows(f"select column_name, column_type from (describe {table})")
    expected = [tuple(column.split()) for column in dedent(COLUMNS[table]).split(",")]
    assert described == expected


def test_programs_has_the_seeds_row(report: Build) -> None:
    assert report.rows("select program, title, certificates_required from programs") == [
        ("lgdm", "Leadership in Global Development", 4)
    ]


def test_courses_has_the_seeds_rows_in_order(report: Build) -> None:
    query = "select course, position, file_prefix, pass_grade, is_capstone from courses order by 2"
    assert report.rows(query) == [
        ("lgdm1x", 1, "UQx_LGDM1x", 0.65, False),
        ("lgdm2x", 2, "UQx_LGDM2x", 0.65, False),
        ("lgdm3x", 3, "UQx_LGDM3x", 0.65, False),
        ("lgdm4x", 4, "UQx_LGDM4x", 0.65, False),
        ("lgdm5x", 5, "UQx_LGDM5x", 0.65, True),
    ]


def test_course_runs_has_the_seeds_rows(report: Build) -> None:
    query = "select course, run_role, course_instance from course_runs order by course, run_role"
    assert report.rows(query) == [
        ("lgdm1x", "coming", "UQx_LGDM1x_1T2019"),
        ("lgdm1x", "current", "UQx_LGDM1x_1T2019"),
        ("lgdm2x", "coming", "UQx_LGDM2x_1T2019"),
        ("lgdm2x", "current", "UQx_LGDM2x_1T2019"),
        ("lgdm3x", "coming", "UQx_LGDM3x_1T2018"),
        ("lgdm3x", "current", "UQx_LGDM3x_1T2018"),
        ("lgdm4x", "coming", "UQx_LGDM4x_1T2019"),
        ("lgdm4x", "current", "UQx_LGDM4x_1T2019"),
    ]


def test_no_warning_for_current_runs_that_are_there(report: Build) -> None:
    assert "has no grade report in the folder" not in report.output


def learner_course(report: Build, student_id: int, course: str, columns: str) -> Row:
    """Read what learner_courses says of one learner in one course."""
    rows = report.rows(
        f"select {columns} from learner_courses where student_id = {student_id} and course = '{course}'"
    )
    assert len(rows) == 1
    return rows[0]


def test_learner_courses_row_in_full(report: Build) -> None:
    # 103: 1T2019 verified 0.8 eligible, 3T2019 audit 0.1.
    assert learner_course(report, 103, "lgdm1x", "*") == (
        *(103, "lgdm", "lgdm1x", 1, False),
        *("verified", "Y", True, True, False, True),
        *("UQx_LGDM1x_1T2019", "certificate", "UQx_LGDM1x_3T2019", 0.1),
        *("UQx_LGDM1x_1T2019", 0.8, True, 2),
    )


def test_capstone_is_marked(report: Build) -> None:
    assert learner_course(report, 109, "lgdm5x", "position, is_capstone") == (5, True)


def test_learner_courses_has_no_row_for_a_course_never_enrolled_in(report: Build) -> None:
    assert report.rows("select course from learner_courses where student_id = 102") == [("lgdm2x",)]
    assert report.rows("from learner_courses where student_id = 101") == []


def test_the_newest_eligible_run_decides(report: Build) -> None:
    columns = "deciding_course_instance, decided_by, latest_course_instance, runs_taken"
    assert learner_course(report, 104, "lgdm1x", columns) == (
        "UQx_LGDM1x_1T2019a",
        "certificate",
        "UQx_LGDM1x_1T2019a",
        3,
    )


def test_the_newest_run_decides_where_none_is_eligible(report: Build) -> None:
    columns = "deciding_course_instance, decided_by, runs_taken"
    assert learner_course(report, 105, "lgdm1x", columns) == ("UQx_LGDM1x_3T2019", "newest run", 2)


def test_best_run_is_told_beside_the_latest(report: Build) -> None:
    # 104: 0.7 in 3T2018, 0.9 in 1T2019, 0.66 in 1T2019a.
    columns = "best_course_instance, best_grade, latest_course_instance, latest_grade"
    assert learner_course(report, 104, "lgdm1x", columns) == (
        "UQx_LGDM1x_1T2019",
        0.9,
        "UQx_LGDM1x_1T2019a",
        0.66,
    )


def test_of_runs_with_the_same_grade_the_newest_is_the_best(report: Build) -> None:
    # 122: 0.5 in 3T2018 and in 3T2019.
    columns = "best_course_instance, best_grade"
    assert learner_course(report, 122, "lgdm1x", columns) == ("UQx_LGDM1x_3T2019", 0.5)


@pytest.mark.parametrize(
    ("student_id", "course", "expected"),
    [
        (103, "lgdm1x", True),  # eligible in an old run
        (105, "lgdm1x", True),  # 0.9 in an old run, never eligible, and the report says N
        (106, "lgdm1x", True),  # just the pass grade
        (107, "lgdm1x", False),  # 0.64
        (112, "lgdm1x", True),  # eligible with grade 0
        (127, "lgdm2x", False),  # passed in a superseded download only
    ],
)
def test_ever_passed(report: Build, student_id: int, course: str, *, expected: bool) -> None:
    assert learner_course(report, student_id, course, "ever_passed") == (expected,)


@pytest.mark.parametrize(
    ("student_id", "course", "expected"),
    [
        (103, "lgdm1x", True),  # eligible and verified
        (104, "lgdm1x", True),  # eligible as professional and verified
        (108, "lgdm5x", True),
        (110, "lgdm3x", False),  # eligible in audit, before June 2018
        (111, "lgdm1x", False),  # verified and passed, but not eligible
        (112, "lgdm1x", False),  # eligible in audit, by the allow list
        (116, "lgdm1x", False),  # a track nobody knows
    ],
)
def test_is_verified_passed(report: Build, student_id: int, course: str, *, expected: bool) -> None:
    assert learner_course(report, student_id, course, "is_verified_passed") == (expected,)


@pytest.mark.parametrize(
    ("student_id", "course", "expected"),
    [
        (103, "lgdm1x", True),  # eligible in an old run
        (105, "lgdm1x", False),  # passed in audit
        (110, "lgdm3x", True),  # eligible, whatever the track
        (111, "lgdm1x", True),  # verified and passed: the certificate is due
        (113, "lgdm1x", False),  # on a verified track (masters) and failed
        (116, "lgdm1x", False),  # passed on a track nobody knows
        (124, "lgdm1x", True),  # verified and passed in an old run, failed in audit in the newest
    ],
)
def test_is_settled(report: Build, student_id: int, course: str, *, expected: bool) -> None:
    assert learner_course(report, student_id, course, "is_settled") == (expected,)


@pytest.mark.parametrize(
    ("student_id", "course", "expected"),
    [
        (106, "lgdm1x", True),
        (107, "lgdm1x", False),
        (109, "lgdm5x", True),  # a fact of the course; the wide table's count leaves the capstone out
        (110, "lgdm3x", True),
        (111, "lgdm1x", False),
        (116, "lgdm1x", False),
    ],
)
def test_is_audit_passed(report: Build, student_id: int, course: str, *, expected: bool) -> None:
    assert learner_course(report, student_id, course, "is_audit_passed") == (expected,)


def test_an_empty_track_of_the_newest_run_is_not_an_older_runs_track(report: Build) -> None:
    # 117: audit 0.7 in 1T2019, no track and 0.1 in 3T2019, which decides.
    columns = "deciding_course_instance, enrollment_track, passed, is_audit_passed"
    assert learner_course(report, 117, "lgdm1x", columns) == ("UQx_LGDM1x_3T2019", None, "N", False)


def test_course_instancedetails_row_in_full(report: Build) -> None:
    query = "from course_instancedetails where learner_id = 106"
    assert report.rows(query) == [
        (
            *(106, "lgdm1x", "UQx_LGDM1x_3T2019", "3", 2019, 0.65),
            *("audit", "N/A", "N", "N", "N/A", "enrolled", "Y"),
            "UQx_LGDM1x_3T2019_grade_report_2019-12-01-0000.csv",
            datetime(2019, 12, 1),  # noqa: DTZ001 - UTC, in a column without a zone
            False,
        )
    ]


@pytest.mark.parametrize(
    ("student_id", "course", "audit_passed"),
    [
        (106, "lgdm1x", "Y"),
        (107, "lgdm1x", "N"),  # 0.64
        (111, "lgdm1x", "N"),  # passed, but verified
        (112, "lgdm1x", "N"),  # eligible in audit with grade 0
        (109, "lgdm5x", "Y"),
    ],
)
def test_audit_passed(report: Build, student_id: int, course: str, audit_passed: str) -> None:
    query = f"""
        select audit_passed from course_instancedetails
        where learner_id = {student_id} and course = '{course}'"""
    assert report.rows(query) == [(audit_passed,)]


def test_details_have_one_row_per_run_and_nothing_of_superseded_downloads(report: Build) -> None:
    # 7 + 6 + 3 + 16 of lgdm1x, 7 of lgdm2x's newest, 3, 2 and 4 of the others.
    query = "select course, count(*)::integer from course_instancedetails group by 1 order by 1"
    assert report.rows(query) == [("lgdm1x", 32), ("lgdm2x", 7), ("lgdm3x", 3), ("lgdm4x", 2), ("lgdm5x", 4)]


def test_left_learners_are_kept_and_marked(report: Build) -> None:
    query = "select enrollment_status from course_instancedetails where learner_id = 123"
    assert report.rows(query) == [("unenrolled",)]


def test_retired_accounts_are_marked(report: Build) -> None:
    assert report.rows("select student_id from learners where is_retired") == [(119,)]


def test_first_and_last_report_of_a_learner(report: Build) -> None:
    # 103 is in the profiles of 2019-01-01 and 2019-02-01 and the grade reports of 2019-12-01 and -03.
    query = "select first_reported_at, last_reported_at from learners where student_id = 103"
    assert report.rows(query) == [(datetime(2019, 1, 1), datetime(2019, 12, 3))]  # noqa: DTZ001


def test_older_downloads_are_superseded_and_say_by_what(report: Build) -> None:
    query = "select file_name, reason from report_files where status != 'used' order by 1"
    rows = report.rows(query)
    assert [name for name, _ in rows] == [
        "UQx_LGDM1x_1T2019_student_profile_info_2019-01-31-2359.csv",
        "UQx_LGDM2x_1T2019_grade_report_2019-04-01-0000.csv",
    ]
    assert "UQx_LGDM1x_1T2019_student_profile_info_2019-02-01-0000.csv" in rows[0][1]
    assert "UQx_LGDM2x_1T2019_grade_report_2019-05-01-1230.csv" in rows[1][1]


def test_report_files_row_in_full(report: Build) -> None:
    name = "UQx_LGDM2x_1T2019_grade_report_2019-05-01-1230.csv"
    size = (report.place.data / "lgdm" / name).stat().st_size
    assert report.rows(f"from report_files where file_name = '{name}'") == [
        (
            *(name, "grade_report", "lgdm2x", "UQx_LGDM2x_1T2019"),
            datetime(2019, 5, 1, 12, 30),  # noqa: DTZ001 - UTC, in a column without a zone
            # 7 learners; of April's download one is gone, and two certificates
            *("used", None, 7, 0, size, 7, 1, 2),
        )
    ]


def test_every_file_is_on_record_once(report: Build) -> None:
    files = sorted(path.name for path in (report.place.data / "lgdm").iterdir())
    assert [name for (name,) in report.rows("select file_name from report_files order by 1")] == files


def test_a_track_nobody_knows_is_warned_about_with_its_count(report: Build) -> None:
    warning = next(line for line in report.output.splitlines() if "enrollment_tracks.csv" in line)
    assert "enrollment_tracks.csv: 2. They count as not verified." in warning
    # the cell may be an address that went astray
    assert "platinum" not in warning


def test_nothing_that_dbt_writes_names_a_learner(report: Build) -> None:
    assert "pupil" not in report.everything_written().lower()
