"""What a packed file holds that matters most."""

import bz2
import gzip
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import suppress

from mm.edx.far import AnyPath
from mm.edx.kinds import EMAIL_OPT_IN, GRADE_REPORT, OPT_OUTS, OTHER, PACKED, PROFILE_REPORT
from mm.edx.names import PACKED_ENDINGS, kind_by_name
from mm.edx.text import HEAD_BYTES


def kind_of_packed(path: AnyPath) -> str:
    """Tell what a packed file holds that matters most; PACKED where nobody can tell."""
    try:
        kinds = {_kind_in_archive(name, head) for name, head in _unpacked(path)}
    except FileNotFoundError:
        raise
    except (
        KeyError,
        OSError,
        EOFError,
        RuntimeError,
        tarfile.TarError,
        zipfile.BadZipFile,
        zlib.error,
        lzma.LZMAError,
    ):
        return PACKED
    if not kinds:
        # Nobody packs nothing: it was cut off, or is not there yet.
        return PACKED
    order = (EMAIL_OPT_IN, OPT_OUTS, GRADE_REPORT, PROFILE_REPORT, PACKED)
    return next((kind for kind in order if kind in kinds), OTHER)


def _kind_in_archive(name: str, head: bytes) -> str:
    kind = kind_by_head(head) or kind_by_name(name)
    # What is in an archive within it nobody looks at.
    return PACKED if kind == OTHER and name.lower().endswith(PACKED_ENDINGS) else kind


def _unpacked(path: AnyPath) -> Iterator[tuple[str, bytes]]:
    """Go through the files in an archive: their names and first bytes, none where these are encrypted."""
    with path.open("rb") as file:
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                for each in archive.infolist():
                    is_encrypted = each.flag_bits & 1
                    yield each.filename, b"" if is_encrypted else archive.open(each).read(HEAD_BYTES)
            return
        file.seek(0)
        with suppress(tarfile.ReadError), tarfile.open(fileobj=file) as archive:
            for member in archive:
                content = archive.extractfile(member)
                yield member.name, content.read(HEAD_BYTES) if content else b""
            return
        file.seek(0)
        unpack = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}[path.suffix.lower()]
        with unpack(file) as content:
            yield path.stem, content.read(HEAD_BYTES)


def kind_by_head(head: bytes) -> str | None:
    """Return which list a file's first bytes are of; None: of neither."""
    # UTF-16 has zeros between its letters
    text = head.replace(b"\0", b"").lower()
    if b"is_opted_in_for_email" in text:
        return EMAIL_OPT_IN
    return OPT_OUTS if b"unsubscribed_at" in text else None
