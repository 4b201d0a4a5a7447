"""The history of downloads, the second of which comes last.

The program is lgdm, whose courses pass at 0.65. One run is downloaded three times, on the days 1, 8 and 15
of May 2019; the learners of STORIES are in it. The other runs stand beside it, so that what happens to the
one is seen not to touch them.
"""

from dataclasses import dataclass, field
from datetime import datetime

import pytest
from report_fixtures import (
    G4_MINIMAL,
    NewPlace,
    Place,
    Row,
    address,
    csv_text,
    grade_report,
    grade_row,
    profile_report,
    profile_row,
    tables_of,
)

Tables = dict[str, list[Row]]

RUN = "UQx_LGDM1x_1T2019"
TWICE = "UQx_LGDM2x_1T2019"
ONCE = "UQx_LGDM3x_1T2018"
NEARLY_EMPTY = "UQx_LGDM4x_1T2019"
FIRST = f"{RUN}_grade_report_2019-05-01-0000.csv"
# Of the case of letters edX makes no difference, and the newest download has the say.
SECOND = f"{RUN.lower()}_grade_report_2019-05-08-1230.csv"
THIRD = f"{RUN}_grade_report_2019-05-15-0000.csv"
THIRD_AGAIN = f"{RUN}_grade_report_2019-05-15-0000 (1).csv"
PROFILES_OF_THE_SECOND_DAY = f"{RUN}_student_profile_info_2019-05-08-1230.csv"
DAY_1 = datetime(2019, 5, 1)  # noqa: DTZ001 - UTC, in a column without a zone
DAY_8 = datetime(2019, 5, 8, 12, 30)  # noqa: DTZ001
DAY_15 = datetime(2019, 5, 15)  # noqa: DTZ001
DAYS = {DAY_1: "1", DAY_8: "8", DAY_15: "15", None: ""}


@dataclass
class Story:
    """What the three downloads say of a learner: `grade track eligible delivered status`, None for nothing.

    `history` is what comes of it: from day, to day, and what is said then, in brackets where the report has
    nothing. `without_second` is the history where the second download never was.
    """

    said: tuple[str | None, str | None, str | None]
    history: list[str]
    without_second: list[str]


def unmoved(says: str) -> list[str]:
    """Write the history of somebody who was listed on the first day, and nothing changed."""
    return [f"1- {says}"]


