"""Superset's dashboards against the manifest: what they read is published, described and nobody's name."""

import importlib.util
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from project_fixtures import Project
from report_fixtures import PROJECT

BUNDLE = PROJECT / "bi" / "superset" / "bundle"
TYPES = {
    "string": "VARCHAR",
    "integer": "INTEGER",
    "bigint": "BIGINT",
    "timestamp": "TIMESTAMP",
    "date": "DATE",
}
# A chart's SQL is no more than this of one column.
METRIC = re.compile(r"(?:SUM|MIN|MAX)\(([a-z_]+)\)|COALESCE\(SUM\(([a-z_]+)\), 0\)|COUNT\(\*\)")
# What tells who somebody is, by its description in models/docs.md, and what may quote it.
PERSONAL_DOCS = ("student_id", "username", "email", "learner_name", "raw_text", "file_name")
PERSONAL_COLUMNS = {"message_id", "detail", "learner_id"}
FILTERS = {"course", "course_instance", "country", "enrollment_track"}


def read(pattern: str) -> dict[str, dict[str, Any]]:
    found = [yaml.safe_load(path.read_text("utf-8")) for path in sorted(BUNDLE.glob(pattern))]
    assert found
    assert len({each["uuid"] for each in found}) == len(found)
    return {each["uuid"]: each for each in found}


DATABASES, DATASETS = read("databases/*.yaml"), read("datasets/*/*.yaml")
CHARTS, DASHBOARDS = read("charts/*.yaml"), read("dashboards/*.yaml")


def columns_of(dataset: dict[str, Any]) -> set[str]:
    return {column["column_name"] for column in dataset["columns"]}


def charts_of(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    position = dashboard["position"].values()
    return [part["meta"] for part in position if isinstance(part, dict) and part["type"] == "CHART"]


def published(project: Project) -> dict[str, dict[str, Any]]:
    return {model["alias"]: model for model in project.nodes("model") if model["schema"] == "main"}


def test_every_file_is_of_the_bundle() -> None:
    parts = [DATABASES, DATASETS, CHARTS, DASHBOARDS]
    assert len(list(BUNDLE.rglob("*"))) == sum(map(len, parts)) + len(
        ["metadata.yaml", "databases", "datasets", "datasets/MicroMasters", "charts", "dashboards"]
    )
    assert yaml.safe_load((BUNDLE / "metadata.yaml").read_text("utf-8"))["type"] == "assets"


def test_the_database_is_read_only_and_keeps_no_results() -> None:
    (database,) = DATABASES.values()
    assert database["sqlalchemy_uri"].endswith("?access_mode=read_only")
    assert database["cache_timeout"] == -1
    assert not any(database[right] for right in database if right.startswith("allow_"))
    assert {dataset["database_uuid"] for dataset in DATASETS.values()} == {database["uuid"]}
    assert {each["cache_timeout"] for each in [*DATASETS.values(), *CHARTS.values()]} == {None}


def test_every_dataset_is_a_published_table_with_these_columns(project: Project) -> None:
    models = published(project)
    for dataset in DATASETS.values():
        assert (dataset["schema"], dataset["sql"]) == ("main", None)
        assert dataset["table_name"] in models
        columns = models[dataset["table_name"]]["columns"]
        for column in dataset["columns"]:
            name = column["column_name"]
            assert name in columns, (dataset["table_name"], name)
            assert column["type"] == TYPES[columns[name]["data_type"]], (dataset["table_name"], name)
            assert column["is_dttm"] == (column["type"] in {"TIMESTAMP", "DATE"})
            assert column.get("expression") is None


def test_a_metric_is_no_more_than_a_sum() -> None:
    for dataset in DATASETS.values():
        for metric in dataset["metrics"]:
            found = METRIC.fullmatch(metric["expression"])
            assert found, metric
            assert set(found.groups()) <= {None, *columns_of(dataset)}, metric


def test_a_card_over_no_rows_shows_0() -> None:
    datasets = {dataset["uuid"]: dataset for dataset in DATASETS.values()}
    cards = [chart for chart in CHARTS.values() if chart["viz_type"].startswith("big_number")]
    assert len(cards) == 8
    for card in cards:
        metrics = {
            each["metric_name"]: each["expression"] for each in datasets[card["dataset_uuid"]]["metrics"]
        }
        with duckdb.connect() as connection:
            table = "(select 1 as learners, 1 as candidates, 1 as tries) where false"
            found = connection.execute(f"select {metrics[card['params']['metric']]} from {table}").fetchall()
            assert found == [(0,)], card["slice_name"]


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("all_programs", "The dashboards are one program's"),
        ("all_programs.masked", "The dashboards are one program's"),
        ("lgdm.masked", "set MM_MASK_SECRET, and run `mm build lgdm`"),
        ("engy.masked", "run `mm build engy` first"),
        ("../demo", "There is no published database"),
    ],
)
def test_what_superset_does_not_serve_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, words: str
) -> None:
    place = importlib.util.spec_from_file_location("serve", PROJECT / "bi" / "superset" / "serve.py")
    assert place
    assert place.loader
    serve = importlib.util.module_from_spec(place)
    place.loader.exec_module(serve)
    monkeypatch.setenv("MM_DATABASE_DIR", str(tmp_path))
    for name in ("demo", "demo.masked", "lgdm", "all_programs", "all_programs.masked"):
        with duckdb.connect(tmp_path / f"{name}.duckdb") as connection:
            for dataset in DATASETS.values():
                connection.execute(f"create table {dataset['table_name']} (i int)")
    with pytest.raises(serve.UnservableError) as raised:
        serve.published_file(program)
    assert words in str(raised.value)
    assert serve.published_file("demo.masked") == tmp_path / "demo.masked.duckdb"


