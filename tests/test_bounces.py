"""`mm bounces` with mails that came back, in the shapes of the big mail servers; all in tests/bounces/."""

import json
import mailbox
import re
import shutil
import sqlite3
import subprocess
import zipfile
from collections import Counter
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.utils import format_datetime
from pathlib import Path

import pytest
from mail_fixtures import MailServer, World, candidate

from mm.ledger.history import Event, Line, MailKey
from mm.ledger.ledger import Ledger
from mm.ledger.old_send_log import read_old_log
from mm.mail.mailboxes import mails_in
from mm.mail.not_mailed import WhoIsNotMailed

SHAPES = Path(__file__).parent / "bounces"
# file: the status and what the detail begins with
PERMANENT = {
    "postfix_unknown_user": (
        "5.1.1",
        "550 5.1.1 <address> Recipient address rejected: User unknown in virtual mailbox table",
    ),
    "postfix_no_such_domain": ("5.4.4", "5.4.4 Host or domain name not found. Name service error for name="),
    "exchange_2019": ("5.1.1", "550 5.1.1 RESOLVER.ADR.RecipNotFound; not found"),
    "exchange_online": (
        "5.1.10",
        "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient <address> not found by SMTP address lookup",
    ),
    "exchange_5_5": (
        "5.0.0",
        "5.0.0 on Mon, 15 Jun 2026 20:30:00 +1000 The recipient name is not recognized",
    ),
    "exim_free_text": ("5.1.1", "550 5.1.1 <address> User unknown"),
    "exim_report": ("5.0.0", "5.0.0 550 No such user here"),
    "qmail_remote": ("5.1.1", "550 5.1.1 <address> unknown user Giving up on 192.0.2.7."),
    "qmail_local": ("5.1.1", "5.1.1 Sorry, no mailbox here by that name. (#5.1.1)"),
    "gmail_report": ("5.1.1", "550-5.1.1 The email account that you tried to reach does not exist. Please"),
    "gmail_free_text": ("5.1.1", "550 5.1.1 <address> Recipient address rejected: User unknown"),
    "dragonfly": ("5.1.1", "550 5.1.1 <address> Recipient address rejected: User unknown."),
    "workmail": ("5.1.1", "550 5.1.1 <address> User Unknown"),
    "notes": ("5.0.0", "5.0.0 Your message could not be delivered: User not listed in Domino Directory"),
    "gmail_no_domain": ("4.0.0", "4.0.0 DNS Error: 80335577 DNS type 'mx' lookup of gone.example.org"),
}
TEMPORARY = {
    "postfix_delayed": "4.4.1",
    "postfix_given_up": "4.2.2",
    "exim_delayed": "4.7.1",
    "gmail_delayed": "4.0.0",
}
NO_BOUNCES = ("reply_that_quotes_a_bounce", "out_of_office", "delivered", "not_spam", "read_receipt")
COMPLAINTS = (
    "complaint",
    "complaint_redacted",
    "outlook_complaint",
    "yahoo_complaint",
    "ses_complaint",
    "forwarded_complaint",
)
ADDRESS = "Learner.One+edX@example.org"
TWO, THREE = "learner2@example.org", "learner3@example.org"
RUN = "ExampleX_BEES1x_1T2026"
SERVER_ID = "0108019a0000-1111-2222-3333-444455556666-000000"


