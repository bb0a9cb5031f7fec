"""Whole files copied as they are: what stays as it is in a mirrored tree, and backups on other file systems."""

from exrbatch.errors import VerificationFailed
from exrbatch.file.folders import make_folder_of
from exrbatch.file.replace import Replacement
from exrbatch.file.swap import Original

_PIECE = 1 << 20


def copy_whole(original: Original, destination: str, *, overwrite: bool = False) -> list[str]:
    """Copy a file as it is: synced, compared, then put in place. Returns notes for the user.

    Raises `SourceChanged`, `ReplaceFailed`, or `UnsupportedFile` if something has the destination's name already.
    """
    make_folder_of(destination, original.path)
    with Replacement(original, destination) as temp:
        offset = 0
        with open(original.path, "rb") as source:
            while data := source.read(_PIECE):
                temp.write(memoryview(data), offset)
                offset += len(data)
        temp.sync()
        if not same_bytes(original.path, temp.path):
            raise VerificationFailed("the copy of the file holds other bytes")
        return [*temp.notes, *temp.commit(overwrite=overwrite)]


def same_bytes(path: str, other: str) -> bool:
    """Whether two files hold the same bytes. Raises `OSError`."""
    with open(path, "rb") as a, open(other, "rb") as b:
        while block := a.read(_PIECE):
            if block != b.read(_PIECE):
                return False
        return not b.read(1)
