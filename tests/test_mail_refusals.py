"""Whom a mail server's refusal is about, in the words of the servers that people use."""

import pytest

from mm.refusals import About, about, without_particulars

OF_SENDER = [
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
    "550 5.7.60 SMTP; Client does not have permissions to do so",
    "550 5.7.26 This mail has been blocked",
    "550 5.7.708 Access denied, traffic not accepted from this IP",
    "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using list.example.org",
]
OF_RECIPIENT = [
    "550 5.1.1 <address> The account that you tried to reach does not exist. Authenticate first",
    "550 5.1.10 RESOLVER.ADR.RecipientNotFound",
    "552 5.2.2 The mailbox's daily quota limit is reached",
    "550 5.2.1 Disabled",
    "550 5.4.1 Recipient address rejected: Access denied",
    "550 5.7.124 Sender not in the group's allowed-senders list",
    "554 5.7.1 <address> Recipient address rejected: policy",
    "550 sorry, no mailbox here by that name (#5.1.1)",
    "550 No such user here",
    "550 <address> unknown",
]
OPEN = [
    "550 No",
    "554 5.0.0 Transaction failed",
    "550 5.7.1 Message content rejected",
    "552 5.3.4 Message size exceeds fixed limit",
    # the address of a machine is no code
    "550 rejected by 5.1.1.1",
]


@pytest.mark.parametrize(
    ("answer", "whom"),
    [
        *((answer, About.SENDER) for answer in OF_SENDER),
        *((answer, About.RECIPIENT) for answer in OF_RECIPIENT),
        *((answer, About.OPEN) for answer in OPEN),
    ],
)
def test_codes_then_words_tell_whom_a_refusal_is_about(answer: str, whom: About) -> None:
    assert about(answer) is whom


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
