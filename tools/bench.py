"""Measure what the project costs, each case in turn with a floor that does the bare work.

Example: python tools/bench.py --scale 0.01 --case full --case render

Data are generated into the folder once and kept there; databases are removed after each case. At scale
1 the data take 5 GB, and as much again while a case runs. Seconds are the best of the rounds, in
demo_warm their median, and so are CPU seconds, of a process and all that it started. Peak memory is that of
the process measured, or this one's where that is more.
"""

# What is run and read here is the project's own and its own inventions.
# ruff: noqa: S603, PLR2004
import csv
import ctypes
import itertools
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
from contextlib import suppress
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

from mm.days import in_words, today
from mm.ledger.ledger import Ledger
from mm.mail import sending
from mm.mail.not_mailed import WhoIsNotMailed
from mm.mail.render import Renderer
from mm.mail.sender import Sender
from mm.mail.server import Server
from mm.published import Candidate, Program

PROJECT = Path(__file__).resolve().parent.parent
_PR_SET_CHILD_SUBREAPER = 36  # of prctl(2): orphans below become children of this process
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
connection = duckdb.connect(sys.argv[1], config={"storage_compatibility_version": "v1.0.0"})
connection.execute("set enable_progress_bar = false")
print(*connection.execute(sys.stdin.read()).fetchall(), sep="\\n")
"""
GRADE_CELLS = (
    '"Student ID", Username, Email, Grade, "Enrollment Track", "Verification Status", "Certificate Eligible",'
    ' "Certificate Delivered", "Certificate Type", "Enrollment Status"'
)
# The head of both floors: what there is, its rows, and those that count.
LOADED = """
create temp table courses as from (values {courses}) as courses
    (course, position, title, pass_grade, is_capstone);
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
    status, if(track = 'audit' and grade >= pass_grade, 'Y', 'N') as audit_passed, file_name, reported_at,
    false as is_carried_over
