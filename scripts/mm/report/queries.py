"""The queries of the pages: files beside this one, which order and join published tables."""

from pathlib import Path
from typing import Any

import duckdb

_QUERIES = Path(__file__).parent / "sql"


def all_rows(connection: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    """Return a query's rows, each by column."""
    cursor = connection.execute(query)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def rows_of(connection: duckdb.DuckDBPyConnection, name: str, **variables: int) -> list[dict[str, Any]]:
    """Return the rows of sql/<name>.sql, each by column; variables: those that it gets by getvariable."""
    for variable, value in variables.items():
        connection.execute(f"set variable {variable} = ?", [value])
    return all_rows(connection, (_QUERIES / f"{name}.sql").read_text("utf-8"))
