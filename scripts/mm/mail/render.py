"""Render a mail from the templates and build the message that goes out."""

import hashlib
import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from email.errors import MessageError
from email.headerregistry import Address, HeaderRegistry
from email.message import EmailMessage
from email.policy import SMTP, EmailPolicy
from email.utils import make_msgid
from functools import lru_cache
from pathlib import Path
from typing import Any

import css_inline
from jinja2 import (
    Environment,
    StrictUndefined,
    Template,
    TemplateError,
    TemplateSyntaxError,
    pass_environment,
)
from jinja2.exceptions import UndefinedError
from jinja2.filters import do_wordwrap
from jinja2.loaders import FileSystemLoader
from jinja2.sandbox import ImmutableSandboxedEnvironment

from mm import days
from mm.config import TEMPLATES, ReaderError
from mm.mail.templates import Part, choose
from mm.pages import on_one_line
from mm.people.addresses import normalized, read_address
from mm.people.unsubscribe_links import HASHES, is_https, unsubscribe_link
from mm.published import Candidate, Program

_LONGEST_DISPLAY_NAME = 100
_LONGEST_ADDRESS = 254
_NO_ADDRESS = "not an address that can be mailed: expected one such as somebody@example.org"
_NEEDED_FACTS = (
    "contact_email",
    "organization",
    "postal_address",
    "sender",
    "reply_to",
    "subject",
    "unsubscribe_base",
)
# Marks that turn the direction of all text after them, such as U+202E; a name needs none of them.
_DIRECTION_MARKS = re.compile("[\u202a-\u202e\u2066-\u2069]")


def clean_name(name: str | None) -> str | None:
    """Return a learner's name on one line, without control characters; None: nothing is left."""
    return on_one_line(_DIRECTION_MARKS.sub("", name or "")) or None


def mail_address(email: str | None, name: str | None = None) -> Address:
    """Return the address, with the name if any, as a header and an SMTP server take it.

    A domain outside ASCII is turned into its IDNA form. ValueError for what cannot be mailed, such
    as letters outside ASCII before the @; its text holds no address.
    """
    user, _, domain = (email or "").strip().rpartition("@")
    # "=?" begins an encoded word: the email library would decode it, even to line breaks.
    display_name = (clean_name(name) or "").replace("=?", "= ?")[:_LONGEST_DISPLAY_NAME].strip()
    try:
        addr_spec = f"{user}@{domain.encode('idna').decode()}"
        # The library knows quotes, literals and comments, some of which break it; servers do not.
        address = None if set(addr_spec) & set('"[(') else Address(display_name, addr_spec=addr_spec)
    except (MessageError, ValueError, IndexError) as error:
        raise ValueError(_NO_ADDRESS) from error
    if address is None or address.addr_spec != addr_spec or len(addr_spec) > _LONGEST_ADDRESS:
        raise ValueError(_NO_ADDRESS)
    return address


class _Headers(HeaderRegistry):
    """The library's headers, of which those that are the same in all mails are parsed once."""

    __getitem__ = lru_cache(maxsize=100)(HeaderRegistry.__getitem__)
    _parsed = lru_cache(maxsize=100)(HeaderRegistry.__call__)

    def __call__(self, name: str, value: object) -> str:
        return self._parsed(name, value) if isinstance(value, str) else super().__call__(name, value)


_fold = lru_cache(maxsize=100)(SMTP.fold_binary)


class _Policy(EmailPolicy):
    """The library's SMTP policy, but for List-Unsubscribe, whose long link it would encode."""

    def fold_binary(self, name: str, value: str) -> bytes:
        if name == "List-Unsubscribe":
            return f"{name}: {value}{self.linesep}".encode("ascii")
        return _fold(name, value)


_POLICY = _Policy(linesep="\r\n", header_factory=_Headers())
_wrap_line = lru_cache(maxsize=1000)(do_wordwrap)


