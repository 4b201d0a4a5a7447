"""Whom a mail server's refusal is about, in the words of the servers that people use."""

import pytest

from mm.mail.refusals import About, about, without_particulars
from mm.mail.replies import server_id_in

SENDER = [
    "530 5.7.0 Authentication Required. See https://mail.example.org/?p=WantAuthError d94-20 - gsmtp",
    "530 5.7.0 Must issue a STARTTLS command first",
    "535 5.7.8 Username and Password not accepted",
    "550 5.4.5 Daily user sending limit exceeded",
    "550 Daily message quota exceeded",
    "554 Message rejected: Email address is not verified. The following identities failed the check",
    "550 5.7.1 <address> Relaying denied",
    "550 relay not permitted",
    "553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)",
    "553 5.7.1 <address> Sender address rejected: not owned by user",
    "553 5.1.8 Domain does not exist",
    "553 5.1.8 <address> Domain of sender address <address> does not exist",
    "550 5.1.0 <address> Sender address rejected: User unknown in local recipient table",
    "550 5.2.0 <address> From: Domain is invalid",
    "550 5.7.60 SMTP; Client does not have permissions to do so",
    "550 5.7.26 This mail has been blocked",
    "550 5.7.606 Access denied, banned sending IP [192.0.2.10]",
    "550 5.7.708 Access denied, traffic not accepted from this IP",
    "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using list.example.org",
    "553 5.7.2 [TSS09] All messages from 192.0.2.10 will be permanently deferred; Retrying will NOT succeed.",
    "554 5.7.9 Message not accepted for policy reasons",
    "554 5.7.1 <address> Recipient address rejected: policy",
    "554 5.7.0 Reject, id=20025-09 - SPAM",
    "550 Denied by policy",
    "550 5.7.1 Message content rejected",
    "550 Virus Detected; Content Rejected",
    "552 5.3.4 Message size exceeds fixed limit",
    "552 5.2.3 Message length exceeds limit set by recipient",
    "552 Too many recipients",
    # the code of an unknown user, and words that speak of something else
    "550 5.1.1 <address> - 192.0.2.10 has sent to too many recipients this hour",
    "553 5.1.3 http://www.spamhaus.example/query/bl?ip=192.0.2.10",
]
DEAD = [
    "550 5.1.1 <address> The account that you tried to reach does not exist. Authenticate first",
    "550 5.1.1 Requested action not taken: mailbox unavailable",
    "550 5.1.10 RESOLVER.ADR.RecipientNotFound",
    "553 5.1.2 We weren't able to find the recipient domain",
    "550 5.1.6 recipient no longer on server: <address>",
    "550 5.2.1 The email account that you tried to reach is disabled",
    "550 sorry, no mailbox here by that name (#5.1.1)",
    "550 No such user here",
    "550 <address> unknown",
    "550 Unknown user <address>",
    "550 5.0.0 <address> User unknown",
    "550 5.2.0 Unknown user <address>",
    "550 5.5.0 Adresse destinataire invalide. Invalid recipient. LPN007_416",
    "553 5.3.0 <address> No such user here",
    "550 5.4.310 DNS domain gone.example.org does not exist",
    "550 5.4.4 Host or domain name not found. Name service error for name=gone.example.org",
    "554 delivery error: dd This user doesn't have a mail.example.org account <address> [0]",
    "554 Sorry your message to <address> cannot be delivered. This account has been disabled or discontinued",
    "550 5.1.351 Remote server returned unknown recipient or mailbox unavailable -> 550 : User unknown",
    "550 Unrouteable address",
    "550 The recipient name is not recognized",
]
FULL = [
    "552 5.2.2 The mailbox's daily quota limit is reached",
    "550 5.2.2 <address> Mailbox Full",
    "552-5.2.2 The recipient's inbox is out of storage space and inactive",
    "552 sorry, mailbox <address> is over quota temporarily (#5.1.1)",
    "552 Error: disk quota exceeded",
    "550 User's mailbox is full",
]
RECIPIENT = [
    "550 5.4.1 <address> Recipient address rejected: Access denied",
    "550 5.7.124 Sender not in the group's allowed-senders list",
    "550 5.7.1 <address> Recipient address rejected: User unknown",
    "550 Requested action not taken: mailbox unavailable",
    "550 5.5.0 Requested action not taken: mailbox unavailable",
    "550 Mailbox is frozen",
    "550 5.2.1 The user you are trying to contact is receiving mail at a rate that prevents more",
    "550 5.2.1 Mailbox temporarily disabled",
    "550 5.1.351 Remote server returned unknown recipient or mailbox unavailable -> 550 mailbox busy",
]
OPEN = [
    "550 No",
    "554 5.0.0 Transaction failed",
    "550 5.1.0 Address rejected.",
    "553 5.3.5 system config error",
    # the address of a machine is no code
    "550 rejected by 5.1.1.1",
]


