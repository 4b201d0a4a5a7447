"""`mm export`: what staff take away is whole, sorted, to the letter, and calculates nothing."""

import csv
import io
import os
import re
import signal
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import duckdb
import pytest
from mail_fixtures import MM, World, candidate

from mm import csv_out
from mm.ledger.history import Event, MailKey
from mm.ledger.ledger import Ledger
from mm.report import export as exporting

HEADER = [
    "student_id",
    "username",
    "email",
    "name",
    "bees1x_enrollment_track",
    "bees1x_passed",
    "no_certificate_eligible",
    "no_audited_passed",
    "country",
]
# A name and, where it is another, what the spreadsheet's CSV shows for it.
NAMES: dict[str | None, str | None] = {
    "=1+1": "'=1+1",
    "+61 7 3365 1111": "'+61 7 3365 1111",
    "-1": "'-1",
    "@SUM(A1)": "'@SUM(A1)",
    " =1": "' =1",
    "\t=1": "'\t=1",
    "\ttab": "'\ttab",
    "\rreturn": "'\rreturn",
    "\nline": "'\nline",
    "\u200b=1": "'\u200b=1",
    "\uff1d1+1": "'\uff1d1+1",
    "-": None,
    "": None,
    None: "",
    'Rosa "Bee", Jr.': None,
    "two\r\nlines\nor three": None,
    "'t Hooft": None,
    "a=b": None,
    "007": None,
    "1e5": None,
    "NULL": None,
    "_x0041_": None,
    "bell\x07": None,
    "https://example.org": None,
    "  blanks  ": None,
    "\u0644\u064a\u0644\u0649 \U0001f41d": None,
    "<b>&amp;</b>": None,
}
SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def publish(world: World, rows: list[tuple[Any, ...]]) -> None:
    path = world.folder / "database" / "demo.duckdb"
    with duckdb.connect(path) as connection:
        connection.execute(
            "create table demo_coursecompletion (student_id bigint, username varchar, email varchar,"
            " name varchar, bees1x_enrollment_track varchar, bees1x_passed varchar,"
            " no_certificate_eligible integer, no_audited_passed integer, country varchar)"
        )
        if rows:
            places = ", ".join("?" for _ in HEADER)
            connection.executemany(f"insert into demo_coursecompletion values ({places})", rows)


def learner(student_id: int, name: str | None, certificates: int = 0) -> tuple[Any, ...]:
    return (student_id, f"u{student_id}", None, name, "-", "-", certificates, 0, "AU")


@pytest.fixture
def nasty(world: World) -> World:
    publish(world, [learner(i, name) for i, name in enumerate(NAMES, start=1)])
    return world


def exported(world: World, kind: str, *arguments: object) -> Path:
    path = world.folder / "away" / f"report.{kind}"
    result = world.mm("export", "demo", "--format", kind, "--out", path, *arguments)
    assert result.returncode == 0, result.stderr
    assert "It holds personal data." in result.stdout
    return path


