"""Invent edX downloads: grade reports and student profiles of people who do not exist.

The same arguments give the same bytes: nothing depends on the clock, the network or a dictionary's
order. Downloads end on Monday 15 June 2026; a run that starts later holds early enrolments only.
"""

# Seeded random, not secrets; the numbers are the invention itself; names in any script.
# ruff: noqa: S311, PLR2004, RUF001
import csv
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import product
from math import fsum
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from typer import Option

SEEDS = Path(__file__).resolve().parent.parent / "seeds"
LAST_DOWNLOAD = datetime(2026, 6, 15, 2, 12, tzinfo=UTC)
DEFAULT_RUNS = "1T2025,3T2025,1T2026,3T2026"
VERIFIED_TRACKS = ("verified", "masters")
CHANGED = {"verified": 0.2}  # share of rows that differ from one download to another
FLUSH_EVERY = 5_000  # people
# How many courses each of 100 learners who work for it passes; 0 = one, without a certificate
CERTIFICATES = "0" * 22 + "1" * 41 + "2" * 20 + "3" * 10 + "4" * 4 + "5" * 3
WEEKS = (  # headers, ready for CSV
    "Homework {}: First steps",
    '"Homework {}: Tools, and how to hold them"',
    '"Homework {}: The ""quiet"" season"',
    "Homework {}: Été",
    "Homework {}: Review",
)
NEW_ADDRESS = 237  # of every 400 people, the one who changed address in the last week
STEMS = "clover willow Heather thyme sage_ -apis Meadow_Fox lindenx hazel _hive Bramble aster borage"
ADDRESSES = ("None", "None", "", '"1 Clover Lane\r\nSpringfield"')
GOALS = ("None", "", "Keep two hives", '"To ""learn"",\r\nthen to teach"')
# Countries | how given {0} and family {1} names are joined | given names | family names
PEOPLE = """
AU NZ GB|{0} {1}|Isla Noah Ruby Angus Maeve Tom Freya|Ashdown Birch Calloway O'Dell Fenwick Marlow
MX ES CO|"{1}, {0}"|Lucía José Ximena Íñigo Paloma Andrés|Pérez Núñez Ibáñez Quiñones Zúñiga Rojas
BR PT AO|{0} {1}|João Conceição Thaís Luís Inês|Araújo Gonçalves Magalhães Simões Brandão
FR BE SN|{0} {1}|Zoé Gaël Aïssatou Benoît Maëlys|Lefèvre Diallo Bérubé d'Aubigny Chênevert
DE AT CH|{0} {1}|Jörg Käthe Björn Grete Lukas|Müllner Großkopf Häberle Öttinger Weißbach
PL CZ SK|{0} {1}|Łukasz Zdeněk Małgorzata Jiří Šárka|Wróblik Dvořáček Żuraw Hrušík Święch
TR AZ|{0} {1}|Çağla İsmet Gülşen Özgür Şule|Yıldızlı Güneşli Öztoprak Çınarcı Kışlalı
GR CY|{0} {1}|Ελένη Νίκος Δάφνη Στέλιος|Μελισσάς Κηπουρός Θυμαράκης Ανθούλης
UA BG KZ|{0} {1}|Олена Богдан Зоряна Тарас Айгуль|Пасічник Медовий Вощина Липова
EG JO MA|{0} {1}|ليلى يوسف مريم كريم هالة|النحال العسلي الزهراوي البستاني
IL|{0} {1}|נועה איתן תמר יונתן|דבורי כוורת צופן פרחים
IN NP LK|{0} {1}|Aarav Priya Nimal Sunita अनिल मीना|Madhukar Iyerwal Perumal Thapaliya शहदवाला
CN TW SG|{1}{0}|晓蜂 雨桐 志远 思源|陈 林 欧阳 黄
JP|{1} {0}|さくら 蓮 美咲 大翔|蜂谷 花岡 森下 野原
KR|{1}{0}|서연 민준 하은 지호|김 박 최 남궁
VN|{1} {0}|Thị Hương Văn Đức Ngọc Ánh|Nguyễn Trần Phạm Đặng
NG GH KE|{0} {1}|Adaeze Kwabena Wanjirũ Ṣadé Chidi|Okonjoh Mensahene Mwangiru Adébáyọ̀
US CA|{0} ""Bee"" {1}|Walker Dolores Skye Rosa|Whitehorse Delacroix Lindqvist St.Clair
"""
MARKED = ("ExampleX_HIVES101x_1T2025",)  # runs whose grade report starts with a byte order mark
COMPANIONS = {  # lie beside a grade report and must not be taken for one
    "grade_report_err": 'Student ID,Username,Error\r\n10009999,staff_bee,"Not open, yet"\r\n',
    "problem_grade_report": "Student ID,Email,Username,Enrollment Status,Grade,"
    "Homework 1: First steps - Smoker (Earned),Homework 1: First steps - Smoker (Possible)\r\n"
    "10009998,staff.fox@example.org,staff_fox,enrolled,0.9,1.0,1.0\r\n"
    "10009997,staff.owl@example.org,staff_owl,enrolled,0.0,Not Attempted,1.0\r\n",
}
GRADE_TAIL = (
    "Enrollment Track,Verification Status,Certificate Eligible,Certificate Delivered,"
    "Certificate Type,Enrollment Status"
)