@pytest.mark.parametrize(
    ("answer", "whom"),
    [
        *((answer, About.SENDER) for answer in SENDER),
        *((answer, About.DEAD) for answer in DEAD),
        *((answer, About.FULL) for answer in FULL),
        *((answer, About.RECIPIENT) for answer in RECIPIENT),
        *((answer, About.OPEN) for answer in OPEN),
    ],
)
def test_codes_then_words_tell_what_a_refusal_is_about(answer: str, whom: About) -> None:
    assert about(answer) is whom


@pytest.mark.parametrize("status", ["5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"])
def test_a_code_alone_makes_an_address_dead(status: str) -> None:
    assert about("", status) is About.DEAD
    assert about(f"550 {status} <address>") is About.DEAD
    # The server's own code is nearer to what happened than that of who reports it.
    assert about("550 5.7.1 Refused", status) is not About.DEAD
    assert about("550 5.7.26 User unknown", status) is About.SENDER


@pytest.mark.parametrize("status", ["5.7.606", "5.7.509", "5.3.4", "5.6.0", "5.1.8"])
def test_a_code_of_the_sender_makes_none_dead_whatever_the_words(status: str) -> None:
    assert about(f"550 {status} User unknown") is About.SENDER
    assert about("550 User unknown", status) is About.SENDER


@pytest.mark.parametrize(
    ("reply", "server_id"),
    [
        (
            "250 Ok 0108019a0000-1111-2222-3333-444455556666-000000",
            "0108019a0000-1111-2222-3333-444455556666-000000",
        ),
        ("250 Ok: queued as gO3QwKdEQDmFMiM7VBwEhA", "gO3QwKdEQDmFMiM7VBwEhA"),
        ("250 OK id=1bDxyz-0001Ab-CD", "1bDxyz-0001Ab-CD"),
        ("250 2.0.0 Ok: queued as 4SZxkq3Wz1z", None),
        ("250 2.0.0 Ok, and thank you for your mail", None),
        ("250 OK", None),
    ],
)
def test_the_servers_own_id_is_kept(reply: str, server_id: str | None) -> None:
    assert server_id_in(reply) == server_id


def test_answers_are_the_same_whatever_ids_and_hosts_they_name() -> None:
    same = {
        without_particulars(answer)
        for answer in (
            "550 5.7.1 <address>: Refused by mx1.example.org, id 4SZxkq3Wz1z [192.0.2.1]. See https://a.example/b",
            "550 5.7.1 <address>: refused by mx2.example.org, id 4SZxkq9Qw7z [192.0.2.7]. See https://a.example/c",
        )
    }
    assert len(same) == 1
    assert (
        len({without_particulars(answer) for answer in ("550 5.7.1 No", "550 5.7.2 No", "554 5.7.1 No")}) == 3
    )
    assert without_particulars("550 Daily limit") != without_particulars("550 Hourly limit")