AUDIT = "0.1 audit N N enrolled"
BETTER = "0.2 audit N N enrolled"
VERIFIED = "0.1 verified N N enrolled"
LEFT = "0.1 audit N N unenrolled"
STORIES = {
    # nothing changes
    201: Story((AUDIT, AUDIT, AUDIT), unmoved(AUDIT), unmoved(AUDIT)),
    # one change, in the last
    202: Story(
        (AUDIT, AUDIT, BETTER), [f"1-15 {AUDIT}", f"15- {BETTER}"], [f"1-15 {AUDIT}", f"15- {BETTER}"]
    ),
    # one change, in the second
    203: Story((AUDIT, BETTER, BETTER), [f"1-8 {AUDIT}", f"8- {BETTER}"], [f"1-15 {AUDIT}", f"15- {BETTER}"]),
    # there and back again: passed, not passed, passed
    204: Story(
        ("0.65 audit N N enrolled", "0.64 audit N N enrolled", "0.65 audit N N enrolled"),
        ["1-8 0.65 audit N N enrolled", "8-15 0.64 audit N N enrolled", "15- 0.65 audit N N enrolled"],
        unmoved("0.65 audit N N enrolled"),
    ),
    # left out of the second and the third
    205: Story((AUDIT, None, None), [f"1-8 {AUDIT}", f"8- ({AUDIT})"], [f"1-15 {AUDIT}", f"15- ({AUDIT})"]),
    # left out of the third
    206: Story(
        (AUDIT, AUDIT, None), [f"1-15 {AUDIT}", f"15- ({AUDIT})"], [f"1-15 {AUDIT}", f"15- ({AUDIT})"]
    ),
    # left out of the second, and back as before
    207: Story((AUDIT, None, AUDIT), [f"1-8 {AUDIT}", f"8-15 ({AUDIT})", f"15- {AUDIT}"], unmoved(AUDIT)),
    # left out of the second, and back with a grade that passes
    208: Story(
        ("0.64 verified N N enrolled", None, "0.9 verified N N enrolled"),
        [
            "1-8 0.64 verified N N enrolled",
            "8-15 (0.64 verified N N enrolled)",
            "15- 0.9 verified N N enrolled",
        ],
        ["1-15 0.64 verified N N enrolled", "15- 0.9 verified N N enrolled"],
    ),
    # in the second alone
    209: Story((None, AUDIT, None), [f"8-15 {AUDIT}", f"15- ({AUDIT})"], []),
    # new in the second
    210: Story((None, AUDIT, AUDIT), [f"8- {AUDIT}"], [f"15- {AUDIT}"]),
    # new in the last, with everything at once
    211: Story((None, None, "1.0 verified Y Y enrolled"), *[["15- 1.0 verified Y Y enrolled"]] * 2),
    # passes, is certified and upgrades
    212: Story(
        ("0.64 honor N N enrolled", "0.64 honor N N enrolled", "0.65 verified Y N enrolled"),
        *[["1-15 0.64 honor N N enrolled", "15- 0.65 verified Y N enrolled"]] * 2,
    ),
    # each column alone: the track, to one that is not verified ...
    213: Story(
        (AUDIT, AUDIT, "0.1 honor N N enrolled"),
        *[[f"1-15 {AUDIT}", "15- 0.1 honor N N enrolled"]] * 2,
    ),
    # ... and from one verified track to another
    214: Story(
        (VERIFIED, VERIFIED, "0.1 masters N N enrolled"),
        *[[f"1-15 {VERIFIED}", "15- 0.1 masters N N enrolled"]] * 2,
    ),
    # ... whether a certificate is due, ...
    215: Story(
        (VERIFIED, VERIFIED, "0.1 verified Y N enrolled"),
        *[[f"1-15 {VERIFIED}", "15- 0.1 verified Y N enrolled"]] * 2,
    ),
    # ... whether it is delivered, ...
    216: Story(
        ("0.9 verified Y N enrolled", "0.9 verified Y N enrolled", "0.9 verified Y Y enrolled"),
        *[["1-15 0.9 verified Y N enrolled", "15- 0.9 verified Y Y enrolled"]] * 2,
    ),
    # ... and the status
    217: Story((AUDIT, AUDIT, LEFT), *[[f"1-15 {AUDIT}", f"15- {LEFT}"]] * 2),
    # unenrolled in the second, enrolled again in the third
    218: Story((AUDIT, LEFT, AUDIT), [f"1-8 {AUDIT}", f"8-15 {LEFT}", f"15- {AUDIT}"], unmoved(AUDIT)),
    # unenrolled, then left out
    219: Story((LEFT, LEFT, None), *[[f"1-15 {LEFT}", f"15- ({LEFT})"]] * 2),
    # left out, then unenrolled
    220: Story(
        (AUDIT, None, LEFT),
        [f"1-8 {AUDIT}", f"8-15 ({AUDIT})", f"15- {LEFT}"],
        [f"1-15 {AUDIT}", f"15- {LEFT}"],
    ),
    # certified in the second, which is no news in the third
    221: Story(
        (VERIFIED, "0.9 verified Y N enrolled", "0.9 verified Y N enrolled"),
        [f"1-8 {VERIFIED}", "8- 0.9 verified Y N enrolled"],
        [f"1-15 {VERIFIED}", "15- 0.9 verified Y N enrolled"],
    ),
}
# Its row in the second download cannot be used: as if it were left out there.
REJECTED = 222
# It is in the second download twice, and the last line counts.
REPEATED = 223


def row(student_id: int, says: str) -> Row:
    """Write a learner's row of a grade report."""
    grade, track, eligible, delivered, status = says.split()
    cells = grade_row(student_id, grade, track, eligible, status)
    return (*cells[:7], delivered, *cells[8:])


def told(number: int) -> list[Row]:
    """Write what one of the three downloads says of the learners of STORIES."""
    return [
        row(student_id, story.said[number]) for student_id, story in STORIES.items() if story.said[number]
    ]


def write(place: Place, *names: str) -> None:
    """Let some of FILES arrive."""
    for name in names:
        place.write("lgdm", name, FILES[name])


