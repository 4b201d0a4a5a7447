"""Serve a program's dashboards by a Superset of its own, on this machine alone, until Ctrl-C.

It runs in the virtual environment of requirements.txt beside it, with Superset's own commands and REST API.
What that Superset keeps is under out/superset/<program>/.
"""

import argparse
import hashlib
import http.client
import io
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import NoReturn, TextIO

import duckdb

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
BUNDLE = HERE / "bundle"
DATABASE = BUNDLE / "databases" / "MicroMasters.yaml"
BIN = Path(sys.executable).parent
HOST = "127.0.0.1"
USER = "admin"
# One process with threads: DuckDB's clients of one process share what they have open.
GUNICORN = ("--no-control-socket", "--worker-class", "gthread", "--threads", "8", "--timeout", "120")
ADMIN = ("--firstname", "Course", "--lastname", "team", "--email", "course-team@example.org")
START_SECONDS, END_SECONDS, ANSWER_SECONDS = 180, 20, 60


class UnservableError(Exception):
    """Why it cannot be served, in a sentence for the reader."""


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description="Serve a program's dashboards until Ctrl-C.")
    parser.add_argument("program", help="a program that has been built, such as demo, or demo.masked")
    parser.add_argument("--port", type=int, default=8088, help="the port to listen at on this machine")
    parser.add_argument("--out", type=Path, help="where Superset keeps what is its own")
    arguments = parser.parse_args()
    # SIGINT too, as whoever starts it in the background may have had it ignored.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    # What Superset keeps tells of learners.
    os.umask(0o077)
    try:
        home = (arguments.out or PROJECT / "out" / "superset" / arguments.program).absolute()
        serve(published_file(arguments.program), home, arguments.port)
    except UnservableError as error:
        sys.exit(f"superset: {error}")
    except KeyboardInterrupt:
        print("\nSuperset has ended.")


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def published_file(program: str) -> Path:
    """Return the published file of a program, or of `<program>.masked`, the one without names.

    UnservableError where there is none, a table is missing, or it is of all programs.
    """
    folder = PROJECT / os.environ.get("MM_DATABASE_DIR", "database")
    path = folder / f"{program}.duckdb"
    opened = program.removesuffix(".masked")
    if opened == "all_programs":
        message = (
            "The dashboards are one program's: in the file of all programs they would count a learner once "
            "for each. Name a program, such as demo; `mm report --all` shows all side by side."
        )
        raise UnservableError(message)
    if opened != program and not path.is_file() and (folder / f"{opened}.duckdb").is_file():
        message = f"There is no {path}: set MM_MASK_SECRET, and run `mm build {opened}`."
        raise UnservableError(message)
    if not re.fullmatch(r"[A-Za-z0-9_-]+(\.masked)?", program) or not path.is_file():
        found = ", ".join(sorted(file.stem for file in folder.glob("*.duckdb"))) or "none"
        message = (
            f"There is no published database {path} (found there: {found}): run `mm build {opened}` first."
        )
        raise UnservableError(message)
    try:
        with duckdb.connect(path, read_only=True) as connection:
            names = connection.execute("select table_name from duckdb_tables()").fetchall()
    except duckdb.Error as error:
        message = f"{path} cannot be read: close the program that has it open for writing."
        raise UnservableError(message) from error
    datasets = {file.stem for file in BUNDLE.glob("datasets/*/*.yaml")}
    missing = sorted(datasets - {name for (name,) in names})
    if missing:
        message = (
            f"{path} has no table {', '.join(missing)}, so another version built it: "
            f"run `mm build {opened}` again."
        )
        raise UnservableError(message)
    return path


def serve(published: Path, home: Path, port: int) -> None:
    """Set Superset up where that was not done yet, start it, import the bundle, and wait for its end."""
    _check_free(port)
    home.mkdir(parents=True, exist_ok=True)
    password = _kept(home / "admin_password", 18)
    _kept(home / "secret_key", 42)
    environment = os.environ | {
        "FLASK_APP": "superset",
        "SUPERSET_HOME": str(home),
        "SUPERSET_CONFIG_PATH": str(HERE / "superset_config.py"),
        "SCARF_ANALYTICS": "false",
    }
    with (home / "superset.log").open("w", encoding="utf-8") as log:
        _set_up(home, password, environment, log)
        print("Superset starts ...", flush=True)
        server = subprocess.Popen(
            [BIN / "gunicorn", "--bind", f"{HOST}:{port}", *GUNICORN, "superset.app:create_app()"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # Its workers are of its group, so that none is left when it has to be killed.
            start_new_session=True,
        )
        try:
            _wait_for(server, port, log.name)
            dashboards = import_bundle(port, password, published)
            print(f"Superset shows {published}. Log in as {USER}, with the password {password}")
            for title, address in dashboards:
                print(f"  {title:<16} http://{HOST}:{port}{address}")
            if not _has_learners(published):
                print("It has summaries alone (--fetch summaries): all dashboards, but no table of learners.")
            print("Ctrl-C ends it.", flush=True)
            server.wait()
            message = f"Superset ended by itself: see {log.name}."
            raise UnservableError(message)
        finally:
            _end(server)


def _has_learners(published: Path) -> bool:
    with duckdb.connect(published, read_only=True) as connection:
        return bool(connection.execute("from duckdb_tables() where table_name = 'learners'").fetchall())


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError) as error:
            message = f"Port {port} cannot be had on this machine ({error}): name another, such as PORT=8089."
            raise UnservableError(message) from error


