"""`mm bounces` with mails that came back, in the shapes of the big mail servers; all in tests/bounces/."""

import csv
import json
import mailbox
import re
import subprocess
from collections import Counter
from email import message_from_bytes
from pathlib import Path

import pytest
from mail_fixtures import MailServer, World, candidate

from mm.optouts import OptOuts, WhoIsNotMailed
from mm.send_log import Event, read_history

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
}
TEMPORARY = {
    "postfix_delayed": "4.4.1",
    "postfix_given_up": "4.2.2",
    "exim_delayed": "4.7.1",
    "gmail_delayed": "4.0.0",
}
NO_BOUNCES = ("reply_that_quotes_a_bounce", "out_of_office", "delivered", "not_spam")
ADDRESS = "Learner.One+edX@example.org"


@pytest.fixture
def mails(world: World, server: MailServer) -> dict[str, bytes]:
    """Send a mail to each of three learners; return the mails by address."""
    world.publish([candidate(1, email=ADDRESS), candidate(2), candidate(3)])
    assert world.mm("send", "demo", "--confirm", 3).returncode == 0
    return {envelope.rcpt_tos[0]: envelope.content for envelope in server.accepted}


def came_back(shape: str, mail: bytes, address: str = ADDRESS) -> bytes:
    """Return a message of that shape about a mail to an address."""
    text = mail.decode().replace("\r\n", "\n")
    headers = text.partition("\n\n")[0]
    message = (SHAPES / f"{shape}.eml").read_text()
    values = {
        "address": address,
        "mail": text,
        "headers": headers,
        "redacted": headers.replace(address, "redacted@example.com"),
        "message_id": str(message_from_bytes(mail)["Message-ID"]),
    }
    for name, value in values.items():
        message = message.replace(f"{{{name}}}", value)
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


def bounced(world: World) -> list[dict[str, str]]:
    path = world.folder / "data" / "bounced.csv"
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def outcomes(world: World) -> dict[int, str]:
    return {attempt.key.student_id: attempt.outcome for attempt in read_history(world.log)}


def test_each_server_has_two_shapes() -> None:
    servers = Counter(name.partition("_")[0] for name in PERMANENT)
    assert set(servers) == {"postfix", "exchange", "exim", "qmail", "gmail"}
    assert min(servers.values()) >= 2
    known = {*PERMANENT, *TEMPORARY, *NO_BOUNCES, "postfix_blocked_sender", "complaint", "complaint_redacted"}
    assert known == {path.stem for path in SHAPES.iterdir()}


@pytest.mark.parametrize("shape", PERMANENT)
def test_a_permanent_failure_is_written_down_once(world: World, mails: dict[str, bytes], shape: str) -> None:
    message = came_back(shape, mails[ADDRESS])
    done, counted = read(world, message)
    assert counted == {"messages": 1, "bounced": 1}
    [row] = bounced(world)
    status, detail = PERMANENT[shape]
    assert list(row) == ["email", "bounced_at", "status", "detail"]
    assert (row["email"], row["status"]) == (ADDRESS.lower(), status)
    # 20:30 in Brisbane, or as the shape says it.
    assert row["bounced_at"] == "2026-06-15T10:30:00Z"
    assert row["detail"].startswith(detail)
    assert len(row["detail"]) <= 210
    assert "@" not in row["detail"]
    assert done.stdout.startswith("bounced: learner 1, ExampleX_BEES1x_1T2026: ")
    assert outcomes(world) == {1: Event.BOUNCED, 2: Event.SENT, 3: Event.SENT}
    before = world.log.read_bytes(), (world.folder / "data" / "bounced.csv").read_bytes()
    done, counted = read(world, message, message)
    assert counted == {"messages": 2, "known already": 2}
    assert (world.log.read_bytes(), (world.folder / "data" / "bounced.csv").read_bytes()) == before
    assert not world.opt_outs.exists()


@pytest.mark.parametrize("shape", TEMPORARY)
def test_a_temporary_failure_is_counted_and_shown_only(
    world: World, mails: dict[str, bytes], shape: str
) -> None:
    before = world.log.read_bytes()
    done, counted = read(world, came_back(shape, mails[ADDRESS]))
    assert counted == {"messages": 1, "temporary": 1}
    assert done.stdout.startswith("temporary: learner 1, ExampleX_BEES1x_1T2026: ")
    assert TEMPORARY[shape] in done.stdout
    assert (bounced(world), world.log.read_bytes()) == ([], before)


