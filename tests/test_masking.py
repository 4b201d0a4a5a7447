"""The file without names: no byte of it tells who is who, and its tables say what the open ones say."""

import hmac
import json
import os
import re
import shutil
import stat
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import pytest
from project_fixtures import Project
from report_fixtures import (
    Build,
    NewPlace,
    Place,
    Row,
    grade_report,
    grade_row,
    profile_report,
    profile_row,
    read,
)
from test_publishing import CLIENTS, READING_CLIENT

from mm.build.mask import check_value, check_value_of, mask_secret, masked_path, publish_with_mask
from mm.build.masked_columns import Masks, masks_of
from mm.build.publish import publish
from mm.config import ReaderError

WORKING = ("lgdm.duckdb", "lgdm.lock", "lgdm_steps.duckdb")
SECRET = "an invented secret of the tests"  # noqa: S105 - of the tests
# Ids of 12 to 19 digits, which stand in no file by chance; the last are next to each other.
ZOE, ANA, RETIRED, REJECTED = 902_751_640_318, 5_183_640_275_119_007, 731_905_826_447, 9_007_199_254_740_993
REPEATED = 9_007_199_254_740_994
NAMES = {
    ZOE: 'Zoë "Quill" Pupilfeather, PhD',
    ANA: "Ana Pupilmarsh Ottersby",
    RETIRED: "Ragnar Pupilgone",
    REPEATED: "=Bo Pupilrepeated",
}
LOG = (
    "student_id,trigger_course_instance,trigger_course_verified,attempt,event,logged_at,message_id,email,detail\n"
    f"{ZOE},UQx_LGDM1x_1T2019,1,1,intent,2019-06-02T10:00:00Z,<pupil-message@example.org>,"
    "pupilzoe@learners.example.org,....\n"
    f"{ZOE},UQx_LGDM1x_1T2019,1,1,sent,2019-06-02T10:00:01Z,<pupil-message@example.org>,"
    "pupilzoe@learners.example.org,250 taken for pupilzoe\n"
)


def expected_hash(student_id: int, secret: str = SECRET) -> int:
    """Take the first 63 bits of HMAC-SHA256 of the id's digits, by Python's own."""
    return int.from_bytes(hmac.digest(secret.encode(), str(student_id).encode(), "sha256")[:8], "big") >> 1


# What the dashboards read, by country or track.
DASHBOARDS = (
    *("stages_by_country", "courses_by_country_and_track", "course_runs_by_country_and_track"),
    *("mailout_by_country", "mails_by_day"),
)


@dataclass
class Masked:
    """A build with the secret, and one with a secret that is too short."""

    build: Build
    short_secret: Build

    @property
    def opened(self) -> Path:
        """The file with names."""
        return self.build.published

    @property
    def closed(self) -> Path:
        """The file without names."""
        return masked_path(self.build.published)


def write_downloads(place: Place) -> None:
    """Write learners, one of them retired, one rejected and one repeated."""
    place.write(
        "lgdm",
        "UQx_LGDM1x_1T2019_grade_report_2019-06-01-0000.csv",
        grade_report(
            grade_row(ZOE, "0.9", "verified", "Y"),
            grade_row(ANA, "0.8", "audit"),
            grade_row(RETIRED, "0.7", "audit"),
            grade_row(REJECTED, "much", "audit"),
            grade_row(REPEATED, "0.1", "audit"),
            grade_row(REPEATED, "0.9", "audit"),
            *(grade_row(800_000_000_000 + n, "0.0", "audit") for n in range(20)),
        ),
    )
    place.write(
        "lgdm",
        "UQx_LGDM1x_1T2019_student_profile_info_2019-06-01-0000.csv",
        profile_report(*(profile_row(learner, name, "NZ") for learner, name in NAMES.items())),
    )
    retired = ("retired__user@retired.invalid", "retired__user_x")
    place.write(
        "lgdm",
        "UQx_LGDM2x_1T2019_grade_report_2019-07-01-0000.csv",
        grade_report(
            grade_row(ZOE, "0.4", "verified"),
            (RETIRED, *retired, *grade_row(RETIRED, "0.0", "audit")[3:]),
        ),
    )
    place.database.mkdir(exist_ok=True)
    (place.database / "lgdm.send_log.csv").write_text(LOG, encoding="utf-8")


