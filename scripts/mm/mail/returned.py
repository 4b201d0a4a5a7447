"""What a mail that came back says: of which address, why, and whether it is a complaint."""

import logging
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_string
from email.message import Message
from email.utils import getaddresses, parseaddr, parsedate_to_datetime
from enum import Enum
from html import unescape

from flufl.bounce import all_failures

from mm.mail import refusals
from mm.mail.refusals import About
from mm.mail.replies import without_recipient
from mm.people.addresses import normalized

_ADDRESS = re.compile(r"[\w.+%'&/=~^-]+@[\w-]+(?:\.[\w-]+)+")
_REPLY_CODE = re.compile(r"(?<![\w.])([45])\d\d(?=[ -])")
# From whom mails come back, empty included; people, who may quote such a mail, have other addresses.
_PROGRAMS = re.compile(r"(?:mailer-?daemon|post-?master|mail-?daemon|mdaemon)?", re.IGNORECASE)
_NAMES_OF_PROGRAMS = re.compile(r"mail delivery|mailer.daemon|microsoftexchange", re.IGNORECASE)
_TEMPORARY = re.compile(
    r"temporary failure|will (?:be retried|continue)|has been delayed|warning message only"
    r"|not yet been delivered|no action is required",
    re.IGNORECASE,
)
# What mail programs suppose where a server has not said why.
_GUESS = re.compile(r"\b(?:may (?!\d)|might\b|could be\b|possibly\b)", re.IGNORECASE)
# Where a free text ends and the mail that came back begins.
_RETURNED_HEADERS = re.compile(r"^\s*(?:received|return-path|message-id):", re.IGNORECASE | re.MULTILINE)
_RETURNED_MAIL = re.compile(
    r"^\s*(?:-{3,}|(?:received|return-path|message-id):)", re.IGNORECASE | re.MULTILINE
)
_NOT_FAILED = re.compile(r"\s*(?:deliver|relayed|expanded)", re.IGNORECASE)
# Reports by programs, not by a person who was mailed: RFC 6591, RFC 5965.
_NO_COMPLAINTS = {"auth-failure", "not-spam", "virus"}
_RECIPIENTS_IN_REPORTS = ("Original-Rcpt-To", "Removal-Recipient")
_RECIPIENT_OF_OUTLOOK = "X-HmXmrOriginalRecipient"
_LONGEST_DETAIL = 200
# It would log what it stumbles over.
logging.getLogger("flufl.bounce").disabled = True


class Kind(Enum):
    """What a failure says of its address."""

    DEAD = "bounced"
    TEMPORARY = "temporary"
    SENDER = "because of the sender"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class Failure:
    """An address that a mail could not be delivered to, in lower case, and why.

    status: as RFC 3463 has it; 5.0.0 or 4.0.0 where the mail does not tell. detail holds no address.
    """

    email: str
    kind: Kind
    status: str
    detail: str


def failures(message: Message) -> list[Failure]:
    """Return whom a message says that a mail could not be delivered to; none where it is no such message."""
    if not is_by_a_program(message):
        return []
    temporary, permanent = all_failures(message)
    return [
        _failure(message, normalized(address.decode("ascii", "replace")), said_permanent=address in permanent)
        for address in sorted(temporary | permanent)
    ]


def is_by_a_server(message: Message) -> bool:
    """Tell whether a mail server wrote a message to say that something came back."""
    kinds = {part.get_content_type() for part in message.walk()}
    if "message/disposition-notification" in kinds or "message/feedback-report" in kinds:
        return False
    actions = [action for fields in _status_reports(message) if (action := fields.get("Action"))]
    if actions and all(_NOT_FAILED.match(str(action)) for action in actions):
        return False
    sender = str(message.get("From", ""))
    return (
        "message/delivery-status" in kinds
        or "X-Failed-Recipients" in message
        or bool("From" in message and _PROGRAMS.fullmatch(_user(sender)))
        or bool(_NAMES_OF_PROGRAMS.search(sender))
    )


def complained_of(message: Message) -> list[str] | None:
    """Return the addresses, in lower case, that a complaint names, often none; None: it is no complaint.

    These are whom a report names, or Outlook.com in the mail inside, and whom that was to.
    """
    named: list[str] = []
    is_complaint = False
    for part in message.walk():
        if part.get_content_type() == "message/feedback-report" and part.is_multipart():
            report = part.get_payload(0)
            if str(report.get("Feedback-Type", "")).strip().lower() in _NO_COMPLAINTS:
                return None
            is_complaint = True
            named += [str(text) for name in _RECIPIENTS_IN_REPORTS for text in report.get_all(name, [])]
        if _RECIPIENT_OF_OUTLOOK in part:
            is_complaint = True
            named += map(str, part.get_all(_RECIPIENT_OF_OUTLOOK, []))
    if not is_complaint:
        return None
    named += [str(mail["To"]) for mail in mails_inside(message) if mail["To"]]
    return sorted({normalized(address) for _, address in getaddresses(named) if "@" in address})


def is_by_a_program(message: Message) -> bool:
    """Tell whether a program wrote a message, not a person who may quote one."""
    return (
        message.get_content_type() == "multipart/report"
        or "X-Failed-Recipients" in message
        or str(message.get("Return-Path", "")).strip() == "<>"
        or str(message.get("Auto-Submitted", "")).strip().lower().startswith("auto-")
        or bool(_PROGRAMS.fullmatch(_user(str(message.get("From", "")))))
    )


def _user(sender: str) -> str:
    return parseaddr(sender)[1].partition("@")[0]


def failures_of(emails: list[str], message: Message) -> list[Failure]:
    """Return a failure of each of these addresses, by the message as a whole."""
    return [_failure(message, email, said_permanent=True) for email in emails]


