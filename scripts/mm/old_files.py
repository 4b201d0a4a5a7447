"""Take into the ledger what earlier versions wrote elsewhere, at its first use and whenever that changes.

It is a send log for each program, and the lines of the page and of `mm bounces` in `unsubscribed.csv` and
`bounced.csv`. The files stay as they are.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from mm.ledger import ALWAYS, OPTED_OUT, TAKEN_BACK, Ledger, Statement
from mm.optouts import Bounced, OptOuts
from mm.send_log import read_old_log
from mm.settings import data_dir

_LOG = ".send_log.csv"
# Whose lines in unsubscribed.csv `mm` wrote itself.
_SOURCES = {"page", "one-click", "complaint"}


def take_in(ledger: Ledger, say: Callable[[str], None] = lambda _: None) -> None:
    """Take in all old files that are new or changed; what was taken in before, once.

    say: is told which were, in a sentence. ReaderError where one cannot be read for certain.
    """
    for path in sorted(ledger.path.parent.glob(f"*{_LOG}")):
        lines = partial(read_old_log, path, path.name.removesuffix(_LOG))
        _take_in(ledger, path, lambda lines=lines: ledger.take_in_mails(lines()), say)
    folder = data_dir()
    for kind, is_own in ((OptOuts, _is_of_the_page), (Bounced, _is_dated)):
        path = folder / kind.name
        if path.exists():
            _take_in(
                ledger,
                path,
                lambda kind=kind, is_own=is_own: ledger.add_statements(filter(is_own, kind())),
                say,
            )


def _take_in(ledger: Ledger, path: Path, add: Callable[[], int], say: Callable[[str], None]) -> None:
    status = path.stat()
    now = f"{status.st_mtime_ns} {status.st_size} {status.st_ino}"
    if ledger.seen(str(path.name)) == now:
        return
    count = add()
    ledger.note_seen(str(path.name), now)
    if count:
        lines = "1 line" if count == 1 else f"{count} lines"
        say(f"{path}: {lines} of it taken into {ledger.path}; nothing is written to it any more.")


def _is_of_the_page(statement: Statement) -> bool:
    is_own = statement.says == TAKEN_BACK or (statement.says == OPTED_OUT and statement.source in _SOURCES)
    return is_own and statement.said_at != ALWAYS


def _is_dated(statement: Statement) -> bool:
    return statement.said_at != ALWAYS
