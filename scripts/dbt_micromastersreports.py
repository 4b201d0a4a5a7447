"""What dbt runs before it reads the project: it finds this module by its name's beginning."""

import warnings
from pathlib import Path

from dbt.plugins.manager import dbtPlugin

from mm.seeds import check_seeds


class SeedCheck(dbtPlugin):
    """Stops dbt with a sentence where it would end in a traceback over a seed."""

    def initialize(self) -> None:
        """Check the seeds; dbt shows the error's text."""
        if self.project_name == "micromastersreports":
            check_seeds(Path("seeds"))
            # A seed need not have its optional columns, of which dbt's library would speak.
            warnings.filterwarnings(
                "ignore", message=".*does not match the name of any column", module="agate"
            )


plugins = [SeedCheck]
