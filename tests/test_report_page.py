"""`mm report`: its numbers, what it does not hold, and how it looks in a real browser."""

import base64
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import duckdb
import pytest
from all_programs_fixtures import Rows, many, write_file, write_tables
from mail_fixtures import World
from markupsafe import Markup
from report_fixtures import Build
from selenium.webdriver import Chrome

from mm.pages import environment
from mm.report import program as report
from mm.report.all_programs import render_report_of_all
from mm.report.program import render_report

NOW = datetime(2026, 6, 18, 9, 30, tzinfo=UTC)
TABLES = {
    "programs": "program varchar, title varchar, certificates_required integer",
    "courses": "course varchar, position integer, title varchar, file_prefix varchar, is_offered boolean",
    "program_summary": "learners bigint, with_a_certificate bigint, all_but_one_certified bigint,"
    " whole_series_certified bigint, countries bigint",
    "course_summary": "course varchar, position integer, title varchar, is_capstone boolean, learners bigint,"
    " attempted bigint, passed bigint, verified_passed bigint, certificate_eligible bigint",
    "course_run_summary": "course varchar, position integer, course_instance varchar, run_order integer,"
    " reported_at timestamp, learners bigint, unenrolled bigint, attempted bigint, passed bigint,"
    " verified bigint, verified_passed bigint, certificate_eligible bigint, run_code varchar,"
    " calls_auditors_eligible boolean, tells_who_left boolean, lists_verified_only boolean",
    "certificate_summary": "no_certificate_eligible integer, learners bigint",
    "country_summary": "country varchar, learners bigint, passed bigint, certificate_eligible bigint,"
    " rank_by_learners integer",
    "progress_over_time": "course varchar, course_instance varchar, reported_at timestamp,"
    " download_number integer, enrolled bigint, attempted bigint, passed bigint, verified bigint,"
    " certificate_eligible bigint",
    "track_summary": "track varchar, certificates_required integer, complete bigint, one_to_go bigint,"
    " nearest bigint",
    "learner_progress": "student_id bigint, next_course varchar, stage varchar, stage_reason varchar",
    "learners": "student_id bigint, email varchar, name varchar, is_retired boolean",
    "report_files": "file_name varchar, course_instance varchar, reported_at timestamp, status varchar,"
    " reason varchar, learners_gone bigint, certificates_gone bigint",
    "rejected_rows": "file_name varchar, line bigint, reason varchar, raw_text varchar",
}
LONG_TITLE = (
    "Managing <i>Varroa</i> & Other Unwelcome Guests in Very Large Colonies: An Extended Practicum" * 2
)
UNBROKEN_TITLE = "Bienenvolkwintervorbereitungsgrundlagenkurs" * 3
PROGRESS = ("Reported", "Enrolled", "Attempted", "Passed", "Verified", "Eligible")
NAME = "<script>alert('Ada')</script> O\u2019Hara"


def rows() -> Rows:
    """Return a program with all that makes a page break: long, many, huge, none, and code for text."""
    month = [datetime(2016, 5, 1) + timedelta(days=90 * i) for i in range(30)]  # noqa: DTZ001 - as in the tables
    return {
        "programs": [("demo", "Bees & <b>Hives</b>", 3)],
        "courses": [
            ("one", 1, LONG_TITLE, "ExampleX_ONE", True),
            ("two", 2, UNBROKEN_TITLE, "ExampleX_TWO", True),
            ("three", 3, None, "ExampleX_THREE", True),
            ("last", 4, "Capstone", "ExampleX_LAST", True),
        ],
        "program_summary": [(2_345_678, 234_567, 3, 1, 19)],
        "course_summary": [
            ("one", 1, LONG_TITLE, False, 2_345_678, 1_234_567, 345_678, 234_000, 234_567),
            ("two", 2, UNBROKEN_TITLE, False, 200, 199, 50, 1, 1),
            ("three", 3, None, False, 3, 0, 1, 1, 1),
            ("last", 4, "Capstone", True, 0, 0, 0, 0, 0),
        ],
        "course_run_summary": [
            (
                "one",
                1,
                f"ExampleX_ONE_{i}T20{i + 10}",
                i,
                at,
                78_000 + i,
                10,
                40_000,
                9_999,
                30_000,
                7_000,
                7_010,
                f"{i}T20{i + 10}",
                # of 90 days each: 5 downloads are from before June 2017, 9 from before June 2018
                i <= 9,
                i > 5,
                False,
            )
            for i, at in enumerate(month, start=1)
        ]
        # a run with verified learners only, and one whose prefix is older and whose code is long
        + [
            (
                *("two", 2, "OldX_DUO_WWWWWWWWWWWWWWWWWWWWWWWWWWWW", 1, month[20], 0, 0, 0, 0, 0, 0, 0),
                *("WWWWWWWWWWWWWWWWWWWWWWWWWWWW", False, True, False),
            ),
            (
                *("two", 2, "ExampleX_TWO_2025_Fall", 2, datetime(2025, 1, 2, 3, 4), 200, 0, 199, 50),  # noqa: DTZ001
                *(200, 1, 1, "2025_Fall", False, True, True),
            ),
            (
                *("three", 3, "ExampleX_THREE_R1", 1, datetime(2026, 6, 15, 2, 42), 3, 0, 0, 1, 0, 1, 1),  # noqa: DTZ001
                *("R1", False, True, False),
            ),
        ],
        "certificate_summary": [(0, 2_111_111), (1, 234_560), (2, 3), (3, 3), (4, 1)],
        "country_summary": [(f"A{chr(65 + i)}", 100 - i, 50 - i, i, i + 1) for i in range(19)]
        + [(None, 500, 1, 0, 20)],
        # a run of 140 downloads with a million learners, one whose downloads are alike, one that turns over
        "progress_over_time": [
            (
                *("one", "ExampleX_ONE_30T2040", month[0] + timedelta(days=7 * i), i + 1),
                *(2_000_000 + i, 1_000_000 + i, 1000 * i, 500_000 - i, 900 * i),
            )
            for i in range(140)
        ]
        + [
            ("two", "OldX_DUO_WWWWWWWWWWWWWWWWWWWWWWWWWWWW", at, number, 0, 0, 0, 0, 0)
            for number, at in enumerate((month[20], month[20] + timedelta(minutes=1)), start=1)
        ]
        + [("two", "ExampleX_TWO_2025_Fall", datetime(2025, 1, 2, 3, 4), 1, 200, 199, 50, 200, 1)]  # noqa: DTZ001
        + [
            ("three", "ExampleX_THREE_R1", datetime(2025, 11, 28), 1, 9_999, 1, 0, 0, 7),  # noqa: DTZ001
            ("three", "ExampleX_THREE_R1", datetime(2026, 6, 15, 2, 42), 2, 3, 0, 1, 9_999, 1),  # noqa: DTZ001
        ],
        "learner_progress": [
            (1, "three", "one to go", "passed 2 courses"),
            (2, "one", "one to go", "passed 2 courses"),
            (3, None, "one to go", "passed 3 courses"),
            (4, None, "series complete", "passed 3 courses"),
            (5, "one", "enrolled", "has no grade"),
            (6, "one", "attempted", "has a grade"),
            (7, "two", "attempted", "has a grade"),
        ],
        "track_summary": [("series", 3, 1, 3, 7)],
        "learners": [
            (1, "ada@learners.example.org", NAME, False),
            (2, "bea@learners.example.org", "Bea Bee", False),
            (3, None, None, True),
            (4, "cy@learners.example.org", "Cy Complete", False),
        ],
        "report_files": [
            ("a.csv", "X_<A>_1", datetime(2026, 6, 15, 2, 42), "used", None, 1200, 0),  # noqa: DTZ001
            ("b.csv", "X_B_1", datetime(2026, 6, 1), "used", None, 0, 3),  # noqa: DTZ001
            ("b0.csv", "X_B_0", datetime(2026, 6, 1), "used", None, 0, 0),  # noqa: DTZ001
            (
                "c.csv",
                None,
                datetime(2027, 1, 1),  # noqa: DTZ001
                "ignored",
                "a report on <other>, another program",
                None,
                None,
            ),
            (
                "d.csv",
                "X_<A>_1",
                datetime(2020, 1, 1),  # noqa: DTZ001
                "superseded",
                "a newer download of its run is here: a.csv",
                None,
                None,
            ),
        ],
        "rejected_rows": [
            (
                "a.csv",
                7,
                "line 9 has the same learner, and the last line counts",
                "1,ada@learners.example.org",
            ),
            (
                "b.csv",
                8,
                "line 10 has the same learner, and the last line counts",
                "1,ada@learners.example.org",
            ),
            ("b.csv", 11, "it has 3 cells, the header has 10", "1,2,ada@learners.example.org"),
        ],
    }


