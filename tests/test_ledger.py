"""The ledger: what is in it counts, what it cannot say for certain stops all; old files are taken in once."""

import itertools
import random
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from mail_fixtures import LOG_COLUMNS, MailServer, World, candidate

from mm.config import ReaderError
from mm.ledger import file, old_files
from mm.ledger.history import Attempt, Event, MailKey
from mm.ledger.ledger import Ledger
from mm.ledger.sent import AlreadyMailedError
from mm.mail.not_mailed import WhoIsNotMailed
from mm.people.address_lists import Bounced, OptOuts, has_bounced, is_opted_out

KEY = MailKey(7, "ExampleX_BEES1x_1T2026", 1)
OTHER = MailKey(8, "ExampleX_BEES1x_1T2026", 1)
LONG_KEY = MailKey(9_223_372_036_854_775_807, "ExampleX_" + "BEES" * 60 + "_1T2026", 0)
ADA = "ada@example.org"
INTENT = "7,ExampleX_BEES1x_1T2026,1,1,intent,2026-01-01T00:00:00Z,<id@example.org>,a@example.org,\n"
SENT = "7,ExampleX_BEES1x_1T2026,1,1,sent,2026-01-01T00:00:01Z,<id@example.org>,a@example.org,250 OK\n"


@pytest.fixture(autouse=True)
def _here(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MM_DATABASE_DIR", "MM_DATA_DIR"):
        monkeypatch.setenv(name, world.environment[name])


def write(key: MailKey, outcome: Event | None, program: str = "demo", email: str = "a@example.org") -> None:
    with Ledger() as ledger:
        intent = ledger.intend(program, key, "<id@example.org>", email, again=True)
        ledger.wait()
        if outcome is not None:
            ledger.conclude(intent, outcome, "250 OK")


def attempts() -> list[Attempt]:
    with Ledger(create=False) as ledger:
        old_files.take_in(ledger)
        return list(ledger.history())


def outcome_of(key: MailKey = KEY, email: str | None = None) -> Event | None:
    with Ledger(create=False) as ledger:
        old_files.take_in(ledger)
        return ledger.history().outcome(key, email)


# ---- mails


def test_a_mail_is_in_the_file_with_all_that_is_known_of_it(world: World) -> None:
    with Ledger() as ledger:
        intent = ledger.intend("demo", KEY, "<id@example.org>", "A@example.org")
        ledger.conclude(intent, Event.SENT, 'all, "well"\r\ndone', "0108-1")
        ledger.conclude(intent, Event.SENT, "said twice", "0108-1")
    assert stat.S_IMODE(world.ledger.stat().st_mode) == 0o640
    first, second = world.log_rows()
    assert (first["event"], first["detail"], first["server_id"]) == ("intent", "", None)
    assert (second["event"], second["detail"], second["server_id"]) == ("sent", 'all, "well" done', "0108-1")
    [attempt] = attempts()
    assert (attempt.program, attempt.key, attempt.attempt) == ("demo", KEY, 1)
    assert (attempt.outcome, attempt.email, attempt.server_id) == (Event.SENT, "A@example.org", "0108-1")


def test_attempts_count_and_the_gravest_outcome_stands() -> None:
    for outcome, stands in (
        (Event.DEFERRED, Event.DEFERRED),
        (Event.FAILED, Event.FAILED),
        (None, Event.UNKNOWN),
        (Event.FAILED, Event.UNKNOWN),
        (Event.SENT, Event.SENT),
    ):
        write(KEY, outcome)
        assert outcome_of() is stands
    assert [attempt.attempt for attempt in attempts()] == [1, 2, 3, 4, 5]
    assert outcome_of(KEY._replace(trigger_course_verified=0)) is None
    with pytest.raises(AlreadyMailedError):
        write(KEY, Event.SENT)


def test_a_mail_that_came_back_stays_so() -> None:
    with Ledger() as ledger:
        intent = ledger.intend("demo", KEY, "<id@example.org>", "a@example.org")
        for outcome in (Event.SENT, Event.BOUNCED, Event.BOUNCED):
            ledger.conclude(intent, outcome, outcome.value)
        ledger.intend("demo", KEY, "<id@example.org>", "newer@example.org")
    assert [attempt.outcome for attempt in attempts()] == [Event.BOUNCED, Event.UNKNOWN]


def test_a_mail_counts_for_its_address_whoever_the_learner_was_and_for_all_programs() -> None:
    write(KEY, Event.SENT)
    assert outcome_of(OTHER) is None
    assert outcome_of(OTHER, " A@Example.ORG ") is Event.SENT
    assert outcome_of(OTHER._replace(trigger_course_instance="examplex_bees1X_1t2026"), "a@example.org")
    assert outcome_of(OTHER, "aa@example.org") is None
    assert outcome_of(OTHER._replace(trigger_course_verified=0), "a@example.org") is None
    assert outcome_of(OTHER._replace(trigger_course_instance="X"), "a@example.org") is None
    # its own, to whatever address
    assert outcome_of(KEY, "b@example.org") is Event.SENT
    for key, email in ((KEY, "b@example.org"), (OTHER, "A@example.org")):
        with pytest.raises(AlreadyMailedError):
            write(key, None, "lgdm", email)


def test_what_another_program_may_have_sent_does_not_go_out_again() -> None:
    write(KEY, None, "lgdm")
    with pytest.raises(AlreadyMailedError):
        write(KEY, None, "demo")
    write(KEY, None, "lgdm")
    assert [(attempt.program, attempt.attempt) for attempt in attempts()] == [("lgdm", 1), ("lgdm", 2)]


def test_two_that_write_in_turn_see_each_other() -> None:
    with Ledger() as one, Ledger() as two:
        assert two.history().outcome(KEY) is None
        one.intend("demo", KEY, "<id@example.org>", "a@example.org")
        one.wait()
        assert two.history().outcome(KEY) is Event.UNKNOWN
        with pytest.raises(AlreadyMailedError):
            two.intend("lgdm", KEY, "<id@example.org>", "b@example.org")
        one.opt_out(ADA, "page")
        assert two.opted_out() == {ADA}
        two.opt_out("ben@example.org", "complaint")
        assert one.opted_out() == {ADA, "ben@example.org"}


# ---- what people say


def test_the_page_takes_back_what_the_page_wrote_and_a_command_all() -> None:
    with Ledger() as ledger:
        ledger.opt_out(" Ada@Example.org", "page")
        assert ledger.may_take_back("ADA@example.org")
        assert ledger.take_back(ADA, "page")
        assert ledger.opted_out() == set()
        ledger.opt_out(ADA, "one-click")
        ledger.opt_out(ADA, "complaint")
        assert not ledger.may_take_back(ADA)
        assert not ledger.take_back(ADA, "page")
        # the page's opt-out after a complaint does not make that one the page's
        ledger.opt_out(ADA, "page")
        ledger.take_back(ADA, "page")
        assert ledger.opted_out() == {ADA}
        assert ledger.take_back(ADA, "command")
        assert ledger.opted_out() == set()
        ledger.opt_out(ADA, "one-click")
        assert ledger.opted_out() == {ADA}


def test_an_opt_out_that_stands_is_written_once(world: World) -> None:
    with Ledger() as ledger:
        for source in ("page", "page", "one-click", "page"):
            ledger.opt_out(ADA, source)
        with pytest.raises(ValueError, match="no address that is mailed"):
            ledger.opt_out("no address", "page")
    with closing(sqlite3.connect(world.ledger)) as connection:
        rows = connection.execute("select source from said order by id").fetchall()
    assert rows == [("page",), ("one-click",)]


def test_what_is_said_last_counts_where_a_clock_was_ahead() -> None:
    with Ledger() as ledger:
        ledger.import_lines(["email,unsubscribed_at,source\n", f"{ADA},2999-01-01T00:00:00Z,page\n"], "x.csv")
        assert ledger.take_back(ADA, "command")
        ledger.opt_out(ADA, "page")
        assert ledger.opted_out() == {ADA}


def test_a_bounce_that_is_forgotten_stays_so_when_it_is_read_again() -> None:
    with Ledger() as ledger:
        assert ledger.bounce(ADA, "2026-06-01T10:00:00Z", "5.1.1", "550 no", "<1@x>")
        assert ledger.bounced() == {ADA}
        assert not ledger.bounce(ADA, "2026-06-02T10:00:00Z", "5.1.1", "550 no", "<2@x>")
        assert ledger.forget_bounce("Ada@example.org")
        assert not ledger.forget_bounce(ADA)
        for day, number in ((1, 1), (2, 2), (3, 1), (4, 3)):
            assert not ledger.bounce(ADA, f"2026-06-0{day}T10:00:00Z", "5.1.1", "550 no", f"<{number}@x>")
        assert ledger.bounced() == set()
        assert ledger.bounce(ADA, "2999-06-01T10:00:00Z", "5.1.1", "550 no", "<4@x>")
        assert ledger.bounced() == {ADA}
        assert ledger.opted_out() == set()


def test_imports_merge_in_any_order_and_twice_is_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported = []
    for number in (1, 2):
        monkeypatch.setenv("MM_DATABASE_DIR", str(tmp_path / f"machine{number}"))
        with Ledger() as ledger:
            ledger.opt_out(f"{number}@example.org", "one-click")
            ledger.opt_out("=both@example.org", "page")
            if number == 2:
                ledger.take_back("=both@example.org", "page")
                ledger.opt_out("back@example.org", "complaint")
                ledger.take_back("back@example.org", "command")
            exported.append(list(ledger.export_lines()))
    results = []
    for number, order in enumerate(itertools.permutations([*exported, exported[0]])):
        monkeypatch.setenv("MM_DATABASE_DIR", str(tmp_path / f"order{number}"))
        with Ledger() as ledger:
            counts = [ledger.import_lines(lines, "x.csv") for lines in order]
            assert sum(counts) == 7
            assert ledger.opted_out() == {"1@example.org", "2@example.org"}
            results.append(list(ledger.export_lines()))
    assert all(result == results[0] for result in results)


@pytest.mark.parametrize(
    "line", ["ada at example.org,2026-01-01,page", f"{ADA},soon,page", f"{ADA},2026-01-01", f'"{ADA}']
)
def test_an_import_with_a_line_in_doubt_adds_nothing(line: str) -> None:
    with Ledger() as ledger:
        lines = ["email,unsubscribed_at,source\n", "ben@example.org,2026-01-01,page\n", f"{line}\n"]
        with pytest.raises(ReaderError, match=r"x\.csv, line 3: expected what `mm unsubscribe export`"):
            ledger.import_lines(lines, "x.csv")
        with pytest.raises(ReaderError, match=r"x\.csv, line 1: expected"):
            ledger.import_lines(["email\n", f"{ADA}\n"], "x.csv")
        assert ledger.opted_out() == set()


# ---- what people keep by hand


@pytest.mark.parametrize(
    ("lines", "is_out"),
    [
        # sorted by a spreadsheet, the older one is the last
        (["2025-11-20T10:00:00Z,one-click", "2025-02-03T10:00:00Z,taken back"], True),
        (["2025-11-20T10:00:00Z,one-click", "2026-02-03T10:00:00Z,taken back"], False),
        (["2026-02-03T10:00:00Z,Taken Back", "2025-11-20 10:00:00,one-click"], False),
        # an opt-out that has no time, or one that nobody can read, counts always
        ([",phone", "2026-02-03T10:00:00Z,taken back"], True),
        (["3.11.26,phone", "2026-02-03T10:00:00Z,taken back"], True),
        # of one day nobody knows which came first
        (["2025-11-20,phone", "2025-11-20T10:00:00Z,taken back"], True),
        (["2025-11-20T10:00:00Z,phone", "2025-11-20,taken back"], True),
        (["2025-11-20,phone", "2025-11-21,taken back"], False),
        # the zone counts
        (["2025-11-20T10:00:00+02:00,phone", "2025-11-20T09:00:00Z,taken back"], False),
    ],
)
def test_of_lines_by_hand_the_newest_counts_wherever_it_stands(
    world: World, lines: list[str], *, is_out: bool
) -> None:
    for order in (lines, lines[::-1]):
        text = "\n".join(["email,unsubscribed_at,source", *(f"{ADA},{line}" for line in order), ""])
        world.opt_outs.write_text(text)
        assert (ADA in OptOuts()) is is_out


@pytest.mark.parametrize(
    ("time", "says"),
    [
        ("2999-01-01", "its unsubscribed_at is in the future"),
        ("", "it takes an opt-out back, and its unsubscribed_at is not a time"),
        ("3.11.26", "it takes an opt-out back, and its unsubscribed_at is not a time"),
    ],
)
def test_a_taking_back_without_a_time_or_in_the_future_is_in_doubt(
    world: World, time: str, says: str
) -> None:
    world.opt_outs.write_text(f"email,unsubscribed_at,source\n{ADA},{time},taken back\n")
    with pytest.raises(ReaderError, match=f"line 2: {says}"):
        OptOuts()


@pytest.mark.parametrize(
    ("line", "is_out_before", "is_out_after"),
    [
        ("2999-01-01T10:00:00Z,by hand", True, True),
        ("2026-01-01T10:00:00Z,by hand", True, False),
        (",by hand", True, True),
        ("2020-01-01T10:00:00Z,taken back", True, False),
    ],
)
def test_of_the_list_and_the_ledger_the_newest_counts(
    world: World, line: str, *, is_out_before: bool, is_out_after: bool
) -> None:
    world.opt_outs.write_text(f"email,unsubscribed_at,source\n{ADA},{line}\n")
    with Ledger() as ledger:
        ledger.opt_out(ADA, "complaint")
        assert is_opted_out(ADA, OptOuts(), ledger.statements()) is is_out_before
        ledger.take_back(ADA, "command")
        assert is_opted_out(ADA, OptOuts(), ledger.statements()) is is_out_after


def test_a_bounce_by_hand_counts_until_it_is_forgotten_or_always_without_a_time(world: World) -> None:
    (world.folder / "data" / "bounced.csv").write_text(
        f"email,bounced_at\n{ADA},2026-01-01T10:00:00Z\nben@example.org,\n"
    )
    with Ledger() as ledger:
        old_files.take_in(ledger)
        assert ledger.bounced() == {ADA}
        assert ledger.forget_bounce(ADA)
        assert not has_bounced(ADA, Bounced(), ledger.statements())
        assert has_bounced("Ben@example.org", Bounced(), ledger.statements())


def test_the_lists_of_people_are_never_written(world: World) -> None:
    data = world.folder / "data"
    for name, text in (
        ("unsubscribed.csv", f"email,unsubscribed_at,source\n{ADA},2026-01-01T10:00:00Z,page\n"),
        ("bounced.csv", "email,bounced_at\nben@example.org,2026-01-01\n"),
        ("not_learners.csv", "username\nstaff_one\n"),
    ):
        (data / name).write_text(text)
        (data / name).chmod(0o440)
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in data.iterdir()}
    with Ledger() as ledger:
        old_files.take_in(ledger)
        ledger.opt_out("cy@example.org", "page")
        ledger.take_back(ADA, "command")
        ledger.bounce("cy@example.org", "2026-01-01T10:00:00Z", "5.1.1", "")
        WhoIsNotMailed("demo", ledger)
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in data.iterdir()} == before


