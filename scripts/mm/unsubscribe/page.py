"""The web page that the unsubscribe links lead to, as a WSGI application: `create_app()`.

GET shows a button and changes nothing, as mail scanners open every link. POST, of that button or of a mail
program (RFC 8058), is in the ledger before it is answered; whatever its body says, as nobody posts to a right
link for anything but to unsubscribe. It serves whatever path it is called at: the path is the web server's
matter, and all that is needed is in the query.
"""

import hashlib
import hmac
import logging
import secrets
import traceback
from http import HTTPStatus
from threading import Lock
from typing import TYPE_CHECKING

from flask import Flask, Response, make_response, request
from itsdangerous import BadSignature, URLSafeTimedSerializer
from werkzeug.exceptions import HTTPException

from mm.config import ReaderError
from mm.ledger.ledger import Ledger
from mm.pages import environment
from mm.people.addresses import normalized
from mm.people.unsubscribe_links import check_secret, hashes_of_programs, is_of_link, secret_from_environment

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

LARGEST_BODY = 4096
SECONDS_TO_TAKE_BACK = 15 * 60

_log = logging.getLogger("mm.unsubscribe")


def create_app() -> Flask:
    """Return the application; ReaderError where MM_UNSUBSCRIBE_SECRET is not set, or weak."""
    secret = secret_from_environment("the page cannot serve")
    check_secret(secret, None, _log.warning)
    page = _Page(secret)
    app = Flask("mm", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY
    app.add_url_rule("/", "page", page.serve, methods=["GET", "POST"], provide_automatic_options=False)
    app.wsgi_app = _at_any_path(app.wsgi_app)  # type: ignore[method-assign]
    app.register_error_handler(HTTPException, page.refuse)
    app.register_error_handler(ReaderError, page.say_trouble)
    app.register_error_handler(Exception, page.say_fault)
    return app


def _at_any_path(wsgi_app: "WSGIApplication") -> "WSGIApplication":
    return lambda environ, start_response: wsgi_app(environ | {"PATH_INFO": "/"}, start_response)


class _Page:
    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._ledger: Ledger | None = None
        self._opening = Lock()
        self._hashes = hashes_of_programs()
        self._template = environment().get_template("unsubscribe.html.j2")
        # A key of its own. No address has capitals here, so that it is no link's hash.
        key = hmac.digest(secret.encode(), b"Key of the tokens for taking back", "sha256")
        self._tokens = URLSafeTimedSerializer(key, signer_kwargs={"digest_method": hashlib.sha256})

    def serve(self) -> Response:
        # An address has no space: it is a + that a mail program has decoded.
        email = normalized(request.args.get("email", "")).replace(" ", "+")
        if not is_of_link(email, request.args.get("validation_hash", ""), self._secret, self._hashes):
            return self._answer("no link", HTTPStatus.BAD_REQUEST)
        if request.method != "POST":
            return self._answer("ask", email=email)
        if "take_back" in request.form:
            return self._take_back(email, request.form["take_back"])
        return self._opt_out(email, "page" if "unsubscribe" in request.form else "one-click")

    def refuse(self, error: HTTPException) -> Response:
        own = dict(error.get_response().headers)
        allowed = {"Allow": own["Allow"]} if "Allow" in own else {}
        return self._answer("refused", HTTPStatus(error.code or HTTPStatus.BAD_REQUEST), allowed)

    def say_trouble(self, error: ReaderError) -> Response:
        _log.error("%s", error)
        # The next request opens it anew: it may have been put back meanwhile.
        self._ledger = None
        return self._answer("trouble", HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": "300"})

    def say_fault(self, error: Exception) -> Response:
        # Not what it says, which may hold an address.
        where = "".join(traceback.format_tb(error.__traceback__))
        _log.error("A fault, %s, in:\n%s", type(error).__name__, where)
        return self._answer("trouble", HTTPStatus.INTERNAL_SERVER_ERROR)

    def _opt_out(self, email: str, source: str) -> Response:
        ledger = self._open_ledger()
        try:
            ledger.opt_out(email, source)
        except ValueError:
            # The links of our mails are for addresses that are mailed.
            return self._answer("no link", HTTPStatus.BAD_REQUEST)
        token = self._tokens.dumps(email) if ledger.may_take_back(email) else None
        return self._answer("unsubscribed", email=email, token=token)

    def _take_back(self, email: str, token: str) -> Response:
        try:
            is_ours = self._tokens.loads(token, max_age=SECONDS_TO_TAKE_BACK) == email
        except BadSignature:
            is_ours = False
        if is_ours and self._open_ledger().take_back(email, "page"):
            return self._answer("taken back", email=email)
        return self._answer("not taken back", HTTPStatus.BAD_REQUEST, email=email)

    def _open_ledger(self) -> Ledger:
        # Not at the start: a server may begin as one process and go on as several.
        with self._opening:
            if self._ledger is None:
                self._ledger = Ledger().__enter__()
            return self._ledger

    def _answer(
        self,
        says: str,
        status: HTTPStatus = HTTPStatus.OK,
        headers: dict[str, str] | None = None,
        *,
        email: str = "",
        token: str | None = None,
    ) -> Response:
        nonce = secrets.token_urlsafe(16)
        text = self._template.render(says=says, status=status, email=email, token=token, nonce=nonce)
        response = make_response(text, status)
        response.headers.update(headers or {})
        response.headers["Content-Security-Policy"] = (
            f"default-src 'none'; style-src 'nonce-{nonce}'; img-src data:; form-action 'self'; "
            "base-uri 'none'; frame-ancestors 'none'"
        )
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["X-Robots-Tag"] = "noindex"
        response.headers["Cache-Control"] = "no-store"
        return response
