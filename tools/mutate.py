"""Break the SQL in one place at a time, and print what dbt's own tests do not notice.

Each such place is a line on standard output, `file:line: what became what`. It needs a test, or a reason why
none can be: the two may mean the same. A place counts as noticed where a unit test of its model fails or,
if none does, where the demo program no longer builds or one of its data tests fails.

Example: python tools/mutate.py models/marts/mailout
"""

import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import zip_longest
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated

import typer
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner
from typer import Argument, Option

PROJECT = Path(__file__).resolve().parent.parent
NEEDED = (
    "dbt_project.yml",
    "profiles.yml",
    "selectors.yml",
    "analyses",
    "data/demo",
    "macros",
    "models",
    "scripts",
    "seeds",
    "tests",
)
PLACES = (Path("models"), Path("macros"))
QUIET = ("--log-level", "none", "--log-level-file", "none", "--no-write-json")
NO_UNIT_TESTS = ("--exclude-resource-type", "unit_test")

# Templating, comments and texts are not SQL, though a text can be changed as a whole.
HIDDEN = re.compile(
    r"""\{\{(?:[^"']|"[^"]*"|'[^']*')*?\}\}|\{%.*?%\}|\{#.*?#\}|--[^\n]*|'(?:[^'{]|''|\{\{.*?\}\}|\{)*'""",
    re.DOTALL,
)
BETWEEN = re.compile(r"(?<=\bbetween )(\S+ )and\b")
# What stands there, and what it becomes.
TOKENS = {
    "=": ("!=",),
    "!=": ("=",),
    "<": ("<=", ">="),
    "<=": ("<", ">"),
    ">": (">=", "<="),
    ">=": (">", "<"),
    "+": ("-",),
    "-": ("+",),
    "/": ("*",),
    "and": ("or",),
    "or": ("and",),
    "not": ("",),
    "is null": ("is not null",),
    "is distinct from": ("is not distinct from",),
    "in (": ("not in (",),
    "exists (": ("not exists (",),
    "between": ("not between",),
    "like": ("not like",),
    "true": ("false",),
    "false": ("true",),
    "min(": ("max(",),
    "max(": ("min(",),
    "min_by(": ("max_by(",),
    "max_by(": ("min_by(",),
    "arg_max_null(": ("arg_min_null(",),
    "bool_or(": ("bool_and(",),
    "bool_and(": ("bool_or(",),
    "first_value(": ("last_value(",),
    "last_value(": ("first_value(",),
    "lead(": ("lag(",),
    "lag(": ("lead(",),
    "starts_with(": ("ends_with(",),
    "ends_with(": ("starts_with(",),
    "lower(": ("(",),
    "trim(": ("(",),
    "length(": ("(",),
    "list_sort(": ("(",),
    "distinct": ("",),
    "nulls last": ("nulls first",),
    "union all": ("union", "except"),
    "union": ("union all",),
    "except": ("union all",),
    "left join": ("inner join",),
    "inner join": ("left join",),
    "semi join": ("anti join",),
}
TOKEN = re.compile(
    "|".join(
        (r"(?<![\w.])" if token[0].isalpha() else "")
        + ("(?<!not )" if token in {"in (", "exists (", "between", "like"} else "")
        + re.escape(token)
        + (r"\b" if token[-1].isalpha() else "")
        for token in sorted(TOKENS, key=len, reverse=True)
    )
)
NUMBER = re.compile(r"(?<![\w.])\d+(?![\w.])")
CLAUSE_END = re.compile(
    r"[()\[\],]|\b(?:(?:group|order|partition) by|having|qualify|where|window|union|except"
    r"|(?:left|inner|cross|semi) join)\b"
)
CONDITION_END = re.compile(rf"{CLAUSE_END.pattern}|\b(?:and|or|then|as|asc|desc)\b")
# A condition after such a word becomes what is said here.
CONDITIONS = {
    r"\b(?:where|having|qualify|on|and)\s+": "true",
    r"\b(?:or|when)\s+": "false",
    r"\bif\(": "not ({})",
}
# An item of what rows are ordered by goes the other way, one of what parts them is dropped.
LIST = r"\b(order|partition) by\s+"


