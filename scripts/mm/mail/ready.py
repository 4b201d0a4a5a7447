"""What renders a program's mails, with the secret that the environment names."""

from collections.abc import Callable

from mm.config import unsubscribe_secret_as_given
from mm.mail.render import Renderer
from mm.people.unsubscribe_links import check_secret, is_nobodys, secret_from_environment
from mm.published import Program, read_program

_NO_SECRET = "not-a-secret-links-made-with-this-do-not-work"  # noqa: S105 - as it says


def renderer_of(program: str, *, needs_secret: bool, warn: Callable[[str], None]) -> Renderer:
    """Return what renders the program's mails; needs_secret: real links are needed.

    warn: is told what who sends should know. ReaderError where the program's facts, a template or the secret
    are not fit to be mailed with.
    """
    facts = read_program(program)
    renderer = Renderer(facts, _secret(facts, needed=needs_secret, warn=warn))
    for note in renderer.notes:
        warn(note)
    if is_nobodys(facts.unsubscribe_base or ""):
        warn(
            f"unsubscribe_base of {program} is {facts.unsubscribe_base}, where no page can be: the "
            "unsubscribe links do not work. Correct it in seeds/programs.csv before you write to learners."
        )
    return renderer


def _secret(facts: Program, *, needed: bool, warn: Callable[[str], None]) -> str:
    if not needed and not unsubscribe_secret_as_given():
        warn("MM_UNSUBSCRIBE_SECRET is not set: the unsubscribe links in these mails do not work.")
        return _NO_SECRET
    secret = secret_from_environment("nothing is sent")
    check_secret(secret, facts.unsubscribe_hash, warn)
    return secret
