"""The mails as files to look at: what `mm render` writes."""

import re
from collections.abc import Sequence
from pathlib import Path

from mm.config import ReaderError
from mm.mail.render import Renderer
from mm.pages import environment
from mm.published import Candidate

# The index is the list of what was written beside it.
_OURS = "<title>Mails of "
_LISTED = re.compile(r'href="([0-9]+\.(?:html|txt|eml))"')


def write_mails(program: str, mails: Sequence[Candidate], renderer: Renderer, out: Path) -> Path:
    """Write each mail as .eml, .html and .txt and an index.html of them, which is returned.

    What the index there lists, of the time before, is removed. ReaderError where that is another's; OSError
    where it cannot be written.
    """
    index = out / "index.html"
    out.mkdir(parents=True, exist_ok=True)
    for name in _listed(index):
        (out / name).unlink(missing_ok=True)
    # First, so that what a render that ends early leaves is on the list, too.
    page = environment().get_template("index.html.j2").render(program=program, mails=mails)
    index.write_text(page, encoding="utf-8")
    for candidate in mails:
        message = renderer.message(candidate)
        name = str(candidate.student_id)
        (out / f"{name}.eml").write_bytes(message.as_bytes())
        for kind, suffix in (("html", "html"), ("plain", "txt")):
            body = message.get_body((kind,))
            if body is not None:
                (out / f"{name}.{suffix}").write_text(body.get_content(), encoding="utf-8")
    return index


def _listed(index: Path) -> list[str]:
    if not index.exists():
        return []
    page = index.read_text("utf-8", errors="replace")
    if _OURS not in page:
        message = f"{index} is no list of mails that `mm render` wrote: name another folder with --out."
        raise ReaderError(message)
    return _LISTED.findall(page)
