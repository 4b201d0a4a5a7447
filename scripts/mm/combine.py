"""Put the published files of all programs into one, with what only several programs can tell."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from mm import inputs
from mm.marts import read_marts
from mm.mask import KEYED_HASH, Masks, mask_secret, masks_of, publish_with_mask
from mm.publish import log_of, quoted
from mm.published import WIDE, all_programs_path, check_unwritten, connect_limited
from mm.seeds import rows_of
from mm.settings import ALL_PROGRAMS, PROJECT, ReaderError, database_dir

# What only several programs can tell; each is made by the file of its name.
_OWN_TABLES = ("learner_programs", "program_overlap")
_OWN_MASKS: Masks = {"learner_programs": {"student_id": KEYED_HASH}, "program_overlap": {}}
# No program has this name, nor has any other attached file.
_DATABASE = "_combined"


@dataclass(frozen=True, slots=True)
class Combined:
    """What was put together: the files that are there now, the programs in them, and those without a file."""

    files: list[Path]
    programs: list[str]
    not_built: list[str]


def combine(warn: Callable[[str], None]) -> Combined:
    """Write database/all_programs.duckdb, and its masked file with MM_MASK_SECRET, of the published files.

    warn gets a sentence for each published file that is left out. ReaderError or OSError where nothing can be
    combined, or one of the files cannot be read for certain; then what was there before stays.
    """
    mask_secret()
    marts = read_marts()
    published = all_programs_path()
    built = database_dir() / "working" / published.name
    with inputs.lock_builds(ALL_PROGRAMS, database_dir()), _connected(built) as connection:
        _create_tables(connection, marts)
        there, not_built = _programs(warn)
        programs = [program for program in there if _take_in(connection, program, marts, warn)]
        if not programs:
            message = (
                f"There is no published file to combine in {database_dir()}: run `mm build PROGRAM` first."
            )
            raise ReaderError(message)
        for name in _OWN_TABLES:
            connection.execute((Path(__file__).parent / "combined" / f"{name}.sql").read_text("utf-8"))
        connection.execute(f"checkpoint {_DATABASE}")
        masks = _masks(marts, programs)
        files = publish_with_mask(connection, _DATABASE, built, published, masks=masks, warn=warn)
    return Combined(files, programs, not_built)


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
    except duckdb.IOException as error:
        message = f"{built} could not be written: see whether its disk has room."
        raise ReaderError(message) from error
    finally:
        built.unlink(missing_ok=True)
        log_of(built).unlink(missing_ok=True)


def _programs(warn: Callable[[str], None]) -> tuple[list[str], list[str]]:
    """Return the programs of the seeds that have a published file, and those that have none."""
    programs = [row["program"] for row in rows_of("programs", PROJECT / "seeds")]
    files = {path.stem: path for path in sorted(database_dir().glob("*.duckdb")) if "." not in path.stem}
    for name in files.keys() - {*programs, ALL_PROGRAMS}:
        warn(f"{files[name]} is left out: seeds/programs.csv has no program {name}.")
    there = [program for program in programs if program in files and program != ALL_PROGRAMS]
    return there, [program for program in programs if program not in there]


def _create_tables(connection: duckdb.DuckDBPyConnection, marts: Sequence[Mapping[str, Any]]) -> None:
    for mart in marts:
        if mart["name"] != WIDE:
            described = ["program varchar not null"]
            for name, column in mart["columns"].items():
                if name != "program":
                    is_needed = any(each["type"] == "not_null" for each in column["constraints"])
                    described.append(f'"{name}" {column["data_type"]}{" not null" if is_needed else ""}')
            connection.execute(f'create table "{mart["alias"]}" ({", ".join(described)})')


def _take_in(
    connection: duckdb.DuckDBPyConnection,
    program: str,
    marts: Sequence[Mapping[str, Any]],
    warn: Callable[[str], None],
) -> bool:
    """Copy a program's tables, and tell whether that was possible."""
    with _attached(connection, program) as path:
        if difference := _difference(connection, program, marts):
            warn(f"{path} is left out, as another version built it: {difference}. Run `mm build {program}`.")
            return False
        for mart in marts:
            if mart["name"] == WIDE:
                table = f"{program}_{WIDE}"
                connection.execute(f'create table "{table}" as select * from "{program}".main."{table}"')
            else:
                columns = ", ".join(f'"{name}"' for name in mart["columns"] if name != "program")
                connection.execute(
                    f'insert into "{mart["alias"]}" (program, {columns})'
                    f' select $1, {columns} from "{program}".main."{mart["alias"]}"',
                    [program],
                )
    return True


@contextmanager
def _attached(connection: duckdb.DuckDBPyConnection, program: str) -> Iterator[Path]:
    path = database_dir() / f"{program}.duckdb"
    check_unwritten(path, f"mm build {program}")
    try:
        connection.execute(f'attach {quoted(path)} as "{program}" (read_only)')
    except duckdb.Error as error:
        message = (
            f"{path} cannot be read: close the program that has it open for writing, "
            f"or run `mm build {program}` again."
        )
        raise ReaderError(message) from error
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


def _masks(marts: Sequence[Mapping[str, Any]], programs: Sequence[str]) -> Masks:
    masks = masks_of(marts)
    [wide] = (mart["alias"] for mart in marts if mart["name"] == WIDE)
    wide_masks = masks.pop(wide)
    return masks | {f"{program}_{WIDE}": wide_masks for program in programs} | _OWN_MASKS
