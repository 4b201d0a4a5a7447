"""Measure what the project costs, each case in turn with a floor that does the bare work.

Example: python scripts/bench.py --scale 0.01 --case full --case render

Data are generated into the folder once and kept there; databases are removed after each case. At scale
1 the data take 5 GB, and as much again while a case runs. Seconds are the best of the rounds, in
demo_warm their median. Peak memory is that of the process measured, or this one's where that is more.
"""

# What is run and read here is the project's own and its own inventions.
# ruff: noqa: S603, PLR2004
import csv
import json
import os
import platform
import re
import shutil
import smtplib
import socket
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from threading import Event
from typing import Annotated, Any

import typer
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Sink
from jinja2 import Environment, FileSystemLoader
from typer import Option

from mm import mailout
from mm.days import in_words, today
from mm.optouts import OptOuts
from mm.published import Candidate, Program
from mm.render import Renderer
from mm.send_log import SendLog
from mm.sender import Sender, Server

PROJECT = Path(__file__).resolve().parent.parent
DBT = Path(sys.executable).with_name("dbt")
# Five courses with six runs each: the capstone's prefix is in other letters, which are as good to a build,
# so that the generator gives it as many runs as the others.
SIX_RUNS = ("--runs", "1T2018,3T2018,1T2019,3T2019,1T2020,3T2020")
FIVE_COURSES = ("--courses", ",".join(f"ExampleX_BEES{n}" for n in ("1x", "2x", "3x", "4x", "5X")))
BIG_RUNS = (*SIX_RUNS, *FIVE_COURSES, "--keen", "0.05", "--assignments", "14")
ROWS_PER_LEARNER = 1.42  # of BIG_RUNS
FILE_NAME = re.compile(
    r"ExampleX_(BEES\dx)_(\d)T(\d{4})_(grade|student)_.*_(\d{4}-\d\d-\d\d-\d{4})\.csv", re.IGNORECASE
)
# A script of its own for each floor in SQL: the text on standard input, against the database named.
RUN_SQL = """
import duckdb, sys
connection = duckdb.connect(sys.argv[1])
connection.execute("set enable_progress_bar = false")
print(*connection.execute(sys.stdin.read()).fetchall(), sep="\\n")
"""
GRADE_CELLS = (
    '"Student ID", Username, Email, Grade, "Enrollment Track", "Verification Status", "Certificate Eligible",'
    ' "Certificate Delivered", "Certificate Type", "Enrollment Status"'
)
FLOOR = """
create temp table courses as from (values {courses}) as courses (course, pass_grade, is_capstone);
create temp table files as from (values {files}) as files
    (file_id, path, file_name, course, course_instance, term, year, reported_at, is_newest);
create temp table grades (
    file_id integer, student_id bigint, username varchar, email varchar, grade double, track varchar,
    verification varchar, eligible varchar, delivered varchar, type varchar, status varchar);
create temp table profiles (
    file_id integer, student_id bigint, username varchar, email varchar, name varchar, country varchar);
{loads}
create table course_instancedetails as
select
    student_id, course, course_instance, term, year, grade, track, verification, eligible, delivered, type,
    status, if(track = 'audit' and grade >= pass_grade, 'Y', 'N') as audit_passed, file_name, reported_at
from grades join files using (file_id) join courses using (course)
where is_newest;
create table demo_coursecompletion as
with said as (
    select student_id, file_id, username, email, name, country from profiles
    union all
    select student_id, file_id, username, email, null, null from grades join files using (file_id)
    where is_newest
),
learners as (
    select
        student_id, max_by(username, file_id) as username, max_by(email, file_id) as email,
        max_by(name, file_id) as name, max_by(country, file_id) as country
    from said group by student_id
),
taken as (
    select
        student_id, course, is_capstone, eligible = 'Y' as eligible, track,
        eligible = 'Y' or grade >= pass_grade as passed,
        year * 10 + term::integer + if(eligible = 'Y', 100000, 0) as rank
    from course_instancedetails join courses using (course)
),
per_course as (
    select
        student_id, course, is_capstone, arg_max_null(track, rank) as track, max_by(passed, rank) as passed,
        bool_or(eligible) as eligible
    from taken group by all
),
completed as (
    select
        student_id, {taken}, count(*) filter (where eligible)::integer as no_certificate_eligible,
        count(*) filter (where track = 'audit' and passed and not is_capstone)::integer as no_audited_passed
    from per_course group by student_id
)
select
    student_id, username, email, name, {wide},
    coalesce(no_certificate_eligible, 0) as no_certificate_eligible,
    coalesce(no_audited_passed, 0) as no_audited_passed, country
from learners left join completed using (student_id);
select count(*) from demo_coursecompletion;
"""


