"""The send log: cut anywhere, it never lets a mail that was handed over look unsent."""

import errno
import os
import stat
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
from mail_fixtures import LOG_COLUMNS

from mm.send_log import Event, MailKey, SendLog, read_history, read_lines
from mm.settings import ReaderError

KEY = MailKey(7, "ExampleX_BEES1x_1T2026", 1)
LONG_KEY = MailKey(9_223_372_036_854_775_807, "ExampleX_" + "BEES" * 60 + "_1T2026", 0)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MM_DATABASE_DIR", str(tmp_path))
    return tmp_path / "demo.send_log.csv"


def write(key: MailKey, outcome: Event | None, detail: str = "250 OK") -> None:
    with SendLog("demo") as log:
        intent = log.intend(key, "<id@example.org>", "a@example.org")
        if outcome is not None:
            log.conclude(intent, outcome, detail)


def outcome_of(path: Path, key: MailKey = KEY) -> Event | None:
    return read_history(path).outcome(key)


def test_a_new_log_is_what_the_sql_side_reads(path: Path) -> None:
    write(KEY, Event.SENT, 'all, "well"\r\ndone \u2028 then')
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    header, intent, sent, end = path.read_text(encoding="utf-8").split("\n")
    assert (header, end) == (LOG_COLUMNS, "")
    assert intent.startswith("7,ExampleX_BEES1x_1T2026,1,1,intent,20")
    cells = sent.split(",")
    assert cells[:5] == ["7", "ExampleX_BEES1x_1T2026", "1", "1", "sent"]
    assert cells[5].endswith("Z")
    assert cells[6:] == ["<id@example.org>", "a@example.org", "all well done then"]


@pytest.mark.parametrize("key", [KEY, LONG_KEY])
def test_an_intent_cut_in_half_still_tells_whom_it_was_about(path: Path, key: MailKey) -> None:
    write(key, None)
    content = path.read_bytes()
    line = content.splitlines(keepends=True)[-1]
    half = len(line) // 2
    path.write_bytes(content[: len(content) - (len(line) - half)])
    assert outcome_of(path, key) is Event.UNKNOWN
    write(MailKey(8, "ExampleX_BEES1x_1T2026", 0), Event.SENT)
    assert outcome_of(path, key) is Event.UNKNOWN


def test_an_intent_cut_at_any_byte_is_unknown_from_its_key_on(path: Path) -> None:
    write(MailKey(1, "ExampleX_BEES1x_1T2026", 0), Event.SENT)
    start = path.stat().st_size
    write(KEY, None)
    content = path.read_bytes()
    whole_key = len("7,ExampleX_BEES1x_1T2026,1,1,")
    for cut in range(start, len(content) + 1):
        expected = Event.UNKNOWN if cut - start >= whole_key else None
        path.write_bytes(content[:cut])
        assert outcome_of(path) is expected
        with SendLog("demo") as log:
            assert log.history.outcome(KEY) is expected
        # Nothing is rewritten; at most, the torn line was ended.
        assert path.read_bytes() in {content[:cut], content[:cut] + b"\n"}
        assert path.read_bytes().endswith(b"\n")
        assert outcome_of(path) is expected


@pytest.mark.parametrize("outcome", [Event.SENT, Event.FAILED, Event.DEFERRED, Event.UNKNOWN])
def test_an_outcome_cut_at_any_byte_leaves_its_intent_unknown_or_stands(path: Path, outcome: Event) -> None:
    write(KEY, None)
    start = path.stat().st_size
    path.unlink()
    write(KEY, outcome)
    content = path.read_bytes()
    assert content[:start].endswith(b"\n")
    up_to_detail = content.rindex(b",") + 1
    for cut in range(start, len(content) + 1):
        path.write_bytes(content[:cut])
        assert outcome_of(path) is (outcome if cut >= up_to_detail else Event.UNKNOWN)


def test_a_header_cut_at_any_byte_is_completed(path: Path) -> None:
    header = (LOG_COLUMNS + "\n").encode()
    for cut in range(len(header) + 1):
        path.write_bytes(header[:cut])
        assert outcome_of(path) is None
        with SendLog("demo"):
            assert path.read_bytes() == header


def test_attempts_count_and_the_gravest_outcome_stands(path: Path) -> None:
    for outcome, stands in (
        (Event.DEFERRED, Event.DEFERRED),
        (Event.FAILED, Event.FAILED),
        (None, Event.UNKNOWN),
        (Event.FAILED, Event.UNKNOWN),
        (Event.SENT, Event.SENT),
        (Event.FAILED, Event.SENT),
    ):
        write(KEY, outcome)
        assert outcome_of(path) is stands
    assert [attempt.attempt for attempt in read_history(path)] == [1, 2, 3, 4, 5, 6]
    assert outcome_of(path, KEY._replace(trigger_course_verified=0)) is None


