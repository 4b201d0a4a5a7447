"""What dbt-duckdb calls around a build: load new downloads at its start, publish the marts at its end.

dbt builds in a working file, which nobody else opens. Readers have the published file, which is only ever
replaced whole, so that an open BI tool neither blocks a build nor sees half of one.
"""

import csv
import os
from pathlib import Path

import duckdb
from dbt.adapters.duckdb.plugins import BasePlugin
from dbt.adapters.duckdb.utils import TargetConfig
from dbt.flags import get_flags
from dbt_common.events.functions import fire_event
from dbt_common.events.types import Note
from dbt_common.exceptions import DbtRuntimeError

from mm import edx_reports

# Files that hold learners are for their owner and group: 0640, folders 0750.
PRIVATE_UMASK = 0o027
# Clients from DuckDB 1.0 on read this format; without it 2.0 writes one that only 2.0 reads.
STORAGE_VERSION = "v1.0.0"


class Plugin(BasePlugin):
    """The plugin of profiles.yml; dbt-duckdb fixes its name and its methods' names."""

    def initialize(self, plugin_config: dict[str, str]) -> None:
        """Make the working file ready to be opened.

        Raises DbtRuntimeError for a program that the seeds do not have, or when another build is running.
        """
        program = plugin_config["program"]
        _check_program(program)
        os.umask(PRIVATE_UMASK)
        self.folder = Path(plugin_config["data_dir"]) / program
        self.published = Path(plugin_config["database_dir"]) / f"{program}.duckdb"
        self.working = Path(self.creds.path)
        self.working.parent.mkdir(parents=True, exist_ok=True)
        try:
            duckdb.connect(str(self.working), config=dict(self.creds.config_options or {})).close()
        except duckdb.IOException as error:
            if "lock" in str(error):
                message = f"Another build of {program} is running: wait until it has ended, then build again."
                raise DbtRuntimeError(message) from None
            self._discard(error)
        except duckdb.Error as error:
            self._discard(error)

    def _discard(self, error: duckdb.Error) -> None:
        _say(f"The working file {self.working} is damaged ({type(error).__name__}): it is built anew.")
        for path in self.working.parent.glob(f"{self.working.name}*"):
            path.unlink()

    def configure_connection(self, conn: duckdb.DuckDBPyConnection) -> None:
        """Load what is new in the program's folder, where the command is one that builds."""
        self.connection = conn
        flags = get_flags()
        if flags.WHICH in {"build", "run"}:
            edx_reports.load_folder(conn, self.folder, afresh=bool(flags.FULL_REFRESH))
        else:
            edx_reports.create_missing_tables(conn)

    def store(self, target_config: TargetConfig) -> None:
        """Copy the relations named in `target_config.config["relations"]` to a new file and publish that."""
        new = self.working.with_suffix(".new")
        new.unlink(missing_ok=True)
        cursor = self.connection.cursor()
        cursor.execute(f"attach '{_quoted(new)}' as published (storage_version '{STORAGE_VERSION}')")
        for name, relation in target_config.config["relations"].items():
            cursor.execute(f'create table published."{name}" as from {relation}')
        cursor.execute("detach published")
        cursor.close()
        new.replace(self.published)


def _check_program(program: str) -> None:
    # The seed is read as a file: before the first build of a program no table has it.
    with Path("seeds/programs.csv").open(encoding="utf-8-sig", newline="") as file:
        programs = [row["program"] for row in csv.DictReader(file)]
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