def _kept(path: Path, length: int) -> str:
    """Return the secret in a file; made up, for this user alone to read, where there is none yet."""
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(length), "ascii")
    return path.read_text("ascii")


def _set_up(home: Path, password: str, environment: dict[str, str], log: TextIO) -> None:
    """Make Superset's own tables, roles and admin, once for each set of pinned packages."""
    done = home / "set_up_for"
    lock = hashlib.sha256((HERE / "requirements.txt").read_bytes()).hexdigest()
    if done.exists() and done.read_text("ascii") == lock:
        return
    print("Superset is set up, which is done once and takes half a minute ...", flush=True)
    steps = [["db", "upgrade"], ["fab", "create-admin", "--username", USER, *ADMIN], ["init"]]
    if done.exists():
        del steps[1]
    for step in steps:
        run = subprocess.run(
            [BIN / "superset", *step],
            env=environment,
            # Asked for, it is in no list of processes as an argument is; without a terminal it is read here.
            input=f"{password}\n{password}\n",
            start_new_session=True,
            stdout=log,
            stderr=log,
            text=True,
            check=False,
        )
        if run.returncode:
            message = f"Superset could not be set up (`superset {' '.join(step[:2])}`): see {log.name}."
            raise UnservableError(message)
    done.write_text(lock, "ascii")


def _wait_for(server: subprocess.Popen[bytes], port: int, log: str) -> None:
    for _ in range(START_SECONDS):
        if server.poll() is not None:
            break
        try:
            if _request(port, "GET", "/health")[0] == http.client.OK:
                return
        except OSError:
            time.sleep(1)
    message = f"Superset did not start: see {log}."
    raise UnservableError(message)


def import_bundle(port: int, password: str, published: Path) -> list[tuple[str, str]]:
    """Import the bundle over what was imported before; return each dashboard's title and address."""
    login = {"username": USER, "password": password, "provider": "db", "refresh": False}
    status, _, answer = _request(port, "POST", "/api/v1/security/login", json.dumps(login).encode())
    if status == http.client.UNAUTHORIZED:
        message = f"{USER} has another password than Superset was set up with: put it into admin_password."
        raise UnservableError(message)
    headers = {"Authorization": f"Bearer {json.loads(answer)['access_token']}"}
    _, cookie, answer = _request(port, "GET", "/api/v1/security/csrf_token/", headers=headers)
    headers |= {"X-CSRFToken": json.loads(answer)["result"], "Cookie": cookie}
    boundary = secrets.token_hex(16)
    form = (
        (
            f'--{boundary}\r\nContent-Disposition: form-data; name="bundle"; filename="bundle.zip"\r\n\r\n'
        ).encode()
        + bundle(published)
        + f"\r\n--{boundary}--\r\n".encode()
    )
    kind = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    status, _, answer = _request(port, "POST", "/api/v1/assets/import/", form, headers | kind)
    if status != http.client.OK:
        message = f"Superset did not take the dashboards: {answer.decode()}"
        raise UnservableError(message)
    _, _, answer = _request(port, "GET", "/api/v1/dashboard/", headers=headers)
    found = [(dashboard["dashboard_title"], dashboard["url"]) for dashboard in json.loads(answer)["result"]]
    return sorted(found)


def bundle(published: Path) -> bytes:
    """Return the bundle as a zip archive, its database the published file."""
    archive = io.BytesIO()
    uri = json.dumps(f"duckdb:///{published}?access_mode=read_only")
    with zipfile.ZipFile(archive, "w") as files:
        for path in sorted(BUNDLE.rglob("*.yaml")):
            text = path.read_text("utf-8")
            if path == DATABASE:
                text = re.sub(r"(?m)^sqlalchemy_uri: .*$", lambda _: f"sqlalchemy_uri: {uri}", text)
            files.writestr(str(path.relative_to(BUNDLE.parent)), text)
    return archive.getvalue()


def _request(
    port: int, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[int, str, bytes]:
    """Ask the Superset here; return the status, its cookie and its answer."""
    connection = http.client.HTTPConnection(HOST, port, timeout=ANSWER_SECONDS)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json", **(headers or {})})
        answer = connection.getresponse()
        return answer.status, answer.getheader("Set-Cookie", "").split(";")[0], answer.read()
    finally:
        connection.close()


def _end(server: subprocess.Popen[bytes]) -> None:
    # To gunicorn: at once, without waiting for open connections.
    server.send_signal(signal.SIGINT)
    try:
        server.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


if __name__ == "__main__":
    main()
