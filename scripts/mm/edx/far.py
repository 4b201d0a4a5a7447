"""Files in a storage that no Python here opens, such as an object store: Spark lists them and reads them."""

import io
import stat
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from types import SimpleNamespace
from typing import BinaryIO, Self, TextIO


@dataclass(frozen=True)
class Storage:
    """What a storage holds. files: size in bytes and time of modification in ns, by URL; read: a content."""

    files: Mapping[str, tuple[int, int]]
    read: Callable[[str], bytes]

    @cached_property
    def folders(self) -> Mapping[str, set[str]]:
        """The names in each folder, by the folder's URL; a folder that holds no file is none."""
        found: dict[str, set[str]] = defaultdict(set)
        for url in self.files:
            folder, _, name = url.rpartition("/")
            while name and name not in found[folder]:
                found[folder].add(name)
                folder, _, name = folder.rpartition("/")
        return dict(found)


@dataclass(frozen=True, order=True)
class FarPath:
    """A file or folder in a storage, with as much of `Path` as is asked of one here."""

    url: str
    storage: Storage = field(compare=False, repr=False)

    def __str__(self) -> str:
        """Return the URL."""
        return self.url

    def __fspath__(self) -> str:
        """Return the URL, to compare and to encode; nobody can open it."""
        return self.url

    def __truediv__(self, name: str) -> Self:
        """Return what has this name in the folder."""
        return type(self)(f"{self.url}/{name}", self.storage)

    @property
    def name(self) -> str:
        """The last part."""
        return self.url.rpartition("/")[2]

    @property
    def suffix(self) -> str:
        """The name from its last dot on."""
        return PurePosixPath(self.name).suffix

    @property
    def stem(self) -> str:
        """The name before its last dot."""
        return PurePosixPath(self.name).stem

    def is_dir(self) -> bool:
        """Tell whether files lie below."""
        return self.url in self.storage.folders

    def is_file(self) -> bool:
        """Tell whether it is a file."""
        return self.url in self.storage.files

    def exists(self) -> bool:
        """Tell whether it is there."""
        return self.is_file() or self.is_dir()

    def is_symlink(self) -> bool:
        """Tell that a storage has no links."""
        return False

    def resolve(self) -> Self:
        """Return itself, as there are no links."""
        return self

    def samefile(self, other: Self) -> bool:
        """Tell whether it is the same one."""
        return self == other

    def iterdir(self) -> Iterator[Self]:
        """Go through what lies in the folder."""
        if not self.is_dir():
            raise FileNotFoundError(self.url)
        for name in self.storage.folders[self.url]:
            yield self / name

    def stat(self) -> SimpleNamespace:
        """Return of `os.stat_result` what is asked for; FileNotFoundError where nothing is there."""
        if not self.exists():
            raise FileNotFoundError(self.url)
        size, modified_ns = self.storage.files.get(self.url, (0, 0))
        mode = stat.S_IFDIR if self.is_dir() else stat.S_IFREG
        return SimpleNamespace(st_mode=mode, st_size=size, st_mtime_ns=modified_ns, st_dev=0, st_ino=self.url)

    lstat = stat

    def open(
        self, mode: str = "r", encoding: str | None = None, newline: str | None = None
    ) -> BinaryIO | TextIO:
        """Open the content, to read."""
        content = io.BytesIO(self.storage.read(self.url))
        return content if mode == "rb" else io.TextIOWrapper(content, encoding=encoding, newline=newline)


AnyPath = Path | FarPath
