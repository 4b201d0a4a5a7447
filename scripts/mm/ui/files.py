"""Files that are dropped: put into a program's folder whole or not at all, and never over another one."""

import filecmp
import os
import re
import shutil
import time
import unicodedata
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from mm.config import check_downloads_here, data_dir
from mm.database import sync
from mm.edx.names import LEFT_BEHIND

_LONGEST_NAME = 255
_DEVICE = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³]) *(?:\..*)?", re.IGNORECASE)
_DRAFT = ".mm-upload-"
_HOUR = 3600


def put(program: str, name: str, content: IO[bytes]) -> tuple[bool, str]:
    """Put a file into the program's folder under its own name.

    Return whether the folder has it now, with this content, and what became of it in a sentence,
    where it has it without a full stop.
    """
    check_downloads_here()
    if wrong := _wrong_name(name):
        return False, f"It was not put there: its name {wrong}."
    folder = data_dir() / program
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob(f"{_DRAFT}*"):
        # Of an upload that was killed.
        if time.time() - left.stat().st_mtime > _HOUR:
            shutil.rmtree(left, ignore_errors=True)
    target = folder / name
    # A build leaves out what begins with a dot.
    with TemporaryDirectory(dir=folder, prefix=_DRAFT) as drafts:
        draft = Path(drafts, "draft")
        with draft.open("wb") as file:
            shutil.copyfileobj(content, file, 1 << 20)
        sync(draft)
        try:
            target.hardlink_to(draft)
        except OSError:
            if os.path.lexists(target):
                return _already_there(target, draft)
            # A file system without links, such as that of a memory stick.
            draft.replace(target)
    sync(folder)
    return True, "It is in the folder"


def _already_there(target: Path, draft: Path) -> tuple[bool, str]:
    with suppress(OSError):
        if target.is_file() and filecmp.cmp(target, draft, shallow=False):
            return True, "It was there already, with the same content"
    return False, (
        "It was not put there: another file of this name is there, with other content. Download it again "
        f"from edX, which gives it a new name, or take {target} away first."
    )


def _wrong_name(name: str) -> str | None:
    """Say what is wrong with the name of a file; None: nothing is."""
    is_control = any(unicodedata.category(letter) in {"Cc", "Cs", "Zl", "Zp"} for letter in name)
    wrong = {
        "is a path; give it a plain name": "/" in name or "\\" in name,
        "has a control character in it; rename it": is_control,
        f"is longer than {_LONGEST_NAME} bytes; give it a shorter one": len(name.encode()) > _LONGEST_NAME,
        "is that of a device on Windows; rename it": _DEVICE.fullmatch(name),
        "is one that systems leave behind, and no build reads it; rename it": LEFT_BEHIND.fullmatch(name),
        "begins or ends with a blank, or ends with a dot; rename it": name != name.strip().rstrip("."),
    }
    return next((what for what, is_so in wrong.items() if is_so), None)
