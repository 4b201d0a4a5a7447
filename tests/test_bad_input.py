"""What cannot be read: rows and files are put on record with the reason, or the build stops and says why."""

import gzip
import io
import tarfile
from collections.abc import Iterable

import pytest
from report_fixtures import (
    G4_MINIMAL,
    PROFILE,
    Build,
    NewPlace,
    Place,
    address,
    csv_text,
    grade_report,
    grade_row,
    profile_report,
    profile_row,
    zipped,
)

# ---- rows ----

WITH_ESSAY = G4_MINIMAL.replace("Grade,", "Grade,Essay,")
MANY_PROBLEMS = "UQx_LGDM1x_1T2019_grade_report_2019-06-01-0000.csv"
FEW_PROBLEMS = "UQx_LGDM3x_1T2019_grade_report_2019-06-01-0000.csv"
SUPERSEDED = "UQx_LGDM2x_1T2019_grade_report_2019-05-01-0000.csv"
NEWEST = "UQx_LGDM2x_1T2019_grade_report_2019-06-01-0000.csv"
PROFILES = "UQx_LGDM1x_1T2019_student_profile_info_2019-06-01-0000.csv"
ODD_NUMBERS = "UQx_LGDM4x_2T2019_grade_report_2019-06-01-0000.csv"


def line(student_id: int | str, grade: str = "0.5", essay: str = "0.5", yes_no: str = "N,N") -> str:
    """Write a row under the header WITH_ESSAY as text, to be counted in lines."""
    who = f"{student_id},pupil{student_id}@learners.example.org,pupil_{student_id}"
    return f"{who},{grade},{essay},audit,N/A,{yes_no},N/A,enrolled"


SHORT = line(203).replace(",0.5,audit", ",audit")
LONG = line(205).replace(",0.5,audit", ",0.5,0.5,audit")
SHORT_OF_TWO_LINES = line(223, essay='"one\r\ntwo"').replace(",N/A,N,N", ",N,N")
# What line each begins on is counted by hand; a record may take more than one.
RECORDS = [
    (2, line(201)),
    (3, line(202, essay='"one\r\ntwo ""2""\nthree"')),
    (6, SHORT),
    (7, ""),
    (8, line("x204")),
    (9, LONG),
    (10, line(206, "65%")),
    (11, line(207, "2.01")),
    (12, line(208, "-0.1")),
    (13, line(209, "")),
    (14, line(210, "Not Attempted")),
    (15, line(211, yes_no="Yes,N")),
    (16, line(212, yes_no="N,")),
    (17, line(213, "0.1")),
    (18, line(214, "n/a", '"one, two\r\n\r\nthree"')),
    (21, line(213, "0.2")),
    (22, line(213, "0.3")),
    (23, SHORT_OF_TWO_LINES),
    (25, line(216, "0.6")),
    (26, line(216, "six")),
    (27, line("")),
    (28, line("217.0")),
    (29, line(218, "nan")),
    (30, line(219, yes_no="n,N")),
    (31, line("", "65%")),
    (32, ""),
    (33, line("-220")),
    (34, '"x"'),
    (35, line(221, "0,65".join('""'))),
    (36, line(222, essay="x" * 150_000)),
    (37, line(224, "6.5e-1")),
    (38, line(225, "zero")),
    # enough good ones, as a report with many bad ones is refused: 22 of 230 are less than one in ten
    *((39 + n, line(2000 + n)) for n in range(200)),
]
TEXT = dict(RECORDS)
# file, line: a word that the reason must have. Worked out by hand from the records above.
REJECTED = {
    (MANY_PROBLEMS, 6): "10 cells",
    (MANY_PROBLEMS, 8): "id",
    (MANY_PROBLEMS, 9): "12 cells",
    (MANY_PROBLEMS, 10): "grade",
    (MANY_PROBLEMS, 11): "grade",
    (MANY_PROBLEMS, 12): "grade",
    (MANY_PROBLEMS, 13): "grade",
    (MANY_PROBLEMS, 14): "grade",
    (MANY_PROBLEMS, 15): "Certificate Eligible",
    (MANY_PROBLEMS, 16): "Certificate Delivered",
    # 213 is in lines 17, 21 and 22: the last counts
    (MANY_PROBLEMS, 17): "line 22",
    (MANY_PROBLEMS, 18): "grade",
    (MANY_PROBLEMS, 21): "line 22",
    (MANY_PROBLEMS, 23): "10 cells",
    # 216 is in lines 25 and 26, but the latter cannot be used, so the former is
    (MANY_PROBLEMS, 26): "grade",
    (MANY_PROBLEMS, 27): "id",
    (MANY_PROBLEMS, 28): "id",
    (MANY_PROBLEMS, 29): "grade",
    (MANY_PROBLEMS, 30): "Certificate Eligible",
    (MANY_PROBLEMS, 31): "id",
    (MANY_PROBLEMS, 33): "id",
    (MANY_PROBLEMS, 34): "1 cell",
    (MANY_PROBLEMS, 35): "grade",
    (MANY_PROBLEMS, 38): "grade",
}
MORE_RAW_TEXT = {
    (FEW_PROBLEMS, 3): '231,"pupil\n231",pupil_231,3,audit,N/A,N,N,N/A,enrolled',
    (SUPERSEDED, 2): "241,pupil241@learners.example.org,pupil_241,seven,audit,N/A,N,N,N/A,enrolled",
    (PROFILES, 4): 'x251,pupil_251,"Pupil ""X"", 251",,,,,,,None,None,audit,N/A,None,AU',
    (PROFILES, 6): "253,pupil_253,Pupil 253,,,,,,,None,None,audit,N/A,AU",
    (PROFILES, 7): "254,pupil_254,Pupil 254 before,,,,,,,None,None,audit,N/A,None,AU",
}
MORE_REASONS = {
    (FEW_PROBLEMS, 3): "grade",
    (SUPERSEDED, 2): "grade",
    (PROFILES, 4): "id",
    (PROFILES, 6): "14 cells",
    (PROFILES, 7): "line 8",
}

