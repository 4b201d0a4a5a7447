"""What dbt-duckdb calls around a build: load new downloads at its start, publish the marts at its end.

dbt builds in two working files, which nobody else opens: one with the loaded downloads and the steps, one
with the marts alone. Readers have the published file, a copy of the latter, which is only ever replaced
whole, so that an open BI tool neither blocks a build nor sees half of one. With MM_MASK_SECRET there is a
second published file, without names (see mask.py).
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

import duckdb
from dbt.adapters.duckdb.plugins import BasePlugin
from dbt.adapters.duckdb.utils import TargetConfig
from dbt.events.types import JinjaLogWarning
from dbt.flags import get_flags
from dbt_common.events.functions import fire_event
from dbt_common.events.types import Note
from dbt_common.exceptions import DbtRuntimeError
from dbt_common.invocation import get_invocation_id, get_invocation_started_at

from mm import edx_reports, inputs, last_build
from mm.descriptions import describe
from mm.duckdb_errors import first_line, is_damage
from mm.mask import known_of, mask_secret, masks_of, publish_with_mask
from mm.misplaced import misplaced_reports
from mm.publish import is_in_use, log_of, quoted
from mm.seeds import check_program
from mm.settings import PRIVATE_UMASK, ReaderError


class Plugin(BasePlugin):
    """The plugin of profiles.yml; dbt-duckdb fixes its name and its methods' names."""

    def initialize(self, plugin_config: dict[str, str]) -> None:
        """Make the working file ready to be opened.

        Raises DbtRuntimeError for a program that the seeds do not have, or when another build is running.
        """
        self._beginning = Lock()
        self.program = plugin_config["program"]
        os.umask(PRIVATE_UMASK)
        self.data_dir = Path(plugin_config["data_dir"])
        self.database_dir = Path(plugin_config["database_dir"])
        self.published = self.database_dir / f"{self.program}.duckdb"
        self.working = Path(self.creds.path)
        [marts] = self.creds.attach
        self.marts = Path(marts.path)
        with _told_by_dbt():
            mask_secret()
            check_program(self.program, inputs.SEEDS)
            # Held until this process has ended or dbt closes its environment.
            self._lock = inputs.lock_builds(self.program, self.database_dir)
        for path in (self.working, self.marts):
            self._check_unopened(path)
        # DuckDB opens a file of which it cannot read every block: these tables a build needs first.
        first = ("from steps.edx.loader", "from steps.edx.report_files")
        _check_usable(self.working, f"attach {quoted(self.working)} as steps", *first)
        _check_usable(self.marts, marts.to_sql())

    def _check_unopened(self, path: Path) -> None:
        try:
            with path.open("r+b") as file:
                is_open = is_in_use(file)
        except FileNotFoundError:
            return
        except OSError as error:
            message = (
                f"The working file {path} cannot be used ({error.strerror}): it must be yours to read and "
                "write. A build makes it anew where it is gone."
            )
            raise DbtRuntimeError(message) from None
        if is_open:
            message = (
                f"A program has the working file {path} open: close it, then build again. "
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
        self._load_mailing_records(conn)
        if flags.WHICH in {"build", "run"}:
            note = last_build.take_away_note(conn)
            for sentence in misplaced_reports(self.program, self.data_dir):
                _warn(sentence)
            reports = inputs.reports(self.program, self.data_dir)
            has_lost = edx_reports.load(conn, reports, afresh=bool(flags.FULL_REFRESH))
            self._said = last_build.said_beside_reports(conn, self.program)
            self._project = self._project_version()
            may_keep = False
            if note and not has_lost:
                published_by, newest_file_id = note
                may_keep = published_by == self._project and not last_build.has_newly_retired(
                    conn, newest_file_id
                )
            if not may_keep:
                last_build.forget(conn)
        self._begun = get_invocation_id()
        return may_keep

    def _project_version(self) -> str | None:
        return last_build.project_version(get_invocation_started_at(), said=self._said)

    def _load_mailing_records(self, conn: duckdb.DuckDBPyConnection) -> None:
        with _told_by_dbt():
            tables = inputs.mailing_tables(self.program, self.data_dir, self.database_dir, _say)
        conn.execute("create schema if not exists mailing")
        for name, table in tables.items():
            cells = ", ".join(
                f"unnest(${n}::{type_name}[]) as {column}"
                for n, (column, type_name) in enumerate(table.columns.items(), start=1)
            )
            values = [[row[n] for row in table.rows] for n in range(len(table.columns))]
            conn.execute(f"create or replace table mailing.{name} as select {cells}", values)

    def store(self, target_config: TargetConfig) -> None:
        """Publish the marts.

        The relation given has no part in it but that they were made of its reports. config: dbt's `models`.
        """
        try:
            connection = self.connection.cursor()
            models = target_config.config["models"]
            describe(connection, self.marts.stem, models)
            connection.execute(f'checkpoint "{self.marts.stem}"')
            files = publish_with_mask(
                connection,
                self.marts.stem,
                self.marts,
                self.published,
                masks=masks_of(models),
                known=known_of(models),
                warn=_warn,
            )
        except duckdb.OutOfMemoryException as error:
            message = (
                f"{self.published} needs more memory than it may take: set MM_MEMORY_LIMIT higher, "
                f"such as 4GB ({first_line(error)})"
            )
            raise DbtRuntimeError(message) from None
        except (OSError, duckdb.IOException) as error:
            message = (
                f"{self.published} could not be replaced: see its disk's room and its permissions ({error})"
            )
            raise DbtRuntimeError(message) from None
        _say(f"Published {' and '.join(map(str, files))}")
        if self._project and self._project == self._project_version():
            last_build.remember(self.connection.cursor(), self._project, target_config.relation.render())


def _makes_all_marts() -> bool:
    flags = get_flags()
    selections = ("SELECT", "EXCLUDE", "SELECTOR", "RESOURCE_TYPES", "EXCLUDE_RESOURCE_TYPES")
    return flags.WHICH in {"build", "run"} and not any(getattr(flags, name, None) for name in selections)


def _check_usable(path: Path, *statements: str) -> None:
    """Discard a working file that is damaged; DbtRuntimeError where it cannot be read for another reason."""
    try:
        with duckdb.connect() as connection:
            for statement in statements:
                connection.execute(statement).fetchall()
    except duckdb.CatalogException:
        # A new file has no tables yet.
        return
    except duckdb.Error as error:
        if not is_damage(error):
            message = (
                f"The working file {path} cannot be read ({first_line(error)}). Mend that, and build again; "
                "or delete the file, and the build reads all downloads anew."
            )
            raise DbtRuntimeError(message) from None
        name = type(error).__name__
        _say(f"The working file {path} is damaged or of another version ({name}): it is built anew.")
        _discard(path)


@contextmanager
def _told_by_dbt() -> Iterator[None]:
    """Let dbt show what a reader can cause as it shows its own errors."""
    try:
        yield
    except ReaderError as error:
        raise DbtRuntimeError(str(error)) from None


def _discard(path: Path) -> None:
    for part in (path, log_of(path)):
        part.unlink(missing_ok=True)


def _say(message: str) -> None:
    fire_event(Note(msg=message))


def _warn(message: str) -> None:
    fire_event(JinjaLogWarning(msg=f"Warning: {message}"))