def nothing() -> Rows:
    """Return a program without learners, downloads and courses."""
    return {table: [] for table in TABLES} | {
        "programs": [("demo", None, 3)],
        "certificate_summary": [(0, 0), (1, 0)],
        "program_summary": [(0, 0, 0, 0, 0)],
    }


def publish(path: Path, tables: Rows) -> None:
    write_tables(path, TABLES, tables)


class Page(HTMLParser):
    """What a page says: its elements, its text in order, and its tables as texts of cells."""

    def __init__(self, html: str) -> None:
        """Read it."""
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.tables: list[list[list[str]]] = []
        self.words: list[str] = []
        self._cell = False
        self._style = False
        self.feed(html)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin an element."""
        self.elements.append((tag, dict(attrs)))
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in {"td", "th"}:
            self.tables[-1][-1].append("")
            self._cell = True
        self._style = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        """End an element."""
        if tag in {"td", "th"}:
            self._cell = False
        self._style = False

    def handle_data(self, data: str) -> None:
        """Take a text."""
        if self._cell:
            self.tables[-1][-1][-1] += data
        if not self._style:
            self.words.append(data)

    def table(self, *header: str) -> list[list[list[str]]]:
        """Return the rows of each table with this header."""
        return [table[1:] for table in self.tables if tuple(table[0]) == header]

    def one_table(self, *header: str) -> list[list[str]]:
        """Return the rows of the table with this header."""
        (only,) = self.table(*header)
        return only


def page_of(path: Path, now: datetime = NOW, *, with_learners: bool = False) -> str:
    with duckdb.connect(path, read_only=True) as connection:
        return render_report(connection, now, with_learners=with_learners)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "demo.duckdb"
    publish(path, rows())
    return path


@pytest.fixture(scope="module")
def html(database: Path) -> str:
    return page_of(database)


@pytest.fixture(scope="module")
def downloaded_again(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Draw three downloads of a run, two of one day of another, and one of a third."""
    tables = rows()
    bees1x, bees2x, of_today = ("bees1x", 1), ("bees2x", 2), (False, True, False)
    tables["courses"] = [
        (*bees1x, "Bee Biology", "ExampleX_BEES1x", True),
        (*bees2x, "Hives Through the Year", "ExampleX_BEES2x", True),
    ]
    tables["course_summary"] = [
        (*bees1x, "Bee Biology", False, 5, 4, 3, 2, 2),
        (*bees2x, "Hives Through the Year", False, 2, 0, 0, 0, 0),
    ]
    early, middle, late = (datetime(2026, *day, 6) for day in ((3, 1), (3, 11), (4, 10)))  # noqa: DTZ001
    tables["course_run_summary"] = [
        (*bees1x, "ExampleX_BEES1x_1T2026", 1, late, 5, 2, 4, 3, 2, 2, 2, "1T2026", *of_today),
        (*bees1x, "ExampleX_BEES1x_3T2026", 2, late, 1, 0, 0, 0, 0, 0, 0, "3T2026", *of_today),
        (*bees2x, "ExampleX_BEES2x_1T2026", 1, late, 2, 0, 0, 0, 0, 0, 0, "1T2026", *of_today),
    ]
    tables["progress_over_time"] = [
        ("bees1x", "ExampleX_BEES1x_1T2026", early, 1, 2, 1, 0, 0, 0),
        # one has left, one has passed as edX does not say yet
        ("bees1x", "ExampleX_BEES1x_1T2026", middle, 2, 3, 2, 1, 2, 0),
        ("bees1x", "ExampleX_BEES1x_1T2026", late, 3, 3, 4, 3, 2, 2),
        ("bees1x", "ExampleX_BEES1x_3T2026", late, 1, 1, 0, 0, 0, 0),
        ("bees2x", "ExampleX_BEES2x_1T2026", late.replace(hour=9), 1, 1, 0, 0, 0, 0),
        ("bees2x", "ExampleX_BEES2x_1T2026", late.replace(hour=15, minute=30), 2, 2, 0, 0, 0, 0),
    ]
    path = tmp_path_factory.mktemp("again") / "demo.duckdb"
    publish(path, tables)
    return page_of(path)


