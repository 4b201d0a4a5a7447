"""SIGKILL at random moments of a mailout: each learner gets one mail, or is listed as unknown."""

import random
import subprocess
import time

import pytest
from mail_fixtures import MM, MailServer, World, candidate

from mm.mailout import select
from mm.optouts import WhoIsNotMailed
from mm.send_log import Event, log_path, read_history

LEARNERS = 250
KILLS = 24


def undecided() -> int:
    return len(select("demo", read_history(log_path("demo")), WhoIsNotMailed("demo")).mails)


@pytest.mark.parametrize("seed", [20261123])
def test_killed_at_random_and_resumed_nobody_gets_two(
    world: World, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    for name in ("MM_DATABASE_DIR", "MM_DATA_DIR"):
        monkeypatch.setenv(name, world.environment[name])
    chance = random.Random(seed)  # noqa: S311 - moments, not secrets
    world.publish([candidate(number) for number in range(1, LEARNERS + 1)])
    kills = 0
    with MailServer("localhost", delay=0.002) as server:
        world.environment["MM_SMTP_URL"] = server.url()
        while kills < KILLS:
            left = undecided()
            with subprocess.Popen(
                [MM, "send", "demo", "--confirm", str(left)],
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
            kills += 1
            if chance.random() < 0.5:
                # What a crash of the machine may do to the end of the file.
                content = world.log.read_bytes()
                last = content.splitlines(keepends=True)[-1]
                world.log.write_bytes(content[: len(content) - len(last) // 2])
        world.mm("send", "demo", "--confirm", undecided())
    history = read_history(world.log)
    unknown = {attempt.key.student_id for attempt in history if attempt.outcome is Event.UNKNOWN}
    sent = {attempt.key.student_id for attempt in history if attempt.outcome is Event.SENT}
    received = server.recipients
    assert set(received.values()) == {1}
    assert sent | unknown == set(range(1, LEARNERS + 1))
    assert not sent & unknown
    assert {f"learner{number}@example.org" for number in sent} <= set(received)
    assert 0 < len(unknown) <= 2 * KILLS
    assert f"unknown  {len(unknown):>8}" in world.mm("log", "demo").stdout