# ---- what earlier versions left


@pytest.mark.parametrize("key", [KEY, LONG_KEY])
def test_an_old_intent_cut_in_half_still_tells_whom_it_was_about(world: World, key: MailKey) -> None:
    head = ",".join((*map(str, key), "1,"))
    rest = "intent,2026-01-01T00:00:00Z,<id@example.org>,a@example.org,".ljust(len(head), ".")
    world.old_log.write_text(f"{LOG_COLUMNS}\n{head}{rest}"[: -len(rest)])
    assert outcome_of(key) is Event.UNKNOWN


def test_an_old_intent_cut_at_any_byte_is_unknown_from_its_key_on(world: World) -> None:
    before = f"{LOG_COLUMNS}\n" + SENT.replace("7,", "1,", 1)
    whole_key = len("7,ExampleX_BEES1x_1T2026,1,1,")
    for cut in range(len(INTENT) + 1):
        world.old_log.write_text(before + INTENT[:cut])
        assert outcome_of() is (Event.UNKNOWN if cut >= whole_key else None)
        assert outcome_of(KEY._replace(student_id=1)) is Event.SENT


def test_an_old_outcome_cut_at_any_byte_leaves_its_intent_unknown_or_stands(world: World) -> None:
    for cut in range(len(SENT) + 1):
        world.old_log.write_text(f"{LOG_COLUMNS}\n{INTENT}{SENT[:cut]}")
        assert outcome_of() is (Event.SENT if cut > SENT.rindex(",") else Event.UNKNOWN)


