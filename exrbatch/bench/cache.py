"""The page cache before a trial: filled with the sources, or emptied of them, and looked at."""

import contextlib
import ctypes
import mmap
import os
import sys
from collections.abc import Iterable

from exrbatch.replacing import disk

_PIECE = 1 << 20


def fill(paths: Iterable[str]) -> None:
    """Read files, so that they come from memory next time."""
    buffer = bytearray(_PIECE)
    for path in paths:
        with open(path, "rb", buffering=0) as file:
            while file.readinto(buffer):
                pass


def empty(paths: Iterable[str]) -> float:
    """Ask the system to forget what it holds of files; return the part that it holds all the same, 0 to 1.

    1 where the system can't be asked, or does not say.
    """
    if sys.platform != "linux":
        return 1.0
    held = total = 0
    for path in paths:
        fd = os.open(path, os.O_RDONLY)
        try:
            disk.DISK.sync(fd)  # what is not on the disk yet can't be forgotten
            disk.DISK.drop_cache(fd)
            pages = _resident_pages(fd)
        finally:
            os.close(fd)
        held, total = held + sum(pages), total + len(pages)
    return held / total if total else 0.0


def _resident_pages(fd: int) -> list[int]:
    """Tell for each page of a file whether it is in memory; all of them if the system does not say."""
    size = os.fstat(fd).st_size
    if not size:
        return []
    count = -(-size // mmap.PAGESIZE)
    states = (ctypes.c_ubyte * count)()
    with contextlib.closing(mmap.mmap(fd, size, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)) as area:
        start = ctypes.c_ubyte.from_buffer(area)
        result = ctypes.CDLL(None).mincore(ctypes.c_void_p(ctypes.addressof(start)), ctypes.c_size_t(size), states)
        del start  # the area can't be closed while something points into it
    return [1] * count if result else [state & 1 for state in states]