# Ids and grades that one of the engines, or Python, would read otherwise: what they are, or what is wrong.
ODD_CELLS = {
    ("1e3", "0.5"): "id",
    ("12.0", "0.5"): "id",
    ("", "0.5"): "id",
    (" 301", "0.5"): "id",
    ("-4", "0.5"): "id",
    ("+4", "0.5"): "id",
    ("1_0", "0.5"): "id",
    ("\u0661", "0.5"): "id",
    ("None", "0.5"): "id",
    ("9223372036854775808", "0.5"): "id",
    ("9223372036854775807", "0.5"): (9223372036854775807, 0.5),
    ("00302", "1"): (302, 1.0),
    ("303", "65%"): "grade",
    ("304", "0,65"): "grade",
    ("305", "nan"): "grade",
    ("306", "inf"): "grade",
    ("307", "0_1"): "grade",
    ("308", "0.5d"): "grade",
    ("309", "0x1p0"): "grade",
    ("310", "1e"): "grade",
    ("311", "."): "grade",
    ("312", "1e999"): "grade",
    ("313", " .5"): (313, 0.5),
    ("314", "+5e-1 "): (314, 0.5),
    ("315", "1."): (315, 1.0),
    ("316", "-0"): (316, 0.0),
    ("317", "2.0"): (317, 2.0),
    ("318", "2.0000001"): "grade",
}
ODD_REASONS = {
    (ODD_NUMBERS, number): what
    for number, what in enumerate(ODD_CELLS.values(), start=2)
    if isinstance(what, str)
}

# ---- files that are not read ----

IGNORED = {
    # name: content, a word that the reason must have
    "UQx_LGDM1x_1T2019_grade_report_err_2019-06-01-0000.csv": (
        'Student ID,Username,Error\r\n261,pupil_261,"Broken\r\nstory"\r\n',
        "error companion",
    ),
    "UQx_LGDM1x_1T2019_problem_grade_report_2019-06-01-0000.csv": (
        "Student ID,Email,Username,Enrollment Status,Grade,P1 (Earned),P1 (Possible)\r\n",
        "problem grade report",
    ),
    "UQx_LGDM1x_1T2019_problem_grade_report_err_2019-06-01-0000.csv": (
        "Student ID,Email,Username,error_msg\r\n",
        "error companion",
    ),
    # the newest of their runs by name, and told apart by their headers
    "UQx_LGDM1x_1T2019_grade_report_2019-06-02-0000.csv": (
        "Student ID,Email,Username,Grade,P1 (Earned),P1 (Possible)\r\n262,a,b,0.1,1,2\r\n",
        "problem grade report",
    ),
    "UQx_LGDM1x_1T2019_grade_report_2019-06-03-0000.csv": (
        "id,username,error_msg\r\n263,pupil_263,Broken\r\n",
        "error companion",
    ),
    "UQx_LGDM1x_1T2019_may_enroll_info_2019-06-01-0000.csv": ("email\r\na@b\r\n", "name"),
    "grades.csv": (grade_report(grade_row(264, "0.5", "audit")), "name"),
    "enrolled_profiles.csv": (profile_report(profile_row(265, "Pupil 265", "AU")), "name"),
    "photo.csv": (b"\x89PNG\r\n\x1a\n\x00\x00", "name"),
    "empty.csv": ("", "name"),
    "UQx_ENGY0x_1T2019_grade_report_2019-06-01-0000.csv": (
        grade_report(grade_row(266, "0.5", "audit")),
        "engy",
    ),
    # what nobody reads is not refused
    "UQx_ENGY0x_2T2019_grade_report_2019-06-01-0000.csv": ("<html>", "engy"),
    "UQx_NONE0x_1T2019_grade_report_2019-06-01-0000.csv": (
        grade_report(grade_row(267, "0.5", "audit")),
        "prefix",
    ),
    "UQx_NONE0x_1T2019_student_profile_info_2019-06-01-0000.csv": (
        profile_report(profile_row(268, "Pupil 268", "AU")),
        "prefix",
    ),
}


def write_bad_rows(place: Place) -> None:
    """Write every kind of row and file that is not used, and that does not stop a build."""
    place.write(
        "lgdm",
        MANY_PROBLEMS,
        "\ufeff" + "\r\n".join([WITH_ESSAY, *(text for _, text in RECORDS)]) + "\r\n",
    )
    place.write(
        "lgdm",
        FEW_PROBLEMS,
        "\n".join(
            [
                G4_MINIMAL,
                "230,pupil230@learners.example.org,pupil_230,0.9,platinum,N/A,N,N,N/A,enrolled",
                MORE_RAW_TEXT[FEW_PROBLEMS, 3],
                "232,pupil232@learners.example.org,pupil_232,0.9,platinum,N/A,N,N,N/A,enrolled",
            ]
        ),
    )
    place.write(
        "lgdm",
        SUPERSEDED,
        "\r\n".join(
            [
                G4_MINIMAL,
                MORE_RAW_TEXT[SUPERSEDED, 2],
                "242,pupil242@learners.example.org,pupil_242,0.7,audit,N/A,N,N,N/A,enrolled",
                "",
            ]
        ),
    )
    place.write("lgdm", NEWEST, grade_report(grade_row(242, "0.8", "audit")))
    place.write(
        "lgdm",
        PROFILES,
        "\n".join(
            [
                PROFILE,
                '250,pupil_250,"Pupil\n250",,,,,,,None,None,audit,N/A,None,AU',
                MORE_RAW_TEXT[PROFILES, 4],
                "252,pupil_252,Pupil 252,,,,,,,None,None,audit,N/A,None,AU",
                MORE_RAW_TEXT[PROFILES, 6],
                MORE_RAW_TEXT[PROFILES, 7],
                "254,pupil_254,Pupil 254 after,,,,,,,None,None,audit,N/A,None,AU",
                *(f"{n},pupil_{n},Pupil {n},,,,,,,None,None,audit,N/A,None,AU" for n in range(2000, 2014)),
                "",
            ]
        ),
    )
    odd_rows = [
        (cells[0], address(300), "pupil_300", cells[1], *grade_row(300, "", "audit")[4:])
        for cells in ODD_CELLS
    ]
    place.write(
        "lgdm",
        ODD_NUMBERS,
        grade_report(*odd_rows, *(grade_row(n, "0.5", "audit") for n in range(3000, 3200))),
    )
    for name, (content, _) in IGNORED.items():
        place.write("lgdm", name, content)