def test_a_mail_counts_for_its_address_whoever_the_learner_was(path: Path) -> None:
    write(KEY, Event.SENT)
    other = KEY._replace(student_id=8)
    history = read_history(path)
    assert history.outcome(other) is None
    assert history.outcome(other, " A@Example.ORG ") is Event.SENT
    assert history.outcome(other, "aa@example.org") is None
    assert history.outcome(other._replace(trigger_course_verified=0), "a@example.org") is None
    assert history.outcome(other._replace(trigger_course_instance="X"), "a@example.org") is None
    # its own, to whatever address
    assert history.outcome(KEY, "b@example.org") is Event.SENT
    with SendLog("demo") as log:
        intent = log.intend(other, "<id@example.org>", "B@example.org")
        assert log.history.outcome(KEY._replace(student_id=9), "b@example.org") is Event.UNKNOWN
        log.conclude(intent, Event.FAILED, "550 no")
        assert log.history.outcome(KEY._replace(student_id=9), "b@example.org") is Event.FAILED


def test_an_address_that_was_cut_off_is_nobodys(path: Path) -> None:
    write(KEY, None)
    content = path.read_bytes()
    end_of_address = content.rindex(b"a@example.org") + len("a@example.org")
    for cut, expected in ((end_of_address, None), (end_of_address + 1, Event.UNKNOWN)):
        path.write_bytes(content[:cut])
        history = read_history(path)
        assert history.outcome(KEY) is Event.UNKNOWN
        assert history.outcome(KEY._replace(student_id=8), "a@example.org") is expected


@pytest.mark.parametrize(
    "damage",
    [
        b"\xef\xbb\xbf" + LOG_COLUMNS.encode() + b"\n",
        b"email,name\n",
        LOG_COLUMNS.encode() + b"\nseven,ExampleX_BEES1x_1T2026,1,1,sent,,,,\n",
        LOG_COLUMNS.encode() + b"\n7,ExampleX_BEES1x_1T2026,1,1,sent,,,,,more\n",
        LOG_COLUMNS.encode() + b"\n7,ExampleX_BEES1x_1T2026,1,1,posted,,,,\n",
    ],
)
def test_what_is_no_send_log_is_refused(path: Path, damage: bytes) -> None:
    path.write_bytes(damage)
    with pytest.raises(ReaderError, match=r"line \d, is not a line of a send log"):
        read_history(path)
    with pytest.raises(ReaderError, match=r"line \d, is not a line of a send log"):
        list(read_lines(path))


def test_a_second_sender_is_told_to_wait(path: Path) -> None:
    with SendLog("demo"):
        other = subprocess.run(
            [sys.executable, "-c", "from mm.send_log import SendLog; SendLog('demo').__enter__()"],
            env=os.environ | {"MM_DATABASE_DIR": str(path.parent)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Another `mm send demo` is sending now" in other.stderr
    with SendLog("demo"):
        pass


def test_a_log_that_others_touch_while_sending_is_read_again_or_refused(path: Path) -> None:
    with SendLog("demo") as log:
        with path.open("ab") as file:
            file.write(b"7,ExampleX_BEES1x_1T2026,1,1,sent,2026-01-01T00:00:00Z,<x@y>,a@b,250\n")
        log.refresh()
        assert log.history.outcome(KEY) is Event.SENT
        path.rename(path.with_suffix(".bak"))
        with pytest.raises(ReaderError, match="moved or replaced while sending"):
            log.refresh()


@pytest.mark.parametrize("written", [0, 1, 40])
def test_a_full_disk_leaves_the_log_whole(path: Path, monkeypatch: pytest.MonkeyPatch, written: int) -> None:
    write(KEY, Event.SENT)
    before = path.read_bytes()
    real_write = os.write
    left = [written]

    def write_until_full(file: int, data: memoryview) -> int:
        if not left[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        count = real_write(file, data[: left[0]])
        left[0] -= count
        return count

    with SendLog("demo") as log:
        monkeypatch.setattr(os, "write", write_until_full)
        with pytest.raises(ReaderError, match=r"No space left on device.*sending stopped"):
            log.intend(KEY._replace(student_id=8), "<id@example.org>", "b@example.org")
    assert path.read_bytes() == before


@pytest.mark.parametrize("stopped_by", [None, ReaderError, KeyboardInterrupt])
def test_however_the_log_is_closed_its_outcomes_are_on_disk(
    path: Path, monkeypatch: pytest.MonkeyPatch, stopped_by: type[BaseException] | None
) -> None:
    on_disk: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda _: on_disk.append(path.read_text()))
    with pytest.raises(stopped_by) if stopped_by else nullcontext(), SendLog("demo") as log:
        intent = log.intend(KEY, "<id@example.org>", "a@example.org")
        log.wait()
        assert on_disk[-1] == path.read_text()
        log.conclude(intent, Event.SENT, "250 OK")
        assert on_disk[-1] != path.read_text()
        if stopped_by is not None:
            raise stopped_by
    assert ",sent," in on_disk[-1]
    assert on_disk[-1] == path.read_text()


def test_an_instance_that_the_log_cannot_hold_is_refused(path: Path) -> None:
    with SendLog("demo") as log, pytest.raises(ReaderError, match="cannot hold"):
        log.intend(MailKey(7, "a,b", 0), "<id@example.org>", "a@example.org")
    assert path.read_text() == LOG_COLUMNS + "\n"
