"""The links by which a learner unsubscribes without a login, made for the mails and known by the page."""

import hashlib
import hmac
import os
import re
from collections.abc import Callable
from urllib.parse import quote, urlsplit

from mm.addresses import normalized
from mm.settings import ReaderError

HASHES: dict[str, Callable[[str, str], str]] = {
    "hmac-sha256": lambda secret, address: hmac.digest(secret.encode(), address.encode(), "sha256").hex(),
    "md5": lambda secret, address: hashlib.md5(
        (secret + address).encode(), usedforsecurity=False
    ).hexdigest(),
}
# Nobody can have a page there: RFC 2606 and RFC 6761.
_NOBODYS_HOST = re.compile(
    r"(?:.*\.)?(?:example\.(?:com|net|org)|example|invalid|test|localhost)", re.IGNORECASE
)


def unsubscribe_link(base: str, email: str, secret: str, unsubscribe_hash: str | None) -> str:
    """Return the link that unsubscribes the address without a login.

    unsubscribe_hash: `hmac-sha256` (None means the same) or `md5`, of the trimmed, lower-case
    address.
    """
    address = normalized(email)
    validation_hash = HASHES[unsubscribe_hash or "hmac-sha256"](secret, address)
    separator = "&" if "?" in base else "?"
    return f"{base}{separator}email={quote(address, safe='')}&validation_hash={validation_hash}"


def is_of_link(email: str, validation_hash: str, secret: str) -> bool:
    """Tell whether a link with this hash, in either way to make it, is one that was made for the address.

    It takes as long for a hash that is nearly right as for any other.
    """
    address = normalized(email)
    given = validation_hash.encode()
    # All are compared, so that the time does not tell which.
    matches = [hmac.compare_digest(made(secret, address).encode(), given) for made in HASHES.values()]
    return any(matches)


def is_https(base: str) -> bool:
    """Tell whether this is a link that starts with https://, of visible ASCII characters alone."""
    try:
        parts = urlsplit(base)
    except ValueError:
        return False
    return parts.scheme == "https" and bool(parts.netloc) and bool(re.fullmatch(r"[!-~]+", base))


def is_nobodys(base: str) -> bool:
    """Tell whether no page can be at an https link, as its host is one for examples, such as example.org."""
    return bool(_NOBODYS_HOST.fullmatch(urlsplit(base).hostname or ""))


def secret_from_environment(what_happens: str) -> str:
    """Return MM_UNSUBSCRIBE_SECRET; ReaderError, which says what happens without it, where it is not set."""
    secret = os.environ.get("MM_UNSUBSCRIBE_SECRET", "")
    if not secret:
        message = (
            f"MM_UNSUBSCRIBE_SECRET is not set, so no unsubscribe link would work: {what_happens}. "
            "Set it to the secret that the unsubscribe page checks."
        )
        raise ReaderError(message)
    return secret
