"""The links by which a learner unsubscribes without a login, made for the mails and known by the page."""

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import quote, urlsplit

from mm.config import SEEDS, ReaderError, short_secret, unsubscribe_secret_as_given
from mm.people.addresses import normalized
from mm.seeds import rows_of

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


def hashes_of_programs(seeds: Path = SEEDS) -> frozenset[str]:
    """Return the ways to make a hash that a link of any program may have.

    `md5` is weak, so it is one only where a program of seeds/programs.csv has it.
    """
    of_programs = {row["unsubscribe_hash"] for row in rows_of("programs", seeds)}
    return frozenset({"hmac-sha256", *of_programs} & HASHES.keys())


def is_of_link(email: str, validation_hash: str, secret: str, hashes: Iterable[str]) -> bool:
    """Tell whether a link with this hash, made in any of these ways, is one that was made for the address.

    It takes as long for a hash that is nearly right as for any other.
    """
    address = normalized(email)
    given = validation_hash.encode()
    # All are compared, so that the time does not tell which.
    matches = [hmac.compare_digest(HASHES[name](secret, address).encode(), given) for name in hashes]
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
    secret = unsubscribe_secret_as_given()
    if not secret:
        message = (
            f"MM_UNSUBSCRIBE_SECRET is not set, so no unsubscribe link would work: {what_happens}. "
            "Set it to the secret that the unsubscribe page checks."
        )
        raise ReaderError(message)
    return secret


def weakness(secret: str) -> str | None:
    """Say in a sentence why MM_UNSUBSCRIBE_SECRET should not be this; None: nothing is wrong with it."""
    if short := short_secret("MM_UNSUBSCRIBE_SECRET", secret, "can unsubscribe everybody"):
        return f"{short}."
    # What a shell takes away, a file that a service reads may keep, and no link fits then.
    if secret != secret.strip() or secret[0] + secret[-1] in {"''", '""'}:
        return "MM_UNSUBSCRIBE_SECRET has blanks or quotes around it: take these away, here and for the page."
    return None


def check_secret(secret: str, unsubscribe_hash: str | None, warn: Callable[[str], None]) -> None:
    """Raise ReaderError for a secret that is weak; only warn where it is that of a page not of this project.

    unsubscribe_hash: how the links are made; `md5` is what such pages know.
    """
    wrong = weakness(secret)
    if wrong is None:
        return
    if unsubscribe_hash != "md5":
        raise ReaderError(wrong)
    warn(wrong)
