"""`mm ui` as a process on a copy of the project, and its pages over real HTTP."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from typing import Self
from urllib.parse import urlencode

from mail_fixtures import SECRET, free_port
from report_fixtures import PROJECT, Place

RUN = [sys.executable, "-c", "from mm.cli import app; app()"]
BOUNDARY = "a-boundary-that-no-file-has"


def wait_for(what: Callable[[], object], seconds: float = 40) -> None:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.05)


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def says(self) -> str:
        """The page's sentences, without marks."""
        return " ".join(re.sub("<[^>]*>", " ", self.text).replace("&#39;", "'").split())


@dataclass
class Ui:
    """A process of `mm ui`; a context manager."""

    place: Place
    program: str | None = None
    settings: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        """Copy what of the project a place does not have."""
        for name in ("templates", "docs"):
            shutil.copytree(PROJECT / name, self.place.root / name, dirs_exist_ok=True)
        self.log = self.place.root / f"ui-{self.port}.log"

    @property
    def environment(self) -> dict[str, str]:
        """What the process has to know."""
        own = {"PYTHONPATH": str(self.place.root / "scripts"), "MM_UNSUBSCRIBE_SECRET": SECRET}
        return self.place.environment | own | self.settings

    def __enter__(self) -> Self:
        """Start it, and wait until it has printed its address."""
        program = [] if self.program is None else [self.program]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [*RUN, "ui", *program, "--no-browser", "--port", str(self.port)],
                cwd=self.place.root,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                # As a shell does with what it starts in the background.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),  # noqa: PLW1509
            )
        wait_for(lambda: "Ctrl-C" in self.log.read_text() or self.process.poll() is not None)
        found = re.search(r"Open (http\S+) in a browser", self.log.read_text())
        assert found, self.log.read_text()
        self.address = found[1]
        self.cookie = self.get(self.address).headers["Set-Cookie"]
        return self

    def kill(self) -> None:
        """Kill it, and what is of its session."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)

    def __exit__(self, *_: object) -> None:
        """End it as Ctrl-C does; no test may find an address in its log."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(20)
        said = self.log.read_text()
        assert "@" not in said, "an address is in the log"
        assert "Traceback" not in said, said

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """Ask without a cookie, if the headers have none."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path.removeprefix(f"http://127.0.0.1:{self.port}"), body, headers or {})
        response: HTTPResponse = connection.getresponse()
        answer = Answer(response.status, dict(response.getheaders()), response.read())
        connection.close()
        return answer

    def get(self, path: str, **headers: str) -> Answer:
        cookie = {"Cookie": self.cookie.partition(";")[0]} if hasattr(self, "cookie") else {}
        return self.ask("GET", path, headers=cookie | headers)

    def token(self, page: str, action: str) -> str:
        """Return what a form of a page has with it."""
        found = re.search(
            rf'action="{action}"[^>]*>\s*<input type="hidden" name="token" value="([^"]+)"',
            self.get(page).text,
        )
        assert found, f"{page} has no form for {action}"
        return found[1]

    def post(self, page: str, action: str, **fields: str) -> Answer:
        """Post a form of a page."""
        return self.post_form(self.token(page, action), action, **fields)

    def post_form(self, token: str, action: str, **fields: str) -> Answer:
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Cookie": self.cookie.partition(";")[0],
        }
        return self.ask("POST", action, urlencode({"token": token} | fields).encode(), headers)

    def drop(self, program: str, *files: tuple[str, bytes]) -> Answer:
        """Upload files, as the form does without its script."""
        page = f"/{program}/downloads"
        body = upload(self.token(page, page), *files)
        return self.ask("POST", page, body, self.upload_headers())

    def upload_headers(self) -> dict[str, str]:
        content_type = f"multipart/form-data; boundary={BOUNDARY}"
        return {"Content-Type": content_type, "Cookie": self.cookie.partition(";")[0]}


def upload(token: str, *files: tuple[str, bytes]) -> bytes:
    """Write a form with files as browsers do."""
    begin = f"--{BOUNDARY}\r\nContent-Disposition: form-data; name="
    parts = [f'{begin}"token"\r\n\r\n{token}\r\n'.encode()]
    for name, content in files:
        # As HTML says it of a file's name.
        safe = name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
        parts.append(f'{begin}"files"; filename="{safe}"\r\n\r\n'.encode() + content + b"\r\n")
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def outcomes(answer: Answer) -> list[str]:
    """Return what a page says of each file that was dropped."""
    part = answer.text.partition('<section id="put"')[2].partition("</section>")[0]
    items = re.findall("<li>(.*?)</li>", part, re.DOTALL)
    return [" ".join(re.sub("<[^>]*>", "", item).replace("&#39;", "'").split()) for item in items]
