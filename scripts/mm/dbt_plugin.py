"""What dbt-duckdb calls around a build: load new downloads at its start, publish the marts at its end.

dbt builds in two working files, which nobody else opens: one with the loaded downloads and the steps, one
with the marts alone. Readers have the published file, a copy of the latter, which is only ever replaced
whole, so that an open BI tool neither blocks a build nor sees half of one.
"""

import csv
import fcntl
import os
import warnings
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import TypeVar

import duckdb
from dbt.adapters.duckdb.plugins import BasePlugin
from dbt.adapters.duckdb.utils import TargetConfig
from dbt.events.types import JinjaLogWarning
from dbt.flags import get_flags
from dbt_common.events.functions import fire_event
from dbt_common.events.types import Note
from dbt_common.exceptions import DbtRuntimeError
from dbt_common.invocation import get_invocation_id, get_invocation_started_at

from mm import edx_files, edx_reports, last_build, send_log
from mm.addresses import read_address
from mm.optouts import Bounced, NotLearner, NotLearners, OptOuts
from mm.publish import has_writer, log_of, publish
from mm.settings import PRIVATE_UMASK, ReaderError

Entry = TypeVar("Entry")


class Plugin(BasePlugin):
    """The plugin of profiles.yml; dbt-duckdb fixes its name and its methods' names."""

    def initialize(self, plugin_config: dict[str, str]) -> None:
        """Make the working file ready to be opened.

        Raises DbtRuntimeError for a program that the seeds do not have, or when another build is running.
        """
        # A seed need not have its optional columns, of which dbt's library would speak.
        warnings.filterwarnings("ignore", message=".*does not match the name of any column", module="agate")
        self._beginning = Lock()
        program = plugin_config["program"]
        _check_program(program)
        os.umask(PRIVATE_UMASK)
        self.data_dir = Path(plugin_config["data_dir"])
        self.folder = self.data_dir / program
        self.published = Path(plugin_config["database_dir"]) / f"{program}.duckdb"
        self.send_log = self.published.with_suffix(".send_log.csv")
        self.working = Path(self.creds.path)
        [marts] = self.creds.attach
        self.marts = Path(marts.path)
        self.working.parent.mkdir(parents=True, exist_ok=True)
        # Held until this process has ended or dbt closes its environment.
        self._lock = self.marts.with_suffix(".lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            message = f"Another build of {program} is running: wait until it has ended, then build again."
            raise DbtRuntimeError(message) from None
        for path in (self.working, self.marts):
            self._check_unwritten(path)
        # DuckDB opens a file of which it cannot read every block: these tables a build needs first.
        first = ("from steps.edx.loader", "from steps.edx.report_files")
        _check_usable(self.working, f"attach '{_quoted(self.working)}' as steps", *first)
        _check_usable(self.marts, marts.to_sql())

    def _check_unwritten(self, path: Path) -> None:
        # Else it is taken for damaged and made anew, and that program's log lies beside the new one.
        with suppress(FileNotFoundError), path.open("rb") as file:
            if has_writer(file):
                message = (
                    f"A program has the working file {path} open for writing: close it, then build again. "
                    f"To read {self.published} is enough."
                )
                raise DbtRuntimeError(message)

    def configure_connection(self, conn: duckdb.DuckDBPyConnection) -> None:
        """Load what is new in the program's folder, and the mailout's records, where the command builds."""
        self.connection = conn
        last_build.prepare_tables(conn)
        if edx_reports.prepare_tables(conn):
            _say(f"Another version made the working file {self.working}: a build loads all files anew.")
            last_build.forget(conn)
        if not self._begin(conn) and _makes_all_marts():
            # Else what earlier builds held of a learner who is gone would stay in the file's free space.
            _discard(self.marts)

    def configure_cursor(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """Begin again where a process runs a second command: dbt-duckdb then keeps its connection."""
        with self._beginning:
            if self._begun != get_invocation_id():
                self._begin(cursor)

    def _begin(self, conn: duckdb.DuckDBPyConnection) -> bool:
        """Load what a command needs, and return whether it may keep what is in the marts."""
        flags = get_flags()
        may_keep = True
        self._not_learners = _read(NotLearners, self.data_dir / "not_learners.csv")
        if flags.WHICH in {"build", "run"}:
            self._project = self._project_version()
            note = last_build.take_away_note(conn)
            has_lost = edx_reports.load_folder(conn, self.folder, afresh=bool(flags.FULL_REFRESH))
            may_keep = False
            if note and not has_lost:
                published_by, newest_file_id = note
                may_keep = published_by == self._project and not last_build.has_newly_retired(
                    conn, newest_file_id
                )
            if not may_keep:
                last_build.forget(conn)
        self._load_mailing_records(conn)
        self._begun = get_invocation_id()
        return may_keep

    def _project_version(self) -> str | None:
        return last_build.project_version(get_invocation_started_at(), said=repr(self._not_learners))

    def _load_mailing_records(self, conn: duckdb.DuckDBPyConnection) -> None:
        """Load the lists of people, the send log and the seeds' addresses as the sender itself reads them."""
        if misplaced := list(edx_files.misplaced_lists(self.data_dir)):
            raise DbtRuntimeError("\n".join(f"{sentence}." for sentence in misplaced))
        lists = {"unsubscribed": OptOuts, "bounced": Bounced}
        addresses = {table: _read(each, self.data_dir / each.name) for table, each in lists.items()}
        lines = _read(send_log.read_lines, self.send_log)
        conn.execute("create schema if not exists mailing")
        for table, emails in addresses.items():
            conn.execute(
                f"create or replace table mailing.{table} as select unnest($1::varchar[]) as email", [emails]
            )
        conn.execute(
            "create or replace table mailing.not_learners as select unnest($1::varchar[]) as username,"
            " unnest($2::varchar[]) as email, unnest($3::bigint[]) as student_id",
            [[getattr(each, column) for each in self._not_learners] for column in NotLearner._fields],
        )
        conn.execute(
            "create or replace table mailing.send_log_lines as"
            " select unnest($1::bigint[]) as line, unnest($2::varchar[]) as text",
            [[number for number, _ in lines], [text for _, text in lines]],
        )
        texts = _address_texts()
        conn.execute(
            "create or replace table mailing.seed_addresses as"
            " select unnest($1::varchar[]) as text, unnest($2::varchar[]) as email",
            [texts, [_address_or_none(text) for text in texts]],
        )

    def store(self, target_config: TargetConfig) -> None:
        """Publish the marts; the relation given has no part in it but that they were made of its reports."""
        try:
            self.connection.cursor().execute(f'checkpoint "{self.marts.stem}"')
            publish(self.marts, self.published, _warn)
        except (OSError, duckdb.IOException) as error:
            message = (
                f"{self.published} could not be replaced: see its disk's room and its permissions ({error})"
            )
            raise DbtRuntimeError(message) from None
        if self._project and self._project == self._project_version():
            last_build.remember(self.connection.cursor(), self._project, target_config.relation.render())


def _makes_all_marts() -> bool:
    flags = get_flags()
    selections = ("SELECT", "EXCLUDE", "SELECTOR", "RESOURCE_TYPES", "EXCLUDE_RESOURCE_TYPES")
    return flags.WHICH in {"build", "run"} and not any(getattr(flags, name, None) for name in selections)


def _check_usable(path: Path, *statements: str) -> None:
    """Discard a working file in which one of the statements fails."""
    try:
        with duckdb.connect() as connection:
            for statement in statements:
                connection.execute(statement).fetchall()
    except duckdb.CatalogException:
        # A new file has no tables yet.
        return
    except duckdb.Error as error:
        name = type(error).__name__
        _say(f"The working file {path} is damaged or of another version ({name}): it is built anew.")
        _discard(path)


def _read(read: Callable[[Path], Iterable[Entry]], path: Path) -> list[Entry]:
    """Read a record with what the sender reads it with."""
    try:
        return list(read(path))
    except ReaderError as error:
        raise DbtRuntimeError(str(error)) from None


def _discard(path: Path) -> None:
    for part in (path, log_of(path)):
        part.unlink(missing_ok=True)


def _address_texts() -> list[str]:
    columns = ("sender", "reply_to", "contact_email")
    texts = {row.get(column) or "" for row in _rows_of_programs() for column in columns}
    return sorted(texts - {""})


def _address_or_none(text: str) -> str | None:
    try:
        return read_address(text)
    except ValueError:
        return None


def _rows_of_programs() -> list[dict[str, str]]:
    # The seed is read as a file: before the first build of a program no table has it.
    with Path("seeds/programs.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def _check_program(program: str) -> None:
    programs = [row["program"] for row in _rows_of_programs()]
    if program not in programs:
        message = (
            f"There is no program {program!r} in seeds/programs.csv. There are: {', '.join(programs)}. "
            "Choose one with --vars 'program: NAME'."
        )
        raise DbtRuntimeError(message)


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def _say(message: str) -> None:
    fire_event(Note(msg=message))


def _warn(message: str) -> None:
    fire_event(JinjaLogWarning(msg=f"Warning: {message}"))
