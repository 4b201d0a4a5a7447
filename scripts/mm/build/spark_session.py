"""The Spark that MM_SPARK_MASTER names: started or joined, and what its errors mean to a reader."""

import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import grpc
import yaml
from jinja2 import Template
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from mm.config import ReaderError

_OLDEST_JAVA = 17
_CONNECT_PORT = 15002
# For builds too short to repay Java's optimizing compiler; the other one alone has too small a code cache.
_QUICK_JAVA = " -XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m"
# Of downloads, in bytes: with 84 MB that saves a third of the core-seconds, with 800 MB nothing.
_QUICK_BELOW = 300_000_000
_JAVA_OPTIONS = {"JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "SPARK_SUBMIT_OPTS"}
# Java's own words around the ones that tell what happened.
_AROUND = re.compile(
    r"An error occurred while calling |\[CONNECT_URL|Traceback |\s+at |\s*File |JVM stack"
    r"|<_\w+ of RPC that|\s*status = "
)
_SECRET = re.compile(r"(token=)[^;/&\s]*", re.IGNORECASE)


def target() -> str:
    """Return the target of profiles.yml that builds there: `connect` for Spark Connect, else `cluster`."""
    return "connect" if os.environ.get("MM_SPARK_MASTER", "").startswith("sc://") else "cluster"


def starts_quickly(environment: Mapping[str, str], sizes: Iterable[int] | None) -> bool:
    """Tell whether a build is too short for Java's optimizing compiler to pay off.

    It can be where Spark is one process on this machine, and nobody set Java's options. sizes: of the
    downloads, in bytes, which are asked for only then; None where these are at a URL.
    """
    is_here = re.fullmatch(r"local(\[.*\])?", environment.get("MM_SPARK_MASTER", "local[*]"))
    has_options = not _JAVA_OPTIONS.isdisjoint(environment)
    return bool(is_here) and not has_options and sizes is not None and sum(sizes) < _QUICK_BELOW


@contextmanager
def session(program: str, *, is_quick: bool = False) -> Iterator[SparkSession]:
    """Start or join the Spark of the profile's target, with the settings that dbt gives it, too.

    is_quick: as starts_quickly tells.
    """
    if target() == "connect":
        # dbt's adapter sets everything anew for each statement, Hive too, and each time a server has its say.
        warnings.filterwarnings("ignore", module=r"pyspark\.sql\.connect")
        if os.environ.get("MM_SPARK_WAREHOUSE"):
            message = "MM_SPARK_WAREHOUSE is set, but a Connect server has a warehouse of its own: unset it."
            raise ReaderError(message)
        _check_server(os.environ["MM_SPARK_MASTER"])
        builder = SparkSession.builder
    else:
        _check_java()
        builder = SparkSession.builder.appName(f"micromastersreports {program}").enableHiveSupport()
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    profile = yaml.safe_load(Path("profiles.yml").read_text(encoding="utf-8"))
    settings = profile["micromastersreports"]["outputs"][target()]["server_side_parameters"]
    for name, value in settings.items():
        said = Template(str(value)).render(env_var=os.environ.get, var={"program": program}.get)
        if is_quick and name == "spark.driver.extraJavaOptions":
            said += _QUICK_JAVA
        builder = builder.config(name, said)
    try:
        spark = builder.getOrCreate()
        # A session at a server begins with its first question.
        spark.sql("select 1").collect()
    except Exception as error:
        message = f"Spark could not be started or reached ({first_words(error)}): see MM_SPARK_MASTER."
        raise ReaderError(message) from error
    try:
        yield spark
    finally:
        spark.stop()


@contextmanager
def told_by_spark(what: str) -> Iterator[None]:
    """Raise ReaderError where Spark fails; what: what was not done, such as `hdfs:/a could not be read`."""
    try:
        yield
    except (PySparkException, Py4JError, grpc.RpcError) as error:
        message = f"{what}: Spark says {first_words(error)}"
        raise ReaderError(message) from error


def first_words(error: Exception) -> str:
    """Return the first line of what Spark says that tells what it is about, without a token."""
    lines = [line.strip(" :\t") for line in str(error).splitlines() if not _AROUND.match(line)]
    said = next(filter(None, lines), type(error).__name__)
    return _SECRET.sub(r"\1...", said)


def _check_server(url: str) -> None:
    """Raise ReaderError where nobody answers as expected: Spark's client would try for ten minutes."""
    server = urlsplit(url)
    has_token = "token=" in server.path or "SPARK_CONNECT_AUTHENTICATE_TOKEN" in os.environ
    is_tls = "use_ssl=true" in server.path.lower() or (has_token and server.hostname != "localhost")
    # Spark's client looks whose certificate it is; here it is enough that there is one.
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection((server.hostname, server.port or _CONNECT_PORT), timeout=10) as plain:
            if is_tls:
                context.wrap_socket(plain, server_hostname=server.hostname).close()
    except ssl.SSLError:
        said = "it does not speak TLS, which use_ssl=true needs, and a token for any host but localhost"
    except (OSError, ValueError) as error:
        said = str(error)
    else:
        return
    message = f"Spark could not be started or reached ({server.hostname}: {said}): see MM_SPARK_MASTER."
    raise ReaderError(message)


def _check_java() -> None:
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=f"{home}/bin" if home else None)
    if java:
        said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr  # noqa: S603
        version = re.search(r'version "(\d+)', said)
        if version and int(version[1]) >= _OLDEST_JAVA:
            return
    found = f"{java} is an older one" if java else "there is none here"
    message = (
        f"Spark needs Java {_OLDEST_JAVA} or newer, and {found}: install it, "
        "such as Debian's default-jre-headless, or set JAVA_HOME."
    )
    raise ReaderError(message)
