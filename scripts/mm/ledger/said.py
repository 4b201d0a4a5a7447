"""What was said about addresses: opted out, taken back, bounced, forgotten."""

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from mm import csv_out
from mm.config import ReaderError
from mm.ledger.file import LedgerFile
from mm.people.addresses import MAIL_ADDRESS, as_cell, normalized, read_address
from mm.people.statements import (
    BOUNCED,
    FORGOTTEN,
    OF_THE_PAGE,
    OPTED_OUT,
    TAKEN_BACK,
    TAKING_BACK,
    Statement,
    stands,
    statement_of,
    utc_time,
)

_LONGEST_DETAIL = 200
_OPT_OUT_SAYS, _BOUNCE_SAYS = (OPTED_OUT, TAKEN_BACK), (BOUNCED, FORGOTTEN)
EXPORT_COLUMNS = ("email", "unsubscribed_at", "source")


class SaidOfAddresses(LedgerFile):
    """What people, servers and commands said."""

    def opt_out(self, email: str, source: str) -> None:
        """Write that an address asked for no more mail, unless that stands by the same source.

        source: page, one-click, complaint or command. ValueError where the address is none that is mailed.
        """
        address = _mailable(email)
        with self._writing():
            now = self._statements_about(address, _OPT_OUT_SAYS)
            standing = stands(statement for statement in now if statement.source == source)
            if standing is None or not _is_standing(standing, now):
                self._say(Statement(address, OPTED_OUT, _after(now), source))

    def take_back(self, email: str, source: str) -> bool:
        """Take an opt-out back; return whether the address is opted out no more, by what the ledger knows.

        source: page, for which only what the page wrote is taken back, or command.
        """
        address = normalized(email)
        with self._writing():
            now = self._statements_about(address, _OPT_OUT_SAYS)
            standing = stands(now)
            if standing is not None and (source != "page" or standing.source in OF_THE_PAGE):
                self._say(Statement(address, TAKEN_BACK, _after(now), source))
                standing = stands(self._statements_about(address, _OPT_OUT_SAYS))
        return standing is None

    def opted_out(self) -> set[str]:
        """Return the addresses, in lower case, that are opted out by what the ledger knows."""
        return self._standing(_OPT_OUT_SAYS)

    def may_take_back(self, email: str) -> bool:
        """Tell whether the opt-out that stands is the page's own, so that the page may take it back."""
        with self._told(), self._lock:
            standing = stands(self._statements_about(normalized(email), _OPT_OUT_SAYS))
        return standing is not None and standing.source in OF_THE_PAGE

    def bounce(  # noqa: PLR0913, PLR0917 - what is known of a bounce
        self,
        email: str,
        bounced_at: str,
        status: str,
        detail: str,
        message_id: str = "",
        program: str | None = None,
    ) -> bool:
        """Write that no mail can be delivered to an address; return whether that was not known yet.

        bounced_at: UTC, such as 2026-11-30T01:53:45Z. status: as RFC 3463 has it, such as 5.1.1. message_id:
        what tells one such mail from another, such as the Message-ID of what came back. A mail that was read
        before changes nothing, nor does one from before `forget_bounce`. ValueError where the address is none
        that is mailed.
        """
        address, said_at = _mailable(email), utc_time(bounced_at) or _now()
        with self._writing():
            now = self._statements_about(address, _BOUNCE_SAYS)
            read = self._connection.execute(
                "select 1 from said where email = ? and says = 'bounced'"
                " and (said_at = ? or message_id = ? and message_id != '')",
                [address, said_at, message_id],
            ).fetchone()
            if read:
                return False
            was_known = stands(now) is not None
            self._say(Statement(address, BOUNCED, said_at, "bounce"), status, detail, message_id, program)
            is_known = stands(self._statements_about(address, _BOUNCE_SAYS)) is not None
        return is_known and not was_known

    def forget_bounce(self, email: str) -> bool:
        """Let an address be mailed again; return whether the ledger had it as bounced."""
        address = normalized(email)
        with self._writing():
            now = self._statements_about(address, _BOUNCE_SAYS)
            if stands(now) is None:
                return False
            self._say(Statement(address, FORGOTTEN, _after(now), "command"))
        return True

    def bounced(self) -> set[str]:
        """Return the addresses, in lower case, to which no mail can be delivered by what the ledger knows."""
        return self._standing(_BOUNCE_SAYS)

    def statements(self) -> dict[str, list[Statement]]:
        """Return all that was said as of now, by address; it is read on, not anew, by the next call."""
        with self._told(), self._lock:
            self._check_in_place()
            self._read_said()
        return self._statements

    def add_statements(self, statements: Iterable[Statement], status: str = "", detail: str = "") -> int:
        """Add what was said elsewhere, each once however often; return how many were new."""
        with self._writing():
            before = self._connection.total_changes
            for statement in statements:
                self._say(statement, status, detail)
            return self._connection.total_changes - before

    def export_lines(self) -> Iterator[str]:
        """Go through the lines, each with its end, of a CSV with all opt-outs and takings back."""
        sources = {source: word for word, source in TAKING_BACK.items()}
        yield ",".join(EXPORT_COLUMNS) + "\n"
        said = (statement for about in self.statements().values() for statement in about)
        for email, says, said_at, source in sorted(said):
            if says in _OPT_OUT_SAYS:
                word = sources.get(source, "undone") if says == TAKEN_BACK else source
                yield _csv_line(email, said_at, word)

    def import_lines(self, lines: Iterable[str], name: str) -> int:
        """Add what `export_lines` of another ledger gave; return how many statements were new.

        name: of the file, for messages. ReaderError for a line that is none of such a file; nothing is added
        then.
        """
        return self.add_statements(list(_read_export(lines, name)))

    def _say(
        self,
        statement: Statement,
        status: str = "",
        detail: str = "",
        message_id: str = "",
        program: str | None = None,
    ) -> None:
        email, says, said_at, source = statement
        self._connection.execute(
            "insert or ignore into said values (null, ?, ?, ?, ?, ?, ?, ?, ?)",
            [email, says, said_at, source, status, detail[:_LONGEST_DETAIL], program, message_id],
        )

    def _read_said(self) -> None:
        rows = self._connection.execute(
            "select id, email, says, said_at, source from said where id > ? order by id", [self._last_said]
        )
        for number, *said in rows:
            statement = Statement(*said)
            self._statements.setdefault(statement.email, []).append(statement)
            self._last_said = number

    def _statements_about(self, address: str, says: tuple[str, str]) -> list[Statement]:
        rows = self._connection.execute(
            "select email, says, said_at, source from said where email = ? and says in (?, ?)",
            [address, *says],
        )
        return [Statement(*row) for row in rows]

    def _standing(self, says: tuple[str, str]) -> set[str]:
        return {
            email
            for email, about in self.statements().items()
            if stands(statement for statement in about if statement.says in says)
        }

    def _forget_read(self) -> None:
        super()._forget_read()
        self._statements: dict[str, list[Statement]] = {}
        self._last_said = 0


