"""What was said about an address, and what of it stands: by hand or in the ledger, the newest counts."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from mm.people.addresses import normalized

OPTED_OUT, TAKEN_BACK, BOUNCED, FORGOTTEN = "opted out", "taken back", "bounced", "forgotten"
# Opt-outs of these sources the page may take back; others' are not one click's to undo.
OF_THE_PAGE = {"page", "one-click"}
# The sources in lists of opt-outs that take back: the page's, and that of `mm unsubscribe undo`.
TAKING_BACK = {"taken back": "page", "undone": "command"}
# The time of what counts whatever was said later: a line kept by hand that has none.
ALWAYS = "always"


class Statement(NamedTuple):
    """What was said about an address, in lower case.

    says: one of OPTED_OUT, TAKEN_BACK, BOUNCED and FORGOTTEN. said_at: as `utc_time` writes it, or ALWAYS.
    """

    email: str
    says: str
    said_at: str
    source: str


def utc_time(text: str, *, latest: bool = False) -> str | None:
    """Return a time such as 2026-11-30T01:53:45Z, or a day, in the one form that sorts; None: it is none.

    A time without a zone is in UTC. A day is its first moment, with `latest` its last.
    """
    try:
        day = date.fromisoformat(text)
        time = datetime(day.year, day.month, day.day, tzinfo=UTC)
        if latest:
            time += timedelta(days=1, microseconds=-1)
    except (ValueError, OverflowError):
        try:
            time = datetime.fromisoformat(text)
            time = time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            return None
    return time.strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")


def stands(statements: Iterable[Statement]) -> Statement | None:
    """Return what keeps an address from being mailed, of all statements about it of one kind; None: nothing.

    It is the newest opt-out or bounce that nothing later takes back. What the page takes back is what the
    page wrote. Of the same moment, the opt-out counts.
    """
    statements = list(statements)
    by_all, by_page = "", ""
    for statement in statements:
        if statement.says in {TAKEN_BACK, FORGOTTEN}:
            if statement.says == TAKEN_BACK and statement.source == "page":
                by_page = max(by_page, statement.said_at)
            else:
                by_all = max(by_all, statement.said_at)
    standing = [
        statement
        for statement in statements
        if statement.says in {OPTED_OUT, BOUNCED}
        and statement.said_at >= (max(by_all, by_page) if statement.source in OF_THE_PAGE else by_all)
    ]
    return max(standing, key=lambda statement: statement.said_at, default=None)


def statement_of(email: str, said_at: str, source: str) -> Statement:
    """Return what a line of a list of opt-outs says; said_at is as `utc_time` writes it, or ALWAYS."""
    by = TAKING_BACK.get(source.lower())
    if by is not None:
        return Statement(normalized(email), TAKEN_BACK, said_at, by)
    return Statement(normalized(email), OPTED_OUT, said_at, source.lower())