@pytest.fixture(scope="module")
def with_bad_rows(new_place: NewPlace) -> Build:
    """Build a program with all that."""
    place = new_place()
    write_bad_rows(place)
    return place.build("lgdm").passed().proved()


def test_lines_of_the_records_are_counted_right() -> None:
    lines = 1
    for number, text in RECORDS:
        assert number == lines + 1
        lines += 1 + text.count("\n")


def test_just_the_bad_rows_are_rejected(with_bad_rows: Build) -> None:
    rows = with_bad_rows.rows("select file_name, line from rejected_rows order by all")
    assert rows == sorted([*REJECTED, *MORE_REASONS, *ODD_REASONS])


def test_what_is_no_id_or_grade_is_told(with_bad_rows: Build) -> None:
    rows = with_bad_rows.rows(f"select line, reason from rejected_rows where file_name = '{ODD_NUMBERS}'")
    assert {
        (ODD_NUMBERS, number): "id" if " id " in reason else "grade" for number, reason in rows
    } == ODD_REASONS


@pytest.mark.parametrize("place_of_row", REJECTED, ids=str)
def test_rejected_row(with_bad_rows: Build, place_of_row: tuple[str, int]) -> None:
    file_name, number = place_of_row
    query = "select reason, raw_text from rejected_rows"
    [(reason, raw_text)] = with_bad_rows.rows(f"{query} where file_name = '{file_name}' and line = {number}")
    assert REJECTED[place_of_row] in reason
    assert raw_text == TEXT[number]


@pytest.mark.parametrize("place_of_row", MORE_REASONS, ids=str)
def test_rejected_row_of_another_file(with_bad_rows: Build, place_of_row: tuple[str, int]) -> None:
    file_name, number = place_of_row
    query = "select reason, raw_text from rejected_rows"
    [(reason, raw_text)] = with_bad_rows.rows(f"{query} where file_name = '{file_name}' and line = {number}")
    assert MORE_REASONS[place_of_row] in reason
    assert raw_text == MORE_RAW_TEXT[place_of_row]


@pytest.mark.parametrize(
    ("file_name", "row_count", "rejected"),
    [
        # 232 records, two of which are blank lines and no rows; 24 of the rows are rejected
        (MANY_PROBLEMS, 230, 24),
        (FEW_PROBLEMS, 3, 1),
        (SUPERSEDED, 2, 1),
        (NEWEST, 1, 0),
        # two that cannot be used and a repeated one: two of twenty are not more than one in ten
        (PROFILES, 20, 3),
    ],
)
def test_rows_are_counted(with_bad_rows: Build, file_name: str, row_count: int, rejected: int) -> None:
    query = f"select row_count, rejected_row_count from report_files where file_name = '{file_name}'"
    assert with_bad_rows.rows(query) == [(row_count, rejected)]


@pytest.mark.parametrize(
    ("file_name", "learners"),
    [
        # 30 rows - 24, beside the 200
        (MANY_PROBLEMS, [(201, 0.5), (202, 0.5), (213, 0.3), (216, 0.6), (222, 0.5), (224, 0.65)]),
        (FEW_PROBLEMS, [(230, 0.9), (232, 0.9)]),
        (SUPERSEDED, []),
        (NEWEST, [(242, 0.8)]),
        (ODD_NUMBERS, sorted(what for what in ODD_CELLS.values() if isinstance(what, tuple))),
    ],
)
def test_the_other_rows_are_used(
    with_bad_rows: Build, file_name: str, learners: list[tuple[int, float]]
) -> None:
    query = f"""
        select learner_id, grade from course_instancedetails
        where file_name = '{file_name}' and learner_id not between 2000 and 4000 order by 1"""
    assert with_bad_rows.rows(query) == learners


def test_the_other_profiles_are_used_and_the_last_line_counts(with_bad_rows: Build) -> None:
    query = "select student_id, name from learners where student_id between 250 and 259 order by 1"
    assert with_bad_rows.rows(query) == [
        (250, "Pupil\n250"),
        (252, "Pupil 252"),
        (254, "Pupil 254 after"),
    ]


@pytest.mark.parametrize(
    ("file_name", "count"), [(MANY_PROBLEMS, 24), (FEW_PROBLEMS, 1), (SUPERSEDED, 1), (PROFILES, 3)]
)
def test_rejected_rows_are_warned_about_with_their_count(
    with_bad_rows: Build, file_name: str, count: int
) -> None:
    [warning] = [text for text in with_bad_rows.output.splitlines() if file_name in text]
    assert f" {count} " in warning
    assert "rejected_rows" in warning


