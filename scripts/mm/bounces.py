"""Read mails that came back: which address is dead, who complained, and which mail of the send log that was.

What came back is written by strangers. Nothing is changed for an address that the program has not mailed.
"""

import logging
import mailbox
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import Message
from email.utils import parseaddr, parsedate_to_datetime
from pathlib import Path

from flufl.bounce import all_failures

from mm import refusals
from mm.addresses import normalized
from mm.optouts import OptOuts, note_bounced, opt_out
from mm.refusals import About
from mm.send_log import Attempt, Event, Intent, SendLog
from mm.sender import without_recipient

_MESSAGE_ID = re.compile(r"<[^<>\s@]{1,250}@[^<>\s@]{1,250}>")
_ENHANCED_CODE = re.compile(r"(?<![\w.])[45]\.\d{1,3}\.\d{1,3}(?![\w.]*\d)")
_REPLY_CODE = re.compile(r"(?<![\w.])([45])\d\d(?=[ -])")
# From whom mails come back, empty included; people, who may quote such a mail, have other addresses.
_PROGRAMS = re.compile(r"(?:mailer-?daemon|post-?master|mail-?daemon|mdaemon)?", re.IGNORECASE)
_TEMPORARY = re.compile(
    r"temporary failure|will (?:be retried|continue)|has been delayed|warning message only"
    r"|not yet been delivered|no action is required",
    re.IGNORECASE,
)
# Where a free text ends and the mail that came back begins.
_RETURNED_MAIL = re.compile(
    r"^\s*(?:-{3,}|(?:received|return-path|message-id):)", re.IGNORECASE | re.MULTILINE
)
# Reports by programs, not by a person who was mailed: RFC 6591, RFC 5965.
_NO_COMPLAINTS = {"auth-failure", "not-spam", "virus"}
_LONGEST_DETAIL = 200
_MBOX = b"From "
# It would log what it stumbles over.
logging.getLogger("flufl.bounce").disabled = True


@dataclass(frozen=True, slots=True)
class Failure:
    """An address that a mail could not be delivered to, in lower case, and why.

    status: as RFC 3463 has it; 5.0.0 where the mail does not tell. detail holds no address.
    """

    email: str
    is_permanent: bool
    status: str
    detail: str


@dataclass(slots=True)
class Tally:
    """What the messages were, one count each, and a line for each to show."""

    messages: int = 0
    bounced: int = 0
    complaints: int = 0
    known_already: int = 0
    temporary: int = 0
    because_of_the_sender: int = 0
    never_mailed: int = 0
    no_bounces: int = 0
    not_understood: int = 0
    lines: list[str] = field(default_factory=list)


def messages_in(path: Path) -> Iterator[bytes]:
    """Go through the messages of an mbox, a Maildir, a file with one message, or a folder of all these.

    OSError where something cannot be read.
    """
    if path.is_dir() and not (path / "cur").is_dir():
        for each in sorted(path.iterdir()):
            if not each.name.startswith("."):
                yield from messages_in(each)
        return
    if path.is_dir():
        box: mailbox.Mailbox[Message] = mailbox.Maildir(path, create=False)
    else:
        with path.open("rb") as file:
            if file.read(len(_MBOX)) != _MBOX:
                file.seek(0)
                yield file.read()
                return
        box = mailbox.mbox(path, create=False)
    for key in sorted(box.keys()):
        yield box.get_bytes(key)


def take_in(messages: Iterable[bytes], log: SendLog) -> Tally:
    """Write down what came back: in bounced.csv, in unsubscribed.csv, and in the open send log.

    ReaderError where a file cannot be understood, read or written; what was read until then stands, and
    reading the same again goes on from there.
    """
    tally = Tally()
    mailed = _Mailed(log)
    for content in messages:
        tally.messages += 1
        try:
            message = message_from_bytes(content)
            ids = set(_MESSAGE_ID.findall(_text(message)))
            complained, failed, when = complained_of(message), failures(message), _date(message)
        except Exception:  # noqa: BLE001 - strangers' mails can break a parser in any way
            tally.not_understood += 1
            continue
        if complained is not None:
            _take_in_complaint(complained, ids, mailed, tally)
        for failure in failed:
            _take_in_failure(failure, ids, when, mailed, tally)
        tally.no_bounces += complained is None and not failed
    return tally