@dataclass(frozen=True)
class Mutant:
    """A file of the project, by its path in it, with one place changed."""

    path: Path
    source: str
    start: int
    end: int
    new: str

    @property
    def text(self) -> str:
        """The whole file."""
        return self.source[: self.start] + self.new + self.source[self.end :]

    @property
    def model(self) -> str:
        """The model that is changed; a macro changes any, `*`."""
        return self.path.stem if self.path.parts[0] == "models" else "*"

    def __str__(self) -> str:
        """Tell the place, and its line or lines before and after."""
        first = self.source.rfind("\n", 0, self.start) + 1
        last = self.source.index("\n", self.end)
        number = self.source.count("\n", 0, self.start) + 1
        old = self.source[first:last]
        new = self.source[first : self.start] + self.new + self.source[self.end : last]
        return f"{self.path}:{number}: {' '.join(old.split())} became {' '.join(new.split())}"


def mutants_of(path: Path) -> list[Mutant]:
    """Return the file with each of its places changed, in the order of the places."""
    source = (PROJECT / path).read_text(encoding="utf-8")
    found = {Mutant(path, source, start, end, new) for start, end, new in changes(source)}
    # Two rules may make the same of a file.
    distinct = {mutant.text: mutant for mutant in found if mutant.text != source}
    return sorted(distinct.values(), key=lambda mutant: (mutant.start, mutant.end, mutant.new))


def changes(source: str) -> Iterator[tuple[int, int, str]]:
    """Yield what can be changed in SQL: from where to where, and into what."""
    sql = BETWEEN.sub(r"\1___", HIDDEN.sub(_masked, source))
    for match in TOKEN.finditer(sql):
        for new in TOKENS[match[0]]:
            yield *match.span(), new
    for match in NUMBER.finditer(sql):
        yield *match.span(), str(int(match[0]) + 1)
    for match in HIDDEN.finditer(source):
        if match[0].startswith("'"):
            yield *match.span(), "'?'"
    for word, template in CONDITIONS.items():
        for match in re.finditer(word, sql):
            end = _end(sql, match.end(), CONDITION_END)
            yield match.end(), end, template.format(source[match.end() : end])
    for match in re.finditer(LIST, sql):
        for start, end in _items(sql, match.end()):
            yield start, end, "null" if match[1] == "partition" else _turned(source[start:end])


def _masked(match: re.Match[str]) -> str:
    # As long as before, so that places stay; what has a value stays a word.
    filler = "_" if match[0].startswith(("{{", "'")) else " "
    return re.sub(r"[^\n]", filler, match[0])


def _end(sql: str, start: int, ends: re.Pattern[str]) -> int:
    depth = 0
    for match in ends.finditer(sql, start):
        if match[0] in "([":
            depth += 1
        elif depth == 0:
            return start + len(sql[start : match.start()].rstrip())
        elif match[0] in ")]":
            depth -= 1
    return len(sql.rstrip())


def _items(sql: str, start: int) -> Iterator[tuple[int, int]]:
    end = _end(sql, start, CLAUSE_END)
    yield start, end
    if comma := re.compile(r",\s+").match(sql, end):
        yield from _items(sql, comma.end())


def _turned(item: str) -> str:
    if re.search(r"\bdesc\b", item):
        return re.sub(r"\bdesc\b", "asc", item)
    return re.sub(r" asc\b|$", " desc", item, count=1)


def rounds(mutants: Iterable[Mutant]) -> Iterator[list[Mutant]]:
    """Put mutants together that have no unit test in common: of each model one at a time, of macros one."""
    by_model: dict[str, list[Mutant]] = {}
    for mutant in mutants:
        by_model.setdefault(mutant.model, []).append(mutant)
    for mutant in by_model.pop("*", []):
        yield [mutant]
    for one_of_each in zip_longest(*by_model.values()):
        yield [mutant for mutant in one_of_each if mutant]


def unit_tests_of(mutants: Iterable[Mutant]) -> list[str]:
    """Return dbt's arguments for the unit tests that can notice one of the mutants."""
    models = sorted({mutant.model for mutant in mutants})
    return ["test", "--select", *(f"{model},test_type:unit" for model in models)]