def _is_standing(standing: Statement, statements: list[Statement]) -> bool:
    taken_back = [statement for statement in statements if statement.says == TAKEN_BACK]
    return stands([standing, *taken_back]) is not None


def _after(statements: list[Statement]) -> str:
    """Return now or, where a clock was ahead, right after the newest statement: what is said last counts."""
    newest = max((statement.said_at for statement in statements), default="")
    now = _now()
    if newest < now:
        return now
    later = datetime.fromisoformat(newest) + timedelta(microseconds=1)
    return utc_time(later.isoformat()) or now


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _mailable(email: str) -> str:
    address = normalized(email)
    if not MAIL_ADDRESS.fullmatch(address):
        message = "it is no address that is mailed"
        raise ValueError(message)
    return address


def _read_export(lines: Iterable[str], name: str) -> Iterator[Statement]:
    reader = csv.reader(lines, strict=True)
    try:
        header = ",".join(next(reader, [])).removeprefix("\ufeff")
        if header == ",".join(EXPORT_COLUMNS):
            for email, said_at, source in reader:
                yield statement_of(read_address(email), _time_of(said_at), source)
            return
        message = "the header is another"
        raise ValueError(message)  # noqa: TRY301 - said as all that is wrong with a line
    except (ValueError, csv.Error) as error:
        message = (
            f"{name}, line {reader.line_num or 1}: expected what `mm unsubscribe export` writes, a CSV with "
            f"the columns {', '.join(EXPORT_COLUMNS)}. Nothing was taken in."
        )
        raise ReaderError(message) from error


def _time_of(text: str) -> str:
    time = utc_time(text)
    if time is None:
        message = "it has no time"
        raise ValueError(message)
    return time


def _csv_line(email: str, *rest: str) -> str:
    buffer = io.StringIO()
    csv_out.write([(as_cell(email), *rest)], buffer)
    return buffer.getvalue()
