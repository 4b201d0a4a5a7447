"""Take in mails that came back: which address is dead, who complained, and which mail of ours that was.

What came back is written by strangers. Nothing is changed for an address that no program has mailed.
"""

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import Message
from email.utils import getaddresses

from mm.ledger.history import Attempt, Event, Intent
from mm.ledger.ledger import Ledger
from mm.mail.mailboxes import Mail
from mm.mail.replies import server_id_in
from mm.mail.returned import (
    _ADDRESS,
    Failure,
    Kind,
    complained_of,
    date_of,
    failures,
    failures_of,
    is_by_a_server,
    text_of,
    without_returned_mail,
    words_of,
)
from mm.people.addresses import normalized
from mm.people.statements import OPTED_OUT, Statement, utc_time

# How old a bounce may be that is known by its address alone.
OLDEST = timedelta(weeks=6)
# How far the clocks of two mail servers may be apart.
_CLOCKS = timedelta(hours=1)
_MESSAGE_ID = re.compile(r"<([^<>\s@]{1,250})@[^<>\s@]{1,250}>")


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
            ids = {id_ for found in _MESSAGE_ID.finditer(text_of(message)) for id_ in (found[0], found[1])}
            failed = failures(message) or failures_of(_named(message, ids, mailed), message)
            return _Read(
                mail.where,
                ids,
                str(message.get("Message-ID", "")).strip(),
                date_of(message),
                complained_of(message),
                failed,
                is_by_a_server(message),
            )
    except Exception:  # noqa: BLE001 - strangers' mails can break a parser in any way
        problem = "it is no mail that can be read"
    tally.not_understood += 1
    tally.lines.append(f"not understood: {mail.where}: {problem}")
    return None


def _named(message: Message, ids: set[str], mailed: _Mailed) -> list[str]:
    """Return whom a mail server names in words that the library does not know: of these, whom we mailed.

    Where it names nobody, it is to whom the mail was that came back.
    """
    if not is_by_a_server(message):
        return []
    words = without_returned_mail(words_of(message))
    failed = "\n".join(map(str, message.get_all("X-Failed-Recipients", [])))
    ours = {address for _, address in getaddresses([str(message.get(name, "")) for name in ("From", "To")])}
    named = {normalized(each.strip(".'")) for each in _ADDRESS.findall(f"{failed}\n{words}")}
    others = named - {normalized(address) for address in ours}
    if others:
        # Of strangers, one tells enough.
        return sorted(each for each in others if mailed.to(each)) or sorted(others)[:1]
    return sorted({normalized(attempt.email) for attempt in mailed.with_ids(ids)})


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