@pytest.mark.parametrize(
    "file_name",
    ["UQx_NONE0x_1T2019_student_profile_info_2019-06-01-0000.csv", "enrolled_profiles.csv", "grades.csv"],
)
def test_any_report_that_no_course_owns_is_warned_about(with_bad_rows: Build, file_name: str) -> None:
    assert f"{file_name}: it is ignored" in with_bad_rows.output


def test_a_file_without_rejected_rows_is_not_warned_about(with_bad_rows: Build) -> None:
    assert NEWEST not in with_bad_rows.output


def test_a_track_nobody_knows_is_warned_about_with_its_count(with_bad_rows: Build) -> None:
    [warning] = [text for text in with_bad_rows.output.splitlines() if "Rows whose enrollment track" in text]
    assert "enrollment_tracks.csv: 2. They count as not verified." in warning
    assert "platinum" not in with_bad_rows.output


@pytest.mark.parametrize("file_name", IGNORED)
def test_what_is_no_report_of_the_program_is_ignored_with_the_reason(
    with_bad_rows: Build, file_name: str
) -> None:
    query = f"select status, reason, course_instance from report_files where file_name = '{file_name}'"
    [(status, reason, _)] = with_bad_rows.rows(query)
    assert status == "ignored"
    assert IGNORED[file_name][1] in reason


def test_nobody_comes_from_an_ignored_file(with_bad_rows: Build) -> None:
    assert with_bad_rows.rows("from learners where student_id between 261 and 269") == []


def test_a_grade_report_that_no_course_owns_is_warned_about(with_bad_rows: Build) -> None:
    assert "UQx_NONE0x_1T2019_grade_report_2019-06-01-0000.csv" in with_bad_rows.output


def test_nothing_that_dbt_writes_names_a_learner(with_bad_rows: Build) -> None:
    assert "pupil" not in with_bad_rows.everything_written().lower()


# ---- files that stop the build ----

NO_TIME = "UQx_LGDM1x_1T2019_grade_report_2019-13-01-0000.csv"
TO_COME = "UQx_LGDM1x_1T2019_grade_report_2999-06-01-0000.csv"
GRADES_FOLDER = "UQx_LGDM4x_1T2019_grade_report_2019-06-01-0000.csv"
OF_ANOTHER = "UQx_ENGY1x_1T2019_grade_report_2019-06-01-0000.csv"