def test_a_refusal_of_the_sender_makes_no_address_dead(world: World, mails: dict[str, bytes]) -> None:
    before = world.log.read_bytes()
    done, counted = read(world, came_back("postfix_blocked_sender", mails[ADDRESS]))
    assert counted == {"messages": 1, "because of the sender": 1}
    assert "because of the sender: learner 1" in done.stdout
    assert (bounced(world), world.log.read_bytes()) == ([], before)


def test_what_is_no_bounce_is_counted_and_left_alone(world: World, mails: dict[str, bytes]) -> None:
    before = world.log.read_bytes()
    others = [came_back(shape, mails[ADDRESS]) for shape in NO_BOUNCES]
    deep = b"".join(b"Content-Type: multipart/mixed; boundary=%d\n\n--%d\n" % (n, n) for n in range(3000))
    _, counted = read(world, *others, b"", b"\xff\xfe\x00", mails[ADDRESS], b"MIME-Version: 1.0\n" + deep)
    assert counted.pop("messages") == 8
    assert counted.pop("not understood", 0) + counted.pop("no bounces") == 8
    assert counted == {}
    assert (bounced(world), world.log.read_bytes(), world.opt_outs.exists()) == ([], before, False)


@pytest.mark.parametrize("shape", [*PERMANENT, "complaint"])
def test_a_forged_bounce_for_who_was_never_mailed_changes_nothing(
    world: World, mails: dict[str, bytes], shape: str
) -> None:
    before = world.log.read_bytes()
    # Of a mail that was never sent, and of one that was, to somebody else.
    never = mails[ADDRESS].replace(ADDRESS.encode(), b"victim@example.org")
    never = re.sub(rb"Message-ID: <[^>]*>", b"Message-ID: <made-up@example.org>", never)
    forged = [came_back(shape, never, "victim@example.org")]
    if shape != "complaint":
        forged.append(came_back(shape, mails[ADDRESS].replace(ADDRESS.encode(), b""), "victim@example.org"))
    _, counted = read(world, *forged)
    assert counted == {"messages": len(forged), "never mailed": len(forged)}
    assert (bounced(world), world.log.read_bytes(), world.opt_outs.exists()) == ([], before, False)


@pytest.mark.parametrize("shape", ["complaint", "complaint_redacted"])
def test_who_complains_is_unsubscribed(world: World, mails: dict[str, bytes], shape: str) -> None:
    before = world.log.read_bytes()
    message = came_back(shape, mails[ADDRESS])
    done, counted = read(world, message, message)
    assert counted == {"messages": 2, "complaints": 1, "known already": 1}
    assert done.stdout.startswith("complaint: learner 1, ExampleX_BEES1x_1T2026\n")
    with world.opt_outs.open(encoding="utf-8", newline="") as file:
        [row] = csv.DictReader(file)
    assert (row["email"], row["source"]) == (ADDRESS.lower(), "complaint")
    assert (bounced(world), world.log.read_bytes()) == ([], before)
    assert not OptOuts(world.opt_outs).may_take_back(ADDRESS)


def test_a_bounce_without_a_message_id_is_of_the_address_alone(world: World, mails: dict[str, bytes]) -> None:
    mail = mails[ADDRESS].replace(b"Message-ID:", b"X-Nothing:").replace(b"<", b"").replace(b">", b"")
    message = came_back("qmail_local", mail)
    assert read(world, message)[1] == {"messages": 1, "bounced": 1}
    assert [row["email"] for row in bounced(world)] == [ADDRESS.lower()]
    assert outcomes(world)[1] == Event.SENT
    assert read(world, message)[1] == {"messages": 1, "known already": 1}


def test_an_address_in_the_encoding_of_rfc_3461_is_known(world: World, mails: dict[str, bytes]) -> None:
    message = came_back("postfix_unknown_user", mails[ADDRESS])
    encoded = message.replace(
        f"Original-Recipient: rfc822;{ADDRESS}".encode(),
        f"Original-Recipient: rfc822;{ADDRESS.replace('+', '+2B')}".encode(),
    )
    assert encoded != message
    assert read(world, encoded)[1] == {"messages": 1, "bounced": 1}
    assert [row["email"] for row in bounced(world)] == [ADDRESS.lower()]


