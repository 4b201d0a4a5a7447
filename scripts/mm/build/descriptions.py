"""What the project's YAML says of the published tables and columns, put on them for BI tools to show."""

from collections.abc import Iterable, Mapping
from typing import Any

import duckdb


def describe(
    connection: duckdb.DuckDBPyConnection,
    database: str,
    models: Iterable[Mapping[str, Any]],
    names: Mapping[str, Iterable[str]] | None = None,
) -> None:
    """Comment on the tables of the marts among the models, which are nodes of dbt's manifest.

    database: the name under which the file is attached. names: of models whose tables are not called by their
    alias, what they are called.
    """
    statements = []
    for model in models:
        if model["access"] == "public":
            for name in (names or {}).get(model["name"], [model["alias"]]):
                table = f'"{database}".main."{name}"'
                statements.append(f"comment on table {table} is {_text(model['description'])}")
                statements += [
                    f'comment on column {table}."{column}" is {_text(said["description"])}'
                    for column, said in model["columns"].items()
                ]
    # Each for itself would be a transaction of its own, which takes four times as long.
    connection.execute("; ".join(["begin", *statements, "commit"]))


def _text(description: str) -> str:
    return "'" + " ".join(description.split()).replace("'", "''") + "'"
