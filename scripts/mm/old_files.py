"""Take into the ledger what earlier versions wrote elsewhere, at its first use and whenever that changes.

It is a send log for each program, and the lines of the page and of `mm bounces` in `unsubscribed.csv` and
`bounced.csv`. The files stay as they are.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from mm.ledger import ALWAYS, TAKEN_BACK, Ledger, Statement
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
    for kind, taken_in in ((OptOuts, _of_the_page), (Bounced, _dated)):
        path = data_dir() / kind.name
        if path.exists():
            statements = partial(_statements, kind, taken_in)
            _take_in(ledger, path, lambda statements=statements: ledger.add_statements(statements()), say)


def _statements(
    kind: type[OptOuts | Bounced], taken_in: Callable[[Statement], Statement | None]
) -> list[Statement]:
    return list(filter(None, map(taken_in, kind())))


def _take_in(ledger: Ledger, path: Path, add: Callable[[], int], say: Callable[[str], None]) -> None:
    status = path.stat()
    now = f"{status.st_mtime_ns} {status.st_size} {status.st_ino}"
    if ledger.seen(path.name) == now:
        return
    count = add()
    ledger.note_seen(path.name, now)
    if count:
        lines = "1 line" if count == 1 else f"{count} lines"
        say(f"{path}: {lines} of it taken into {ledger.path}; nothing is written to it any more.")


def _of_the_page(statement: Statement) -> Statement | None:
    if statement.says == TAKEN_BACK:
        return statement._replace(source="page")
    return _dated(statement) if statement.source in _SOURCES else None


def _dated(statement: Statement) -> Statement | None:
    return statement if statement.said_at != ALWAYS else None
