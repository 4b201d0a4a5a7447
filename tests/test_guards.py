"""What no test may do: see conftest.py."""

from concurrent.futures import ThreadPoolExecutor

import duckdb
import pytest


def test_a_thread_that_opens_duckdb_is_refused() -> None:
    with ThreadPoolExecutor(1) as threads:
        opened = threads.submit(duckdb.connect)
    with pytest.raises(AssertionError, match="a thread opens DuckDB"):
        opened.result()
    duckdb.connect().close()
