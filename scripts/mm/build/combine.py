"""Put the published files of all programs into one, with what only several programs can tell."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from mm.build import inputs
from mm.build.descriptions import describe
from mm.build.marts import read_marts
from mm.build.mask import mask_secret, publish_with_mask
from mm.build.masked_columns import KEYED_HASH, Masks, known_of, masks_of
from mm.config import ALL_PROGRAMS, SEEDS, ReaderError, database_dir
from mm.database import check_unwritten, connect_limited, first_line, is_damage, log_of, quoted, told_of
from mm.published import WIDE, all_programs_path, has_summaries_alone, tables_of
from mm.seeds import rows_of

# What only several programs can tell; each is made by the file of its name.
_OWN_TABLES = ("learner_programs", "program_overlap")
_OWN_MASKS: Masks = {"learner_programs": {"student_id": KEYED_HASH}, "program_overlap": {}}
# No program has this name, nor has any other attached file.
_DATABASE = "_combined"
# What stands there of an account that another program knows as retired, as in a build that knows it.
_OF_THE_RETIRED = {
    **dict.fromkeys(("username", "email", "name", "student_name", "country", "detail"), "null"),
    "is_retired": "true",
    # the reasons before it are about certificates
    "excluded_reason": (
        "if(excluded_reason in ('whole series certified', 'already certified'), excluded_reason,"
        " 'retired account')"
    ),
}
_MAILOUTS = {"mailout", "mailout_audit_passed", "mailout_certificate_eligible"}
# Whose a rejected row is its first cell tells, or another one by a name.
_RAW_TEXT = """
    if(
        try_cast(trim(split_part(raw_text, ',', 1), ' "') as bigint) in (select student_id from retired)
        or list_has_any(
            list_transform(string_split(lower(raw_text), ','), lambda cell: trim(cell, e' "\\r\\n')),
            (select coalesce(list(name), []) from retired_names)
        ),
        'withheld: of a retired account',
        raw_text
    ) as raw_text
"""


@dataclass(frozen=True, slots=True)
class Combined:
    """What was put together: the files that are there now and the programs in them.

    not_built: those without a published file. invented: those that were left out, as their learners are.
    """

    files: list[Path]
    programs: list[str]
    not_built: list[str]
    invented: list[str]


def combine(warn: Callable[[str], None], also: Collection[str] = ()) -> Combined:
    """Write database/all_programs.duckdb, and its masked file with MM_MASK_SECRET, of the published files.

    Invented programs are left out, but for those in `also`, and where there is no other. warn gets a sentence
    for each other published file that is left out. ReaderError or OSError where nothing can be combined, or
    one of the files cannot be read for certain; then what was there before stays.
    """
    mask_secret()
    marts = read_marts()
    published = all_programs_path()
    built = database_dir() / "working" / published.name
    with (
        inputs.lock_builds(ALL_PROGRAMS, database_dir()),
        _connected(built) as connection,
        ExitStack() as opened,
    ):
        _create_tables(connection, marts)
        there, not_built, invented = _programs(warn, also)
        programs = [
            program
            for program in there
            if _is_of_this_version(
                connection, program, opened.enter_context(_attached(connection, program)), marts, warn
            )
        ]
        if not programs:
            message = (
                f"There is no published file to combine in {database_dir()}: run `mm build PROGRAM` first."
            )
            raise ReaderError(message)
        for program in programs:
            _find_retired_elsewhere(connection, program, programs)
            _take_in(connection, program, marts)
        for name in _OWN_TABLES:
            connection.execute((Path(__file__).parent / "combined" / f"{name}.sql").read_text("utf-8"))
        describe(connection, _DATABASE, marts, {WIDE: [f"{program}_{WIDE}" for program in programs]})
        connection.execute(f"checkpoint {_DATABASE}")
        masks = _of_each(masks_of(marts), marts, programs) | _OWN_MASKS
        known = _of_each(known_of(marts), marts, programs)
        files = publish_with_mask(
            connection, _DATABASE, built, published, masks=masks, known=known, warn=warn
        )
    return Combined(files, programs, not_built, invented)


@contextmanager
def _connected(built: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a new file to put all into, in at most MM_MEMORY_LIMIT of memory; it is gone in the end."""
    built.unlink(missing_ok=True)
    log_of(built).unlink(missing_ok=True)
    try:
        with connect_limited() as connection:
            # What has no room in memory is of learners, too, and rows need not wait for those before them.
            connection.execute("set temp_directory = $1", [str(built.parent / f"{ALL_PROGRAMS}.tmp")])
            connection.execute("set preserve_insertion_order = false")
            connection.execute(f"attach {quoted(built)} as {_DATABASE} (storage_version 'v1.0.0')")
            connection.execute(f"use {_DATABASE}")
            yield connection
    except duckdb.OutOfMemoryException as error:
        message = "The programs need more memory than they may take: set MM_MEMORY_LIMIT higher, such as 4GB."
        raise ReaderError(message) from error
    except duckdb.Error as error:
        if is_damage(error):
            message = "One of the programs' published files is damaged: run `mm build PROGRAM` for each."
        elif isinstance(error, duckdb.IOException):
            message = f"{built} could not be written: see whether its disk has room ({first_line(error)})."
        else:
            raise
        raise ReaderError(message) from error
    finally:
        built.unlink(missing_ok=True)
        log_of(built).unlink(missing_ok=True)


