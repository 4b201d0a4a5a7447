"""Fixtures that every test may use, and what no test may do."""

import subprocess
import threading
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from mail_fixtures import certificate, server, tls, world
from project_fixtures import demo, project
from report_fixtures import PROJECT, Dbt, NewPlace, Place, builds_in
from selenium.webdriver import Chrome, ChromeOptions, ChromeService

__all__ = ["browser", "certificate", "demo", "project", "server", "tls", "world"]

CHROMIUM, DRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")
# Where a person's own builds write, who may be at it while the tests run.
OF_A_PERSON = ("database", "logs", "out", "target")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show with a test that fails what its processes said, and its builds that did not pass."""
    report = yield
    if call.excinfo is not None and report.failed:
        if isinstance(call.excinfo.value, subprocess.CalledProcessError):
            error = call.excinfo.value
            report.sections.append((" ".join(map(str, error.cmd)), f"{error.stdout}{error.stderr}"))
        for build in builds_in(list(getattr(item, "funcargs", {}).values())):
            if build.returncode:
                report.sections.append((str(build), build.output))
    return report


@pytest.fixture(scope="session", autouse=True)
def _the_checkout_is_left_as_it_is() -> Iterator[None]:
    before = {name for name in OF_A_PERSON if (PROJECT / name).exists()}
    yield
    now = {name for name in OF_A_PERSON if (PROJECT / name).exists()}
    assert now == before, "a test has written into the checkout, or somebody built there for the first time"


@pytest.fixture(scope="session", autouse=True)
def _duckdb_is_for_the_main_thread() -> Iterator[None]:
    """Let no thread open DuckDB, which reads the environment: tests change it in the main thread."""
    connect = duckdb.connect

    def checked(*arguments: Any, **options: Any) -> duckdb.DuckDBPyConnection:  # noqa: ANN401 - DuckDB's
        assert threading.current_thread() is threading.main_thread(), "a thread opens DuckDB"
        return connect(*arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(duckdb, "connect", checked)
        yield


@pytest.fixture(scope="session")
def of_all_processes(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """Return a folder that all processes of this run of the tests share."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def dbt(of_all_processes: Path) -> Iterator[Dbt]:
    """Return this process's dbt."""
    dbt = Dbt(of_all_processes)
    yield dbt
    dbt.end()


@pytest.fixture(scope="session")
def new_place(dbt: Dbt, tmp_path_factory: pytest.TempPathFactory) -> NewPlace:
    """Return what makes a place of its own each time."""
    return lambda: Place(tmp_path_factory.mktemp("place"), dbt)


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """Start one headless browser for all tests: each says which size, media and scheme it looks at."""
    if not (CHROMIUM.is_file() and DRIVER.is_file()):
        pytest.skip(f"no browser: install Debian's chromium and chromium-driver ({CHROMIUM}, {DRIVER})")
    options = ChromeOptions()
    options.binary_location = str(CHROMIUM)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    for argument in (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        f"--user-data-dir={tmp_path_factory.mktemp('chromium')}",
    ):
        options.add_argument(argument)
    driver = Chrome(options=options, service=ChromeService(str(DRIVER)))
    yield driver
    driver.quit()
