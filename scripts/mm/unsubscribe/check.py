"""Ask the page that a program's unsubscribe links lead to whether it does what RFC 8058 asks of it."""

import secrets
import ssl
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException
from http.cookies import CookieError, SimpleCookie
from typing import NoReturn
from urllib.error import HTTPError, URLError
from urllib.parse import urljoin, urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, Request, build_opener

from mm.config import ReaderError
from mm.people.unsubscribe_links import is_https, is_nobodys, unsubscribe_link
from mm.published import Program

_SECONDS = 20
_ONE_CLICK = b"List-Unsubscribe=One-Click"
_SAYS_WRONG_LINK = {HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.GONE}


@dataclass(frozen=True, slots=True)
class _Answer:
    """status: HTTP's. cookies: as a browser sends them back; empty: it set none. leads_to: of a redirect."""

    status: int
    cookies: str
    leads_to: str


class _NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        """Follow none, as mail programs do."""


def check(program: Program, secret: str) -> str:
    """Ask for a right and a wrong link of a made-up address; return a sentence where all is well.

    ReaderError, with what to do, where the page does not tell the two apart, leads elsewhere, wants a cookie,
    or cannot be opened. What is posted goes to the wrong link, which unsubscribes nobody.
    """
    base = program.unsubscribe_base or ""
    _check_base(program.program, base)
    page = _Page(base)
    address = f"nobody-{secrets.token_hex(8)}@example.org"
    right = unsubscribe_link(base, address, secret, program.unsubscribe_hash)
    wrong = unsubscribe_link(base, address, secrets.token_hex(), program.unsubscribe_hash)
    to_right = page.ask(right)
    if to_right.cookies and page.ask(right, cookies=to_right.cookies).status != to_right.status:
        page.needs_a_cookie()
    page.check_place(to_right, right)
    if to_right.status != HTTPStatus.OK:
        message = (
            f"The page at {base} answers {to_right.status} to a right link: see that it runs, and that its "
            f"secret and its hash are MM_UNSUBSCRIBE_SECRET and unsubscribe_hash of {program.program}."
        )
        raise ReaderError(message)
    to_wrong = page.ask(wrong)
    if to_wrong.status == HTTPStatus.OK:
        message = (
            f"The page at {base} answers a wrong link as it does a right one, so nobody can tell whether it "
            "knows the hash: try a link of your own in a browser."
        )
        raise ReaderError(message)
    sets_cookies = bool(to_right.cookies or to_wrong.cookies)
    _check_posts(page, wrong, to_wrong.status, sets_cookies=sets_cookies)
    well = f"The page at {base} knows the links of {program.program}, and refuses a wrong one."
    if sets_cookies:
        return f"{well} It sets a cookie, which no mail program sends back: see that it unsubscribes without."
    return well


def _check_base(program: str, base: str) -> None:
    if is_https(base) and not is_nobodys(base):
        return
    if base.lower().startswith("http://"):
        message = (
            f"seeds/programs.csv: unsubscribe_base of {program} is {base}, a page without TLS: mail programs "
            "unsubscribe at https links alone, and who listens learns the address. Serve the page with TLS, "
            f"give its https link, and run `mm build {program}`."
        )
        raise ReaderError(message)
    message = (
        f"seeds/programs.csv: unsubscribe_base of {program} is {base!r}, where no page can be: "
        f"give the https link of yours, and run `mm build {program}`."
    )
    raise ReaderError(message)


def _check_posts(page: "_Page", wrong: str, status: int, *, sets_cookies: bool) -> None:
    """Post as mail programs do, without a cookie, what should be refused as opening the link was."""
    posted = page.ask(wrong, _ONE_CLICK)
    if posted.status == status or posted.status in _SAYS_WRONG_LINK:
        return
    page.check_place(posted, wrong)
    if posted.status < HTTPStatus.BAD_REQUEST:
        return
    if sets_cookies:
        page.needs_a_cookie()
    message = (
        f"The page at {page.base} answers {posted.status} to what a mail program posts, and {status} where "
        "the same link is opened: let it, and what is in front of it, take POSTs."
    )
    raise ReaderError(message)


class _Page:
    def __init__(self, base: str) -> None:
        self.base = base
        self._opener: OpenerDirector = build_opener(_NoRedirect)

    def ask(self, link: str, body: bytes | None = None, cookies: str = "") -> _Answer:
        """Return what the page answers; ReaderError where it cannot be opened."""
        headers = {"User-Agent": "mm"} | ({"Cookie": cookies} if cookies else {})
        try:
            with self._opener.open(Request(link, body, headers), timeout=_SECONDS) as response:  # noqa: S310 - https
                answer = _answer(response.status, response.headers.get_all("Set-Cookie"), "")
        except HTTPError as error:
            leads_to = error.headers.get("Location") or ""
            answer = _answer(error.code, error.headers.get_all("Set-Cookie"), urljoin(link, leads_to))
        except (OSError, HTTPException) as error:
            self._cannot_be_opened(error)
        return answer

    def needs_a_cookie(self) -> NoReturn:
        """Say so."""
        message = (
            f"The page at {self.base} needs a cookie, and mail programs that unsubscribe send none: "
            "let it do without for links with a right hash."
        )
        raise ReaderError(message)

    def check_place(self, answer: _Answer, link: str) -> None:
        """Raise ReaderError where the answer is that the page is elsewhere."""
        if not 300 <= answer.status < 400:  # noqa: PLR2004 - HTTP's redirects
            return
        # Without the query, which is the made-up address's.
        there = answer.leads_to.partition("?")[0]
        if there == link.partition("?")[0]:
            there = "itself"
        message = (
            f"The page at {self.base} redirects to {there} ({answer.status}): a POST that is redirected "
            "arrives as a GET, and is lost. Give the address where it ends as unsubscribe_base in "
            "seeds/programs.csv and build, or let the page answer where it is."
        )
        raise ReaderError(message)

    def _cannot_be_opened(self, error: OSError | HTTPException) -> NoReturn:
        reason = error.reason if isinstance(error, URLError) else error
        if isinstance(error, HTTPException) and not isinstance(error, OSError):
            reason = f"what answers speaks no HTTP: {type(error).__name__}"
        what = f"cannot be opened ({reason}): see that it runs and what it is behind"
        if isinstance(reason, ssl.SSLCertVerificationError):
            what = (
                f"has a certificate that mail programs do not trust ({reason.verify_message}): give it one "
                f"for {urlsplit(self.base).hostname}, with the whole chain"
            )
        elif isinstance(reason, ssl.SSLError) and reason.reason == "WRONG_VERSION_NUMBER":
            what = f"answers without TLS at port {urlsplit(self.base).port or 443}: let it serve https there"
        message = f"The page at {self.base} {what}."
        raise ReaderError(message) from error


def _answer(status: int, set_cookies: list[str] | None, leads_to: str) -> _Answer:
    cookies: SimpleCookie = SimpleCookie()
    for each in set_cookies or ():
        try:
            cookies.load(each)
        except CookieError:
            continue
    return _Answer(status, "; ".join(f"{name}={cookies[name].coded_value}" for name in cookies), leads_to)