def test_an_old_address_that_was_cut_off_is_nobodys(world: World) -> None:
    end = INTENT.index("a@example.org") + len("a@example.org")
    for cut, expected in ((end, None), (end + 1, Event.UNKNOWN)):
        world.old_log.write_text(f"{LOG_COLUMNS}\n{INTENT[:cut]}")
        assert outcome_of() is Event.UNKNOWN
        assert outcome_of(OTHER, "a@example.org") is expected


@pytest.mark.parametrize(
    "damage",
    [
        "\ufeff" + LOG_COLUMNS + "\n",
        "email,name\n",
        LOG_COLUMNS + "\nseven,ExampleX_BEES1x_1T2026,1,1,sent,,,,\n",
        LOG_COLUMNS + "\n7,ExampleX_BEES1x_1T2026,1,1,sent,,,,,more\n",
        LOG_COLUMNS + "\n7,ExampleX_BEES1x_1T2026,1,1,posted,,,,\n",
    ],
)
def test_what_is_no_send_log_is_refused_and_nothing_of_it_taken_in(world: World, damage: str) -> None:
    world.old_log.write_text(damage, encoding="utf-8")
    with Ledger() as ledger:
        with pytest.raises(ReaderError, match=r"line \d, is not a line of a send log"):
            old_files.take_in(ledger)
        assert list(ledger.history()) == []


