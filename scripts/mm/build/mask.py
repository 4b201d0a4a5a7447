"""Publish, beside a file that names learners, the same tables without that, where MM_MASK_SECRET is set."""

import hashlib
import hmac
import string
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import duckdb

from mm.build.descriptions import describe
from mm.build.masked_columns import KEYED_HASH, NOTHING, Known, Masks, is_known, known_of, masks_of, texts
from mm.build.publish import publish
from mm.config import ALL_PROGRAMS, ReaderError, mask_secret_as_given, short_secret
from mm.database import first_line, quoted

# No program has this name, nor has any other attached file.
_DATABASE = "_masked"
_HARDLY_OF_IT = string.whitespace + "\"'`"
# Of no id: those have digits alone.
_CHECKED = b"MM_MASK_SECRET"
_MADE_WITH = "made with the secret of the check value "
# HMAC's block with SHA-256, in bytes.
_BLOCK = 64
# HMAC-SHA256 (RFC 2104) of the id's decimal digits. Of it the first 63 bits, which fit the id's own type.
_HASH_MACRO = """
    create or replace temp macro keyed_hash(id) as (
        (
            '0x' || left(sha256(
                getvariable('outer_key') || unhex(sha256(getvariable('inner_key') || encode(id::varchar)))
            ), 16)
        )::ubigint >> 1
    )::bigint
"""


def mask_secret() -> str | None:
    """Return MM_MASK_SECRET, None where it is not set.

    ReaderError where it is too short to be secret, or has what is hardly of it around it, such as the quotes
    that docker's --env-file keeps: without them, as on another machine, all numbers would be others.
    """
    secret = mask_secret_as_given()
    if secret is None:
        return None
    if secret != secret.strip(_HARDLY_OF_IT):
        message = (
            "MM_MASK_SECRET begins or ends with a blank or a quote: set it without, as in all other builds."
        )
        raise ReaderError(message)
    if short := short_secret("MM_MASK_SECRET", secret, "can tell whose rows are whose"):
        message = f"{short}, or none at all for no masked file."
        raise ReaderError(message)
    return secret


def masked_path(published: Path) -> Path:
    """Return where the masked file of a published one is, or would be."""
    return published.with_suffix(".masked.duckdb")


def publish_with_mask(  # noqa: PLR0913 - what is published, of what, to where
    connection: duckdb.DuckDBPyConnection,
    database: str,
    built: Path,
    published: Path,
    *,
    masks: Masks,
    known: Known | None = None,
    warn: Callable[[str], None],
) -> list[Path]:
    """Replace the published file, and its masked one with it, by what was built; return what is there now.

    database: the name under which `built` is attached to the connection, after a checkpoint. known: which
    columns have known values alone in the masked one, None: any. Without
    MM_MASK_SECRET the masked file of before is removed, as it is of another build. warn is as in `publish`.
    ReaderError for the secret; OSError or duckdb.Error where there is no room: then both are as they were.
    """
    secret, masked, masked_built = mask_secret(), masked_path(published), masked_path(built)
    # What a killed build left.
    masked_built.unlink(missing_ok=True)
    if secret is None:
        publish({published: built, masked: None}, warn)
        return [published]
    _warn_of_other_secrets(masked, check_value(secret), warn)
    try:
        _write_masked(connection, database, masked_built, masks, secret, known or {})
        publish({masked: masked_built, published: built}, warn)
    finally:
        masked_built.unlink(missing_ok=True)
    return [published, masked]


def publish_marts(  # noqa: PLR0913 - what is published, of what, to where
    connection: duckdb.DuckDBPyConnection,
    database: str,
    built: Path,
    published: Path,
    *,
    models: Iterable[Mapping[str, Any]],
    warn: Callable[[str], None],
) -> list[Path]:
    """Publish what a build made, masked too, as publish_with_mask does; models: nodes of dbt's manifest.

    ReaderError where there is no room, or no permission: then all is as it was.
    """
    models = list(models)
    try:
        describe(connection, database, models)
        connection.execute(f'checkpoint "{database}"')
        return publish_with_mask(
            connection,
            database,
            built,
            published,
            masks=masks_of(models),
            known=known_of(models),
            warn=warn,
        )
    except duckdb.OutOfMemoryException as error:
        message = (
            f"{published} needs more memory than it may take: set MM_MEMORY_LIMIT higher, "
            f"such as 4GB ({first_line(error)})"
        )
        raise ReaderError(message) from None
    except (OSError, duckdb.IOException) as error:
        message = f"{published} could not be replaced: see its disk's room and its permissions ({error})"
        raise ReaderError(message) from None


def check_value(secret: str) -> str:
    """Return what tells one secret from another, and tells nothing of either: eight hexadecimal digits."""
    return hmac.new(secret.encode(), _CHECKED, "sha256").hexdigest()[:8]


def check_value_of(masked: Path) -> str | None:
    """Return the check value of the secret that a masked file was made with; None where it cannot tell."""
    try:
        with duckdb.connect(masked, read_only=True) as connection:
            comments = connection.execute("select comment from duckdb_tables()").fetchall()
    except duckdb.Error:
        # Whatever is wrong with it, it stops no build of another.
        return None
    said = {comment.partition(_MADE_WITH)[2] for (comment,) in comments if _MADE_WITH in (comment or "")}
    return said.pop() if len(said) == 1 else None