def tarred(name: str, text: str) -> bytes:
    """Pack a text into a compressed tar archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(text)
        archive.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


G0 = "id,email,username,grade,HW 01,HW 02,HW Avg,Midterm,Final\r\n"


def rows_of(first: int, last: int) -> str:
    """Write good rows under the header G4_MINIMAL."""
    return "".join(
        f"{n},{address(n)},pupil_{n},0.5,audit,N/A,N,N,N/A,enrolled\r\n" for n in range(first, last + 1)
    )


HEAD = G4_MINIMAL + "\r\n"
TWO_LINES = '390,"pupil\r\n390",pupil_390,0.5,audit,N/A,N,N,N/A,enrolled\r\n'
REFUSED: dict[str, tuple[str | bytes, Iterable[str]]] = {
    # run: content, words that the message must have
    "no column": (HEAD.replace("Certificate Eligible,", "") + rows_of(300, 301), ["'Certificate Eligible'"]),
    "no columns": (
        "id,email\r\n300,a\r\n",
        ["'Username', 'Grade', 'Enrollment Track' or 'Certificate Eligible'"],
    ),
    "before May 2015": (G0, ["no column 'Enrollment Track' or 'Certificate Eligible'"]),
    "web page": ("\r\n<!DOCTYPE html><html><body>Expired, or\r\nso</body></html>", ["web page"]),
    "xml": ('<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', ["web page"]),
    "semicolons": ((HEAD + rows_of(300, 301)).replace(",", ";"), ["semicolon"]),
    "tabs": ((HEAD + rows_of(300, 301)).replace(",", "\t"), ["tab"]),
    # line 5 is the one with the letter; a row of two lines is before it
    "cp1252": (
        (HEAD + rows_of(300, 300) + TWO_LINES + rows_of(301, 301).replace("pupil_", "pupil_\xe9")).encode(
            "cp1252"
        ),
        ["line 5", "UTF-8"],
    ),
    "cp1252 header": (("Pr\xfcfung," + HEAD + rows_of(300, 301)).encode("cp1252"), ["line 1", "UTF-8"]),
    # 40,000 rows are more than one buffer of any reader
    "cp1252 far": ((HEAD + rows_of(1, 40_000) + "\xe9\r\n").encode("cp1252"), ["line 40002", "UTF-8"]),
    # a download that stopped in the middle of a letter
    "cut": ((HEAD + rows_of(300, 300) + "301,\xe9").encode()[:-1], ["line 3", "UTF-8"]),
    # two downloads joined by hand, one with CRLF and one with LF
    "line ends": (HEAD + rows_of(300, 301) + rows_of(302, 303).replace("\r\n", "\n"), ["line end"]),
    "utf-16": ((HEAD + rows_of(300, 301)).encode("utf-16"), ["UTF-16"]),
    "utf-16 without mark": ((HEAD + rows_of(300, 301)).encode("utf-16-le"), ["UTF-16"]),
    "utf-16 big": ((HEAD + rows_of(300, 301)).encode("utf-16-be"), ["UTF-16"]),
    "sep": ("sep=;\r\n" + (HEAD + rows_of(300, 301)).replace(",", ";"), ["Excel's sep="]),
    "sep comma": ("sep=,\r\n" + HEAD + rows_of(300, 301), ["Excel's sep="]),
    "carriage returns": ((HEAD + rows_of(300, 301)).replace("\r\n", "\r"), ["carriage returns"]),
    "many carriage returns": ((HEAD + rows_of(300, 3000)).replace("\r\n", "\r"), ["carriage returns"]),
    "zip": (zipped({"report.csv": HEAD}), ["zip archive"]),
    "xlsx": (zipped({"[Content_Types].xml": "", "xl/workbook.xml": ""}), ["spreadsheet"]),
    "xls": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100), ["Excel workbook"]),
    "pdf": (b"%PDF-1.7\n1 0 obj", ["PDF"]),
    "json": ('{"error": "expired",\n"code": 403}', ["JSON"]),
    "json list": ('[{"id": 1}]', ["JSON"]),
    "plain text": ("Please find the report attached.\n", ["plain text"]),
    "quoted lines": (
        "".join(f'"{text}"\r\n' for text in (HEAD + rows_of(300, 301)).splitlines()),
        ["quoted line by line"],
    ),
    # what ends within a row; the same with its line's end is one short row among good ones
    "cut off": ((HEAD + rows_of(300, 340))[:-30], ["line 42", "ends there, within a row"]),
    "cut after a cell": (HEAD + rows_of(300, 340) + "341", ["line 43", "ends there, within a row"]),
    # rows that cannot be used: a spreadsheet's decimal commas, percents and ids; all rows too short
    "decimal commas": (HEAD + rows_of(300, 304).replace(",0.5,", ',"0,5",'), ["line 2", "grade", "5 of 5"]),
    "percents": (HEAD + rows_of(300, 303) + rows_of(304, 305).replace("0.5", "50%"), ["line 6", "2 of 6"]),
    "decimal ids": (
        HEAD + "".join(text.replace(",", ".0,", 1) + "\r\n" for text in rows_of(300, 304).splitlines()),
        ["line 2", "student id", "5 of 5"],
    ),
    "all short": (HEAD + rows_of(300, 301).replace(",audit", ""), ["line 2", "9 cells", "2 of 2"]),
    "the only row": (HEAD + rows_of(300, 300).replace("0.5", "half"), ["line 2", "grade", "1 of 1"]),
    "most reasons": (
        HEAD + rows_of(300, 300).replace("300,", "x,", 1) + rows_of(301, 302).replace("0.5", "half"),
        ["line 3", "grade", "3 of 3"],
    ),
    "gzip": (gzip.compress((HEAD + rows_of(300, 301)).encode()), ["gzip"]),
    "empty": ("", ["empty"]),
    "BOM only": ("\ufeff", ["empty"]),
    "blank": ("\r\n\r\n", ["empty"]),
    # the quote is opened in line 4, in the middle of the file, and closed nowhere
    "quote": (
        HEAD + rows_of(300, 301) + rows_of(302, 302).replace("pupil_", '"pupil_') + rows_of(303, 304),
        ["line 4", "quote"],
    ),
    # the same after a row of two lines
    "quote later": (
        HEAD + TWO_LINES + rows_of(302, 302).replace("pupil_", '"pupil_') + rows_of(303, 304),
        ["line 4", "quote"],
    ),
    # a later cell's quotes seem to close it
    "quote twice": (
        HEAD
        + rows_of(300, 301)
        + rows_of(302, 302).replace("pupil_", '"pupil_')
        + rows_of(303, 303).replace("pupil_303", '"pupil, 303"')
        + rows_of(304, 304),
        ["line 4", "quote"],
    ),
    "quote last": (HEAD + rows_of(300, 301) + rows_of(302, 302).replace("enrolled", '"enrolled'), ["line 4"]),
    "quote header": (HEAD.replace("Grade", '"Grade') + rows_of(300, 301), ["line 1", "quote"]),
}
REFUSED_PROFILES: dict[str, tuple[str | bytes, Iterable[str]]] = {
    "profile without id": (profile_report().replace("id,", "number,", 1), ["id"]),
    "profile page": ("<html>", ["web page"]),
    "profile semicolons": (PROFILE.replace(",", ";") + "\r\n", ["semicolon"]),
    "profile cut off": (
        profile_report(profile_row(310, "Pupil", "AU"), profile_row(311, "Pupil", "AU"))[:-20],
        ["line 3", "within a row"],
    ),
    "profile rows": (
        PROFILE + "\r\n" + "310.0,pupil_310,Pupil,,,,,,,None,None,audit,N/A,None,AU\r\n",
        ["line 2", "id", "1 of 1"],
    ),
    "profile cp1252": (
        (PROFILE + "\r\n1,\xe9\r\n").encode("cp1252"),
        ["line 2", "UTF-8"],
    ),
    "profile quote": (
        PROFILE + '\r\n310,pupil_310,"Pupil,,,,,,,None,None,audit,N/A,None,AU\r\n',
        ["line 2", "quote"],
    ),
}


def refused_name(case: str) -> str:
    """Name the file of a case; `case` is what stands where a run's code does."""
    kind = "student_profile_info" if case in REFUSED_PROFILES else "grade_report"
    return f"UQx_LGDM2x_{case.title().replace(' ', '')}_{kind}_2019-06-01-0000.csv"


