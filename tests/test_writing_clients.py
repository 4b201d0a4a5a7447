"""Programs that open the published file for writing: it reads as it was built all the same."""

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest
from mail_fixtures import MailServer, World, candidate
from report_fixtures import ENVIRONMENT, Build, NewPlace, Row, address, grade_report, grade_row, read

import mm.published
from mm.build.publish import publish
from mm.config import ReaderError
from mm.database import log_of

VERSIONS = ["1.0.0", "1.4.5", duckdb.__version__]
MAILOUT = "select student_id, email from mailout order by all"
CHANGE = "update mailout set email = 'right.12@example.org' where student_id = 12"
# Older versions write into the file itself then, without a log.
AT_ONCE = "set checkpoint_threshold = '1B'"
# It opens a file, then runs each line that it gets, and says what came of it.
CLIENT = """
import json, sys, duckdb
connection = None
for line in sys.stdin:
    try:
        connection = connection or duckdb.connect(sys.argv[1], read_only=sys.argv[2] == "read")
        answer = connection.execute(line).fetchall()
    except Exception as error:
        answer = str(error)
    print(json.dumps(answer), flush=True)
"""
# It opens a file again and again, changes a learner's address, and closes it or dies.
RESTLESS_CLIENT = """
import os, random, sys, duckdb
while True:
    if os.fork():
        os.wait()
        continue
    os.chmod(sys.argv[1], 0o640)
    connection = duckdb.connect(sys.argv[1])
    for _ in range(random.randrange(4)):
        connection.execute("update mailout set email = 'changed ' || email where student_id = 12")
        if random.random() < 0.3:
            connection.execute("checkpoint")
    if random.random() < 0.5:
        connection.close()
    os._exit(0)
"""
# Root may write to what nobody may, but for a process without that privilege.
AS_A_USER = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []


class Client:
    """A process that has a DuckDB file open, with a DuckDB of any version."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        """Take the process; it opens the file as it runs its first statement."""
        self.process = process

    def run(self, statement: str) -> list[Row] | str:
        """Return the rows, or what the error says."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{statement}\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        return answer if isinstance(answer, str) else [tuple(row) for row in answer]

    def die(self) -> None:
        """End without closing the file."""
        self.process.kill()
        self.process.wait()