def test_old_files_are_taken_in_and_named_once_and_again_where_they_grow(world: World) -> None:
    said: list[str] = []
    world.old_log.write_text(f"{LOG_COLUMNS}\n{INTENT}")
    world.opt_outs.write_text(
        "email,unsubscribed_at,source\n"
        f"{ADA},2026-01-01T10:00:00Z,page\ncy@example.org,2026-01-01T10:00:00Z,by hand\n"
        "di@example.org,2026-01-01T10:00:00Z,one-click\ndi@example.org,2026-01-02T10:00:00Z,taken back\n"
    )

    def take_in() -> tuple[list[str], Event | None]:
        said.clear()
        with Ledger() as ledger:
            for _ in range(2):
                old_files.take_in(ledger, said.append)
            assert ledger.opted_out() == {ADA}
            return [Path(line.partition(":")[0]).name for line in said], ledger.history().outcome(KEY)

    assert take_in() == (["demo.send_log.csv", "unsubscribed.csv"], Event.UNKNOWN)
    assert take_in() == ([], Event.UNKNOWN)
    # an earlier version ran meanwhile
    with world.old_log.open("a") as file:
        file.write(SENT)
    assert take_in() == (["demo.send_log.csv"], Event.SENT)
    # whoever writes the list anew without the page's lines takes none of them back
    world.opt_outs.write_text("email\n")
    assert take_in() == ([], Event.SENT)
    assert world.old_log.read_text() == f"{LOG_COLUMNS}\n{INTENT}{SENT}"