@pytest.fixture(scope="module")
def masked(new_place: NewPlace) -> Masked:
    """Build with the secret, and with one that is too short."""
    place = new_place()
    write_downloads(place)
    build = replace(place, mask_secret=SECRET).build("lgdm").passed()
    return Masked(build, replace(place, mask_secret="too short").build("lgdm"))  # noqa: S106 - as it says


def columns_of(database: Path) -> dict[tuple[str, str], tuple[str, bool]]:
    """Type and whether it may be NULL, of each column of each table."""
    query = "select table_name, column_name, data_type, is_nullable from duckdb_columns() where not internal"
    return {(table, name): (kind, nullable) for table, name, kind, nullable in read(database, query)}


def masks(project: Project, build: Build) -> Masks:
    """Return what the project's YAML says of a program's tables."""
    # The wide table's name begins with the program's, which is the demo's there.
    return masks_of(
        model | {"alias": re.sub("^demo_", f"{build.program}_", model["alias"])}
        for model in project.nodes("model")
    )


# ---- cells that went astray ----

ASTRAY = "pupilastray@learners.example.org"


@pytest.fixture(scope="module")
def astray(new_place: NewPlace) -> Build:
    """Build with rows in which an address stands where a track, a status, a type or a country should be."""
    place = replace(new_place(), mask_secret=SECRET)
    rows = [list(grade_row(700 + n, "0.9", "verified", "Y")) for n in range(40)]
    for row, cell in zip(rows, (4, 5, 8, 9), strict=False):
        row[cell] = ASTRAY
    rows[4][4:6] = ["Ada Pupil", ""]
    stamp = "UQx_LGDM1x_1T2019_{}_2019-06-0{}-0000.csv"
    before = [list(row) for row in rows]
    # a move to a verified track, whose old one went astray
    before[5][4] = ASTRAY
    place.write("lgdm", stamp.format("grade_report", 1), grade_report(*map(tuple, before)))
    place.write("lgdm", stamp.format("grade_report", 2), grade_report(*map(tuple, rows)))
    countries = [profile_row(700 + n, f"Pupil {n}", ("NZ", ASTRAY, "au", "")[n % 4]) for n in range(40)]
    place.write("lgdm", stamp.format("student_profile_info", 2), profile_report(*countries))
    return place.build("lgdm").passed()


def test_no_cell_that_went_astray_is_in_the_masked_file(astray: Build) -> None:
    closed = masked_path(astray.published)
    assert found_in(closed.read_bytes(), ["pupilastray", "Ada Pupil"]) == set()
    details = """
        select enrollment_track, verification_status, certificate_type, enrollment_status, count(*)
        from course_instancedetails group by all order by all
    """
    assert read(closed, details) == [
        ("unknown", "ID Verified", "N/A", "enrolled", 1),
        ("unknown", None, "N/A", "enrolled", 1),
        ("verified", "ID Verified", "N/A", "enrolled", 35),
        ("verified", "ID Verified", "N/A", "unknown", 1),
        ("verified", "ID Verified", "unknown", "enrolled", 1),
        ("verified", "unknown", "N/A", "enrolled", 1),
    ]
    countries = "select country, count(*) from learners group by all order by all"
    assert read(closed, countries) == [("AU", 10), ("NZ", 10), ("unknown", 10), (None, 10)]
    wide = "select lgdm1x_enrollment_track, lgdm2x_enrollment_track from lgdm_coursecompletion group by all"
    assert sorted(read(closed, wide)) == [("unknown", "-"), ("verified", "-")]


def test_the_open_file_has_what_edx_wrote(astray: Build) -> None:
    assert astray.rows(
        "select count(*) from learners where country = upper('pupilastray@learners.example.org')"
    ) == [(10,)]
    assert astray.rows(
        "select count(*) from course_instancedetails where enrollment_track = 'Ada Pupil'"
    ) == [(1,)]


def test_no_warning_has_the_words_of_such_a_cell(astray: Build) -> None:
    assert "pupil" not in astray.output.lower()
    for words in (
        "Rows whose enrollment track is empty, or not in seeds/enrollment_tracks.csv: 2.",
        "Rows whose enrollment status is neither enrolled nor unenrolled: 1.",
        "Rows whose verification status is not one that edX uses: 1.",
        "Rows whose certificate type is not one that edX uses: 1.",
        "Learners whose country is no code of two letters: 10.",
    ):
        assert words in astray.output


