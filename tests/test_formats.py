"""Every era, name and dialect of edX's downloads, in one build of the program engy (pass grade 0.7).

Each course of the program stands for one question: engy0x and engy1x for the order of runs, engy2x for
profile reports, engy3x for names, engycapx for grade reports' headers and dialects.
"""

import csv
from datetime import datetime

import pytest
from report_fixtures import (
    G4_MINIMAL,
    PROFILE,
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
    username,
)

STAMP = "2018-12-01-0000"

# ---- run codes ----

# Oldest first: by year, then term, then suffix (none < a < b, none < _2 < _10). A year alone stands before
# its terms. The codes are those of edX's partners, the shapes are all that are known.
RUNS_IN_ORDER = [
    ("2012", 2012, None),
    ("2013_Fall", 2013, "Fall"),
    ("2014_T1", 2014, "1"),
    ("2015", 2015, None),
    ("2015_3T", 2015, "3"),
    ("2016_T2", 2016, "2"),
    ("3T2016", 2016, "3"),
    ("4T2016", 2016, "4"),
    ("1T2017", 2017, "1"),
    ("1T2017_2", 2017, "1"),
    ("1T2017_10", 2017, "1"),
    ("3T2018", 2018, "3"),
    ("3T2018a", 2018, "3"),
    ("1T2019", 2019, "1"),
    ("1T2019a", 2019, "1"),
    ("1T2019b", 2019, "1"),
    ("3T2019", 2019, "3"),
    ("2T2020", 2020, "2"),
    ("1T2022", 2022, "1"),
    ("2024_2", 2024, "2"),
    ("2025_fall", 2025, "fall"),
]
# The same again for codes whose place among the ones above would be a tie. `pilot-b` has no year, so it
# stands before all that have one, whenever it was downloaded.
OTHER_RUNS_IN_ORDER = [
    ("pilot-b", None, None),
    ("2013_SOND", 2013, "SOND"),
    ("1T2014", 2014, "1"),
    ("T32015", 2015, "3"),
    ("2T_2016", 2016, "2"),
    ("3T2020", 2020, "3"),
]
NUMBERED_RUNS_IN_ORDER = [("Run_0", None, None), ("R12", None, None)]


def write_runs(place: Place, prefix: str, codes: list[str], first_id: int) -> None:
    """Write runs so that each learner is in two neighbours; what is later has the earlier download."""
    pairs = range(first_id, first_id + len(codes) - 1)
    for number, code in enumerate(codes):
        stamp = "2017-06-01-0000" if code == "pilot-b" else f"2018-12-01-00{59 - number:02}"
        place.write(
            "engy",
            f"{prefix}_{code}_grade_report_{stamp}.csv",
            grade_report(
                *(
                    grade_row(learner, "0.5", "audit")
                    for learner in (first_id + number - 1, first_id + number)
                    if learner in pairs
                )
            ),
        )


# ---- grade reports: headers ----

ENROLLMENT = (
    "Enrollment Track,Verification Status,Certificate Eligible,Certificate Delivered,Certificate Type"
)
GROUPS = "Cohort Name,Experiment Group (Signup wording),Team Name"
G2 = f"id,email,username,grade,HW 01,HW 02,HW Avg,Final,{GROUPS},{ENROLLMENT}"
WHO = "Student ID,Email,Username,Grade"
G3 = f"{WHO},Homework 1: Week one,Homework 2: Week two,Homework (Avg),Final Exam,{GROUPS},{ENROLLMENT}"
G4 = G3 + ",Enrollment Status"
TWO_LINES = f"UQx_ENGYCAPx_3T2023_grade_report_{STAMP}.csv"
BIG_CELL = "x" * 200_000


def who(student_id: int) -> Row:
    """Write the first cells of a grade report's row."""
    return (student_id, address(student_id), username(student_id), "0.71")


