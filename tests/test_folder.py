"""What lies in a program's folder, and what a newer download says: nobody and nothing goes in silence.

The program is buslead, whose courses pass at 0.65. Each course stands for one question: buslead1x for places
and endings, buslead2x for copies, buslead3x for words of somebody's own and run codes, buslead4x for
downloads that lack learners, buslead5x for what a learner was called.
"""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from mail_fixtures import LOG_COLUMNS, World
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
    zipped,
)

from mm.edx import load_duckdb
from mm.edx.folder import list_folder
from mm.edx.load_duckdb import load, prepare_tables

MAY, JUNE = "2019-05-01-0100", "2019-06-01-0100"
OLD = grade_report(grade_row(1, "0.1", "audit"))
NEW = grade_report(grade_row(1, "0.9", "audit"))


def grades(course: int, run: str, stamp: str = JUNE) -> str:
    """Name a grade report."""
    return f"UQx_BUSLEAD{course}x_{run}_grade_report_{stamp}"


def profiles(course: int, run: str, stamp: str = JUNE) -> str:
    """Name a profile report."""
    return f"UQx_BUSLEAD{course}x_{run}_student_profile_info_{stamp}"


# ---- places and endings: each run has an old download and this one, which counts (0.9) ----

READ = {
    "1T2010": f"june/{grades(1, '1T2010')}.csv",
    "2T2010": f"a/b c/d.e/{grades(1, '2T2010')}.CSV",
    "3T2010": f"{grades(1, '3T2010')}.csv.txt",
    "4T2010": f"{grades(1, '4T2010')}.csv.csv",
    "1T2011": f"{grades(1, '1T2011')}.txt.csv",
    "2T2011": f"linked/{grades(1, '2T2011')}.csv",
    "3T2011": f"{grades(1, '3T2011')} (2).csv.txt",
}
NOT_READ: dict[str, tuple[str, str | bytes, str]] = {
    # run: name of the newer download, content, a word that the reason must have
    "1T2012": (f"{grades(1, '1T2012')}.zip", b"PK", "unpack"),
    "2T2012": ("june.zip", zipped({f"in/{grades(1, '2T2012')}.csv": NEW}), "unpack"),
    "3T2012": (f"{grades(1, '3T2012')}.csv.gz", gzip.compress(NEW.encode()), "unpack"),
    "4T2012": (f"{grades(1, '4T2012')}.csv.7z", b"7z", "unpack"),
    "1T2013": (f"{grades(1, '1T2013')}.csv.gpg", b"\x85", "decrypt"),
    "2T2013": (f".{grades(1, '2T2013')}.csv.icloud", b"bplist00", "fetch"),
    "3T2013": (grades(1, "3T2013"), NEW, "does not end in .csv"),
    "4T2013": (f"{grades(1, '4T2013')}.csv.crdownload", NEW, "has not ended"),
    "1T2014": (f"{grades(1, '1T2014')}.csv.part", NEW, "has not ended"),
    "2T2014": (f"{grades(1, '2T2014')}.csv.download", NEW, "has not ended"),
    "3T2014": (f"{grades(1, '3T2014')}.xlsx", b"PK", "download it from edX again"),
    "4T2014": (f"june/{grades(1, '4T2014')}.ods", b"PK", "download it from edX again"),
    "1T2015": (f"{grades(1, '1T2015')}.csv.1", NEW, "does not end in .csv"),
    "2T2015": (f"{grades(1, '2T2015')}.csv.bak", NEW, "rename"),
    "3T2015": ("month.rar", b"Rar!", "unpack"),
    "4T2015": (f"{profiles(1, '4T2015')}.txt", profile_report(), "does not end in .csv"),
    # a part, in the folder that Safari keeps it in until it is whole
    "1T2018": (f"{grades(1, '1T2018')}.csv.download", "", "has not ended"),
    "2T2018": ("packed anew.zip", zipped({"june.zip": "PK"}), "unpack"),
    "3T2018": ("grade_reports.zip", zipped({}), "unpack"),
}
IN_SILENCE = [
    *(
        ".DS_Store",
        "Thumbs.db",
        "desktop.ini",
        f"._{grades(1, '1T2016')}.csv",
        f"~${grades(1, '1T2016')}.xlsx",
    ),
    *(
        f".~lock.{grades(1, '1T2016')}.csv#",
        f".hidden/{grades(1, '1T2016')}.csv",
        f".{grades(1, '1T2016')}.csv",
    ),
]
OTHERS = {"notes.txt": "Not a report.", "photos/bees.png": b"\x89PNG", "photos.zip": zipped({"bees.png": ""})}