from grades join files using (file_id) join courses using (course)
where is_newest;
"""
# The first floor: the wide table beside the details, and nothing else.
WIDE_ONLY = """
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
# The second floor: all large tables. Its writer knows that each run was downloaded once, which tracks are
# verified, and that the credential takes the certificates of the four courses before the capstone.
SAME_TABLES = """
create table learners as
with said as (
    select student_id, file_id, username, email, name, country from profiles
    union all
    select student_id, file_id, username, email, null, null from grades
),
told as (
    select
        student_id, max_by(username, file_id) as username, max_by(email, file_id) as email,
        max_by(name, file_id) as name, max_by(country, file_id) as country,
        min(reported_at) as first_reported_at, max(reported_at) as last_reported_at
    from said join files using (file_id) group by student_id
)
select
    student_id, username, email, name, country,
    starts_with(username, 'retired__') or ends_with(email, '.invalid') as is_retired,
    first_reported_at, last_reported_at
from told;
create temp table runs as
select *, row_number() over (order by course, year, term) as run
from (select distinct course, course_instance, year, term from files);
create table learner_courses as
with taken as (
    select
        student_id, course, run, track, grade, eligible = 'Y' as eligible, grade >= pass_grade as reaches,
        track in ('verified', 'masters') as verified, run + if(eligible = 'Y', 1000, 0) as rank
    from course_instancedetails join runs using (course_instance, course) join courses using (course)
),
per_course as (
    select
        student_id, course, arg_max_null(track, rank) as track, max_by(eligible or reaches, rank) as passed,
        max(rank) % 1000 as deciding_run, max(run) as latest_run, max_by(grade, run) as latest_grade,
        max_by(run, grade + run / 1000000000) as best_run, max(grade) as best_grade,
        bool_or(eligible) as eligible, bool_or(eligible and verified) as verified_passed,
        bool_or(eligible or (verified and reaches)) as settled, bool_or(eligible or reaches) as ever_passed,
        count(*)::integer as runs_taken
    from taken group by student_id, course
)
select
    student_id, 'demo' as program, course, position, is_capstone, track, if(passed, 'Y', 'N') as passed,
    eligible, verified_passed, coalesce(track = 'audit', false) and passed as audit_passed, settled,
    deciding.course_instance as deciding, if(eligible, 'certificate', 'newest run') as decided_by,
    latest.course_instance as latest, latest_grade, best.course_instance as best, best_grade, ever_passed,
    runs_taken
from per_course
join courses using (course)
join runs as deciding on deciding_run = deciding.run
join runs as latest on latest_run = latest.run
join runs as best on best_run = best.run;
create table demo_coursecompletion as
with completed as (
    select
        student_id, {taken}, count(*) filter (where eligible)::integer as no_certificate_eligible,
        count(*) filter (where audit_passed and not is_capstone)::integer as no_audited_passed
    from learner_courses group by student_id
)
select
    student_id, username, email, name, {wide},
    coalesce(no_certificate_eligible, 0) as no_certificate_eligible,
    coalesce(no_audited_passed, 0) as no_audited_passed, country
from learners left join completed using (student_id);
create table learner_course_history as
select
    student_id, course, course_instance, reported_at as valid_from, null::timestamp as valid_to,
    true as is_reported, track, grade, eligible, delivered, status
from course_instancedetails;
create table learner_progress as
with counted as (
    select
        student_id, count(*) filter (where eligible)::integer as certificates,
        count(*) filter (where ever_passed)::integer as passed, bool_or(best_grade > 0) as attempted,
        count(*) filter (where eligible and not is_capstone)::integer as earned,
        coalesce(bit_or(1 << position) filter (where settled), 0) as settled
    from learner_courses group by student_id
),
-- one of the 64 sets of courses for each learner
next_courses as (
    select settled, min_by(course, position) as next_course, min_by(title, position) as next_title
    from range(64) as sets (settled) join courses on settled & (1 << position) = 0 and not is_capstone
    group by settled
),
staged as (
    select
        student_id, coalesce(certificates, 0) as certificates, coalesce(passed, 0) as passed, next_course,
        next_title, 4 - coalesce(earned, 0) as to_go,
        case
            when to_go = 0 then 'series complete' when to_go = 1 then 'one to go' when passed > 1
            then 'on the way' when passed = 1 then 'passed one' when attempted then 'attempted'
            else 'enrolled'
        end as stage
    from learners left join counted using (student_id)
    left join next_courses on coalesce(counted.settled, 0) = next_courses.settled
)
select
    'demo' as program, student_id, certificates, passed, next_course, stage,
    'passed ' || passed || if(passed = 1, ' course', ' courses') || ', ' || (4 - to_go)
    || ' of 4 certificates'
    || case stage
        when 'attempted' then '; has a grade above 0 in some course'
        when 'enrolled' then '; has no grade above 0 yet' else ''
    end
    || '; ' || coalesce('next is ' || next_title, 'no course of the series is left') as stage_reason,
    'series' as track, 4 as required, to_go
from staged;
create table progress_over_time as
select
    course, course_instance, reported_at, 1 as download_number,
    count(*) filter (where coalesce(status, 'enrolled') = 'enrolled') as enrolled,
    count(*) filter (where grade > 0) as attempted,
    count(*) filter (where eligible = 'Y' or grade >= pass_grade) as passed,
    count(*) filter (where track in ('verified', 'masters')) as verified,
    count(*) filter (where eligible = 'Y') as certificate_eligible
from course_instancedetails join courses using (course)
group by course, course_instance, reported_at;
select count(*) from demo_coursecompletion;
"""


@dataclass
class Run:
    """A process that ended well: how long it took, its CPU seconds, its peak memory, what it printed."""

    seconds: float
    cpu_seconds: float
    memory_mb: float
    output: str


@dataclass
class Result:
    """A case's figures; without a floor its ratios are None, and reached says what is left of the target.

    cpu_seconds are those of a process and of all that it started, user and system.
    """

    case: str
    target: str
    reached: bool = False
    ours_seconds: float | None = None
    floor_seconds: float | None = None
    ratio: float | None = None
    ours_cpu_seconds: float | None = None
    floor_cpu_seconds: float | None = None
    cpu_ratio: float | None = None
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
            script = PROJECT / "tools" / "generate_reports.py"
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

    def floor(self, data: Path, work: Path, tables: str, *, newest_only: bool) -> Run:
        """Run a hand-written script over the files and write work/floor.duckdb."""
        return run_sql(work / "floor.duckdb", floor_sql(data / "demo", tables, newest_only=newest_only))

    def python(self, call: str) -> Run:
        """Run a function of this file in a process of its own; its seconds are those that it prints."""
        done = run(
            [sys.executable, "-c", f"from bench import *; print(json.dumps({call}))"],
            PYTHONPATH=str(PROJECT / "tools"),
            MM_DATABASE_DIR=str(self.work("send_log")),
            MM_DATA_DIR=str(self.folder / "no_opt_outs"),
        )
        done.seconds = float(done.output.splitlines()[-1])
        return done


