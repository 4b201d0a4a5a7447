"""The project describes itself: every model, column, seed, macro, test and source, and just those."""

import re
import shutil

from project_fixtures import Project
from report_fixtures import PROJECT, NewPlace

# The wide table has two columns for each course in the seeds.
OF_A_COURSE = re.compile(r"bees[1-5]x_(enrollment_track|passed)")


def without_description(things: list[dict]) -> list[str]:
    return [thing.get("unique_id", thing["name"]) for thing in things if not thing["description"].strip()]


def test_all_tables_are_described(project: Project) -> None:
    assert without_description(project.relations()) == []
    assert [s["name"] for s in project.manifest["sources"].values() if not s["source_description"]] == []


def test_all_columns_are_described(project: Project) -> None:
    assert [
        (relation["name"], column)
        for relation in project.relations()
        for column in without_description(list(relation["columns"].values()))
    ] == []


def test_described_columns_are_those_of_the_database(project: Project) -> None:
    for relation in project.relations():
        name = relation.get("alias") or relation["identifier"]
        found = project.columns[relation["schema"], name]
        if name == "demo_coursecompletion":
            found = [column for column in found if not OF_A_COURSE.fullmatch(column)]
        assert sorted(relation["columns"]) == sorted(found), relation["unique_id"]


def test_all_tests_are_described(project: Project) -> None:
    singular = [test for test in project.nodes("test") if "test_metadata" not in test]
    assert len(singular) >= 3
    assert without_description(singular) == []
    unit_tests = list(project.manifest["unit_tests"].values())
    assert len(unit_tests) >= 24
    assert [test["name"] for test in unit_tests if not (test["description"] or "").strip()] == []


def test_all_macros_and_their_arguments_are_described(project: Project) -> None:
    assert without_description(project.macros()) == []
    for macro in project.macros():
        if macro["name"].startswith("materialization_"):
            continue  # it takes none: dbt calls it
        name = macro["name"].removeprefix("test_")
        signature = re.search(rf"{{%-? (?:macro|test) {name}\((.*?)\)", macro["macro_sql"])
        assert signature, macro["name"]
        arguments = [a.split("=")[0].strip() for a in signature[1].split(",") if a.strip()]
        assert [a["name"] for a in macro["arguments"]] == arguments, macro["name"]
        assert without_description(macro["arguments"]) == [], macro["name"]


def test_models_begin_with_their_grain(project: Project) -> None:
    for model in project.nodes("model"):
        first_line = (PROJECT / model["original_file_path"]).read_text(encoding="utf-8").splitlines()[0]
        assert first_line.startswith("-- One row"), model["original_file_path"]


def test_dbt_has_nothing_to_deprecate(project: Project) -> None:
    assert "Completed successfully" in project.demo.output
    for output in (project.output, project.demo.output):
        assert "deprecat" not in output.lower(), output


def test_all_that_proves_the_sql_passes(project: Project, new_place: NewPlace) -> None:
    place = new_place()
    shutil.copytree(project.demo.place.database, place.database)
    build = place.run_dbt(
        "demo", "test", "--select", "test_type:unit", "tag:proof", "--vars", "program: demo"
    ).passed()
    # dbt counts the hook that publishes, too
    count = len(project.manifest["unit_tests"]) + len(project.proofs()) + 1
    assert f"Done. PASS={count} WARN=0 ERROR=0 SKIP=0 NO-OP=0 TOTAL={count}" in build.output


def test_seeds_are_text(project: Project) -> None:
    # what a cell must be is checked in SQL, with a message that names its row
    for seed in project.nodes("seed"):
        assert set(seed["columns"]) == set(seed["config"]["column_types"]), seed["name"]
        assert set(seed["config"]["column_types"].values()) == {"string"}, seed["name"]


def test_an_exposure_names_what_it_depends_on(project: Project) -> None:
    for exposure in project.manifest["exposures"].values():
        models = [project.manifest["nodes"][node] for node in exposure["depends_on"]["nodes"]]
        # the wide table's name begins with the program's
        names = [model["alias"].removeprefix("demo_") for model in models]
        assert sorted(exposure["config"]["meta"]["relations"]) == sorted(names), exposure["name"]
        assert without_description([exposure]) == []


def test_the_bi_file_is_all_that_is_published(project: Project) -> None:
    published = {
        model["alias"].removeprefix("demo_") for model in project.nodes("model") if model["schema"] == "main"
    }
    exposures = project.manifest["exposures"].values()
    assert {name for exposure in exposures for name in exposure["config"]["meta"]["relations"]} == published


def test_each_published_column_is_masked_or_was_looked_at(project: Project) -> None:
    for model in project.nodes("model"):
        if model["schema"] != "main":
            continue
        marked = {name for name, column in model["columns"].items() if "contains" in column["config"]["meta"]}
        looked_at = model["config"]["meta"]["not_personal"]
        found = [
            column for column in project.columns["main", model["alias"]] if not OF_A_COURSE.fullmatch(column)
        ]
        assert sorted([*marked, *looked_at]) == sorted(found), model["name"]


def test_what_is_masked_is_said_in_words_that_masking_knows(project: Project) -> None:
    said = {
        tuple(sorted(meta.items()))
        for model in project.nodes("model")
        for meta in [
            {
                name: value
                for name, value in model["config"]["meta"].items()
                if name not in {"not_personal", "known"}
            },
            *(column["config"]["meta"] for column in model["columns"].values()),
        ]
    }
    personal = ("contains", "personal data")
    kinds = (
        "tracks",
        "countries",
        "verification statuses",
        "certificate types",
        "enrollment statuses",
        "changes",
    )
    assert said == {
        (),
        (personal,),
        (personal, ("masked_as", "keyed hash")),
        *((("known", kind),) for kind in kinds),
    }
