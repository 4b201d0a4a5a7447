"""Lists of addresses: who asked for no more mail, and where none can be delivered."""

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

from mm.people.addresses import normalized, visible
from mm.people.lists import SEVERAL, Cells, PeopleList, email_of
from mm.people.statements import (
    ALWAYS,
    BOUNCED,
    FORGOTTEN,
    OPTED_OUT,
    TAKEN_BACK,
    Statement,
    stands,
    statement_of,
    utc_time,
)


class _Addresses(PeopleList[Statement]):
    """What the lines of a list say about addresses, which are in lower case.

    Of lines about one address that carry a time the newest counts; one that keeps it from being mailed and
    has no time, or none that can be read, counts always.
    """

    _keys = ("email",)
    # The column after the address, in which a second address would be a mistake.
    _time: ClassVar[str]

    def __init__(self, path: Path | None = None) -> None:
        """Read the file, as every list."""
        self._by_address: dict[str, list[Statement]] = {}
        super().__init__(path)

    def __contains__(self, email: str) -> bool:
        """Tell whether the list alone keeps an address, in whatever letter case, from being mailed."""
        return stands(self.about(email)) is not None

    def refresh(self) -> None:
        """Read the file again if it changed since; ReaderError as at the start."""
        before = len(self._entries)
        super().refresh()
        if len(self._entries) != before:
            self._by_address = {}
            for each in self._entries:
                self._by_address.setdefault(each.email, []).append(each)

    def about(self, email: str) -> list[Statement]:
        """Return what the list says about an address."""
        return self._by_address.get(normalized(email), [])

    def _entries_of(self, lines: Iterable[Cells]) -> set[Statement]:
        return set(map(self._statement, lines))

    @abstractmethod
    def _statement(self, cells: Cells) -> Statement: ...

    def _address(self, cells: Cells) -> str:
        address = email_of(cells.get("email", ""))
        if "@" in cells.get(self._time, ""):
            raise ValueError(SEVERAL)
        return address


class OptOuts(_Addresses):
    """What is said in `unsubscribed.csv` about who asked for no more mail."""

    name = "unsubscribed.csv"
    columns = ("email", "unsubscribed_at", "source")
    _time = "unsubscribed_at"

    def _statement(self, cells: Cells) -> Statement:
        address, source = self._address(cells), visible(cells.get("source", "")).lower()
        text = visible(cells.get(self._time, ""))
        statement = statement_of(address, utc_time(text, latest=True) or ALWAYS, source)
        if statement.says == OPTED_OUT:
            return statement
        # A day alone may be that of the opt-out, too: in doubt, it was before it.
        said_at = utc_time(text)
        if said_at is None:
            message = (
                f"it takes an opt-out back, and its {self._time} is not a time such as 2026-11-30T10:00:00Z"
            )
            raise ValueError(message)
        if datetime.fromisoformat(said_at) > datetime.now(UTC) + timedelta(days=1):
            message = f"its {self._time} is in the future"
            raise ValueError(message)
        return statement._replace(said_at=said_at, source="by hand")


class Bounced(_Addresses):
    """What is said in `bounced.csv` about addresses to which no mail can be delivered."""

    name = "bounced.csv"
    columns = ("email", "bounced_at", "status", "detail")
    _time = "bounced_at"

    def _statement(self, cells: Cells) -> Statement:
        said_at = utc_time(visible(cells.get(self._time, "")), latest=True) or ALWAYS
        return Statement(self._address(cells), BOUNCED, said_at, "by hand")


def is_opted_out(email: str, listed: OptOuts, said: Mapping[str, list[Statement]]) -> bool:
    """Tell whether an address asked for no more mail: the newest of what the list and the ledger say."""
    return _stands(email, listed, said, (OPTED_OUT, TAKEN_BACK))


def has_bounced(email: str, listed: Bounced, said: Mapping[str, list[Statement]]) -> bool:
    """Tell whether no mail can be delivered to an address, by the newest of what list and ledger say."""
    return _stands(email, listed, said, (BOUNCED, FORGOTTEN))


def _stands(
    email: str, listed: _Addresses, said: Mapping[str, list[Statement]], says: tuple[str, str]
) -> bool:
    of_ledger = (statement for statement in said.get(normalized(email), []) if statement.says in says)
    return stands([*listed.about(email), *of_ledger]) is not None