# ---- copies: each is a later copy of its download, and counts (0.9) ----

COPIES = {
    "1T2010": "{} copy.csv",
    "2T2010": "{} copy 2.csv",
    "3T2010": "{} 2.csv",
    "4T2010": "{} - Copy.csv",
    "1T2011": "{} - Copy (2).csv",
    "2T2011": "Copy of {}.csv",
    "3T2011": "{}-1.csv",
    "4T2011": "{}[1].csv",
    "1T2012": "{0} - {0}.csv",
    "2T2012": "{} - Kopie.csv",
    "3T2012": "{} (somebody's conflicted copy 2019-06-02).csv",
    "4T2012": "{0}.csv - {0}.csv",
    "1T2013": "june/{} (1).csv",
}

# ---- words of somebody's own: no run of their own, and no newer download of another ----

OWN_WORDS = [
    grades(3, "1T2010_old") + ".csv",
    grades(3, "1T2010 (week 3)") + ".csv",
    grades(3, "old_1T2010") + ".csv",
    grades(3, "1T2010") + "_old.csv",
    grades(3, "1T2010") + "_updated.csv",
    grades(3, "1T2010") + " final.csv",
    profiles(3, "1T2010-week3") + ".csv",
    profiles(3, "1T2010") + " (mine).csv",
]
# Oldest first. Each learner is in two neighbours, so the later of the two is the latest.
RUNS_IN_ORDER = [
    *("X", "SPOC_R4", "R2", "session08", "2014_T1", "2015T2", "2T2015.2", "T1-2016", "1T2016-2", "1T2016SP"),
    *("2016-T3", "Fall_2016", "2017-1T", "Spring2017", "201705", "3T17", "SPOC_R9", "2018_Q2", "1T2019"),
    *("Sem2_2019", "2020_Encore", "1Q2020", "2020_Feb", "S2_2020", "October2020"),
]


def write_places(place: Place) -> None:
    """Write an old download of each run, and a newer one where people and programs put it."""
    for run in (*READ, *NOT_READ):
        place.write("buslead", f"{grades(1, run, MAY)}.csv", OLD)
    outside = place.root / "outside"
    outside.mkdir()
    for name in READ.values():
        if name.startswith("linked/"):
            (outside / name.removeprefix("linked/")).write_text(NEW, "utf-8", newline="")
        else:
            place.write("buslead", name, NEW)
    (place.data / "buslead" / "linked").symlink_to(outside)
    (place.data / "buslead" / "a" / "again").symlink_to(place.data / "buslead")
    (outside / "and round").symlink_to(outside)
    for run, (name, content, _) in NOT_READ.items():
        place.write("buslead", f"{name}/{grades(1, run)}.csv" if run == "1T2018" else name, content or NEW)
    for name in IN_SILENCE:
        place.write("buslead", name, NEW)
    for name, content in OTHERS.items():
        place.write("buslead", name, content)


