"""A Superset of its own that serves an invented program's dashboards, as `make superset` does."""

import csv
import json
import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from report_fixtures import PROJECT, Build, NewPlace, Place

VENV = PROJECT / ".venv-superset" / "bin"
SERVE = (VENV / "python", PROJECT / "bi" / "superset" / "serve.py")
GRADES, PROFILES = "ExampleX_{}_grade_report_{}.csv", "ExampleX_{}_student_profile_info_{}.csv"
SEND_LOG = """\
student_id,trigger_course_instance,trigger_course_verified,attempt,event,logged_at,message_id,email,detail
{0},ExampleX_BEES1x_3T2025,1,1,intent,2026-01-10T09:00:00+00:00,<1@example.org>,one@example.org,
{0},ExampleX_BEES1x_3T2025,1,1,sent,2026-01-10T09:00:01+00:00,<1@example.org>,one@example.org,250 OK
{1},ExampleX_BEES1x_3T2025,0,1,intent,2026-01-10T09:00:02+00:00,<2@example.org>,two@example.org,
{1},ExampleX_BEES1x_3T2025,0,1,failed,2026-01-10T09:00:03+00:00,<2@example.org>,two@example.org,550 no
{1},ExampleX_BEES1x_3T2025,0,2,intent,2026-01-12T09:00:02+00:00,<3@example.org>,two@example.org,
{1},ExampleX_BEES1x_3T2025,0,2,sent,2026-01-12T09:00:03+00:00,<3@example.org>,two@example.org,250 OK
{2},ExampleX_BEES2x_3T2025,1,1,intent,2026-01-12T09:00:04+00:00,<4@example.org>,three@example.org,
"""


@dataclass
class Superset:
    """One that runs: its process, what it printed, and how to ask it."""

    process: subprocess.Popen[str]
    port: int
    home: Path
    build: Build
    printed: str
    token: str = field(default="")

    @property
    def password(self) -> str:
        found = re.search(r"with the password (\S+)", self.printed)
        assert found
        return found[1]

    def ask(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
        """Ask the REST API; anything but 200 is a failure."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"Content-Type": "application/json"} if body else {}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        connection.request(method, path, json.dumps(body) if body else None, headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        assert answer.status == 200, text
        return json.loads(text)

    def log_in(self) -> None:
        login = {"username": "admin", "password": self.password, "provider": "db"}
        self.token = self.ask("POST", "/api/v1/security/login", login)["access_token"]

    def data(self) -> dict[str, list[dict[str, Any]]]:
        """Give every chart's rows, by its name."""
        charts = self.ask("GET", "/api/v1/chart/?q=(page_size:100)")["result"]
        found = {}
        for chart in charts:
            (result,) = self.ask("GET", f"/api/v1/chart/{chart['id']}/data/")["result"]
            found[chart["slice_name"]] = result["data"]
        return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def rows_of(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


def write_rows(path: Path, rows: list[list[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)


def one_more_download(place: Place) -> None:
    """Lay a newer download of the capstone's current run: with one learner more, who passed as an auditor."""
    demo = place.data / "demo"
    for name, old, new in (
        (GRADES, "2026-06-15-0242", "2026-06-22-0242"),
        (PROFILES, "2026-06-15-0238", "2026-06-22-0238"),
    ):
        header, *rows = rows_of(demo / name.format("BEES5x_1T2026", old))
        cells = dict.fromkeys(header, "") | {"id": "10999999", "Student ID": "10999999", "country": "IS"}
        cells |= {"username": "newcomer", "Username": "newcomer", "name": "New Comer"}
        cells |= {"email": "newcomer@example.org", "Email": "newcomer@example.org", "Grade": "0.9"}
        cells |= {"Enrollment Track": "audit", "Verification Status": "N/A", "Certificate Eligible": "N"}
        cells |= {"Certificate Delivered": "N", "Certificate Type": "N/A", "Enrollment Status": "enrolled"}
        new_row = [cells[column] for column in header]
        write_rows(demo / name.format("BEES5x_1T2026", new), [header, *rows, new_row])


def _demo_with_something_in_every_chart(place: Place) -> None:
    demo = place.data / "demo"
    shutil.copytree(PROJECT / "data" / "demo", demo)
    # a row too short, one with a grade that is none, and one of a learner who is there again
    path = demo / GRADES.format("BEES4x_1T2026", "2026-06-15-0235")
    header, *rows = rows_of(path)
    grade = header.index("Grade")
    bad = [*rows[1][:grade], "65", *rows[1][grade + 1 :]]
    write_rows(path, [header, rows[0], *rows, bad, rows[2][:4]])
    # a newer download that lacks two learners
    header, *rows = rows_of(demo / GRADES.format("BEES3x_1T2026", "2026-06-15-0228"))
    write_rows(demo / GRADES.format("BEES3x_1T2026", "2026-06-16-0228"), [header, *rows[2:]])
    place.database.mkdir()
    learners = [row[0] for row in rows[:3]]
    (place.database / "demo.send_log.csv").write_text(SEND_LOG.format(*learners), "utf-8")


@pytest.fixture(scope="session")
def superset(new_place: NewPlace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Superset]:
    """Build the program, set a Superset up for it, and end it as Ctrl-C does."""
    place = new_place()
    _demo_with_something_in_every_chart(place)
    build = place.build(None).passed()
    home, port = tmp_path_factory.mktemp("superset"), free_port()
    process = subprocess.Popen(
        [*SERVE, "demo", "--port", str(port), "--out", str(home)],
        env=os.environ | {"MM_DATABASE_DIR": str(place.database)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout
    printed = ""
    while "Ctrl-C ends it" not in printed:
        line = process.stdout.readline()
        assert line, printed
        printed += line
    superset = Superset(process, port, home, build, printed)
    superset.log_in()
    yield superset
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(60)