Points = list[tuple[float, float]]


@dataclass(frozen=True)
class Lines:
    """A chart of lines: what is written, and the points of each stroke by the property that colours it."""

    texts: dict[str, tuple[float, float]]
    strokes: dict[str, list[Points]]

    def height(self, place: float) -> float:
        """Tell how far up the upright axis a place is, from 0 to 1."""
        (_, top), (_, bottom) = self.strokes["axis"][0][:2]
        return (bottom - place) / (bottom - top)


def lines_of(html: str, title: str) -> Lines:
    charts = [ET.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", html, re.DOTALL)]  # noqa: S314 - made here
    (chart,) = (each for each in charts if each.attrib["aria-label"].startswith(f"{title}. "))
    strokes: dict[str, list[Points]] = {}
    for stroke in (*chart.iter("path"), *chart.iter("polyline")):
        points = re.findall(r"([\d.]+),([\d.]+)", stroke.get("points", "") + stroke.get("d", ""))
        colour = stroke.attrib["class"].split()[0]
        strokes.setdefault(colour, []).append([(float(x), float(y)) for x, y in points])
    texts = {
        text.text or "": (float(text.attrib["x"]), float(text.attrib["y"])) for text in chart.iter("text")
    }
    return Lines(texts, strokes)


# --- numbers


def test_tables_have_the_numbers_of_the_database(html: str) -> None:
    page = Page(html)
    funnels = page.table("Step", "Learners", "Of those ever enrolled")
    assert funnels == [
        [
            ["Ever enrolled", "2,345,678", "100%"],
            ["Attempted", "1,234,567", "53%"],
            ["Passed", "345,678", "15%"],
            ["Passed, verified", "234,000", "10%"],
            ["Certificate-eligible", "234,567", "10%"],
        ],
        [
            ["Ever enrolled", "200", "100%"],
            ["Attempted", "199", ">99%"],
            ["Passed", "50", "25%"],
            ["Passed, verified", "1", "<1%"],
            ["Certificate-eligible", "1", "<1%"],
        ],
        [
            ["Ever enrolled", "3", "100%"],
            ["Attempted", "0", "0%"],
            ["Passed", "1", "33%"],
            ["Passed, verified", "1", "33%"],
            ["Certificate-eligible", "1", "33%"],
        ],
        [[step, "0", ""] for step in ("Ever enrolled", "Attempted", "Passed", "Passed, verified")]
        + [["Certificate-eligible", "0", ""]],
    ]
    assert page.one_table("Certificates", "Learners", "Of all learners") == [
        ["0", "2,111,111", "90%"],
        ["1", "234,560", "10%"],
        ["2", "3", "<1%"],
        ["3", "3", "<1%"],
        ["4", "1", "<1%"],
    ]
    stages = page.one_table("Stage", "Which means", "Learners", "Of all learners")
    assert [[stage, count, share] for stage, _, count, share in stages] == [
        ["Enrolled", "1", "14%"],
        ["Attempted", "2", "29%"],
        ["Passed one", "0", "0%"],
        ["On the way", "0", "0%"],
        ["One to go", "3", "43%"],
        ["Series complete", "1", "14%"],
    ]
    # what each stage means stands below the bars, too
    meanings = [f"{stage} {meaning}" for stage, meaning, _, _ in stages]
    assert " ".join(meanings) in page.text
    runs = page.table("Run", "Reported", "Ever enrolled", "Attempted", "Passed", "Eligible")
    assert [len(table) for table in runs] == [30, 2, 1]
    assert runs[0][0] == ["1T2011", "01\u00a0May\u00a02016", "78,001", "40,000", "9,999", "7,010"]
    assert [row[0] for row in runs[1]] == ["WWWWWWWWWWWWWWWWWWWWWWWWWWWW", "2025_Fall"]
    assert runs[2] == [["R1", "15\u00a0Jun\u00a02026", "3", "0", "1", "1"]]
    countries = page.one_table("Country", "Ever enrolled", "Passed", "Eligible")
    assert [row[0] for row in countries] == [
        *(f"A{letter}" for letter in "ABCDEFGHIJKLMNO"),
        "Others",
        "Not given",
    ]
    assert countries[0] == ["AA", "100", "50", "0"]
    # 85 + 84 + 83 + 82, 35 + 34 + 33 + 32, 15 + 16 + 17 + 18
    assert countries[-2:] == [["Others", "334", "134", "66"], ["Not given", "500", "1", "0"]]
    assert "Others: 4 countries" in page.text


def test_headlines_and_who_is_one_step_away(html: str) -> None:
    page = Page(html)
    for words in (
        "Ever enrolled 2,345,678 in 4 courses, 33 runs",
        "With a certificate 234,567 10% of learners",
        "One certificate to go 3 <1% of learners",
        "Whole series 1 all 3 certificates",
        "Countries 19",
        "Newest download 15 Jun 2026: 3 days old",
        "3 learners lack one certificate",
    ):
        assert words in page.text
    assert page.one_table("Certificate to go", "Learners") == [
        [LONG_TITLE, "1"],
        ["three", "1"],
        ["No course is left to pass: a certificate is due", "1"],
    ]


def test_data_health(html: str) -> None:
    page = Page(html)
    files = page.one_table("Status", "Which means", "Files")
    assert [[status, count] for status, _, count in files] == [
        ["Used", "3"],
        ["Superseded", "1"],
        ["Ignored", "1"],
        ["Refused", "0"],
    ]
    # what a newest download lacks of the one before: a certificate comes first
    assert page.one_table("Course run", "Learners gone", "Certificates gone") == [
        ["X_B_1", "0", "3"],
        ["X_<A>_1", "1,200", "0"],
    ]
    assert page.one_table("Why", "Files") == [["a report on <other>, another program", "1"]]
    assert page.one_table("Why", "Rows", "Files") == [
        ["a later line has the same learner, and the last line counts", "2", "2"],
        ["it has 3 cells, the header has 10", "1", "1"],
    ]


@pytest.mark.parametrize(
    ("now", "age"),
    [
        (datetime(2026, 6, 15, 2, 42, tzinfo=UTC), "less than a day old"),
        (datetime(2026, 6, 16, 2, 42, tzinfo=UTC), "1 day old"),
        # the same moment, said elsewhere
        (datetime(2026, 6, 16, 12, 42, tzinfo=timezone(timedelta(hours=10))), "1 day old"),
        (datetime(2027, 6, 15, 2, 42, tzinfo=UTC), "365 days old"),
        (datetime(2026, 6, 14, 2, 42, tzinfo=UTC), "dated later than this report"),
    ],
)
def test_the_age_of_the_newest_download(tmp_path: Path, now: datetime, age: str) -> None:
    publish(tmp_path / "demo.duckdb", nothing() | {"report_files": rows()["report_files"]})
    page = Page(page_of(tmp_path / "demo.duckdb", now))
    assert f"The newest download is {age} (15 June 2026, 02:42 UTC)." in page.text


def test_each_difference_from_edx_is_explained_where_there_is_one(html: str, tmp_path: Path) -> None:
    page = Page(html)
    for words in (
        # 9 of the 30 runs are from before June 2018, 5 from before June 2017; 10 in each are not verified
        "before June 2018 call passing audit learners certificate-eligible: 90 results in 9 runs here",
        "210 more results are certificate-eligible on a track that does not count as verified",
        "300 enrolments here",
        "Downloads from before June 2017 do not tell who left: 5 runs here",
        "leave audit learners out of large courses' reports: 1 run here lists verified learners only",
        "more learners can have passed than attempted",
    ):
        assert words in page.text
    plain = nothing()
    plain["course_run_summary"] = [
        (
            *("two", 2, "ExampleX_TWO_1", 1, datetime(2026, 1, 1), 9, 0, 8, 7, 6, 5, 5),  # noqa: DTZ001
            *("1", False, True, False),
        )
    ]
    publish(tmp_path / "demo.duckdb", plain)
    notes = Page(page_of(tmp_path / "demo.duckdb")).text.split("Where these numbers differ")[1]
    notes = notes.split("Each course over its runs")[0]
    assert notes == (
        " from edX's own edX shows each run by itself. Here a learner of several runs counts once per course,"
        " and in each run once. "
    )


def test_a_program_without_learners_has_a_page(tmp_path: Path) -> None:
    publish(tmp_path / "demo.duckdb", nothing())
    text = Page(page_of(tmp_path / "demo.duckdb")).text
    for words in (
        "demo",
        "Nobody is one certificate short",
        "No run has a grade report",
        "There are no learners",
    ):
        assert words in text
    assert "From download to download" not in text
    assert "No download is used." in text


def test_the_report_is_the_same_for_the_same_data(database: Path, html: str) -> None:
    assert page_of(database) == html


def test_the_demo_as_it_is_built(demo: Build) -> None:
    page = Page(page_of(demo.published))
    courses = demo.rows(
        "select learners, attempted, passed, verified_passed, certificate_eligible from course_summary"
        " order by position"
    )
    funnels = page.table("Step", "Learners", "Of those ever enrolled")
    assert [tuple(int(row[1]) for row in funnel) for funnel in funnels] == courses
    assert len(courses) == 5
    runs = page.table("Run", "Reported", "Ever enrolled", "Attempted", "Passed", "Eligible")
    assert [[int(row[2]), int(row[5])] for table in runs for row in table] == [
        list(row)
        for row in demo.rows(
            "select learners, certificate_eligible from course_run_summary order by position, run_order"
        )
    ]
    assert [row[0] for table in runs for row in table] == [
        course_instance.split("_")[2]
        for (course_instance,) in demo.rows(
            "select course_instance from course_run_summary order by position, run_order"
        )
    ]
    # one of its runs has two downloads
    (progress,) = page.table(*PROGRESS)
    assert [tuple(int(number) for number in row[1:]) for row in progress] == demo.rows(
        "select enrolled, attempted, passed, verified, certificate_eligible from progress_over_time"
        " qualify count(*) over (partition by course_instance) = 2 order by reported_at"
    )
    countries = page.one_table("Country", "Ever enrolled", "Passed", "Eligible")
    (learners,) = demo.rows("select count(*) from learners")[0]
    assert sum(int(row[1]) for row in countries) == learners == 400


def test_bars_are_as_long_as_their_numbers(html: str) -> None:
    def bars_of(figure: str) -> list[list[tuple[str, str]]]:
        (of,) = (each for each in html.split("<figure>") if f"<h3>{figure}</h3>" in each)
        rows = re.findall(r"</span><div>(.*?)</div>", of)
        return [re.findall(r'<i class="(\w+)"(?: style="width: ([\d.]+)%")?></i>', row) for row in rows]

    # of 2,111,111; one learner has a bar, whose least length is the browser's to give
    passed = ("100.00", "11.11", "0.00", "0.00", "0.00")
    assert bars_of("Certificates per learner") == [[("passed", length)] for length in passed]
    countries = bars_of("Learners by country")
    # 100, 50 and 0 of 100; 86, 36 and 14 of 100
    assert countries[0] == [("enrolled", "100.00"), ("passed", "50.00"), ("eligible", "")]
    assert countries[14] == [("enrolled", "86.00"), ("passed", "36.00"), ("eligible", "14.00")]
    # the others, and those who gave none, would leave them no room
    assert countries[15:] == [[], []]


# --- lines over time


def test_a_run_with_several_downloads_has_lines_and_a_table(downloaded_again: str) -> None:
    # the third run has one download: no line
    assert re.findall(r'<svg [^>]*aria-label="([^"]*\))\. ', downloaded_again) == [
        "Bee Biology (1T2026, 3 downloads)",
        "Hives Through the Year (1T2026, 2 downloads)",
    ]
    assert Page(downloaded_again).table(*PROGRESS) == [
        [
            ["01\u00a0Mar\u00a02026", "2", "1", "0", "0", "0"],
            ["11\u00a0Mar\u00a02026", "3", "2", "1", "2", "0"],
            ["10\u00a0Apr\u00a02026", "3", "4", "3", "2", "2"],
        ],
        [
            ["10\u00a0Apr\u00a02026 09:00", "1", "0", "0", "0", "0"],
            ["10\u00a0Apr\u00a02026 15:30", "2", "0", "0", "0", "0"],
        ],
    ]
    assert (
        "1 March 2026 to 10 April 2026: Enrolled 2 to 3, Attempted 1 to 4, Passed 0 to 3, Verified 0 to 2,"
        ' Eligible 0 to 2"' in downloaded_again
    )


def test_points_are_where_time_and_number_put_them(downloaded_again: str) -> None:
    chart = lines_of(downloaded_again, "Bee Biology (1T2026, 3 downloads)")
    (axis,) = chart.strokes["axis"]
    left, right = axis[1][0], axis[2][0]
    heights = {
        "enrolled": [2, 3, 3],
        "attempted": [1, 2, 4],
        "passed": [0, 1, 3],
        "verified": [0, 2, 2],
        "eligible": [0, 0, 2],
    }
    for colour, counts in heights.items():
        line, _ = chart.strokes[colour]
        # 10 of the 40 days are a quarter
        assert [(x - left) / (right - left) for x, _ in line] == pytest.approx([0, 0.25, 1], abs=0.001)
        # the axis ends at 4, the most that any download counts
        assert [chart.height(y) for _, y in line] == pytest.approx([each / 4 for each in counts], abs=0.001)
    # a tick below the axis for each download
    ticks = [x for x, y in axis if y > axis[2][1]]
    assert [(x - left) / (right - left) for x in ticks] == pytest.approx([0, 0.25, 1], abs=0.001)
    assert chart.texts["1 Mar 2026"][0] == pytest.approx(left, abs=0.1)
    assert chart.texts["10 Apr 2026"][0] == pytest.approx(right, abs=0.1)
    # its own number is at the height of each tick of the upright axis; a text's y is its middle
    for number in ("0", "1"):
        assert chart.height(chart.texts[number][1]) == pytest.approx(int(number) / 4, abs=0.001)


def test_each_line_leads_to_its_name(downloaded_again: str) -> None:
    chart = lines_of(downloaded_again, "Bee Biology (1T2026, 3 downloads)")
    names = ("Attempted", "Enrolled", "Passed", "Verified", "Eligible")
    for name in names:
        line, leader = chart.strokes[name.lower()]
        assert line[-1] == leader[0]
        x, y = chart.texts[name]
        assert 0 < x - leader[1][0] < 6
        assert y == leader[1][1]
    # where there is room, the name is at the height of its line's end
    assert chart.texts["Attempted"][1] == chart.strokes["attempted"][0][-1][1]
    # The newest: 4, twice 3, twice 2. Their names are in this order, and none is written over another.
    places = [chart.texts[name][1] for name in names]
    assert min(lower - upper for upper, lower in pairwise(places)) > 16


def test_runs_downloaded_once_have_no_lines(html: str, tmp_path: Path) -> None:
    assert "2025_Fall, " not in html
    once = [row for row in rows()["progress_over_time"] if "2025_Fall" in row[1]]
    publish(tmp_path / "demo.duckdb", rows() | {"progress_over_time": once})
    page = Page(page_of(tmp_path / "demo.duckdb"))
    assert "There is one download of each run so far." in page.text
    assert page.table(*PROGRESS) == []


def test_runs_whose_downloads_are_alike_have_no_lines(html: str, tmp_path: Path) -> None:
    assert [table[0][0] for table in Page(html).table(*PROGRESS)] == [
        "01\u00a0May\u00a02016",
        "28\u00a0Nov\u00a02025",
    ]
    assert "1 more run has several downloads, all with the same numbers." in Page(html).text
    alike = [row for row in rows()["progress_over_time"] if "OldX_DUO" in row[1]]
    publish(tmp_path / "demo.duckdb", rows() | {"progress_over_time": alike})
    page = Page(page_of(tmp_path / "demo.duckdb"))
    assert "Nothing moved: 1 run has several downloads, all with the same numbers." in page.text
    assert "one download of each run" not in page.text
    assert page.table(*PROGRESS) == []


def test_many_downloads_keep_their_points_and_the_page_small(html: str, tmp_path: Path) -> None:
    chart = lines_of(html, f"{LONG_TITLE} (30T2040, 140 downloads)")
    (axis,) = chart.strokes["axis"]
    assert len([x for x, y in axis if y > axis[2][1]]) == len(chart.strokes["passed"][0]) == 140
    many, start = rows(), datetime(2025, 1, 1)  # noqa: DTZ001
    many["progress_over_time"] = [
        (
            *("one", f"ExampleX_ONE_{run}T20{run + 10}", start + timedelta(days=7 * i), i + 1),
            *(78_000 + i, 40_000 + i * run, 90 * i, 30_000 + i, 80 * i),
        )
        for run in range(1, 31)
        for i in range(60)
    ]
    publish(tmp_path / "demo.duckdb", many)
    page = page_of(tmp_path / "demo.duckdb")
    assert [len(table) for table in Page(page).table(*PROGRESS)] == [60] * 30
    assert len(page.encode()) < 800_000


# --- what is not in it


def test_nothing_comes_from_elsewhere_and_nothing_runs(html: str) -> None:
    page = Page(html)
    assert not {tag for tag, _ in page.elements} & {
        "script",
        "link",
        "img",
        "iframe",
        "object",
        "embed",
        "use",
    }
    for _, attributes in page.elements:
        assert not {"src", "href", "srcset", "xlink:href", "action", "data"} & attributes.keys()
        assert not [name for name in attributes if name.startswith("on")]
        assert "url(" not in (attributes.get("style") or "")
    assert not re.search(r"https?:|@import|url\(|@font-face", html)
    assert "default-src 'none'" in html


def test_ids_are_unique_and_pictures_are_named(html: str) -> None:
    elements = Page(html).elements
    ids = [attributes["id"] for _, attributes in elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    pictures = [attributes for _, attributes in elements if attributes.get("role") == "img"]
    assert len(pictures) == len([tag for tag, _ in elements if tag == "figure"]) == 4 + 3 + 3 + 2
    assert [tag for tag, attributes in elements if tag == "svg" and attributes not in pictures] == []
    assert all(": " in (picture["aria-label"] or "") for picture in pictures)
    assert (
        "Certificates per learner. 0 certificates: 2,111,111, 90%; 1 certificate: 234,560, 10%;"
        " 2 certificates: 3, &lt;1%; 3 certificates: 3, &lt;1%; 4 certificates: 1, &lt;1%" in html
    )
    assert "UNBROKEN (2 runs). ever enrolled, passed, eligible: WWWW: 0, 0, 0; 2025_Fall: 200, 50, 1" in (
        html.replace(UNBROKEN_TITLE, "UNBROKEN").replace("W" * 28, "WWWW")
    )
    named = {attributes["aria-labelledby"] for tag, attributes in elements if tag == "section"}
    assert named <= set(ids)


def test_learners_are_named_only_where_that_is_asked_for(database: Path, html: str, demo: Build) -> None:
    for private in ("learners.example.org", "Ada", "Bea", "Complete"):
        assert private not in html
    assert "It names no learner." in html
    page = Page(page_of(database, with_learners=True))
    assert "This file names learners." in page.text
    listed = page.one_table("Name", "Address", "Certificate to go", "Why", "edX id")
    assert listed == [
        ["Bea Bee", "bea@learners.example.org", LONG_TITLE, "passed 2 courses", "2"],
        [NAME, "ada@learners.example.org", "three", "passed 2 courses", "1"],
        ["no name (retired account)", "no address", "none, it is due", "passed 3 courses", "3"],
    ]
    assert "script" not in {tag for tag, _ in page.elements}
    assert "Cy Complete" not in page.text
    # The demo's learners have everyday names, some of which may be words of the page.
    text = page_of(demo.published)
    for username, address in demo.rows("select username, email from learners"):
        assert address is None or address not in text
        assert username is None or username not in text


def test_nobody_who_has_not_attempted_is_called_failed(html: str) -> None:
    assert "fail" not in html.lower()


# --- the command


def test_the_command_writes_the_page(world: World) -> None:
    publish(world.folder / "database" / "demo.duckdb", rows())
    out = world.folder / "away" / "page.html"
    result = world.mm("report", "demo", "--out", out)
    assert (result.returncode, result.stdout) == (0, f"Report written: open {out} in a browser.\n")
    assert out.stat().st_mode & 0o777 == 0o640
    assert "bea@learners.example.org" not in out.read_text("utf-8")
    again = world.mm("report", "demo", "--out", out, "--with-learners")
    assert again.stdout.endswith("It holds personal data.\n")
    assert "bea@learners.example.org" in out.read_text("utf-8")
    assert [path.name for path in out.parent.iterdir()] == ["page.html"]


def test_the_page_that_names_learners_has_a_name_and_a_mark_of_its_own(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "PROJECT", world.folder)
    publish(world.folder / "database" / "demo.duckdb", rows())
    world.mm("report", "demo")
    done = world.mm("report", "demo", "--with-learners")
    page, private = (world.folder / "out" / "demo" / f"report{end}.html" for end in ("", "_with_learners"))
    assert done.stdout == f"Report written: open {private} in a browser. It holds personal data.\n"
    assert "bea@learners.example.org" not in page.read_text("utf-8")
    text = private.read_text("utf-8")
    assert "bea@learners.example.org" in text
    assert re.search(r"<title>[^<]*, personal data</title>", text)
    assert text.index("This file names learners.") < text.index("At a glance")


def with_control_characters(database: Path) -> None:
    """Put control characters into each text of a file but those that are words of ours."""
    with duckdb.connect(database) as connection:
        columns = connection.execute(
            "select table_name, column_name from duckdb_columns()"
            " where not internal and data_type = 'VARCHAR'"
            " and column_name not in ('stage', 'status', 'run_role')"
        ).fetchall()
        for table, column in columns:
            connection.execute(
                f"update {table} set {column} = $1 || {column} || $1", ["\x00\x08\x1b\x85\uffff"]
            )


def has_no_control_characters(page: str) -> None:
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\uffff]", page)
    for svg in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        assert len(ET.fromstring(svg)) > 2  # noqa: S314 - made here


def test_control_characters_in_a_text_are_no_error(world: World) -> None:
    database = world.folder / "database" / "demo.duckdb"
    publish(database, rows())
    with_control_characters(database)
    out = world.folder / "page.html"
    done = world.mm("report", "demo", "--out", out, "--with-learners")
    assert done.returncode == 0, done.stderr
    page = out.read_text("utf-8")
    has_no_control_characters(page)
    text = Page(page).text
    for word in ("AA", "2025_Fall", "Capstone", "bea@learners.example.org", "X_B_1", "a report on <other>,"):
        assert f" {word} " in text


def test_control_characters_in_texts_of_all_programs_are_no_error(world: World) -> None:
    database = world.folder / "database" / "all_programs.duckdb"
    write_file(database, many(LONG_TITLE, UNBROKEN_TITLE))
    with_control_characters(database)
    out = world.folder / "page.html"
    done = world.mm("report", "--all", "--out", out)
    assert done.returncode == 0, done.stderr
    page = out.read_text("utf-8")
    has_no_control_characters(page)
    for word in ("AA", "Bees", "p9", LONG_TITLE):
        assert f" {word} " in Page(page).text


def test_a_page_takes_any_text() -> None:
    # half a character is what Python makes of a file's name that is no UTF-8
    page = environment().from_string("<b>{{ text }}</b>{{ html }}")
    shown = page.render(text="a\x00b\n<\udcff>", html=Markup("<i>\x1b</i>"))
    assert shown == "<b>a b\n&lt; &gt;</b><i> </i>"


def test_what_cannot_be_drawn_is_a_sentence(world: World) -> None:
    assert "run `mm build demo` first" in world.mm("report", "demo").stderr
    tables = rows()
    tables["programs"] = []
    path = world.folder / "database" / "demo.duckdb"
    publish(path, tables)
    assert "does not hold just one program" in world.mm("report", "demo").stderr
    with duckdb.connect(path) as connection:
        connection.execute("insert into programs values ('demo', 'Bees', 3)")
        connection.execute("drop table learner_progress")
    out = world.folder / "page.html"
    out.write_text("the old one")
    result = world.mm("report", "demo", "--out", out)
    assert result.returncode == 1
    assert "another version built it" in result.stderr
    assert out.read_text() == "the old one"


# --- how it looks


@dataclass(frozen=True)
class Look:
    """A way to look at the page. scheme: light or dark; media: screen or print; text: its size in pixels."""

    width: int
    scheme: str = "light"
    media: str = "screen"
    text: int = 16


PHONE, LAPTOP, DARK = Look(360), Look(1366), Look(1366, "dark")
DARK_PHONE, PRINT = Look(360, "dark"), Look(695, "dark", "print")
LARGE, LARGE_ON_PHONE = Look(1366, text=32), Look(360, text=32)
LOOKS = [PHONE, LAPTOP, DARK, DARK_PHONE, PRINT, LARGE, LARGE_ON_PHONE]
# Four of each of twelve programs, and two of all.
CHARTS_ON = {"demo": 14, "hard": 12, "all": 4 * 12 + 2}

CHARTS = """
return [...document.querySelectorAll('[role=img]')].map(chart => {
    const box = (element, {left, right, top, bottom} = element.getBoundingClientRect()) =>
        ({text: element.textContent, left, right, top, bottom});
    // All that is written, also where it does not fit into its element; a label that is too long is cut.
    const written = element => {
        const range = document.createRange();
        range.selectNodeContents(element);
        return box(element, (element.matches('.bars span') ? element : range).getBoundingClientRect());
    };
    const texts = [...chart.querySelectorAll('text, span, b')].filter(each => each.textContent);
    const bars = [...chart.querySelectorAll('i')];
    const rows = [...chart.querySelectorAll('.bars div')];
    // Each row has a piece of the axis.
    const axis = rows.map(row => {
        const piece = {...box(row), text: '', colour: getComputedStyle(row).borderLeftColor, isLine: false};
        return {...piece, right: piece.left + row.clientLeft};
    });
    const [title, detail] = chart.closest('figure').querySelector('figcaption').children;
    return {
        title: title.textContent + (detail ? ` (${detail.textContent})` : ''),
        frame: box(chart),
        scale: chart.viewBox ? chart.getBoundingClientRect().width / chart.viewBox.baseVal.width : 1,
        sizes: texts.map(text => parseFloat(getComputedStyle(text).fontSize)),
        texts: texts.map(written),
        // in percent of the room that there is, as said and as drawn
        lengths: bars.map(bar => {
            const room = bar.parentElement.getBoundingClientRect().width - bar.parentElement.clientLeft;
            const said = bar.style.width ? parseFloat(bar.style.width) : null;
            return [said, 100 * bar.getBoundingClientRect().width / room, room];
        }),
        axis,
        marks: [
            ...bars.filter(bar => bar.getBoundingClientRect().width).map(bar =>
                ({...box(bar), colour: getComputedStyle(bar).backgroundColor, isLine: false})),
            ...axis.slice(0, 1),
            ...[...chart.querySelectorAll('path, polyline')].map(line =>
                ({...box(line), colour: getComputedStyle(line).stroke, isLine: true})),
        ],
    };
});
"""
# How much wider the page is than the screen, what is not within it, and headlines that are cut.
TOO_WIDE = """
const {scrollWidth, clientWidth} = document.documentElement;
return [scrollWidth - clientWidth, [...document.body.querySelectorAll('*')].filter(element => {
    const box = element.getBoundingClientRect();
    return !element.closest('.scroll') && (box.right > innerWidth + 0.5 || box.left < -0.5);
}).map(element => element.outerHTML.slice(0, 100)),
[...document.querySelectorAll('.headlines dd')].filter(each => each.scrollWidth > each.clientWidth)
    .map(each => each.textContent)];
"""
# The contrast of WCAG 2 between what is drawn or written and the nearest background behind it.
CONTRASTS = """
const parts = color => color.match(/[\\d.]+/g).map(Number);
const luminance = color => {
    const [r, g, b] = parts(color).map(value => {
        value /= 255;
        return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const behind = element => {
    const color = getComputedStyle(element).backgroundColor;
    const clear = parts(color).length === 4 && parts(color)[3] === 0;
    return clear && element.parentElement ? behind(element.parentElement) : color;
};
const contrast = (element, property, on = element) => {
    const shades = [luminance(getComputedStyle(element)[property]), luminance(behind(on))];
    return (Math.max(...shades) + 0.05) / (Math.min(...shades) + 0.05);
};
const written = [...document.querySelectorAll('body *')].filter(element =>
    !element.closest('svg') && [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim()));
const drawn = what => [...document.querySelectorAll(what)];
return [
    ...written.map(element => [element.textContent, contrast(element, 'color'), 4.5]),
    ...drawn('svg text').map(text => [text.textContent, contrast(text, 'fill'), 4.5]),
    ...drawn('.bars i').map(bar =>
        [bar.outerHTML, contrast(bar, 'backgroundColor', bar.parentElement), 3]),
    ...drawn('.bars div').map(row => [row.outerHTML, contrast(row, 'borderLeftColor'), 3]),
    ...drawn('.bars b[class]').map(name => [name.outerHTML, contrast(name, 'borderBottomColor'), 3]),
    ...drawn('svg path, svg polyline').map(line => [line.outerHTML, contrast(line, 'stroke'), 3]),
];
"""
SCRIPTS = {
    "charts": CHARTS,
    "contrasts": CONTRASTS,
    "too wide": TOO_WIDE,
    "adjusted": "return getComputedStyle(document.querySelector('.bars i')).printColorAdjust",
    "card": "return getComputedStyle(document.querySelector('figure')).backgroundColor",
    "table heights": "return [...document.querySelectorAll('details table')]"
    ".map(each => each.checkVisibility() && each.getBoundingClientRect().height)",
    "cells of people": "return [...document.querySelectorAll('.people td')]"
    ".map(cell => cell.getBoundingClientRect().right)",
}
A4 = {"printBackground": True, "preferCSSPageSize": True}


@pytest.fixture(scope="module")
def pages(database: Path, demo: Build, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Give the page that breaks whatever can break and the demo's, both with learners, and that of all."""
    folder = tmp_path_factory.mktemp("pages")
    write_file(folder / "all.duckdb", many(LONG_TITLE, UNBROKEN_TITLE))
    with duckdb.connect(folder / "all.duckdb") as connection:
        (folder / "all.html").write_text(render_report_of_all(connection, NOW), "utf-8")
    for name, path in (("hard", database), ("demo", demo.published)):
        (folder / f"{name}.html").write_text(page_of(path, with_learners=True), "utf-8")
    return sorted(folder.glob("*.html"))


Shown = dict[str, Any]


def show(browser: Chrome, page: Path, look: Look) -> Shown:
    """Load a page once, and gather what all tests look at."""
    screen = {"width": look.width, "height": 800, "deviceScaleFactor": 1, "mobile": look.width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    features = [{"name": "prefers-color-scheme", "value": look.scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": look.media, "features": features})
    browser.get_log("performance")
    browser.get_log("browser")
    browser.get(page.as_uri())
    browser.execute_cdp_cmd("Page.setFontSizes", {"fontSizes": {"standard": look.text, "fixed": look.text}})
    seen = {"performance": browser.get_log("performance")}
    seen |= {name: browser.execute_script(script) for name, script in SCRIPTS.items()}
    if look.media == "print":
        seen["pdf"] = base64.b64decode(browser.execute_cdp_cmd("Page.printToPDF", A4)["data"])
    browser.execute_script("document.querySelectorAll('details').forEach(each => each.open = true)")
    seen["too wide when open"] = browser.execute_script(TOO_WIDE)
    return seen | {"errors": browser.get_log("browser")}


@pytest.fixture(scope="module")
def shown(browser: Chrome, pages: list[Path]) -> dict[Look, dict[Path, Shown]]:
    """Show each page in each look."""
    return {look: {page: show(browser, page, look) for page in pages} for look in LOOKS}


def overlaps(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return (
        min(one["right"], other["right"]) - max(one["left"], other["left"]) > 0.5
        and min(one["bottom"], other["bottom"]) - max(one["top"], other["top"]) > 0.5
    )


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_charts_have_marks_and_no_texts_overlap(shown: dict[Look, dict[Path, Shown]], look: Look) -> None:
    for page, seen in shown[look].items():
        assert len(seen["charts"]) == CHARTS_ON[page.stem]
        for chart in seen["charts"]:
            frame, texts, marks = chart["frame"], chart["texts"], chart["marks"]
            # an axis at least, and a bar for each course, run or country that has learners
            assert len(marks) >= (1 if chart["title"] == "Capstone (Capstone)" else 4)
            assert len({mark["colour"] for mark in marks}) >= (
                1 if chart["title"].startswith("Capstone (") else 2
            )
            for mark in marks:
                assert mark["right"] - mark["left"] > 0.5
                # a line may be level
                assert mark["isLine"] or mark["bottom"] - mark["top"] > 2
            # a bar of a number above 0 has a pixel at least, and one of 0 has none
            for said, drawn, room in chart["lengths"]:
                assert room > 20
                assert (drawn > 0) is (said is not None)
                assert drawn == pytest.approx(said or 0, abs=100 / room if drawn < 200 / room else 0.5)
            assert texts
            for i, text in enumerate(texts):
                assert frame["left"] - 0.5 <= text["left"] <= text["right"] <= frame["right"] + 1, text
                assert frame["top"] - 0.5 <= text["top"] <= text["bottom"] <= frame["bottom"] + 0.5, text
                for other in [*texts[:i], *marks, *chart["axis"]]:
                    assert not overlaps(text, other), (chart["title"], text, other)
            if look.media == "screen":
                assert min(chart["sizes"]) * chart["scale"] >= 11 * look.text / 16


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_nothing_is_wider_than_the_screen(shown: dict[Look, dict[Path, Shown]], look: Look) -> None:
    for seen in shown[look].values():
        assert seen["too wide"] == seen["too wide when open"] == [0, [], []]


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_all_stands_out_from_its_background(shown: dict[Look, dict[Path, Shown]], look: Look) -> None:
    for seen in shown[look].values():
        assert len(seen["contrasts"]) > 200
        for what, contrast, least in seen["contrasts"]:
            assert contrast >= least, what
        # Print is light, whatever the screen is.
        dark = look.scheme == "dark" and look.media == "screen"
        assert (seen["card"] == "rgb(255, 255, 255)") is not dark


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_no_error_and_no_request(shown: dict[Look, dict[Path, Shown]], look: Look) -> None:
    for page, seen in shown[look].items():
        assert seen["errors"] == []
        messages = [json.loads(entry["message"])["message"] for entry in seen["performance"]]
        asked = [
            message["params"]["request"]["url"]
            for message in messages
            if message["method"] == "Network.requestWillBeSent"
        ]
        assert asked == [page.as_uri()]


def test_print_shows_every_table_on_a4(shown: dict[Look, dict[Path, Shown]]) -> None:
    for page, seen in shown[PRINT].items():
        assert len(seen["table heights"]) == CHARTS_ON[page.stem]
        assert min(seen["table heights"]) > 30
        # a browser prints no backgrounds otherwise, and bars are nothing else
        assert seen["adjusted"] == "exact"
        sizes = {tuple(map(float, box.split())) for box in re.findall(rb"/MediaBox \[([^]]+)\]", seen["pdf"])}
        assert len(sizes) == 1
        # A4 in points
        assert sizes.pop() == pytest.approx((0, 0, 595, 842), abs=1.5)


def test_learners_can_be_read_on_a_phone(shown: dict[Look, dict[Path, Shown]]) -> None:
    for page, seen in shown[PHONE].items():
        assert len(seen["cells of people"]) == {"demo": 11 * 4, "hard": 3 * 4, "all": 0}[page.stem]
        assert max(seen["cells of people"], default=0) <= 360
