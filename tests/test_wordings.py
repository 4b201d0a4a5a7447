"""What columns say in words: their descriptions list each wording of the code, in the order of precedence."""

import ast
import re
from collections.abc import Iterator

import pytest
from docs_fixtures import rows
from project_fixtures import Project
from report_fixtures import PROJECT

EDX = PROJECT / "scripts" / "mm" / "edx"
EDX_FILES = ast.parse("\n".join(path.read_text("utf-8") for path in sorted(EDX.glob("*.py"))))


def between(path: str, start: str, end: str) -> str:
    """Return the part of a model from `start` to `end`, which must be there once."""
    sql = (PROJECT / "models" / path).read_text("utf-8")
    [found] = re.findall(f"{re.escape(start)}(?:(?!{re.escape(start)}).)*?{re.escape(end)}", sql, re.DOTALL)
    return found


def parts(texts: list[str]) -> list[str]:
    """Split texts where they say what differs, and leave out what is no word."""
    cut = [part.strip(" ,;:") for text in texts for part in text.split("...")]
    return [part for part in cut if part]


def sql_parts(*expressions: str) -> list[str]:
    """Return the texts of expressions in their order, less those of conditions."""
    sql = " ".join(expressions)
    sql = re.sub(r"\bwhen\b.*?\bthen\b", " ", sql, flags=re.DOTALL)
    sql = re.sub(r"--[^\n]*|'\s*\|\|\s*'", "", sql)
    return parts([text.replace("''", "'") for text in re.findall(r"'((?:[^']|'')*)'", sql)])


def python_texts(node: ast.AST) -> Iterator[str]:
    """Go through the texts below a node, with ... for what differs."""
    if isinstance(node, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "..." for part in node.values)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    else:
        for child in ast.iter_child_nodes(node):
            yield from python_texts(child)


def returned_by(function: str) -> list[str]:
    [found] = (n for n in ast.walk(EDX_FILES) if isinstance(n, ast.FunctionDef) and n.name == function)
    returned = [node for node in ast.walk(found) if isinstance(node, ast.Return)]
    return [text for node in returned for text in python_texts(node)]


def why_files_are_ignored() -> list[str]:
    """Return what Python says, in no order, as a file is of one kind."""
    texts = returned_by("_look_alike")
    for node in ast.walk(EDX_FILES):
        if isinstance(node, ast.Assign | ast.AugAssign):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if ast.unparse(target) == "report.ignored" and not isinstance(
                node.value, ast.Subscript | ast.Call
            ):
                texts += python_texts(node.value)
            if ast.unparse(target) == "OTHER_ENDINGS":
                texts += [text for text in python_texts(node.value) if not text.startswith(".")]
    return texts


def description(project: Project, model: str, column: str) -> str:
    return project.manifest["nodes"][f"model.micromastersreports.{model}"]["columns"][column]["description"]


def described(project: Project, model: str, column: str) -> list[str]:
    return parts(re.findall(r"`([^`]+)`", description(project, model, column)))


CHANGES, INTERMEDIATE = "marts/history/changes.sql", "intermediate"
EXCLUSIONS = f"{INTERMEDIATE}/mailout/int_mailout_exclusions.sql"
CHOICES = f"{INTERMEDIATE}/mailout/int_mailout_choices.sql"
JUDGED = f"{INTERMEDIATE}/int_report_files_judged.sql"

EXCLUDED = sql_parts(
    between(EXCLUSIONS, "case", "end as excluded_reason"),
    between(CHOICES, "own_reason,", "as learners_reason"),
    between(CHOICES, "learners_reason,", "as excluded_reason"),
)
REJECTED = [
    *parts(returned_by("damage")),
    *sql_parts(
        between(f"{INTERMEDIATE}/int_report_rows.sql", "case", "when all_rows.fault"),
        between("staging/stg_edx__grade_report_rows.sql", "case", "end as fault"),
        between("staging/stg_edx__profile_report_rows.sql", "if(typed", "as fault"),
        between(f"{INTERMEDIATE}/int_report_rows.sql", "then all_rows.fault", "end as rejected_reason"),
    ),
]
STAGE_REASON = sql_parts(between("marts/summary/learner_progress.sql", "'passed '", "as stage_reason"))
KINDS = between(CHANGES, "[\n    ('newly passed'", "\n]").replace("has_left('enrollment_status') ~ ", "")
BEFORE, AFTER = (sql_parts(*texts) for texts in list(zip(*ast.literal_eval(KINDS), strict=True))[2:])
WHY_NOT_USED = sql_parts(
    between(JUDGED, "when ignored_reason", "end as why_ignored"),
    between(JUDGED, "why_refused,\n            'a newer", "as reason"),
)


@pytest.mark.parametrize(
    ("model", "column", "wordings"),
    [
        ("learner_progress", "stage_reason", STAGE_REASON),
        ("changes", "before", BEFORE),
        ("changes", "after", AFTER),
        ("mailout_candidates", "excluded_reason", EXCLUDED),
        ("rejected_rows", "reason", REJECTED),
    ],
)
def test_a_description_lists_the_wordings_in_their_order(
    project: Project, model: str, column: str, wordings: list[str]
) -> None:
    assert described(project, model, column) == wordings


def test_why_a_file_is_not_used_is_listed(project: Project) -> None:
    found = described(project, "report_files", "reason")
    by_run = found[-len(WHY_NOT_USED) :]
    assert by_run == WHY_NOT_USED
    # those by name and kind go before: in one order, as no two apply
    assert sorted(found[: -len(by_run)]) == sorted(set(parts(why_files_are_ignored())))


@pytest.mark.parametrize(
    ("page", "first_column", "model", "column"),
    [
        ("mails.md", "`excluded_reason`", "mailout_candidates", "excluded_reason"),
        ("mails.md", "status in `mm log`", "send_log", "status"),
        ("report.md", "stage", "learner_progress", "stage"),
        ("downloads.md", "`status`", "report_files", "status"),
    ],
)
def test_a_page_lists_what_a_column_can_say_in_that_order(
    project: Project, page: str, first_column: str, model: str, column: str
) -> None:
    listed = [cells[0].strip("`") for cells in rows(PROJECT / "docs" / "course-team" / page, first_column)]
    assert listed == described(project, model, column)


def test_two_columns_of_one_name_say_what_each_counts(project: Project) -> None:
    column = "no_certificate_eligible"
    assert "`mailout_candidates`" in description(project, "learner_progress", column)
    assert "`learner_progress`" in description(project, "mailout_candidates", column)


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        ("verification_status", "verification statuses"),
        ("certificate_type", "certificate types"),
        ("enrollment_status", "enrollment statuses"),
    ],
)
def test_a_build_and_a_masked_file_know_the_same_values(column: str, kind: str) -> None:
    warned_of = between(f"{INTERMEDIATE}/int_build_warnings.sql", f"{column} not in (", ")")
    mask = ast.parse((PROJECT / "scripts" / "mm" / "build" / "masked_columns.py").read_text("utf-8"))
    [known] = [
        node.value
        for node in ast.walk(mask)
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_VALUES"
    ]
    assert isinstance(known, ast.Dict)
    values = {
        ast.literal_eval(key): list(python_texts(cell))
        for key, cell in zip(known.keys, known.values, strict=True)
        if key
    }
    assert re.findall("'([^']*)'", warned_of) == values[kind]
