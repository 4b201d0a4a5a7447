"""Fixtures that every test may use."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from mail_fixtures import certificate, server, tls, world
from project_fixtures import built
from selenium.webdriver import Chrome, ChromeOptions, ChromeService

__all__ = ["browser", "built", "certificate", "server", "tls", "world"]

CHROMIUM, DRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")


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
