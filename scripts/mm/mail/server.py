"""The mail server that MM_SMTP_URL names."""

from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from mm.config import ReaderError, smtp_url

_PORTS = {"smtp": 587, "smtps": 465}
LOCAL = {"localhost", "127.0.0.1", "::1"}
_SHAPE = (
    "expected smtp://user:password@host:587 or smtps://user:password@host:465, "
    "with special characters in user and password percent-encoded"
)


@dataclass(frozen=True, slots=True)
class Server:
    """An SMTP server. smtps: TLS from the first byte, else STARTTLS; user None: no login."""

    host: str
    port: int
    smtps: bool
    user: str | None
    password: str = field(repr=False)

    def __str__(self) -> str:
        """Return host:port, without user and password."""
        return f"{self.host}:{self.port}"

    @property
    def is_local(self) -> bool:
        """Tell whether mails to this server stay on this machine."""
        return self.host in LOCAL


def server_from_environment() -> Server:
    """Return the server in MM_SMTP_URL; ReaderError, without the password, where it is not one."""
    url = smtp_url()
    if not url:
        message = f"MM_SMTP_URL is not set, so there is no server to send by: {_SHAPE}."
        raise ReaderError(message)
    try:
        parts = urlsplit(url)
        # Any other scheme is refused, with a port, too.
        usual = _PORTS[parts.scheme]
        port = parts.port or usual
        user = unquote(parts.username, errors="strict") if parts.username else None
        password = unquote(parts.password or "", errors="strict")
    except (ValueError, KeyError):
        message = f"MM_SMTP_URL is not a server's address: {_SHAPE}."
        # The cause would show parts of the password.
        raise ReaderError(message) from None
    # smtplib sends both as ASCII; a path or a query comes from a password that is not encoded.
    plain = f"{user or ''}{password}".isascii()
    if not parts.hostname or not plain or parts.path.strip("/") or parts.query or parts.fragment:
        message = f"MM_SMTP_URL is not a server's address: {_SHAPE}."
        raise ReaderError(message)
    return Server(parts.hostname, port, parts.scheme == "smtps", user, password)