# What lies elsewhere than in the program's folder: its path in the data folder, and whether that is said.
MISPLACED = {
    f"{grades(1, '3T2018')}.csv": True,
    f"Buslead/{grades(2, '3T2018')}.csv": True,
    f" bus lead/june/{grades(2, '3T2018', MAY)}.csv": True,
    "downloads of june.zip": True,
    f"lgdm/{grades(2, '4T2018')}.csv": True,
    # another program's, no program's, and what a build may be told of elsewhere
    f"UQx_LGDM1x_1T2019_grade_report_{JUNE}.csv": False,
    f"lgdm/UQx_LGDM1x_1T2019_grade_report_{JUNE}.csv": False,
    f"other/{grades(2, '3T2018')}.csv": False,
    "words.txt": False,
}
OF_ANOTHER = f"june/UQx_LGDM2x_1T2019_grade_report_{JUNE}.csv"


def write_misplaced(place: Place) -> None:
    """Write reports where no build reads them."""
    for name in MISPLACED:
        content: str | bytes = "Not a report." if name.endswith(".txt") else NEW
        if name.endswith(".zip"):
            content = zipped({f"{grades(3, '3T2018')}.csv": NEW})
        place.write(*(name.split("/", 1) if "/" in name else (".", name)), content)
    place.write("buslead", OF_ANOTHER, NEW)


def write_names(place: Place) -> None:
    """Write copies, renamed reports, and runs of every shape."""
    for run, pattern in COPIES.items():
        place.write("buslead", f"{grades(2, run)}.csv", OLD)
        place.write("buslead", pattern.format(grades(2, run)), NEW)
    # the same content twice is nothing to speak of
    place.write("buslead", f"{grades(2, '2T2013')}.csv", NEW)
    place.write("buslead", f"{grades(2, '2T2013')} (1).csv", NEW)
    place.write("buslead", f"{grades(3, '1T2010')}.csv", OLD)
    place.write("buslead", f"{profiles(3, '1T2010')}.csv", profile_report(profile_row(1, "Pupil One", "AU")))
    wrong = profile_report(profile_row(1, "Pupil Wrong", "FJ"))
    for name in OWN_WORDS:
        place.write("buslead", name, wrong if "profile" in name else NEW)
    runs = place.root / "seeds" / "course_runs.csv"
    more = "buslead3x,past,uqx_buslead3x_SPOC_R9,,,2018,1\nbuslead3x,past,UQx_BUSLEAD3x_SPOC_R99,,,2018,1\n"
    runs.write_text(runs.read_text("utf-8") + more, "utf-8")
    for number, run in enumerate(RUNS_IN_ORDER):
        # by stamp, the runs come in the other order; X and SPOC_R4 have nothing else
        stamp = f"2019-01-{28 - number if number > 1 else number + 1:02}"
        rows = (grade_row(n, "0.1", "audit") for n in (900 + number, 901 + number))
        place.write("buslead", f"{grades(3, run, stamp)}.csv", grade_report(*rows))
    place.write("buslead", f"{grades(3, '3_1T2017')}.csv", grade_report(grade_row(990, "0.9", "audit")))


# ---- downloads that lack learners ----

# the newest of each run, with what it says of whom the one before says 0.9 and a certificate
RUN = "UQx_BUSLEAD4x"
CERTIFIED = [grade_row(n, "0.9", "verified", "Y") for n in range(1, 22)]
AUDITORS = [grade_row(n, "0.8", "audit") for n in range(101, 111)]


def without(*gone: int) -> list[Row]:
    """List the certified, without some of them."""
    return [row for row in CERTIFIED if row[0] not in gone]


LOSSES = {
    # run: the newest download's rows; learners gone and certificates gone, against the 31 of the one before
    "1T2010": ([*CERTIFIED, *AUDITORS], 0, 0),
    "2T2010": ([*CERTIFIED, *AUDITORS[3:]], 3, 0),
    "3T2010": ([*CERTIFIED, *AUDITORS[4:]], 4, 0),
    "4T2010": ([*without(5), *AUDITORS], 1, 1),
    "1T2011": ([*without(5), grade_row(5, "0.9", "verified"), *AUDITORS], 0, 1),
    # 102 upgraded
    "2T2011": ([*CERTIFIED, grade_row(102, "0.8", "verified", "Y")], 9, 0),
    "3T2011": ([*without(5, 6), *AUDITORS], 2, 2),
}


