"""Who gets a mail now, and the sending of all of them."""

import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Event as Flag

from mm import days
from mm.config import ReaderError
from mm.ledger import old_files
from mm.ledger.history import Event, History, MailKey
from mm.ledger.ledger import Ledger
from mm.ledger.sent import AlreadyMailedError, is_had
from mm.mail.not_mailed import WhoIsNotMailed
from mm.mail.render import Renderer, mail_address
from mm.mail.sender import Outcome, Sender
from mm.people.addresses import normalized
from mm.published import Candidate, read_candidates, read_mailout

# So many mails in a row without a yes or a no mean that the server is in trouble, not the mails.
_TROUBLES_IN_A_ROW = 3
# So many times the same refusal in a row is no learner's, unless its words say so.
_REFUSALS_IN_A_ROW = 5


@dataclass(slots=True)
class Selection:
    """The mails that would go out now, and why how many of the build's are left out."""

    mails: list[Candidate] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Tally:
    """How many of the mails ended how so far. left_out: a reason against them came up since the start.

    too_late: a last day that the mail is about was over when its turn came.
    stopped: why the sending ended before the last mail, in a sentence; None: it did not, or was asked to.
    """

    sent: int = 0
    failed: int = 0
    deferred: int = 0
    unknown: int = 0
    left_out: int = 0
    too_late: int = 0
    stopped: str | None = None

    @property
    def done(self) -> int:
        """Return how many mails are dealt with."""
        return self.sent + self.failed + self.deferred + self.unknown + self.left_out + self.too_late


def key_of(candidate: Candidate) -> MailKey:
    """Return what the learner is never mailed twice for."""
    return MailKey(candidate.student_id, candidate.trigger_course_instance, candidate.trigger_course_verified)


def select(
    program: str, history: History, not_mailed: WhoIsNotMailed, *, resend_unknown: bool = False
) -> Selection:
    """Return who gets a mail now: the built mailout, less what the ledger, the lists and the day say by now.

    resend_unknown: mails that may have been accepted go out again, in the place of what the address
    has in the mailout, if anything. ReaderError where the published database cannot be read.
    """
    selection = Selection()
    again = _unknown_mails(program, history) if resend_unknown else []
    mailed_again = {_address(candidate) for candidate in again}
    rest = (mail for mail in read_mailout(program) if _address(mail) not in mailed_again)
    for candidate in (*again, *rest):
        reason = _left_out_reason(candidate, history, not_mailed, resend_unknown=resend_unknown)
        reason = reason or _no_address_reason(candidate) or _too_late_reason(candidate)
        if reason is None:
            selection.mails.append(candidate)
        else:
            selection.left_out[reason] += 1
    return selection


