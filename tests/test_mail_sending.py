"""`mm send` against a real SMTP server on loopback: what arrives, and what the send log says of it."""

import csv
import fcntl
import itertools
import json
import re
import resource
import signal
import smtplib
import socket
import sqlite3
import ssl
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from email import message_from_bytes, policy
from pathlib import Path
from threading import Event as Flag
from types import SimpleNamespace

import pytest
from mail_fixtures import (
    ADDRESS_CELLS,
    LOG_COLUMNS,
    MM,
    NO_NEXT_COURSE,
    PASSWORD,
    USER,
    MailServer,
    World,
    as_pasted,
    candidate,
    free_port,
)
from typer.main import get_command

from mm.cli.app import GROUPS, app
from mm.ledger.history import Event
from mm.ledger.ledger import Ledger
from mm.mail.sender import Outcome, Sender
from mm.mail.server import Server

THREE = [candidate(1), candidate(2), candidate(3)]
FIRST, SECOND, THIRD = (f"learner{number}@example.org" for number in (1, 2, 3))
ALL_ONCE = Counter({FIRST: 1, SECOND: 1, THIRD: 1})


def assert_refused(done: subprocess.CompletedProcess[str], sentence: str, code: int = 1) -> None:
    assert done.returncode == code, done.stderr
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert "@" not in done.stdout + done.stderr.replace("somebody@example.org", "")
    if code == 1:
        assert done.stderr.count("\n") == 1


def deliver(server: MailServer, content: bytes) -> Outcome:
    to = Server("localhost", server.port, smtps=False, user=None, password="")
    with Sender(to, insecure=False, stop=Flag()) as sender:
        return sender.deliver("a@example.org", "b@example.org", content)


def counts(world: World) -> list[int]:
    log = world.mm("log", "demo").stdout
    said = dict(re.findall(r"^(\w+) +(\d+)$", log, re.MULTILINE))
    # what is 0 is not printed
    assert "0" not in said.values()
    return [int(said.get(event, 0)) for event in ("sent", "failed", "unknown")]


def test_a_dry_run_says_the_number_and_the_server_and_sends_nothing(world: World, server: MailServer) -> None:
    world.publish([*THREE, candidate(4, excluded_reason="unenrolled")])
    done = world.mm("send", "demo", MM_SMTP_URL=f"smtp://user:hush@localhost:{server.port}")
    assert done.returncode == 0, done.stderr
    assert f"3 mails would go out now, by localhost:{server.port}. Nothing was sent." in done.stdout
    assert "--confirm 3" in done.stdout
    assert "hush" not in done.stdout + done.stderr
    assert server.sessions == 0
    assert not world.ledger.exists()


def test_a_confirmed_mailout_goes_out_once(world: World, server: MailServer) -> None:
    world.publish(THREE)
    done = world.mm_process("send", "demo", "--confirm", 3)
    assert done.returncode == 0, done.stderr
    assert "3 sent" in done.stdout
    assert "@" not in done.stdout + done.stderr
    assert server.recipients == ALL_ONCE
    assert server.sessions == 1
    assert [envelope.mail_from for envelope in server.accepted] == ["updates@example.org"] * 3
    assert world.events() == [(n, event) for n in (1, 2, 3) for event in ("intent", "sent")]
    message = message_from_bytes(server.accepted[0].original_content or b"", policy=policy.default)
    assert message["To"] == "Learner 1 <learner1@example.org>"
    assert world.log_rows()[0]["message_id"] == message["Message-ID"]
    again = world.mm("send", "demo")
    assert "0 mails would go out now" in again.stdout
    assert "3 of the last build's mails are left out: sent since the build." in again.stdout
    assert_refused(world.mm("send", "demo", "--confirm", 3), "0 mails would go out now, not 3")
    nothing = world.mm("send", "demo", "--confirm", 0)
    assert (nothing.returncode, nothing.stdout) == (0, "There is nothing to send.\n")
    assert server.recipients == ALL_ONCE
    assert counts(world) == [3, 0, 0]


@pytest.mark.parametrize("confirmed", [0, 2, 4, 1000])
def test_another_number_than_the_dry_runs_is_refused(
    world: World, server: MailServer, confirmed: int
) -> None:
    world.publish(THREE)
    assert_refused(
        world.mm("send", "demo", "--confirm", confirmed), f"3 mails would go out now, not {confirmed}: "
    )
    assert server.sessions == 0


def test_another_kind_or_run_is_another_mail(world: World, server: MailServer) -> None:
    world.publish([candidate(1)])
    world.mm("send", "demo", "--confirm", 1)
    world.publish([candidate(1, trigger_course_verified=1, no_certificate_eligible=1)])
    assert world.mm("send", "demo", "--confirm", 1).returncode == 0
    world.publish([candidate(1, trigger_course_instance="ExampleX_BEES1x_2T2026")])
    assert world.mm("send", "demo", "--confirm", 1).returncode == 0
    assert server.recipients == {FIRST: 3}


@pytest.mark.parametrize(
    "content",
    [
        f"email,unsubscribed_at,source\n{SECOND},2026-01-01,form\n",
        f"\ufeffemail,unsubscribed_at,source\r\n  {SECOND.upper()} ,,\r\n",
        f'source,Email \n"a, b",{SECOND}',
    ],
)
def test_an_opt_out_since_the_build_is_heeded(world: World, server: MailServer, content: str) -> None:
    world.publish(THREE)
    world.opt_outs.write_text(content, encoding="utf-8", newline="")
    assert_refused(world.mm("send", "demo", "--confirm", 3), "2 mails would go out now, not 3")
    assert world.mm("send", "demo", "--confirm", 2).returncode == 0
    assert server.recipients == {FIRST: 1, THIRD: 1}
    assert "1  unsubscribed since the build" in world.mm("list", "demo").stdout


