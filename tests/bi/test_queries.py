"""The questions of docs/analyst/queries.md: pandas, which Superset brings along, answers them as SQL does."""

import json
import subprocess

from docs_fixtures import PAGES, blocks
from report_fixtures import ENVIRONMENT, Build
from superset_fixtures import VENV

# The number of a question, and what differs in its two answers.
COMPARE = """
import json
import sys

from pandas import testing

begin, questions = json.load(sys.stdin)
for number, (answer, query) in enumerate(questions, start=1):
    names = {}
    exec(begin, names)
    exec(answer, names)
    expected = names["con"].sql(query).df()
    try:
        assert len(expected), "no row"
        testing.assert_frame_equal(names["answer"].reset_index(drop=True), expected, check_dtype=False)
    except AssertionError as error:
        print(number, error)
"""


def test_pandas_and_sql_answer_the_same(demo: Build) -> None:
    [page] = [page for page in PAGES if page.name == "queries.md"]
    begin, *answers = blocks(page, "python")
    questions = list(zip(answers, blocks(page, "sql"), strict=True))
    assert len(questions) == 10
    done = subprocess.run(
        [VENV / "python", "-c", COMPARE],
        input=json.dumps([begin.replace("database/demo.duckdb", str(demo.published)), questions]),
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")