def run(
    command: list[str | Path], stdin: str = "", *, leaves_others: bool = False, **environment: str
) -> Run:
    """Run a process to its end and measure it; RuntimeError with its last lines where it fails.

    leaves_others: wait for processes that it leaves behind, such as Java's, and count them, too; on Linux.
    """
    if leaves_others:
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
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
    usages = [usage]
    if leaves_others:
        with suppress(ChildProcessError):
            while True:
                usages.append(os.wait4(-1, 0)[2])
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 0)
    if process.returncode:
        message = f"{command[0]} failed:\n" + "\n".join(output.splitlines()[-15:])
        raise RuntimeError(message)
    memory_mb = max(each.ru_maxrss for each in usages) / (1024**2 if sys.platform == "darwin" else 1024)
    return Run(seconds, sum(each.ru_utime + each.ru_stime for each in usages), memory_mb, output)


def run_sql(database: Path, sql: str) -> Run:
    """Run a SQL script in a process of its own; its last statement's rows are its output."""
    return run([sys.executable, "-c", RUN_SQL, database], sql)


def in_turn(
    rounds: int, ours: Callable[[], Run], floor: Callable[[], Run], best: Callable[[list[float]], float] = min
) -> dict[str, Any]:
    """Run both in turn and return their figures for a Result; the first round begins with ours."""
    pairs = [(ours(), floor()) for _ in range(rounds)]
    ours_seconds, floor_seconds = (best([pair[side].seconds for pair in pairs]) for side in (0, 1))
    ours_cpu, floor_cpu = (best([pair[side].cpu_seconds for pair in pairs]) for side in (0, 1))
    return {
        "ours_seconds": ours_seconds,
        "floor_seconds": floor_seconds,
        "ratio": ours_seconds / floor_seconds,
        "ours_cpu_seconds": ours_cpu,
        "floor_cpu_seconds": floor_cpu,
        "cpu_ratio": ours_cpu / floor_cpu,
        "memory_mb": max(pair[0].memory_mb for pair in pairs),
        "floor_memory_mb": max(pair[1].memory_mb for pair in pairs),
        "rounds": rounds,
    }


def grade_rows(work: Path) -> int:
    """Return how many grade rows the published database of a build was made of."""
    sql = "select sum(row_count) from report_files where report_kind = 'grade_report'"
    return int(run_sql(work / "database" / "demo.duckdb", sql).output.strip("(,)\n"))


def spark_of(bench: Bench, data: Path, *, warm: bool = False) -> Result:
    """Build on this machine's Spark once, with what its own event log counts; the floor builds on DuckDB.

    Both have read the project before. warm: DuckDB has built these data, the demo's, before, too.
    """
    ours, floor, conf, events = (bench.work(name) for name in ("ours", "floor", "conf", "events"))
    settings = {
        "spark.eventLog.enabled": "true",
        "spark.eventLog.dir": f"file:{events}",
        "spark.eventLog.compress": "false",
        # Spark does not count what Parquet reads in threads of its own.
        "spark.hadoop.parquet.hadoop.vectored.io.enabled": "false",
    }
    lines = [f"{name} {value}" for name, value in settings.items()]
    (conf / "spark-defaults.conf").write_text("\n".join(lines))
    places = {"MM_DATA_DIR": str(data), "MM_DATABASE_DIR": str(ours), "SPARK_CONF_DIR": str(conf)}
    places |= {"MM_SPARK_MASTER": "local[*]", "MM_SPARK_WAREHOUSE": str(bench.work("warehouse"))}
    command = [Path(sys.executable).with_name("mm"), "build", "demo", "--on", "cluster"]
    # as `mm` runs dbt there
    parse = [DBT, "parse", "--vars", '{"program": "demo"}', "--target-path", "target/cluster"]
    run([*parse, "--target", "cluster"], **places)
    bench.build(PROJECT / "data", floor)
    if not warm:
        shutil.rmtree(floor / "database")
    figures = in_turn(1, lambda: run(command, leaves_others=True, **places), lambda: bench.build(data, floor))
    check_same(ours / "demo.duckdb", floor / "database" / "demo.duckdb")
    result = Result("", "equal tables", reached=True, **figures)
    result.rows, result.note = grade_rows(floor), spark_metrics(events)
    return result


