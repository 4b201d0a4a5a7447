"""What a mail server replies, in words that hold no address."""

import re
import smtplib
import ssl

# Such as Amazon SES's `250 Ok 0100018...-000000`; shorter ones a server may give twice.
_SERVER_ID = re.compile(r"2\d\d (?:2\.\d\.\d )?ok:? (?:queued as |id=)?([\w.+/=-]{16,})\.?", re.IGNORECASE)


class NotAcceptedError(Exception):
    """The server certainly has not taken the mail. code: its reply, None: the connection broke.

    of_sender: it said so before it was told the recipient.
    """

    def __init__(self, code: int | None, detail: str, *, of_sender: bool = False) -> None:
        """Keep what the server said."""
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.of_sender = of_sender


class MayBeAcceptedError(Exception):
    """The mail was written to its end, and no reply tells what became of it."""


def server_id_in(reply: str) -> str | None:
    """Return by which id a server calls the mail that it took with this reply; None: it says none."""
    found = _SERVER_ID.fullmatch(reply)
    return found[1] if found else None


def expect(first_digit: int, code: int, reply: bytes, *, of_sender: bool = False) -> str:
    """Return a reply in words; NotAcceptedError where it is not of the class expected."""
    if code // 100 != first_digit:
        # Replies outside 4xx and 5xx make no sense here: as good as a broken connection.
        raise NotAcceptedError(
            code if code // 100 in {4, 5} else None, text_of(code, reply), of_sender=of_sender
        )
    return text_of(code, reply)


def text_of(code: int, reply: bytes | str) -> str:
    """Return a reply on one line, without addresses and control characters."""
    text = reply.decode(errors="replace") if isinstance(reply, bytes) else reply
    # A reply may have several lines, and a terminal obeys control characters.
    text = " ".join(re.sub(r"[\x00-\x1f\x7f-\x9f]", " ", f"{code} {text}").split())
    # Servers like to repeat the address; the log has it in a column of its own.
    return re.sub(r"\S+(?:@|%40)\S+", "<address>", text, flags=re.IGNORECASE)


def without_recipient(recipient: str, text: str) -> str:
    """Hide the recipient's name before the @, too, which some servers repeat alone."""
    user = re.escape(recipient.rpartition("@")[0])
    code, space, words = text.partition(" ")
    hidden = re.sub(rf"(?<![\w.+-]){user}(?![\w.+-]*\w)", "<address>", words, flags=re.IGNORECASE)
    return f"{code}{space}{hidden}"


def said_by(error: OSError) -> str:
    """Return what an error says, in words that hold no address."""
    if isinstance(error, smtplib.SMTPResponseException):
        return text_of(error.smtp_code, error.smtp_error)
    return error.strerror or str(error) or type(error).__name__


def tls_reason(error: ssl.SSLError) -> str:
    """Return why there is no safe connection."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    return error.reason or "TLS failed"