def retired_row(student_id: int) -> Row:
    """Write what edX makes of a retired account."""
    name = f"retired__user_{student_id:040x}"
    return (student_id, f"{name}@retired.invalid", name, *grade_row(student_id, "0.9", "verified", "Y")[3:])


def write_older(place: Place) -> None:
    """Write what newer downloads lack some of, and what tells who 70 and 71 are."""
    for run in LOSSES:
        place.write("buslead", f"{grades(4, run, MAY)}.csv", grade_report(*CERTIFIED, *AUDITORS))
    # Of 70 and 71, who will retire, there are profiles, a row that cannot be used, and mail was sent.
    who = (grade_row(70, "0.7", "audit"), grade_row(71, "0.7", "audit"))
    place.write("buslead", f"{grades(5, '1T2019', MAY)}.csv", grade_report(*who))
    place.write(
        "buslead",
        f"{profiles(5, '1T2019', MAY)}.csv",
        profile_report(
            *(profile_row(n, f"Pupil Real{n}", "AU") for n in (70, 71, 72)),
            *(profile_row(n, "", "") for n in range(500, 530)),
        )
        + f"70,short,{address(70)}\r\nx71,pupil_71,Pupil Real71,{address(71)}\r\n",
    )
    place.write(
        "buslead",
        f"{grades(5, '2T2018', MAY)}.csv",
        grade_report(*(grade_row(n, "0.1", "audit") for n in range(70, 90)), grade_row(90, "65", "audit")),
    )
    place.database.mkdir()
    key = "70,UQx_BUSLEAD1x_1T2018,0,1"
    mail = f"<m@example.org>,{address(70)}"
    place.published("buslead").with_suffix(".send_log.csv").write_text(
        f"{LOG_COLUMNS}\n{key},intent,2019-05-02T00:00:00Z,{mail},.\n"
        f"{key},failed,2019-05-02T00:00:01Z,{mail},550 no {address(70)}.\n",
        "utf-8",
    )


def write_newer(place: Place) -> None:
    """Write the newer downloads."""
    for run, (rows, *_) in LOSSES.items():
        place.write("buslead", f"{grades(4, run)}.csv", grade_report(*rows))
    place.write(
        "buslead",
        f"UQx_BUSLEAD4x_3T2011_grade_report_err_{JUNE}.csv",
        "Student ID,Username,Error\r\n"
        + "".join(f'{n},{grade_row(n, "", "")[2]},"no,\r\ngrade"\r\n' for n in (5, 6)),
    )
    # The address of 71 changed since the profile report.
    changed = (71, "Pupil71.New@learners.example.org", *grade_row(71, "1.15", "audit")[2:])
    place.write("buslead", f"{grades(5, '1T2019')}.csv", grade_report(retired_row(70), changed))


# ---- the builds ----


@pytest.fixture(scope="module")
def builds(new_place: NewPlace) -> tuple[Build, Build]:
    """Build a folder that people have used; with newer downloads; and where less may be gone."""
    place = new_place()
    write_places(place)
    write_names(place)
    write_older(place)
    write_misplaced(place)
    place.build("buslead").passed()
    write_newer(place)
    newest = place.build("buslead").passed().proved()
    return newest, place.build("buslead", "--vars", "{program: buslead, max_learners_gone: 0.1}")


@pytest.fixture(scope="module")
def folder(builds: tuple[Build, Build]) -> Build:
    """Return the build with the newest downloads."""
    return builds[0]


# ---- what becomes of each file ----


def status_of(build: Build, name: str) -> tuple[str, str]:
    """Read what became of a file."""
    quoted = name.replace("'", "''")
    [row] = build.rows(f"select status, reason from report_files where file_name = '{quoted}'")
    return row


def grade_in(build: Build, course: int, run: str) -> list[Row]:
    """Read learner 1's grade in a run."""
    return build.rows(
        "select grade from course_instancedetails where learner_id = 1"
        f" and course_instance = 'UQx_BUSLEAD{course}x_{run}'"
    )