def test_the_dashboards_tables_have_known_values_alone(astray: Build) -> None:
    for table in DASHBOARDS:
        for row in astray.rows(f"from {table}"):
            assert ASTRAY not in row, table
            assert "Ada Pupil" not in row, table
    assert ("unknown",) in astray.rows("select distinct country from stages_by_country")
    assert ("unknown",) in astray.rows("select distinct enrollment_track from courses_by_country_and_track")


# ---- what its tables say ----


def test_it_has_the_open_file_s_tables_and_columns_but_for_the_send_log(masked: Masked) -> None:
    opened, closed = columns_of(masked.opened), columns_of(masked.closed)
    for column in [column for column in opened if column[0] == "send_log"]:
        del opened[column]
    assert list(closed) == list(opened)
    assert {column: kind for column, (kind, _) in closed.items()} == {
        column: kind for column, (kind, _) in opened.items()
    }
    # It has no text to give.
    assert [column for column, shape in closed.items() if shape != opened[column]] == [
        ("rejected_rows", "raw_text")
    ]


def test_its_tables_and_columns_are_described_as_the_open_ones_are(masked: Masked) -> None:
    of_tables = "select table_name, comment from duckdb_tables() where table_name != 'send_log' order by all"
    of_columns = (
        "select table_name, column_name, comment from duckdb_columns()"
        " where not internal and table_name != 'send_log' order by all"
    )
    assert read(masked.closed, of_columns) == read(masked.opened, of_columns)
    made_with = f"\nmade with the secret of the check value {check_value(SECRET)}"
    assert read(masked.closed, of_tables) == [
        (table, comment + made_with) for table, comment in read(masked.opened, of_tables)
    ]


def test_each_row_is_the_open_one_masked(masked: Masked, project: Project) -> None:
    """See what makes joins and counts the same."""
    said, there = masks(project, masked.build), columns_of(masked.opened)
    assert set(said) == {table for table, _ in there} - {"send_log"}
    for table, columns in said.items():
        names = [column for of, column in there if of == table]
        expected = Counter(
            tuple(
                value
                if name not in columns
                else expected_hash(value)
                if columns[name] == "keyed hash"
                else None
                for name, value in zip(names, row, strict=True)
            )
            for row in map(hashable, read(masked.opened, f'from "{table}"'))
        )
        assert Counter(map(hashable, read(masked.closed, f'from "{table}"'))) == expected, table


def hashable(row: Row) -> Row:
    return tuple(tuple(value) if isinstance(value, list) else value for value in row)


def test_what_names_learners_is_masked(masked: Masked) -> None:
    hashed = {"student_id", "learner_id"}
    for table, column in columns_of(masked.closed):
        if column in {"username", "email", "name", "student_name", "raw_text"}:
            found = read(masked.closed, f'select count("{column}") from "{table}"')
            assert found == [(0,)], (table, column)
        if column in hashed:
            low, high = read(masked.closed, f'select min("{column}"), max("{column}") from "{table}"')[0]
            assert low is None or (0 <= low <= high < 2**63), (table, column)


@pytest.mark.parametrize(
    "query",
    [
        """
        select learners.country, learner_courses.course, learner_courses.passed, count(*)
        from learners
        inner join learner_courses on learners.student_id = learner_courses.student_id
        group by all order by all
        """,
        """
        select learner_progress.stage, count(distinct details.learner_id), count(*), max(details.grade)
        from learner_progress
        left join course_instancedetails as details on learner_progress.student_id = details.learner_id
        inner join lgdm_coursecompletion as report on learner_progress.student_id = report.student_id
        group by all order by all
        """,
        """
        select count(*), count(distinct changes.learner_id), count(mailout_candidates.student_id)
        from learner_course_history
        full join changes on learner_course_history.learner_id = changes.learner_id
        full join mailout_candidates on learner_course_history.learner_id = mailout_candidates.student_id
        """,
    ],
)
def test_joins_and_counts_are_those_of_the_open_file(masked: Masked, query: str) -> None:
    assert read(masked.closed, query) == read(masked.opened, query) != []


