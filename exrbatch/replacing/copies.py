"""Whole files copied as they are: what stays as it is in a mirrored tree, and backups on other file systems."""

import os

from exrbatch.errors import VerificationFailed
from exrbatch.replacing.disk import read_at
from exrbatch.replacing.original import Original
from exrbatch.replacing.replacement import Replacement
from exrbatch.replacing.temp_files import Identity

_PIECE = 1 << 20


def copy_whole(original: Original, destination: str, *, overwrite: bool = False) -> tuple[Identity, list[str]]:
    """Copy a file as it is: synced, compared, then put in place. Returns which file it is, and notes for the user.

    Raises `SourceChanged`, `ReplaceFailed`, or `UnsupportedFile` if something has the destination's name already.
    """
    with Replacement(original, destination) as temp:
        offset = 0
        while data := read_at(original.fd, _PIECE, offset):
            temp.write(memoryview(data), offset)
            offset += len(data)
        temp.sync()
        if not same_bytes(original.fd, temp.path):
            raise VerificationFailed("the copy of the file holds other bytes")
        return temp.file, [*temp.notes, *temp.commit(overwrite=overwrite)]


def same_bytes(fd: int, other: str) -> bool:
    """Whether an open file and the one at a path, which must be no link, hold the same bytes. Raises `OSError`.

    A source is never opened a second time by its name: somebody may have put a link to another file there.
    """
    other_fd = os.open(other, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
    try:
        offset = 0
        while block := read_at(fd, _PIECE, offset):
            if block != read_at(other_fd, _PIECE, offset):
                return False
            offset += len(block)
        return not read_at(other_fd, 1, offset)
    finally:
        os.close(other_fd)
