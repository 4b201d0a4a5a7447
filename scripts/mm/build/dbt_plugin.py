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
from dbt.events.types import JinjaLogInfo, JinjaLogWarning
from dbt.flags import get_flags
from dbt_common.events.functions import fire_event
from dbt_common.exceptions import DbtRuntimeError
from dbt_common.invocation import get_invocation_id, get_invocation_started_at

from mm.build import inputs, last_build
from mm.build.load import load_downloads, load_mailing_records, prepare
from mm.build.mask import mask_secret, publish_marts
from mm.build.working_files import check_unopened, check_usable, discard
from mm.config import PRIVATE_UMASK, ReaderError, check_downloads_here
from mm.database import quoted
from mm.seeds import check_program


class Plugin(BasePlugin):
    """The plugin of profiles.yml; dbt-duckdb fixes its name and its methods' names."""

    def initialize(self, plugin_config: dict[str, str]) -> None:
        """Make the working files ready to be opened.

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
            check_downloads_here()
            check_program(self.program, inputs.SEEDS)
            # Held until this process has ended or dbt closes its environment.
            self._lock = inputs.lock_builds(self.program, self.database_dir)
            for path in (self.working, self.marts):
                check_unopened(path, self.published)
            first = ("from steps.edx.loader", "from steps.edx.report_files")
            check_usable(self.working, f"attach {quoted(self.working)} as steps", *first, say=_say)
            check_usable(self.marts, marts.to_sql(), say=_say)

    def configure_connection(self, conn: duckdb.DuckDBPyConnection) -> None:
        """Load what is new in the program's folder, and the mailout's records, where the command builds."""
        self.connection = conn
        prepare(conn, self.working, _say)
        self._begin(conn)
        if self._loaded and not self._loaded.may_keep and _makes_all_marts():
            # Else what earlier builds held of a learner who is gone would stay in the file's free space.
            discard(self.marts)

    def configure_cursor(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """Begin again where a process runs a second command: dbt-duckdb then keeps its connection."""
        with self._beginning:
            if self._begun != get_invocation_id():
                self._begin(cursor)

    def store(self, target_config: TargetConfig) -> None:
        """Publish the marts.

        The relation given has no part in it but that they were made of its reports. config: dbt's `models`.
        """
        connection = self.connection.cursor()
        with _told_by_dbt():
            files = publish_marts(
                connection,
                self.marts.stem,
                self.marts,
                self.published,
                models=target_config.config["models"],
                warn=_warn,
            )
        _say(f"Published {' and '.join(map(str, files))}")
        project = self._loaded.project if self._loaded else None
        if project and project == last_build.project_version(
            get_invocation_started_at(), said=self._loaded.said
        ):
            last_build.remember(self.connection.cursor(), project, target_config.relation.render())

    def _begin(self, conn: duckdb.DuckDBPyConnection) -> None:
        """Load what a command needs."""
        flags = get_flags()
        self._loaded = None
        with _told_by_dbt():
            load_mailing_records(conn, self.program, self.data_dir, self.database_dir, _say)
        if flags.WHICH in {"build", "run"}:
            self._loaded = load_downloads(
                conn,
                self.program,
                self.data_dir,
                afresh=bool(flags.FULL_REFRESH),
                since=get_invocation_started_at(),
                warn=_warn,
            )
        self._begun = get_invocation_id()


def _makes_all_marts() -> bool:
    flags = get_flags()
    selections = ("SELECT", "EXCLUDE", "SELECTOR", "RESOURCE_TYPES", "EXCLUDE_RESOURCE_TYPES")
    return flags.WHICH in {"build", "run"} and not any(getattr(flags, name, None) for name in selections)


@contextmanager
def _told_by_dbt() -> Iterator[None]:
    """Let dbt show what a reader can cause as it shows its own errors."""
    try:
        yield
    except ReaderError as error:
        raise DbtRuntimeError(str(error)) from None


def _say(message: str) -> None:
    fire_event(JinjaLogInfo(msg=message))


def _warn(message: str) -> None:
    fire_event(JinjaLogWarning(msg=f"Warning: {message}"))
