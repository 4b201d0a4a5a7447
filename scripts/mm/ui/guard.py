"""Who may see the pages: the browser in which the address that `mm ui` printed was opened, and no other."""

import hmac
import secrets
from urllib.parse import quote

from flask import abort, redirect, request
from werkzeug.wrappers import Response

HOST = "127.0.0.1"
# A response with this header is a report or a mail, which bring their own style.
DOCUMENT = "X-MM-Document"
_OPEN_AGAIN = "Open the address that `mm ui` printed when it started: it lets this browser in."
_FROM_ELSEWHERE = "This request is from another page than those of `mm ui`. Nothing was done."
_OLD_FORM = "This form is of an earlier start of `mm ui`. Nothing was done: load the page again."
_OF_PAGES = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; "
    "frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_OF_DOCUMENTS = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'self'; sandbox allow-popups"
)
_ALWAYS = {
    # With `no-referrer` a browser would not say of its own forms where they are from.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Guard:
    """Checks each request. An address with `token`, or once with `token_once`, gives a browser its cookie."""

    def __init__(self, port: int) -> None:
        """Make new secrets, for as long as this process runs."""
        self.token, self.token_once, self._session = (secrets.token_urlsafe(32) for _ in range(3))
        self._hosts = {f"{HOST}:{port}", f"localhost:{port}"}
        # A cookie is sent to all ports of a host: two `mm ui` each have their own.
        self._cookie = f"mm_ui_{port}"
        self._key = secrets.token_bytes(32)

    def check(self) -> Response | None:
        """Refuse a request, or answer the one that lets a browser in; None: go on."""
        # Another site can have its name lead to this machine; its pages still send that name.
        if request.host not in self._hosts:
            abort(421, _OPEN_AGAIN)
        given = request.args.get("token", "")
        if _is_same(given, self.token) or _is_same(given, self.token_once):
            # Others on this machine can see which address a browser is started with.
            self.token_once = self.token_once if given == self.token else self.token
            program = request.args.get("program")
            first = f"/{quote(program, safe='')}/downloads" if program else "/"
            response = redirect(first, 303)
            response.set_cookie(self._cookie, self._session, httponly=True, samesite="Strict")
            return response
        if not _is_same(request.cookies.get(self._cookie, ""), self._session):
            abort(403, _OPEN_AGAIN)
        if request.method == "POST":
            self._check_post()
        return None

    def form_token(self, path: str) -> str:
        """Return what a form that posts to this path has with it."""
        return hmac.digest(self._key, path.encode(), "sha256").hex()

    def harden(self, response: Response) -> Response:
        """Set what keeps a page to itself."""
        is_document = response.headers.pop(DOCUMENT, None) is not None
        response.headers["Content-Security-Policy"] = _OF_DOCUMENTS if is_document else _OF_PAGES
        response.headers["X-Frame-Options"] = "SAMEORIGIN" if is_document else "DENY"
        response.headers.update(_ALWAYS)
        return response

    def _check_post(self) -> None:
        # Old browsers send neither of the two.
        origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
        if origin not in {None, *(f"http://{host}" for host in self._hosts)} or site not in {
            None,
            "same-origin",
        }:
            abort(403, _FROM_ELSEWHERE)
        if not _is_same(request.form.get("token", ""), self.form_token(request.path)):
            abort(403, _OLD_FORM)


def _is_same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())
