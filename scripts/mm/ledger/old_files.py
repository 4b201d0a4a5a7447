"""Take into the ledger what earlier versions wrote elsewhere, at its first use and whenever that changes.

It is a send log for each program, and the lines of the page and of `mm bounces` in `unsubscribed.csv` and
`bounced.csv`. The files stay as they are.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from mm.config import data_dir
from mm.ledger.ledger import Ledger
from mm.ledger.old_send_log import read_old_log
from mm.pages import counted
from mm.people.address_lists import Bounced, OptOuts
from mm.people.statements import ALWAYS, TAKEN_BACK, Statement

_LOG = ".send_log.csv"
# Whose lines in unsubscribed.csv `mm` wrote itself.
_SOURCES = {"page", "one-click", "complaint"}


def take_in(
    ledger: Ledger, say: Callable[[str], None] = lambda _: None, *, lists: Path | None = None
) -> None:
    """Take in all old files that are new or changed; what was taken in before, once.

    say: is told which were, in a sentence, where the ledger is on disk and so keeps them. lists: the folder
    of the lists of people; None: the data folder.
    ReaderError where a file cannot be read for certain.
    """
    for path in sorted(ledger.path.parent.glob(f"*{_LOG}")):
        _take_in(ledger, path, partial(_add_mails, ledger, path), say)
    for kind, taken_in in ((OptOuts, _of_the_page), (Bounced, _dated)):
        path = (lists or data_dir()) / kind.name
        if path.exists():
            _take_in(ledger, path, partial(_add_statements, ledger, kind, path, taken_in), say)


def _add_mails(ledger: Ledger, path: Path) -> int:
    return ledger.take_in_mails(read_old_log(path, path.name.removesuffix(_LOG)))


def _add_statements(
    ledger: Ledger,
    kind: type[OptOuts | Bounced],
    path: Path,
    taken_in: Callable[[Statement], Statement | None],
) -> int:
    return ledger.add_statements(list(filter(None, map(taken_in, kind(path)))))


def _take_in(ledger: Ledger, path: Path, add: Callable[[], int], say: Callable[[str], None]) -> None:
    status = path.stat()
    now = f"{status.st_mtime_ns} {status.st_size} {status.st_ino}"
    if ledger.seen(path.name) == now:
        return
    count = add()
    ledger.note_seen(path.name, now)
    if count and ledger.is_on_disk:
        say(
            f"{path}: {counted(count, 'line')} of it taken into {ledger.path}; "
            "nothing is written to it any more."
        )


def _of_the_page(statement: Statement) -> Statement | None:
    if statement.says == TAKEN_BACK:
        return statement._replace(source="page")
    return _dated(statement) if statement.source in _SOURCES else None


def _dated(statement: Statement) -> Statement | None:
    return statement if statement.said_at != ALWAYS else None
