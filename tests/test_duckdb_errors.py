"""What DuckDB says of a file is told apart: damage, a lock, too little memory, and what is no reader's."""

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from mm.config import ReaderError
from mm.database import is_damage, told_of

HOLDING = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1], read_only=True)
print(flush=True)
sys.stdin.read()
"""


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Write a DuckDB file of some blocks; its name holds DuckDB's words for a lock and for damage."""
    path = tmp_path / "a lock, corrupt file.duckdb"
    with duckdb.connect(path) as connection:
        connection.execute("create table numbers as select md5(range::varchar) as text from range(50000)")
    return path


def error_of(database: Path) -> duckdb.Error:
    """Return what DuckDB says as a build opens the file, to write."""
    read = f"attach '{database}' as steps; select count(distinct text) from steps.numbers"
    with duckdb.connect() as connection, pytest.raises(duckdb.Error) as raised:
        connection.execute(read)
    return raised.value


@pytest.mark.parametrize("case", ["no database", "empty", "cut off", "overwritten"])
def test_damage_is_damage(database: Path, case: str) -> None:
    content = database.read_bytes()
    middle = len(content) // 2
    damaged = {
        "no database": b"not a database" * 1000,
        "empty": b"",
        "cut off": content[:middle],
        "overwritten": content[:middle] + b"damage" * 50_000 + content[middle + 300_000 :],
    }
    database.write_bytes(damaged[case])
    assert is_damage(error_of(database))
    with pytest.raises(ReaderError, match="is damaged"), told_of(database, "mm build demo"):
        raise error_of(database)


def test_a_reader_is_no_damage(database: Path) -> None:
    command = [sys.executable, "-c", HOLDING, database]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as reader:
        assert reader.stdout
        reader.stdout.readline()
        error = error_of(database)
        reader.communicate()
    assert not is_damage(error)
    with pytest.raises(ReaderError, match="close the program"), told_of(database, "mm build demo"):
        raise error


def test_what_is_about_a_query_passes(database: Path) -> None:
    with (
        duckdb.connect(database) as connection,
        pytest.raises(duckdb.ConversionException),
        told_of(database, "mm build demo"),
    ):
        connection.execute("select text::integer from numbers")