def test_a_strangers_words_are_no_formula(world: World, mails: dict[str, bytes]) -> None:
    message = came_back("postfix_unknown_user", mails[ADDRESS])
    formula = re.sub(rb"Diagnostic-Code: smtp; 550 (.*)", rb'Diagnostic-Code: smtp; =1+1 "\1', message)
    assert read(world, formula)[1] == {"messages": 1, "bounced": 1}
    assert [row["detail"][:13] for row in bounced(world)] == ['5.1.1 =1+1 "5']


def test_a_report_about_several_says_of_each_its_own(world: World, mails: dict[str, bytes]) -> None:
    two = "learner2@example.org"
    text = came_back("postfix_unknown_user", mails[two], two).decode()
    # An address that ends as the other does, whose mail waits.
    other = (
        f"Final-Recipient: rfc822; x{two}\nAction: delayed\nStatus: 4.2.2\n\n"
        f"Final-Recipient: rfc822; learner3@example.org\nAction: failed\nStatus: 5.2.1\n\n"
    )
    message = text.replace("Final-Recipient:", f"{other}Final-Recipient:", 1).encode()
    assert read(world, message)[1] == {"messages": 1, "bounced": 2, "never mailed": 1}
    assert {row["email"]: row["status"] for row in bounced(world)} == {
        two: "5.1.1",
        "learner3@example.org": "5.2.1",
    }
    # The Message-ID was that of one of them.
    assert outcomes(world) == {1: Event.SENT, 2: Event.BOUNCED, 3: Event.SENT}


def test_who_was_taken_out_of_the_file_is_not_put_back_by_an_old_bounce(
    world: World, mails: dict[str, bytes]
) -> None:
    message = came_back("postfix_unknown_user", mails[ADDRESS])
    read(world, message)
    (world.folder / "data" / "bounced.csv").write_text("email,bounced_at,status,detail\n")
    assert read(world, message)[1] == {"messages": 1, "known already": 1}
    assert bounced(world) == []


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
    assert set(outcomes(world).values()) == {Event.BOUNCED}
    assert len(bounced(world)) == 3


def test_the_log_shows_what_came_back_and_who_has_the_address_is_not_mailed(
    world: World, server: MailServer, mails: dict[str, bytes]
) -> None:
    before = world.log.read_bytes()
    read(world, came_back("postfix_unknown_user", mails[ADDRESS]))
    # Only appended to.
    assert world.log.read_bytes().startswith(before)
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
    assert world.events().count((1, "bounced")) == 1
    assert world.mm("send", "demo", "--confirm", 0).stdout == "There is nothing to send.\n"


def test_a_sender_that_runs_leaves_out_who_bounced_meanwhile(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = world.folder / "data" / "bounced.csv"
    monkeypatch.setenv("MM_DATA_DIR", str(path.parent))
    not_mailed = WhoIsNotMailed("demo")
    assert not_mailed.reason(1, "learner_1", ADDRESS) is None
    path.write_text(f"email,bounced_at,status,detail\n{ADDRESS},2026-06-15,5.1.1,\n")
    not_mailed.refresh()
    assert not_mailed.reason(1, "learner_1", ADDRESS.upper()) == "address bounced since the build"
    path.unlink()
    not_mailed.refresh()
    assert not_mailed.reason(1, "learner_1", ADDRESS) == "address bounced since the build"


def test_nothing_can_come_back_where_nothing_was_sent(world: World, mails: dict[str, bytes]) -> None:
    done = world.mm("bounces", "buslead", world.folder)
    assert (done.returncode, done.stdout) == (1, "")
    assert "nothing was sent, so nothing can have come back" in done.stderr
    assert not (world.folder / "database" / "buslead.send_log.csv").exists()
    done = world.mm("bounces", "demo", world.folder / "nowhere")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"mm: {world.folder / 'nowhere'} cannot be used: No such file or directory.\n"
    (world.folder / "data" / "bounced.csv").write_text("email;status\n")
    folder = world.folder / "came back"
    folder.mkdir()
    (folder / "1.eml").write_bytes(came_back("qmail_local", mails[ADDRESS]))
    before = world.log.read_bytes()
    done = world.mm("bounces", "demo", folder)
    assert done.returncode == 1
    assert (
        "bounced.csv, line 1: its header has no column email, as it is separated by semicolons" in done.stderr
    )
    assert world.log.read_bytes() == before
    # Nor is anybody mailed.
    assert world.mm("send", "demo").returncode == 1
