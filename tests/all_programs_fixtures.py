"""Files of all programs for the tests of their report: one to work out numbers of, one that breaks a page."""

from datetime import date, datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import duckdb

TABLES = {
    "programs": "program varchar, title varchar, as_of date",
    "courses": "program varchar, course varchar, file_prefix varchar",
    "course_runs": "program varchar, course_instance varchar, run_role varchar",
    "course_run_summary": "program varchar, course_instance varchar, reported_at timestamp",
    "program_summary": "program varchar, learners bigint, with_a_certificate bigint,"
    " all_but_one_certified bigint, whole_series_certified bigint, countries bigint",
    "certificate_summary": "program varchar, no_certificate_eligible integer, learners bigint",
    "country_summary": "program varchar, country varchar, learners bigint, passed bigint,"
    " certificate_eligible bigint, rank_by_learners integer",
    "learner_courses": "program varchar, student_id bigint, best_grade double, ever_passed boolean,"
    " is_verified_passed boolean",
    "report_files": "program varchar, status varchar, reported_at timestamp, rejected_row_count bigint",
    "learner_programs": "program varchar, student_id bigint, stage varchar, no_certificate_eligible integer,"
    " is_complete boolean",
    "program_overlap": "program varchar, other_program varchar, learners_in_both bigint,"
    " certified_in_both bigint",
}
Rows = dict[str, list[tuple[Any, ...]]]


def write_tables(path: Path, columns: dict[str, str], tables: Rows) -> None:
    """Write a file with just these tables, whose columns are as SQL has them."""
    with duckdb.connect(path) as connection:
        connection.begin()
        for table, of_table in columns.items():
            connection.execute(f"create table {table} ({of_table})")
            if rows := tables[table]:
                values = [list(column) for column in zip(*rows, strict=True)]
                cells = ", ".join(f"unnest(${n})" for n in range(1, len(values) + 1))
                connection.execute(f"insert into {table} select {cells}", values)
        connection.commit()


def write_file(path: Path, tables: Rows) -> None:
    """Write a file as `mm combine` would, as far as the report reads it."""
    write_tables(path, TABLES, tables)


