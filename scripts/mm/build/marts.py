"""What is published, as the models' YAML describes it, for those who read published files without a build."""

from typing import Any

from mm.build.run_dbt import run_dbt


def read_marts() -> list[dict[str, Any]]:
    """Return the marts, as nodes of dbt's manifest; ReaderError where dbt cannot read the project.

    The wide table's `alias` begins with the program that dbt builds when nobody names one.
    """
    parsed = run_dbt("parse", "--target-path", "target/combine", "--log-level-file", "none", variables={})
    return [
        node.to_dict()
        for node in parsed.result.nodes.values()
        if node.resource_type == "model" and node.access == "public"
    ]