def test_nothing_tells_who_somebody_is(project: Project) -> None:
    docs = project.manifest["docs"].values()
    told = {doc["block_contents"] for doc in docs if doc["name"] in PERSONAL_DOCS}
    assert len(told) == len(PERSONAL_DOCS)
    personal = PERSONAL_COLUMNS | {
        name
        for model in published(project).values()
        for name, column in model["columns"].items()
        if column["description"].startswith(tuple(told))
    }
    assert {"email", "username", "name", "student_name", "student_id", "raw_text", "file_name"} <= personal
    for dataset in DATASETS.values():
        assert columns_of(dataset) & personal == set(), dataset["table_name"]


def used(value: object, key: str = "") -> Iterator[str]:
    """Give what a chart's params or query names: columns, metrics, what it filters and sorts by."""
    if isinstance(value, dict):
        assert value.get("expressionType", "SIMPLE") == "SIMPLE" or value["isColumnReference"], value
        for name, part in value.items():
            if name == "aggregates":
                yield from part
            elif name == "extras":
                assert set(part) <= {"time_grain_sqla"}, part
            else:
                yield from used(part, name)
    elif isinstance(value, list):
        for part in value:
            yield from used(part, key)
    elif isinstance(value, str) and key in NAMING:
        yield value


NAMING = {
    *("x_axis", "groupby", "metric", "metrics", "all_columns", "subject", "timeseries_limit_metric"),
    *("x_axis_sort", "columns", "sqlExpression", "label", "orderby", "col", "series_limit_metric"),
    *("series_columns", "index", "by"),
}


@pytest.mark.parametrize("chart", CHARTS.values(), ids=lambda chart: chart["slice_name"])
def test_a_chart_uses_what_its_dataset_has(chart: dict[str, Any]) -> None:
    dataset = DATASETS[chart["dataset_uuid"]]
    there = columns_of(dataset) | {metric["metric_name"] for metric in dataset["metrics"]}
    named = set(used(chart["params"]))
    assert named
    assert named - there == set()
    context = json.loads(chart["query_context"])
    # what it asks is what it draws
    asked = set(used(context["queries"]))
    assert asked - there == set()
    metrics = chart["params"].get("metrics", [chart["params"].get("metric")])
    for (query,) in [context["queries"]]:
        assert query["metrics"][: len(metrics)] == metrics


def test_every_chart_is_on_one_dashboard() -> None:
    shown = [chart for dashboard in DASHBOARDS.values() for chart in charts_of(dashboard)]
    assert sorted(chart["uuid"] for chart in shown) == sorted(CHARTS)
    assert len({chart["chartId"] for chart in shown}) == len(shown)
    for chart in shown:
        assert chart["sliceName"] == CHARTS[chart["uuid"]]["slice_name"]
    for dashboard in DASHBOARDS.values():
        parts = {name: part for name, part in dashboard["position"].items() if isinstance(part, dict)}
        children = [child for part in parts.values() for child in part.get("children", [])]
        assert sorted([*children, "ROOT_ID", "HEADER_ID"]) == sorted(parts)


def test_a_dashboard_filters_by_course_run_country_and_track_where_it_can() -> None:
    for dashboard in DASHBOARDS.values():
        datasets = [DATASETS[CHARTS[chart["uuid"]]["dataset_uuid"]] for chart in charts_of(dashboard)]
        filters = dashboard["metadata"]["native_filter_configuration"]
        targets = [target for each in filters for target in each["targets"]]
        for target in targets:
            assert target["column"]["name"] in columns_of(DATASETS[target["datasetUuid"]])
            assert DATASETS[target["datasetUuid"]] in datasets
        filtered = {target["column"]["name"] for target in targets}
        assert filtered == FILTERS & set.union(*map(columns_of, datasets)), dashboard["slug"]


def test_every_dashboard_is_an_exposure(project: Project) -> None:
    exposures = {exposure["name"]: exposure for exposure in project.manifest["exposures"].values()}
    assert {name for name in exposures if name.startswith("superset_")} == {
        f"superset_{dashboard['slug'].replace('-', '_')}" for dashboard in DASHBOARDS.values()
    }
    for dashboard in DASHBOARDS.values():
        datasets = {CHARTS[chart["uuid"]]["dataset_uuid"] for chart in charts_of(dashboard)}
        exposure = exposures[f"superset_{dashboard['slug'].replace('-', '_')}"]
        assert set(exposure["config"]["meta"]["relations"]) == {
            DATASETS[dataset]["table_name"] for dataset in datasets
        }


def test_every_dataset_is_used() -> None:
    assert {chart["dataset_uuid"] for chart in CHARTS.values()} == set(DATASETS)