def failures(message: Message) -> list[Failure]:
    """Return whom a message says that a mail could not be delivered to; none where it is no such message."""
    if not _is_by_a_program(message):
        return []
    temporary, permanent = all_failures(message)
    return [
        _failure(message, normalized(address.decode("ascii", "replace")), said_permanent=address in permanent)
        for address in sorted(temporary | permanent)
    ]


def complained_of(message: Message) -> list[str] | None:
    """Return the addresses, in lower case, that a complaint names, often none; None: it is no complaint."""
    if message.get_content_type() != "multipart/report":
        return None
    for part in message.walk():
        if part.get_content_type() == "message/feedback-report" and part.is_multipart():
            report = part.get_payload(0)
            if str(report.get("Feedback-Type", "")).strip().lower() in _NO_COMPLAINTS:
                return None
            named = report.get_all("Original-Rcpt-To", [])
            return [normalized(parseaddr(str(text))[1]) for text in named]
    return None


class _Mailed:
    """What the open send log says was handed over, by address and by Message-ID."""

    def __init__(self, log: SendLog) -> None:
        self.log = log
        self.by_address: dict[str, list[Attempt]] = {}
        self.by_id: dict[str, list[Attempt]] = {}
        for attempt in log.history:
            if attempt.email and attempt.outcome in {Event.SENT, Event.UNKNOWN, Event.BOUNCED}:
                self.by_address.setdefault(normalized(attempt.email), []).append(attempt)
                self.by_id.setdefault(attempt.message_id, []).append(attempt)


def _take_in_complaint(named: list[str], ids: set[str], mailed: _Mailed, tally: Tally) -> None:
    # Many reports name nobody, for privacy, but hold the mail.
    attempts = [attempt for email in named for attempt in mailed.by_address.get(email, [])]
    attempts += [attempt for each in sorted(ids) for attempt in mailed.by_id.get(each, [])]
    if not attempts:
        tally.never_mailed += 1
    for email, attempt in {normalized(attempt.email): attempt for attempt in attempts}.items():
        if email in OptOuts():
            tally.known_already += 1
            continue
        opt_out(email, "complaint")
        tally.complaints += 1
        tally.lines.append(f"complaint: {_who(attempt)}")


def _take_in_failure(failure: Failure, ids: set[str], when: str, mailed: _Mailed, tally: Tally) -> None:
    # An address may come back in the encoding of RFC 3461, + as +2B.
    decoded = re.sub(r"\+([0-9a-f]{2})", lambda code: chr(int(code[1], 16)), failure.email)
    attempts = mailed.by_address.get(failure.email) or mailed.by_address.get(decoded)
    if not attempts:
        tally.never_mailed += 1
        return
    # A code comes first, so that no spreadsheet takes a stranger's words for a formula.
    has_code = failure.status in failure.detail and failure.detail.startswith(("4", "5"))
    said = failure.detail if has_code else f"{failure.status} {failure.detail}".strip()
    line = f"{_who(attempts[-1])}: {said}"
    if not failure.is_permanent:
        tally.temporary += 1
        tally.lines.append(f"temporary: {line}")
        return
    if refusals.about(said) is About.SENDER:
        tally.because_of_the_sender += 1
        tally.lines.append(f"because of the sender: {line}")
        return
    of_this = [attempt for attempt in attempts if attempt.message_id in ids]
    anew = [attempt for attempt in of_this if attempt.outcome is not Event.BOUNCED]
    # Where all of it was read before, a person may have taken the address out of the file since.
    is_read = bool(of_this) and not anew
    if is_read or not (note_bounced(attempts[-1].email, when, failure.status, said) or anew):
        tally.known_already += 1
        return
    for each in anew:
        intent = Intent(each.key, each.attempt, each.message_id, each.email)
        mailed.log.conclude(intent, Event.BOUNCED, said)
    tally.bounced += 1
    tally.lines.append(f"bounced: {line}")