class Enrolment(NamedTuple):
    """One learner in one run: grade in hundredths (0 to 100), left = unenrolled since."""

    track: str
    grade: int
    left: bool = False


class Person(NamedTuple):
    """An invented account, as the ready pieces of its CSV rows.

    heads and fronts hold two texts: with the e-mail address until, and since, the last downloads.
    """

    heads: tuple[str, str]  # grade report: Student ID,Email,Username,
    fronts: tuple[str, str]  # profile report: id to location
    born: str  # year_of_birth, only in downloads of before 2023
    middle: str  # gender to goals
    joined: str
    external: str  # external_user_key of a masters learner
    end: str  # city and country
    retired: bool


class Download:
    """The grade report of one run at one moment (UTC) and the profile report 4 minutes earlier."""

    def __init__(self, run: Path, stamp: datetime, columns: str, *, profiles: bool) -> None:
        """Start the files with their headers; run is their path up to the run code."""
        self.newest = stamp.date() == LAST_DOWNLOAD.date()
        self.has_born = stamp.year < 2023
        self.has_enrolled = (stamp.year, stamp.month) >= (2025, 11)
        self.stamp, self.late = stamp, str(stamp - timedelta(days=2, seconds=4321, microseconds=7))
        self.grades: list[str] = []
        self.profiles: list[str] = []
        self.files = [(Path(f"{run}_grade_report_{stamp:%Y-%m-%d-%H%M}.csv"), self.grades)]
        mark = "\ufeff" if run.name in MARKED else ""
        self.grades.append(f"{mark}Student ID,Email,Username,Grade,{columns}{GRADE_TAIL}\r\n")
        if profiles:
            stamp -= timedelta(minutes=4)
            path = Path(f"{run}_student_profile_info_{stamp:%Y-%m-%d-%H%M}.csv")
            self.files.append((path, self.profiles))
        self.profiles.append(
            f"id,username,name,email,language,location,{'year_of_birth,' * self.has_born}gender,"
            "level_of_education,mailing_address,goals,enrollment_mode,last_login,date_joined,"
            f"external_user_key,{'enrollment_date,' * self.has_enrolled}city,country\r\n"
        )
        for path, _ in self.files:
            path.unlink(missing_ok=True)

    def flush(self) -> None:
        """Append the rows kept so far to the files."""
        for path, rows in self.files:
            with path.open("a", encoding="utf-8", newline="") as file:
                file.write("".join(rows))
            rows.clear()


@dataclass(eq=False)
class Run:
    """One run of one course, with its downloads from the oldest to the newest."""

    pass_grade: int  # hundredths
    coming: bool
    downloads: list[Download]
    times: list[str]  # of enrolments and logins, sorted


Course = list[Run | None]  # by term, in order of time; None = the course is not offered then


def times(rng: random.Random, days: int, end: datetime) -> list[str]:
    """Return 256 moments of the days before end, sorted, as edX writes them."""
    return [str(t) for t in sorted(end - timedelta(days=days * rng.random()) for _ in range(256))]


def assignment_columns(count: int) -> str:
    """Return the headers of count assignment columns: from four on, the last two are no homework.

    An assignment type with one assignment has neither a number nor an average.
    """
    if count < 4:
        return "".join(f"{name}," for name in ("Final Exam", "Essay", "Quiz")[:count])
    weeks = (WEEKS[n % len(WEEKS)].format(n + 1) for n in range(count - 2))
    return "".join(f"{name}," for name in (*weeks, "Homework (Avg)", "Final Exam"))


