"""Read mails that came back: which address is dead, who complained, and which mail of ours that was.

What came back is written by strangers. Nothing is changed for an address that no program has mailed.
"""

import logging
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, message_from_string
from email.message import Message
from email.utils import getaddresses, parseaddr, parsedate_to_datetime
from enum import Enum
from html import unescape

from flufl.bounce import all_failures

from mm import refusals
from mm.addresses import normalized
from mm.ledger import OPTED_OUT, Ledger, Statement, utc_time
from mm.mail_files import Mail
from mm.refusals import About
from mm.send_log import Attempt, Event, Intent
from mm.sender import server_id_in, without_recipient

# How old a bounce may be that is known by its address alone.
OLDEST = timedelta(weeks=6)
# How far the clocks of two mail servers may be apart.
_CLOCKS = timedelta(hours=1)
_MESSAGE_ID = re.compile(r"<([^<>\s@]{1,250})@[^<>\s@]{1,250}>")
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


@dataclass(slots=True)
class Tally:
    """What the messages were, one count each, and a line for each to show.

    of_other_mails: bounces of mails that are not ours, or too old to tell. no_address_found: a mail server
    says that something came back, and not what.
    """

    messages: int = 0
    bounced: int = 0
    complaints: int = 0
    known_already: int = 0
    temporary: int = 0
    because_of_the_sender: int = 0
    unclear: int = 0
    never_mailed: int = 0
    of_other_mails: int = 0
    no_address_found: int = 0
    no_bounces: int = 0
    not_understood: int = 0
    lines: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Read:
    """What a mail says. ids: Message-IDs, and what stands before their @; when: None, it has no date."""

    where: str
    ids: set[str]
    own_id: str
    when: datetime | None
    complained: list[str] | None
    failures: list[Failure]
    is_by_a_server: bool


def take_in(mails: Iterable[Mail], ledger: Ledger) -> Tally:
    """Write down in the ledger what came back.

    ReaderError where it cannot be read or written; what was read until then stands, and reading the same
    again goes on from there.
    """
    tally = Tally()
    mailed = _Mailed(ledger)
    for mail in mails:
        tally.messages += 1
        read = _read(mail, mailed, tally)
        if read is None:
            continue
        if read.complained is not None:
            _take_in_complaint(read.complained, read, mailed, tally)
        for failure in read.failures:
            _take_in_failure(failure, read, mailed, tally)
        if read.complained is None and not read.failures:
            tally.no_address_found += read.is_by_a_server
            tally.no_bounces += not read.is_by_a_server
            if read.is_by_a_server:
                tally.lines.append(f"no address found: {mail.where}")
    return tally