def csv_rows(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


def sheet_of(path: Path) -> ET.Element:
    with zipfile.ZipFile(path) as book:
        assert book.testzip() is None
        return ET.fromstring(book.read("xl/worksheets/sheet1.xml"))  # noqa: S314 - written here


def xlsx_rows(path: Path) -> list[list[int | str | None]]:
    """Read a sheet as Excel does: by the reference of each cell, numbers apart from texts."""
    rows = []
    for row in sheet_of(path).iter(f"{SHEET}row"):
        values: list[int | str | None] = [None] * len(HEADER)
        for cell in row.iter(f"{SHEET}c"):
            column = ord(cell.attrib["r"][0]) - ord("A")
            if cell.get("t") == "inlineStr":
                text = "".join(part.text or "" for part in cell.iter(f"{SHEET}t"))
                values[column] = re.sub("_x([0-9A-F]{4})_", lambda found: chr(int(found[1], 16)), text)
            else:
                assert cell.get("t", "n") == "n"
                values[column] = int(cell.findtext(f"{SHEET}v") or "")
        rows.append(values)
    return rows


def test_csv_shows_every_text_and_calculates_none(nasty: World) -> None:
    path = exported(nasty, "csv")
    assert path.read_bytes().startswith(b"\xef\xbb\xbfstudent_id,")
    header, *rows = csv_rows(path)
    assert header == HEADER
    expected = [name if shown is None else shown for name, shown in NAMES.items()]
    assert [row[3] for row in rows] == expected
    # Never enrolled is a dash that nothing needs to protect, and NULL is an empty cell.
    assert rows[0] == ["1", "u1", "", "'=1+1", "-", "-", "0", "0", "AU"]


def test_what_the_terminal_gets_as_csv_is_calculated_by_nobody(world: World) -> None:
    formula = '=HYPERLINK("https://example.org")'
    world.publish([candidate(1, student_name=formula, username="-1", trigger_course_title="-")])
    listed = list(csv.DictReader(io.StringIO(world.mm("list", "demo", "--who").stdout)))
    assert listed[0]["student_name"] == f"'{formula}"
    assert (listed[0]["username"], listed[0]["trigger_course_title"]) == ("'-1", "-")
    for name, in_csv in NAMES.items():
        if name:
            assert csv_out.shown(name) == (name if in_csv is None else in_csv)
    with Ledger(world.ledger.parent) as ledger:
        ledger.opt_out("ada@example.org", "=1+1")
        key = MailKey(1, "ExampleX_BEES1x_1T2026", 0)
        intent = ledger.intend("demo", key, "<1@example.org>", "ada@example.org")
        ledger.conclude(intent, Event.FAILED, "=550 no")
    for command in (("log", "demo", "--csv"), ("unsubscribe", "list"), ("unsubscribe", "export")):
        cells = [cell for row in csv.reader(io.StringIO(world.mm(*command).stdout)) for cell in row]
        assert any(cell.startswith("'=") for cell in cells), command
        assert not any(cell.startswith("=") for cell in cells), command


def test_raw_csv_is_to_the_letter(nasty: World) -> None:
    rows = csv_rows(exported(nasty, "csv", "--raw"))[1:]
    assert [row[3] for row in rows] == [name or "" for name in NAMES]


def test_parquet_is_the_table(nasty: World) -> None:
    path = exported(nasty, "parquet")
    with duckdb.connect(nasty.folder / "database" / "demo.duckdb", read_only=True) as connection:
        assert (
            connection.execute("from read_parquet(?)", [str(path)]).fetchall()
            == connection.execute("from demo_coursecompletion order by student_id").fetchall()
        )
        types = "select column_name, column_type from (describe {})"
        assert (
            connection.execute(types.format(f"from read_parquet('{path}')")).fetchall()
            == connection.execute(types.format("demo_coursecompletion")).fetchall()
        )


def test_excel_has_typed_cells_and_no_formula(nasty: World) -> None:
    path = exported(nasty, "xlsx")
    header, *rows = xlsx_rows(path)
    assert header == HEADER
    # An empty text and none look alike in a sheet.
    assert [row[3] or "" for row in rows] == [name or "" for name in NAMES]
    assert rows[0] == [1, "u1", None, "=1+1", "-", "-", 0, 0, "AU"]
    sheet = sheet_of(path)
    assert list(sheet.iter(f"{SHEET}f")) == []
    assert list(sheet.iter(f"{SHEET}hyperlink")) == []
    # What begins a formula stays text even when somebody edits the cell.
    with zipfile.ZipFile(path) as book:
        styles = ET.fromstring(book.read("xl/styles.xml"))  # noqa: S314 - written here
        assert "externalLink" not in "".join(book.namelist())
    formats = [style.get("quotePrefix") for style in styles.iterfind(f"{SHEET}cellXfs/{SHEET}xf")]
    cells = {cell.attrib["r"]: cell for cell in sheet.iter(f"{SHEET}c")}
    marked = [formats[int(cells[f"D{i}"].get("s", 0))] == "1" for i in range(2, 13)]
    assert marked == [True] * 11
    assert formats[int(cells["D16"].get("s", 0))] is None


def test_excel_has_a_frozen_header_a_filter_and_widths(world: World) -> None:
    publish(world, [learner(1, "x" * 300), learner(2, "Ada")])
    sheet = sheet_of(exported(world, "xlsx"))
    pane = sheet.find(f".//{SHEET}pane")
    assert pane is not None
    assert (pane.get("ySplit"), pane.get("state")) == ("1", "frozen")
    assert [each.get("ref") for each in sheet.iter(f"{SHEET}autoFilter")] == ["A1:I3"]
    widths = [float(column.attrib["width"]) for column in sheet.iter(f"{SHEET}col")]
    assert len(widths) == 9
    assert widths[3] == pytest.approx(40, abs=1)
    assert widths[4] == pytest.approx(len("bees1x_enrollment_track") + 3, abs=1)


def test_excel_keeps_an_id_that_its_numbers_would_cut(world: World) -> None:
    publish(world, [learner(1234567890123456789, "Ada"), learner(999_999_999_999_999, "Bea")])
    assert [row[0] for row in xlsx_rows(exported(world, "xlsx"))[1:]] == [
        999_999_999_999_999,
        "1234567890123456789",
    ]


@pytest.mark.parametrize("kind", ["csv", "xlsx", "parquet"])
def test_most_certificates_come_first(world: World, kind: str) -> None:
    publish(world, [learner(3, None, 1), learner(1, None), learner(4, None, 5), learner(2, None, 1)])
    path = exported(world, kind)
    if kind == "parquet":
        ids = [row[0] for row in duckdb.connect().execute(f"from read_parquet('{path}')").fetchall()]
    else:
        rows: list[list[Any]] = csv_rows(path) if kind == "csv" else list(xlsx_rows(path))
        ids = [int(row[0]) for row in rows[1:]]
    assert ids == [4, 2, 3, 1]


@pytest.mark.parametrize("kind", ["csv", "xlsx", "parquet"])
def test_a_program_without_learners_is_a_header(world: World, kind: str) -> None:
    publish(world, [])
    path = exported(world, kind)
    if kind == "parquet":
        described = duckdb.connect().execute(f"describe from read_parquet('{path}')").fetchall()
        assert [row[0] for row in described] == HEADER
    else:
        assert (csv_rows(path) if kind == "csv" else xlsx_rows(path)) == [HEADER]


def test_files_are_for_owner_and_group(world: World) -> None:
    publish(world, [learner(1, "Ada")])
    for kind in exporting.Format:
        path = exported(world, kind)
        assert path.stat().st_mode & 0o777 == 0o640
        assert path.parent.stat().st_mode & 0o777 == 0o750


def test_more_learners_than_excel_has_rows_are_an_error(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert exporting.EXCEL_LEARNERS == 1_048_575
    publish(world, [learner(i, None) for i in range(1, 5)])
    monkeypatch.setattr(exporting, "EXCEL_LEARNERS", 3)
    out = world.folder / "away" / "report.xlsx"
    result = world.mm("export", "demo", "--format", "xlsx", "--out", out)
    assert result.returncode == 1
    assert result.stderr == (
        "mm: An Excel sheet holds 3 learners, and this program has 4: export it with --format csv or "
        "--format parquet.\n"
    )
    assert not out.parent.exists()
    monkeypatch.setattr(exporting, "EXCEL_LEARNERS", 4)
    assert len(xlsx_rows(exported(world, "xlsx"))) == 5


def test_a_text_that_excel_would_cut_is_an_error(world: World) -> None:
    publish(world, [learner(1, "x" * 32_768)])
    out = world.folder / "report.xlsx"
    result = world.mm("export", "demo", "--format", "xlsx", "--out", out)
    assert result.returncode == 1
    assert result.stderr.startswith("mm: Column name holds a text that is longer than Excel's cells:")
    assert sorted(path.name for path in world.folder.iterdir()) == ["data", "database"]


def test_what_cannot_be_exported_is_a_sentence(world: World) -> None:
    missing = world.mm("export", "demo", "--format", "csv")
    assert missing.returncode == 1
    assert "run `mm build demo` first" in missing.stderr
    assert "no program '../demo'" in world.mm("export", "../demo", "--format", "csv").stderr
    publish(world, [learner(1, "Ada")])
    folder = world.mm("export", "demo", "--format", "csv", "--out", world.folder)
    assert folder.stderr == f"mm: {world.folder} cannot be used: Is a directory.\n"
    assert "--raw goes with --format csv" in world.mm("export", "demo", "--format", "xlsx", "--raw").stderr
    size = world.mm("export", "demo", "--format", "csv", MM_MEMORY_LIMIT="much")
    assert size.stderr == "mm: MM_MEMORY_LIMIT is 'much': expected a size such as 2GB.\n"
    with duckdb.connect(world.folder / "database" / "demo.duckdb") as connection:
        connection.execute("alter table demo_coursecompletion drop column student_id")
    other = world.mm("export", "demo", "--format", "csv", "--out", world.folder / "report.csv")
    assert "another version built it" in other.stderr
    assert sorted(path.name for path in world.folder.iterdir()) == ["data", "database"]


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with a program of half a million learners."""
    folder = tmp_path_factory.mktemp("large")
    courses = ", ".join(
        f"if(hash(i, {k}) % 3 = 0, 'verified', '-') as c{k}_enrollment_track,"
        f" if(hash(i, {k}) % 3 = 0, 'Y', '-') as c{k}_passed"
        for k in range(5)
    )
    with duckdb.connect(folder / "demo.duckdb") as connection:
        connection.execute(
            "create table demo_coursecompletion as select (hash(i) % 1000000000000)::bigint as student_id,"
            " 'user' || hash(i) as username, 'user' || hash(i) || '@example.org' as email,"
            f" if(i % 1000 = 0, '=', '') || 'Learner ' || hash(i, 1) as name, {courses},"
            " (hash(i, 9) % 6)::integer as no_certificate_eligible, 0 as no_audited_passed, 'AU' as country"
            " from range(500000) as t(i)"
        )
    return folder


def start(large: Path, *command: object, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [str(part) for part in command],
        env=os.environ | {"MM_DATABASE_DIR": str(large)} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_many_learners_need_little_memory(large: Path, kind: str) -> None:
    out = large / f"report.{kind}"
    process = start(large, MM, "export", "demo", "--format", kind, "--out", out, MM_MEMORY_LIMIT="250MB")
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0
    megabytes = usage.ru_maxrss / (1_000_000 if sys.platform == "darwin" else 1_000)
    # The limit and the program itself; without the limit it takes 490 as Parquet, 520 as CSV.
    assert megabytes < 400
    read = f"read_{kind}('{out}', {'header = true, quote = chr(34)' if kind == 'csv' else ''})".replace(
        ", )", ")"
    )
    # One thread, so that the rows come in the file's own order.
    (counted,) = (
        duckdb.connect(config={"threads": 1})
        .execute(
            "select count(*), count(*) filter (where c > before) from"
            f" (select no_certificate_eligible as c, lag(c) over () as before from {read})"
        )
        .fetchall()
    )
    assert counted == (500_000, 0)
    assert sorted(path.name for path in large.iterdir()) == ["demo.duckdb", out.name]
    out.unlink()


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_full_disk_leaves_the_old_file(large: Path, tmp_path: Path, kind: str) -> None:
    out = tmp_path / f"report.{kind}"
    out.write_text("the old one")
    limited = ("bash", "-c", 'ulimit -f 5000; exec "$@"', "bash")
    process = start(large, *limited, MM, "export", "demo", "--format", kind, "--out", out)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert stderr == f"mm: {out} could not be written: see whether its disk has room.\n"
    assert out.read_text() == "the old one"
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("kind", exporting.Format)
def test_a_killed_export_leaves_the_old_file(world: World, kind: exporting.Format) -> None:
    publish(world, [learner(1, "Ada")])
    out = world.folder / f"report.{kind}"
    out.write_text("the old one")
    # killed when all is written and nothing has its name yet
    killed = (
        "import os, pathlib, signal, sys; from mm.report.export import Format, export\n"
        "os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)\n"
        "export('demo', Format(sys.argv[1]), pathlib.Path(sys.argv[2]))"
    )
    process = start(world.folder / "database", sys.executable, "-c", killed, kind, out)
    assert process.wait(timeout=60) == -signal.SIGKILL
    assert out.read_text() == "the old one"
