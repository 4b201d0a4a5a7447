"""Who gets a mail now: the mailout of the last build, less what has become a reason against it since."""

from collections import Counter
from dataclasses import dataclass, field

from mm import days
from mm.ledger.history import Event, History, MailKey
from mm.ledger.sent import is_had
from mm.mail.not_mailed import WhoIsNotMailed
from mm.mail.render import mail_address
from mm.people.addresses import normalized
from mm.published import Candidate, read_candidates, read_mailout


@dataclass(slots=True)
class Selection:
    """The mails that would go out now, and why how many of the build's are left out."""

    mails: list[Candidate] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


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
        reason = left_out_reason(candidate, history, not_mailed, resend_unknown=resend_unknown)
        reason = reason or _no_address_reason(candidate) or too_late_reason(candidate)
        if reason is None:
            selection.mails.append(candidate)
        else:
            selection.left_out[reason] += 1
    return selection


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


def left_out_reason(
    candidate: Candidate, history: History, not_mailed: WhoIsNotMailed, *, resend_unknown: bool
) -> str | None:
    """Say why the ledger or a list keeps a mail back by now; None: nothing does."""
    key, email = key_of(candidate), candidate.email
    if is_had(history, candidate.program, key, email, again=resend_unknown):
        is_sent = history.outcome(key, email) is Event.SENT
        return "sent since the build" if is_sent else "unknown whether sent"
    return not_mailed.reason(candidate.student_id, candidate.username, candidate.email)


def too_late_reason(candidate: Candidate) -> str | None:
    """Say which last day that the mail is about is over by now; None: none is."""
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