@dataclass
class Run:
    """A process that ended well: how long it took, its peak memory, what it printed."""

    seconds: float
    memory_mb: float
    output: str


@dataclass
class Result:
    """A case's figures; without a floor its ratio is None, and reached says what is left of the target."""

    case: str
    target: str
    reached: bool = False
    ours_seconds: float | None = None
    floor_seconds: float | None = None
    ratio: float | None = None
    memory_mb: float | None = None
    floor_memory_mb: float | None = None
    rows: int | None = None
    rows_per_second: float | None = None
    rounds: int = 0
    note: str = ""


@dataclass
class Bench:
    """Where the data and databases are, and how big the data."""

    folder: Path
    scale: float
    case: str = ""

    def generate(self, learners: int, *options: str) -> Path:
        """Return the folder that holds the folder `demo` of these downloads, made unless it is there."""
        learners = max(50, round(learners * self.scale))
        data = self.folder / "data" / "_".join([str(learners), *options]).replace(",", "-")
        if not data.is_dir():
            new = data.with_name("new")
            shutil.rmtree(new, ignore_errors=True)
            script = PROJECT / "scripts" / "generate_reports.py"
            run([sys.executable, script, new / "demo", "--learners", str(learners), *options])
            new.rename(data)
        return data

    def work(self, name: str) -> Path:
        """Return an empty folder for one process of the case."""
        work = self.folder / "work" / self.case / name
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        return work

    def build(self, data: Path, work: Path, *before: str, **environment: str) -> Run:
        """Run `dbt build` of the demo program with its files in `work`."""
        places = {"MM_DATA_DIR": str(data), "MM_DATABASE_DIR": str(work / "database")}
        command = [*before, DBT, "build", "--target-path", work / "target", "--log-path", work / "logs"]
        return run(command, **places, **environment)

    def floor(self, data: Path, work: Path, *, newest_only: bool) -> Run:
        """Run the hand-written script over the files and write work/floor.duckdb."""
        return run_sql(work / "floor.duckdb", floor_sql(data / "demo", newest_only=newest_only))

    def python(self, call: str) -> Run:
        """Run a function of this file in a process of its own; its seconds are those that it prints."""
        done = run(
            [sys.executable, "-c", f"from bench import *; print(json.dumps({call}))"],
            PYTHONPATH=str(PROJECT / "scripts"),
            MM_DATABASE_DIR=str(self.work("send_log")),
            MM_DATA_DIR=str(self.folder / "no_opt_outs"),
        )
        done.seconds = float(done.output.splitlines()[-1])
        return done


