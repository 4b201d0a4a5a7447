"""Whether `make bench` still measures what mm does: its cases without a build, a thousandth of their size."""

import json
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parent.parent
BENCH = (sys.executable, "tools/bench.py", "--scale", "0.001")


def test_cases_of_mails_run_to_their_end(tmp_path: Path) -> None:
    figures = tmp_path / "bench.json"
    run = subprocess.run(
        [*BENCH, "--case", "render", "--case", "send", "--json", figures, "--folder", tmp_path],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    cases = json.loads(figures.read_text(encoding="utf-8"))["cases"]
    assert [(case["case"], case["rows"]) for case in cases] == [("render", 100), ("send", 10)], run.stderr
    assert all(case["ours_seconds"] > 0 and case["ratio"] > 0 for case in cases)
