"""What is published, as the models' YAML describes it, for those who read published files without a build."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from mm.settings import PROJECT, ReaderError


def dbt_command() -> Path:
    """Return the dbt that was installed with this mm; ReaderError where there is none."""
    dbt = Path(sys.executable).with_name("dbt")
    if not dbt.is_file():
        message = f"There is no {dbt}: install the project with `make build` and use its own mm."
        raise ReaderError(message)
    return dbt


def read_marts() -> list[dict[str, Any]]:
    """Return the marts, as nodes of dbt's manifest; ReaderError where dbt cannot read the project.

    The wide table's `alias` begins with the program that dbt builds when nobody names one.
    """
    target = PROJECT / "target" / "combine"
    done = subprocess.run(  # noqa: S603 - the project's own
        [dbt_command(), "--quiet", "parse", "--target-path", target, "--log-level-file", "none"],
        cwd=PROJECT,
        stdout=sys.stderr,
        check=False,
    )
    if done.returncode:
        message = "dbt could not read the project: its messages above tell why."
        raise ReaderError(message)
    manifest = json.loads((target / "manifest.json").read_text("utf-8"))
    return [
        node
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and node["access"] == "public"
    ]
