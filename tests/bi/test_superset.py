"""Superset serves the dashboards: their numbers, new data while it runs, how they look, and how it ends."""

import base64
import json
import os
import signal
import socket
import stat
import subprocess
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
import yaml
from report_fixtures import PROJECT, read
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait
from superset_fixtures import SERVE, VENV, Superset, free_port, one_more_download

BUNDLE = PROJECT / "bi" / "superset" / "bundle"


def in_bundle(pattern: str, key: str) -> dict[str, dict[str, Any]]:
    found = [yaml.safe_load(path.read_text("utf-8")) for path in BUNDLE.glob(pattern)]
    return {each[key]: each for each in found}


CHARTS, DASHBOARDS = in_bundle("charts/*.yaml", "slice_name"), in_bundle("dashboards/*.yaml", "slug")
DATASETS = in_bundle("datasets/*/*.yaml", "uuid")
STEPS = ("learners", "attempted", "passed", "verified", "certificate_eligible")


def steps(table: str, key: str, names: tuple[str, ...]) -> str:
    """Ask a summary for a row per key and step."""
    columns = " union all ".join(f"select {key}, 'sum_{name}', {name} from {table}" for name in names)
    return f"select * from ({columns}) where true"


def over_time(step: str) -> str:
    day = "epoch_ms(date_trunc('day', reported_at))::double"
    return f"select {day}, course_instance, max({step}) from progress_over_time group by all"


# What each chart must say, by the long tables and summaries that the charts do not read, as rows of its
# dimensions, what is counted, and the number.
EXPECTED = {
    "Learners": "select 'sum_learners', count(*) from learners",
    "With a certificate": "select 'sum_learners', with_a_certificate from program_summary",
    "One certificate short": "select 'sum_learners', all_but_one_certified from program_summary",
    "Series complete": "select 'sum_learners', whole_series_certified from program_summary",
    "Funnel per course": steps("course_summary", "course", STEPS),
    "Certificates per learner": (
        "select no_certificate_eligible, 'sum_learners', count(*) from demo_coursecompletion group by all"
    ),
    "Stages": "select stage, 'sum_learners', count(*) from learner_progress group by all",
    "One certificate short, by next course": (
        "select next_course, 'sum_learners', count(*) from learner_progress"
        " where stage = 'one to go' group by all"
    ),
    "Learners of each course by track": (
        "select course, enrollment_track, count(*) from learner_courses group by all"
    ),
    # of countries with as many learners any may come last
    "Countries with most learners": (
        "select 'sum_learners', learners from country_summary where country is not null"
        " order by learners desc limit 15"
    ),
    "Enrolled over time": over_time("enrolled"),
    "Passed over time": over_time("passed"),
    "Verified over time": over_time("verified"),
    "Certificate-eligible over time": over_time("certificate_eligible"),
    "Course runs side by side": steps("course_run_summary", "course_instance", STEPS),
    "Course runs in numbers": steps("course_run_summary", "course, course_instance", (*STEPS, "unenrolled")),
    "Changes since the last download": (
        "select course_instance, change, count(distinct learner_id) from changes group by all"
    ),
    "Get a mail": "select 'sum_candidates', count(*) from mailout",
    "Left out": "select 'sum_candidates', count(excluded_reason) from mailout_candidates",
    "Sent": "select 'sum_tries', count(*) from send_log where status = 'sent'",
    "Not delivered": "select 'sum_tries', count(*) from send_log where status <> 'sent'",
    "Candidates by course and outcome": (
        "select trigger_course, coalesce(excluded_reason, 'gets a mail'), count(*)"
        " from mailout_candidates group by all"
    ),
    "Candidates by outcome": (
        "select coalesce(excluded_reason, 'gets a mail'),"
        " ['passed as an auditor', 'earned a certificate'][trigger_course_verified + 1], count(*)"
        " from mailout_candidates group by all"
    ),
    "Tries over time": (
        "select epoch_ms(date_trunc('day', intended_at))::double, status, count(*) from send_log group by all"
    ),
    "Tries by course run and status": (
        "select trigger_course_instance, status, count(*) from send_log group by all"
    ),
    "Files by status": "select status, report_kind, count(*) from report_files group by all",
    "Age of the newest downloads": """
        select course_instance, 'max_grades_days_old', as_of - max(reported_at)::date
        from report_files, programs where report_kind = 'grade_report' and status = 'used'
        group by course_instance, as_of
        union all
        select course_instance, 'max_profiles_days_old', as_of - max(reported_at)::date
        from report_files, programs where report_kind = 'student_profile_info' and status = 'used'
        group by course_instance, as_of
    """,
    # what the fixture damaged, by hand
    "Rejected rows by reason": """
        values ('a later line has the same learner', 'used', 1),
        ('it has more or fewer cells than the header', 'used', 1),
        ('its grade is not a number from 0 to 2', 'used', 1)
    """,
    "What is gone": """
        select course, course_instance, unnest([
            ('max_grades_reported_at', epoch_ms(reported_at)::double),
            ('sum_learners_gone', coalesce(learners_gone, 0)),
            ('sum_certificates_gone', coalesce(certificates_gone, 0))
        ], recursive := true)
        from report_files where report_kind = 'grade_report' and status = 'used'
    """,
}