@contextmanager
def client(
    database: Path, access: str, version: str = duckdb.__version__, prefix: list[str] | None = None
) -> Iterator[Client]:
    """Start a client to `read` or to `write`, which closes the file at the end, unless it was killed.

    Without a prefix to run it with, one that writes may do so, as root may anyway.
    """
    if access == "write" and prefix is None:
        database.chmod(0o640)
    environment = dict(os.environ)
    if version != duckdb.__version__:
        packages = Path(sys.prefix) / "clients" / f"duckdb-{version}"
        if version == "1.0.0" and sys.version_info >= (3, 13):
            pytest.skip("DuckDB 1.0.0 has no wheel for this Python")
        assert (packages / "duckdb").is_dir(), "`make test` installs the old clients; run it once"
        environment["PYTHONPATH"] = str(packages)
    with subprocess.Popen(
        [*(prefix or []), sys.executable, "-c", CLIENT, database, access],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Client(process)


def rows_of(build: int, students: list[int]) -> list[Row]:
    """Return the mailout of a build, whose number is in every address."""
    return [(student, f"build{build}.{student}@example.org") for student in students]


def publish_rows(published: Path, rows: list[Row]) -> list[str]:
    """Publish a mailout, without a build, and return the warnings."""
    built = published.parent / "working" / published.name
    built.parent.mkdir(exist_ok=True)
    built.unlink(missing_ok=True)
    with duckdb.connect() as connection:
        connection.execute(f"attach '{built}' as marts (storage_version 'v1.0.0')")
        connection.execute("create table marts.mailout (student_id bigint, email varchar)")
        connection.executemany("insert into marts.mailout values (?, ?)", rows)
    warnings: list[str] = []
    publish({published: built}, warnings.append)
    return warnings


def asides(published: Path) -> list[Path]:
    """Return the logs that were put aside, the oldest first."""
    return sorted(published.parent.glob(f"{published.name}.wal.*.aside"))


FIRST = rows_of(1, [11, 12])
# Whoever reads the first one's changes into it gives them to learner 11.
SECOND = rows_of(2, [3, 11, 12])


# ---- as the file is replaced, without a build ----


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """Publish FIRST."""
    path = tmp_path / "demo.duckdb"
    assert publish_rows(path, FIRST) == []
    return path


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("before", [[CHANGE], []])
def test_nothing_that_an_open_client_writes_reaches_the_new_file(
    published: Path, version: str, before: list[str]
) -> None:
    with client(published, "write", version) as writer:
        writer.run("select 1")
        for statement in before:
            assert writer.run(statement) == [(1,)]
        warnings = publish_rows(published, SECOND)
        assert f"A program has {published} open for writing." in warnings[0]
        assert len(warnings) == len(asides(published)) + 1 == 1 + len(before)
        statements = [CHANGE, "checkpoint", CHANGE, AT_ONCE, CHANGE]
        # DECISIONS.md says what those before 1.3 do then, if they had a log before.
        for statement in statements[:2] if version == "1.0.0" and before else statements:
            writer.run(statement)
            assert read(published, MAILOUT) == SECOND, statement
    for reader_version in VERSIONS:
        with client(published, "read", reader_version) as reader:
            assert reader.run(MAILOUT) == SECOND


@pytest.mark.parametrize("version", VERSIONS)
def test_the_log_of_a_client_that_died_is_put_aside_and_kept(published: Path, version: str) -> None:
    with client(published, "write", version) as writer:
        assert writer.run(CHANGE) == [(1,)]
        writer.die()
    log = log_of(published).read_bytes()
    [warning] = publish_rows(published, SECOND)
    [aside] = asides(published)
    assert str(log_of(published)) in warning
    assert aside.name in warning
    assert aside.read_bytes() == log
    assert aside.stat().st_mode & 0o777 == 0o440
    for reader_version in VERSIONS:
        with client(published, "read", reader_version) as reader:
            assert reader.run(MAILOUT) == SECOND


def test_no_log_takes_the_place_of_one_that_was_put_aside_before(published: Path) -> None:
    for content in ("one", "two"):
        log_of(published).write_text(content)
        publish_rows(published, SECOND)
    assert [aside.read_text() for aside in asides(published)] == ["one", "two"]


def test_a_log_that_its_client_removes_at_that_moment_is_none(
    published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def rename_late(path: Path, target: Path) -> Path:
        path.unlink()
        return rename(path, target)

    log_of(published).touch()
    monkeypatch.setattr(Path, "rename", rename_late)
    assert publish_rows(published, SECOND) == []
    assert read(published, MAILOUT) == SECOND


def test_a_log_whose_file_is_gone_is_not_read_into_a_new_one(published: Path) -> None:
    with client(published, "write") as writer:
        writer.run(CHANGE)
        writer.die()
    published.unlink()
    assert len(publish_rows(published, SECOND)) == 1
    assert read(published, MAILOUT) == SECOND


def test_a_client_of_a_file_that_was_replaced_twice_writes_nowhere(published: Path) -> None:
    with client(published, "write") as writer:
        writer.run("select 1")
        publish_rows(published, FIRST)
        assert publish_rows(published, SECOND) == []
        assert "Failed to commit" in writer.run(CHANGE)
    assert read(published, MAILOUT) == SECOND


def check_changes(published: Path, expected: list[Row]) -> None:
    """See that clients changed this file's learner 12 only, if they changed it at all."""
    # While a client has the file open, nobody else can open it.
    with suppress(duckdb.IOException):
        rows = read(published, MAILOUT)
        assert [(student, email.replace("changed ", "")) for student, email in rows] == expected
        assert {student for student, email in rows if email.startswith("changed ")} <= {12}


@pytest.mark.parametrize("seed", range(2))
def test_a_client_that_changes_the_file_again_and_again_changes_no_other(published: Path, seed: int) -> None:
    moments = random.Random(seed)  # noqa: S311 - no secret
    with subprocess.Popen(
        [sys.executable, "-c", RESTLESS_CLIENT, published], stderr=subprocess.DEVNULL
    ) as writer:
        try:
            for build in range(2, 8):
                time.sleep(moments.random() / 10)
                expected = rows_of(build, [*range(build), 11, 12])
                publish_rows(published, expected)
                for _ in range(10):
                    check_changes(published, expected)
        finally:
            writer.kill()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_user_can_read_the_file_but_not_write_to_it(published: Path, version: str) -> None:
    if AS_A_USER and not shutil.which("setpriv"):
        pytest.skip("root without setpriv")
    with client(published, "read", version, AS_A_USER) as reader:
        assert reader.run(MAILOUT) == FIRST
    with client(published, "write", version, AS_A_USER) as writer:
        assert "Permission denied" in writer.run(CHANGE)
    assert not log_of(published).exists()


def test_a_user_can_replace_the_file_also_after_a_build_was_killed(published: Path) -> None:
    if AS_A_USER and not shutil.which("setpriv"):
        pytest.skip("root without setpriv")
    built = published.parent / "working" / published.name
    left = built.with_suffix(".new")
    left.write_text("half")
    left.chmod(0o440)
    replace = (
        "import sys, pathlib; from mm.build.publish import publish; "
        "publish(dict([map(pathlib.Path, sys.argv[1:])]), print)"
    )
    subprocess.run([*AS_A_USER, sys.executable, "-c", replace, published, built], check=True)
    assert published.read_bytes() == built.read_bytes()
    assert not left.exists()


# ---- mm ----

COMMANDS = {
    "list": ["demo"],
    "render": ["demo"],
    "send": ["demo", "--confirm", "1"],
    "export": ["demo", "--format", "csv"],
    "report": ["demo"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_mm_reads_nothing_while_a_log_lies_there(world: World, server: MailServer, command: str) -> None:
    world.publish([candidate(1)])
    log = log_of(world.folder / "database" / "demo.duckdb")
    log.touch()
    out = ["--out", world.folder / "out"] if command in {"render", "export", "report"} else []
    result = world.mm(command, *COMMANDS[command], *out)
    assert result.returncode == 1
    assert result.stderr.startswith(f"mm: {log} holds changes")
    assert "`mm build demo`" in result.stderr
    assert server.accepted == []
    assert not (world.folder / "out").exists()


@pytest.mark.parametrize("moment", ["before", "after"])
def test_mm_sees_a_log_that_is_there_just_as_it_opens_the_file(
    world: World, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    world.publish([candidate(1)])
    log = log_of(world.folder / "database" / "demo.duckdb")
    connect = duckdb.connect

    def connect_meanwhile(*arguments: object, **options: object) -> duckdb.DuckDBPyConnection:
        log.touch()
        connection = connect(*arguments, **options)
        if moment == "before":
            log.unlink()
        return connection

    monkeypatch.setenv("MM_DATABASE_DIR", world.environment["MM_DATABASE_DIR"])
    monkeypatch.setattr(mm.published.duckdb, "connect", connect_meanwhile)
    if moment == "before":
        log.touch()
    with pytest.raises(ReaderError, match="holds changes"):
        mm.published.read_mailout("demo")


# ---- with builds ----


@dataclass
class Written:
    """What was said and read around a build, after a client died and while another one has the file open."""

    refused: subprocess.CompletedProcess[str]
    build: Build
    mailouts: dict[str, list[Row] | str]
    rendered: subprocess.CompletedProcess[str]
    recipients: list[str]
    held_working_files: list[Build]


def addressed(*students: int) -> list[Row]:
    """Return the mailout with each learner's own address."""
    return [(student, address(student)) for student in students]


@pytest.fixture(scope="module")
def written(new_place: NewPlace) -> Written:
    """Let a client change a published file and die and another one stay, and build."""
    place = new_place()
    world = World(
        place.root,
        ENVIRONMENT | {"MM_DATA_DIR": str(place.data), "MM_DATABASE_DIR": str(place.database)},
    )
    out = place.root / "out"
    published = place.published("lgdm")
    published.parent.mkdir()
    publish_rows(published, addressed(11, 12))
    with client(published, "write") as writer:
        writer.run(CHANGE)
        writer.die()
    refused = world.mm_process("render", "lgdm", "--out", out)
    rows = [grade_row(student, "0.9", "audit") for student in (3, 11, 12)]
    place.write("lgdm", "UQx_LGDM1x_1T2019_grade_report_2019-06-02-0000.csv", grade_report(*rows))
    mailouts = {}
    with client(published, "write", "1.4.5") as writer:
        writer.run(CHANGE)
        build = place.build("lgdm").passed()
        for statement in (CHANGE, "checkpoint", CHANGE):
            writer.run(statement)
        for version in VERSIONS[1:]:
            with client(published, "read", version) as reader:
                mailouts[version] = reader.run(MAILOUT)
        rendered = world.mm_process("render", "lgdm", "--out", out)
    mails = [mail.read_text().splitlines() for mail in out.glob("*.eml")]
    recipients = sorted(line for lines in mails for line in lines if line.startswith("To: "))
    with client(place.marts("lgdm"), "write") as writer:
        writer.run("select 1")
        held_working_file = place.build("lgdm")
    loaded = place.working("lgdm").stat().st_ino
    with client(place.working("lgdm"), "read") as reader:
        reader.run("select 1")
        read_working_file = place.build("lgdm")
    assert place.working("lgdm").stat().st_ino == loaded
    return Written(refused, build, mailouts, rendered, recipients, [held_working_file, read_working_file])


def test_mm_renders_nothing_before_the_next_build(written: Written) -> None:
    assert written.refused.returncode == 1
    assert "lgdm.duckdb.wal holds changes" in written.refused.stderr


def test_a_build_says_that_a_client_writes_and_where_its_log_is(written: Written) -> None:
    [aside] = asides(written.build.published)
    assert "lgdm.duckdb open for writing. It goes on" in written.build.output
    assert f"lgdm.duckdb.wal was put aside as {aside.name}." in written.build.output


def test_readers_have_the_new_file_as_it_was_built(written: Written) -> None:
    for version, rows in written.mailouts.items():
        assert rows == addressed(3, 11, 12), version


def test_each_mail_is_to_its_learner(written: Written) -> None:
    assert written.rendered.returncode == 0, written.rendered.stderr
    assert written.recipients == [f"To: {address(student)}" for student in (11, 12, 3)]


def test_a_build_stops_where_a_client_has_its_working_file_open(written: Written) -> None:
    for build in written.held_working_files:
        assert build.returncode != 0
        assert "A program has the working file" in build.output
        assert "damaged" not in build.output
        assert "Traceback" not in build.output
        assert build.rows(MAILOUT) == addressed(3, 11, 12)
