"""Random folders with random damage: both engines publish the same, or refuse them in the same words.

A folder is known by its number: `make differential FOLDERS=7-8` builds those two again.
"""

import random
import subprocess
import sys
from pathlib import Path

from cluster_fixtures import NEEDS_SPARK, build
from report_fixtures import PROJECT, Build, NewPlace, differences

pytestmark = NEEDS_SPARK

GENERATE = PROJECT / "tools" / "generate_reports.py"
# What a download may hold in place of what edX wrote. Some of it only one of the engines reads as a value.
CELLS = [
    *(
        "",
        " ",
        "0.65",
        "0.65 ",
        "+0.5",
        ".5",
        "1.",
        "5e-1",
        "0.5d",
        "0.5f",
        "1_0",
        "0x1p0",
        "nan",
        "inf",
        "1e400",
    ),
    *(
        "0.0005",
        "0.00001",
        "0.8666666666666667",
        "2",
        "2.0000001",
        "-0",
        "1e-400",
        "\u0660",
        "\u0661",
        "0,65",
    ),
    *(
        "Y",
        "y",
        "None",
        "none",
        "NULL",
        "null",
        "N/A",
        "audit",
        "verified",
        "honor",
        "Verified",
        "unenrolled",
    ),
    *(
        "O'Hara",
        '"quoted"',
        "back\\slash",
        "tab\there",
        "a\u2028b",
        "\u0130stanbul",
        "e\u0301",
        "\U0001f41d",
        "a,b",
    ),
    *(
        "two\r\nlines",
        "three\n\nlines",
        "retired__user_x",
        "x@retired.invalid",
        "$1",
        "%",
        "_",
        "{{ x }}",
        "\x00",
    ),
]


def damage(folder: Path, chance: random.Random) -> None:
    """Change, cut, repeat, join and rename some of what the downloads hold."""
    for path in sorted(folder.iterdir()):
        if chance.random() < 0.5:
            lines = path.read_text("utf-8").split("\r\n")
            for _ in range(chance.randrange(1, 6)):
                _change_a_line(lines, chance)
            line_end = chance.choice(["\r\n", "\r\n", "\n"])
            text = line_end.join(lines)
            path.write_text(chance.choice(["", "\ufeff"]) + text, "utf-8", newline="")
        if chance.random() < 0.1:
            path.rename(
                path.with_name(path.name.replace(".csv", chance.choice([" (1).csv", "_old.csv", ".csv.txt"])))
            )


def _change_a_line(lines: list[str], chance: random.Random) -> None:
    at = chance.randrange(1, max(len(lines), 2))
    if at >= len(lines):
        return
    cells = lines[at].split(",")
    cell = chance.choice(CELLS)
    match chance.randrange(6):
        case 0 | 1 | 2:
            cells[chance.randrange(len(cells))] = _quoted(cell)
            lines[at] = ",".join(cells)
        case 3:
            lines.insert(at, lines[chance.randrange(1, len(lines))])
        case 4:
            lines[at] = ",".join(cells[: chance.randrange(len(cells))])
        case 5:
            lines.insert(at, chance.choice(["", " ", _quoted(cell), ",".join([*cells, _quoted(cell)])]))


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if set(cell) & set(',"\r\n') else cell


def test_a_damaged_folder_is_the_same_on_both_engines(number: int, new_place: NewPlace) -> None:
    chance = random.Random(number)  # noqa: S311 - the same folder each time
    place = new_place()
    arguments = [place.data / "demo", "--learners", str(chance.randrange(40, 200)), "--seed", str(number)]
    more = ["--runs", "1T2019,3T2019", "--downloads", "2"] if chance.random() < 0.5 else []
    subprocess.run([sys.executable, GENERATE, *arguments, *more], check=True, capture_output=True)
    damage(place.data / "demo", chance)
    on_laptop = place.build("demo")
    kept = place.root / "laptop.duckdb"
    if on_laptop.published.exists():
        on_laptop.proved()
        on_laptop.published.rename(kept)
    on_cluster = build(place, "demo")
    assert said(on_cluster) == said(on_laptop)
    assert on_cluster.published.exists() == kept.exists() == (on_laptop.returncode == 0)
    if kept.exists():
        assert differences(kept, on_cluster.published) == {}


def said(build: Build) -> list[str]:
    """Return what a build says of the folder: its warnings, and the sentences that stop it."""
    lines = {line.strip() for line in build.output.splitlines()}
    warnings = {line.partition("Warning: ")[2] for line in lines if "Warning: " in line}
    return sorted(warnings | {line for line in lines if line.startswith(build.place.data_dir)})