def said(name: str, rows: list[dict[str, Any]]) -> list[tuple[object, ...]]:
    """Give a chart's rows as its dimensions, what is counted, and the number."""
    params = CHARTS[name]["params"]
    dimensions = [params["x_axis"]] if "x_axis" in params else params.get("groupby", [])
    if name == "Countries with most learners":
        rows = [{"sum_learners": row["sum_learners"]} for row in rows]
        dimensions = []
    return sorted(
        (*(row[dimension] for dimension in dimensions), counted, float(number))
        for row in rows
        for counted, number in row.items()
        # what only puts rows in order is not shown
        if counted not in dimensions and number is not None and not counted.startswith("min_")
    )


def expected(superset: Superset, name: str) -> list[tuple[object, ...]]:
    rows = read(superset.build.published, EXPECTED[name])
    return sorted((*row[:-1], float(row[-1])) for row in rows)


def test_every_chart_says_what_the_file_says(superset: Superset) -> None:
    data = superset.data()
    assert sorted(data) == sorted(EXPECTED) == sorted(CHARTS)
    for name, rows in data.items():
        assert said(name, rows), name
        assert said(name, rows) == expected(superset, name), name


def test_it_listens_on_this_machine_alone(superset: Superset) -> None:
    hexadecimal = f":{superset.port:04X}"
    lines = Path("/proc/net/tcp").read_text("ascii") + Path("/proc/net/tcp6").read_text("ascii")
    listening = [line.split()[1] for line in lines.splitlines() if line.split()[3] == "0A"]
    assert [address for address in listening if address.endswith(hexadecimal)] == [f"0100007F{hexadecimal}"]


def test_what_it_keeps_is_for_its_user_alone(superset: Superset) -> None:
    kept = {path.name: stat.S_IMODE(path.stat().st_mode) for path in superset.home.iterdir()}
    assert set(kept.values()) == {0o600}
    assert set(kept) == {"admin_password", "secret_key", "set_up_for", "superset.db", "superset.log"}


def test_its_client_is_of_duckdb_1() -> None:
    version = subprocess.check_output([VENV / "python", "-c", "import duckdb; print(duckdb.__version__)"])
    assert version.startswith(b"1.")