TAIL = ("verified", "Not ID Verified", "Y", "Y", "honor")
ENROLLED = (*TAIL, "enrolled")
HOMEWORK = ("0.666666666667", "Not Attempted", "None", "0.0", "A, B", "", "[unassigned]")
# run: header, cells after the grade, line end. All say the same of one learner of their own.
GRADE_REPORTS: dict[str, tuple[str, Row, str]] = {
    "1T2015": (G2, (*HOMEWORK, *TAIL), "\r\n"),
    # before teams, without cohorts and experiments
    "2T2015": (f"id,email,username,grade,HW 01,HW Avg,{ENROLLMENT}", ("0.1", "0.1", *TAIL), "\r\n"),
    "1T2016": (G3, (*HOMEWORK, *TAIL), "\r\n"),
    "1T2017": (G4, (*HOMEWORK, *ENROLLED), "\r\n"),
    "2T2017": (G4_MINIMAL, ENROLLED, "\r\n"),
    "3T2017": (G4_MINIMAL, ENROLLED, "\n"),
    "1T2018": ("\ufeff" + G4_MINIMAL, ENROLLED, "\r\n"),
    "2T2018": ("\ufeff" + G4_MINIMAL, ENROLLED, "\n"),
    "3T2018": ("\ufeff" + G2, (*HOMEWORK, *TAIL), "\n"),
    # assignments that are called like edX's own columns, before the enrolment block
    "1T2019": (
        f"{WHO},{WHO},{ENROLLMENT},Enrollment Status,{ENROLLMENT},Enrollment Status",
        ("0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "N", "N", "0.9", "1.0", *ENROLLED),
        "\r\n",
    ),
    # the same before there was an Enrollment Status: the assignment must not be taken for it
    "2T2019": (
        f"{WHO},Certificate Type,Enrollment Status,{ENROLLMENT}",
        ("0.1", "0.2", *TAIL),
        "\r\n",
    ),
    # names that are there twice, with quotes, commas, emoji
    "3T2019": (
        f'{WHO},Quiz,Quiz,"Quiz 2: Power, ""people""","Essay \U0001f41d",{ENROLLMENT},Enrollment Status',
        ("0.1", "0.2", "0.3", "0.4", *ENROLLED),
        "\r\n",
    ),
    # columns of forks and plugins: appended, and after Username
    "1T2020": (
        f"{G4_MINIMAL},certificate_obtained_date,Course ID",
        (*ENROLLED, "2019-01-01", "course-v1:UQx+ENGYCAPx+1T2020"),
        "\r\n",
    ),
    "2T2020": (
        f"{WHO},Grade Percent,{ENROLLMENT},Enrollment Status,Progress",
        ("71", *ENROLLED, "12"),
        "\r\n",
    ),
    # two experiments
    "1T2021": (
        f"{WHO},Experiment Group (A),Experiment Group (B),{ENROLLMENT},Enrollment Status",
        ("", "Group 1", *ENROLLED),
        "\r\n",
    ),
    "2T2021": (
        f"{WHO},{','.join(f'Quiz {n}: Week {n}' for n in range(1, 301))},{ENROLLMENT},Enrollment Status",
        (*["Not Attempted"] * 300, *ENROLLED),
        "\r\n",
    ),
    "3T2021": (f"{WHO},Essay,{ENROLLMENT},Enrollment Status", (BIG_CELL, *ENROLLED), "\r\n"),
    # line breaks of every kind inside a cell
    "1T2022": (
        f"{WHO},Essay,{ENROLLMENT},Enrollment Status",
        ('One\r\ntwo\nthree "3"\r\n\r\n,five', *ENROLLED),
        "\r\n",
    ),
}
# learner 3000 is in the first of these runs, 3001 in the second, ...
GRADE_REPORT_IDS = {run: 3000 + number for number, run in enumerate(GRADE_REPORTS)}
WITHOUT_STATUS = {"1T2015", "2T2015", "1T2016", "3T2018", "2T2019"}


def write_grade_reports(place: Place) -> None:
    """Write each kind of header as a run of its own."""
    for run, (header, cells, line_end) in GRADE_REPORTS.items():
        row = (*who(GRADE_REPORT_IDS[run]), *cells)
        place.write(
            "engy",
            f"UQx_ENGYCAPx_{run}_grade_report_{STAMP}.csv",
            csv_text(header, [row], line_end),
        )
    # `Date Joined` after Username, as a fork has it, moves the grade from its place.
    place.write(
        "engy",
        f"UQx_ENGYCAPx_2T2022_grade_report_{STAMP}.csv",
        csv_text(
            f"Student ID,Email,Username,Date Joined,Grade,{ENROLLMENT},Enrollment Status",
            [(3100, address(3100), username(3100), "2018-01-01", "0.71", *ENROLLED)],
        ),
    )
    # A course without any learner.
    place.write("engy", f"UQx_ENGYCAPx_3T2022_grade_report_{STAMP}.csv", G4_MINIMAL + "\r\n")
    # The last line without its end.
    place.write(
        "engy",
        f"UQx_ENGYCAPx_1T2023_grade_report_{STAMP}.csv",
        csv_text(G4_MINIMAL, [(*who(3101), *ENROLLED)]).rstrip("\r\n"),
    )
    # An author's column has a line break that is not the file's, and the learner is there twice.
    place.write(
        "engy",
        TWO_LINES,
        csv_text(f'{WHO},"Essay\nin two parts",{ENROLLMENT}', [(*who(3200), "0.1", *TAIL)] * 2),
    )


# ---- profile reports: headers ----

# as the formats page has them, P0 to P7
PROFILE_HEADERS = {
    "1T2014": "id,username,name,email,language,location,year_of_birth,gender,level_of_education,"
    "mailing_address,goals,cohort",
    "1T2015": "id,username,name,email,language,location,year_of_birth,gender,level_of_education,"
    "mailing_address,goals,cohort,team,city,country",
    "1T2017": "id,username,name,email,language,location,year_of_birth,gender,level_of_education,"
    "mailing_address,goals,enrollment_mode,verification_status,cohort,team,city,country",
    "2T2019": "id,username,name,email,language,location,year_of_birth,gender,level_of_education,"
    "mailing_address,goals,enrollment_mode,verification_status,last_login,date_joined,cohort,team,city,"
    "country",
    "1T2021": "id,username,name,email,language,location,year_of_birth,gender,level_of_education,"
    "mailing_address,goals,enrollment_mode,verification_status,last_login,date_joined,external_user_key,"
    "cohort,team,city,country",
    "3T2021": "id,username,name,email,language,location,year_of_birth,gender,level_of_education,"
    "mailing_address,goals,enrollment_mode,last_login,date_joined,external_user_key,cohort,team,city,"
    "country",
    "1T2023": "id,username,name,email,language,location,gender,level_of_education,mailing_address,goals,"
    "enrollment_mode,last_login,date_joined,external_user_key,cohort,team,city,country",
    "3T2025": "id,username,name,email,language,location,gender,level_of_education,mailing_address,goals,"
    "enrollment_mode,last_login,date_joined,external_user_key,enrollment_date,cohort,team,city,country",
    # without cohorts and teams, with a BOM
    "1T2018": "\ufeff" + PROFILE,
    # a site's own choice of fields, in an order of its own, one of them there twice
    "2T2018": "country,meta.x,name,goals,goals,id",
}
PROFILE_IDS = {run: 4000 + number for number, run in enumerate(PROFILE_HEADERS)}


def write_profiles(place: Place) -> None:
    """Write each era's profile report for a run of its own, with text of many lines in it."""
    for run, header in PROFILE_HEADERS.items():
        student_id = PROFILE_IDS[run]
        known = {
            "id": str(student_id),
            "username": username(student_id),
            "name": f"Pupil, {run}",
            "email": address(student_id),
            "level_of_education": "none",
            "mailing_address": "1 High St\r\nSpringfield",
            "goals": 'To ""learn"",\n\nthen teach',
            "country": "MX",
        }
        row = [known.get(column, "None") for column in header.removeprefix("\ufeff").split(",")]
        place.write(
            "engy",
            f"UQx_ENGY2x_{run}_student_profile_info_{STAMP}.csv",
            csv_text(header, [row], "\n" if run == "1T2021" else "\r\n"),
        )
    place.write(
        "engy",
        f"UQx_ENGY2x_3T2018_student_profile_info_{STAMP}.csv",
        csv_text(
            PROFILE.replace("goals", "goals,name of pet"),
            [
                (
                    *(4100, username(4100), "Pupil Verbose", address(4100)),
                    *("", "", "None", "None", "None", "None", BIG_CELL, "None", "audit", "N/A", "None", "NZ"),
                )
            ],
        ),
    )


# ---- names ----

# Of each run two downloads, the one that counts first, and its stamp.
DOWNLOADS = {
    # a browser's copy
    "1T2016": ("1T2016_grade_report_2016-06-01-0000 (1)", "1T2016_grade_report_2016-06-01-0000"),
    # storage's tail at the same minute
    "2T2016": (
        "2T2016_grade_report_2016-10-28-2243_zLIXCea",
        "2T2016_grade_report_2016-10-28-2243",
    ),
    # the time cut off is the day's beginning
    "3T2016": ("3T2016_grade_report_2018-10-08-0100", "3T2016_grade_report_2018-10-08"),
    "4T2016": ("4T2016_grade_report_2018-10-08", "4T2016_grade_report_2018-10-07-2359"),
    # marked by hand
    "1T2017": ("1T2017_grade_report_2017-05-05-0101_sanitized", "1T2017_grade_report_2017-05-05-0100"),
    "2T2017": ("2T2017_grade_report_sanitized_2017-09-09-0909", "2T2017_grade_report_2017-09-08-0909"),
    # the letter case of a run's name varies
    "1T2018": ("1t2018_grade_report_2018-05-02-0000", "1T2018_grade_report_2018-05-01-0000"),
    # by name the older comes last
    "2T2018": ("2T2018_grade_report_2018-10-01-0000", "2T2018_grade_report_2018-09-30-0000 (2)"),
}
DOWNLOAD_IDS = {run: 5000 + number for number, run in enumerate(DOWNLOADS)}


def write_names(place: Place) -> None:
    """Write pairs of downloads of a run: who is on record with 0.9 was read from the one that counts."""
    for run, (counts, superseded) in DOWNLOADS.items():
        student_id = DOWNLOAD_IDS[run]
        for name, grade in ((counts, "0.9"), (superseded, "0.1")):
            prefix = "uqx_Engy3X" if name.startswith("1t") else "UQx_ENGY3x"
            place.write("engy", f"{prefix}_{name}.csv", grade_report(grade_row(student_id, grade, "audit")))
    # a URL-quoted key of the new style
    place.write(
        "engy",
        f"course-v1%3AUQx%2BENGY3x%2B3T2017_grade_report_{STAMP}.csv",
        grade_report(grade_row(5100, "0.9", "audit")),
    )
    # a coach's course made of a run is no download of that run
    place.write(
        "engy",
        f"UQx_ENGY3x_3T2018_grade_report_{STAMP}.csv",
        grade_report(grade_row(5101, "0.9", "audit")),
    )
    place.write(
        "engy",
        "UQx_ENGY3x_3T2018_ccx_7_grade_report_2021-12-02-0000.csv",
        grade_report(grade_row(5102, "0.9", "audit")),
    )
    # of another program, of nobody, and no CSV file at all
    place.write(
        "engy",
        f"UQx_LGDM1x_3T2018_grade_report_{STAMP}.csv",
        grade_report(grade_row(5103, "0.9", "audit")),
    )
    place.write(
        "engy",
        f"UQx_ENGY9x_3T2018_grade_report_{STAMP}.csv",
        grade_report(grade_row(5104, "0.9", "audit")),
    )
    # begins with a course's prefix, and is another course
    place.write(
        "engy",
        f"UQx_ENGY3xtra_3T2018_grade_report_{STAMP}.csv",
        grade_report(grade_row(5105, "0.9", "audit")),
    )
    place.write("engy", "notes.txt", "Not a report.")


@pytest.fixture(scope="module")
def formats(new_place: NewPlace) -> Build:
    """Build a program that has a file of each kind."""
    place = new_place()
    write_runs(place, "UQx_ENGY0x", [code for code, _, _ in RUNS_IN_ORDER], 1000)
    write_runs(place, "UQx_ENGY1x", [code for code, _, _ in OTHER_RUNS_IN_ORDER], 2000)
    write_runs(place, "UQx_ENGY2x", [code for code, _, _ in NUMBERED_RUNS_IN_ORDER], 2500)
    write_grade_reports(place)
    write_profiles(place)
    write_names(place)
    return place.build("engy").passed().proved()


def latest_runs(formats: Build, course: str) -> list[str]:
    """Read the latest run of each learner of `write_runs`, in the learners' order."""
    query = f"""
        select latest_course_instance from learner_courses
        where course = '{course}' and runs_taken = 2 order by student_id"""
    return [instance for (instance,) in formats.rows(query)]


@pytest.mark.parametrize(
    ("course", "prefix", "runs"),
    [
        ("engy0x", "UQx_ENGY0x", RUNS_IN_ORDER),
        ("engy1x", "UQx_ENGY1x", OTHER_RUNS_IN_ORDER),
        ("engy2x", "UQx_ENGY2x", NUMBERED_RUNS_IN_ORDER),
    ],
)
def test_runs_are_ordered(
    formats: Build, course: str, prefix: str, runs: list[tuple[str, int | None, str | None]]
) -> None:
    # Each learner is in two neighbours of the list, so the later of the two is the latest.
    assert latest_runs(formats, course) == [f"{prefix}_{code}" for code, _, _ in runs[1:]]


@pytest.mark.parametrize(
    ("prefix", "code", "year", "term"),
    [("UQx_ENGY0x", *run) for run in RUNS_IN_ORDER]
    + [("UQx_ENGY1x", *run) for run in OTHER_RUNS_IN_ORDER]
    + [("UQx_ENGY2x", *run) for run in NUMBERED_RUNS_IN_ORDER],
)
def test_run_code_is_read(formats: Build, prefix: str, code: str, year: int | None, term: str | None) -> None:
    query = f"""
        select distinct year, term from course_instancedetails
        where course_instance = '{prefix}_{code}'"""
    assert formats.rows(query) == [(year, term)]


@pytest.mark.parametrize("run", GRADE_REPORTS)
def test_grade_report_header(formats: Build, run: str) -> None:
    student_id = GRADE_REPORT_IDS[run]
    query = f"""
        select
            details.learner_id, learners.email, learners.username, grade, enrollment_track,
            verification_status, certificate_eligible, certificate_delivered, certificate_type,
            enrollment_status
        from course_instancedetails as details
        inner join learners on details.learner_id = learners.student_id
        where course_instance = 'UQx_ENGYCAPx_{run}'"""
    status = None if run in WITHOUT_STATUS else "enrolled"
    assert formats.rows(query) == [
        (student_id, address(student_id), username(student_id), 0.71, *TAIL, status)
    ]


def test_a_column_between_the_first_ones(formats: Build) -> None:
    query = """
        select learner_id, grade, certificate_eligible, enrollment_status from course_instancedetails
        where course_instance = 'UQx_ENGYCAPx_2T2022'"""
    assert formats.rows(query) == [(3100, 0.71, "Y", "enrolled")]


def test_a_report_without_learners_is_used(formats: Build) -> None:
    query = """
        select status, row_count, rejected_row_count from report_files
        where course_instance = 'UQx_ENGYCAPx_3T2022' and report_kind = 'grade_report'"""
    assert formats.rows(query) == [("used", 0, 0)]


def test_a_last_line_without_its_end_is_read(formats: Build) -> None:
    query = """
        select learner_id, enrollment_status from course_instancedetails
        where course_instance = 'UQx_ENGYCAPx_1T2023'"""
    assert formats.rows(query) == [(3101, "enrolled")]


@pytest.mark.parametrize("run", PROFILE_HEADERS)
def test_profile_report_header(formats: Build, run: str) -> None:
    student_id = PROFILE_IDS[run]
    columns = PROFILE_HEADERS[run].removeprefix("\ufeff").split(",")
    query = f"from learners where student_id = {student_id}"
    [row] = formats.rows(f"select student_id, username, email, name, country {query}")
    assert row == (
        student_id,
        username(student_id) if "username" in columns else None,
        address(student_id) if "email" in columns else None,
        f"Pupil, {run}",
        "MX" if "country" in columns else None,
    )


def test_a_very_long_cell_in_a_profile(formats: Build) -> None:
    query = "select name, country from learners where student_id = 4100"
    assert formats.rows(query) == [("Pupil Verbose", "NZ")]


@pytest.mark.parametrize("run", DOWNLOADS)
def test_of_two_downloads_the_newest_counts(formats: Build, run: str) -> None:
    student_id = DOWNLOAD_IDS[run]
    query = f"select grade from course_instancedetails where learner_id = {student_id}"
    assert formats.rows(query) == [(0.9,)]
    counts, superseded = DOWNLOADS[run]
    status = dict(formats.rows("select lower(file_name), status from report_files"))
    assert status[f"uqx_engy3x_{counts}.csv".lower()] == "used"
    assert status[f"uqx_engy3x_{superseded}.csv".lower()] == "superseded"


def test_a_stamp_without_time_is_the_days_beginning(formats: Build) -> None:
    query = """
        select reported_at from report_files
        where file_name = 'UQx_ENGY3x_4T2016_grade_report_2018-10-08.csv'"""
    assert formats.rows(query) == [(datetime(2018, 10, 8),)]  # noqa: DTZ001 - UTC, in a column without a zone


def details_of(formats: Build, student_id: int) -> list[Row]:
    """Read where a learner is."""
    columns = "course, course_instance, year, term"
    return formats.rows(f"select {columns} from course_instancedetails where learner_id = {student_id}")


def test_a_url_quoted_key_is_the_course_run_it_quotes(formats: Build) -> None:
    assert details_of(formats, 5100) == [("engy3x", "UQx_ENGY3x_3T2017", 2017, "3")]


def test_a_coachs_course_is_a_run_of_its_own_beside_its_parent(formats: Build) -> None:
    assert details_of(formats, 5101) == [("engy3x", "UQx_ENGY3x_3T2018", 2018, "3")]
    assert [row[:2] for row in details_of(formats, 5102)] == [("engy3x", "UQx_ENGY3x_3T2018_ccx_7")]


def test_a_coachs_course_has_its_parents_year_and_term(formats: Build) -> None:
    assert [row[2:] for row in details_of(formats, 5102)] == [(2018, "3")]


@pytest.mark.parametrize("name", ["UQx_LGDM1x", "UQx_ENGY9x", "UQx_ENGY3xtra"])
def test_a_course_that_is_not_the_programs_is_ignored(formats: Build, name: str) -> None:
    query = f"""
        select status, course, course_instance, reason is not null from report_files
        where file_name = '{name}_3T2018_grade_report_{STAMP}.csv'"""
    assert formats.rows(query) == [("ignored", None, None, True)]
    assert formats.rows("from learners where student_id between 5103 and 5105") == []


def test_a_grade_report_that_no_course_owns_is_warned_about(formats: Build) -> None:
    assert f"UQx_ENGY9x_3T2018_grade_report_{STAMP}.csv" in formats.output
    assert f"UQx_ENGY3xtra_3T2018_grade_report_{STAMP}.csv" in formats.output


def test_another_programs_grade_report_is_warned_about_as_that(formats: Build) -> None:
    [warning] = [text for text in formats.output.splitlines() if "UQx_LGDM1x_3T2018" in text]
    assert "Not read, as they are on other programs" in warning
    assert "(lgdm)" in warning
    reason = "select reason from report_files where file_name like 'UQx_LGDM1x%'"
    assert "lgdm" in formats.rows(reason)[0][0]


def test_a_current_run_that_no_file_has_is_warned_about(formats: Build) -> None:
    # engy0x has its current run, engy1x has others.
    assert "UQx_ENGY0x_1T2019" not in formats.output
    assert "UQx_ENGY1x_1T2019" in formats.output


def test_files_that_are_not_csv_are_on_record(formats: Build) -> None:
    query = "select report_kind, status from report_files where file_name = 'notes.txt'"
    assert formats.rows(query) == [("other", "ignored")]


def test_a_header_of_two_lines_is_one_record(formats: Build) -> None:
    query = f"""
        select learner_id, grade, certificate_type from course_instancedetails
        where file_name = '{TWO_LINES}'"""
    assert formats.rows(query) == [(3200, 0.71, "honor")]


def test_no_other_row_of_all_these_files_is_rejected(formats: Build) -> None:
    # That header takes two lines of its file, so its learner is in the third for the first time.
    assert formats.rows("select file_name, line from rejected_rows") == [(TWO_LINES, 3)]


# ---- prefixes ----


def take_away_later_columns(place: Place) -> None:
    """Make the seeds those of an older version, which have none of the columns that came later."""
    for name, later in (
        ("programs.csv", {"certificate_mail", "language", "lms_base", "invented"}),
        (
            "course_runs.csv",
            {"year", "term", "starts_on", "ends_on", "enrollment_ends_on", "upgrade_ends_on"},
        ),
    ):
        path = place.root / "seeds" / name
        rows = list(csv.DictReader(path.read_text("utf-8").splitlines()))
        header = [column for column in rows[0] if column not in later]
        assert len(rows[0]) - len(header) == len(later)
        path.write_text(
            csv_text(",".join(header), [[row[column] for column in header] for row in rows]), "utf-8"
        )


@pytest.fixture(scope="module")
def prefixes(new_place: NewPlace) -> Build:
    """Build a program of older seeds, one of whose courses had another prefix in its first run.

    Two more prefixes here are such that one begins with another.
    """
    place = new_place()
    take_away_later_columns(place)
    place.change_seed(
        "course_aliases.csv",
        "bees2x,ExampleX_HIVES101x",
        "bees2x,ExampleX_HIVES101x\nbees3x,ExampleX_BEES1x_1T2018\nbees4x,Old_X.4x-b",
    )
    for name, student_id in (
        ("ExampleX_HIVES101x_3T2018", 11),
        ("ExampleX_Hives101X_1T2019", 12),
        ("ExampleX_BEES2x_1T2020", 13),
        ("ExampleX_BEES1x_1T2019", 21),
        ("ExampleX_BEES1x_1T2018_2T2018", 22),
        ("examplex_bees1x_1t2018_3T2018", 23),
        ("ExampleX_BEES1x_1T2018", 24),
        ("Old_X.4x-b_1T2018", 25),
    ):
        rows = [grade_row(student_id, "0.8", "audit")]
        if student_id < 20:
            rows.append(grade_row(10, "0.1", "audit"))
        place.write("demo", f"{name}_grade_report_{STAMP}.csv", grade_report(*rows))
    place.write(
        "demo",
        f"Old_X.4x-b_1T2018_student_profile_info_{STAMP}.csv",
        profile_report(profile_row(25, "Pupil Five", "NL")),
    )
    return place.build("demo").passed()


def test_a_renumbered_courses_runs_are_of_one_course(prefixes: Build) -> None:
    query = """
        select learner_id, course, course_instance, year from course_instancedetails
        where learner_id between 11 and 13 order by 1"""
    assert prefixes.rows(query) == [
        (11, "bees2x", "ExampleX_HIVES101x_3T2018", 2018),
        (12, "bees2x", "ExampleX_Hives101X_1T2019", 2019),
        (13, "bees2x", "ExampleX_BEES2x_1T2020", 2020),
    ]


def test_a_renumbered_courses_runs_have_one_order(prefixes: Build) -> None:
    query = "select latest_course_instance, runs_taken from learner_courses where student_id = 10"
    assert prefixes.rows(query) == [("ExampleX_BEES2x_1T2020", 3)]


def test_the_longest_prefix_is_the_courses(prefixes: Build) -> None:
    query = """
        select learner_id, course, year, term from course_instancedetails
        where learner_id > 20 order by 1"""
    assert prefixes.rows(query) == [
        (21, "bees1x", 2019, "1"),
        (22, "bees3x", 2018, "2"),
        (23, "bees3x", 2018, "3"),
        # nothing is left for the run with the longer prefix, so this one is the shorter's
        (24, "bees1x", 2018, "1"),
        (25, "bees4x", 2018, "1"),
    ]


def test_a_profiles_prefix_is_read_like_a_grade_reports(prefixes: Build) -> None:
    query = "select course, status from report_files where report_kind = 'student_profile_info'"
    assert prefixes.rows(query) == [("bees4x", "used")]


def test_seeds_of_an_older_version_are_as_they_were(prefixes: Build) -> None:
    query = "select certificate_mail, language, lms_base, is_invented from programs"
    assert prefixes.rows(query) == [("eligible", "en", "https://courses.edx.org", False)]
    query = "select starts_on, ends_on, enrollment_ends_on, upgrade_ends_on from course_runs group by all"
    assert prefixes.rows(query) == [(None, None, None, None)]
    assert "does not match the name" not in prefixes.output