LIST_HEADER = "email,course_id,is_opted_in_for_email,preference_set_datetime"
OPT_IN_LIST = csv_text(LIST_HEADER, [(address(300), "course-v1:UQx+LGDM1x+1T2019", "True", "2019-05-01")])
OPT_OUT_LIST = f"email,unsubscribed_at,source\r\n{address(300)},2019-06-02,mail\r\n"
REFUSED_LISTS: dict[str, tuple[str | bytes, list[str]]] = {
    # name: content, words that the message must have
    "uqx-email_opt_in-prod-analytics.csv.gpg": (b"\x85\x01\x0c", ["opt-in list", "decrypt"]),
    "data-package/email-opt-in/uqx.csv.gpg": (b"\x85\x01\x0c", ["opt-in list", "decrypt"]),
    "uqx-2019-06-02.zip": (zipped({"email-opt-in/uqx.csv": OPT_IN_LIST}), ["opt-in list", "unpack"]),
    "uqx.zip": (zipped({"optouts.csv": OPT_OUT_LIST}), ["opt-out list", "unpack"]),
    # by what is in them
    "month.zip": (zipped({"a.csv": "", "b.csv": OPT_IN_LIST}), ["opt-in list", "unpack"]),
    "month.tgz": (tarred("a.csv", OPT_IN_LIST), ["opt-in list", "unpack"]),
    "month.gz": (gzip.compress(OPT_OUT_LIST.encode()), ["opt-out list", "unpack"]),
    "Email Opt-In.xlsx": (b"PK", ["opt-in list", "download it from edX again"]),
    ".uqx-email_opt_in-prod.csv.icloud": (b"bplist00", ["opt-in list", "fetch"]),
    "uqx-email_opt_in-2019.csv.crdownload": (OPT_IN_LIST, ["opt-in list", "not ended"]),
    "who wants mail.csv": (OPT_IN_LIST.replace(",", ";"), ["semicolons"]),
    "opt_in june.csv": ("email,wants\r\n", ["'course_id'"]),
    "unsubscribed.csv": (OPT_OUT_LIST, ["opt-out list", "unsubscribed.csv in the data folder"]),
    "lists/Unsubscribe (1).csv": (OPT_OUT_LIST, ["opt-out list"]),
    "opt-outs.xlsx": (b"PK", ["opt-out list"]),
    "no mails.txt": (OPT_OUT_LIST, ["opt-out list"]),
}


def write_refused_files(place: Place) -> None:
    """Write every kind of damaged file."""
    for case, (content, _) in (REFUSED | REFUSED_PROFILES).items():
        place.write("lgdm", refused_name(case), content)
    for name, (content, _) in REFUSED_LISTS.items():
        place.write("lgdm", name, content)
    # Its stamp is no time, and a time to come.
    place.write("lgdm", NO_TIME, grade_report(grade_row(300, "0.5", "audit")))
    place.write("lgdm", TO_COME, grade_report(grade_row(300, "0.5", "audit")))
    # What cannot be opened.
    (place.data / "lgdm" / GRADES_FOLDER).mkdir()
    (place.data / "lgdm" / "folder.csv").mkdir()
    (place.data / "lgdm" / "link.csv").symlink_to(place.root / "nowhere.csv")
    (place.data / "lgdm" / OF_ANOTHER).symlink_to(place.root / "nowhere.csv")


@pytest.fixture(scope="module")
def refused(with_bad_rows: Build) -> tuple[bytes, Build]:
    """Build the published program again with every kind of damaged file in its folder."""
    good = with_bad_rows.published.read_bytes()
    write_refused_files(with_bad_rows.place)
    return good, with_bad_rows.place.build("lgdm")


def sentence_on(build: Build, file_name: str) -> str:
    """Return the only line of dbt's output that names a file."""
    [sentence] = {text.strip() for text in build.output.splitlines() if file_name in text}
    return sentence


@pytest.mark.parametrize("case", REFUSED | REFUSED_PROFILES)
def test_a_damaged_file_is_refused_by_name_line_and_reason(refused: tuple[bytes, Build], case: str) -> None:
    _, build = refused
    sentence = sentence_on(build, refused_name(case))
    for word in (REFUSED | REFUSED_PROFILES)[case][1]:
        assert word in sentence
    assert sentence.endswith(".")


@pytest.mark.parametrize("name", REFUSED_LISTS)
def test_a_list_of_who_wants_mail_that_is_not_read_stops_the_build(
    refused: tuple[bytes, Build], name: str
) -> None:
    _, build = refused
    sentence = sentence_on(build, f"downloads/lgdm/{name}:")
    for word in REFUSED_LISTS[name][1]:
        assert word in sentence


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (GRADES_FOLDER, "it is a folder"),
        ("folder.csv", "it is a folder"),
        ("link.csv", "it is a broken link: what it leads to is not there"),
        (TO_COME, "more than a day ahead"),
    ],
)
def test_what_cannot_be_opened_or_is_to_come_is_refused(
    refused: tuple[bytes, Build], name: str, words: str
) -> None:
    _, build = refused
    assert words in sentence_on(build, f"lgdm/{name}:")


def test_another_programs_report_that_cannot_be_opened_is_not_refused(refused: tuple[bytes, Build]) -> None:
    _, build = refused
    assert "Not read, as they are on other programs" in sentence_on(build, OF_ANOTHER)


def test_a_stamp_that_is_no_time_is_refused(refused: tuple[bytes, Build]) -> None:
    _, build = refused
    assert "2019-13-01-0000" in sentence_on(build, NO_TIME)


def test_a_damaged_file_stops_the_build(refused: tuple[bytes, Build]) -> None:
    _, build = refused
    assert build.returncode != 0
    assert "Traceback" not in build.output


def test_a_good_file_is_not_in_the_message(refused: tuple[bytes, Build]) -> None:
    _, build = refused
    assert NEWEST not in build.output


def test_a_build_that_fails_leaves_the_published_file_byte_for_byte(refused: tuple[bytes, Build]) -> None:
    before, build = refused
    assert build.published.read_bytes() == before


def test_no_message_on_a_damaged_file_names_a_learner(refused: tuple[bytes, Build]) -> None:
    _, build = refused
    assert "pupil" not in build.everything_written().lower()


# ---- nothing to build ----


