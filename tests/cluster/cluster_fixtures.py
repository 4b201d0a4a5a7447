"""Builds on Apache Spark, which need Java and the extra `cluster`; without these the tests say so."""

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from report_fixtures import ENVIRONMENT, Build, Place

SECONDS = 900
TOKEN = "secret-of-the-tests"  # noqa: S105 - of the tests
Service = subprocess.Popen[str]
NEEDS_SPARK = [
    pytest.mark.skipif(shutil.which("java") is None, reason="no Java: install Debian's default-jre-headless"),
    pytest.mark.skipif(
        importlib.util.find_spec("pyspark") is None, reason="no pyspark: install it with `make cluster`"
    ),
]


def run(place: Place, program: str, *options: str, **environment: str) -> subprocess.Popen[str]:
    """Start `mm build PROGRAM --on cluster` in a place, and of the place's own project."""
    return subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from mm.cli import app; app()",
            "build",
            program,
            "--on",
            "cluster",
            *options,
        ],
        cwd=place.root,
        env=place.environment
        | {
            "PYTHONPATH": str(place.root / "scripts"),
            "MM_SPARK_MASTER": "local[2]",
            "SPARK_LOCAL_IP": "127.0.0.1",
            "MM_PROGRESS_SECONDS": "0.001",
        }
        | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def build(place: Place, program: str, *options: str, **environment: str) -> Build:
    """Build on this machine's own Spark, to the end."""
    process = run(place, program, *options, **environment)
    output, _ = process.communicate(timeout=SECONDS)
    return Build(place, program, process.returncode, output)


@contextmanager
def service(place: Place, command: str, *arguments: str, **environment: str) -> Iterator[Service]:
    """Run a command of Spark, which goes on until it is killed, as a process of its own."""
    spark = Path(importlib.util.find_spec("pyspark").submodule_search_locations[0])  # type: ignore[union-attr]
    log = place.root / f"service-{time.monotonic_ns()}.log"
    with log.open("w") as file:
        process = subprocess.Popen(
            [spark / "bin" / command, *arguments],
            cwd=place.root,
            env=ENVIRONMENT | {"SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable} | environment,
            stdout=file,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            kill(process)


def kill(process: subprocess.Popen[str]) -> None:
    """Kill a process with all that it started, and wait for it."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def mount(place: Place) -> None:
    """Put a place's downloads and tables where Spark finds them and no Python can open them.

    `viewfs:` is a file system of Spark's own; what is behind its two mounts lies on this disk.
    """
    folder = place.root / "mounted"
    (folder / "warehouse").mkdir(parents=True)
    shutil.copytree(place.data, folder / "downloads", symlinks=True)
    # The lists of people stay on this machine, in the folder that is read where there is none of downloads.
    (place.root / "data").mkdir()
    for path in (folder / "downloads").glob("*.csv"):
        path.rename(place.root / "data" / path.name)
    links = {"data": folder / "downloads", "wh": folder / "warehouse"}
    lines = [
        f"spark.hadoop.fs.viewfs.mounttable.far.link./{name} {path.as_uri()}" for name, path in links.items()
    ]
    (place.root / "conf").mkdir()
    (place.root / "conf" / "spark-defaults.conf").write_text("\n".join(lines), encoding="utf-8")


def far(place: Place) -> dict[str, str]:
    """Return the environment in which a place's downloads and tables are what is mounted."""
    return {
        "SPARK_CONF_DIR": str(place.root / "conf"),
        "MM_DATA_DIR": "viewfs://far/data",
        "MM_SPARK_WAREHOUSE": "viewfs://far/wh",
    }


@contextmanager
def connect_server(place: Place) -> Iterator[dict[str, str]]:
    """Run a Spark Connect server whose tables lie where `mount` put them, and give how to build there."""
    port = free_port()
    (place.root / "mounted" / "warehouse" / "connect").mkdir()
    settings = {
        "spark.ui.enabled": "false",
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": str(port),
        "spark.sql.catalogImplementation": "hive",
        "spark.sql.warehouse.dir": "viewfs://far/wh/connect",
        "spark.hadoop.javax.jdo.option.ConnectionURL": "jdbc:derby:;databaseName=metastore;create=true",
    }
    with service(
        place,
        "spark-submit",
        *("--class", "org.apache.spark.sql.connect.service.SparkConnectServer", "--master", "local[2]"),
        *(word for name, value in settings.items() for word in ("--conf", f"{name}={value}")),
        "spark-internal",
        SPARK_CONF_DIR=far(place)["SPARK_CONF_DIR"],
        SPARK_CONNECT_AUTHENTICATE_TOKEN=TOKEN,
    ):
        end = time.monotonic() + 120
        while time.monotonic() < end:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.5)
        # No Java of this side has a part in it.
        # Without TLS, Spark's client sends its token only to `localhost`.
        yield {"MM_SPARK_MASTER": f"sc://localhost:{port}/;token={TOKEN}", "JAVA_HOME": "/nowhere"}