def _warn_of_other_secrets(masked: Path, check: str, warn: Callable[[str], None]) -> None:
    """Warn where the file that is replaced, or another one beside it, was made with another secret."""
    others = [
        path
        for path in sorted(masked.parent.glob("*.masked.duckdb"))
        if check_value_of(path) not in {None, check}
    ]
    if not others:
        return
    programs = [path.name.removesuffix(".masked.duckdb") for path in others if path != masked]
    again = [f"`mm build {program}`" for program in programs if program != ALL_PROGRAMS]
    again += ["`mm combine`"] if ALL_PROGRAMS in programs else []
    warn(
        f"MM_MASK_SECRET is not the one that {', '.join(path.name for path in others)} "
        f"{'was' if len(others) == 1 else 'were'} made with, so that learners have other numbers there. "
        f"Set that one and build again, or keep the new one{' and run ' if again else ''}{', '.join(again)}."
    )


def _write_masked(  # noqa: PLR0913, PLR0917 - what is masked, and how
    connection: duckdb.DuckDBPyConnection,
    database: str,
    target: Path,
    masks: Masks,
    secret: str,
    known: Known,
) -> None:
    """Write a new file, of which no byte was ever of a masked value."""
    # A connection of its own, so that what the hash is made with goes with it.
    with connection.cursor() as cursor:
        _hash_ids(cursor, database, masks, secret)
        cursor.execute(f"attach {quoted(target)} as {_DATABASE} (storage_version 'v1.0.0')")
        try:
            for table, masked in masks.items():
                _copy_masked(cursor, database, table, masked, known.get(table, {}))
                _copy_comments(cursor, database, table, f"{_MADE_WITH}{check_value(secret)}")
        finally:
            cursor.execute(f"detach {_DATABASE}")


def _copy_comments(connection: duckdb.DuckDBPyConnection, database: str, table: str, made_with: str) -> None:
    """Describe a masked table and its columns as the open one's are; its secret stands behind the table's."""
    of_table = "database_name = $1 and schema_name = 'main' and table_name = $2"
    [(described,)] = connection.execute(
        f"select comment from duckdb_tables() where {of_table}", [database, table]
    ).fetchall()
    of_columns = connection.execute(
        f"select column_name, comment from duckdb_columns() where {of_table} and comment is not null",
        [database, table],
    ).fetchall()
    masked = f'{_DATABASE}."{table}"'
    comment = f"{described}\n{made_with}" if described else made_with
    statements = [f"comment on table {masked} is {texts([comment])}"]
    statements += [f'comment on column {masked}."{column}" is {texts([said])}' for column, said in of_columns]
    connection.execute("; ".join(["begin", *statements, "commit"]))


def _hash_ids(connection: duckdb.DuckDBPyConnection, database: str, masks: Masks, secret: str) -> None:
    """Make the temporary table `hashes`, with the id and the hash of each learner in any of the tables."""
    key = secret.encode()
    if len(key) > _BLOCK:
        key = hashlib.sha256(key).digest()
    for name, pad in (("inner_key", 0x36), ("outer_key", 0x5C)):
        padded = bytes(byte ^ pad for byte in key.ljust(_BLOCK, b"\0"))
        connection.execute(f"set variable {name} = $1::blob", [padded])
    connection.execute(_HASH_MACRO)
    connection.execute("create temp table hashes (id bigint, hash bigint)")
    # To hash takes longer than all the rest, so each id has its turn once.
    ids = [
        f'select "{column}" as id from "{database}".main."{table}"'
        for table, masked in masks.items()
        for column, how in masked.items()
        if how == KEYED_HASH
    ]
    if ids:
        distinct = f"select distinct id from ({' union all '.join(ids)})"
        connection.execute(f"insert into hashes select id, keyed_hash(id) from ({distinct})")


def _copy_masked(
    connection: duckdb.DuckDBPyConnection,
    database: str,
    table: str,
    masked: Mapping[str, str],
    known: Mapping[str, str],
) -> None:
    columns = connection.execute(
        """
        select column_name, data_type, is_nullable
        from duckdb_columns()
        where database_name = $1 and schema_name = 'main' and table_name = $2
        order by column_index
        """,
        [database, table],
    ).fetchall()
    described, values, joins, hashes = [], [], [], []
    for place, (name, type_name, is_nullable) in enumerate(columns, start=1):
        how = masked.get(name)
        can_be_null = is_nullable or how == NOTHING
        described.append(f'"{name}" {type_name}{"" if can_be_null else " not null"}')
        if how is None:
            # Where it is NULL, it is not known whether it is known, and NULL it stays.
            condition = is_known(name, known)
            values.append(
                f'opened."{name}"'
                if condition == "true"
                else f"case when not ({condition}) then 'unknown' else opened.\"{name}\" end"
            )
        elif how == KEYED_HASH:
            values.append(f"hashes_{place}.hash")
            joins.append(f'left join temp.hashes as hashes_{place} on opened."{name}" = hashes_{place}.id')
            hashes.append(str(place))
        else:
            values.append("null")
    # In the order of the ids, the rows would tell whose id is between whose.
    order = f"order by {', '.join(hashes)}" if hashes else ""
    connection.execute(f'create table {_DATABASE}."{table}" ({", ".join(described)})')
    source = f'"{database}".main."{table}" as opened {" ".join(joins)}'
    connection.execute(f'insert into {_DATABASE}."{table}" select {", ".join(values)} from {source} {order}')
