"""Whom nothing is mailed to by now, whatever the last build said."""

from mm.config import ReaderError, data_dir
from mm.edx.folder import misplaced_lists
from mm.ledger.ledger import Ledger
from mm.people.address_lists import Bounced, OptOuts, has_bounced, is_opted_out
from mm.people.addresses import normalized
from mm.people.not_learners import NotLearners


class WhoIsNotMailed:
    """All that is said against mailing somebody by now, to be read again before each mail."""

    def __init__(self, program: str, ledger: Ledger) -> None:
        """Read the lists, beside the open ledger.

        ReaderError where one cannot be read for certain, or where a file lies about that looks like one and
        is not read.
        """
        misplaced = [f"{sentence}." for sentence in misplaced_lists(data_dir(), program)]
        if misplaced:
            raise ReaderError("\n".join(misplaced))
        self._ledger = ledger
        self._opt_outs = OptOuts()
        self._bounced = Bounced()
        self._not_learners = NotLearners()
        self.refresh()

    def refresh(self) -> None:
        """Read again what changed since; ReaderError as at the start."""
        self._opt_outs.refresh()
        self._bounced.refresh()
        self._not_learners.refresh()
        self._history, self._said = self._ledger.history(), self._ledger.statements()

    def reason(self, student_id: int, username: str | None, email: str | None) -> str | None:
        """Say why somebody whom the last build would mail is not to be mailed; None: nothing says so.

        An opt-out holds for the account, whichever of its addresses in the ledger it was said for.
        """
        addresses = self._history.addresses_of(student_id) | ({normalized(email)} if email else set())
        if any(is_opted_out(address, self._opt_outs, self._said) for address in addresses):
            return "unsubscribed since the build"
        if email is not None and has_bounced(email, self._bounced, self._said):
            return "address bounced since the build"
        if any(self._not_learners.has(student_id, username, each) for each in addresses or {None}):
            return "no learner since the build"
        return None