class _Mailed:
    """What the ledger says was handed over, by address and by the ids of the mails."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.by_address: dict[str, list[Attempt]] = {}
        self.by_id: dict[str, list[Attempt]] = {}
        for attempt in ledger.history():
            if attempt.email and attempt.outcome in {Event.SENT, Event.UNKNOWN, Event.BOUNCED}:
                self.by_address.setdefault(normalized(attempt.email), []).append(attempt)
                for each in filter(None, (attempt.message_id, _server_id(attempt))):
                    self.by_id.setdefault(each, []).append(attempt)

    def with_ids(self, ids: set[str]) -> list[Attempt]:
        """Return the mails that have one of these ids."""
        return [attempt for each in sorted(ids) for attempt in self.by_id.get(each, [])]

    def to(self, email: str) -> list[Attempt]:
        """Return the mails to an address, which may come back in the encoding of RFC 3461, + as +2B."""
        decoded = re.sub(r"\+([0-9a-f]{2})", lambda code: chr(int(code[1], 16)), email)
        return self.by_address.get(email) or self.by_address.get(decoded) or []


def _read(mail: Mail, mailed: _Mailed, tally: Tally) -> _Read | None:
    problem = mail.problem
    try:
        message = message_from_bytes(mail.content)
        if problem is None and not message.keys():
            problem = "it is no mail"
        if problem is None:
            ids = {id_ for found in _MESSAGE_ID.finditer(_text(message)) for id_ in (found[0], found[1])}
            failed = failures(message) or _failures_of(_named(message, ids, mailed), message)
            return _Read(
                mail.where,
                ids,
                str(message.get("Message-ID", "")).strip(),
                _date(message),
                complained_of(message),
                failed,
                is_by_a_server(message),
            )
    except Exception:  # noqa: BLE001 - strangers' mails can break a parser in any way
        problem = "it is no mail that can be read"
    tally.not_understood += 1
    tally.lines.append(f"not understood: {mail.where}: {problem}")
    return None


# -- what a mail says


def failures(message: Message) -> list[Failure]:
    """Return whom a message says that a mail could not be delivered to; none where it is no such message."""
    if not _is_by_a_program(message):
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
    named += [str(mail["To"]) for mail in _mails_inside(message) if mail["To"]]
    return sorted({normalized(address) for _, address in getaddresses(named) if "@" in address})


def _is_by_a_program(message: Message) -> bool:
    return (
        message.get_content_type() == "multipart/report"
        or "X-Failed-Recipients" in message
        or str(message.get("Return-Path", "")).strip() == "<>"
        or str(message.get("Auto-Submitted", "")).strip().lower().startswith("auto-")
        or bool(_PROGRAMS.fullmatch(_user(str(message.get("From", "")))))
    )


def _user(sender: str) -> str:
    return parseaddr(sender)[1].partition("@")[0]


def _named(message: Message, ids: set[str], mailed: _Mailed) -> list[str]:
    """Return whom a mail server names in words that the library does not know: of these, whom we mailed.

    Where it names nobody, it is to whom the mail was that came back.
    """
    if not is_by_a_server(message):
        return []
    words = _without_returned_mail(_words(message))
    failed = "\n".join(map(str, message.get_all("X-Failed-Recipients", [])))
    ours = {address for _, address in getaddresses([str(message.get(name, "")) for name in ("From", "To")])}
    named = {normalized(each.strip(".'")) for each in _ADDRESS.findall(f"{failed}\n{words}")}
    others = named - {normalized(address) for address in ours}
    if others:
        # Of strangers, one tells enough.
        return sorted(each for each in others if mailed.to(each)) or sorted(others)[:1]
    return sorted({normalized(attempt.email) for attempt in mailed.with_ids(ids)})


def _failures_of(emails: list[str], message: Message) -> list[Failure]:
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
        text = _free_text(message, email)
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


def _free_text(message: Message, email: str) -> str:
    """Return what a message says in words behind an address, up to the mail that came back."""
    words = _words(message)
    after = _mention_of(email).split(words, maxsplit=1)[-1]
    said = _RETURNED_MAIL.split(after, maxsplit=1)[0]
    if _status(said):
        return said
    # Without a code, what counts stands where the address is named last, or before that.
    last = _mention_of(email).split(said)[-1]
    whole = _without_returned_mail(words)
    is_open = refusals.about(_answer(last)) is About.OPEN
    is_of_this = {normalized(each) for each in _ADDRESS.findall(whole)} <= {email}
    return whole if is_open and is_of_this else last


def _words(message: Message) -> str:
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


def _without_returned_mail(words: str) -> str:
    return _RETURNED_HEADERS.split(words, maxsplit=1)[0]


def _outside(message: Message) -> Iterator[Message]:
    yield message
    if message.is_multipart() and message.get_content_maintype() == "multipart":
        for part in message.get_payload():
            yield from _outside(part)


def _mails_inside(message: Message) -> Iterator[Message]:
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


def _text(message: Message) -> str:
    """Return all that may hold the Message-ID of a mail of ours: headers and texts of all parts."""
    parts = list(message.walk())
    headers = (f"{value}" for part in parts for value in part.values())
    return "\n".join([*headers, *(_payload(part) for part in parts if not part.is_multipart())])


def _payload(part: Message) -> str:
    payload = part.get_payload(decode=True)
    return payload.decode(errors="replace") if isinstance(payload, bytes) else ""


def _date(message: Message) -> datetime | None:
    for text in (str(message.get("Date", "")), str(message.get("Received", "")).rpartition(";")[2]):
        with suppress(ValueError):
            date = parsedate_to_datetime(text.strip())
            return min(datetime.now(UTC), date if date.tzinfo else date.replace(tzinfo=UTC))
    return None


# -- what it means to us


def _take_in_complaint(named: list[str], read: _Read, mailed: _Mailed, tally: Tally) -> None:
    # Many reports name nobody, for privacy, but hold the mail.
    attempts = mailed.with_ids(read.ids)
    attempts += [
        attempt
        for email in named
        for attempt in mailed.to(email)
        # Who complained before we wrote did not complain of us.
        if read.when is None or read.when >= _sent_at(attempt) - _CLOCKS
    ]
    if not attempts:
        tally.never_mailed += 1
    said_at = _utc(read.when)
    for email, attempt in {normalized(attempt.email): attempt for attempt in attempts}.items():
        was_opted_out = email in mailed.ledger.opted_out()
        # Said at its own time, so that it takes nothing back that was said later.
        mailed.ledger.add_statements([Statement(email, OPTED_OUT, utc_time(said_at) or said_at, "complaint")])
        if was_opted_out or email not in mailed.ledger.opted_out():
            tally.known_already += 1
            continue
        tally.complaints += 1
        tally.lines.append(f"complaint: {_who(attempt)}")


def _take_in_failure(failure: Failure, read: _Read, mailed: _Mailed, tally: Tally) -> None:
    attempts = mailed.to(failure.email)
    if not attempts:
        tally.never_mailed += 1
        return
    ours = mailed.with_ids(read.ids)
    of_this = [attempt for attempt in attempts if any(attempt is each for each in ours)]
    if not of_this and not _is_of_the_last(attempts, read.when):
        tally.of_other_mails += 1
        return
    line = f"{failure.kind.value}: {_who(attempts[-1])}: {failure.detail}"
    if failure.kind is not Kind.DEAD:
        count = failure.kind.value.replace(" ", "_")
        setattr(tally, count, getattr(tally, count) + 1)
        tally.lines.append(f"{line} ({read.where})" if failure.kind is Kind.UNCLEAR else line)
        return
    anew = [attempt for attempt in of_this if attempt.outcome is not Event.BOUNCED]
    # Where all of it was read before, a person may have let the address be mailed again since.
    is_read = bool(of_this) and not anew
    if is_read or not (_note_bounced(failure, read, attempts[-1], mailed.ledger) or anew):
        tally.known_already += 1
        return
    for each in anew:
        intent = Intent(each.program, each.key, each.attempt, each.message_id, each.email)
        mailed.ledger.conclude(intent, Event.BOUNCED, failure.detail, _server_id(each))
    # The attempts learn from it how they ended.
    mailed.ledger.history()
    tally.bounced += 1
    tally.lines.append(line)


def _note_bounced(failure: Failure, read: _Read, attempt: Attempt, ledger: Ledger) -> bool:
    return ledger.bounce(
        attempt.email, _utc(read.when), failure.status, failure.detail, read.own_id, attempt.program
    )


def _is_of_the_last(attempts: list[Attempt], when: datetime | None) -> bool:
    """Tell whether a bounce that names none of the mails to an address can be of one of them."""
    return (
        when is not None
        and when >= max(map(_sent_at, attempts)) - _CLOCKS
        and datetime.now(UTC) - when <= OLDEST
    )


def _sent_at(attempt: Attempt) -> datetime:
    # Where an old send log was torn, nobody knows when, and nothing can be told by it.
    with suppress(ValueError):
        return datetime.fromisoformat(attempt.intended_at or attempt.logged_at)
    return datetime.max.replace(tzinfo=UTC)


def _server_id(attempt: Attempt) -> str | None:
    # Of the mails of earlier versions it is in the server's reply alone.
    return attempt.server_id or server_id_in(attempt.detail)


def _utc(when: datetime | None) -> str:
    return (when or datetime.now(UTC)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _who(attempt: Attempt) -> str:
    return f"learner {attempt.key.student_id}, {attempt.key.trigger_course_instance}"