@cache
def grade_cells(grade: int, count: int, variant: int) -> str:
    """Return the Grade cell and count assignment cells that fit a grade in hundredths."""
    rng = random.Random(variant * 101 + grade)
    weeks = count - 2 if count > 3 else count
    scores = [min(100, max(0, grade + rng.randrange(-20, 21))) / 100 for _ in range(weeks)]
    scores = [score if grade and rng.random() < 0.4 + grade / 100 else 0 for score in scores]
    cells = [str(grade / 100), *(str(score or "Not Attempted") for score in scores)]
    if count > 3:
        average = fsum(scores) / weeks
        final = min(1.0, max(0.0, round((grade / 100 - 0.6 * average) / 0.4, 2)))
        cells += [str(average), str(final or "Not Attempted")]
    return "".join(f"{cell}," for cell in cells)


@cache
def certificate_cells(enrolment: Enrolment, pass_grade: int, luck: int) -> str:
    """Return the last six cells and the line end; luck (0 to 31) decides the rare cases.

    Eligible follows edX's rule since 2018: passed on a verified track, or (luck 0) allowed by hand.
    """
    track, grade, left = enrolment
    verified = track in VERIFIED_TRACKS
    eligible = verified and grade > 0 and (grade >= pass_grade or luck == 0)
    delivered = eligible and luck > 0
    identity = ("Not ID Verified" if luck % 10 == 1 else "ID Verified") if verified else "N/A"
    status = "unenrolled" if left else "enrolled"
    yes_no = f"{'NY'[eligible]},{'NY'[delivered]},{track if delivered else 'N/A'}"
    return f"{track},{identity},{yes_no},{status}\r\n"