FILES = {
    FIRST: grade_report(*told(0), row(REJECTED, AUDIT), row(REPEATED, AUDIT)),
    SECOND: grade_report(
        row(REPEATED, "0.3 audit N N enrolled"),
        *told(1),
        row(REJECTED, "2.5 audit N N enrolled"),
        row(REPEATED, AUDIT),
    ),
    # Somebody downloaded it twice within a minute: the copy with the longer name is the later one.
    THIRD: grade_report(row(201, "0.9 verified Y Y enrolled"), row(299, AUDIT)),
    THIRD_AGAIN: grade_report(*told(2), row(REJECTED, AUDIT), row(REPEATED, AUDIT)),
    # Of the same run and day, and no download of its grades: profiles, and those whom edX could not grade.
    PROFILES_OF_THE_SECOND_DAY: profile_report(profile_row(201, "Pupil Profiled", "AU")),
    f"{RUN}_grade_report_2019-05-10-0000.csv": "Student ID,Username,Error\r\n201,pupil_201,no grade\r\n",
    # 212 passes the one run on the day on which nothing is decided in the other.
    f"{TWICE}_grade_report_2019-04-01-0000.csv": grade_report(
        row(201, "0.5 audit N N enrolled"), row(212, "0.5 audit N N enrolled")
    ),
    f"{TWICE}_grade_report_2019-05-15-0000.csv": grade_report(
        row(201, "0.7 audit N N enrolled"), row(212, "0.6 audit N N enrolled")
    ),
    # Before June 2017 there was no column for the status.
    f"{ONCE}_grade_report_2018-06-01-0000.csv": csv_text(
        G4_MINIMAL.removesuffix(",Enrollment Status"), [row(201, "0.9 verified Y Y enrolled")[:-1]]
    ),
    f"{NEARLY_EMPTY}_grade_report_2019-05-01-0000.csv": grade_report(row(201, LEFT)),
    f"{NEARLY_EMPTY}_grade_report_2019-05-02-0000.csv": grade_report(),
    "UQx-email_opt_in-2019-05-15.csv": csv_text(
        "email,course_id,is_opted_in_for_email,preference_set_datetime",
        [(address(204), "course-v1:UQx+LGDM1x+1T2019", "True", "2019-05-01 00:00:00")],
    ),
}
OTHERS = [name for name in FILES if name not in {FIRST, SECOND, THIRD, THIRD_AGAIN}]


@dataclass
class Published:
    """All that was published without the second download, then with it, and then without the third."""

    # A failing test's report shows no rows.
    without_second: Tables = field(repr=False)
    of_all: Tables = field(repr=False)
    before_third: Tables = field(repr=False)


@pytest.fixture(scope="module")
def published(new_place: NewPlace) -> Published:
    """Build when the first and the third download are there, when the second comes, and the third goes."""
    place = new_place()

    def build() -> Tables:
        return tables_of(place.build("lgdm").passed().proved().published)

    write(place, FIRST, THIRD, THIRD_AGAIN, *OTHERS)
    without_second = build()
    write(place, SECOND)
    of_all = build()
    for name in (THIRD, THIRD_AGAIN):
        (place.data / "lgdm" / name).unlink()
    return Published(without_second, of_all, build())


# ---- what the downloads said, and when ----


def history(tables: Tables, student_id: int, course_instance: str = RUN) -> list[str]:
    """Read a learner's rows of learner_course_history, as Story has them."""
    lines = []
    rows = [
        row
        for row in tables["learner_course_history"]
        if row[0] == student_id and row[2].lower() == course_instance.lower()
    ]
    for *_, start, end, is_reported, track, grade, eligible, delivered, status in sorted(
        rows, key=lambda row: row[3]
    ):
        says = f"{grade} {track} {eligible} {delivered} {status}"
        lines.append(f"{DAYS[start]}-{DAYS[end]} {says if is_reported else f'({says})'}")
    return lines


@pytest.mark.parametrize("student_id", STORIES)
def test_history_of_a_learner(published: Published, student_id: int) -> None:
    assert history(published.of_all, student_id) == STORIES[student_id].history


@pytest.mark.parametrize("student_id", STORIES)
def test_history_of_a_learner_without_the_second_download(published: Published, student_id: int) -> None:
    assert history(published.without_second, student_id) == STORIES[student_id].without_second