def test_opt_outs_are_heeded_however_they_are_pasted(world: World, server: MailServer) -> None:
    count = len(ADDRESS_CELLS)
    world.publish(many(count))
    with world.opt_outs.open("w", encoding="utf-8", newline="") as file:
        rows = ([as_pasted(cell, f"learner{n}@example.org")] for n, cell in enumerate(ADDRESS_CELLS, start=1))
        csv.writer(file).writerows([["email"], *rows])
    done = world.mm("send", "demo")
    assert "0 mails would go out now" in done.stdout
    assert f"{count} of the last build's mails are left out: unsubscribed since the build." in done.stdout
    assert server.sessions == 0


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "line 1: its header has no column email"),
        (b"email;source\na@example.org;form\n", "line 1: its header has no column email"),
        (b'email,source\na@example.org,"form\nb@example.org,form"\n', "a cell spans several lines"),
        (b'email,source\na@example.org,"form\n', "its quotes do not match"),
        (b"email,source\na@example.org,caf\xe9\n", "it is not UTF-8"),
        (
            b"email,source\na@example.org,\na@example.org b@example.org,\n",
            "line 3: its email holds more than one",
        ),
    ],
)
def test_opt_outs_that_cannot_be_read_stop_everything(
    world: World, server: MailServer, content: bytes, says: str
) -> None:
    world.publish(THREE)
    world.opt_outs.write_bytes(content)
    assert_refused(world.mm("send", "demo", "--confirm", 3), says)
    assert server.sessions == 0


def test_opt_outs_and_the_log_are_read_again_before_each_mail(world: World, server: MailServer) -> None:
    world.publish(THREE)

    def happens_meanwhile(address: str) -> None:
        if address == FIRST:
            world.opt_outs.write_text(f"email\n{SECOND}\n")
            with world.old_log.open("a") as log:
                log.write(f"{LOG_COLUMNS}\n")
                log.write("3,ExampleX_BEES1x_1T2026,0,1,sent,2026-01-01T00:00:00Z,<x>,y,250\n")

    server.answers["END"] = happens_meanwhile
    done = world.mm("send", "demo", "--confirm", 3)
    assert (done.returncode, "1 sent, 2 left out" in done.stdout) == (0, True)
    assert server.recipients == {FIRST: 1}


LAST_DAY = date(2026, 7, 14)


@pytest.mark.parametrize(("after", "count"), [(-1, 4), (0, 4), (1, 1)])
def test_last_days_since_the_build_are_heeded(
    world: World, server: MailServer, monkeypatch: pytest.MonkeyPatch, after: int, count: int
) -> None:
    monkeypatch.setattr("mm.days.today", lambda: LAST_DAY + timedelta(days=after))
    certified = {"trigger_course_verified": 1, "no_certificate_eligible": 1}
    world.publish(
        [
            candidate(1, trigger_course_open_until=LAST_DAY),
            candidate(2, next_course_open_until=LAST_DAY),
            candidate(3, **certified, next_course_open_until=LAST_DAY),
            # no matter for a certificate's mail
            candidate(4, **certified, trigger_course_open_until=LAST_DAY),
        ]
    )
    listed = json.loads(world.mm("list", "demo", "--json").stdout)
    assert listed["would_go_out_now"] == count
    late = {"upgrade deadline passed": 1, "next course open no more, build again": 2}
    assert listed["left_out_since_the_build"] == (late if after > 0 else {})
    done = world.mm("send", "demo", "--confirm", count)
    assert done.returncode == 0, done.stderr
    assert sum(server.recipients.values()) == count
    assert server.recipients["learner4@example.org"] == 1