@pytest.mark.parametrize("run", READ)
def test_a_newer_download_is_read_wherever_it_lies(folder: Build, run: str) -> None:
    assert grade_in(folder, 1, run) == [(0.9,)]
    assert status_of(folder, READ[run]) == ("used", None)
    status, reason = status_of(folder, f"{grades(1, run, MAY)}.csv")
    assert status == "superseded"
    assert reason.endswith(READ[run])


@pytest.mark.parametrize("run", NOT_READ)
def test_a_newer_download_that_is_not_read_is_on_record_and_warned_of(folder: Build, run: str) -> None:
    name, _, word = NOT_READ[run]
    status, reason = status_of(folder, name)
    assert status == "ignored"
    assert word in reason
    [warning] = [text for text in folder.output.splitlines() if "by their names they are or may hold" in text]
    assert f"{name} ({reason})" in warning


@pytest.mark.parametrize("name", MISPLACED)
def test_what_lies_elsewhere_is_warned_of(folder: Build, name: str) -> None:
    [warning] = [
        text for text in folder.output.splitlines() if "as they do not lie in downloads/buslead" in text
    ]
    assert (f"downloads/{name}" in warning) is MISPLACED[name]


def test_a_report_on_another_program_is_warned_of(folder: Build) -> None:
    assert f"as they are on other programs: downloads/buslead/{OF_ANOTHER} (lgdm). Put each" in folder.output
    assert status_of(folder, OF_ANOTHER) == ("ignored", "a report on lgdm, another program")


def test_downloads_says_what_lies_elsewhere(folder: Build, world: World) -> None:
    for program, name in (("buslead", "Buslead/"), ("buslead", OF_ANOTHER), ("lgdm", OF_ANOTHER)):
        done = world.mm("downloads", program, MM_DATA_DIR=str(folder.place.data))
        assert done.returncode == 0
        assert name in done.stderr


def test_a_file_that_is_gone_when_it_is_opened_is_as_if_it_had_not_been_there(tmp_path: Path) -> None:
    contents = {
        f"{grades(1, '1T2019')}.csv": NEW,
        # of the same header, so that both are read at once
        f"{grades(1, '2T2019')}.csv": NEW,
        f"{profiles(1, '1T2019')}.csv": profile_report(),
        f"{grades(1, '3T2019')}.csv.crdownload": NEW,
        "unconfirmed.crdownload": NEW,
        f"UQx_BUSLEAD1x_3T2019_grade_report_err_{JUNE}.csv": "Student ID,Username,Error",
    }
    for module, name in (
        (None, "listed"),
        (load_duckdb, "identify"),
        (load_duckdb, "count_lines"),
        (load_duckdb, "load_even_rows"),
    ):
        for file, content in contents.items():
            (tmp_path / file).write_text(content, "utf-8", newline="")
        listing = list_folder(tmp_path)
        reports = [next(listing)]
        if name == "listed":
            (tmp_path / min(contents.keys() - {reports[0].name})).unlink()
        reports.extend(listing)
        assert len(reports) == len(contents) - (name == "listed")
        with duckdb.connect() as connection, pytest.MonkeyPatch.context() as patch:
            prepare_tables(connection)
            if module:
                patch.setattr(module, name, taking_away(tmp_path, getattr(module, name)))
            else:
                taking_away(tmp_path, list)()
            load(connection, reports)
            rows = connection.execute("select file_name from edx.grade_report natural join edx.report_files")
            assert rows.fetchall() == [(f"{grades(1, '1T2019')}.csv",)], name
            refused = connection.execute("select refused_reason from edx.report_files group by all")
            assert refused.fetchall() == [(None,)], name


def taking_away(folder: Path, function: Callable[..., Any]) -> Callable[..., Any]:
    """Let all files but the first be gone before the function is called."""

    def called(*arguments: object) -> object:
        for path in folder.iterdir():
            if "1T2019_grade_report_2" not in path.name:
                path.unlink(missing_ok=True)
        return function(*arguments)

    return called


