"""Build random folders with random damage on DuckDB and on Spark, and say where what they publish differs.

`make differential` runs it, and no other test: it takes half an hour. A folder is known by its number, so
`python tests/differential.py 7 8` builds those two again.
"""

import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from report_fixtures import DBT, PROJECT, differences

from mm import cluster
from mm.settings import ReaderError

FOLDERS = range(1, 21)
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


def compare(number: int, folder: Path) -> bool:
    """Build folder `number` with both engines, print how they differ, and return whether they do."""
    chance = random.Random(number)  # noqa: S311 - the same folder each time
    data, databases = folder / "data", folder / "databases"
    arguments = [str(data / "demo"), "--learners", str(chance.randrange(40, 200)), "--seed", str(number)]
    more = ["--runs", "1T2019,3T2019", "--downloads", "2"] if chance.random() < 0.5 else []
    subprocess.run(
        [sys.executable, PROJECT / "scripts/generate_reports.py", *arguments, *more],
        check=True,
        capture_output=True,
    )
    damage(data / "demo", chance)
    os.environ |= {"MM_DATA_DIR": str(data), "MM_DATABASE_DIR": str(databases), "MM_SPARK_MASTER": "local[2]"}
    laptop = subprocess.run(
        [DBT, "--no-use-colors", "build", "--target-path", folder / "target"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    published, kept = databases / "demo.duckdb", folder / "laptop.duckdb"
    if published.exists():
        published.rename(kept)
    said = folder / "cluster.txt"
    with said.open("w") as file:
        standard_output = os.dup(1)
        os.dup2(file.fileno(), 1)
        try:
            cluster.build({"program": "demo"})
        except ReaderError as error:
            print(f"mm: {error}", flush=True)  # noqa: T201 - as the command does
        finally:
            # a session leaves what it shipped on the path of this process
            sys.path[:] = [place for place in sys.path if not place.endswith(".zip")]
            sys.path_importer_cache.clear()
            sys.stdout.flush()
            os.dup2(standard_output, 1)
    messages = [_messages(laptop.stdout, data), _messages(said.read_text("utf-8"), data)]
    found: dict[str, object] = {}
    if kept.exists() != published.exists():
        found["published"] = (kept.exists(), published.exists())
    elif kept.exists():
        found = differences(kept, published)
    if messages[0] != messages[1]:
        found["messages"] = messages
    how = "refused by both" if not kept.exists() and not found else "the same"
    print(f"folder {number}: {found or how}", flush=True)  # noqa: T201 - what it is for
    return bool(found)


def _messages(output: str, data: Path) -> list[str]:
    """Return what a build says of the folder: its warnings, and the sentences that stop it."""
    lines = {line.strip() for line in output.splitlines()}
    warnings = {line.partition("Warning: ")[2] for line in lines if "Warning: " in line}
    return sorted(warnings | {line for line in lines if line.startswith(str(data))})


def main() -> None:
    """Compare the folders that the command line names, or all; the exit code is 1 where any differs."""
    numbers = [int(text) for text in sys.argv[1:]] or FOLDERS
    differing = []
    for number in numbers:
        with tempfile.TemporaryDirectory() as folder:
            if compare(number, Path(folder)):
                differing.append(number)
    print(f"{len(numbers)} folders, {len(differing)} of them differ: {differing}")  # noqa: T201
    sys.exit(bool(differing))


if __name__ == "__main__":
    main()