def test_a_learner_s_hash_is_of_the_id_and_the_secret_alone(masked: Masked) -> None:
    found = {learner for (learner,) in read(masked.closed, "select student_id from learners")}
    assert found == {
        expected_hash(learner) for (learner,) in masked.build.rows("select student_id from learners")
    }
    assert expected_hash(REPEATED) in found
    assert expected_hash(REPEATED) != expected_hash(REPEATED, "another secret of the tests")


def test_rows_are_in_an_order_that_ids_have_no_part_in(masked: Masked) -> None:
    hashes = [row[0] for row in read(masked.closed, "select student_id from learners")]
    assert hashes == sorted(hashes)


# ---- what its bytes hold ----


def needles(database: Path) -> Iterator[str]:
    """All ids, names, usernames, addresses and other texts about learners that an open file has."""
    for column in ("student_id", "username", "email", "name"):
        yield from (str(value) for (value,) in read(database, f"select {column} from learners") if value)
    if ("send_log", "email") in columns_of(database):
        for column in ("email", "message_id", "detail"):
            yield from (str(value) for (value,) in read(database, f"select {column} from send_log") if value)
    yield from (text for (text,) in read(database, "select raw_text from rejected_rows") if text)


def found_in(content: bytes, texts: Iterable[str]) -> set[str]:
    """Those of the texts that bytes hold, in any case; an id also as a number of eight bytes."""
    # Most of a small file is empty, which takes long to search.
    content = re.sub(rb"\0{64,}", bytes(64), content)
    lower = content.lower()
    found = set()
    for text in set(texts):
        places = [lower.find(text.encode().lower())]
        if not text.isascii():
            places += [content.find(each.encode()) for each in (text.lower(), text.upper())]
        if text.isdigit():
            places += [content.find(int(text).to_bytes(8, order)) for order in ("little", "big")]
        if max(places) >= 0:
            found.add(text)
    return found


def masked_plainly(
    opened: Path, folder: Path, said: Masks, monkeypatch: pytest.MonkeyPatch
) -> tuple[bytes, bytes]:
    """Copy a file, and mask it, both without compression, in which a text could hide; return both's bytes."""
    monkeypatch.setenv("MM_MASK_SECRET", SECRET)
    copied, built = folder / "copied.duckdb", folder / "built.duckdb"
    with duckdb.connect() as connection:
        connection.execute("set force_compression = 'uncompressed'")
        connection.execute(f"attach '{opened}' as opened (read_only)")
        connection.execute(f"attach '{copied}' as copied")
        connection.execute("copy from database opened to copied")
        connection.execute("detach copied")
        shutil.copyfile(copied, built)
        publish_with_mask(connection, "opened", built, folder / opened.name, masks=said, warn=pytest.fail)
    return copied.read_bytes(), masked_path(folder / opened.name).read_bytes()


