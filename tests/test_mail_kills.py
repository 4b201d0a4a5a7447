"""SIGKILL at random moments: each learner gets one mail or is listed as unknown, and nothing said is lost."""

import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from mail_fixtures import MM, MailServer, World, candidate

from mm.ledger.history import Event
from mm.ledger.ledger import Ledger
from mm.mail.mailout import select
from mm.mail.not_mailed import WhoIsNotMailed

LEARNERS = 250
# Each costs the start of an `mm`.
KILLS = 24
# Says the lines that it is given, as the page and `mm bounces` do, and tells of each when it is said.
SAYS = """
import sys
from mm.ledger.ledger import Ledger
with Ledger() as ledger:
    for number in range(100_000):
        address = f"{sys.argv[1]}{number}@example.com"
        if sys.argv[2] == "opt out":
            ledger.opt_out(address, "page")
        else:
            ledger.bounce(address, "2026-11-30T01:53:45Z", "5.1.1", "550 5.1.1 unknown")
        print(address, flush=True)
"""


@pytest.fixture(autouse=True)
def _here(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MM_DATABASE_DIR", "MM_DATA_DIR"):
        monkeypatch.setenv(name, world.environment[name])


def undecided() -> int:
    with Ledger(create=False) as ledger:
        return len(select("demo", ledger.history(), WhoIsNotMailed("demo", ledger)).mails)


def send_and_kill(world: World, server: MailServer, chance: random.Random) -> None:
    with subprocess.Popen(
        [MM, "send", "demo", "--confirm", str(undecided())],
        env=world.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as sending:
        target = len(server.accepted) + chance.randrange(1, 10)
        while len(server.accepted) < target and sending.poll() is None:
            time.sleep(0.0005)
        time.sleep(chance.uniform(0, 0.01))
        assert sending.poll() is None, "it ended before it was killed"
        sending.kill()


def lose_the_end(path: Path, chance: random.Random) -> None:
    """Cut off, within the last transaction, what a power cut may keep from the disk: it synced all before."""
    log = path.with_name(f"{path.name}-wal")
    if not log.exists() or not log.stat().st_size:
        return
    file, content = path.read_bytes(), log.read_bytes()
    with closing(sqlite3.connect(path)) as connection:
        event = connection.execute("select event from mails order by id desc limit 1").fetchone()[0]
    # Who closes it last copies the log into the file, which no power cut does.
    path.write_bytes(file)
    log.write_bytes(content)
    path.with_name(f"{path.name}-shm").unlink(missing_ok=True)
    if event != Event.INTENT:
        # A frame has a page and 24 bytes; an outcome's transaction has three of them at least.
        log.write_bytes(content[: len(content) - chance.randrange(1, 4120)])


@contextmanager
def saying(world: World, prefix: str, what: str) -> Iterator[subprocess.Popen[str]]:
    """Run a process that says one thing after another, until it is killed."""
    with subprocess.Popen(
        [sys.executable, "-c", SAYS, prefix, what],
        env=world.environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("seed", [20261123])
def test_killed_at_random_and_resumed_nobody_gets_two(world: World, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - moments, not secrets
    world.publish([candidate(number) for number in range(1, LEARNERS + 1)])
    with MailServer("localhost", delay=0.002) as server:
        world.environment["MM_SMTP_URL"] = server.url()
        for _ in range(KILLS):
            send_and_kill(world, server, chance)
        world.mm("send", "demo", "--confirm", undecided())
    with Ledger() as ledger:
        attempts = list(ledger.history())
    unknown = {attempt.key.student_id for attempt in attempts if attempt.outcome is Event.UNKNOWN}
    sent = {attempt.key.student_id for attempt in attempts if attempt.outcome is Event.SENT}
    received = server.recipients
    assert set(received.values()) == {1}
    assert sent | unknown == set(range(1, LEARNERS + 1))
    assert not sent & unknown
    assert {f"learner{number}@example.org" for number in sent} <= set(received)
    assert 0 < len(unknown) <= KILLS
    assert f"unknown  {len(unknown):>8}" in world.mm("log", "demo").stdout


def test_with_the_end_of_the_log_lost_nobody_gets_two(world: World) -> None:
    chance = random.Random(7)  # noqa: S311
    world.publish([candidate(number) for number in range(1, 101)])
    with MailServer("localhost", delay=0.002) as server:
        world.environment["MM_SMTP_URL"] = server.url()
        for _ in range(6):
            send_and_kill(world, server, chance)
            lose_the_end(world.ledger, chance)
        world.mm("send", "demo", "--confirm", undecided())
    assert set(server.recipients.values()) == {1}
    with Ledger() as ledger:
        outcomes = {attempt.outcome for attempt in ledger.history()}
    assert outcomes <= {Event.SENT, Event.UNKNOWN}


def test_all_at_once_and_killed_nothing_that_was_said_is_lost(world: World) -> None:
    chance = random.Random(11)  # noqa: S311
    world.publish([candidate(number) for number in range(1, 101)])
    said: dict[str, set[str]] = {"opt out": set(), "bounce": set()}
    with MailServer("localhost", delay=0.002) as server:
        world.environment["MM_SMTP_URL"] = server.url()
        for turn in range(5):
            with (
                saying(world, f"o{turn}.", "opt out") as page,
                saying(world, f"b{turn}.", "bounce") as bounces,
            ):
                assert page.stdout
                assert bounces.stdout
                first = page.stdout.readline(), bounces.stdout.readline()
                send_and_kill(world, server, chance)
                page.kill()
                bounces.kill()
                # a line that is not whole was not told
                for what, process, line in (("opt out", page, first[0]), ("bounce", bounces, first[1])):
                    assert process.stdout
                    told = line + process.stdout.read()
                    said[what] |= set(told[: told.rfind("\n")].splitlines())
        world.mm("send", "demo", "--confirm", undecided())
    assert set(server.recipients.values()) == {1}
    with Ledger() as ledger:
        assert min(len(said["opt out"]), len(said["bounce"])) >= 10
        assert said["opt out"] <= ledger.opted_out()
        assert said["bounce"] <= ledger.bounced()