def few() -> Rows:
    """Return three programs: learners 3 and 4 are in bees and in moths, and nobody is in ants."""
    return {
        "programs": [
            ("moths", "Moths & <b>Lamps</b>", date(2026, 6, 17)),
            ("bees", "Bees", date(2026, 6, 18)),
            ("ants", None, date(2026, 1, 2)),
        ],
        "courses": [
            ("bees", "bees1x", "X_BEES1x"),
            ("bees", "bees2x", "X_BEES2x"),
            ("moths", "moths1x", "X_MOTHS1x"),
        ],
        "course_runs": [
            ("bees", "x_bees1x_1t2026", "current"),
            ("bees", "X_BEES2x_1T2026", "current"),
            ("bees", "X_BEES2x_1T2025", "coming"),
            ("moths", "X_MOTHS1x_1T2026", "current"),
        ],
        "course_run_summary": [
            ("bees", "X_BEES1x_1T2026", datetime(2026, 6, 8)),  # noqa: DTZ001 - as in the tables
            ("bees", "X_BEES2x_1T2026", datetime(2026, 6, 15, 2, 42)),  # noqa: DTZ001
            ("bees", "X_BEES2x_1T2025", datetime(2025, 1, 1)),  # noqa: DTZ001
            # another program's run of that name is not this program's
            ("moths", "X_BEES1x_1T2026", datetime(2020, 1, 1)),  # noqa: DTZ001
        ],
        "program_summary": [("bees", 4, 2, 1, 1, 2), ("moths", 3, 2, 0, 1, 1), ("ants", 0, 0, 0, 0, 0)],
        "certificate_summary": [
            *(("bees", 0, 2), ("bees", 1, 0), ("bees", 3, 1), ("bees", 4, 1)),
            *(("moths", 1, 1), ("moths", 0, 1), ("moths", 4, 1)),
        ],
        "country_summary": [
            *(("bees", f"A{chr(65 + i)}", 30 - i, 20 - i, i, i + 1) for i in range(12)),
            ("bees", None, 500, 3, 1, 13),
            ("moths", "NZ", 3, 2, 2, 1),
        ],
        "learner_courses": [
            ("bees", 1, 0.0, False, False),
            *(("bees", 2, 0.1, False, False), ("bees", 2, 0.0, False, False)),
            *(("bees", 3, 0.9, True, True), ("bees", 3, 0.8, True, False)),
            ("bees", 4, 0.9, True, True),
            *(("moths", 3, 0.7, True, False), ("moths", 4, 0.0, False, False), ("moths", 5, 1.0, True, True)),
        ],
        "report_files": [
            ("bees", "used", datetime(2026, 6, 15, 2, 42), 2),  # noqa: DTZ001
            ("bees", "superseded", datetime(2026, 6, 17), 1),  # noqa: DTZ001
            ("bees", "ignored", None, 0),
            ("moths", "used", datetime(2026, 5, 1), 0),  # noqa: DTZ001
        ],
        "learner_programs": [
            ("bees", 1, "enrolled", 0, False),
            ("bees", 2, "attempted", 0, False),
            ("bees", 3, "one to go", 3, False),
            ("bees", 4, "series complete", 4, True),
            ("moths", 3, "passed one", 1, False),
            ("moths", 4, "enrolled", 0, False),
            ("moths", 5, "series complete", 4, True),
        ],
        "program_overlap": [
            *(
                ("bees", "moths", 2, 1),
                ("moths", "bees", 2, 1),
                ("ants", "bees", 0, 0),
                ("bees", "ants", 0, 0),
            ),
            *(("ants", "moths", 0, 0), ("moths", "ants", 0, 0)),
        ],
    }


def many(long_title: str, unbroken_title: str) -> Rows:
    """Return twelve programs of millions of learners, with titles that have no room."""
    codes = [f"program_with_a_long_code_{i}" if i % 3 else f"p{i}" for i in range(12)]
    titles = [long_title, unbroken_title, None, "Bees"] * 3
    start = datetime(2026, 6, 1)  # noqa: DTZ001
    stages = ("enrolled", "attempted", "passed one", "on the way", "one to go", "series complete")
    return {
        "programs": [(code, title, date(2026, 6, 18)) for code, title in zip(codes, titles, strict=True)],
        "courses": [(code, f"c{n}", f"X_{code}{n}") for code in codes for n in range(5)],
        "course_runs": [(code, f"X_{code}", "current") for code in codes],
        "course_run_summary": [
            (code, f"X_{code}", start - timedelta(days=n)) for n, code in enumerate(codes)
        ],
        "program_summary": [
            (code, 12_345_678 >> n, 1_234_567 >> n, 345_678 >> n, 1, 234) for n, code in enumerate(codes)
        ],
        "certificate_summary": [(code, n, 9_000_000 >> (4 * n)) for code in codes for n in range(6)],
        "country_summary": [
            *(
                (code, f"A{chr(65 + i)}", 999_999 - i, 50_000 - i, i, i + 1)
                for code in codes
                for i in range(19)
            ),
            *((code, None, 2_000_000, 1, 0, 20) for code in codes),
        ],
        "learner_courses": [(code, n, n / 9, n > 5, n > 7) for code in codes for n in range(10)],
        "report_files": [(code, "used", start + timedelta(days=n), 0) for n, code in enumerate(codes)],
        "learner_programs": [
            (code, n, stage, n, stage == stages[-1]) for code in codes for n, stage in enumerate(stages)
        ],
        "program_overlap": [
            (one, other, 1_234_567 + n, 10_000 * n) for n, (one, other) in enumerate(permutations(codes, 2))
        ],
    }
