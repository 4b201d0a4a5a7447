"""Print where a program's published database is, and the first lines of its report.

Example: python scripts/show_report.py demo
"""

import os
import sys
from pathlib import Path

import duckdb
import typer


def main(program: str) -> None:
    """Print the ten learners with the most certificates of `program`."""
    path = Path(os.environ.get("MM_DATABASE_DIR", "database")) / f"{program}.duckdb"
    with duckdb.connect(str(path), read_only=True) as connection:
        typer.echo(f"\nThe report is the table {program}_coursecompletion of {path}. It begins:")
        connection.sql(
            f"from {program}_coursecompletion order by no_certificate_eligible desc, student_id limit 10"
        ).show(max_width=160)


if __name__ == "__main__":
    main(sys.argv[1])