def _programs(warn: Callable[[str], None], also: Collection[str]) -> tuple[list[str], list[str], list[str]]:
    """Return the programs to take in, those that have no published file, and the invented to leave out."""
    rows = rows_of("programs", SEEDS)
    programs = [row["program"] for row in rows]
    files = {path.stem: path for path in sorted(database_dir().glob("*.duckdb")) if "." not in path.stem}
    for name in files.keys() - {*programs, ALL_PROGRAMS}:
        warn(f"{files[name]} is left out: seeds/programs.csv has no program {name}.")
    there = [program for program in programs if program in files and program != ALL_PROGRAMS]
    not_built = [program for program in programs if program not in there]
    invented = {row["program"] for row in rows if row.get("invented", "").lower() == "true"} - set(also)
    if invented >= set(there):
        return there, not_built, []
    return (
        [program for program in there if program not in invented],
        not_built,
        [program for program in there if program in invented],
    )


def _create_tables(connection: duckdb.DuckDBPyConnection, marts: Sequence[Mapping[str, Any]]) -> None:
    for mart in marts:
        if mart["name"] != WIDE:
            described = ["program varchar not null"]
            for name, column in mart["columns"].items():
                if name != "program":
                    is_needed = any(each["type"] == "not_null" for each in column["constraints"])
                    described.append(f'"{name}" {column["data_type"]}{" not null" if is_needed else ""}')
            connection.execute(f'create table "{mart["alias"]}" ({", ".join(described)})')


def _is_of_this_version(
    connection: duckdb.DuckDBPyConnection,
    program: str,
    path: Path,
    marts: Sequence[Mapping[str, Any]],
    warn: Callable[[str], None],
) -> bool:
    if has_summaries_alone(tables_of(connection, program)):
        warn(
            f"{path} is left out, as it was fetched with --fetch summaries: "
            f"run `mm build {program} --on cluster` for all tables."
        )
        return False
    if difference := _difference(connection, program, marts):
        warn(f"{path} is left out, as another version built it: {difference}. Run `mm build {program}`.")
        return False
    return True


def _find_retired_elsewhere(
    connection: duckdb.DuckDBPyConnection, program: str, programs: Sequence[str]
) -> None:
    """Make the tables `retired`, of accounts that others alone know as retired, and `retired_names`."""
    learners = " union all ".join(
        f'select student_id, username, email, is_retired from "{each}".main.learners' for each in programs
    )
    connection.execute(f"""
        create or replace temp table retired as
        select distinct student_id from ({learners}) where is_retired
        except
        select student_id from "{program}".main.learners where is_retired;
        create or replace temp table retired_names as
        select distinct lower(trim(unnest([username, email]))) as name
        from ({learners}) semi join retired using (student_id);
        delete from retired_names where name is null
    """)


def _take_in(connection: duckdb.DuckDBPyConnection, program: str, marts: Sequence[Mapping[str, Any]]) -> None:
    """Copy a program's tables, without what tells who an account was that is retired elsewhere."""
    for mart in marts:
        is_wide = mart["name"] == WIDE
        table = f"{program}_{WIDE}" if is_wide else mart["alias"]
        source = f'"{program}".main."{table}"'
        if "student_id" in mart["columns"]:
            changed = [
                f'if(student_id in (select student_id from retired), {value}, "{name}") as "{name}"'
                for name, value in _OF_THE_RETIRED.items()
                if name in mart["columns"]
            ]
        else:
            changed = [_RAW_TEXT] if "raw_text" in mart["columns"] else []
        if changed:
            source = f"(select * replace ({', '.join(changed)}) from {source})"
        if mart["name"] in _MAILOUTS:
            source = f"{source} where student_id not in (select student_id from retired)"
        if is_wide:
            connection.execute(f'create table "{table}" as select * from {source}')
        else:
            columns = ", ".join(f'"{name}"' for name in mart["columns"] if name != "program")
            connection.execute(
                f'insert into "{table}" (program, {columns}) select $1, {columns} from {source}', [program]
            )


@contextmanager
def _attached(connection: duckdb.DuckDBPyConnection, program: str) -> Iterator[Path]:
    path = database_dir() / f"{program}.duckdb"
    check_unwritten(path, f"mm build {program}")
    with told_of(path, f"mm build {program}"):
        connection.execute(f'attach {quoted(path)} as "{program}" (read_only)')
    # One that came in between has been read.
    check_unwritten(path, f"mm build {program}")
    yield path
    connection.execute(f'detach "{program}"')


def _difference(
    connection: duckdb.DuckDBPyConnection, program: str, marts: Sequence[Mapping[str, Any]]
) -> str | None:
    """Say the first thing in which a program's tables are not those that this version publishes."""
    columns: dict[str, dict[str, dict[str, str]]] = {_DATABASE: {}, program: {}}
    for database, table, name, type_name in connection.execute(
        """
        select database_name, table_name, column_name, data_type || if(is_nullable, '', ' not null')
        from duckdb_columns()
        where database_name in ($1, $2)
        """,
        [_DATABASE, program],
    ).fetchall():
        columns[database].setdefault(table, {})[name] = type_name
    for mart in marts:
        is_wide = mart["name"] == WIDE
        table = f"{program}_{WIDE}" if is_wide else mart["alias"]
        if table not in columns[program]:
            return f"it has no table {table}"
        found = columns[program][table]
        for name in mart["columns"]:
            if name not in found:
                return f"its table {table} has no column {name}"
            expected = found[name] if is_wide else columns[_DATABASE][table][name]
            if found[name] != expected:
                return f"the column {name} of its table {table} is {found[name]}, expected {expected}"
    return None


def _of_each(
    said: dict[str, dict[str, str]], marts: Sequence[Mapping[str, Any]], programs: Sequence[str]
) -> dict[str, dict[str, str]]:
    """Return what is said of tables, that of the wide one for each program's."""
    [wide] = (mart["alias"] for mart in marts if mart["name"] == WIDE)
    others = {table: columns for table, columns in said.items() if table != wide}
    return others | {f"{program}_{WIDE}": said[wide] for program in programs}