def test_what_systems_leave_behind_is_passed_over(folder: Build) -> None:
    for name in IN_SILENCE:
        assert folder.rows(f"from report_files where file_name = '{name}'") == []
    assert "1T2016_grade" not in folder.output


@pytest.mark.parametrize("name", OTHERS)
def test_other_files_are_on_record_and_not_warned_of(folder: Build, name: str) -> None:
    assert status_of(folder, name)[0] == "ignored"
    assert name not in folder.output


def test_a_folder_is_read_once(folder: Build) -> None:
    assert folder.rows("select file_name from report_files where file_name like '%again/%'") == []
    assert folder.rows(
        "select count(*) from report_files where file_name like '%2T2011_grade_report_2019-06%'"
    ) == [
        (4,)  # one of buslead1x, two of buslead2x, one of buslead4x
    ]


@pytest.mark.parametrize("run", COPIES)
def test_a_copy_is_a_later_download_of_its_run(folder: Build, run: str) -> None:
    copy = COPIES[run].format(grades(2, run))
    assert grade_in(folder, 2, run) == [(0.9,)]
    assert status_of(folder, copy) == ("used", None)
    [warning] = [text for text in folder.output.splitlines() if f"{grades(2, run)}.csv, {copy}: they" in text]
    assert "differ; the last of them counts" in warning


def test_copies_that_are_alike_are_not_warned_of(folder: Build) -> None:
    assert "2T2013_grade_report_2019-06-01-0100 (1)" not in folder.output


@pytest.mark.parametrize("name", OWN_WORDS)
def test_a_renamed_report_makes_no_run_and_never_wins(folder: Build, name: str) -> None:
    assert status_of(folder, name)[0] == "ignored"
    [warning] = [text for text in folder.output.splitlines() if f"{name}: it is ignored" in text]
    assert "edX's" in warning


def test_the_download_beside_renamed_ones_counts(folder: Build) -> None:
    assert grade_in(folder, 3, "1T2010") == [(0.1,)]
    assert folder.rows("select name, country from learners where student_id = 1") == [("Pupil One", "AU")]


def test_run_codes_of_every_shape_have_their_order(folder: Build) -> None:
    rows = folder.rows(
        "select latest_course_instance from learner_courses"
        " where course = 'buslead3x' and runs_taken = 2 order by student_id"
    )
    assert [run for (run,) in rows] == [f"UQx_BUSLEAD3x_{run}" for run in RUNS_IN_ORDER[1:]]


@pytest.mark.parametrize(("number", "run"), list(enumerate(RUNS_IN_ORDER[:4], start=1)))
def test_a_run_without_a_year_is_warned_of_with_its_place(folder: Build, number: int, run: str) -> None:
    [warning] = [text for text in folder.output.splitlines() if f"The run UQx_BUSLEAD3x_{run} of" in text]
    assert f"stands as number {number} of the course's runs" in warning


def test_a_run_of_no_known_term_is_warned_of_with_its_place(folder: Build) -> None:
    [warning] = [text for text in folder.output.splitlines() if "The run UQx_BUSLEAD3x_2020_Encore" in text]
    assert "is of 2020, its term Encore, and no term of it is known: it stands as number 22 of" in warning


def test_a_past_run_of_the_seeds_that_no_download_has_is_warned_of(folder: Build) -> None:
    row = (
        "seeds/course_runs.csv, past run UQx_BUSLEAD3x_SPOC_R99 of buslead3x: no download in the folder is of"
    )
    assert row in folder.output
    assert "SPOC_R9 of buslead3x: no download" not in folder.output


def test_a_run_with_a_year_is_not_warned_of(folder: Build) -> None:
    assert "The run UQx_BUSLEAD3x_2014_T1" not in folder.output
    assert "The run UQx_BUSLEAD3x_S2_2020" not in folder.output
    # its year is in the seed
    assert "The run UQx_BUSLEAD3x_SPOC_R9" not in folder.output
    query = "select distinct year, term from course_instancedetails where course_instance like '%SPOC_R9'"
    assert folder.rows(query) == [(2018, "1")]