def _failure(message: Message, email: str, *, said_permanent: bool) -> Failure:
    report = next(
        (
            fields
            for fields in _status_reports(message)
            if _mention_of(email).search(
                f"{fields.get('Original-Recipient', '')} {fields.get('Final-Recipient', '')}"
            )
        ),
        None,
    )
    is_temporary = not said_permanent
    status = str(report.get("Status", "")) if report is not None else ""
    # Before the words of a report stands whose they are, such as smtp.
    text = re.sub(r"^\s*[\w-]+;", "", str(report.get("Diagnostic-Code", ""))) if report is not None else ""
    if not text.strip() and (refusals.code_in(status) or "0.0.0").endswith(".0.0"):
        text = free_text(message, email)
        is_temporary |= report is None and bool(_TEMPORARY.search(text))
    code = _status(f"{text} {status}")
    answer = _answer(text)
    kind = _kind(answer, code or "", is_temporary=is_temporary)
    code = code or ("4.0.0" if kind is Kind.TEMPORARY else "5.0.0")
    # A code comes first, so that no spreadsheet takes a stranger's words for a formula.
    has_code = code in answer and answer.startswith(("4", "5"))
    detail = without_recipient(email, answer if has_code else f"{code} {answer}")
    return Failure(email, kind, code, detail[:_LONGEST_DETAIL].strip())


def _kind(answer: str, code: str, *, is_temporary: bool) -> Kind:
    about = refusals.about(answer, code)
    if about is About.DEAD and not is_temporary:
        return Kind.DEAD if code or not _GUESS.search(answer) else Kind.UNCLEAR
    # A mail that was given up after days came back for good, and its address may be right.
    if is_temporary or about is About.FULL or code.startswith("4"):
        return Kind.TEMPORARY
    return Kind.SENDER if about is About.SENDER else Kind.UNCLEAR


def _status_reports(message: Message) -> Iterator[Message]:
    """Go through what delivery status notifications say, of each address and of the mail."""
    for part in message.walk():
        if part.get_content_type() == "message/delivery-status" and part.is_multipart():
            yield from part.get_payload()


def free_text(message: Message, email: str) -> str:
    """Return what a message says of an address in words, less the mail that came back."""
    """Return what a message says in words behind an address, up to the mail that came back."""
    words = words_of(message)
    after = _mention_of(email).split(words, maxsplit=1)[-1]
    said = _RETURNED_MAIL.split(after, maxsplit=1)[0]
    if _status(said):
        return said
    # Without a code, what counts stands where the address is named last, or before that.
    last = _mention_of(email).split(said)[-1]
    whole = without_returned_mail(words)
    is_open = refusals.about(_answer(last)) is About.OPEN
    is_of_this = {normalized(each) for each in _ADDRESS.findall(whole)} <= {email}
    return whole if is_open and is_of_this else last


def words_of(message: Message) -> str:
    """Return the words of a message that are not of the mail that came back."""
    """Return what a message says to people, without the mails inside."""
    parts = list(_outside(message))
    # Where the parts cannot be told apart, all of it is words.
    texts = [
        _payload(part)
        for part in parts
        if part.get_content_type() == "text/plain"
        or (part.get_content_maintype() == "multipart" and not part.is_multipart())
    ]
    pages = [_payload(part) for part in parts if part.get_content_type() == "text/html"]
    return "\n".join(texts or [unescape(re.sub(r"<[^>@]*>", " ", page)) for page in pages])


def without_returned_mail(words: str) -> str:
    """Return the words before the headers of the mail that came back."""
    return _RETURNED_HEADERS.split(words, maxsplit=1)[0]


def _outside(message: Message) -> Iterator[Message]:
    yield message
    if message.is_multipart() and message.get_content_maintype() == "multipart":
        for part in message.get_payload():
            yield from _outside(part)


def mails_inside(message: Message) -> Iterator[Message]:
    """Go through the mails that a message holds."""
    for part in message.walk():
        if part.get_content_type() == "message/rfc822" and part.is_multipart():
            yield part.get_payload(0)
        elif part.get_content_type().startswith("text/rfc822-header"):
            yield message_from_string(_payload(part))


def _mention_of(email: str) -> re.Pattern[str]:
    # Not of an address that only ends or begins so.
    return re.compile(rf"(?<![\w.+-]){re.escape(email)}(?![\w-]|\.\w)", re.IGNORECASE)


def _status(text: str) -> str | None:
    reply = _REPLY_CODE.search(text)
    return refusals.code_in(text) or (f"{reply[1]}.0.0" if reply else None)


def _answer(text: str) -> str:
    # From the server's reply on, where there is one.
    reply = _REPLY_CODE.search(text)
    words = " ".join(text[reply.start() if reply else 0 :].split()).lstrip(">: ")
    return re.sub(r"\S+@\S+", "<address>", words)


def text_of(message: Message) -> str:
    """Return all that may hold the Message-ID of a mail of ours: headers and texts of all parts."""
    parts = list(message.walk())
    headers = (f"{value}" for part in parts for value in part.values())
    return "\n".join([*headers, *(_payload(part) for part in parts if not part.is_multipart())])


def _payload(part: Message) -> str:
    payload = part.get_payload(decode=True)
    return payload.decode(errors="replace") if isinstance(payload, bytes) else ""


def date_of(message: Message) -> datetime | None:
    """Return when a message was written or received, now at the latest; None: it does not say."""
    for text in (str(message.get("Date", "")), str(message.get("Received", "")).rpartition(";")[2]):
        with suppress(ValueError):
            date = parsedate_to_datetime(text.strip())
            return min(datetime.now(UTC), date if date.tzinfo else date.replace(tzinfo=UTC))
    return None
