"""Hand mails to an SMTP server; tell what it certainly has not taken from what it may have."""

import re
import smtplib
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Event as Flag
from types import TracebackType
from typing import Self

from mm.config import ReaderError, smtp_backoff, smtp_timeout
from mm.ledger.history import Event
from mm.mail import refusals
from mm.mail.refusals import About
from mm.mail.replies import (
    MayBeAcceptedError,
    NotAcceptedError,
    expect,
    said_by,
    server_id_in,
    text_of,
    tls_reason,
    without_recipient,
)
from mm.mail.server import Server

_PAUSES = 4
# How `mm smtp-sink` greets: as all servers do, and by a word of its own among what it can do.
SINK_GREETING = "mm smtp-sink keeps mails as files and delivers none"
SINK_EXTENSION = "X-MM-SMTP-SINK"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How handing a mail over ended, and why: SENT, FAILED or DEFERRED (certainly not accepted) or UNKNOWN.

    refused: the server said no for good (5xx); DEFERRED, where that is about the sender. refusal: what
    it said, to compare with what it says to the next mail; None where it is about this recipient alone.
    detail holds neither the recipient nor another address. server_id: what the server calls the mail that it
    took, where it said so.
    """

    event: Event
    detail: str
    refused: bool = False
    refusal: str | None = field(default=None, compare=False)
    server_id: str | None = field(default=None, compare=False)


class Sender:
    """One connection for many mails, opened again when it drops; a context manager.

    MM_SMTP_TIMEOUT: seconds that the server has for each reply (30). MM_SMTP_BACKOFF: seconds until
    a mail that was refused for now is tried again (2), doubled each time, four times.
    """

    def __init__(self, server: Server, *, insecure: bool, stop: Flag, to_sink: bool = True) -> None:
        """Name the server. insecure: mail may go unencrypted or to a server that proves nothing.

        stop: once set, a mail that waits for its next try is given up as failed. to_sink: `mm smtp-sink` may
        take the mails; where it may not, nothing is handed to it, and that is a ReaderError.
        """
        self._server = server
        self._insecure = insecure
        self._to_sink = to_sink
        self._stop = stop
        self._timeout = smtp_timeout()
        self._backoff = smtp_backoff()
        self._connection: smtplib.SMTP | None = None

    def __enter__(self) -> Self:
        """Connect and log in; ReaderError where that fails, before any mail."""
        try:
            self._connect()
        except NotAcceptedError as error:
            message = (
                f"The mail server {self._server} cannot be used ({error.detail}): nothing was "
                "sent. Check MM_SMTP_URL."
            )
            raise ReaderError(message) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Take leave of the server."""
        if self._connection is not None:
            with suppress(OSError):
                self._connection.quit()
        self._drop()

    def deliver(
        self, mail_from: str, recipient: str, content: bytes, before_end: Callable[[], None] = lambda: None
    ) -> Outcome:
        """Hand one mail over, trying again where it was refused for now; never raises for one mail.

        before_end: called before the line that ends the mail, without which no server may accept it.
        ReaderError, also that of before_end, where no mail can go out any more; this mail was then
        certainly not accepted.
        """
        pauses = [self._backoff * 2**time for time in range(_PAUSES)]
        while True:
            try:
                self._connect()
                reply = self._hand_over(mail_from, recipient, content, before_end)
                detail = without_recipient(recipient, reply)
                return Outcome(Event.SENT, detail, server_id=server_id_in(reply))
            except MayBeAcceptedError as error:
                self._drop()
                return Outcome(Event.UNKNOWN, without_recipient(recipient, str(error)))
            except NotAcceptedError as error:
                if error.code in {None, 421}:
                    self._drop()
                else:
                    self._reset()
                if error.code is not None and error.code >= 500:  # noqa: PLR2004 - RFC 5321, 4.2.1
                    return _refused(error, recipient)
                detail = without_recipient(recipient, error.detail)
                if not pauses:
                    return Outcome(Event.FAILED, detail)
                if self._stop.wait(pauses.pop(0)):
                    return Outcome(Event.FAILED, f"stopped while waiting: {detail}")

    def _hand_over(
        self, mail_from: str, recipient: str, content: bytes, before_end: Callable[[], None]
    ) -> str:
        connection = self._connection
        if connection is None:
            raise NotAcceptedError(None, "no connection")
        try:
            expect(2, *connection.mail(mail_from), of_sender=True)
            expect(2, *connection.rcpt(recipient))
            expect(3, *connection.docmd("DATA"))
            connection.send(re.sub(rb"(?m)^\.", b"..", content))
        except OSError as error:
            raise NotAcceptedError(None, said_by(error)) from error
        try:
            before_end()
        except BaseException:
            # The server waits for the rest of the mail: nothing else may go down this connection.
            self._drop()
            raise
        try:
            connection.send(b".\r\n")
            code, reply = connection.getreply()
        except OSError as error:
            message = f"after the end of the mail: {said_by(error)}"
            raise MayBeAcceptedError(message) from error
        if code // 100 not in {2, 4, 5}:
            message = f"after the end of the mail the server replied {text_of(code, reply)}"
            raise MayBeAcceptedError(message)
        return expect(2, code, reply)

    def _connect(self) -> None:
        if self._connection is not None:
            return
        server = self._server
        try:
            if server.smtps:
                connection: smtplib.SMTP = smtplib.SMTP_SSL(
                    server.host, server.port, timeout=self._timeout, context=self._tls()
                )
            else:
                connection = smtplib.SMTP(server.host, server.port, timeout=self._timeout)
            try:
                # The line that ends a mail is written on its own and must not wait for a full packet.
                connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._introduce(connection)
            except BaseException:
                connection.close()
                raise
        except ssl.SSLError as error:
            message = (
                f"The mail server {server} does not prove who it is ({tls_reason(error)}): "
                "sending stopped. Check host and port in MM_SMTP_URL and the certificate."
            )
            raise ReaderError(message) from error
        except smtplib.SMTPResponseException as error:
            raise NotAcceptedError(error.smtp_code, said_by(error), of_sender=True) from error
        except OSError as error:
            raise NotAcceptedError(None, said_by(error)) from error
        self._connection = connection

    def _introduce(self, connection: smtplib.SMTP) -> None:
        server = self._server
        connection.ehlo_or_helo_if_needed()
        if connection.has_extn(SINK_EXTENSION) and not self._to_sink:
            message = (
                f"The mail server {server} is `mm smtp-sink`, which delivers nothing: the learners would "
                "count as mailed, and never get their mail. Name another server in MM_SMTP_URL, or try --to."
            )
            raise ReaderError(message)
        if not server.smtps:
            if connection.has_extn("starttls"):
                connection.starttls(context=self._tls())
                connection.ehlo_or_helo_if_needed()
            elif not (server.is_local or self._insecure):
                message = (
                    f"The mail server {server} offers no STARTTLS, so mails would cross the "
                    "network unencrypted: nothing was sent. Use another port or smtps://, or "
                    "accept it with --insecure."
                )
                raise ReaderError(message)
        if server.user is None:
            return
        try:
            connection.login(server.user, server.password)
        except smtplib.SMTPAuthenticationError as error:
            if error.smtp_code // 100 == 4:  # noqa: PLR2004 - RFC 5321, 4.2.1
                raise
            message = (
                f"The mail server {server} refused the user or the password ({error.smtp_code}): "
                "sending stopped. Correct MM_SMTP_URL."
            )
            raise ReaderError(message) from error
        except smtplib.SMTPNotSupportedError as error:
            message = (
                f"The mail server {server} offers no login, but MM_SMTP_URL names a user: sending "
                "stopped. Use another port, or leave user and password out."
            )
            raise ReaderError(message) from error

    def _tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if self._server.is_local or self._insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def _reset(self) -> None:
        if self._connection is None:
            return
        try:
            self._connection.rset()
        except OSError:
            self._drop()

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _refused(error: NotAcceptedError, recipient: str) -> Outcome:
    about = About.SENDER if error.of_sender else refusals.about(error.detail)
    detail = without_recipient(recipient, error.detail)
    return Outcome(
        Event.DEFERRED if about is About.SENDER else Event.FAILED,
        detail,
        refused=True,
        refusal=refusals.without_particulars(detail) if about in {About.SENDER, About.OPEN} else None,
    )