def spark_metrics(events: Path) -> str:
    """Say what the tasks of a session took, read and shuffled, by Spark's own event log."""
    tasks, seconds, cpu_seconds, read, shuffled = 0, 0.0, 0.0, 0, 0
    for line in (line for path in events.glob("*/events_*") for line in path.open(encoding="utf-8")):
        if '"SparkListenerTaskEnd"' in line and (metrics := json.loads(line).get("Task Metrics")):
            tasks += 1
            seconds += metrics["Executor Run Time"] / 1e3
            cpu_seconds += metrics["Executor CPU Time"] / 1e9
            read += metrics["Input Metrics"]["Bytes Read"]
            shuffled += metrics["Shuffle Write Metrics"]["Shuffle Bytes Written"]
    return (
        f"{tasks:,} tasks: {seconds:.0f} s, {cpu_seconds:.0f} CPU s of Java, {read / 1e6:,.0f} MB read from "
        f"tables, {shuffled / 1e6:,.0f} MB shuffled"
    )


def check_same(ours: Path, floor: Path) -> None:
    """Raise RuntimeError unless each table of the floor is ours in every cell, in any order of rows.

    Its columns may have other names. What is compared is the number of rows and the sum of their hashes.
    """
    tables = run_sql(floor, "select table_name from duckdb_tables() where not temporary").output.split()
    attach = "".join(
        f"attach '{path}' as {name} (read_only);" for path, name in ((ours, "ours"), (floor, "floor"))
    )
    for table in (table.strip("(,)'") for table in tables):
        contents = "(select (count(*), sum(hash(cells))) from {}.{} as cells)"
        of_both = " = ".join(contents.format(name, table) for name in ("ours", "floor"))
        if run_sql(Path(":memory:"), f"{attach} select {of_both}").output.split() != ["(True,)"]:
            message = f"the floor's {table} differs from ours"
            raise RuntimeError(message)