@pass_environment
def _wordwrap(  # noqa: PLR0913, PLR0917 - the library's signature
    environment: Environment,
    s: str,
    width: int = 79,
    break_long_words: bool = True,  # noqa: FBT001, FBT002
    wrapstring: str | None = None,
    break_on_hyphens: bool = True,  # noqa: FBT001, FBT002
) -> str:
    """Wrap as the library's filter does, but lines that are the same in all mails once."""
    how = (width, break_long_words, wrapstring, break_on_hyphens)
    newline = environment.newline_sequence if wrapstring is None else wrapstring
    return newline.join(_wrap_line(environment, line, *how) for line in s.splitlines())


class _Environment(ImmutableSandboxedEnvironment):
    """The library's sandbox, but for a program's facts, which are safe and need no long look each time."""

    def getattr(self, obj: Any, attribute: str) -> Any:  # noqa: ANN401 - the library's signature
        if type(obj) is Program and attribute in Program.__slots__:
            return getattr(obj, attribute)
        return super().getattr(obj, attribute)


class Renderer:
    """Renders one program's mails.

    notes: what who sends should know of the templates, in sentences. ReaderError from the start where the
    program's facts or a template are not fit to be mailed.
    """

    def __init__(self, program: Program, secret: str, templates: Path = TEMPLATES) -> None:
        """Check the facts and compile the templates; `secret` signs the unsubscribe links."""
        self._program = program
        self._secret = secret
        self._templates = templates
        self._check_facts()
        # The templates name it where only an address can be.
        contact = self._fact_address("contact_email").addr_spec
        self._program = replace(program, contact_email=contact)
        self.sender = self._fact_address("sender")
        self._from = _POLICY.header_factory("From", self.sender)
        self._reply_to = _POLICY.header_factory("Reply-To", self._fact_address("reply_to"))
        self._inliner = css_inline.CSSInliner(
            keep_style_tags=False, keep_at_rules=True, load_remote_stylesheets=False
        )
        chosen = choose(program, templates)
        self.notes = chosen.notes
        self._text = self._compile(chosen.text)
        self._html = self._compile(chosen.html)

    @property
    def is_of_invented(self) -> bool:
        """Tell whether the program and its learners are made up."""
        return self._program.is_invented

    def message_id(self, candidate: Candidate) -> str:
        """Return the mail's Message-ID, always the same for a learner, an instance and a kind."""
        parts = (
            candidate.program,
            str(candidate.student_id),
            candidate.trigger_course_instance,
            str(candidate.trigger_course_verified),
        )
        digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()
        return f"<{digest[:40]}@{self.sender.domain}>"

    def bodies(self, candidate: Candidate, email: str | None = None) -> tuple[str, str]:
        """Return the text and the HTML of a mail.

        email: a test address that takes the learner's place, None: the learner's own.
        ReaderError, with file and line, where a template fails.
        """
        values = self._values(candidate, email)
        text = re.sub(r"\n{3,}", "\n\n", self._render(self._text, values)).strip() + "\n"
        return text, self._inliner.inline(self._render(self._html, values))

    def message(self, candidate: Candidate, email: str | None = None) -> EmailMessage:
        """Return the message to hand to the server, dated now; `email` as in bodies.

        ReaderError as in bodies; ValueError where the address cannot be mailed.
        """
        text, html = self.bodies(candidate, email)
        message = EmailMessage(policy=_POLICY)
        message["From"] = self._from
        message["To"] = mail_address(email or candidate.email, candidate.student_name)
        message["Reply-To"] = self._reply_to
        message["Subject"] = self._program.subject
        message["Date"] = datetime.now(UTC)
        # Mailboxes drop a second mail of the same ID: right for a learner, wrong for tests.
        message["Message-ID"] = make_msgid(domain=self.sender.domain) if email else self.message_id(candidate)
        message["List-Unsubscribe"] = f"<{self._unsubscribe_link(candidate, email)}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        message.set_content(text, cte="quoted-printable")
        message.add_alternative(html, subtype="html", cte="quoted-printable")
        return message

    def _check_facts(self) -> None:
        for fact in _NEEDED_FACTS:
            if not getattr(self._program, fact):
                raise self._wrong_fact(fact=fact, what="is empty, and no mail goes out without it")
        if self._program.unsubscribe_hash not in {None, *HASHES}:
            raise self._wrong_fact(fact="unsubscribe_hash", what=f"is none of {', '.join(HASHES)}")
        if not is_https(self._program.unsubscribe_base or ""):
            raise self._wrong_fact(fact="unsubscribe_base", what="is not a link that starts with https://")
        try:
            days.locale_of(self._program.language)
        except ValueError as error:
            what = f"is {self._program.language!r}, a language in which nobody here can write a day"
            raise self._wrong_fact(fact="language", what=what) from error
        if "\n" in (self._program.subject or "") or "\r" in (self._program.subject or ""):
            raise self._wrong_fact(fact="subject", what="has a line break")

    def _fact_address(self, fact: str) -> Address:
        text = getattr(self._program, fact) or ""
        try:
            return mail_address(read_address(text), text.rpartition("<")[0].strip().strip('"'))
        except ValueError as error:
            raise self._wrong_fact(fact, "is not an address such as Updates <updates@example.org>") from error

    def _wrong_fact(self, fact: str, what: str) -> ReaderError:
        return ReaderError(
            f"seeds/programs.csv: {fact} of {self._program.program} {what}. "
            f"Correct it and run `mm build {self._program.program}`."
        )

    def _compile(self, part: Part) -> Template:
        environment = _Environment(
            # A mailout's mails are all of the templates that were checked before the first went out.
            auto_reload=False,
            loader=FileSystemLoader(self._templates),
            undefined=StrictUndefined,
            autoescape=lambda name: (name or "").endswith("html.j2"),
            finalize=_refuse_none,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters["wordwrap"] = _wordwrap
        environment.filters["in_words"] = lambda day: days.in_words(_refuse_none(day), part.days_in)
        with _template_errors(self._templates):
            return environment.get_template(part.template)

    def _render(self, template: Template, values: dict[str, Any]) -> str:
        with _template_errors(self._templates):
            return template.render(values)

    def _values(self, candidate: Candidate, email: str | None) -> dict[str, Any]:
        values = {name: getattr(candidate, name) for name in Candidate.__slots__}
        return values | {
            "program": self._program,
            "student_name": clean_name(candidate.student_name),
            "email": normalized(email or candidate.email or ""),
            "unsubscribe_link": self._unsubscribe_link(candidate, email),
            "year": datetime.now(UTC).year,
            "today": days.today(),
        }

    def _unsubscribe_link(self, candidate: Candidate, email: str | None) -> str:
        # A test mail's link is for the test address: trying it must not unsubscribe a learner.
        return unsubscribe_link(
            self._program.unsubscribe_base or "",
            email or candidate.email or "",
            self._secret,
            self._program.unsubscribe_hash,
        )


def _refuse_none(value: object) -> object:
    if value is None:
        message = "a value that is empty here is printed"
        raise UndefinedError(message)
    return value


@contextmanager
def _template_errors(templates: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if isinstance(error, TemplateSyntaxError):
            file, line = error.filename, error.lineno
        else:
            frames = traceback.extract_tb(error.__traceback__)
            inside = [frame for frame in frames if Path(frame.filename).is_relative_to(templates)]
            file, line = (inside[-1].filename, inside[-1].lineno) if inside else (None, None)
        # Only Jinja's own words are safe to show: another error's text can quote a learner's data.
        what = error.message if isinstance(error, TemplateError) else type(error).__name__
        where = f"{file}, line {line}" if file else str(templates)
        message = f"{where}: {what}. Correct the template; no mail went out with it."
        raise ReaderError(message) from error