def build_demo(folder: Path, mutants: Iterable[Mutant]) -> set[str]:
    """Copy the project, build the demo program and try the tests there, and return the models with a failure.

    Of the unit tests it runs those that can notice one of the mutants.
    """
    folder.mkdir()
    for name in NEEDED:
        copy = shutil.copytree if (PROJECT / name).is_dir() else shutil.copy2
        copy(PROJECT / name, folder / name)
    os.chdir(folder)
    return run_dbt("build", "--select", "fqn:*", *NO_UNIT_TESTS) | run_dbt(*unit_tests_of(mutants))


def settle(built: Path) -> None:
    """Give a process that tries mutants its own copy of the project and of all that a build has made."""
    place = built.with_name(f"of_process_{os.getpid()}")
    shutil.copytree(built, place)
    os.chdir(place)


def try_mutants(mutants: Iterable[Mutant], *arguments: str) -> set[str]:
    """Run dbt with the mutants in place, return the models with a failure, and make all as it was."""
    for mutant in mutants:
        mutant.path.write_text(mutant.text, encoding="utf-8")
    failed = run_dbt(*arguments)
    for mutant in mutants:
        mutant.path.write_text(mutant.source, encoding="utf-8")
    shutil.rmtree("database")
    shutil.copytree("../built/database", "database")
    return failed


def run_dbt(*arguments: str) -> set[str]:
    """Run dbt in the folder where we are, and return the models with a failure."""
    ended = dbtRunner().invoke([*arguments, *QUIET])
    if ended.exception:
        raise RuntimeError(str(ended.exception))
    # dbt-duckdb keeps the database open for the next command, and its files are to be replaced.
    DuckDBConnectionManager.env().close()
    nodes = [result.node for result in ended.result if result.status in {"fail", "error", "runtime error"}]
    # A unit test's id has its model's name first.
    return {node.unique_id.split(".")[2] for node in nodes}


def pass_unit_tests(mutants: list[Mutant]) -> list[Mutant]:
    """Return those mutants of a round that no unit test notices."""
    failed = try_mutants(mutants, *unit_tests_of(mutants))
    return [mutant for mutant in mutants if not failed & ({mutant.model} if mutant.model != "*" else failed)]


def passes_build(mutant: Mutant) -> bool:
    """Tell whether the demo program can be built with the mutant, and all its data tests pass."""
    return not try_mutants([mutant], "build", "--select", f"{mutant.model}+", *NO_UNIT_TESTS, "--fail-fast")


def survivors(mutants: list[Mutant], built: Path, jobs: int) -> Iterator[Mutant]:
    """Yield the mutants that nothing notices."""
    with ProcessPoolExecutor(jobs, get_context("spawn"), settle, (built,)) as pool:
        together = list(rounds(mutants))
        passed = set()
        for number, some in enumerate(pool.map(pass_unit_tests, together), 1):
            passed.update(some)
            typer.echo(f"unit tests: {number} of {len(together)}", err=True)
        left = [mutant for mutant in mutants if mutant in passed]
        for number, is_passed in enumerate(pool.map(passes_build, left), 1):
            if is_passed:
                yield left[number - 1]
            typer.echo(f"builds: {number} of {len(left)}", err=True)


def main(
    paths: Annotated[list[Path] | None, Argument(help="Files or folders; all SQL if not given.")] = None,
    *,
    jobs: Annotated[int, Option(min=1, help="How many processes.")] = 2,
) -> None:
    """Print the places that could be broken without a test of dbt's noticing."""
    os.chdir(PROJECT)
    files = [
        file.resolve().relative_to(PROJECT)
        for path in paths or PLACES
        for file in ([path] if path.is_file() else sorted(path.rglob("*.sql")))
    ]
    mutants = [mutant for file in files for mutant in mutants_of(file)]
    typer.echo(f"{len(mutants)} changes of {len(files)} files", err=True)
    if not mutants:
        return
    with tempfile.TemporaryDirectory() as folder:
        built = Path(folder, "built")
        if failed := build_demo(built, mutants):
            typer.echo(f"The project as it is does not pass its tests: {', '.join(sorted(failed))}", err=True)
            raise typer.Exit(1)
        for mutant in survivors(mutants, built, jobs):
            typer.echo(mutant)


if __name__ == "__main__":
    typer.run(main)