def floor_sql(folder: Path, tables: str, *, newest_only: bool) -> str:
    """Return a hand-written script: load, compute, write the tables, check nothing.

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
    facts = ", ".join(
        f"('{row['course']}', {row['position']}, '{row['title']}', {row['pass_grade']}, {row['is_capstone']})"
        for row in courses
    )
    return (LOADED + tables).format(
        files=", ".join(files),
        courses=facts,
        loads="".join(loads),
        taken=", ".join(taken),
        wide=", ".join(wide),
    )


def full(bench: Bench) -> Result:
    """Build 8 million grade rows, 30 reports of either kind; the floor writes details and wide table only."""
    data = bench.generate(8_000_000 / ROWS_PER_LEARNER, *BIG_RUNS)
    result = against_floor(bench, data, WIDE_ONLY, newest_only=True)
    result.target = "<= 2 x, <= 3 GB"
    result.reached = result.ratio <= 2 and result.memory_mb <= 3 * 1024
    return result


def same_tables(bench: Bench) -> Result:
    """Build the same; the floor writes the same large tables."""
    data = bench.generate(8_000_000 / ROWS_PER_LEARNER, *BIG_RUNS)
    result = against_floor(bench, data, SAME_TABLES, newest_only=True)
    result.target = "<= 1.5 x, in CPU seconds, too"
    result.reached = max(result.ratio, result.cpu_ratio) <= 1.5
    return result


def many_files(bench: Bench) -> Result:
    """Build 60 small downloads of each of 30 runs; the floor reads all of them."""
    options = (*SIX_RUNS, *FIVE_COURSES, "--grade-reports-only", "--downloads", "60", "--assignments", "14")
    data = bench.generate(20_000, *options)  # some 900 rows a file
    result = against_floor(bench, data, WIDE_ONLY, newest_only=False)
    result.target, result.reached = "<= 4 x", result.ratio <= 4
    return result


def against_floor(bench: Bench, data: Path, tables: str, *, newest_only: bool) -> Result:
    """Build afresh and run the floor, in turn; both must make the same tables."""
    ours, floor = "ours", "floor"
    figures = in_turn(
        2,
        lambda: bench.build(data, bench.work(ours)),
        lambda: bench.floor(data, bench.work(floor), tables, newest_only=newest_only),
    )
    work = bench.folder / "work" / bench.case
    check_same(work / ours / "database" / "demo.duckdb", work / floor / "floor.duckdb")
    return Result("", "", **figures, rows=grade_rows(work / ours))


def full_1gb(bench: Bench) -> Result:
    """Build the same with 1 GB for DuckDB: it has to pass, by spilling to disk."""
    data = bench.generate(8_000_000 / ROWS_PER_LEARNER, *BIG_RUNS)
    work = bench.work("ours")
    done = bench.build(data, work, MM_MEMORY_LIMIT="1GB")
    result = Result("", "passes", reached=True, ours_seconds=done.seconds, rounds=1)
    result.ours_cpu_seconds = done.cpu_seconds
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
    result = Result("", "<= 0.3 x, opens 1 file", rounds=1, rows=grade_rows(work), memory_mb=second.memory_mb)
    result.ours_seconds, result.floor_seconds = second.seconds, first.seconds
    result.floor_memory_mb, result.ratio = first.memory_mb, second.seconds / first.seconds
    result.ours_cpu_seconds, result.floor_cpu_seconds = second.cpu_seconds, first.cpu_seconds
    result.cpu_ratio = second.cpu_seconds / first.cpu_seconds
    result.reached, result.note = result.ratio <= 0.3, "opened files not counted: there is no strace"
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


def lists(bench: Bench) -> Result:
    """Build 2 million grade rows, with 50 names of staff and 10,000 lines a list; the floor has no list."""
    data = bench.generate(2_000_000 / ROWS_PER_LEARNER, *BIG_RUNS)
    with_lists = bench.work("data")
    (with_lists / "demo").symlink_to(data / "demo")
    first = min((data / "demo").glob("*_grade_report_*"))
    with first.open(encoding="utf-8", newline="") as file:
        usernames = [row["Username"] for row in itertools.islice(csv.DictReader(file), 50)]
    for name, column, cells in (
        ("not_learners.csv", "username", usernames),
        ("unsubscribed.csv", "email", (f"nobody{n}@example.org" for n in range(10_000))),
        ("bounced.csv", "email", (f"gone{n}@example.org" for n in range(10_000))),
    ):
        (with_lists / name).write_text("\n".join([column, *cells, ""]), encoding="utf-8")
    figures = in_turn(
        2, lambda: bench.build(with_lists, bench.work("ours")), lambda: bench.build(data, bench.work("floor"))
    )
    result = Result("", "<= 1.05 x in CPU seconds", **figures)
    result.rows = grade_rows(bench.folder / "work" / bench.case / "ours")
    result.reached = result.cpu_ratio <= 1.05
    return result


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


def spark(bench: Bench) -> Result:
    """Build the bundled demo on Spark; the floor is its second build on DuckDB."""
    result = spark_of(bench, PROJECT / "data", warm=True)
    result.target, result.reached = "<= 8 x", result.ratio <= 8
    return result


def spark_200k(bench: Bench) -> Result:
    """Build 200,000 grade rows on Spark, and on DuckDB."""
    return spark_of(bench, bench.generate(200_000 / ROWS_PER_LEARNER, *BIG_RUNS))


def spark_2m(bench: Bench) -> Result:
    """Build 2 million grade rows on Spark, and on DuckDB."""
    return spark_of(bench, bench.generate(2_000_000 / ROWS_PER_LEARNER, *BIG_RUNS))


def learners(bench: Bench) -> Result:
    """Build 50,000 learners into a new database, the project read before; the floor is the demo, built so."""
    data = bench.generate(50_000, *BIG_RUNS)
    work, demo = bench.work("ours"), bench.work("demo")

    def build(data: Path, work: Path) -> Run:
        shutil.rmtree(work / "database", ignore_errors=True)
        return bench.build(data, work)

    def ours() -> Run:
        return build(data, work)

    def build_demo() -> Run:
        return build(PROJECT / "data", demo)

    in_turn(1, ours, build_demo)
    result = Result("", "<= 1.7 x", **in_turn(3, ours, build_demo), rows=grade_rows(work))
    result.reached = result.ratio <= 1.7
    return result


def sqlite(bench: Bench) -> Result:
    """Build 207,000 grade rows; the floor is a notebook's way, with SQLite and loops."""
    data = bench.generate(207_000 / ROWS_PER_LEARNER, *BIG_RUNS)
    figures = in_turn(
        2,
        lambda: bench.build(data, bench.work("ours")),
        lambda: bench.python(f"sqlite_seconds({str(data / 'demo')!r}, {str(bench.work('floor'))!r})"),
    )
    result = Result("", "<= 1 x", **figures, rows=grade_rows(bench.folder / "work" / bench.case / "ours"))
    result.reached = result.ratio <= 1
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
    facts = {name: row[name] or None for name in Program.__slots__ if name in row}
    return Program(
        **facts | {"certificates_required": int(row["certificates_required"]), "is_invented": True}
    )


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
        upgrade = date(2099, 7, 14)
        days = (upgrade, None if n % 7 == 0 else date(2099, 8, 3), None, upgrade)
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
    text, html = (environment.get_template(f"programs/demo/{kind}.j2") for kind in ("txt", "html"))
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
    """Send 10,000 ready mails over loopback SMTP, by the ledger; the floor is smtplib and a sync a mail."""
    count = round(10_000 * bench.scale)
    command = [sys.executable, "-c", "from bench import *; serve()"]
    environment = os.environ | {"PYTHONPATH": str(PROJECT / "tools")}
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
    result = Result("", "<= 1.25 x (0.8 of its rate)", **figures, rows=count)
    result.reached = result.ratio <= 1 / 0.8
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
    """Send as `mm send` does, each intent on disk before its mail can be accepted; return seconds."""
    ready, mails, stop = Ready(), list(candidates(count)), Event()
    server = Server("127.0.0.1", port, smtps=False, user=None, password="")
    with Ledger() as ledger, Sender(server, insecure=False, stop=stop) as sender:
        started = time.perf_counter()
        tally = sending.send(
            *(mails, ready, sender, ledger, WhoIsNotMailed("demo", ledger)),
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
    """Send the same bytes on one connection, with a line on disk before each mail; return seconds."""
    ready, mails = Ready(), list(candidates(count))
    log = Path(os.environ["MM_DATABASE_DIR"]) / "sent.txt"
    with smtplib.SMTP("127.0.0.1", port) as connection, log.open("w") as lines:
        started = time.perf_counter()
        for candidate in mails:
            lines.write(f"{candidate.student_id}\n")
            lines.flush()
            os.fsync(lines)
            connection.sendmail("updates@example.org", candidate.email, ready.content)
        return time.perf_counter() - started


CASES = {
    case.__name__: case
    for case in (
        *(full, same_tables, full_1gb, one_new, many_files, lists),
        *(demo_warm, learners, sqlite, render, send, spark, spark_200k, spark_2m),
    )
}


def table(results: list[Result]) -> Iterator[str]:
    """Return the lines of the table."""
    yield (
        f"{'case':<11} {'ours s':>8} {'floor s':>8} {'ratio':>6} {'ours CPU':>8} {'floor':>8} {'ratio':>6}"
        f" {'reached':>8} {'peak MB':>8} {'rows/s':>9} {'rounds':>6}  target; note"
    )
    for r in results:
        figures = (
            *(r.ours_seconds, r.floor_seconds, r.ratio),
            *(r.ours_cpu_seconds, r.floor_cpu_seconds, r.cpu_ratio),
        )
        cells = ["-" if figure is None else f"{figure:.2f}" for figure in figures]
        memory, rate = (
            ("-" if figure is None else f"{figure:,.0f}") for figure in (r.memory_mb, r.rows_per_second)
        )
        words = f"{r.target}; {r.note}".removesuffix("; ")
        yield (
            f"{r.case:<11} {cells[0]:>8} {cells[1]:>8} {cells[2]:>6}"
            f" {cells[3]:>8} {cells[4]:>8} {cells[5]:>6} {'yes' if r.reached else 'NO':>8} {memory:>8}"
            f" {rate:>9} {r.rounds:>6}  {words}"
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