def test_no_id_name_or_address_is_in_its_bytes(
    masked: Masked, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    invented = [
        *map(str, NAMES),
        str(REJECTED),
        *NAMES.values(),
        "pupil",
        "learners.example.org",
        "taken for",
    ]
    texts = [*needles(masked.opened), *invented]
    copied, plain = masked_plainly(masked.opened, tmp_path, masks(project, masked.build), monkeypatch)
    # The same search finds them where they are.
    assert {str(ZOE), str(ANA), NAMES[ZOE], NAMES[ANA], "pupil", "taken for"} <= found_in(copied, texts)
    assert found_in(copied, needles(masked.opened)) == set(needles(masked.opened))
    assert found_in(plain, texts) == set()
    assert found_in(masked.opened.read_bytes(), ["pupil"]) == {"pupil"}
    assert found_in(masked.closed.read_bytes(), texts) == set()


def test_no_learner_of_the_demo_is_in_its_bytes(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied, plain = masked_plainly(
        project.demo.published, tmp_path, masks(project, project.demo), monkeypatch
    )
    texts = list(needles(project.demo.published))
    assert len(texts) > 1500
    assert found_in(copied, texts) == set(texts)
    assert found_in(plain, texts) == set()


def test_the_secret_is_written_nowhere(masked: Masked) -> None:
    place = masked.build.place
    assert SECRET not in masked.build.everything_written()
    for path in place.root.rglob("*"):
        if path.is_file() and place.root / "tests" not in path.parents:
            assert SECRET.encode() not in path.read_bytes(), path


# ---- how it is published ----


def test_it_is_published_as_the_open_file_is(masked: Masked) -> None:
    assert "lgdm.duckdb and databases/lgdm.masked.duckdb" in masked.build.output
    path = masked.closed
    assert stat.filemode(path.stat().st_mode) == "-r--r-----"
    names = {each.name for each in masked.build.place.database.rglob("*")}
    assert names == {"lgdm.duckdb", "lgdm.masked.duckdb", "lgdm.send_log.csv", "working", *WORKING}


@pytest.mark.parametrize("version", ["1.0.0", "1.4.5"])
def test_an_older_client_reads_it(masked: Masked, project: Project, version: str) -> None:
    client = CLIENTS / f"duckdb-{version}"
    if not (client / "duckdb").is_dir():
        pytest.skip("DuckDB 1.0.0 has no wheel for this Python") if version == "1.0.0" else pytest.fail(
            version
        )
    path = masked.closed
    run = subprocess.run(
        [sys.executable, "-c", READING_CLIENT, path],
        env=os.environ | {"PYTHONPATH": str(client)},
        capture_output=True,
        text=True,
        check=True,
    )
    counts = {
        name: read(path, f'select count(*) from "{name}"')[0][0] for name in masks(project, masked.build)
    }
    assert json.loads(run.stdout) == [version, counts]


def test_without_the_secret_one_of_before_goes_and_that_is_said(
    masked: Masked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MM_MASK_SECRET", raising=False)
    published, built, warnings = tmp_path / "lgdm.duckdb", tmp_path / "working" / "lgdm.duckdb", []
    built.parent.mkdir()
    shutil.copyfile(masked.opened, built)
    masked_path(published).write_bytes(b"of the build before")
    with duckdb.connect() as connection:
        files = publish_with_mask(connection, "", built, published, masks={}, warn=warnings.append)
    assert files == list(tmp_path.glob("*.duckdb")) == [published]
    assert published.read_bytes() == masked.opened.read_bytes()
    [warning] = warnings
    assert "lgdm.masked.duckdb was removed: it is out of date" in warning


def test_a_short_secret_stops_a_build_before_it_begins(masked: Masked) -> None:
    assert masked.short_secret.returncode != 0
    assert "MM_MASK_SECRET has 9 characters" in masked.short_secret.output
    assert "too short" not in masked.short_secret.output
    assert "Traceback" not in masked.short_secret.output
    assert " START " not in masked.short_secret.output


def test_an_empty_secret_is_a_short_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MM_MASK_SECRET", "")
    with pytest.raises(ReaderError, match="has 0 characters"):
        mask_secret()
    monkeypatch.delenv("MM_MASK_SECRET")
    assert mask_secret() is None


@pytest.mark.parametrize("secret", [f'"{SECRET}"', f"{SECRET} ", f"'{SECRET}'", f"{SECRET}\n", f"\t{SECRET}"])
def test_blanks_and_quotes_around_a_secret_are_refused(monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    monkeypatch.setenv("MM_MASK_SECRET", secret)
    with pytest.raises(ReaderError, match="begins or ends with a blank or a quote") as raised:
        mask_secret()
    assert SECRET not in str(raised.value)


def test_files_of_two_secrets_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def warnings_of(program: str, secret: str) -> list[str]:
        monkeypatch.setenv("MM_MASK_SECRET", secret)
        built, warnings = tmp_path / "working" / f"{program}.duckdb", list[str]()
        built.parent.mkdir(exist_ok=True)
        with duckdb.connect() as connection:
            connection.execute(f"attach '{built}' as built")
            connection.execute("create or replace table built.learners as select 1::bigint as student_id")
            connection.execute("checkpoint built")
            said = {"learners": {"student_id": "keyed hash"}}
            published = tmp_path / f"{program}.duckdb"
            publish_with_mask(connection, "built", built, published, masks=said, warn=warnings.append)
        return warnings

    assert warnings_of("lgdm", SECRET) == warnings_of("lgdm", SECRET) == warnings_of("engy", SECRET) == []
    # what an older version wrote does not say
    with duckdb.connect(tmp_path / "buslead.masked.duckdb") as connection:
        connection.execute("create table learners as select 1 as student_id")
    other = f"{SECRET}, another"
    [warning] = warnings_of("all_programs", other)
    assert warning == (
        "MM_MASK_SECRET is not the one that engy.masked.duckdb, lgdm.masked.duckdb were made with, so that "
        "learners have other numbers there. Set that one and build again, or keep the new one and run "
        "`mm build engy`, `mm build lgdm`."
    )
    [warning] = warnings_of("lgdm", other)
    assert warning.endswith("keep the new one and run `mm build engy`.")
    [warning] = warnings_of("lgdm", SECRET)
    assert "that all_programs.masked.duckdb, lgdm.masked.duckdb were made with" in warning
    assert warning.endswith("keep the new one and run `mm combine`.")
    assert check_value_of(tmp_path / "lgdm.masked.duckdb") == check_value(SECRET) != check_value(other)
    # It is no beginning of what ids become, nor has it the secret.
    assert re.fullmatch("[0-9a-f]{8}", check_value(SECRET))


@pytest.mark.parametrize("secret", ["k" * 16, "k" * 63, "k" * 64, "k" * 65, "ключ" * 40])
def test_the_hash_is_hmac_whatever_the_secret_s_length(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    monkeypatch.setenv("MM_MASK_SECRET", secret)
    ids = [0, 1, 10, ZOE, 2**63 - 1, -5, None]
    built = tmp_path / "built.duckdb"
    with duckdb.connect() as connection:
        connection.execute(f"attach '{built}' as built")
        connection.execute("create table built.learners (student_id bigint)")
        connection.executemany("insert into built.learners values ($1)", [[each] for each in ids])
        connection.execute("checkpoint built")
        said = {"learners": {"student_id": "keyed hash"}}
        publish_with_mask(connection, "built", built, tmp_path / "demo.duckdb", masks=said, warn=pytest.fail)
    expected = {each if each is None else expected_hash(each, secret) for each in ids}
    assert {each for (each,) in read(tmp_path / "demo.masked.duckdb", "from learners")} == expected


# ---- both files, or neither ----


@pytest.fixture
def two(tmp_path: Path) -> dict[Path, Path]:
    """Two files to publish, over two that are published."""
    (tmp_path / "working").mkdir()
    files = {tmp_path / name: tmp_path / "working" / name for name in ("demo.masked.duckdb", "demo.duckdb")}
    for published, built in files.items():
        published.write_text(f"old {published.name}")
        built.write_text(f"new {published.name}")
    return files


def contents(files: dict[Path, Path]) -> list[str | None]:
    return [path.read_text().split()[0] if path.exists() else None for path in files]


def test_both_are_replaced(two: dict[Path, Path]) -> None:
    publish(two, pytest.fail)
    assert contents(two) == ["new", "new"]
    assert {path.name for path in next(iter(two)).parent.rglob("*")} == {
        "working",
        *(path.name for path in two),
    }


@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("is_first_build", [False, True])
def test_where_one_cannot_be_replaced_none_is(
    two: dict[Path, Path], monkeypatch: pytest.MonkeyPatch, nth: int, *, is_first_build: bool
) -> None:
    if is_first_build:
        for path in two:
            path.unlink()
    really, calls = Path.replace, []

    def failing(path: Path, target: Path) -> Path:
        calls.append(target)
        if len(calls) == nth:
            raise OSError(28, "No space left on device", str(target))
        return really(path, target)

    monkeypatch.setattr(Path, "replace", failing)
    with pytest.raises(OSError, match="No space left"):
        publish(two, pytest.fail)
    assert contents(two) == ([None, None] if is_first_build else ["old", "old"])
    assert {path.name for path in next(iter(two)).parent.joinpath("working").iterdir()} == {
        path.name for path in two
    }


def test_where_one_cannot_be_copied_none_is_replaced(two: dict[Path, Path]) -> None:
    list(two.values())[1].unlink()
    with pytest.raises(FileNotFoundError):
        publish(two, pytest.fail)
    assert contents(two) == ["old", "old"]