def test_an_unknown_program_stops_the_build_and_lists_the_programs(new_place: NewPlace) -> None:
    place = new_place()
    place.change_seed("programs.csv", "\nlgdm,", "\nbees,")
    place.write("lgdm", NEWEST, grade_report(grade_row(300, "0.5", "audit")))
    build = place.build("lgdm")
    assert build.returncode != 0
    assert "There is no program 'lgdm' in seeds/programs.csv" in build.output
    assert "demo, buslead, corpinn, engy, bees" in build.output
    assert "Traceback" not in build.output
    assert not build.published.exists()


def test_no_folder_stops_the_build_with_where_it_looked_and_what_it_expects(new_place: NewPlace) -> None:
    build = new_place().build("lgdm")
    assert build.returncode != 0
    words = "No grade report of lgdm to read in downloads/lgdm (CSV files there: 0). Expected names such as"
    assert words in build.output
    assert "Traceback" not in build.output
    assert not build.published.exists()


# ---- seeds ----


@pytest.fixture(scope="module")
def unreadable_seeds(new_place: NewPlace) -> Build:
    """Build with seeds that an editor or a spreadsheet saved."""
    place = new_place()
    seeds = place.root / "seeds"
    for name, change in (
        ("programs.csv", lambda text: text.encode("utf-16")),
        ("courses.csv", lambda text: text.replace(",", ";").encode()),
        (
            "course_runs.csv",
            lambda text: text.replace("Bee Biology", "Bienenkunde f\xfcr alle").encode("cp1252"),
        ),
        ("course_aliases.csv", lambda text: text.encode() + b"bees1x,ExampleX_BEES0x,and more\n"),
        ("enrollment_tracks.csv", lambda text: text.replace("is_verified", "verified").encode()),
        ("requirements.csv", lambda text: f"{text}demo,Bees,electives,1\n".encode()),
        ("requirement_courses.csv", lambda text: f"{text}demo,Bees,electives ,bees1x\n".encode()),
    ):
        path = seeds / name
        path.write_bytes(change(path.read_text("utf-8")))
    return place.build("lgdm")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("programs.csv", "it is UTF-16"),
        ("courses.csv", "line 1: it is separated by semicolons"),
        ("course_runs.csv", "line 2: it is not UTF-8 text"),
        ("course_aliases.csv", "line 3: it has 3 cells, the header has 2"),
        ("enrollment_tracks.csv", "line 1: its header has no column 'is_verified'"),
        ("requirement_courses.csv", "line 2: its requirement is 'electives ', with blanks around it: take"),
    ],
)
def test_a_seed_that_is_no_csv_file_is_told_in_a_sentence(
    unreadable_seeds: Build, name: str, words: str
) -> None:
    [sentence] = [text for text in unreadable_seeds.output.splitlines() if f"seeds/{name}" in text]
    assert words in sentence
    assert unreadable_seeds.returncode != 0
    assert "Traceback" not in unreadable_seeds.output


WRONG_SEEDS = [
    # seed, what is replaced by what, words that one line of the message must have
    ("courses.csv", "lgdm1x,1,", "lgdm1x,2,", ["position 2", "lgdm"]),
    ("courses.csv", "UQx_LGDM3x,0.65", "UQx_LGDM3x,65", ["lgdm3x", "pass_grade", "65"]),
    ("courses.csv", "UQx_LGDM4x,0.65", "UQx_LGDM4x,", ["lgdm4x", "pass_grade"]),
    ("courses.csv", "UQx_LGDM5x,0.65", "UQx_LGDM5x,-0.1", ["lgdm5x", "pass_grade", "-0.1"]),
    ("courses.csv", "UQx_ENGY0x,0.7", "UQx_ENGY0x,high", ["engy0x", "pass_grade", "high"]),
    ("courses.csv", "UQx_ENGY1x,0.7,false", "UQx_ENGY1x,0.7,maybe", ["engy1x", "is_capstone"]),
    ("courses.csv", "engy,engy2x,3,", "engy,engy2x,third,", ["engy2x", "position"]),
    # letter case does not make a prefix another one
    ("courses.csv", "UQx_CORPINN2x", "uqx_corpinn1X", ["file_prefix", "corpinn1x"]),
    ("courses.csv", "corpinn,corpinn3x,", "corpin,corpinn3x,", ["corpinn3x", "programs.csv"]),
    ("courses.csv", "corpinn,corpinn4x,", ",corpinn4x,", ["corpinn4x", "programs.csv"]),
    ("courses.csv", "buslead,buslead2x,", "buslead,buslead1x,", ["course buslead1x"]),
    (
        "course_runs.csv",
        "bees1x,current,ExampleX_BEES1x_1T2026",
        "bees1x,current,ExampleX_BEES4x_1T2026",
        ["bees1x", "current", "ExampleX_BEES4x_1T2026"],
    ),
    # the row is another course's now, and bees2x has none
    (
        "course_runs.csv",
        "bees2x,coming,ExampleX_BEES2x",
        "bees1x,coming,ExampleX_BEES1x",
        ["bees1x", "coming"],
    ),
    ("course_runs.csv", "bees3x,coming,ExampleX", "bees3x,next,ExampleX", ["bees3x", "run_role"]),
    ("course_runs.csv", "bees4x,current,ExampleX", "bees9x,current,ExampleX", ["bees9x", "courses.csv"]),
    ("course_runs.csv", "bees4x,coming,ExampleX_BEES4x_3T2026", "bees4x,coming,", ["bees4x", "coming run"]),
    ("courses.csv", "demo,bees2x,2,Hives Through", "demo,bees2x,2,Hives through", ["bees2x", "coming"]),
    ("course_aliases.csv", "bees2x,", "bees8x,", ["bees8x", "ExampleX_HIVES101x"]),
    (
        "programs.csv",
        "credential,4,Master of Applied",
        "credential,four,Master of Applied",
        ["demo", "certificates_required"],
    ),
    (
        "programs.csv",
        " Updates <updates@example.org>",
        " Updates updates@example.org",
        ["demo", "its sender"],
    ),
    (
        "programs.csv",
        ",studentenquiries@chemeng.uq.edu.au,The",
        ",studentenquiries@chemeng.uq.edu.au; a@example.org,The",
        ["engy", "its contact_email"],
    ),
    (
        "programs.csv",
        ",issr.education@uq.edu.au,Congr",
        ",?issr.education@uq.edu.au,Congr",
        ["lgdm", "its reply_to"],
    ),
    ("programs.csv", "md5,eligible,\nlgdm,", "md5,passed,\nlgdm,", ["engy", "certificate_mail", "passed"]),
    (
        "programs.csv",
        "delivered,true\n",
        "delivered,perhaps\n",
        ["demo", "its invented, perhaps"],
    ),
    ("programs.csv", "Corporate Innovation,en,,", "Corporate Innovation,english,,", ["corpinn", "language"]),
    ("programs.csv", "Sustainable Energy,en,,", "Sustainable Energy,en,x,", ["engy", "lms_base, x"]),
    (
        "course_runs.csv",
        "global-development,,,,,,\nlgdm1x,coming",
        "global-development,,,14 July 2026,,,\nlgdm1x,coming",
        ["current run UQx_LGDM1x_1T2019", "starts_on, 14 July 2026, is not a day such as 2026-07-14"],
    ),
    (
        "course_runs.csv",
        "perspectives,,,,,,\nlgdm4x,coming",
        "perspectives,,,2026-07-14,2026-07-13,,\nlgdm4x,coming",
        ["current run UQx_LGDM4x_1T2019", "ends_on, 2026-07-13, is before its starts_on, 2026-07-14"],
    ),
    ("enrollment_tracks.csv", "masters,true", "masters,perhaps", ["masters", "is_verified"]),
    (
        "requirements.csv",
        "courses_required\n",
        "courses_required\ndemo,t,core,3\ndemo,t,core,1\ndemo,u,one of,none\nnone,t,core,1\n",
        ["core of track t of program demo", "there 2 times"],
    ),
    (
        "requirement_courses.csv",
        "requirement,course\n",
        "requirement,course\ndemo,t,core,bees1x\ndemo,t,one of,bees1x\ndemo,t,core,buslead1x\n",
        ["bees1x of track t", "there 2 times"],
    ),
    (
        "course_run_pass_grades.csv",
        "pass_grade\n",
        "pass_grade\nUQx_BUSLEAD1x_1T2018,50\nUQx_NOBODY_1T2018,0.5\n",
        ["UQx_BUSLEAD1x_1T2018", "pass_grade, 50"],
    ),
    ("enrollment_tracks.csv", "credit,false", "audit,false", ["track audit"]),
]


