"""The mails that were handed to a mail server, by whom they were for, and how that ended.

An intent without an outcome is `unknown`: the process died, and the server may or may not have the mail.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from mm.people.addresses import normalized


class Event(StrEnum):
    """What is written of a mail: `intent`, or how it ended.

    `deferred`: the server certainly did not accept it, because of the sender, not of the learner. `bounced`:
    it accepted it, and the mail came back, as a second outcome says.
    """

    INTENT = "intent"
    SENT = "sent"
    FAILED = "failed"
    DEFERRED = "deferred"
    UNKNOWN = "unknown"
    BOUNCED = "bounced"


class MailKey(NamedTuple):
    """What nobody is mailed twice for, the run in any letter case; trigger_course_verified is 0 or 1."""

    student_id: int
    trigger_course_instance: str
    trigger_course_verified: int


class Line(NamedTuple):
    """One thing written of a mail. attempt counts from 1 for each program and key.

    logged_at is in UTC, such as 2026-11-30T01:53:45Z. It, message_id and email are empty where an old send
    log was torn. server_id: by which the server knows the mail, where it gave one.
    """

    program: str
    key: MailKey
    attempt: int
    event: Event
    logged_at: str
    message_id: str
    email: str
    detail: str = ""
    server_id: str | None = None


@dataclass(slots=True)
class Attempt:
    """One try to mail a learner.

    outcome is sent, failed, deferred, unknown or bounced. intended_at and logged_at, of the newest line, are
    in UTC. Where an old send log was torn, they, message_id and email can be empty; so is intended_at where
    there is no intent. has_ended: its outcome was written, if only as unknown.
    """

    program: str
    key: MailKey
    attempt: int
    outcome: Event
    intended_at: str
    logged_at: str
    message_id: str
    email: str
    detail: str
    server_id: str | None = None
    has_ended: bool = False


@dataclass(frozen=True, slots=True)
class Intent:
    """An attempt that is in the ledger; attempt counts from 1 for each program and key."""

    program: str
    key: MailKey
    attempt: int
    message_id: str
    email: str


class History:
    """The mails of all programs, by learner or address, course instance and kind."""

    def __init__(self) -> None:
        """Begin with nothing sent."""
        self._attempts: dict[MailKey, list[Attempt]] = {}
        self._attempts_by_address: dict[tuple[str, str, int], list[Attempt]] = {}
        self._addresses: dict[int, set[str]] = {}

    def __iter__(self) -> Iterator[Attempt]:
        """Go through all attempts, a learner's together, in the order of their first lines."""
        for attempts in self._attempts.values():
            yield from attempts

    def of_program(self, program: str) -> list[Attempt]:
        """Return one program's attempts, in that order."""
        return [attempt for attempt in self if attempt.program == program]

    def outcome(self, key: MailKey, email: str | None = None, program: str | None = None) -> Event | None:
        """Return SENT if any attempt was, else UNKNOWN if any may have been, else how one ended, or None.

        email: what went to that address for the same run and kind counts, too, whoever the learner
        was. program: only its attempts count, None: those of all. None: no attempt was made.
        """
        attempts = list(self._attempts.get(_same_run(key), []))
        if email is not None:
            attempts += self._attempts_by_address.get(_address_key(key, email), [])
        outcomes = {attempt.outcome for attempt in attempts if program in {None, attempt.program}}
        for event in (Event.SENT, Event.UNKNOWN, Event.BOUNCED, Event.FAILED, Event.DEFERRED):
            if event in outcomes:
                return event
        return None

    def next_attempt(self, program: str, key: MailKey) -> int:
        """Return the number of the program's next attempt at the key, from 1."""
        attempts = self._attempts.get(_same_run(key), [])
        return max((attempt.attempt for attempt in attempts if attempt.program == program), default=0) + 1

    def addresses_of(self, student_id: int) -> set[str]:
        """Return the addresses, in lower case, that mails to a learner went to."""
        return self._addresses.get(student_id, set())

    def record(self, line: Line) -> None:
        """Take in one line. An intent is unknown until its outcome is recorded; torn cells are empty."""
        attempts = self._attempts.setdefault(_same_run(line.key), [])
        known = next((a for a in attempts if (a.program, a.attempt) == (line.program, line.attempt)), None)
        if known is None:
            known = _attempt(line)
            attempts.append(known)
        if line.event is not Event.INTENT and known.outcome is not Event.BOUNCED:
            known.outcome, known.logged_at, known.detail = line.event, line.logged_at, line.detail
            known.server_id = line.server_id or known.server_id
            known.has_ended = True
        if line.email:
            self._addresses.setdefault(line.key.student_id, set()).add(normalized(line.email))
            to_address = self._attempts_by_address.setdefault(_address_key(line.key, line.email), [])
            if known not in to_address:
                to_address.append(known)


def _attempt(line: Line) -> Attempt:
    return Attempt(
        line.program,
        line.key,
        line.attempt,
        Event.UNKNOWN,
        line.logged_at if line.event is Event.INTENT else "",
        line.logged_at,
        line.message_id,
        line.email,
        line.detail,
        line.server_id,
    )


def _same_run(key: MailKey) -> MailKey:
    return key._replace(trigger_course_instance=key.trigger_course_instance.lower())


def _address_key(key: MailKey, email: str) -> tuple[str, str, int]:
    return normalized(email), key.trigger_course_instance.lower(), key.trigger_course_verified