def run(command: list[str | Path], stdin: str = "", **environment: str) -> Run:
    """Run a process to its end and measure it; RuntimeError with its last lines where it fails."""
    started = time.perf_counter()
    with subprocess.Popen(
        [str(part) for part in command],
        cwd=PROJECT,
        env=os.environ | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        process.stdin.write(stdin)
        process.stdin.close()
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        message = f"{command[0]} failed:\n" + "\n".join(output.splitlines()[-15:])
        raise RuntimeError(message)
    return Run(seconds, usage.ru_maxrss / (1024**2 if sys.platform == "darwin" else 1024), output)


def run_sql(database: Path, sql: str) -> Run:
    """Run a SQL script in a process of its own; its last statement's rows are its output."""
    return run([sys.executable, "-c", RUN_SQL, database], sql)


def in_turn(
    rounds: int, ours: Callable[[], Run], floor: Callable[[], Run], best: Callable[[list[float]], float] = min
) -> dict[str, Any]:
    """Run both in turn and return their figures for a Result; the first round begins with ours."""
    pairs = [(ours(), floor()) for _ in range(rounds)]
    ours_seconds, floor_seconds = (best([pair[side].seconds for pair in pairs]) for side in (0, 1))
    return {
        "ours_seconds": ours_seconds,
        "floor_seconds": floor_seconds,
        "ratio": ours_seconds / floor_seconds,
        "memory_mb": max(pair[0].memory_mb for pair in pairs),
        "floor_memory_mb": max(pair[1].memory_mb for pair in pairs),
        "rounds": rounds,
    }


def grade_rows(work: Path) -> int:
    """Return how many grade rows the published database of a build was made of."""
    sql = "select sum(row_count) from report_files where report_kind = 'grade_report'"
    return int(run_sql(work / "database" / "demo.duckdb", sql).output.strip("(,)\n"))


def check_same(ours: Path, floor: Path) -> None:
    """Raise RuntimeError unless both builds hold the same report and the same details."""
    tables = ("demo_coursecompletion", "course_instancedetails")
    differences = " union all ".join(
        f"(select count(*) from (from {one}.{table} except all from {other}.{table}))"
        for table in tables
        for one, other in (("ours", "floor"), ("floor", "ours"))
    )
    attach = "".join(
        f"attach '{path}' as {name} (read_only);" for path, name in ((ours, "ours"), (floor, "floor"))
    )
    found = run_sql(Path(":memory:"), attach + differences).output.split()
    if found != ["(0,)"] * 4:
        message = f"the floor's tables differ from ours: {' '.join(found)} rows of {' and '.join(tables)}"
        raise RuntimeError(message)


def floor_sql(folder: Path, *, newest_only: bool) -> str:
    """Return the hand-written script: load, compute, write two tables, check nothing.

    What its writer would know is ready in it: the files, their headers, the runs' order, the courses.
    """
    with (PROJECT / "seeds" / "courses.csv").open(encoding="utf-8", newline="") as file:
        courses = [row for row in csv.DictReader(file) if row["program"] == "demo"]
    found = [(match, path) for path in folder.glob("*.csv") if (match := FILE_NAME.fullmatch(path.name))]
    # in the order in which a later word on a learner goes before an earlier
    found.sort(key=lambda pair: (pair[0][4].lower() == "student", pair[0][5], pair[1].name))
    newest = {path.name[: match.start(5)]: path for match, path in found}
    files, by_header = [], {}
    for file_id, (match, path) in enumerate(found):
        is_newest = path in newest.values()
        is_grade = match[4].lower() == "grade"
        if not is_newest and (newest_only or not is_grade):
            continue
        instance = path.name[: match.start(4) - 1]
        stamp = f"{match[5][:10]} {match[5][11:13]}:{match[5][13:]}"
        files.append(
            f"({file_id}, '{path}', '{path.name}', '{match[1].lower()}', '{instance}', '{match[2]}',"
            f" {match[3]}, timestamp '{stamp}', {is_newest})"
        )
        with path.open(encoding="utf-8", newline="") as file:
            header = tuple(next(csv.reader(file)))
        by_header.setdefault((is_grade, header), []).append(str(path))
    loads = []
    for (is_grade, header), paths in by_header.items():
        types = {"Student ID": "bigint", "id": "bigint", "Grade": "double"} if is_grade else {"id": "bigint"}
        columns = {name: types.get(name, "varchar") for name in header}
        cells = GRADE_CELLS if is_grade else "id, username, email, name, country"
        loads.append(
            f"insert into {'grades' if is_grade else 'profiles'} select file_id, {cells} from read_csv("
            f"{paths}, auto_detect = false, header = true, delim = ',', quote = '\"', escape = '\"',"
            f" columns = {columns}, nullstr = {['', *['None'] * (not is_grade)]}, filename = 'path')"
            " join files using (path);"
        )
    wide, taken = [], []
    for name in (row["course"] for row in courses):
        taken += [f"any_value(track) filter (where course = '{name}') as {name}_track"]
        taken += [f"any_value(passed) filter (where course = '{name}') as {name}_passed"]
        wide += [f"if({name}_passed is null, '-', {name}_track) as {name}_enrollment_track"]
        wide += [f"if({name}_passed is null, '-', if({name}_passed, 'Y', 'N')) as {name}_passed"]
    facts = ", ".join(f"('{row['course']}', {row['pass_grade']}, {row['is_capstone']})" for row in courses)
    return FLOOR.format(
        files=", ".join(files),
        courses=facts,
        loads="".join(loads),
        taken=", ".join(taken),
        wide=", ".join(wide),
    )


def full(bench: Bench) -> Result:
    """Build 8 million grade rows in 30 grade reports, with the profile reports beside them."""
    data = bench.generate(8_000_000 / ROWS_PER_LEARNER, *BIG_RUNS)
    return against_floor(bench, data, Result("", "<= 1.5 x, <= 3 GB"), most=1.5, newest_only=True)


def many_files(bench: Bench) -> Result:
    """Build 60 small downloads of each of 30 runs; the floor reads all of them."""
    options = (*SIX_RUNS, *FIVE_COURSES, "--grade-reports-only", "--downloads", "60", "--assignments", "14")
    data = bench.generate(20_000, *options)  # some 900 rows a file
    return against_floor(bench, data, Result("", "<= 2 x"), most=2, newest_only=False)


def against_floor(bench: Bench, data: Path, result: Result, *, most: float, newest_only: bool) -> Result:
    """Build afresh and run the floor, in turn; both must make the same tables."""
    ours, floor = "ours", "floor"
    result.__dict__.update(
        in_turn(
            2,
            lambda: bench.build(data, bench.work(ours)),
            lambda: bench.floor(data, bench.work(floor), newest_only=newest_only),
        )
    )
    work = bench.folder / "work" / bench.case
    check_same(work / ours / "database" / "demo.duckdb", work / floor / "floor.duckdb")
    result.rows = grade_rows(work / ours)
    result.reached = result.ratio <= most and result.memory_mb <= 3 * 1024
    return result


def full_1gb(bench: Bench) -> Result:
    """Build the same with 1 GB for DuckDB: it has to pass, by spilling to disk."""
    data = bench.generate(8_000_000 / ROWS_PER_LEARNER, *BIG_RUNS)
    work = bench.work("ours")
    done = bench.build(data, work, MM_MEMORY_LIMIT="1GB")
    result = Result("", "passes", reached=True, ours_seconds=done.seconds, rounds=1)
    result.memory_mb, result.rows = done.memory_mb, grade_rows(work)
    return result


def one_new(bench: Bench) -> Result:
    """Build again after one download more, the middle one of the 30 by size; the floor is the first build."""
    data = bench.generate(8_000_000 / ROWS_PER_LEARNER, *BIG_RUNS)
    work = bench.work("ours")
    folder = work / "data" / "demo"
    folder.mkdir(parents=True)
    for path in (data / "demo").iterdir():
        os.link(path, folder / path.name)
    first = bench.build(folder.parent, work)
    by_size = sorted(folder.glob("*_grade_report_*"), key=lambda path: path.stat().st_size)
    add_download(by_size[len(by_size) // 2], folder, year=2023)
    second = bench.build(folder.parent, work)
    result = Result(
        "", "<= 0.35 x, opens 1 file", rounds=1, rows=grade_rows(work), memory_mb=second.memory_mb
    )
    result.ours_seconds, result.floor_seconds = second.seconds, first.seconds
    result.floor_memory_mb, result.ratio = first.memory_mb, second.seconds / first.seconds
    result.reached, result.note = result.ratio <= 0.35, "opened files not counted: there is no strace"
    if strace := shutil.which("strace"):
        add_download(by_size[len(by_size) // 2], folder, year=2024)
        trace = work / "trace"
        bench.build(
            folder.parent, work, strace, "-f", "-qq", "-e", "trace=open,openat,openat2", "-o", str(trace)
        )
        calls = re.findall(
            rf'"([^"]*{re.escape(str(folder))}/[^"]*\.csv)"[^\n]*= \d+$', trace.read_text(), re.MULTILINE
        )
        result.note = f"{len(set(calls))} of {len(list(folder.iterdir()))} files opened"
        result.reached &= len(set(calls)) == 1
    return result


def add_download(path: Path, folder: Path, year: int) -> None:
    """Write a later download of a run: each 100th learner unenrolled, each 1000th left out."""
    name = re.sub(r"\d{4}(-\d\d-\d\d-\d{4}\.csv)$", rf"{year}\1", path.name)
    with path.open("rb") as old, (folder / name).open("wb") as new:
        for number, line in enumerate(old):
            if not number % 100:
                line = line.replace(b",enrolled\r\n", b",unenrolled\r\n")  # noqa: PLW2901 - it is the line
            if number % 1000 != 999:
                new.write(line)


def demo_warm(bench: Bench) -> Result:
    """Build the bundled demo again, with nothing new; the floor is an empty project, built again too."""
    work, empty = bench.work("ours"), bench.work("empty")
    (empty / "models").mkdir()
    (empty / "models" / "one.sql").write_text("select 1 as one\n")
    (empty / "dbt_project.yml").write_text(
        "name: empty\nprofile: empty\nmodels: {+materialized: table}\n"
        "flags: {send_anonymous_usage_stats: false}\n"
    )
    (empty / "profiles.yml").write_text(
        "empty: {target: it, outputs: {it: {type: duckdb, threads: 2, "
        f"path: '{empty}/empty.duckdb'}}}}}}\n"
    )
    floor = [DBT, "build", "--project-dir", empty, "--profiles-dir", empty]
    floor += ["--target-path", empty / "target", "--log-path", empty / "logs"]

    def ours() -> Run:
        return bench.build(PROJECT / "data", work)

    def build_empty() -> Run:
        return run(floor)

    in_turn(1, ours, build_empty)
    result = Result("", "<= 2 x", **in_turn(5, ours, build_empty, statistics.median), rows=grade_rows(work))
    result.reached = result.ratio <= 2
    return result


def sqlite(bench: Bench) -> Result:
    """Build 207,000 grade rows; the floor is a notebook's way, with SQLite and loops."""
    data = bench.generate(207_000 / ROWS_PER_LEARNER, *BIG_RUNS)
    figures = in_turn(
        2,
        lambda: bench.build(data, bench.work("ours")),
        lambda: bench.python(f"sqlite_seconds({str(data / 'demo')!r}, {str(bench.work('floor'))!r})"),
    )
    result = Result("", "<= 0.2 x", **figures, rows=grade_rows(bench.folder / "work" / bench.case / "ours"))
    result.reached = result.ratio <= 0.2
    return result


def sqlite_seconds(folder: str, work: str) -> float:
    """Import row by row in one transaction, with a query per learner and course; return seconds."""
    started = time.perf_counter()
    with sqlite3.connect(Path(work) / "floor.sqlite") as database:
        database.execute(
            "create table learners (student_id integer primary key, username, email, name, country)"
        )
        database.execute(
            "create table details (student_id integer, course, run, grade real, track, eligible,"
            " primary key (student_id, course, run))"
        )
        for path in sorted(Path(folder).glob("*.csv")):
            match = FILE_NAME.fullmatch(path.name)
            course, run_code = match[1].lower(), f"{match[3]}{match[2]}"
            with path.open(encoding="utf-8", newline="") as file:
                for row in csv.DictReader(file):
                    if match[4] == "grade":
                        learner = (row["Student ID"], row["Username"], row["Email"])
                        database.execute(
                            "insert or ignore into learners (student_id, username, email) values (?, ?, ?)",
                            learner,
                        )
                        cells = (row["Grade"], row["Enrollment Track"], row["Certificate Eligible"])
                        database.execute(
                            "insert into details values (?, ?, ?, ?, ?, ?)",
                            (learner[0], course, run_code, *cells),
                        )
                    else:
                        database.execute(
                            "insert or replace into learners values (?, ?, ?, ?, ?)",
                            (row["id"], row["username"], row["email"], row["name"], row["country"]),
                        )
        courses = {"bees1x": 0.65, "bees2x": 0.65, "bees3x": 0.7, "bees4x": 0.65, "bees5x": 0.5}
        database.execute(
            "create table completion (student_id integer primary key, username, email, name, country, "
            + ", ".join(f"{course}_enrollment_track, {course}_passed" for course in courses)
            + ", no_certificate_eligible, no_audited_passed)"
        )
        for learner in database.execute("select * from learners").fetchall():
            cells, eligible, audited = [], 0, 0
            for course, pass_grade in courses.items():
                found = database.execute(
                    "select track, grade, eligible from details where student_id = ? and course = ?"
                    " order by eligible desc, run desc limit 1",
                    (learner[0], course),
                ).fetchone()
                passed = found is not None and (found[2] == "Y" or found[1] >= pass_grade)
                eligible += found is not None and found[2] == "Y"
                audited += passed and found[0] == "audit" and course != "bees5x"
                cells += [found[0], "Y" if passed else "N"] if found else ["-", "-"]
            marks = ", ".join("?" * (len(learner) + len(cells) + 2))
            database.execute(
                f"insert into completion values ({marks})", (*learner, *cells, eligible, audited)
            )
    return time.perf_counter() - started


def render(bench: Bench) -> Result:
    """Render 100,000 mails, both bodies of each; the floor is a bare Jinja2 loop over rows and templates."""
    count = round(100_000 * bench.scale)
    figures = in_turn(
        2, lambda: bench.python(f"render_seconds({count})"), lambda: bench.python(f"jinja_seconds({count})")
    )
    result = Result("", "<= 1.43 x (0.7 of its rate), <= 0.5 GB", **figures, rows=count)
    result.reached = result.ratio <= 1 / 0.7 and result.memory_mb <= 512
    whole = bench.python(f"render_seconds({count}, whole=True)").seconds
    result.note = f"{whole:.2f} s with the messages around the bodies"
    return result


def program_facts() -> Program:
    """Return the demo program's facts, as a build publishes them."""
    with (PROJECT / "seeds" / "programs.csv").open(encoding="utf-8", newline="") as file:
        row = next(row for row in csv.DictReader(file) if row["program"] == "demo")
    facts = {name: row[name] or None for name in Program.__slots__}
    return Program(**facts | {"certificates_required": int(row["certificates_required"])})


def candidates(count: int) -> Iterator[Candidate]:
    """Invent mails, one learner each, of all kinds."""
    names = ("Isla Ashdown", "Lucía Pérez Núñez", "Łukasz Wróblik", "晓蜂 陈", "ليلى النحال", None)
    course = ("bees1x", "ExampleX_BEES1x_1T2026", "Bee Biology", "https://www.example.org/course/bee-biology")
    following = ("bees2x", "Hives Through the Year", "https://www.example.org/course/hives-through-the-year")
    for n in range(count):
        learner = ("demo", 10_000_000 + n, names[n % 6], f"learner{n}@example.org")
        after = (
            (None, None, None, "none left") if n % 7 == 0 else (*following, ("enrol", "continue")[n % 3 // 2])
        )
        days = (date(2099, 7, 14), None if n % 7 == 0 else date(2099, 8, 3), None)
        yield Candidate(*learner, *course, n % 2, n % 5 > 0, n % 4, 4, *after, None, f"learner_{n}", *days)


def render_seconds(count: int, *, whole: bool = False) -> float:
    """Render with mm's renderer, the whole messages or their bodies only; return seconds."""
    renderer = Renderer(program_facts(), "secret")
    started = time.perf_counter()
    for candidate in candidates(count):
        if whole:
            renderer.message(candidate).as_bytes()
        else:
            renderer.bodies(candidate)
    return time.perf_counter() - started


def jinja_seconds(count: int) -> float:
    """Render the same templates and rows with Jinja2 alone; return seconds."""
    environment = Environment(
        loader=FileSystemLoader(PROJECT / "templates"),
        autoescape=lambda name: name.endswith("html.j2"),  # noqa: S701 - as in mm
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["in_words"] = lambda day: in_words(day, "en")
    text, html = (environment.get_template(f"demo/{kind}.j2") for kind in ("txt", "html"))
    shared = {
        "program": program_facts(),
        "year": 2026,
        "today": today(),
        "unsubscribe_link": "https://www.example.org/unsubscribe",
    }
    started = time.perf_counter()
    for candidate in candidates(count):
        values = shared | {name: getattr(candidate, name) for name in candidate.__slots__}
        text.render(values)
        html.render(values)
    return time.perf_counter() - started


def send(bench: Bench) -> Result:
    """Send 10,000 ready mails over loopback SMTP, with mm's sender and log; the floor is bare smtplib."""
    count = round(10_000 * bench.scale)
    command = [sys.executable, "-c", "from bench import *; serve()"]
    environment = os.environ | {"PYTHONPATH": str(PROJECT / "scripts")}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as server:
        try:
            port = int(server.stdout.readline())
            figures = in_turn(
                3,
                lambda: bench.python(f"send_seconds({count}, {port})"),
                lambda: bench.python(f"smtplib_seconds({count}, {port})"),
            )
        finally:
            server.terminate()
    result = Result("", "<= 1.43 x (0.7 of its rate)", **figures, rows=count)
    result.reached = result.ratio <= 1 / 0.7
    return result


def serve() -> None:
    """Run a mail server that takes and forgets all mails; print its port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    Controller(Sink(), hostname="127.0.0.1", port=port).start()
    typer.echo(port)
    Event().wait()


class Ready(Renderer):
    """Gives one mail of usual size, rendered at the start, for all: only the sending is measured."""

    def __init__(self) -> None:
        """Render the mail."""
        super().__init__(program_facts(), "secret")
        self.mail = super().message(next(candidates(1)))
        self.content = self.mail.as_bytes()

    def message(self, *_: object) -> "Ready":
        """Return what knows the mail's bytes."""
        return self

    def as_bytes(self) -> bytes:
        """Return the mail's bytes."""
        return self.content


def send_seconds(count: int, port: int) -> float:
    """Send as `mm send` does, the log on disk before and after each mail; return seconds."""
    ready, mails, stop = Ready(), list(candidates(count)), Event()
    server = Server("127.0.0.1", port, smtps=False, user=None, password="")
    with SendLog("demo") as log, Sender(server, insecure=False, stop=stop) as sender:
        started = time.perf_counter()
        tally = mailout.send(
            *(mails, ready, sender, log, OptOuts()),
            per_second=None,
            resend_unknown=False,
            stop=stop,
            progress=lambda _: None,
        )
        seconds = time.perf_counter() - started
    if tally.sent != count:
        message = f"of {count} mails, {tally}"
        raise RuntimeError(message)
    return seconds


def smtplib_seconds(count: int, port: int) -> float:
    """Send the same bytes on one connection, without a log; return seconds."""
    ready, mails = Ready(), list(candidates(count))
    with smtplib.SMTP("127.0.0.1", port) as connection:
        started = time.perf_counter()
        for candidate in mails:
            connection.sendmail("updates@example.org", candidate.email, ready.content)
        return time.perf_counter() - started


CASES = {
    case.__name__: case for case in (full, full_1gb, one_new, many_files, demo_warm, sqlite, render, send)
}


def table(results: list[Result]) -> Iterator[str]:
    """Return the lines of the table."""
    yield (
        f"{'case':<10} {'ours s':>8} {'floor s':>8} {'ratio':>6} {'reached':>8} {'peak MB':>8} {'rows/s':>9}"
        f" {'rounds':>6}  target; note"
    )
    for r in results:
        figures = (r.ours_seconds, r.floor_seconds, r.ratio)
        cells = ["-" if figure is None else f"{figure:.2f}" for figure in figures]
        memory, rate = (
            ("-" if figure is None else f"{figure:,.0f}") for figure in (r.memory_mb, r.rows_per_second)
        )
        words = f"{r.target}; {r.note}".removesuffix("; ")
        yield (
            f"{r.case:<10} {cells[0]:>8} {cells[1]:>8} {cells[2]:>6} {'yes' if r.reached else 'NO':>8}"
            f" {memory:>8} {rate:>9} {r.rounds:>6}  {words}"
        )


def main(
    *,
    scale: Annotated[float, Option(min=0.0001, help="Size of the data, 1 = as the targets say.")] = 1.0,
    case: Annotated[list[str] | None, Option(help=f"One of {', '.join(CASES)}; all if not given.")] = None,
    as_json: Annotated[Path, Option("--json", help="File to write the figures to.")] = Path("out/bench.json"),
    folder: Annotated[Path, Option(help="Folder for data and databases.")] = Path("out/bench"),
) -> None:
    """Run the cases and print their figures."""
    if unknown := set(case or ()) - set(CASES):
        message = f"{', '.join(unknown)}: there are {', '.join(CASES)}"
        raise typer.BadParameter(message)
    results = []
    for name in case or CASES:
        bench = Bench(folder.resolve(), scale, name)
        typer.echo(f"{name} ...", err=True)
        try:
            result = CASES[name](bench)
        except Exception as error:  # noqa: BLE001 - whatever stops one case, the others go on
            typer.echo(f"{name}: {error}", err=True)
            result = Result(name, "", note=f"failed: {str(error).splitlines()[0]}")
        result.case = name
        if result.rows and result.ours_seconds:
            result.rows_per_second = result.rows / result.ours_seconds
        results.append(result)
        shutil.rmtree(bench.folder / "work", ignore_errors=True)
    typer.echo("\n".join(table(results)))
    versions = {package: version(package) for package in ("duckdb", "dbt-core", "dbt-duckdb")}
    facts = {"scale": scale, "cores": os.cpu_count(), "python": platform.python_version(), **versions}
    as_json.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(facts | {"cases": [asdict(result) for result in results]}, indent=2)
    as_json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
