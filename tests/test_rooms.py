"""The rooms of `scripts/mm`: which may know which, and how large their modules and functions may grow."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from report_fixtures import PROJECT

MM = PROJECT / "scripts" / "mm"
ROOMS = {path.parent.name for path in MM.glob("*/__init__.py")}
# Modules that stand beside the rooms, for all of them.
SHARED = {path.stem for path in MM.glob("*.py")} - {"__init__", "unsubscribe_page"}
# The rooms that each may import, beside itself and what is shared.
MAY_KNOW = {
    "edx": set(),
    "people": {"edx"},
    "ledger": {"people"},
    "build": {"edx", "people", "ledger"},
    "mail": {"edx", "people", "ledger"},
    "unsubscribe": {"people", "ledger"},
    "report": {"edx", "build"},
    "cli": ROOMS,
}


def imported_by(path: Path) -> Iterator[str]:
    """Go through the rooms and shared modules of ours that a module imports, also within functions."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[1] for alias in node.names if alias.name.startswith("mm."))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "mm":
            names = node.module.split(".")[1:2] or [alias.name for alias in node.names]
            yield from names


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_a_room_imports_only_what_it_may_know(room: str) -> None:
    shared = set() if room == "edx" else SHARED
    known = {name for path in (MM / room).rglob("*.py") for name in imported_by(path)}
    assert known - {room} - shared <= MAY_KNOW[room]


def test_what_is_shared_knows_no_room_but_edx() -> None:
    known = {name for stem in SHARED for name in imported_by(MM / f"{stem}.py")}
    assert known - SHARED <= {"edx"}


def test_no_module_and_no_function_needs_much_scrolling() -> None:
    for path in MM.rglob("*.py"):
        text = path.read_text("utf-8")
        assert len(text.splitlines()) <= 300, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                assert node.end_lineno - node.lineno < 50, f"{path}: {node.name}"
