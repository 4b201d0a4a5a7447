"""`not_learners.csv`: who is in edX's reports and is no learner, such as staff."""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from mm.people.addresses import normalized, visible
from mm.people.lists import Cells, PeopleList, email_of

_LARGEST_ID = 2**63 - 1
_NOT_IN_A_USERNAME = re.compile(r"[\s@/#]")


class NotLearner(NamedTuple):
    """Whom a line of not_learners.csv names, by at least one of the first three; None: it does not say.

    username and email are in lower case; line is the line's number, from 1.
    """

    username: str | None
    email: str | None
    student_id: int | None
    line: int


class NotLearners(PeopleList[NotLearner]):
    """Who is in edX's reports and is no learner, for all programs."""

    def has(self, student_id: int, username: str | None, email: str | None) -> bool:
        """Tell whether any line names the account, by whichever of these it has."""
        return any(
            entry.student_id == student_id
            or (username is not None and entry.username == normalized(username))
            or (email is not None and entry.email == normalized(email))
            for entry in self._entries
        )

    name = "not_learners.csv"
    columns = ("username", "email", "student_id", "note")
    _keys = ("username", "email", "student_id")

    def _lines(self, reader: Iterator[list[str]]) -> Iterator[Cells]:
        for cells in super()._lines(reader):
            yield {**cells, "line": str(reader.line_num)}

    def _entries_of(self, lines: Iterable[Cells]) -> set[NotLearner]:
        return {_not_learner(cells) for cells in lines}


def _not_learner(cells: Cells) -> NotLearner:
    username, email, student_id = (visible(cells.get(key, "")) for key in NotLearner._fields[:3])
    if _NOT_IN_A_USERNAME.search(username):
        message = (
            "its username has a blank, @, / or #, as none of edX has: write the username alone, "
            "an address under email"
        )
        raise ValueError(message)
    if not (username or email or student_id):
        message = "it has no username, no email and no student_id"
        raise ValueError(message)
    return NotLearner(
        username.lower() or None,
        email_of(email) if email else None,
        _student_id(student_id) if student_id else None,
        int(cells["line"]),
    )


def _student_id(cell: str) -> int:
    if not re.fullmatch(r"[0-9]{1,19}", cell) or int(cell) > _LARGEST_ID:
        message = "its student_id is not a whole number"
        raise ValueError(message)
    return int(cell)
