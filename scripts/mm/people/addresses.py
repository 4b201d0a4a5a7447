"""How an address is read that somebody typed or pasted, into a list of people or into a seed."""

import re
import unicodedata
from contextlib import suppress
from urllib.parse import unquote

# What can be mailed: HTML's rule, and a dot in the domain, as is_mail_address in macros/engine.sql has it.
MAIL_ADDRESS = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@"
    r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)+"
)
# What Unicode wants to be shown as nothing, but for U+202E, after which text is shown in another order.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202d\u2060-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e0fff]"
)
_QUOTES = '"\u2018-\u201f\u00ab\u00bb\u2039\u203a'
# No address begins with the former or ends with the latter.
_AROUND = re.compile(rf"^[\s{_QUOTES}(\[<]+|[\s{_QUOTES})\]>.,;:!?]+$")
# These an address may begin with, so they are around it only where they are on both sides.
_IN_A_PAIR = re.compile(r"(['`])(.*)\1")
_NAMED = re.compile(r"(.*)[<(\[]([^<>()\[\]]*@[^<>()\[\]]*)[>)\]][\s.,;]*", re.DOTALL)
_COMMENTED = re.compile(r"([^()\s]+)\s*\([^()@]*\)")
# What a program put for a letter that it lacked or for a mark, such as Excel's ? for a zero-width space.
_DOUBTFUL = re.compile(r"[^A-Za-z0-9_-].*|.*(\?|%[0-9A-Fa-f]{2}).*")
# Accented letters alone: others, such as the Cyrillic a, look like those of another address.
_ACCENTED_DOMAIN = re.compile("[a-z0-9.\u00e0-\u00f6\u00f8-\u0130\u0132-\u0137\u0139-\u017e-]+\\.[a-z0-9-]+")

_NO_ADDRESS = "is not an address"
_SEVERAL = "holds more than one address: give each a line of its own"
_NOT_CERTAIN = "may stand for another address: correct it or, if it is right, put it between < and >"
_NOT_ASCII = "has letters that no mailed address has: type it anew, a domain in its xn-- form"


def as_cell(address: str) -> str:
    """Write an address so that it is read as that one, and so that no spreadsheet takes it for a formula."""
    with suppress(ValueError):
        if address[:1] not in {"-", "+", "="} and read_address(address) == address:
            return address
    return f"<{address}>"


def normalized(email: str) -> str:
    """Return the address as opt-outs and unsubscribe links know it: trimmed, lower-case."""
    return email.strip().lower()


def visible(text: str) -> str:
    """Return the text without what cannot be seen, such as zero-width spaces, and trimmed."""
    return _INVISIBLE.sub("", text).strip()


def read_address(text: str) -> str:
    """Return the one address in a text, in its own letter case, its domain in ASCII (`xn--`).

    Understood are what is invisible, within the address too; white space, quotes, brackets, `mailto:` and
    punctuation around it; `Name <address>` and `address (Name)`. ValueError where any doubt is left or mail
    cannot go there; its text goes on after "its email" and holds no address.
    """
    text = visible(unicodedata.normalize("NFC", text))
    named = _NAMED.fullmatch(text)
    if named:
        address = _bare(named[2])
        # Outlook writes address <mailto:address>.
        if "@" in named[1] and normalized(_bare(named[1])) != normalized(address):
            raise ValueError(_SEVERAL)
    else:
        commented = _COMMENTED.fullmatch(text)
        address = _bare(commented[1] if commented else text)
    user, _, domain = address.rpartition("@")
    if "@" in user:
        raise ValueError(_SEVERAL)
    if not user.isascii():
        raise ValueError(_NOT_ASCII)
    address = f"{user}@{_in_ascii(domain)}"
    if not MAIL_ADDRESS.fullmatch(address):
        raise ValueError(_NO_ADDRESS)
    if not named and _DOUBTFUL.fullmatch(user):
        raise ValueError(_NOT_CERTAIN)
    return address


def _bare(text: str) -> str:
    text = _unwrapped(text)
    if text.lower().startswith("mailto:"):
        path, _, query = text[len("mailto:") :].partition("?")
        if "@" in unquote(query):
            raise ValueError(_SEVERAL)
        text = _unwrapped(visible(unquote(path)))
    return text


def _unwrapped(text: str) -> str:
    before = None
    while text != before:
        before = text
        text = _AROUND.sub("", text)
        pair = _IN_A_PAIR.fullmatch(text)
        text = pair[2] if pair else text
    return text


def _in_ascii(domain: str) -> str:
    if domain.isascii():
        return domain
    domain = domain.lower()
    try:
        encoded = domain.encode("idna").decode()
        is_certain = encoded.encode().decode("idna") == domain and _ACCENTED_DOMAIN.fullmatch(domain)
    except UnicodeError:
        is_certain = None
    if not is_certain:
        raise ValueError(_NOT_ASCII)
    return encoded