def people(rng: random.Random, count: int, before: datetime) -> Iterator[Person]:
    """Yield count invented accounts that joined before a moment, with ids from 10000001 upward."""
    names = []
    for line in PEOPLE.strip().splitlines():
        countries, form, given, family = line.split("|")
        for g, f in product(given.split(), family.split()):
            name = form.format(g, f)
            name = f'"{name}"' if '""' in name else name
            names += [(name, country) for country in countries.split()]
    stems, joined = STEMS.split(), times(rng, 3000, before)
    for n in range(1, count + 1):
        key, dice = 10_000_000 + n, rng.getrandbits(30)
        username = f"{stems[dice % len(stems)]}{n * 7919 % 1_000_003 + n // 1_000_003 * 1_000_003}"
        local = username.strip("-_").replace("_", ".")
        local = local.title() if dice % 11 == 1 else f"{local}+edx" if dice % 11 == 0 else local
        email = f"{local}@example.{('org', 'com', 'net')[dice % 3]}"
        name, country = names[dice % len(names)]
        retired = n % 67 == 0
        if retired:
            username = f"retired__user_{rng.getrandbits(160):040x}"
            email, name = f"{username}@retired.invalid", ""
        old = f"old.{email}" if n % 400 == NEW_ADDRESS and not retired else email
        rest = ("m", "f", "f", "m", "o", "None", "")[dice % 7]
        rest += "," + ("b", "m", "hs", "p", "a", "none", "None")[dice // 7 % 7]
        rest += f",{ADDRESSES[dice % 53 % 4 if dice % 5 == 0 else 0]}"
        rest += f",{GOALS[dice % 59 % 4 if dice % 4 == 0 else 0]},"
        country = "" if dice % 31 == 0 else "None" if dice % 37 == 0 else country
        yield Person(
            heads=(f"{key},{old},{username},", f"{key},{email},{username},"),
            fronts=(f"{key},{username},{name},{old},,,", f"{key},{username},{name},{email},,,"),
            born=f"{1950 + dice % 57}," if dice % 9 else "None,",
            middle=rest,
            joined=joined[dice % 256],
            external=f"EXT-{dice}",
            end=f"{'Springfield' if dice % 13 == 0 else 'None'},{country}\r\n",
            retired=retired,
        )


def enrolments(
    rng: random.Random, courses: list[Course], series: int, begun: int, keen: float
) -> dict[Run, Enrolment]:
    """Decide where one learner enrols and with what result.

    The first `series` courses are followed by capstones; the first `begun` terms are not coming.
    """
    plan: dict[Run, Enrolment] = {}

    def enrol(course: Course, term: int, track: str, grade: int) -> None:
        """Enrol in a term, if the course runs then; a coming run has no grades yet."""
        run = course[term] if term < len(course) else None
        if run and run not in plan:
            plan[run] = Enrolment(track, 0 if run.coming else grade, rng.random() < 0.03)

    def look_around(course: Course, term: int) -> None:
        """Enrol without passing: mostly as audit, mostly with nothing done."""
        track = rng.choice(("audit",) * 88 + ("verified",) * 9 + ("honor",) * 3)
        enrol(course, term, track, max(0, int(160 * rng.random() ** 2) - 110))

    if rng.random() >= keen:
        while not plan or rng.random() < 0.3:
            course = courses[int(len(courses) * rng.random() ** 2)]
            look_around(course, int((begun + 0.2) * (1 - rng.random() ** 1.3) + 0.1))
        return plan
    goal = min(int(rng.choice(CERTIFICATES)), len(courses))
    track = "masters" if rng.random() < 0.05 else "verified"
    if goal == 0:
        goal, track = 1, "honor" if rng.random() < 0.06 else "audit"
    per_term = max(rng.choice((1, 2, 2, 4)), -(-goal // begun))
    start = rng.randrange(max(1, begun - (goal - 1) // per_term))
    first = rng.randrange(max(1, series - goal + 1)) if rng.random() < 0.25 else 0
    for step in range(goal):
        course, term = courses[first + step], min(begun - 1, start + step // per_term)
        pass_grade = next(run.pass_grade for run in course if run)
        enrol(course, term, track, rng.randint(pass_grade, 100))
        if rng.random() < 0.08 and term:
            enrol(course, term - 1, track, rng.randrange(pass_grade))
        if rng.random() < 0.06:
            enrol(course, term + 1, "audit", 0)
    look_around(courses[min(first + goal, len(courses) - 1)], start + rng.randrange(4))
    return plan


def earlier(rng: random.Random, now: Enrolment) -> Enrolment | None:
    """Return what an enrolment was in an older download; None = not enrolled yet."""
    if now.left:
        return now._replace(left=False)
    if now.track == "verified" and rng.random() < 0.6:
        return now._replace(track="audit")
    return now._replace(grade=int(now.grade * rng.uniform(0.6, 0.95))) if now.grade else None


def write_rows(rng: random.Random, person: Person, run: Run, now: Enrolment, assignments: int) -> None:
    """Add one learner's rows to every download of a run; a few changed from one to the next."""
    downloads = run.downloads
    before, since = now, 0
    if len(downloads) > 1 and rng.random() < (0.5 if now.left else CHANGED.get(now.track, 0.08)):
        before, since = earlier(rng, now), rng.randrange(1, len(downloads))
    luck, joined_at = int(32 * rng.random()), int(200 * rng.random() ** 2)
    enrolled, login = run.times[joined_at], run.times[joined_at + (255 - joined_at) * luck // 31]
    if before is None:
        enrolled = login = downloads[since].late
    for position, download in enumerate(downloads):
        state = before if position < since else now
        if state is None:
            continue
        cells = grade_cells(state.grade, assignments, luck % 8)
        tail = certificate_cells(state, run.pass_grade, luck)
        download.grades.append(f"{person.heads[download.newest]}{cells}{tail}")
        if len(download.files) == 2 and not state.left:
            download.profiles.append(
                f"{person.fronts[download.newest]}{person.born if download.has_born else ''}"
                f"{person.middle}{state.track},{login},{person.joined},"
                f"{person.external if state.track == 'masters' else ''},"
                f"{f'{enrolled},' if download.has_enrolled else ''}{person.end}"
            )


def seed_rows(name: str) -> list[dict[str, str]]:
    """Return the rows of a seed file."""
    with (SEEDS / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def parse_run(code: str) -> tuple[int, int, str]:
    """Return year, term and suffix of a run code such as 1T2025 or 3T2018a."""
    found = re.fullmatch(r"([1-4])T(\d{4})(|[a-z]|_\d+)", code)
    if not found:
        message = f"{code!r} is no run code; use one such as 1T2025 or 3T2018a"
        raise typer.BadParameter(message)
    return int(found[2]), int(found[1]), found[3]


def generate(  # noqa: PLR0913
    out: Annotated[Path, typer.Argument(help="Folder to write to, for example data/demo.")],
    *,
    learners: Annotated[int, Option(min=1, help="Invented people, such as 400.")],
    seed: Annotated[int, Option(help="Other people and results, such as 7.")] = 1,
    program: Annotated[str, Option(help="Program in seeds/, such as engy.")] = "demo",
    courses: Annotated[str, Option(help="Or file prefixes, such as UQx_A1x,UQx_A2x.")] = "",
    runs: Annotated[str, Option(help=f"Such as 1T2019,3T2019a; else {DEFAULT_RUNS}.")] = "",
    downloads: Annotated[int, Option(min=1, help="Of each run, a week apart, such as 4.")] = 1,
    assignments: Annotated[int, Option(min=0, help="Columns per grade report, such as 30.")] = 8,
    grade_reports_only: Annotated[
        bool, Option("--grade-reports-only", help="Write no profile reports.")
    ] = False,
    keen: Annotated[float, Option(min=0, max=1, help="Share who work to pass, such as 0.05.")] = 0.37,
) -> None:
    """Write the edX downloads of invented learners into a folder.

    Without --runs, the first course's newest run also has an older download and two companion
    files, and the first run of a renumbered course has the old file prefix.
    """
    out.mkdir(parents=True, exist_ok=True)
    rng = random.Random(seed)
    seeded = {row["file_prefix"]: row for row in seed_rows("courses")}
    default = [prefix for prefix, row in seeded.items() if row["program"] == program]
    rows = [seeded.get(p, {"file_prefix": p}) for p in (courses.split(",") if courses else default)]
    rows.sort(key=lambda row: row.get("is_capstone", "").lower() == "true")
    series = sum(row.get("is_capstone", "").lower() != "true" for row in rows)
    terms = sorted((runs or DEFAULT_RUNS).split(","), key=parse_run)
    starts = [datetime(y, 3 * term - 2, 15, tzinfo=UTC) for y, term, _ in map(parse_run, terms)]
    begun = sum(start < LAST_DOWNLOAD for start in starts)
    if not rows or not begun:
        message = "no such program" if begun else "one run at least must start before June 2026"
        raise typer.BadParameter(message)
    columns = assignment_columns(assignments)
    aliases = {row["course"]: row["file_prefix"] for row in seed_rows("course_aliases")}

    def make_run(place: int, term: int) -> Run | None:
        """Start the downloads of a course's run; capstones start a term later and end sooner."""
        if place >= series and not min(1, begun - 1) <= term < begun:
            return None
        row, showcase = rows[place], not runs and (place, term) == (0, begun - 1)
        renumbered = not runs and term == 0 and aliases.get(row.get("course", ""))
        name = out / f"{renumbered or row['file_prefix']}_{terms[term]}"
        stamp = min(starts[term] + timedelta(days=172), LAST_DOWNLOAD).replace(hour=2, minute=12)
        stamp += timedelta(minutes=7 * place + term)
        weeks = range(max(downloads, 1 + showcase))
        stamps = [stamp - timedelta(weeks=week) for week in reversed(weeks)]
        made = [Download(name, at, columns, profiles=not grade_reports_only) for at in stamps]
        for kind, text in COMPANIONS.items() if showcase and not grade_reports_only else ():
            path = Path(f"{name}_{kind}_{stamp:%Y-%m-%d-%H%M}.csv")
            path.write_text(text, encoding="utf-8", newline="")
        days = 40 if term >= begun else 140
        return Run(
            pass_grade=round(100 * float(row.get("pass_grade", 0.65))),
            coming=term >= begun,
            downloads=made,
            times=times(random.Random(str(name.name)), days, made[0].stamp),
        )

    offered = [[make_run(p, term) for term in range(len(terms))] for p in range(len(rows))]
    files = [file for course in offered for run in course if run for file in run.downloads]
    oldest = min(file.stamp for file in files) - timedelta(days=140)
    for number, person in enumerate(people(rng, learners, oldest), 1):
        for run, enrolment in enrolments(rng, offered, series, begun, keen).items():
            now = enrolment._replace(left=True) if person.retired else enrolment
            write_rows(rng, person, run, now, assignments)
        if number in (learners, number // FLUSH_EVERY * FLUSH_EVERY):
            for file in files:
                file.flush()


if __name__ == "__main__":
    typer.run(generate)