def _who(attempt: Attempt) -> str:
    return f"learner {attempt.key.student_id}, {attempt.key.trigger_course_instance}"


def _is_by_a_program(message: Message) -> bool:
    user = parseaddr(str(message.get("From", "")))[1].partition("@")[0]
    return (
        message.get_content_type() == "multipart/report"
        or "X-Failed-Recipients" in message
        or str(message.get("Return-Path", "")).strip() == "<>"
        or str(message.get("Auto-Submitted", "")).strip().lower().startswith("auto-")
        or bool(_PROGRAMS.fullmatch(user))
    )


def _failure(message: Message, email: str, *, said_permanent: bool) -> Failure:
    report = _status_report(message, email)
    if report is None:
        text = _free_text(message, email)
        status = _status(text)
        is_temporary = bool(_TEMPORARY.search(text))
    else:
        # Before the words stands whose they are, such as smtp.
        text = re.sub(r"^\s*[\w-]+;", "", str(report.get("Diagnostic-Code", "")))
        status = _status(f"{report.get('Status', '')} {text}")
        is_temporary = False
    # A mail that was given up after days came back for good, and its address may be right.
    is_permanent = said_permanent and not is_temporary and not (status or "").startswith("4")
    return Failure(
        email, is_permanent, status or ("5.0.0" if is_permanent else "4.0.0"), _detail(email, text)
    )


def _status_report(message: Message, email: str) -> Message | None:
    """Return what a delivery status notification says of one address; None where it says nothing."""
    for part in message.walk():
        if part.get_content_type() == "message/delivery-status" and part.is_multipart():
            for fields in part.get_payload():
                names = f"{fields.get('Original-Recipient', '')} {fields.get('Final-Recipient', '')}"
                if _mention_of(email).search(names):
                    return fields
    return None


def _free_text(message: Message, email: str) -> str:
    """Return what a message says in words behind an address, up to the mail that came back."""
    texts = (_payload(part) for part in message.walk() if part.get_content_type() == "text/plain")
    after = _mention_of(email).split(next(texts, ""), maxsplit=1)[-1]
    said = _RETURNED_MAIL.split(after, maxsplit=1)[0]
    # Without a code, what counts stands where the address is named last.
    return said if _status(said) else _mention_of(email).split(said)[-1]


def _mention_of(email: str) -> re.Pattern[str]:
    # Not of an address that only ends or begins so.
    return re.compile(rf"(?<![\w.+-]){re.escape(email)}(?![\w-]|\.\w)", re.IGNORECASE)


def _status(text: str) -> str | None:
    if code := _ENHANCED_CODE.search(text):
        return code[0]
    reply = _REPLY_CODE.search(text)
    return f"{reply[1]}.0.0" if reply else None


def _detail(email: str, text: str) -> str:
    # From the server's reply on, where there is one.
    reply = _REPLY_CODE.search(text)
    words = " ".join(text[reply.start() if reply else 0 :].split()).lstrip(">: ")
    hidden = without_recipient(email, re.sub(r"\S+@\S+", "<address>", words))
    return hidden[:_LONGEST_DETAIL].strip()


def _text(message: Message) -> str:
    """Return all that may hold the Message-ID of a mail of ours: headers and texts of all parts."""
    parts = list(message.walk())
    headers = (f"{value}" for part in parts for value in part.values())
    return "\n".join([*headers, *(_payload(part) for part in parts if not part.is_multipart())])


def _payload(part: Message) -> str:
    payload = part.get_payload(decode=True)
    return payload.decode(errors="replace") if isinstance(payload, bytes) else ""


def _date(message: Message) -> str:
    now = datetime.now(UTC)
    try:
        date = parsedate_to_datetime(str(message.get("Date", "")))
        when = min(now, date if date.tzinfo else date.replace(tzinfo=UTC))
    except ValueError:
        when = now
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
