"""Proof that a worker sees the same folders as this process.

A folder that is not mounted on a machine is often there all the same, but empty or another one. So
this process puts a small file with a random content into each folder, and a worker that can read
them gets files. In a folder where nothing can be created, an entry that is already there must do.
"""

import contextlib
import os
import secrets
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from exrbatch.paths import absolute, existing_folder
from exrbatch.replacing import disk, parse_temp_name, temp_name

REFRESH_SECONDS = 3600.0
"""Seconds after which the files are touched, so that no run takes them for left over."""


class Token(NamedTuple):
    """The proof of one folder. It has plain values only, so that any release can check it.

    Attributes:
        folder: absolute path of the folder.
        name: name of the entry in it that proves it.
        content: content of that file; None if the entry is not ours.
        size: size of the entry in bytes.
        mtime_ns: time of its last change in nanoseconds since 1970.
    """

    folder: str
    name: str
    content: bytes | None
    size: int
    mtime_ns: int


def is_seen(token: Token) -> bool:
    """Return whether this process sees the folder of a token."""
    path = os.path.join(token.folder, token.name)
    try:
        if token.content is None:
            found = os.lstat(path)
            return (found.st_size, found.st_mtime_ns) == (token.size, token.mtime_ns)
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    except OSError:
        return False
    try:
        return disk.read_at(fd, len(token.content) + 1, 0) == token.content
    except OSError:
        return False
    finally:
        os.close(fd)


def unseen(tokens: Iterable[Token]) -> list[str]:
    """Return the folders that this process does not see."""
    return [token.folder for token in tokens if not is_seen(token)]


class Tokens:
    """The tokens of a run, which are on disk from the call of this class until `remove`.

    Attributes:
        all: one for each folder.
    """

    def __init__(self, folders: Sequence[str], *, may_write: bool) -> None:
        """Make the tokens.

        Args:
            folders: the folders. In place of one that does not exist, the nearest one above it is
                meant.
            may_write: whether files may be created.
        """
        self.all: list[Token] = []
        self._ours: list[tuple[str, os.stat_result]] = []
        self._refreshed = time.monotonic()
        for folder in dict.fromkeys(existing_folder(absolute(each)) for each in folders):
            token = (self._create(folder) if may_write else None) or _entry_of(folder)
            if token is not None:
                self.all.append(token)
        self._by_folder = {token.folder: token for token in self.all}

    def _create(self, folder: str) -> Token | None:
        """Create a file; return None if that is impossible."""
        content = secrets.token_bytes(16)
        with contextlib.suppress(OSError):
            name = temp_name("", os.stat(folder))
            path = os.path.join(folder, name)
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o644)
            try:
                self._ours.append((path, os.fstat(fd)))
                if os.write(fd, content) == len(content):
                    return Token(folder, name, content, len(content), 0)
            finally:
                os.close(fd)
        return None

    def of(self, folders: Iterable[str]) -> list[Token]:
        """Return the tokens of all folders that are at or above some absolute paths."""
        found: dict[str, Token] = {}
        seen: set[str] = set()
        for folder in folders:
            while folder not in seen:
                seen.add(folder)
                if folder in self._by_folder:
                    found[folder] = self._by_folder[folder]
                folder = os.path.dirname(folder)
        return [*found.values()]

    def refresh(self) -> None:
        """Touch the files now and then."""
        if time.monotonic() - self._refreshed > REFRESH_SECONDS:
            self._refreshed = time.monotonic()
            for path in self._own_paths():
                with contextlib.suppress(OSError):
                    os.utime(path, follow_symlinks=False)

    def remove(self) -> None:
        """Remove the files that were created."""
        for path in self._own_paths():
            with contextlib.suppress(OSError):
                disk.DISK.remove(path)
        self._ours.clear()

    def _own_paths(self) -> Iterator[str]:
        """Yield the paths that still name the files that were created."""
        for path, created in self._ours:
            with contextlib.suppress(OSError):
                if os.path.samestat(os.lstat(path), created):
                    yield path


def _changed(entry: "os.DirEntry[str]") -> tuple[int, str]:
    try:
        return entry.stat(follow_symlinks=False).st_mtime_ns, entry.name
    except OSError:
        return sys.maxsize, entry.name


def _entry_of(folder: str) -> Token | None:
    """Return a token for an entry that is in a folder already; None if there is none.

    Of those that are not temp files, that one is taken which has not changed for the longest time.
    """
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        lasting = (entry for entry in entries if parse_temp_name(entry.name) is None)
        for entry in sorted(lasting, key=_changed)[:1]:
            found = entry.stat(follow_symlinks=False)
            return Token(folder, entry.name, None, found.st_size, found.st_mtime_ns)
    return None
