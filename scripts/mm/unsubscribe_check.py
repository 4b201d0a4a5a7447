"""Ask the page that a program's unsubscribe links lead to whether it knows them."""

import secrets
from http import HTTPStatus
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from mm.published import Program
from mm.settings import ReaderError
from mm.unsubscribe_links import is_https, is_nobodys, unsubscribe_link

_SECONDS = 20


def check(program: Program, secret: str) -> str:
    """Open a right and a wrong link for a made-up address; return a sentence where the page tells them apart.

    ReaderError, with what to do, where it does not, or cannot be opened. Nothing is posted.
    """
    base = program.unsubscribe_base or ""
    if not is_https(base) or is_nobodys(base):
        message = (
            f"seeds/programs.csv: unsubscribe_base of {program.program} is {base!r}, where no page can be: "
            f"give the https link of yours, and run `mm build {program.program}`."
        )
        raise ReaderError(message)
    address = f"nobody-{secrets.token_hex(8)}@example.org"
    right = unsubscribe_link(base, address, secret, program.unsubscribe_hash)
    to_right = _open(base, right)
    to_wrong = _open(base, unsubscribe_link(base, address, secrets.token_hex(), program.unsubscribe_hash))
    if to_right != HTTPStatus.OK:
        message = (
            f"The page at {base} answers {to_right} to a right link: see that it runs, and that its secret "
            f"and its hash are MM_UNSUBSCRIBE_SECRET and unsubscribe_hash of {program.program}."
        )
        raise ReaderError(message)
    if to_wrong == HTTPStatus.OK:
        message = (
            f"The page at {base} answers a wrong link as it does a right one, so nobody can tell whether it "
            "knows the hash: try a link of your own in a browser."
        )
        raise ReaderError(message)
    return f"The page at {base} knows the links of {program.program}, and refuses a wrong one."


def _open(base: str, link: str) -> int:
    try:
        with urlopen(Request(link, headers={"User-Agent": "mm"}), timeout=_SECONDS) as response:  # noqa: S310 - https
            return response.status
    except HTTPError as error:
        return error.code
    except (OSError, ValueError) as error:
        reason = error.reason if isinstance(error, URLError) else error
        message = f"The page at {base} cannot be opened ({reason}): see that it runs and what it is behind."
        raise ReaderError(message) from error