def test_a_course_number_with_a_session_is_another_course(folder: Build) -> None:
    name = f"{grades(3, '3_1T2017')}.csv"
    assert status_of(folder, name)[0] == "ignored"
    assert f"{name}: it is ignored; no course" in folder.output
    assert folder.rows("from learners where student_id = 990") == []


# ---- what newer downloads lack ----


@pytest.mark.parametrize("run", LOSSES)
def test_what_a_newer_download_lacks_is_counted(folder: Build, run: str) -> None:
    rows, gone, certificates = LOSSES[run]
    counts = "select learner_count, learners_gone, certificates_gone from report_files where file_name"
    assert folder.rows(f"{counts} = '{grades(4, run)}.csv'") == [(len(rows), gone, certificates)]
    assert folder.rows(f"{counts} = '{grades(4, run, MAY)}.csv'") == [(31, None, None)]


@pytest.mark.parametrize("run", LOSSES)
def test_a_certificate_or_more_than_a_tenth_of_the_learners_gone_is_warned_of(
    folder: Build, run: str
) -> None:
    _, gone, certificates = LOSSES[run]
    warnings = [text for text in folder.output.splitlines() if f"{grades(4, run)}.csv: of the 31" in text]
    # 3 of 31 are less than a tenth, 4 are more
    assert len(warnings) == (certificates > 0 or gone > 3)
    for warning in warnings:
        assert (
            f"{grades(4, run, MAY)}.csv it lacks {gone}, and {certificates} certificates are gone" in warning
        )
        assert ("stay as they were" in warning) == (run == "2T2011")
        assert (f"grade_report_err_{JUNE}.csv names 2 of them" in warning) == (run == "3T2011")


def test_an_error_companion_is_counted(folder: Build) -> None:
    query = "select status, row_count, learner_count from report_files where report_kind = 'grade_report_err'"
    assert folder.rows(query) == [("ignored", 2, 2)]


def test_who_is_on_a_track_that_edx_lists_no_more_stays(folder: Build) -> None:
    query = f"""
        select learner_id, enrollment_track, file_name, is_carried_over from course_instancedetails
        where course_instance = '{RUN}_2T2011' and learner_id > 100 order by 1"""
    may = [(n, "audit", f"{grades(4, '2T2011', MAY)}.csv", True) for n in range(101, 111) if n != 102]
    upgraded = (102, "verified", f"{grades(4, '2T2011')}.csv", False)
    assert folder.rows(query) == sorted([*may, upgraded])


def test_anybody_else_who_is_missing_is_gone(folder: Build) -> None:
    for run, learners in (("3T2010", 27), ("4T2010", 30)):
        query = f"""
            select count(*), count(*) filter (where is_carried_over) from course_instancedetails
            where course_instance = '{RUN}_{run}'"""
        assert folder.rows(query) == [(learners, 0)]


def test_a_loss_above_the_allowed_one_stops_the_build(builds: tuple[Build, Build]) -> None:
    _, stopped = builds
    assert stopped.returncode != 0
    assert "because not everything passed" in stopped.output
    # 4 of 31 are more than a tenth; those of 2T2011 are not gone
    assert f"{grades(4, '3T2010')}.csv: it lacks 4 of the 31" in stopped.output
    assert f"{grades(4, '2T2011')}.csv: it lacks" not in stopped.output


def test_a_grade_above_one_passes(folder: Build) -> None:
    query = "select grade, audit_passed from course_instancedetails where learner_id = 71 and term = '1'"
    assert folder.rows(query) == [(1.15, "Y")]
    # 65 for 65 % does not
    assert folder.rows("select reason from rejected_rows where raw_text like '90,%'") == [
        ("its grade is not a number from 0 to 2",)
    ]


