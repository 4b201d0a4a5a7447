"""Which random folders both engines build."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--folders", default="1-3", help="the first and the last of the random folders")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "number" in metafunc.fixturenames:
        first, last = map(int, metafunc.config.getoption("--folders").split("-"))
        metafunc.parametrize("number", range(first, last + 1))
