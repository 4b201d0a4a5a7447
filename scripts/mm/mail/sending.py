"""The sending of a mailout, mail by mail, and what stops it."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from threading import Event as Flag

from mm.config import ReaderError
from mm.ledger import old_files
from mm.ledger.history import Event
from mm.ledger.ledger import Ledger
from mm.ledger.sent import AlreadyMailedError
from mm.mail.mailout import key_of, left_out_reason, too_late_reason
from mm.mail.not_mailed import WhoIsNotMailed
from mm.mail.render import Renderer, mail_address
from mm.mail.sender import Outcome, Sender
from mm.published import Candidate

# So many mails in a row without a yes or a no mean that the server is in trouble, not the mails.
_TROUBLES_IN_A_ROW = 3
# So many times the same refusal in a row is no learner's, unless its words say so.
_REFUSALS_IN_A_ROW = 5


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

    def add(self, event: Event) -> None:
        """Count how a mail ended."""
        self.sent += event is Event.SENT
        self.failed += event is Event.FAILED
        self.deferred += event is Event.DEFERRED
        self.unknown += event is Event.UNKNOWN


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
    tally, watch = Tally(), _Watch(len(mails))
    next_at = time.monotonic()
    for candidate in mails:
        if tally.stopped or stop.wait(max(0, next_at - time.monotonic())):
            break
        old_files.take_in(ledger)
        not_mailed.refresh()
        history = ledger.history()
        if left_out_reason(candidate, history, not_mailed, resend_unknown=resend_unknown):
            tally.left_out += 1
        elif too_late_reason(candidate):
            tally.too_late += 1
        else:
            if per_second:
                next_at = max(next_at, time.monotonic()) + 1 / per_second
            # What refused a learner before may be the learner: else five such would stop every later sending.
            was_refused = history.outcome(key_of(candidate)) in {Event.FAILED, Event.BOUNCED}
            try:
                outcome = _send_one(candidate, renderer, sender, ledger, again=resend_unknown)
            except AlreadyMailedError:
                tally.left_out += 1
            else:
                tally.add(outcome.event)
                tally.stopped = watch.reason_to_stop(outcome, tally, was_refused=was_refused)
        progress(tally)
    return tally


def check_all(mails: list[Candidate], renderer: Renderer) -> None:
    """Render all; ReaderError where one cannot be: a template's fault may show with one learner only."""
    for candidate in mails:
        renderer.bodies(candidate)


def send_tests(mails: list[Candidate], renderer: Renderer, sender: Sender, to: str) -> int:
    """Send mails to a test address, and write nothing down; return how many.

    ReaderError where the address, or the server's answer to one of them, is not a good one.
    """
    try:
        recipient = mail_address(to).addr_spec
    except ValueError as error:
        message = f"The address after --to is {error}."
        raise ReaderError(message) from error
    messages = [renderer.message(candidate, recipient).as_bytes() for candidate in mails]
    with sender:
        for number, content in enumerate(messages, start=1):
            outcome = sender.deliver(renderer.sender.addr_spec, recipient, content)
            if outcome.event is not Event.SENT:
                message = f"Test mail {number} of {len(messages)} was not accepted: {outcome.detail}."
                raise ReaderError(message)
    return len(messages)


class _Watch:
    """Tells from how mails ended whether it is the server that is in the way, not the mails."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._troubles = 0
        self._refusal: str | None = None
        self._refusals = 0

    def reason_to_stop(self, outcome: Outcome, tally: Tally, *, was_refused: bool) -> str | None:
        """Say why to stop after this outcome, which the tally has; None: go on."""
        is_answer = outcome.event is Event.SENT or outcome.refused
        self._troubles = 0 if is_answer else self._troubles + 1
        if outcome.refusal is None or outcome.refusal != self._refusal:
            self._refusal, self._refusals = outcome.refusal, 0
        counts = outcome.event is Event.DEFERRED or not (tally.sent or was_refused)
        self._refusals += self._refusal is not None and counts
        if self._troubles == _TROUBLES_IN_A_ROW:
            return (
                f"The mail server neither took nor refused {self._troubles} mails in a row: sending "
                f"stopped after {tally.done} of {self._count}; `mm log` tells what it said. "
                "Send again later."
            )
        if self._refusals == _REFUSALS_IN_A_ROW:
            return (
                f"The mail server refused {self._refusals} mails in a row with the same words "
                f"({outcome.detail}): sending stopped, and {self._count - tally.done} of {self._count} mails "
                "were not tried. Set right what it says, or wait, then send again."
            )
        return None


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