def test_what_cannot_be_served_is_told_in_a_sentence(superset: Superset, tmp_path: Path) -> None:
    def refused(program: str, port: int, database: Path) -> str:
        run = subprocess.run(
            [*SERVE, program, "--port", str(port), "--out", str(tmp_path / "out")],
            env=os.environ | {"MM_DATABASE_DIR": str(database)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (run.returncode, run.stdout) == (1, "")
        assert run.stderr.count("\n") == 1, run.stderr
        assert not (tmp_path / "out").exists()
        return run.stderr

    databases = superset.build.place.database
    assert "(found there: none): run `mm build demo` first" in refused("demo", free_port(), tmp_path)
    assert "(found there: demo): run `mm build lgdm` first" in refused("lgdm", free_port(), databases)
    assert f"Port {superset.port} cannot be had" in refused("demo", superset.port, databases)
    subprocess.run(
        [VENV / "python", "-c", "import duckdb, sys; duckdb.connect(sys.argv[1])", tmp_path / "old.duckdb"],
        check=True,
    )
    assert "has no table changes, course_runs_by_country_and_track" in refused("old", free_port(), tmp_path)


# ---- in a browser ----

CHART_STATES = """
return [...document.querySelectorAll('[data-test-chart-name]')].map(holder => {
    const drawn = [...holder.querySelectorAll('canvas, table tbody tr, .header-line')];
    return {
        name: holder.dataset.testChartName,
        drawn: drawn.some(part => part.getBoundingClientRect().height > 10),
        loading: holder.querySelectorAll('.loading, [data-test=loading-indicator]').length,
        wrong: holder.querySelectorAll('.ant-alert, .ant-empty, [role=alert]').length,
        text: holder.innerText,
    };
});
"""
# A chart that has been drawn, or that has said why not.
ENDED = "canvas, table tbody tr, .header-line, .ant-alert, .ant-empty"
TOASTS = "return [...document.querySelectorAll('[data-test=toast-container], .toast')].map(t => t.innerText)"


@pytest.fixture(scope="module")
def laptop(browser: Chrome, superset: Superset) -> Chrome:
    """Log in as a person does, on a laptop's screen."""
    size(browser, 768)
    browser.get(f"http://127.0.0.1:{superset.port}/login/")
    wait = WebDriverWait(browser, 60)
    wait.until(lambda found: found.find_elements(By.CSS_SELECTOR, "input[type=password]"))
    browser.find_element(By.ID, "username").send_keys("admin")
    browser.find_element(By.ID, "password").send_keys(superset.password)
    browser.find_element(By.CSS_SELECTOR, "button[type=submit]").click()
    wait.until(lambda found: "/login" not in found.current_url)
    return browser


def size(browser: Chrome, height: int) -> None:
    screen = {"width": 1366, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)


def names_of(slug: str) -> list[str]:
    position = DASHBOARDS[slug]["position"].values()
    parts = [part for part in position if isinstance(part, dict) and part["type"] == "CHART"]
    return sorted(part["meta"]["sliceName"] for part in parts)


def states(browser: Chrome) -> list[dict[str, Any]]:
    return browser.execute_script(CHART_STATES)


def show(browser: Chrome, superset: Superset, slug: str, filters: str = "") -> None:
    """Open a dashboard, and scroll until all of it is drawn: what is out of sight is not."""
    browser.get(f"http://127.0.0.1:{superset.port}/superset/dashboard/{slug}/{filters}")
    WebDriverWait(browser, 60).until(lambda found: len(states(found)) == len(names_of(slug)))
    for holder in browser.find_elements(By.CSS_SELECTOR, "[data-test-chart-name]"):
        browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", holder)
        WebDriverWait(browser, 60).until(
            lambda found, holder=holder: found.execute_script(
                f"return !!arguments[0].querySelector('{ENDED}')", holder
            )
        )
    time.sleep(1)


def asked(browser: Chrome) -> tuple[set[str], list[dict[str, Any]]]:
    """Give the hosts that pages asked since the last time, and the charts' own requests for data."""
    hosts, bodies = set(), []
    for entry in browser.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            request = message["params"]["request"]
            if request["url"].endswith("/api/v1/chart/data") or "/api/v1/chart/data?" in request["url"]:
                bodies.append(json.loads(request["postData"]))
        if message["method"] == "Network.responseReceived":
            # what a page holds itself, as data:, is of no host
            hosts.add(urlsplit(message["params"]["response"]["url"]).netloc)
    return hosts - {""}, bodies


def without_blanks(value: object) -> object:
    if isinstance(value, dict):
        slim = {key: without_blanks(part) for key, part in value.items()}
        return {key: part for key, part in slim.items() if part not in (None, "", [], {}, 0, False)}
    if isinstance(value, list):
        return [without_blanks(part) for part in value]
    return value


@pytest.mark.parametrize("slug", sorted(DASHBOARDS))
def test_a_dashboard_is_drawn(laptop: Chrome, superset: Superset, slug: str, tmp_path: Path) -> None:
    asked(laptop)
    show(laptop, superset, slug)
    found = states(laptop)
    assert sorted(state["name"] for state in found) == names_of(slug)
    for state in found:
        assert state["drawn"], state
        assert not state["loading"], state
        assert not state["wrong"], state
    assert [toast for toast in laptop.execute_script(TOASTS) if toast] == []
    assert laptop.execute_script("return innerWidth") == 1366
    assert laptop.execute_script("return document.documentElement.scrollWidth") <= 1366
    size(laptop, laptop.execute_script("return document.documentElement.scrollHeight") + 20)
    laptop.execute_script("window.scrollTo(0, 0)")
    time.sleep(5)
    # for a person to look at, where the test fails
    (tmp_path / f"{slug}.png").write_bytes(base64.b64decode(laptop.get_screenshot_as_base64()))
    size(laptop, 768)
    # what the page asks is what the bundle has as each chart's query
    hosts, bodies = asked(laptop)
    assert hosts == {f"127.0.0.1:{superset.port}"}
    names = names_by_id(superset)
    shown = {}
    for body in bodies:
        if body["form_data"].get("slice_id"):
            shown[names[body["form_data"]["slice_id"]]] = without_blanks(body["queries"])
    assert sorted(shown) == names_of(slug)
    for name, queries in shown.items():
        assert queries == without_blanks(json.loads(CHARTS[name]["query_context"])["queries"]), name


def names_by_id(superset: Superset) -> dict[int, str]:
    charts = superset.ask("GET", "/api/v1/chart/?q=(page_size:100)")["result"]
    return {chart["id"]: chart["slice_name"] for chart in charts}


@pytest.mark.parametrize("slug", sorted(DASHBOARDS))
def test_a_dashboard_is_filtered(laptop: Chrome, superset: Superset, slug: str) -> None:
    chosen = {"course": "bees1x", "course_instance": "ExampleX_BEES1x_1T2026"}
    chosen |= {"country": "ES", "enrollment_track": "audit"}
    masks = []
    for each in DASHBOARDS[slug]["metadata"]["native_filter_configuration"]:
        column = each["targets"][0]["column"]["name"]
        masks.append(
            f"{each['id']}:(extraFormData:(filters:!((col:{column},op:IN,val:!({chosen[column]})))),"
            f"filterState:(value:!({chosen[column]})),id:{each['id']},ownState:())"
        )
    asked(laptop)
    show(laptop, superset, slug, f"?native_filters={quote('(' + ','.join(masks) + ')')}")
    assert [toast for toast in laptop.execute_script(TOASTS) if toast] == []
    names, queries = names_by_id(superset), {}
    for body in asked(laptop)[1]:
        if body["form_data"].get("slice_id"):
            answer = superset.ask("POST", "/api/v1/chart/data", body)["result"][0]
            assert answer["error"] is None
            queries[names[body["form_data"]["slice_id"]]] = answer["query"]
    assert sorted(queries) == names_of(slug)
    for name, query in queries.items():
        dataset = DATASETS[CHARTS[name]["dataset_uuid"]]
        for column in {each["column_name"] for each in dataset["columns"]} & set(chosen):
            assert f"{column} IN ('{chosen[column]}')" in query, query


def test_new_data_shows_without_a_restart(laptop: Chrome, superset: Superset) -> None:
    show(laptop, superset, "program")
    shown = {state["name"]: state["text"] for state in states(laptop)}
    assert "\n400\n" in shown["Learners"]
    before = superset.data()
    place = superset.build.place
    one_more_download(place)
    superset.build = place.build(None).passed()
    after = superset.data()
    for name, rows in after.items():
        assert said(name, rows) == expected(superset, name), name
    changed = {name for name in after if after[name] != before[name]}
    assert changed >= {
        *("Learners", "Funnel per course", "Course runs side by side", "Passed over time"),
        *("Files by status", "Age of the newest downloads", "What is gone"),
    }
    assert before["Learners"] == [{"sum_learners": 400}]
    assert after["Learners"] == [{"sum_learners": 401}]
    laptop.refresh()
    WebDriverWait(laptop, 60).until(
        lambda found: any(
            state["name"] == "Learners" and "\n401\n" in state["text"] for state in states(found)
        )
    )


def test_ctrl_c_ends_it(superset: Superset) -> None:
    group = superset.process.pid
    os.killpg(group, signal.SIGINT)
    assert superset.process.wait(60) == 0
    assert superset.process.stdout
    assert superset.process.stdout.read() == "\nSuperset has ended.\n"
    with pytest.raises(ProcessLookupError):
        os.killpg(group, 0)
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", superset.port)) != 0
