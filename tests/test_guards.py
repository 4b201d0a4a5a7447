"""What no test may do, and what a test that fails shows: see conftest.py."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import duckdb
import pytest
from report_fixtures import Build, NewPlace, builds_in


def test_a_thread_that_opens_duckdb_is_refused() -> None:
    with ThreadPoolExecutor(1) as threads:
        opened = threads.submit(duckdb.connect)
    with pytest.raises(AssertionError, match="a thread opens DuckDB"):
        opened.result()
    duckdb.connect().close()


@dataclass
class Kept:
    """What a fixture may return."""

    first: Build
    others: dict[str, tuple[int, Build]]


def test_the_builds_that_a_test_was_given_are_found(new_place: NewPlace) -> None:
    place = new_place()
    place.write("lgdm", "notes.txt", "no report")
    failed = place.build("lgdm")
    assert list(builds_in([1, Kept(failed, {"b": (2, failed)})])) == [failed, failed]
    with pytest.raises(pytest.fail.Exception, match=r"(?s)dbt build --vars program: lgdm .*No grade report"):
        failed.passed()
