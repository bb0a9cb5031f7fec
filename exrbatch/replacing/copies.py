"""Copy whole files unchanged, for a mirrored tree or for backups on other file systems."""

import os

from exrbatch.errors import VerificationFailed
from exrbatch.replacing.disk import read_at
from exrbatch.replacing.original import Original
from exrbatch.replacing.replacement import Replacement
from exrbatch.replacing.temp_files import Identity

_PIECE = 1 << 20


def copy_whole(original: Original, destination: str, *, overwrite: bool = False) -> tuple[Identity, list[str]]:
    """Copy a file unchanged: sync the copy, compare it with the original, then put it in place.

    Args:
        original: the open file.
        destination: the path of the copy.
        overwrite: replace a file that exists at the destination.

    Returns:
        The identity of the copy, and notes for the user.

    Raises:
        SourceChanged: if the original changed while it was copied.
        ReplaceFailed: if the copy could not be written or put in place.
        VerificationFailed: if the copy differs from the original.
        UnsupportedFile: if the destination exists and may not be overwritten.
    """
    with Replacement(original, destination) as temp:
        offset = 0
        while data := read_at(original.fd, _PIECE, offset):
            temp.write(memoryview(data), offset)
            offset += len(data)
        temp.sync()
        if not same_bytes(original.fd, temp.path):
            original.check_in_place()  # if the original changed while it was copied, report that instead
            raise VerificationFailed("the copy differs from the original file")
        return temp.file, [*temp.notes, *temp.commit(overwrite=overwrite)]


def same_bytes(fd: int, other: str) -> bool:
    """Return whether an open file and the file at a path hold the same bytes.

    A source is never opened again by its name, because another program may have put a link to
    another file there.

    Args:
        fd: descriptor of the first file.
        other: path of the second file, which must not be a link.

    Raises:
        OSError: if either can't be read.
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
