"""Fill the page cache with the sources before a trial, or drop them from it."""

import contextlib
import ctypes
import mmap
import os
import sys
from collections.abc import Iterable

from exrbatch.replacing import disk

_PIECE = 1 << 20


def fill(paths: Iterable[str]) -> None:
    """Read files, so that the next read comes from memory."""
    buffer = bytearray(_PIECE)
    for path in paths:
        with open(path, "rb", buffering=0) as file:
            while file.readinto(buffer):
                pass


def empty(paths: Iterable[str]) -> float:
    """Drop files from the page cache, so that the next read comes from disk.

    Returns:
        The fraction of the files that stayed in the cache, 0 to 1. It is 1 if the system has no
        such call or does not report what it caches.
    """
    if sys.platform != "linux":
        return 1.0
    held = total = 0
    for path in paths:
        fd = os.open(path, os.O_RDONLY)
        try:
            disk.DISK.sync(fd)  # pages that are not on disk yet cannot be dropped
            disk.DISK.drop_cache(fd)
            pages = _resident_pages(fd)
        finally:
            os.close(fd)
        held, total = held + sum(pages), total + len(pages)
    return held / total if total else 0.0


def _resident_pages(fd: int) -> list[int]:
    """Return 1 for each page of a file that is in memory, and 0 for each other page.

    If the system does not report it, all pages count as in memory.
    """
    size = os.fstat(fd).st_size
    if not size:
        return []
    count = -(-size // mmap.PAGESIZE)
    states = (ctypes.c_ubyte * count)()
    with contextlib.closing(mmap.mmap(fd, size, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)) as area:
        start = ctypes.c_ubyte.from_buffer(area)
        result = ctypes.CDLL(None).mincore(ctypes.c_void_p(ctypes.addressof(start)), ctypes.c_size_t(size), states)
        del start  # the mapping cannot be closed while an object points into it
    return [1] * count if result else [state & 1 for state in states]
