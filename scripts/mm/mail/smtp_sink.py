"""A mail server that delivers nothing, says so, and keeps every mail as a file."""

from collections.abc import Callable
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from mm.mail.sender import SINK_EXTENSION, SINK_GREETING


def start(port: int, out: Path, say: Callable[[str], None]) -> Controller:
    """Run it on this machine, and return what ends it with `stop()`; say is told of each mail, in a sentence.

    out: an existing folder; its mails are numbered on.
    """
    controller = Controller(_Sink(out, say), hostname="127.0.0.1", port=port, ident=SINK_GREETING)
    controller.start()
    return controller


class _Sink:
    def __init__(self, out: Path, say: Callable[[str], None]) -> None:
        self._out = out
        self._say = say
        self._number = max((int(p.stem) for p in out.glob("*.eml") if p.stem.isdigit()), default=0)

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, replies: list[str]
    ) -> list[str]:
        del server, envelope
        session.host_name = hostname
        return [*replies[:-1], f"250-{SINK_EXTENSION}", replies[-1]]

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        del server, session
        self._number += 1
        path = self._out / f"{self._number:04}.eml"
        path.write_bytes(envelope.original_content or b"")
        self._say(f"A mail came in: {path}")
        return "250 OK"
