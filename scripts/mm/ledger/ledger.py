"""The ledger: what `mm` itself learns about mail, of all programs, in `database/mailing.sqlite`.

Two tables are only ever added to. `mails` has an intent for each mail, on disk before a server can accept it,
and how it ended. `said` has what was said about an address: opted out, taken back, bounced, forgotten.

All that is said is on disk before the method that says it returns, but for outcomes: these are in the file
at once, which outlives the process, and on disk with the next thing said or when the ledger is closed. A
power cut can turn the last outcome into `unknown`, never a mail into unsent. SQLite's WAL lets all commands
and the page write in turn; what another wrote is seen by the next call.
"""

from mm.ledger.said import SaidOfAddresses
from mm.ledger.sent import SentMails


class Ledger(SentMails, SaidOfAddresses):
    """The ledger, open to read and write; a context manager, which threads may share.

    ReaderError, on entering and in each method, where it cannot be read or written for certain.
    """