def test_last_days_are_looked_at_again_before_each_mail(
    world: World, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.publish([candidate(number, trigger_course_open_until=LAST_DAY) for number in (1, 2, 3)])
    # the day ends while the first mail is on its way
    monkeypatch.setattr("mm.days.today", lambda: LAST_DAY + timedelta(days=min(len(server.accepted), 1)))
    done = world.mm("send", "demo", "--confirm", 3)
    assert done.returncode == 0, done.stderr
    assert "1 sent" in done.stdout
    assert "2 too late (a last day is over)." in done.stdout
    assert server.recipients == {FIRST: 1}
    # nothing says that they were mailed
    assert world.events() == [(1, "intent"), (1, "sent")]


@pytest.mark.parametrize("command", ["RCPT", "END"])
def test_a_temporary_refusal_is_tried_again(world: World, server: MailServer, command: str) -> None:
    world.publish(THREE)
    refusals = iter(["450 4.2.1 Later", "451 4.3.0 Later", "421 4.3.2 Closing"])
    server.answers[command] = lambda _: next(refusals, None)
    assert world.mm("send", "demo", "--confirm", 3).returncode == 0
    assert server.recipients == ALL_ONCE
    assert world.events() == [(n, event) for n in (1, 2, 3) for event in ("intent", "sent")]
    assert server.sessions == 2


def test_temporary_refusals_without_end_stop_the_sending(world: World, server: MailServer) -> None:
    world.publish([*THREE, candidate(4)])
    tries: Counter[str] = Counter()

    def refuse(address: str) -> str:
        tries[address] += 1
        return "454 4.7.0 Daily quota exceeded"

    server.answers["RCPT"] = refuse
    done = world.mm("send", "demo", "--confirm", 4)
    assert_refused(done, "neither took nor refused 3 mails in a row: sending stopped after 3 of 4")
    assert tries == {FIRST: 5, SECOND: 5, THIRD: 5}
    assert counts(world) == [0, 3, 0]
    del server.answers["RCPT"]
    assert world.mm("send", "demo", "--confirm", 4).returncode == 0
    assert [row["attempt"] for row in world.log_rows()[-8:]] == [2] * 6 + [1] * 2


@pytest.mark.parametrize("command", ["RCPT", "END"])
def test_a_permanent_refusal_is_recorded_and_passed_over(
    world: World, server: MailServer, command: str
) -> None:
    world.publish(THREE)
    refusal = f"550 5.1.1 <{SECOND}>: no such user, sorry"
    server.answers[command] = lambda address: refusal if address == SECOND else None
    done = world.mm("send", "demo", "--confirm", 3)
    assert (done.returncode, "2 sent, 1 failed" in done.stdout) == (1, True)
    assert server.recipients == {FIRST: 1, THIRD: 1}
    failed = world.log_rows()[3]
    assert (failed["event"], failed["detail"]) == ("failed", "550 5.1.1 <address> no such user, sorry")
    log = world.mm("log", "demo")
    assert "failed: learner 2, ExampleX_BEES1x_1T2026, attempt 1" in log.stdout
    assert "@" not in log.stdout
    server.answers.clear()
    assert world.mm("send", "demo", "--confirm", 1).returncode == 0
    assert server.recipients == ALL_ONCE


def many(count: int) -> list[dict[str, object]]:
    return [candidate(number) for number in range(1, count + 1)]


@pytest.mark.parametrize(
    ("command", "reply", "said"),
    [
        (
            "MAIL",
            "530 5.7.0 Authentication Required. Q{number} - gsmtp",
            "530 5.7.0 Authentication Required. Q5",
        ),
        (
            "RCPT",
            "550-5.4.5 Daily user sending limit\r\n550 5.4.5 exceeded.",
            "550 5.4.5 Daily user sending limit 5.4.5",
        ),
        ("RCPT", "550 5.7.1 <{address}>: Relay access denied", "550 5.7.1 <address> Relay access denied"),
        (
            "RCPT",
            "554 {user} may not be reached: blocked using x{number}.example.org",
            "554 <address> may not",
        ),
        (
            "END",
            "554 Message rejected: Email address is not verified in US-EAST-1: {address} (id {number}-0)",
            "554 Message rejected: Email address is not verified in US-EAST-1: <address> (id 5-0)",
        ),
        # nothing tells whom it is about, but that all get it
        ("END", "554 5.0.0 Transaction failed ({number})", "554 5.0.0 Transaction failed (5)"),
    ],
)
def test_a_server_that_says_no_to_all_is_believed_after_five(
    world: World, server: MailServer, command: str, reply: str, said: str
) -> None:
    world.publish(many(8))
    tries: list[str] = []

    def refuse(address: str) -> str:
        tries.append(address)
        return reply.format(address=address, user=address.partition("@")[0], number=len(tries))

    server.answers[command] = refuse
    done = world.mm("send", "demo", "--confirm", 8)
    assert_refused(done, f"refused 5 mails in a row with the same words ({said}")
    assert "sending stopped, and 3 of 8 mails were not tried." in done.stderr
    assert "learner5" not in done.stderr
    ends = "5 failed," if "5.0.0" in reply else "5 deferred,"
    assert f"{ends} 3 not reached." in done.stdout
    assert len(tries) == 5
    assert said.split(maxsplit=1)[0] in world.mm("log", "demo").stdout
    server.answers.clear()
    assert world.mm("send", "demo", "--confirm", 8).returncode == 0
    assert server.recipients == {f"learner{number}@example.org": 1 for number in range(1, 9)}


def test_a_limit_that_is_reached_midway_stops_the_sending(world: World, server: MailServer) -> None:
    world.publish(many(9))
    server.answers["END"] = lambda _: "550 5.4.5 Daily limit" if len(server.accepted) == 2 else None
    done = world.mm("send", "demo", "--confirm", 9)
    assert_refused(done, "2 of 9 mails were not tried")
    assert "2 sent, 5 deferred, " in done.stdout
    assert "deferred        5" in world.mm("log", "demo").stdout.splitlines()
    assert "deferred: learner 3, ExampleX_BEES1x_1T2026, attempt 1" in world.mm("log", "demo").stdout
    assert "7 mails would go out now" in world.mm("send", "demo").stdout


def test_fewer_refusals_about_the_sender_are_no_learners_failure(world: World, server: MailServer) -> None:
    world.publish(THREE)
    server.answers["MAIL"] = lambda _: "550 No mail from you"
    done = world.mm("send", "demo", "--confirm", 3)
    assert (done.returncode, "3 deferred" in done.stdout) == (1, True)
    assert done.stderr == "mm log demo tells what became of them.\n"


@pytest.mark.parametrize(
    "reply", ["550 5.1.1 <{address}> unknown", "550 No such user here", "552 5.2.2 Over quota"]
)
def test_refusals_of_recipients_never_stop_the_sending(world: World, server: MailServer, reply: str) -> None:
    world.publish(many(7))
    server.answers["RCPT"] = lambda address: reply.format(address=address)
    done = world.mm("send", "demo", "--confirm", 7)
    assert (done.returncode, "7 failed" in done.stdout) == (1, True)
    assert done.stderr == "mm log demo tells what became of them.\n"


def test_refusals_that_differ_or_are_of_some_never_stop_the_sending(world: World, server: MailServer) -> None:
    world.publish(many(12))
    server.answers["RCPT"] = lambda address: None if address in {FIRST, SECOND} else "550 No"
    done = world.mm("send", "demo", "--confirm", 12)
    assert "2 sent, 10 failed" in done.stdout
    words = iter(["550 Never", "550 Not now", "550 5.4.5 Daily limit", "550 5.4.5 Hourly limit"] * 3)
    server.answers["RCPT"] = lambda _: next(words)
    done = world.mm("send", "demo", "--confirm", 10)
    assert "6 failed, 4 deferred" in done.stdout


def test_learners_who_were_refused_before_do_not_stop_the_others(world: World, server: MailServer) -> None:
    world.publish(many(12))
    server.answers["RCPT"] = lambda _: "550 No"
    assert_refused(world.mm("send", "demo", "--confirm", 12), "7 of 12 mails were not tried")
    # the first five again, then five others
    assert_refused(world.mm("send", "demo", "--confirm", 12), "2 of 12 mails were not tried")
    first_five = {f"learner{number}@example.org" for number in range(1, 6)}
    server.answers["RCPT"] = lambda address: "550 No" if address in first_five else None
    assert "7 sent, 5 failed" in world.mm("send", "demo", "--confirm", 12).stdout


@pytest.mark.parametrize("accepted", [True, False])
def test_a_connection_lost_after_the_end_of_a_mail_leaves_it_unknown(
    world: World, server: MailServer, *, accepted: bool
) -> None:
    world.publish(THREE)
    action = "accept and drop" if accepted else "drop"
    server.answers["END"] = lambda address: action if address == SECOND else None
    done = world.mm("send", "demo", "--confirm", 3)
    assert (done.returncode, "2 sent, 1 unknown" in done.stdout) == (1, True)
    server.answers.clear()
    assert counts(world) == [2, 0, 1]
    assert "0 mails would go out now" in world.mm("send", "demo").stdout
    # The next build leaves the learner out for `already mailed`.
    world.publish([row | {"excluded_reason": "already mailed"} for row in THREE])
    again = world.mm("send", "demo", "--resend-unknown")
    assert "--confirm 1 --resend-unknown" in again.stdout
    assert world.mm("send", "demo", "--resend-unknown", "--confirm", 1).returncode == 0
    assert server.recipients[SECOND] == 1 + accepted
    assert counts(world) == [3, 0, 1]
    assert "0 mails would go out now" in world.mm("send", "demo", "--resend-unknown").stdout


def test_what_went_to_the_address_by_another_account_is_not_sent_again(
    world: World, server: MailServer
) -> None:
    world.publish([candidate(1), candidate(2), candidate(3), candidate(4)])
    addresses = ("Learner1@Example.org", SECOND, "learner3@example.org.au", "learner4@example.org")
    kinds = (0, 0, 0, 1)
    lines = (
        f"{number + 10},ExampleX_BEES1x_1T2026,{kind},1,{event},2026-01-01T00:00:00Z,<x>,{address},250"
        for number, (address, kind) in enumerate(zip(addresses, kinds, strict=True), 1)
        for event in (("intent",) if number == 2 else ("intent", "sent"))
    )
    world.old_log.write_text("\n".join((LOG_COLUMNS, *lines, "")))
    listed = world.mm("list", "demo").stdout
    assert "1  sent since the build" in listed
    assert "1  unknown whether sent" in listed
    # another address, and another kind of mail
    assert world.mm("send", "demo", "--confirm", 2).returncode == 0
    assert server.recipients == {THIRD: 1, "learner4@example.org": 1}


def test_resending_gives_an_address_one_mail(world: World, server: MailServer) -> None:
    had = {"excluded_reason": "already mailed"}
    upper = {"email": FIRST.upper()}
    world.publish([candidate(1, **had), candidate(2, **upper, **had)])
    unknown = [f"{number},ExampleX_BEES1x_1T2026,0,1,intent,2026-01-01T00:00:00Z,<x>," for number in (1, 2)]
    world.old_log.write_text(f"{LOG_COLUMNS}\n{unknown[0]}{FIRST},\n{unknown[1]}{FIRST.upper()},\n")
    assert world.mm("send", "demo", "--resend-unknown", "--confirm", 1).returncode == 0
    assert server.recipients == {FIRST: 1}
    # the other account's may have arrived or not: the address has its mail
    assert "0 mails would go out now" in world.mm("send", "demo", "--resend-unknown").stdout
    # so its mail of a later mailout is due
    other = {"trigger_course": "bees2x", "trigger_course_instance": "ExampleX_BEES2x_1T2026"}
    later = candidate(3, **upper, **other)
    world.publish([candidate(1, **had), candidate(2, **upper, **had), later])
    assert "1 mail would go out now" in world.mm("send", "demo", "--resend-unknown").stdout
    # but not beside one that goes out again
    world.ledger.unlink()
    world.old_log.write_text(f"{LOG_COLUMNS}\n{unknown[0]}{FIRST},\n")
    assert world.mm("send", "demo", "--resend-unknown", "--confirm", 1).returncode == 0
    assert world.log_rows()[-1]["student_id"] == 1


def test_resending_gives_a_learner_one_mail_and_heeds_opt_outs(world: World, server: MailServer) -> None:
    world.publish(THREE)
    server.answers["END"] = lambda address: None if address == FIRST else "drop"
    world.mm("send", "demo", "--confirm", 3)
    server.answers.clear()
    other = {"trigger_course": "bees2x", "trigger_course_instance": "ExampleX_BEES2x_1T2026"}
    world.publish([*(row | {"excluded_reason": "already mailed"} for row in THREE), candidate(2, **other)])
    world.opt_outs.write_text(f"email\n{THIRD}\n")
    assert world.mm("send", "demo", "--resend-unknown", "--confirm", 1).returncode == 0
    assert server.recipients == {FIRST: 1, SECOND: 1}
    assert world.log_rows()[-1]["trigger_course_instance"] == "ExampleX_BEES1x_1T2026"


def test_a_connection_lost_inside_a_mail_never_makes_two(world: World, server: MailServer) -> None:
    world.publish(THREE)
    drops = iter(["drop", "drop"])
    server.answers["DATA"] = lambda address: next(drops, None) if address == SECOND else None
    world.mm("send", "demo", "--confirm", 3)
    # Where the drop came after the client had written all of the mail, the client cannot know.
    unknown = counts(world)[2]
    assert server.recipients[SECOND] == 1 - unknown
    assert (server.recipients[FIRST], server.recipients[THIRD]) == (1, 1)


def test_a_mail_whose_end_was_never_written_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MM_SMTP_BACKOFF", "0.01")
    refusals: list[str] = []
    with MailServer("localhost") as server:
        server.answers["DATA"] = lambda _: "drop"
        server.answers["RCPT"] = lambda _: "550 Enough" if len(refusals) == 2 else refusals.append("")
        outcome = deliver(server, (b"x" * 998 + b"\r\n") * 30_000)
    assert outcome == Outcome(Event.FAILED, "550 Enough", refused=True)


def test_lines_that_begin_with_a_dot_arrive_as_they_are() -> None:
    content = b"Subject: dots\r\n\r\n.\r\n..two\r\nx\r\n.last\r\n"
    with MailServer("localhost") as server:
        assert deliver(server, content).event is Event.SENT
        assert [envelope.original_content for envelope in server.accepted] == [content]


def test_a_connection_that_drops_between_mails_is_opened_again(world: World, server: MailServer) -> None:
    world.publish(THREE)
    drops = iter(["drop", "drop"])
    server.answers["RCPT"] = lambda _: next(drops, None)
    assert world.mm("send", "demo", "--confirm", 3).returncode == 0
    assert server.recipients == ALL_ONCE
    assert server.sessions == 3


@pytest.mark.parametrize(("command", "ends"), [("RCPT", [0, 3, 0]), ("END", [0, 0, 3])])
def test_a_hanging_server_does_not_hang_us(
    world: World, server: MailServer, command: str, ends: list[int]
) -> None:
    world.publish([*THREE, candidate(4)])
    server.answers[command] = lambda _: "hang"
    started = time.monotonic()
    done = world.mm("send", "demo", "--confirm", 4, MM_SMTP_TIMEOUT="0.2")
    assert time.monotonic() - started < 15
    assert_refused(done, "neither took nor refused 3 mails in a row")
    assert counts(world) == ends


def test_a_server_that_never_greets_stops_before_the_first_intent(world: World) -> None:
    world.publish(THREE)
    with socket.create_server(("localhost", 0)) as mute:
        url = f"smtp://localhost:{mute.getsockname()[1]}"
        done = world.mm("send", "demo", "--confirm", 3, MM_SMTP_URL=url, MM_SMTP_TIMEOUT="0.2")
    assert_refused(done, "timed out): nothing was sent")
    done = world.mm("send", "demo", "--confirm", 3, MM_SMTP_URL=f"smtp://localhost:{free_port()}")
    assert_refused(done, "cannot be used (Connection refused): nothing was sent")
    assert world.events() == []


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
@pytest.mark.parametrize("smtps", [False, True])
def test_a_trusted_server_is_sent_to_encrypted_and_logged_in(
    world: World, certificate: Path, tls: ssl.SSLContext, *, smtps: bool
) -> None:
    world.publish(THREE)
    with MailServer("127.0.0.2", tls, smtps=smtps, login=True) as server:
        trusted = {"MM_SMTP_URL": server.url(USER, PASSWORD), "SSL_CERT_FILE": str(certificate)}
        done = world.mm("send", "demo", "--confirm", 3, **trusted)
        assert done.returncode == 0, done.stderr
        assert server.recipients == ALL_ONCE


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
@pytest.mark.parametrize("smtps", [False, True])
def test_a_server_that_proves_nothing_is_refused_unless_insecure(
    world: World, tls: ssl.SSLContext, *, smtps: bool
) -> None:
    world.publish(THREE)
    with MailServer("127.0.0.2", tls, smtps=smtps, login=True) as server:
        world.environment["MM_SMTP_URL"] = server.url(USER, PASSWORD)
        assert_refused(world.mm("send", "demo", "--confirm", 3), "does not prove who it is")
        assert not server.accepted
        assert world.mm("send", "demo", "--confirm", 3, "--insecure").returncode == 0
        assert server.recipients == ALL_ONCE


def test_a_certificate_of_another_host_is_refused(
    world: World, certificate: Path, tls: ssl.SSLContext
) -> None:
    world.publish(THREE)
    with MailServer("127.0.0.3", tls) as server:
        trusted = {"MM_SMTP_URL": server.url(), "SSL_CERT_FILE": str(certificate)}
        done = world.mm("send", "demo", "--confirm", 3, **trusted)
        assert_refused(done, "does not prove who it is (IP address mismatch")
        assert not server.accepted


def test_no_encryption_is_refused_unless_insecure_or_local(world: World) -> None:
    world.publish(THREE)
    with MailServer("127.0.0.2") as server:
        world.environment["MM_SMTP_URL"] = server.url()
        assert_refused(world.mm("send", "demo", "--confirm", 3), "offers no STARTTLS")
        assert_refused(world.mm("send", "demo", "--to", "me@example.org"), "offers no STARTTLS")
        assert not server.accepted
        assert world.mm("send", "demo", "--confirm", 3, "--insecure").returncode == 0
        assert server.recipients == ALL_ONCE


def test_localhost_may_have_a_certificate_that_nobody_trusts(world: World, tls: ssl.SSLContext) -> None:
    world.publish(THREE)
    with MailServer("localhost", tls, login=True) as server:
        url = server.url(USER, PASSWORD)
        assert world.mm("send", "demo", "--confirm", 3, MM_SMTP_URL=url).returncode == 0
        assert server.recipients == ALL_ONCE


def test_a_wrong_password_stops_before_the_first_intent(world: World, tls: ssl.SSLContext) -> None:
    world.publish(THREE)
    with MailServer("localhost", tls, login=True) as server:
        done = world.mm("send", "demo", "--confirm", 3, MM_SMTP_URL=server.url(USER, "hush"))
    assert_refused(done, "refused the user or the password (535)")
    assert "hush" not in done.stderr
    assert world.events() == []


def test_a_login_that_the_server_does_not_offer_is_said(world: World, server: MailServer) -> None:
    world.publish(THREE)
    done = world.mm("send", "demo", "--confirm", 3, MM_SMTP_URL=server.url(USER, PASSWORD))
    assert_refused(done, "offers no login")


@pytest.mark.parametrize(
    "url",
    [
        "localhost:25",
        "http://localhost",
        "https://localhost:465",
        "file://localhost:25",
        "//localhost:25",
        "smtp://",
        "smtp://user:hu/sh@localhost:25",
        "smtp://user:hu#sh@localhost:25",
        "smtp://user:hush@localhost:many",
        "smtp://user:hush%FF@localhost:25",
        "smtp://user:hush%C3%A9@localhost:25",
        "smtp://localhost:25/?x=hush",
    ],
)
def test_a_url_that_is_no_server_is_said_without_the_password(world: World, url: str) -> None:
    world.publish(THREE)
    done = world.mm("send", "demo", MM_SMTP_URL=url)
    assert done.returncode == 1
    assert done.stderr.startswith("mm: MM_SMTP_URL is not a server's address: expected smtp://user:")
    assert "hu" not in done.stderr.replace("much", "")


def test_without_a_server_or_a_secret_nothing_is_sent(world: World, server: MailServer) -> None:
    world.publish(THREE)
    without_server = world.mm("send", "demo", "--confirm", 3, MM_SMTP_URL="")
    assert "MM_SMTP_URL is not set" in without_server.stderr
    for arguments in ([], ["--confirm", 3], ["--to", "me@example.org"]):
        done = world.mm("send", "demo", *arguments, MM_UNSUBSCRIBE_SECRET="")
        assert_refused(done, "MM_UNSUBSCRIBE_SECRET is not set")
    assert server.sessions == 0


def test_test_mails_go_to_the_test_address_and_are_not_recorded(world: World, server: MailServer) -> None:
    world.publish([*THREE, candidate(4)])
    done = world.mm("send", "demo", "--to", "me@example.org")
    assert (done.returncode, done.stdout) == (0, "3 mails sent for a test; nothing was recorded.\n")
    assert world.mm("send", "demo", "--to", "me@example.org", "--limit", 1).returncode == 0
    assert server.recipients == {"me@example.org": 4}
    for envelope in server.accepted:
        assert b"learner1" not in (envelope.original_content or b"")
    assert not world.ledger.exists()
    assert "4 mails would go out now" in world.mm("send", "demo").stdout
    server.answers["RCPT"] = lambda address: f"550 {address} unknown"
    done = world.mm("send", "demo", "--to", "me@example.org")
    assert_refused(done, "Test mail 1 of 3 was not accepted: 550 <address> unknown")
    assert_refused(world.mm("send", "demo", "--to", "me"), "not an address that can be mailed")


def test_options_that_contradict_each_other_are_usage_errors(world: World) -> None:
    world.publish(THREE)
    pairs = (["--to", "x", "--confirm", 3], ["--dry-run", "--to", "x"], ["--dry-run", "--confirm", 3])
    for arguments in (["--limit", 3], *pairs, ["--confirm", "all"]):
        done = world.mm("send", "demo", *arguments)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr


def test_a_mail_that_cannot_be_rendered_stops_all_of_them(world: World, server: MailServer) -> None:
    world.publish([*THREE, candidate(4, trigger_course_title=None)])
    for arguments in ([], ["--confirm", 4]):
        done = world.mm("send", "demo", *arguments)
        assert_refused(done, "a value that is empty here is printed")
        assert re.search(r"base\.txt\.j2, line \d+: ", done.stderr)
    assert server.sessions == 0


def test_an_address_that_cannot_be_mailed_is_counted_out(world: World, server: MailServer) -> None:
    world.publish([*THREE, candidate(4, email="j\u00f6rg@example.org"), candidate(5, email=None)])
    done = world.mm("send", "demo")
    assert "3 mails would go out now" in done.stdout
    assert "2 of the last build's mails are left out: no address that can be mailed." in done.stdout
    assert world.mm("send", "demo", "--confirm", 3).returncode == 0
    assert server.recipients == ALL_ONCE


def test_a_rate_is_kept(world: World, server: MailServer) -> None:
    world.publish(THREE)
    times: list[float] = []
    server.answers["END"] = lambda _: times.append(time.monotonic())
    assert world.mm("send", "demo", "--confirm", 3, "--per-second", 4).returncode == 0
    assert times[1] - times[0] > 0.2
    assert times[2] - times[0] > 0.45


def test_a_second_sender_stops(world: World, server: MailServer) -> None:
    world.publish(THREE)
    world.publish([candidate(4, program="buslead")], "buslead")
    lock = world.folder / "database" / "working" / "demo.send.lock"
    lock.parent.mkdir()
    # the lock of now, and that of an earlier version
    for path in (lock, world.old_log):
        with path.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            assert_refused(world.mm("send", "demo", "--confirm", 3), "Another `mm send demo` is sending now")
            assert world.mm("send", "demo").returncode == 0
            assert world.mm("bounces", "forget", FIRST).returncode == 0
    assert server.sessions == 0
    with lock.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert world.mm("send", "buslead", "--confirm", 1).returncode == 0
    assert world.mm("send", "demo", "--confirm", 3).returncode == 0
    assert server.recipients == ALL_ONCE + Counter({"learner4@example.org": 1})


def test_a_course_of_two_programs_is_written_about_once(world: World, server: MailServer) -> None:
    world.publish([candidate(1), candidate(2), candidate(3)])
    # the run in other letters, the address of another account, another kind of mail
    run = "exampleX_bees1x_1t2026"
    world.publish(
        [
            candidate(1, program="buslead", trigger_course_instance=run),
            candidate(12, program="buslead", email=SECOND.upper()),
            candidate(3, program="buslead", trigger_course_verified=1, no_certificate_eligible=1),
        ],
        "buslead",
    )
    assert world.mm("send", "demo", "--confirm", 3).returncode == 0
    assert "2 of the last build's mails are left out: sent" in world.mm("send", "buslead").stdout
    assert world.mm("send", "buslead", "--confirm", 1).returncode == 0
    assert server.recipients == ALL_ONCE + Counter({THIRD: 1})
    assert counts(world) == [3, 0, 0]
    assert world.mm("log", "buslead").stdout.startswith("sent            1\n")


def test_what_another_program_sends_meanwhile_is_not_sent_again(world: World, server: MailServer) -> None:
    world.publish(THREE)
    world.publish([candidate(3, program="buslead")], "buslead")
    meanwhile: list[subprocess.CompletedProcess[str]] = []

    # that server has one thread: the other program has one of its own
    with MailServer("localhost") as other:
        server.answers["DATA"] = lambda address: (
            meanwhile.append(world.mm_process("send", "buslead", "--confirm", 1, MM_SMTP_URL=other.url()))
            if address == SECOND
            else None
        )
        done = world.mm("send", "demo", "--confirm", 3, MM_SMTP_TIMEOUT="30")
        assert [each.returncode for each in meanwhile] == [0], meanwhile[0].stderr
        assert other.recipients == {THIRD: 1}
    assert "2 sent, 1 left out" in done.stdout
    assert server.recipients == {FIRST: 1, SECOND: 1}


def test_an_opt_out_holds_for_the_account_at_a_later_address(world: World, server: MailServer) -> None:
    world.publish([candidate(1), candidate(2)])
    assert world.mm("send", "demo", "--confirm", 2).returncode == 0
    run = "ExampleX_BEES2x_1T2026"
    later = [candidate(n, trigger_course_instance=run, email=f"new{n}@example.org") for n in (1, 2)]
    world.publish(later)
    assert world.mm("unsubscribe", "add", FIRST).returncode == 0
    assert "1 of the last build's mails are left out: unsubscribed since" in world.mm("send", "demo").stdout
    assert world.mm("send", "demo", "--confirm", 1).returncode == 0
    assert server.recipients["new2@example.org"] == 1
    assert server.recipients["new1@example.org"] == 0


def test_a_full_disk_stops_before_the_next_mail(world: World, server: MailServer) -> None:
    world.publish([candidate(number) for number in range(1, 7)])
    done = subprocess.run(
        [MM, "send", "demo", "--confirm", "6"],
        env=world.environment | {"PYTHONDONTWRITEBYTECODE": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (80_000, 80_000)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert_refused(done, "mailing.sqlite cannot be used (disk I/O error): nobody is mailed until it can be.")
    recorded = Counter(event for _, event in world.events())
    assert 0 < len(server.accepted) < 6
    assert len(server.accepted) == recorded["intent"]
    left = 6 - recorded["intent"]
    assert world.mm("send", "demo", "--confirm", left).returncode == 0
    assert server.recipients == {f"learner{number}@example.org": 1 for number in range(1, 7)}


def test_the_end_of_a_mail_waits_until_its_intent_is_on_disk(
    world: World, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.publish(THREE)
    real_commit, body_comes = Ledger._commit, Flag()  # noqa: SLF001 - what takes the disk's time
    overlapped: list[bool] = []
    committed: list[int] = []
    ended: list[int] = []

    def commit(ledger: Ledger) -> None:
        overlapped.append(body_comes.wait(10))
        body_comes.clear()
        time.sleep(0.1)
        # 2 is `full`: SQLite syncs at the end of the transaction
        committed.extend(ledger._connection.execute("pragma synchronous").fetchone())  # noqa: SLF001
        real_commit(ledger)

    monkeypatch.setattr(Ledger, "_commit", commit)
    server.answers["DATA"] = lambda _: body_comes.set()
    server.answers["END"] = lambda _: ended.append(len(committed))
    assert world.mm("send", "demo", "--confirm", 3).returncode == 0
    assert overlapped == [True] * 3
    assert committed == [2] * 3
    assert ended == [1, 2, 3]
    assert server.recipients == ALL_ONCE


def fail_commit(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Let the commit of that intent, counted from 1, fail as on a broken disk."""
    real_commit, commits = Ledger._commit, itertools.count(1)  # noqa: SLF001

    def commit(ledger: Ledger) -> None:
        if next(commits) == number:
            ledger._connection.execute("rollback")  # noqa: SLF001
            message = "disk I/O error"
            raise sqlite3.OperationalError(message)
        real_commit(ledger)

    monkeypatch.setattr(Ledger, "_commit", commit)


def test_a_mail_whose_intent_does_not_get_on_disk_is_not_accepted(
    world: World, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.publish(THREE)
    with monkeypatch.context() as broken:
        fail_commit(broken, 2)
        started = time.monotonic()
        done = world.mm("send", "demo", "--confirm", 3, MM_SMTP_TIMEOUT="30")
    # The server, which waits for the end of the mail, is left without a word.
    assert time.monotonic() - started < 15
    assert_refused(done, "cannot be used (disk I/O error): nobody is mailed until it can be")
    assert server.recipients == {FIRST: 1}
    assert world.events()[:2] == [(1, "intent"), (1, "sent")]
    assert world.mm("send", "demo", "--confirm", 2).returncode == 0
    assert server.recipients == ALL_ONCE


def test_an_intent_that_does_not_get_on_disk_stops_even_if_its_mail_was_refused(
    world: World, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.publish(THREE)
    fail_commit(monkeypatch, 1)
    server.answers["RCPT"] = lambda _: "550 No"
    done = world.mm("send", "demo", "--confirm", 3)
    assert_refused(done, "cannot be used (disk I/O error): nobody is mailed until it can be")
    assert world.events() == []


def test_an_outcome_is_in_the_file_before_the_next_mail(world: World, server: MailServer) -> None:
    world.publish([candidate(1), candidate(2)])
    read: list[list[tuple[int, str]]] = []
    server.answers["END"] = lambda _: read.append(world.events())
    assert world.mm("send", "demo", "--confirm", 2).returncode == 0
    assert read == [[(1, "intent")], [(1, "intent"), (1, "sent"), (2, "intent")]]


def test_the_log_as_csv_has_a_line_for_each_try(world: World, server: MailServer) -> None:
    world.publish([candidate(1), candidate(2, email="-two@example.org")])
    server.answers["END"] = lambda address: None if address == FIRST else '550 5.1.1 "no", sorry'
    world.mm("send", "demo", "--confirm", 2)
    rows = list(csv.DictReader(world.mm("log", "demo", "--csv").stdout.splitlines()))
    assert [(row["student_id"], row["email"], row["outcome"], row["detail"]) for row in rows] == [
        ("1", FIRST, "sent", "250 OK"),
        ("2", "<-two@example.org>", "failed", '550 5.1.1 "no", sorry'),
    ]
    assert world.mm("log", "demo", "--csv", "--json").returncode == 2


def test_where_there_is_no_terminal_a_line_now_and_then_tells_the_progress(
    world: World, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.publish([candidate(number) for number in range(1, 7)])
    # Each mail takes five seconds, and there are at least ten between two lines.
    clock = SimpleNamespace(monotonic=lambda: 5.0 * len(server.accepted))
    monkeypatch.setattr("mm.cli.progress.time", clock)
    done = world.mm("send", "demo", "--confirm", 6)
    assert done.stdout.splitlines() == [
        "2 of 6 mails, 0.2 a second, about 20 seconds left",
        "4 of 6 mails, 0.2 a second, about 10 seconds left",
        "6 of 6 mails, 0.2 a second, about 0 seconds left",
        "6 sent.",
    ]


def test_a_stop_signal_ends_the_sending_after_the_current_mail(world: World) -> None:
    world.publish([candidate(number) for number in range(1, 31)])
    with MailServer("localhost", delay=0.1) as server:
        world.environment["MM_SMTP_URL"] = server.url()
        with subprocess.Popen(
            [MM, "send", "demo", "--confirm", "30"],
            env=world.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as sending:
            while len(server.accepted) < 2:
                time.sleep(0.01)
            sending.send_signal(signal.SIGTERM)
            output, _ = sending.communicate(timeout=20)
        assert sending.returncode == 1
        sent = len(server.accepted)
        assert f"{sent} sent" in output
        assert f"{30 - sent} not reached" in output
        assert f"{30 - sent} mails would go out now" in world.mm("send", "demo").stdout


@contextmanager
def a_sink(world: World, port: int, out: Path) -> Iterator[subprocess.Popen[str]]:
    """Run `mm smtp-sink`, and name it in the world's environment."""
    with subprocess.Popen(
        [MM, "smtp-sink", "--port", str(port), "--out", str(out)],
        env=world.environment | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    ) as sink:
        assert sink.stdout is not None
        first = sink.stdout.readline()
        assert f"MM_SMTP_URL=smtp://localhost:{port} delivers to" in first
        world.environment["MM_SMTP_URL"] = f"smtp://localhost:{port}"
        try:
            yield sink
        finally:
            sink.terminate()


def test_the_sink_keeps_every_mail_as_a_file(world: World) -> None:
    world.publish([candidate(1, student_name=".Dot"), candidate(2, **NO_NEXT_COURSE)])
    port, out = free_port(), world.folder / "sink"
    with a_sink(world, port, out) as sink:
        assert world.mm("send", "demo", "--confirm", 2).returncode == 0
        busy = world.mm("smtp-sink", "--port", port)
        sink.send_signal(signal.SIGTERM)
        assert sink.stdout is not None
        rest = sink.stdout.read()
    assert sink.returncode == 0
    assert_refused(busy, f"Port {port} cannot be used")
    assert "@" not in rest
    mails = [message_from_bytes(path.read_bytes(), policy=policy.default) for path in sorted(out.iterdir())]
    assert [mail["To"].addresses[0].addr_spec for mail in mails] == [FIRST, SECOND]


def test_mails_of_a_real_program_do_not_count_as_sent_for_lying_in_the_sink(world: World) -> None:
    # A program whose learners are invented may have any name.
    world.publish([candidate(1, program="lgdm")], "lgdm", is_invented=True)
    world.publish([candidate(2, program="buslead")], "buslead")
    port, out = free_port(), world.folder / "sink"
    with a_sink(world, port, out):
        with smtplib.SMTP() as client:
            assert b"mm smtp-sink" in client.connect("localhost", port)[1]
        refused = [world.mm("send", "buslead", *how) for how in (["--confirm", 1], ["--dry-run"])]
        tried = world.mm("send", "buslead", "--to", "me@example.org")
        assert world.mm("send", "lgdm", "--confirm", 1).returncode == 0
    for done in refused:
        assert_refused(done, f"The mail server localhost:{port} is `mm smtp-sink`, which delivers nothing: ")
    assert (tried.returncode, tried.stdout) == (0, "1 mail sent for a test; nothing was recorded.\n")
    assert world.events() == [(1, "intent"), (1, "sent")]
    assert len(list(out.iterdir())) == 2


def test_a_relay_on_this_machine_is_a_mail_server(world: World, server: MailServer) -> None:
    world.publish([candidate(2, program="buslead")], "buslead")
    assert world.mm("send", "buslead", "--confirm", 1).returncode == 0
    assert server.recipients == {SECOND: 1}


def test_a_dry_run_goes_through_all_of_it_and_records_nothing(world: World, tls: ssl.SSLContext) -> None:
    world.publish(THREE)
    with MailServer("127.0.0.1", tls, login=True) as server:
        right = world.mm("send", "demo", "--dry-run", MM_SMTP_URL=server.url(USER, PASSWORD))
        wrong = world.mm("send", "demo", "--dry-run", MM_SMTP_URL=server.url(USER, "wrong"))
        assert server.accepted == []
        assert server.sessions > 0
    assert right.returncode == 0, right.stderr
    assert right.stdout.startswith("The mail server lets us in.\n3 mails would go out now")
    assert "Nothing was sent." in right.stdout
    assert_refused(wrong, "refused the user or the password")
    gone = world.mm("send", "demo", "--dry-run", MM_SMTP_URL=server.url())
    assert_refused(gone, "cannot be used")
    assert not world.ledger.exists()


def test_a_traceback_is_shown_on_request(world: World) -> None:
    assert "Traceback" in world.mm_process("list", "nothing", MM_DEBUG="1").stderr
    done = world.mm_process("list", "nothing")
    assert_refused(done, "There is no program 'nothing' in seeds/programs.csv. There are: demo, ")


@pytest.mark.parametrize(
    "arguments",
    [
        "list {}",
        "log {}",
        "render {}",
        "send {}",
        "bounces {} mails.mbox",
        "export {} --format csv",
        "report {}",
        "downloads {}",
        "build {}",
        "unsubscribe check {}",
    ],
)
def test_all_commands_say_the_same_of_a_program_that_is_misspelt(world: World, arguments: str) -> None:
    done = world.mm(*arguments.format("buslaed").split())
    assert done.stdout == ""
    assert_refused(
        done,
        "mm: There is no program 'buslaed' in seeds/programs.csv. Did you mean buslead? "
        "There are: demo, buslead, ",
    )


def test_the_help_lists_each_command_once_in_a_line_that_fits(world: World) -> None:
    listed = world.mm("--help").stdout
    names = [name for group in GROUPS.values() for name in group]
    assert sorted(names) == sorted(get_command(app).commands)
    assert re.findall(r"^  ([a-z-]+)  +\S", listed, re.MULTILINE)[-len(names) :] == names
    for group in (["--help"], ["unsubscribe", "--help"], ["bounces", "--help"]):
        assert not re.search(r"^  [a-z-]+  +.*[.]{3}$", world.mm(*group).stdout, re.MULTILINE)


def test_every_command_helps_with_an_example(world: World) -> None:
    for command in ("list", "render", "send", "log", "build", "smtp-sink"):
        done = world.mm(command, "--help")
        assert done.returncode == 0
        assert "Example" in done.stdout
        assert f"mm {command} " in done.stdout