@pytest.fixture(autouse=True)
def _one_ledger(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the ledger of the tests be that of the world's `mm`."""
    monkeypatch.setenv("MM_DATABASE_DIR", str(world.folder / "database"))


@pytest.fixture
def mails(_one_ledger: None) -> dict[str, bytes]:
    """Write down that three learners were mailed just now; return the mails by address."""
    return {address: mail(number, address) for number, address in enumerate((ADDRESS, TWO, THREE), start=1)}


def mail(student_id: int, address: str, days_ago: float = 0, server_id: str | None = None) -> bytes:
    """Write a mail down as sent; return it."""
    sent_at = (datetime.now(UTC) - timedelta(days=days_ago)).strftime("%Y-%m-%dT%H:%M:%SZ")
    message_id = f"<mail{student_id}.{days_ago}@example.org>"
    line = Line("demo", MailKey(student_id, RUN, 0), 1, Event.INTENT, sent_at, message_id, address)
    with Ledger() as ledger:
        attempt = ledger.history().next_attempt("demo", line.key)
        sent = line._replace(event=Event.SENT, detail="250 OK", server_id=server_id)
        ledger.take_in_mails(each._replace(attempt=attempt) for each in (line, sent))
    headers = (
        f"From: updates@example.org\nTo: {address}\nSubject: Congratulations\nMessage-ID: {message_id}\n"
    )
    return f"{headers}\nCongratulations, and <https://www.example.org/> shows more.\n".encode()


def came_back(shape: str, content: bytes, address: str = ADDRESS, when: datetime | None = None) -> bytes:
    """Return a message of that shape about a mail to an address; when: its date, not that of the shape."""
    text = content.decode().replace("\r\n", "\n")
    headers = text.partition("\n\n")[0]
    message = (SHAPES / f"{shape}.eml").read_text()
    values = {
        "address": address,
        "mail": text,
        "headers": headers,
        "redacted": headers.replace(address, "redacted@example.com"),
        "message_id": str(message_from_bytes(content)["Message-ID"]),
        "server_id": SERVER_ID,
        "now": format_datetime(when or datetime.now(UTC)),
    }
    for name, value in values.items():
        message = message.replace(f"{{{name}}}", value)
    if when is not None:
        message = re.sub(r"(?m)^Date: .*", f"Date: {format_datetime(when)}", message, count=1)
    return message.encode()


def read(world: World, *messages: bytes) -> tuple[subprocess.CompletedProcess[str], dict[str, int]]:
    """Read the messages, of a folder of files; return what was said, and what was counted."""
    folder = world.folder / "came back"
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for number, message in enumerate(messages):
        (folder / f"{number}.eml").write_bytes(message)
    done = world.mm("bounces", "demo", folder)
    assert done.returncode == 0, done.stderr
    assert "@" not in done.stdout + done.stderr
    return done, counts(done)


def counts(done: subprocess.CompletedProcess[str]) -> dict[str, int]:
    found = re.findall(r"^ *(\d+)  ([a-z ]+)$", done.stdout, re.MULTILINE)
    return {name: int(count) for count, name in found if count != "0"}


def bounced() -> set[str]:
    with Ledger() as ledger:
        return ledger.bounced()


def opted_out() -> set[str]:
    with Ledger() as ledger:
        return ledger.opted_out()


def outcomes() -> dict[int, str]:
    with Ledger() as ledger:
        return {attempt.key.student_id: attempt.outcome for attempt in ledger.history()}


def written(world: World) -> list[tuple[object, ...]]:
    """Return all that the ledger has."""
    with sqlite3.connect(world.folder / "database" / "mailing.sqlite") as connection:
        tables = ("mails", "said")
        return [row for table in tables for row in connection.execute(f"select * from {table} order by id")]


def what_came_back(world: World) -> list[dict[str, str]]:
    with sqlite3.connect(world.folder / "database" / "mailing.sqlite") as connection:
        rows = connection.execute("select email, said_at, status, detail from said where says = 'bounced'")
        return [dict(zip(("email", "said_at", "status", "detail"), row, strict=True)) for row in rows]


def case(name: str, program: str = "buslead") -> Path:
    """Write down the mails of a case; return its folder."""
    with Ledger() as ledger:
        ledger.take_in_mails(read_old_log(SHAPES / name / "send_log.csv", program))
    return SHAPES / name


def test_each_server_has_two_shapes() -> None:
    servers = Counter(name.partition("_")[0] for name in PERMANENT)
    assert {name for name, count in servers.items() if count > 1} == {
        "postfix",
        "exchange",
        "exim",
        "qmail",
        "gmail",
    }
    others = {"postfix_blocked_sender", "daemon_without_address", *COMPLAINTS}
    known = {*PERMANENT, *TEMPORARY, *NO_BOUNCES, *others}
    assert known == {path.stem for path in SHAPES.glob("*.eml")}


@pytest.mark.parametrize("shape", PERMANENT)
def test_a_permanent_failure_is_written_down_once(world: World, mails: dict[str, bytes], shape: str) -> None:
    message = came_back(shape, mails[ADDRESS])
    done, counted = read(world, message)
    assert counted == {"messages": 1, "bounced": 1}
    [row] = what_came_back(world)
    status, detail = PERMANENT[shape]
    assert (row["email"], row["status"]) == (ADDRESS.lower(), status)
    # 20:30 in Brisbane, or as the shape says it.
    assert row["said_at"] == "2026-06-15T10:30:00.000000Z"
    assert row["detail"].startswith(detail)
    assert len(row["detail"]) <= 200
    assert "@" not in row["detail"]
    assert done.stdout.startswith("bounced: learner 1, ExampleX_BEES1x_1T2026: ")
    assert outcomes() == {1: Event.BOUNCED, 2: Event.SENT, 3: Event.SENT}
    before = written(world)
    done, counted = read(world, message, message)
    assert counted == {"messages": 2, "known already": 2}
    assert written(world) == before
    # People's own lists are only ever read.
    assert list((world.folder / "data").iterdir()) == []


@pytest.mark.parametrize("shape", TEMPORARY)
def test_a_temporary_failure_is_counted_and_shown_only(
    world: World, mails: dict[str, bytes], shape: str
) -> None:
    before = written(world)
    done, counted = read(world, came_back(shape, mails[ADDRESS], when=datetime.now(UTC)))
    assert counted == {"messages": 1, "temporary": 1}
    assert done.stdout.startswith("temporary: learner 1, ExampleX_BEES1x_1T2026: ")
    assert TEMPORARY[shape] in done.stdout
    assert written(world) == before


def test_a_refusal_of_the_sender_makes_no_address_dead(world: World, mails: dict[str, bytes]) -> None:
    before = written(world)
    done, counted = read(world, came_back("postfix_blocked_sender", mails[ADDRESS]))
    assert counted == {"messages": 1, "because of the sender": 1}
    assert "because of the sender: learner 1" in done.stdout
    assert written(world) == before


def test_refusals_of_the_sender_in_the_words_of_big_providers_make_no_address_dead(world: World) -> None:
    folder = case("refusals_of_the_sender")
    done = world.mm("bounces", "buslead", folder / "mails")
    assert counts(done) == {"messages": 22, "bounced": 1, "because of the sender": 21}
    assert bounced() == {"dead@example.org"}


@pytest.mark.parametrize(
    "code",
    [
        "552 5.2.2 Mailbox full",
        "550 5.2.2 Over quota",
        "452 4.2.2 Over quota",
        "552 Quota exceeded for the mailbox",
    ],
)
def test_a_full_mailbox_is_for_now(world: World, mails: dict[str, bytes], code: str) -> None:
    message = came_back("exim_report", mails[ADDRESS]).decode().replace("550 No such user here", code)
    assert read(world, message.encode())[1] == {"messages": 1, "temporary": 1}
    assert bounced() == set()


def test_what_is_unclear_is_named_with_its_file_and_puts_nobody_out(
    world: World, mails: dict[str, bytes]
) -> None:
    message = came_back("exim_report", mails[ADDRESS]).decode().replace("No such user here", "Refused")
    before = written(world)
    done, counted = read(world, message.encode())
    assert counted == {"messages": 1, "unclear": 1}
    file = world.folder / "came back" / "0.eml"
    assert done.stdout.startswith(f"unclear: learner 1, {RUN}: 5.0.0 550 Refused ({file})\n")
    assert written(world) == before


def test_what_a_mail_program_supposes_makes_nobody_dead(world: World, mails: dict[str, bytes]) -> None:
    text = came_back("notes", mails[ADDRESS]).decode()
    said = "Your message could not be delivered: User not listed in Domino Directory"
    guess = text.replace(said, "It may have moved, or the address does not exist.")
    assert read(world, guess.encode())[1] == {"messages": 1, "unclear": 1}
    # What is said before an address counts for it where no other is named.
    other = text.replace(said, f"Unknown user: {TWO}\n\nAnd this, too: {ADDRESS}")
    assert read(world, other.encode())[1].get("unclear") == 1
    assert bounced() <= {TWO}


def test_the_code_of_the_server_that_refused_counts_before_that_of_the_report(
    world: World, mails: dict[str, bytes]
) -> None:
    text = came_back("exim_report", mails[ADDRESS]).decode().replace("Status: 5.0.0", "Status: 5.1.1")
    blocked = text.replace("550 No such user here", "550 5.7.1 Blocked, see list.example.net")
    assert read(world, blocked.encode())[1] == {"messages": 1, "because of the sender": 1}
    assert bounced() == set()


def test_what_is_no_bounce_is_counted_and_left_alone(world: World, mails: dict[str, bytes]) -> None:
    before = written(world)
    others = [came_back(shape, mails[ADDRESS]) for shape in NO_BOUNCES]
    deep = b"".join(b"Content-Type: multipart/mixed; boundary=%d\n\n--%d\n" % (n, n) for n in range(3000))
    broken = [b"", b"\xff\xfe\x00", b"MIME-Version: 1.0\n" + deep]
    done, counted = read(world, *others, mails[ADDRESS], *broken)
    assert counted == {"messages": 9, "no bounces": 6, "not understood": 3}
    for number in (6, 7, 8):
        assert f"not understood: {world.folder / 'came back' / f'{number}.eml'}: it is no mail" in done.stdout
    assert written(world) == before


def test_a_server_that_names_nobody_has_a_count_of_its_own(world: World, mails: dict[str, bytes]) -> None:
    before = written(world)
    done, counted = read(world, came_back("daemon_without_address", mails[ADDRESS]))
    assert counted == {"messages": 1, "no address found": 1}
    assert done.stdout.startswith(f"no address found: {world.folder / 'came back' / '0.eml'}\n")
    # An address that was never mailed is one, too.
    message = came_back(
        "dragonfly", mails[ADDRESS].replace(ADDRESS.encode(), b"x@example.org"), "x@example.org"
    )
    assert read(world, message)[1] == {"messages": 1, "never mailed": 1}
    assert written(world) == before


@pytest.mark.parametrize("shape", [*PERMANENT, "complaint"])
def test_a_forged_bounce_for_who_was_never_mailed_changes_nothing(
    world: World, mails: dict[str, bytes], shape: str
) -> None:
    before = written(world)
    # Of a mail that was never sent, and of one that was, to somebody else.
    never = mails[ADDRESS].replace(ADDRESS.encode(), b"victim@example.org")
    never = re.sub(rb"Message-ID: <[^>]*>", b"Message-ID: <made-up@example.org>", never)
    forged = [came_back(shape, never, "victim@example.org")]
    if shape not in {"complaint", "notes"}:
        forged.append(came_back(shape, mails[ADDRESS].replace(ADDRESS.encode(), b""), "victim@example.org"))
    _, counted = read(world, *forged)
    count = "no address found" if shape == "notes" else "never mailed"
    assert counted == {"messages": len(forged), count: len(forged)}
    assert written(world) == before


@pytest.mark.parametrize("shape", COMPLAINTS)
def test_who_complains_is_unsubscribed(world: World, shape: str) -> None:
    content = mail(1, ADDRESS, server_id=SERVER_ID)
    message = came_back(shape, content)
    done, counted = read(world, message, message)
    assert counted == {"messages": 2, "complaints": 1, "known already": 1}
    assert done.stdout.startswith("complaint: learner 1, ExampleX_BEES1x_1T2026\n")
    assert opted_out() == {ADDRESS.lower()}
    assert (bounced(), outcomes()) == (set(), {1: Event.SENT})
    with Ledger() as ledger:
        # The page does not take it back, and what a person takes back no old mail says again.
        assert not ledger.may_take_back(ADDRESS)
        assert ledger.take_back(ADDRESS, "command")
    assert read(world, message)[1] == {"messages": 1, "known already": 1}
    assert opted_out() == set()


def test_a_complaint_of_outlook_is_one(world: World) -> None:
    folder = case("complaint_of_outlook")
    done = world.mm("bounces", "buslead", folder / "jmrp.eml")
    assert counts(done) == {"messages": 1, "complaints": 1}
    assert opted_out() == {"ana@example.org"}


def test_a_complaint_from_before_the_first_mail_is_not_about_ours(
    world: World, mails: dict[str, bytes]
) -> None:
    other = re.sub(rb"Message-ID: <[^>]*>", b"Message-ID: <newsletter@other.example.org>", mails[ADDRESS])
    long_ago = datetime.now(UTC) - timedelta(days=2)
    assert read(world, came_back("yahoo_complaint", other, when=long_ago))[1] == {
        "messages": 1,
        "never mailed": 1,
    }
    assert opted_out() == set()
    # In doubt, no mail.
    assert read(world, came_back("yahoo_complaint", other))[1] == {"messages": 1, "complaints": 1}
    assert opted_out() == {ADDRESS.lower()}


def test_a_bounce_of_a_mail_that_went_by_ses_is_known_by_the_servers_id(
    world: World, server: MailServer
) -> None:
    folder = case("by_ses", "demo")
    done = world.mm("bounces", "demo", folder / "bounce.eml")
    assert counts(done) == {"messages": 1, "bounced": 1}
    assert (bounced(), outcomes()) == ({"ana@example.org"}, {1: Event.BOUNCED})
    assert re.search(r"^bounced +1$", world.mm("log", "demo").stdout, re.MULTILINE)
    # At a newer address the learner gets it.
    run = {"trigger_course_instance": "UQx_BUSLEAD1x_1T2019"}
    world.publish([candidate(1, email="ana@example.org", **run)])
    assert world.mm("send", "demo", "--confirm", 0).stdout == "There is nothing to send.\n"
    world.publish([candidate(1, email="ana.new@example.org", **run)])
    assert world.mm("send", "demo", "--confirm", 1).returncode == 0
    assert server.recipients == {"ana.new@example.org": 1}
    assert world.mm("bounces", "forget", "Ana@example.org").returncode == 0
    before = written(world)
    # Without a time of its own it can be known by the id alone.
    again = world.folder / "again.eml"
    again.write_text(re.sub(r"(?m)^(Date|Message-Id): .*\n", "", (folder / "bounce.eml").read_text()))
    assert counts(world.mm("bounces", "demo", again)) == {"messages": 1, "known already": 1}
    done = world.mm("bounces", "demo", folder / "bounce.eml")
    assert counts(done) == {"messages": 1, "known already": 1}
    assert (bounced(), written(world)) == (set(), before)


def test_the_id_that_a_server_gives_while_sending_is_kept(world: World, server: MailServer) -> None:
    # aiosmtpd answers as it is told; the mail counts as accepted.
    server.answers["END"] = lambda _: f"250 Ok {SERVER_ID}"
    world.publish([candidate(1, email=ADDRESS)])
    assert world.mm("send", "demo", "--confirm", 1).returncode == 0
    with Ledger() as ledger:
        assert [attempt.server_id for attempt in ledger.history()] == [SERVER_ID]
    others = (
        f"From: updates@example.org\nTo: {ADDRESS}\nMessage-ID: <{SERVER_ID}@email.example.com>\n\nText\n"
    )
    assert read(world, came_back("postfix_unknown_user", others.encode()))[1] == {"messages": 1, "bounced": 1}
    assert outcomes() == {1: Event.BOUNCED}


def test_a_bounce_of_years_ago_says_nothing(world: World) -> None:
    folder = case("of_years_ago")
    before = written(world)
    done = world.mm("bounces", "buslead", folder / "old.eml")
    assert counts(done) == {"messages": 1, "of other mails": 1}
    assert written(world) == before


@pytest.mark.parametrize(
    ("mailed", "bounced_ago", "is_ours"),
    [
        ([10], 9, True),
        # before the last mail to the address, beyond what clocks differ by
        ([10], 10.1, False),
        ([10], 10.02, True),
        ([20, 10], 15, False),
        ([60], 41, True),
        ([60], 43, False),
    ],
)
def test_without_an_id_a_bounce_is_younger_than_the_last_mail_and_some_weeks_old(
    world: World, mailed: list[int], bounced_ago: float, *, is_ours: bool
) -> None:
    for days in mailed:
        mail(1, ADDRESS, days)
    other = f"To: {ADDRESS}\nMessage-ID: <other@example.net>\n\nText\n".encode()
    when = datetime.now(UTC) - timedelta(days=bounced_ago)
    _, counted = read(world, came_back("postfix_unknown_user", other, when=when))
    assert counted == {"messages": 1, ("bounced" if is_ours else "of other mails"): 1}
    assert bounced() == ({ADDRESS.lower()} if is_ours else set())
    # No mail of ours came back for certain.
    assert outcomes() == {1: Event.SENT}


def test_with_an_id_of_ours_it_does_not_matter_when(world: World) -> None:
    content = mail(1, ADDRESS, 300)
    when = datetime.now(UTC) - timedelta(days=299)
    assert read(world, came_back("qmail_remote", content, when=when))[1] == {"messages": 1, "bounced": 1}


def test_a_bounce_without_an_id_is_not_read_again_after_forget(world: World, mails: dict[str, bytes]) -> None:
    content = mails[ADDRESS].replace(b"Message-ID:", b"X-Nothing:").replace(b"<", b"").replace(b">", b"")
    message = came_back("qmail_local", content, when=datetime.now(UTC))
    assert read(world, message)[1] == {"messages": 1, "bounced": 1}
    assert outcomes()[1] == Event.SENT
    assert read(world, message)[1] == {"messages": 1, "known already": 1}
    done = world.mm("bounces", "forget", ADDRESS)
    assert (done.returncode, done.stdout) == (0, "The address gets mail again.\n")
    assert bounced() == set()
    assert read(world, message)[1] == {"messages": 1, "known already": 1}
    assert bounced() == set()
    # What bounces after that does so anew.
    later = came_back("qmail_local", mail(1, ADDRESS), when=datetime.now(UTC) + timedelta(seconds=2))
    later = re.sub(rb"(?m)^Subject: .*", b"Subject: failure notice again", later)
    assert read(world, later)[1]["messages"] == 1
    done = world.mm("bounces", "forget", "nobody@example.org")
    assert (done.returncode, done.stdout) == (
        0,
        "No mail had bounced from the address: nothing was changed.\n",
    )
    done = world.mm("bounces", "forget", "nobody")
    assert done.returncode == 1
    assert done.stderr.startswith("mm: ADDRESS ")


def test_forget_tells_of_a_list_that_people_keep(world: World, mails: dict[str, bytes]) -> None:
    read(world, came_back("postfix_unknown_user", mails[ADDRESS]))
    path = world.folder / "data" / "bounced.csv"
    path.write_text(f"email,bounced_at,status,detail\n{ADDRESS},2026-06-15,5.1.1,\n")
    done = world.mm("bounces", "forget", ADDRESS)
    assert done.returncode == 1
    where = f"mm: The address is in {path}, which mm only reads: remove its line there.\n"
    assert done.stderr.endswith(where)


def test_an_address_in_the_encoding_of_rfc_3461_is_known(world: World, mails: dict[str, bytes]) -> None:
    message = came_back("postfix_unknown_user", mails[ADDRESS])
    encoded = message.replace(
        f"Original-Recipient: rfc822;{ADDRESS}".encode(),
        f"Original-Recipient: rfc822;{ADDRESS.replace('+', '+2B')}".encode(),
    )
    assert encoded != message
    assert read(world, encoded)[1] == {"messages": 1, "bounced": 1}
    assert bounced() == {ADDRESS.lower()}


def test_a_strangers_words_are_no_formula(world: World, mails: dict[str, bytes]) -> None:
    message = came_back("postfix_unknown_user", mails[ADDRESS])
    formula = re.sub(rb"Diagnostic-Code: smtp; 550 (.*)", rb'Diagnostic-Code: smtp; =1+1 "\1', message)
    assert read(world, formula)[1] == {"messages": 1, "bounced": 1}
    assert [row["detail"][:13] for row in what_came_back(world)] == ['5.1.1 =1+1 "5']


def test_a_report_about_several_says_of_each_its_own(world: World, mails: dict[str, bytes]) -> None:
    text = came_back("postfix_unknown_user", mails[TWO], TWO, datetime.now(UTC)).decode()
    # An address that ends as the other does, whose mail waits.
    other = (
        f"Final-Recipient: rfc822; x{TWO}\nAction: delayed\nStatus: 4.2.2\n\n"
        f"Final-Recipient: rfc822; {THREE}\nAction: failed\nStatus: 5.2.1\n\n"
    )
    message = text.replace("Final-Recipient:", f"{other}Final-Recipient:", 1).encode()
    assert read(world, message)[1] == {"messages": 1, "bounced": 2, "never mailed": 1}
    assert {row["email"]: row["status"] for row in what_came_back(world)} == {TWO: "5.1.1", THREE: "5.2.1"}
    # The Message-ID was that of one of them.
    assert outcomes() == {1: Event.SENT, 2: Event.BOUNCED, 3: Event.SENT}


@pytest.mark.parametrize("kind", ["mbox", "Maildir", "file", "folder", "all"])
def test_messages_are_read_wherever_mail_programs_keep_them(
    world: World, mails: dict[str, bytes], kind: str
) -> None:
    place = world.folder / "mail"
    place.mkdir()
    messages = [came_back("qmail_remote", mails[address], address) for address in mails]
    if kind in {"mbox", "all"}:
        box: mailbox.Mailbox = mailbox.mbox(place / "Inbox")
        for message in messages:
            box.add(message)
        box.close()
    if kind in {"Maildir", "all"}:
        box = mailbox.Maildir(place / "Mail")
        for message in messages:
            box.add(message)
        (place / "Mail" / "tmp" / "half").write_bytes(messages[0][:300])
    if kind in {"file", "folder", "all"}:
        (place / "below").mkdir()
        for number, message in enumerate(messages):
            (place / "below" / f"{number}.eml").write_bytes(message.replace(b"\n", b"\r\n"))
        (place / ".DS_Store").write_bytes(b"\0")
    paths = {
        "mbox": [place / "Inbox"],
        "Maildir": [place / "Mail"],
        "file": sorted((place / "below").glob("*")),
        "folder": [place / "below"],
        "all": [place],
    }[kind]
    done = world.mm("bounces", "demo", *paths)
    again = {"known already": 6} if kind == "all" else {}
    assert counts(done) == {"messages": 3 + sum(again.values()), "bounced": 3} | again
    assert set(outcomes().values()) == {Event.BOUNCED}
    assert len(bounced()) == 3


def test_files_that_mail_programs_write_their_own_way_are_read_or_named(world: World) -> None:
    case("of_years_ago")
    folder = SHAPES / "not_understood" / "mails"
    mail(2, "ben@example.org", 40)
    done = world.mm("bounces", "buslead", folder)
    # One mail of each, but for two in the mbox.
    assert counts(done) == {"messages": 5, "bounced": 2, "known already": 2, "not understood": 1}
    assert bounced() == {"ana@example.org", "ben@example.org"}
    outlook = folder / "Undeliverable.msg"
    assert f"not understood: {outlook}: it is in Outlook's own format: save it there as .eml\n" in done.stdout


def test_a_byte_order_mark_and_blank_lines_hide_no_mbox(world: World, mails: dict[str, bytes]) -> None:
    text = b"".join(
        b"From MAILER-DAEMON Mon Jun 15 10:30:00 2026\n%s\n" % came_back("qmail_remote", mails[each], each)
        for each in mails
    )
    for start in (b"\xef\xbb\xbf", b"\n\r\n", b"\xef\xbb\xbf\n\n"):
        path = world.folder / "some.mbox"
        path.write_bytes(start + text)
        assert [mail.where for mail in mails_in(path)] == [f"{path}, mail {number}" for number in (1, 2, 3)]
        # A sentence that begins so does not end a mail.
        path.write_bytes(start + text + b"From now on it is\nFrom Monday to Friday at 10:00\n")
        assert len(list(mails_in(path))) == 3
    assert counts(world.mm("bounces", "demo", path)) == {"messages": 3, "bounced": 3}


@pytest.mark.parametrize("folders", [("cur",), ("new",), ("new", "tmp"), (".Bounces/cur", "cur")])
def test_a_maildir_may_lack_its_empty_folders(
    world: World, mails: dict[str, bytes], folders: tuple[str, ...]
) -> None:
    place = world.folder / "Mail"
    for number, name in enumerate(folders):
        (place / name).mkdir(parents=True)
        message = came_back("qmail_remote", mails[ADDRESS])
        (place / name / f"1{number}.host:2,S").write_bytes(message if name != "tmp" else message[:200])
    found = [Path(each.where).parent for each in mails_in(place)]
    assert found == [place / name for name in folders if name != "tmp"]
    assert counts(world.mm("bounces", "demo", place))["bounced"] == 1


def test_an_archive_holds_what_a_folder_can(world: World, mails: dict[str, bytes]) -> None:
    one, two, three = (came_back("qmail_remote", mails[each], each) for each in mails)
    inner = world.folder / "inner.zip"
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("a.eml", one)
    path = world.folder / "all.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(inner, "in/inner.zip")
        archive.writestr("Mail/", b"")
        archive.writestr("Mail/cur/1:2,S", two)
        archive.writestr("2.emlx", b"%d  \n%s<?xml version='1.0'?>" % (len(three), three))
        archive.writestr("__MACOSX/._2.emlx", b"\0")
        archive.writestr("note.txt", b"no mail")
    assert {mail.where.removeprefix(f"{path}, ") for mail in mails_in(path)} == {
        "2.emlx",
        "Mail/cur/1:2,S",
        "in/inner.zip, a.eml",
        "note.txt",
    }
    done = world.mm("bounces", "demo", path)
    assert counts(done) == {"messages": 4, "bounced": 3, "not understood": 1}
    assert f"not understood: {path}, note.txt: it is no mail" in done.stdout
    damaged = world.folder / "damaged.zip"
    damaged.write_bytes(path.read_bytes()[:-30])
    assert (
        f"not understood: {damaged}: it is a ZIP archive that is damaged"
        in world.mm("bounces", "demo", damaged).stdout
    )


def test_the_log_shows_what_came_back_and_who_has_the_address_is_not_mailed(
    world: World, server: MailServer
) -> None:
    world.publish([candidate(1, email=ADDRESS), candidate(2), candidate(3)])
    assert world.mm("send", "demo", "--confirm", 3).returncode == 0
    sent = {envelope.rcpt_tos[0]: envelope.content for envelope in server.accepted}
    read(world, came_back("postfix_unknown_user", sent[ADDRESS]))
    said = world.mm("log", "demo").stdout
    assert re.search(r"^bounced +1$", said, re.MULTILINE)
    assert re.search(r"^sent +2$", said, re.MULTILINE)
    assert "bounced: learner 1, ExampleX_BEES1x_1T2026, attempt 1, " in said
    assert ": 550 5.1.1 <address> Recipient address rejected: User unknown in virtual mailbox table" in said
    [attempt] = [
        each
        for each in json.loads(world.mm("log", "demo", "--json").stdout)["attempts"]
        if each["outcome"] == "bounced"
    ]
    assert attempt["student_id"] == 1
    # A newer report has another grade; the address is the same.
    other_run = {"trigger_course_instance": "ExampleX_BEES1x_3T2026"}
    world.publish([candidate(1, email=ADDRESS, **other_run), candidate(2, **other_run)])
    assert "1  address bounced since the build" in world.mm("list", "demo").stdout
    assert world.mm("send", "demo", "--confirm", 1).returncode == 0
    assert server.recipients[ADDRESS] == 1
    # With another address, the learner gets the mail that came back, too.
    world.publish([candidate(1, email="new@example.org")])
    assert world.mm("send", "demo", "--confirm", 1).returncode == 0
    assert server.recipients["new@example.org"] == 1
    assert list(outcomes().values()).count(Event.BOUNCED) <= 1
    assert world.mm("send", "demo", "--confirm", 0).stdout == "There is nothing to send.\n"


def test_who_complained_gets_no_mail(world: World, server: MailServer) -> None:
    content = mail(1, ADDRESS)
    read(world, came_back("outlook_complaint", content))
    world.publish([candidate(1, email=ADDRESS, trigger_course_instance="ExampleX_BEES1x_3T2026")])
    assert world.mm("send", "demo", "--confirm", 0).stdout == "There is nothing to send.\n"
    assert server.accepted == []


def test_a_sender_that_runs_leaves_out_who_bounced_meanwhile(
    world: World, mails: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = world.folder / "data" / "bounced.csv"
    monkeypatch.setenv("MM_DATA_DIR", str(path.parent))
    with Ledger() as ledger:
        not_mailed = WhoIsNotMailed("demo", ledger)
        assert not_mailed.reason(2, "learner_2", TWO) is None
        path.write_text(f"email,bounced_at,status,detail\n{TWO},2026-06-15,5.1.1,\n")
        not_mailed.refresh()
        assert not_mailed.reason(2, "learner_2", TWO.upper()) == "address bounced since the build"
        assert not_mailed.reason(3, "learner_3", THREE) is None
        read(world, came_back("postfix_unknown_user", mails[THREE], THREE))
        not_mailed.refresh()
        assert not_mailed.reason(3, "learner_3", THREE) == "address bounced since the build"


@pytest.mark.usefixtures("mails")
def test_nothing_can_come_back_where_nothing_was_sent(world: World) -> None:
    done = world.mm("bounces", "buslead", world.folder)
    assert (done.returncode, done.stdout) == (1, "")
    assert "nothing was sent, so nothing can have come back" in done.stderr
    done = world.mm("bounces", "demo", world.folder / "nowhere")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"mm: {world.folder / 'nowhere'} cannot be used: No such file or directory.\n"


def test_what_came_back_of_mails_in_an_old_send_log_is_kept(world: World) -> None:
    folder = SHAPES / "by_ses"
    old_log = world.folder / "database" / "demo.send_log.csv"
    shutil.copy(folder / "send_log.csv", old_log)
    # The first command that there is a ledger for.
    assert counts(world.mm("bounces", "demo", folder / "bounce.eml")) == {"messages": 1, "bounced": 1}
    assert (bounced(), outcomes()) == ({"ana@example.org"}, {1: Event.BOUNCED})
    assert old_log.read_bytes() == (folder / "send_log.csv").read_bytes()
    assert counts(world.mm("bounces", "demo", folder / "bounce.eml")) == {"messages": 1, "known already": 1}


def test_a_ledger_that_cannot_be_read_stops_the_reading(world: World, mails: dict[str, bytes]) -> None:
    (world.folder / "database" / "mailing.sqlite").write_bytes(b"no ledger")
    folder = world.folder / "came back"
    folder.mkdir()
    (folder / "1.eml").write_bytes(came_back("qmail_local", mails[ADDRESS]))
    done = world.mm("bounces", "demo", folder)
    assert (done.returncode, done.stdout) == (1, "")
    assert "mailing.sqlite cannot be used" in done.stderr