def test_the_address_is_that_of_the_newest_report_of_either_kind(folder: Build) -> None:
    query = "select name, email from learners where student_id = 71"
    assert folder.rows(query) == [("Pupil Real71", "Pupil71.New@learners.example.org")]


def test_a_retired_account_keeps_its_id_and_counts_alone(folder: Build) -> None:
    name = f"retired__user_{70:040x}"
    query = "select username, email, name, country, is_retired from learners where student_id = 70"
    assert folder.rows(query) == [(name, f"{name}@retired.invalid", None, None, True)]
    query = "select student_id, no_certificate_eligible from buslead_coursecompletion where student_id = 70"
    assert folder.rows(query) == [(70, 1)]
    assert folder.rows("select email, detail, status from send_log") == [(None, None, "failed")]
    [(raw_text,)] = folder.rows("select raw_text from rejected_rows where line = 35")
    assert raw_text == "withheld: of a retired account"


def test_no_byte_of_the_published_file_tells_who_a_retired_account_was(folder: Build) -> None:
    content = folder.published.read_bytes()
    for text in ("Real70", address(70), "pupil_70"):
        assert text.encode() not in content
    # others are there: the words would be found
    assert b"Real72" in content


@pytest.fixture(scope="module")
def retired_in_another(new_place: NewPlace) -> tuple[Build, Build, Build]:
    """Build two programs, then the first with a download in which 70 is retired, then the second again."""
    place = new_place()
    place.write("buslead", f"{grades(5, '1T2019', MAY)}.csv", grade_report(grade_row(70, "0.9", "audit")))
    rows = [grade_row(n, "0.9", "verified", "Y") for n in (70, 71)]
    rows += [grade_row(n, "0.1", "audit") for n in range(500, 530)]
    course = f"UQx_LGDM1x_1T2019_grade_report_{MAY}.csv"
    place.write("lgdm", course, grade_report(*rows) + f"70,{address(70)}\r\n71,{address(71)}\r\n")
    place.write(
        "lgdm",
        course.replace("grade_report", "student_profile_info"),
        profile_report(profile_row(70, "Pupil Real70", "AU"), profile_row(71, "Pupil Real71", "AU")),
    )
    place.build("buslead").passed()
    before = place.build("lgdm").passed()
    place.write("buslead", f"{grades(5, '1T2019')}.csv", grade_report(retired_row(70)))
    place.build("buslead").passed()
    # what it knew before is in the file that the next build replaces
    kept = Build(place, "lgdm", 0, str(before.published.read_bytes().count(b"Real70")))
    return kept, place.build("lgdm").passed(), place.build("buslead").passed()


def test_who_is_retired_in_another_program_is_so_here_from_the_next_build(
    retired_in_another: tuple[Build, Build, Build],
) -> None:
    before, after, _ = retired_in_another
    assert before.output != "0"
    query = (
        "select student_id, username, email, name, country, is_retired from learners where student_id < 500"
    )
    assert sorted(after.rows(query)) == [
        (70, None, None, None, None, True),
        (71, "pupil_71", address(71), "Pupil Real71", "AU", False),
    ]
    assert after.rows("select student_id, excluded_reason from mailout_candidates order by all") == [
        (70, "retired account"),
        (71, None),
    ]
    assert after.rows("select line, raw_text from rejected_rows order by all") == [
        (34, "withheld: of a retired account"),
        (35, f"71,{address(71)}"),
    ]
    content = after.published.read_bytes()
    assert b"Real71" in content
    for text in ("Real70", address(70), "pupil_70"):
        assert text.encode() not in content


def test_a_program_does_not_learn_from_another_what_it_told_that_one(
    retired_in_another: tuple[Build, Build, Build],
) -> None:
    place = retired_in_another[2].place
    # the download that said so was a mistake
    (place.data / "buslead" / f"{grades(5, '1T2019')}.csv").unlink()
    for program in ("buslead", "lgdm"):
        build = place.build(program).passed()
        assert build.rows("select is_retired from learners where student_id = 70") == [(False,)], program