# seed, what is replaced by what: it gives no message
UNDERSTOOD_SEEDS = [
    (
        "programs.csv",
        ",issr.education@uq.edu.au,The University",
        ",mailto:issr.education@uq.edu.au\u200b,The University",
    ),
    # as spreadsheets write truths
    ("courses.csv", "UQx_LGDM2x,0.65,false", "UQx_LGDM2x,0.65,FALSE"),
    ("enrollment_tracks.csv", "verified,true", "verified,True"),
]


@pytest.fixture(scope="module")
def wrong_seeds(new_place: NewPlace) -> Build:
    """Build a program in a project whose seeds have every mistake."""
    place = new_place()
    for name, old, new in (*UNDERSTOOD_SEEDS, *(wrong[:3] for wrong in WRONG_SEEDS)):
        place.change_seed(name, old, new)
    return place.build("lgdm")


@pytest.mark.parametrize("wrong", WRONG_SEEDS, ids=lambda wrong: f"{wrong[0]}: {wrong[2][:40].strip()}")
def test_a_wrong_seed_stops_the_build_and_names_the_row(
    wrong_seeds: Build, wrong: tuple[str, str, str, list[str]]
) -> None:
    name, _, _, words = wrong
    lines = [text for text in wrong_seeds.output.splitlines() if f"seeds/{name}" in text]
    assert any(all(word in text for word in words) for text in lines), lines


@pytest.mark.parametrize(
    "words",
    [
        "requirements.csv, requirement core of track t of program demo: its courses_required, 3, is more",
        "requirements.csv, requirement one of of track u of program demo: its courses_required, none, is no",
        "requirements.csv, requirement core of track t of program none: its program, none, is not in",
        "requirement_courses.csv, course bees1x of requirement one of of track t of program demo: its",
        "requirement_courses.csv, course buslead1x of requirement core of track t of program demo: its co",
        "course_run_pass_grades.csv, run UQx_NOBODY_1T2018: its course_instance does not begin with",
    ],
)
def test_what_a_credential_takes_is_checked_row_by_row(wrong_seeds: Build, words: str) -> None:
    assert f"seeds/{words}" in wrong_seeds.output


def test_an_address_in_a_seed_is_understood_where_there_is_no_doubt(wrong_seeds: Build) -> None:
    assert "program lgdm: its contact_email" not in wrong_seeds.output
    assert "program buslead" not in wrong_seeds.output


def test_truths_in_a_seed_are_understood_in_any_letter_case(wrong_seeds: Build) -> None:
    assert "course lgdm2x: its is_capstone" not in wrong_seeds.output
    assert "track verified: its is_verified" not in wrong_seeds.output


def test_wrong_seeds_publish_nothing(wrong_seeds: Build) -> None:
    assert wrong_seeds.returncode != 0
    assert not wrong_seeds.published.exists()
    assert "Traceback" not in wrong_seeds.output
