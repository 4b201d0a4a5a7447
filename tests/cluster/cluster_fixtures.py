"""Builds on Apache Spark, which need Java and the extra `cluster`; without these the tests say so."""

import importlib.util
import shutil
import subprocess
import sys

import pytest
from report_fixtures import Build, Place

SECONDS = 900
NEEDS_SPARK = [
    pytest.mark.skipif(shutil.which("java") is None, reason="no Java: install Debian's default-jre-headless"),
    pytest.mark.skipif(
        importlib.util.find_spec("pyspark") is None, reason="no pyspark: install it with `make cluster`"
    ),
]


def run(place: Place, program: str, **environment: str) -> subprocess.Popen[str]:
    """Start `mm build PROGRAM --on cluster` in a place, and of the place's own project."""
    return subprocess.Popen(
        [sys.executable, "-c", "from mm.cli import app; app()", "build", program, "--on", "cluster"],
        cwd=place.root,
        env=place.environment
        | {
            "PYTHONPATH": str(place.root / "scripts"),
            "MM_SPARK_MASTER": "local[2]",
            "SPARK_LOCAL_IP": "127.0.0.1",
        }
        | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def build(place: Place, program: str, **environment: str) -> Build:
    """Build on this machine's own Spark, to the end."""
    process = run(place, program, **environment)
    output, _ = process.communicate(timeout=SECONDS)
    return Build(place, program, process.returncode, output)