def test_a_row_that_cannot_be_used_is_none(published: Published) -> None:
    said = [f"1-8 {AUDIT}", f"8-15 ({AUDIT})", f"15- {AUDIT}"]
    assert history(published.of_all, REJECTED) == said


def test_of_repeated_rows_the_last_counts(published: Published) -> None:
    assert history(published.of_all, REPEATED) == unmoved(AUDIT)


def test_of_two_copies_with_one_stamp_the_later_counts(published: Published) -> None:
    assert history(published.of_all, 299) == []


def test_history_row_in_full(published: Published) -> None:
    table = published.of_all["learner_course_history"]
    rows = [row for row in table if row[0] == 212 and row[2] == RUN]
    assert rows == [
        (212, "lgdm1x", RUN, DAY_1, DAY_15, True, "honor", 0.64, "N", "N", "enrolled"),
        (212, "lgdm1x", RUN, DAY_15, None, True, "verified", 0.65, "Y", "N", "enrolled"),
    ]


def test_what_was_downloaded_once_has_one_open_row(published: Published) -> None:
    rows = [row for row in published.of_all["learner_course_history"] if row[2] == ONCE]
    since = datetime(2018, 6, 1)  # noqa: DTZ001
    assert rows == [(201, "lgdm3x", ONCE, since, None, True, "verified", 0.9, "Y", "Y", None)]


def test_the_history_has_nobody_else(published: Published) -> None:
    listed = {(row[0], row[1]) for row in published.of_all["learner_course_history"]}
    elsewhere = {(201, "lgdm2x"), (212, "lgdm2x"), (201, "lgdm3x"), (201, "lgdm4x")}
    assert listed == elsewhere | {(number, "lgdm1x") for number in (*STORIES, REJECTED, REPEATED)}


# ---- what is new since the download before ----

# By hand from STORIES, second against third download: learner, change, before, after.
CHANGES = [
    (204, "newly passed", "grade 0.64", "grade 0.65"),
    (206, "not in the report", "enrolled", "not in the report"),
    (207, "came back", "not in the report", "enrolled"),
    (208, "came back", "not in the report", "enrolled"),
    # what was said last, before it was left out
    (208, "newly passed", "grade 0.64", "grade 0.9"),
    (209, "not in the report", "enrolled", "not in the report"),
    (211, "newly certified", None, "certificate_eligible Y"),
    (211, "newly passed", None, "grade 1.0"),
    (212, "newly certified", "certificate_eligible N", "certificate_eligible Y"),
    (212, "newly passed", "grade 0.64", "grade 0.65"),
    (212, "upgraded", "track honor", "track verified"),
    (215, "newly certified", "certificate_eligible N", "certificate_eligible Y"),
    (217, "unenrolled", "enrolled", "unenrolled"),
    (218, "came back", "unenrolled", "enrolled"),
    (219, "not in the report", "unenrolled", "not in the report"),
    (222, "came back", "not in the report", "enrolled"),
]
# Learner, change, of the first download against the second.
EARLIER_CHANGES = [
    (205, "not in the report"),
    (207, "not in the report"),
    (208, "not in the report"),
    (218, "unenrolled"),
    (220, "not in the report"),
    (221, "newly certified"),
    (221, "newly passed"),
    (222, "not in the report"),
]
# Learner, change, of the first download against the third.
CHANGES_WITHOUT_SECOND = [
    (205, "not in the report"),
    (206, "not in the report"),
    (208, "newly passed"),
    (211, "newly certified"),
    (211, "newly passed"),
    (212, "newly certified"),
    (212, "newly passed"),
    (212, "upgraded"),
    (215, "newly certified"),
    (217, "unenrolled"),
    (219, "not in the report"),
    (220, "unenrolled"),
    (221, "newly certified"),
    (221, "newly passed"),
]
OTHER_RUNS_CHANGES = [
    (201, "lgdm2x", TWICE, "newly passed", datetime(2019, 4, 1), DAY_15, "grade 0.5", "grade 0.7"),  # noqa: DTZ001
    (
        *(201, "lgdm4x", NEARLY_EMPTY, "not in the report"),
        *(datetime(2019, 5, 1), datetime(2019, 5, 2)),  # noqa: DTZ001
        *("unenrolled", "not in the report"),
    ),
]