def send(  # noqa: PLR0913 - what sending needs, each under its name
    mails: list[Candidate],
    renderer: Renderer,
    sender: Sender,
    ledger: Ledger,
    not_mailed: WhoIsNotMailed,
    *,
    per_second: float | None,
    resend_unknown: bool,
    stop: Flag,
    progress: Callable[[Tally], None],
) -> Tally:
    """Send the mails, each with its intent and its outcome in the ledger; return how they ended.

    per_second: at most so many mails a second, None: as fast as the server takes them. `stop`, once
    set, ends the sending after the current mail. A server that takes no mail ends it, too, see
    Tally.stopped. ReaderError where sending cannot go on.
    """
    tally = Tally()
    troubles = 0
    refusal, refusals = None, 0
    next_at = time.monotonic()
    for candidate in mails:
        if stop.wait(max(0, next_at - time.monotonic())):
            break
        old_files.take_in(ledger)
        not_mailed.refresh()
        history = ledger.history()
        if _left_out_reason(candidate, history, not_mailed, resend_unknown=resend_unknown):
            tally.left_out += 1
            progress(tally)
            continue
        if _too_late_reason(candidate):
            tally.too_late += 1
            progress(tally)
            continue
        if per_second:
            next_at = max(next_at, time.monotonic()) + 1 / per_second
        # What refused a learner before may be the learner: else five such would stop every later sending.
        was_refused = history.outcome(key_of(candidate)) in {Event.FAILED, Event.BOUNCED}
        try:
            outcome = _send_one(candidate, renderer, sender, ledger, again=resend_unknown)
        except AlreadyMailedError:
            tally.left_out += 1
            progress(tally)
            continue
        tally.sent += outcome.event is Event.SENT
        tally.failed += outcome.event is Event.FAILED
        tally.deferred += outcome.event is Event.DEFERRED
        tally.unknown += outcome.event is Event.UNKNOWN
        progress(tally)
        troubles = 0 if outcome.event is Event.SENT or outcome.refused else troubles + 1
        if outcome.refusal is None or outcome.refusal != refusal:
            refusal, refusals = outcome.refusal, 0
        counts = outcome.event is Event.DEFERRED or not (tally.sent or was_refused)
        refusals += refusal is not None and counts
        if troubles == _TROUBLES_IN_A_ROW:
            tally.stopped = (
                f"The mail server neither took nor refused {troubles} mails in a row: sending "
                f"stopped after {tally.done} of {len(mails)}; `mm log` tells what it said. "
                "Send again later."
            )
            break
        if refusals == _REFUSALS_IN_A_ROW:
            tally.stopped = (
                f"The mail server refused {refusals} mails in a row with the same words "
                f"({outcome.detail}): sending stopped, and {len(mails) - tally.done} of {len(mails)} mails "
                "were not tried. Set right what it says, or wait, then send again."
            )
            break
    return tally


def _send_one(
    candidate: Candidate, renderer: Renderer, sender: Sender, ledger: Ledger, *, again: bool
) -> Outcome:
    content = renderer.message(candidate).as_bytes()
    recipient = mail_address(candidate.email).addr_spec
    key, message_id = key_of(candidate), renderer.message_id(candidate)
    intent = ledger.intend(candidate.program, key, message_id, recipient, again=again)
    try:
        outcome = sender.deliver(renderer.sender.addr_spec, recipient, content, before_end=ledger.wait)
    except ReaderError:
        # Where that is the ledger's, there may be no intent.
        with suppress(ReaderError):
            ledger.conclude(intent, Event.FAILED, "the sending stopped before it")
        raise
    ledger.conclude(intent, outcome.event, outcome.detail, outcome.server_id)
    return outcome


def _unknown_mails(program: str, history: History) -> list[Candidate]:
    again: dict[str, Candidate] = {}
    for candidate in read_candidates(program):
        mailed = candidate.excluded_reason in {None, "already mailed"}
        key = key_of(candidate)
        # The learner's own, of this program, which another account with the address did not have for sure.
        outcomes = {history.outcome(key, program=program), history.outcome(key, candidate.email)}
        if mailed and outcomes == {Event.UNKNOWN}:
            again.setdefault(_address(candidate), candidate)
    return list(again.values())


def _address(candidate: Candidate) -> str:
    return normalized(candidate.email or "")


def _left_out_reason(
    candidate: Candidate, history: History, not_mailed: WhoIsNotMailed, *, resend_unknown: bool
) -> str | None:
    key, email = key_of(candidate), candidate.email
    if is_had(history, candidate.program, key, email, again=resend_unknown):
        is_sent = history.outcome(key, email) is Event.SENT
        return "sent since the build" if is_sent else "unknown whether sent"
    return not_mailed.reason(candidate.student_id, candidate.username, candidate.email)


def _too_late_reason(candidate: Candidate) -> str | None:
    upgrade_until, open_until = candidate.trigger_course_open_until, candidate.next_course_open_until
    today = days.today()
    if candidate.trigger_course_verified == 0 and upgrade_until is not None and upgrade_until < today:
        return "upgrade deadline passed"
    # What the mail would say then instead, the next build decides.
    if open_until is not None and open_until < today:
        return "next course open no more, build again"
    return None


def _no_address_reason(candidate: Candidate) -> str | None:
    try:
        mail_address(candidate.email)
    except ValueError:
        return "no address that can be mailed"
    return None
