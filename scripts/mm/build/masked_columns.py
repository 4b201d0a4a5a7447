"""Which columns of a masked file are masked, and which values of others are known.

It stands in the models' YAML. A column with `contains: personal data` is NULL in the masked file, or a keyed
hash where it also has `masked_as: keyed hash`; a table with it is left out. A column with `known` has the
values of that kind alone, and `unknown` for any other text: so no cell gets in that went astray.
"""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatch
from typing import Any

from mm.config import SEEDS
from mm.seeds import rows_of

KEYED_HASH, NOTHING = "keyed hash", "nothing"
# Published table: masked column: KEYED_HASH or NOTHING. A table that is not in it is left out.
Masks = dict[str, dict[str, str]]
# Published table: column, or a pattern of columns: the kind of what is known.
Known = dict[str, dict[str, str]]
_PERSONAL = "personal data"
# What edX writes, by kind; countries are codes of two letters, and tracks those of the seed.
_VALUES = {
    "verification statuses": ("N/A", "ID Verified", "Not ID Verified"),
    "certificate types": (
        *("N/A", "honor", "verified", "audit", "professional", "no-id-professional", "masters", "credit"),
        *("executive-education", "paid-executive-education", "paid-bootcamp", "unpaid-bootcamp"),
        "unpaid-executive-education",
    ),
    "enrollment statuses": ("enrolled", "unenrolled"),
}


def masks_of(models: Iterable[Mapping[str, Any]]) -> Masks:
    """Return what is masked of the marts among the models, which are nodes of dbt's manifest."""
    return {
        model["alias"]: {
            name: column["meta"].get("masked_as", NOTHING)
            for name, column in model["columns"].items()
            if _is_personal(column)
        }
        for model in models
        if model["access"] == "public" and not _is_personal(model)
    }


def known_of(models: Iterable[Mapping[str, Any]]) -> Known:
    """Return which columns of the marts among the models have known values alone in a masked file."""
    return {
        model["alias"]: model["config"]["meta"].get("known", {})
        | {
            name: column["meta"]["known"]
            for name, column in model["columns"].items()
            if "known" in column["meta"]
        }
        for model in models
        if model["access"] == "public"
    }


def _is_personal(described: Mapping[str, Any]) -> bool:
    return described["config"]["meta"].get("contains") == _PERSONAL


def is_known(column: str, known: Mapping[str, str]) -> str:
    """Return the condition in SQL under which a column's text is a known one; true: any is."""
    kind = next((kind for pattern, kind in known.items() if fnmatch(column, pattern)), None)
    if kind is None:
        return "true"
    value = f'opened."{column}"'
    if kind == "countries":
        return f"regexp_full_match({value}, '[A-Za-z]{{2}}')"
    tracks = tuple(row["track"] for row in rows_of("enrollment_tracks", SEEDS))
    if kind == "tracks":
        # The wide table has a dash where a learner was never enrolled.
        values = (*tracks, "-")
    elif kind == "changes":
        said = (*_VALUES["enrollment statuses"], "in the report", "not in the report")
        values = (*said, *(f"track {track}" for track in tracks))
        return (
            f"{value} in ({texts(values)}) "
            f"or regexp_full_match({value}, 'grade [0-9.e+-]+|certificate_eligible [YN]')"
        )
    else:
        values = _VALUES[kind]
    return f"{value} in ({texts(values)})"


def texts(values: Iterable[str]) -> str:
    """Return texts as SQL has them, with commas between."""
    quoted_texts = (value.replace("'", "''") for value in values)
    return ", ".join(f"'{text}'" for text in quoted_texts)