def test_an_old_attempt_does_not_hide_one_of_the_ledger(world: World) -> None:
    write(KEY, Event.FAILED)
    world.old_log.write_text(f"{LOG_COLUMNS}\n{INTENT}{SENT}")
    for _ in range(2):
        assert outcome_of() is Event.SENT
        assert [(a.attempt, a.outcome.value) for a in attempts()] == [(1, "failed"), (2, "sent")]


def test_a_reader_takes_in_old_files_without_a_ledger_and_makes_none(world: World) -> None:
    world.old_log.write_text(f"{LOG_COLUMNS}\n{INTENT}{SENT}")
    world.publish([candidate(7, trigger_course_verified=1)])
    done = world.mm("log", "demo")
    assert (done.stdout.splitlines()[0], done.stderr) == ("sent            1", "")
    assert "1  sent since the build" in world.mm("list", "demo").stdout
    assert not world.ledger.exists()


# ---- the file


def make_ledger() -> bytes:
    for number in range(60):
        write(KEY._replace(student_id=number), Event.SENT, email=f"learner{number}@example.org")
    with Ledger() as ledger:
        for number in range(60):
            ledger.opt_out(f"learner{number}@example.org", "page")
        return ledger.path.read_bytes()


def test_a_ledger_cut_off_anywhere_stops_all(world: World, server: MailServer) -> None:
    make_ledger()
    content = world.ledger.read_bytes()
    chance = random.Random(3)  # noqa: S311
    for cut in (
        0,
        1,
        100,
        4096,
        len(content) // 2,
        len(content) - 1,
        *(chance.randrange(len(content)) for _ in range(20)),
    ):
        world.ledger.write_bytes(content[:cut])
        with pytest.raises(ReaderError, match=r"The ledger .*mailing\.sqlite cannot be used"), Ledger():
            pass
    world.publish([candidate(70)])
    for arguments in (["send", "demo", "--confirm", 1], ["send", "demo"], ["list", "demo"]):
        done = world.mm(*arguments)
        assert done.returncode == 1
        assert done.stderr.startswith("mm: The ledger ")
        assert done.stderr.count("\n") == 1
    assert server.sessions == 0
    world.ledger.write_bytes(content)
    assert world.mm("send", "demo", "--confirm", 1).returncode == 0