def test_changes_are_those_since_the_previous_download_of_each_run(published: Published) -> None:
    expected = [
        (student_id, "lgdm1x", RUN, change, DAY_8, DAY_15, before, after)
        for student_id, change, before, after in CHANGES
    ]
    found = published.of_all["changes"]
    assert sorted(found, key=repr) == sorted(expected + OTHER_RUNS_CHANGES, key=repr)


@pytest.mark.parametrize(
    ("name", "days", "expected"),
    [
        ("before_third", (DAY_1, DAY_8), EARLIER_CHANGES),
        ("without_second", (DAY_1, DAY_15), CHANGES_WITHOUT_SECOND),
    ],
)
def test_changes_while_other_downloads_are_the_newest(
    published: Published, name: str, days: tuple[datetime, datetime], expected: list[Row]
) -> None:
    found = [row for row in getattr(published, name)["changes"] if row[1] == "lgdm1x"]
    assert sorted((row[0], row[3]) for row in found) == expected
    assert {row[4:6] for row in found} == {days}


# ---- how a run grew ----


def test_progress_over_time(published: Published) -> None:
    # enrolled, attempted, passed, verified, certificate-eligible. Of the learners 201 to 223 the first
    # download lists all but 209, 210 and 211: one has left (219), five are on a verified track (208, 214,
    # 215, 216, 221), 204 and 216 reach 0.65, and 216 is eligible. The second leaves out 205, 207, 208, 211,
    # 220 and, as its row is none, 222; 218 and 219 have left; verified are 214, 215, 216 and 221; 216 and 221
    # pass and are eligible. The third leaves out 205, 206, 209 and 219; 217 and 220 have left; verified are
    # 208, 211, 212, 214 (masters), 215, 216 and 221; all of those but 214 pass, and 204; eligible are 211,
    # 212, 215, 216 and 221.
    rows = [row for row in published.of_all["progress_over_time"] if row[0] == "lgdm1x"]
    assert sorted(rows) == [
        ("lgdm1x", RUN, DAY_1, 1, 19, 20, 2, 5, 1),
        ("lgdm1x", RUN, DAY_8, 2, 15, 17, 2, 4, 2),
        ("lgdm1x", RUN, DAY_15, 3, 17, 19, 7, 7, 5),
    ]


def test_progress_of_the_other_runs(published: Published) -> None:
    rows = [row for row in published.of_all["progress_over_time"] if row[0] != "lgdm1x"]
    assert sorted(rows) == [
        ("lgdm2x", TWICE, datetime(2019, 4, 1), 1, 2, 2, 0, 0, 0),  # noqa: DTZ001
        ("lgdm2x", TWICE, DAY_15, 2, 2, 2, 1, 0, 0),
        # without a column for the status, everybody is enrolled
        ("lgdm3x", ONCE, datetime(2018, 6, 1), 1, 1, 1, 1, 1, 1),  # noqa: DTZ001
        ("lgdm4x", NEARLY_EMPTY, datetime(2019, 5, 1), 1, 0, 1, 0, 0, 0),  # noqa: DTZ001
        # a download that lists nobody
        ("lgdm4x", NEARLY_EMPTY, datetime(2019, 5, 2), 2, 0, 0, 0, 0, 0),  # noqa: DTZ001
    ]


# ---- what a download between two others changes ----


def test_a_download_leaves_other_runs_as_they_were(published: Published) -> None:
    def of_others(tables: Tables, table: str, column: int) -> list[Row]:
        return [row for row in tables[table] if row[column] != RUN]

    before, after = published.without_second, published.of_all
    for table, column in [("learner_course_history", 2), ("changes", 2), ("progress_over_time", 1)]:
        assert of_others(after, table, column) == of_others(before, table, column), table
        assert of_others(after, table, column), table


def test_an_old_download_leaves_the_report_as_it_was(published: Published) -> None:
    # 209 was in the second download alone, which makes nobody a learner.
    before, after = published.without_second, published.of_all
    assert [name for name in sorted(before | after) if before.get(name) != after.get(name)] == [
        "changes",
        "learner_course_history",
        "learners",
        "progress_over_time",
        "rejected_rows",
        "rejected_rows_by_reason",
        "report_files",
    ]
    # Who is first seen in it was seen first in the third: nothing else of a learner is of the second.
    first_seen = {row[0]: row[6] for row in before["learners"]}
    assert {row[0] for row in after["learners"] if first_seen[row[0]] != row[6]} == {210}