def empty_folder(path: Path) -> None:
    path.mkdir()


def other_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("create table mails (id)")


def text(path: Path) -> None:
    path.write_text(f"{LOG_COLUMNS}\n" * 100)


def broken_link(path: Path) -> None:
    path.symlink_to("nowhere")


@pytest.mark.parametrize("make", [empty_folder, other_database, text, broken_link])
def test_what_is_no_ledger_stops_all(world: World, server: MailServer, make: Callable[[Path], None]) -> None:
    world.publish([candidate(1)])
    make(world.ledger)
    for arguments in (["send", "demo", "--confirm", 1], ["log", "demo"], ["unsubscribe", "add", ADA]):
        done = world.mm(*arguments)
        assert done.returncode == 1
        assert done.stderr.startswith(f"mm: The ledger {world.ledger} cannot be used (")
        assert done.stderr.count("\n") == 1
    assert server.sessions == 0


def test_a_ledger_that_another_program_keeps_locked_is_told_as_that(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Ledger() as ledger:
        ledger.opt_out(ADA, "page")
    monkeypatch.setattr(file, "_SECONDS_TO_WAIT", 0.1)
    with closing(sqlite3.connect(world.ledger, isolation_level=None)) as other:
        other.execute("begin immediate")
        done = world.mm("unsubscribe", "add", ADA)
    assert done.returncode == 1
    assert "Close the program that has had it open for writing all the time." in done.stderr


def test_a_ledger_that_is_moved_while_it_is_in_use_stops_all(world: World) -> None:
    with Ledger() as ledger:
        ledger.opt_out(ADA, "page")
        world.ledger.rename(world.ledger.with_suffix(".bak"))
        with pytest.raises(ReaderError, match="moved or replaced while it was in use"):
            ledger.history()
        with pytest.raises(ReaderError, match="moved or replaced while it was in use"):
            ledger.opt_out("ben@example.org", "page")
        with pytest.raises(ReaderError, match="moved or replaced while it was in use"):
            ledger.intend("demo", KEY, "<id@example.org>", "a@example.org")


def opt_many_out(ledger: Ledger) -> int:
    """Opt out until it fails; return how many were told that it worked."""
    for number in range(10_000):
        try:
            ledger.opt_out(f"{number}@example.org", "page")
        except ReaderError as error:
            assert "cannot be used (database or disk is full): nobody is mailed" in str(error)  # noqa: PT017
            return number
    pytest.fail("it is never full")


def mail_many(ledger: Ledger) -> None:
    for number in range(10_000):
        key = KEY._replace(student_id=number)
        intent = ledger.intend("demo", key, "<id@example.org>", f"{number}@example.org")
        ledger.conclude(intent, Event.SENT, "250" * 60)


def test_a_full_ledger_says_so_and_keeps_what_it_has() -> None:
    with Ledger() as ledger:
        ledger._connection.execute(f"pragma max_page_count = {ledger._one('pragma page_count')}")  # noqa: SLF001
        told = opt_many_out(ledger)
        with pytest.raises(ReaderError, match="database or disk is full"):
            mail_many(ledger)
    with Ledger() as ledger:
        assert ledger.opted_out() == {f"{number}@example.org" for number in range(told)}


def test_a_ledger_that_may_only_be_read_says_so(world: World) -> None:
    make_ledger()
    with Ledger() as ledger:
        ledger._connection.execute("pragma query_only = 1")  # noqa: SLF001
        for write_it in (
            lambda: ledger.opt_out(ADA, "page"),
            lambda: ledger.intend("demo", KEY, "<id@example.org>", ADA),
        ):
            with pytest.raises(ReaderError, match="attempt to write a readonly database"):
                write_it()
    assert len(world.log_rows()) == 120


def test_a_copy_without_the_end_of_its_log_knows_all_but_the_last_outcome(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: dict[str, int] = {}
    log = world.ledger.with_name("mailing.sqlite-wal")
    with Ledger() as ledger:
        for number in range(5):
            key = KEY._replace(student_id=number)
            intent = ledger.intend("demo", key, "<id@example.org>", f"{number}@example.org")
            ledger.wait()
            synced[f"intent {number}"] = log.stat().st_size
            ledger.conclude(intent, Event.SENT, "250 OK")
        ledger.opt_out(ADA, "page")
        synced["opt-out"] = log.stat().st_size
        files = {path.name: path.read_bytes() for path in (world.ledger, log)}
    for what, size in synced.items():
        copy = tmp_path / what.replace(" ", "_")
        copy.mkdir()
        (copy / "mailing.sqlite").write_bytes(files["mailing.sqlite"])
        # of what came after the sync, some of it
        (copy / "mailing.sqlite-wal").write_bytes(files["mailing.sqlite-wal"][: size + 2000])
        monkeypatch.setenv("MM_DATABASE_DIR", str(copy))
        with Ledger() as ledger:
            outcomes = [attempt.outcome for attempt in ledger.history()]
            if what == "opt-out":
                assert ledger.opted_out() == {ADA}
                assert outcomes == [Event.SENT] * 5
            else:
                assert outcomes == [*[Event.SENT] * int(what[-1]), Event.UNKNOWN]
