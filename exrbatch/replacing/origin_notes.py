"""Notes on outputs: an extended attribute that says which file an output was made from.

A note names both files by inode, size and times, and holds as long as both are as they were. The times include the
ctimes, which no program can set, so a program that writes to an output, or sets an old time again, is noticed.
"""

import contextlib
import os
import time

from exrbatch.replacing import disk
from exrbatch.replacing.metadata import OWN_XATTR
from exrbatch.replacing.temp_files import Identity, identity, is_same_time

NOTE_LAG_NS = 20_000_000
"""By how much an output's ctime may be later than its note says, which is written before the ctime is known."""


def note_origin(path: str, file: Identity, source: os.stat_result, wanted: str) -> None:
    """Note on an output, which has just got its place, what it was made from; without effect where that can't be."""
    with contextlib.suppress(OSError):
        # Where the system has such descriptors: one that is only good for naming the file saves round trips.
        flags = getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        fd = os.open(path, flags)
        try:
            if identity(os.fstat(fd)) == file:
                write_note(f"/proc/self/fd/{fd}" if hasattr(os, "O_PATH") else fd, source, wanted)
        finally:
            os.close(fd)


def write_note(output: int | str, source: os.stat_result, wanted: str) -> None:
    """Write the note on an output, given its descriptor or a path that can't come to mean another file.

    Its ctime is in it, and is changed by it: so it is written until both agree.
    """
    with contextlib.suppress(OSError, AttributeError):
        for _ in range(2):
            status = os.stat(output)
            disk.DISK.set_xattr(output, OWN_XATTR, _note(source, status, wanted, status.st_ctime_ns))
            if 0 <= time.time_ns() - status.st_ctime_ns < NOTE_LAG_NS // 2:
                return  # so they agree, and a look would be a round trip
            if _is_unwritten(os.stat(output).st_ctime_ns, status.st_ctime_ns):
                return


def _note(source: os.stat_result, output: os.stat_result, wanted: str, ctime: int) -> bytes:
    """Write down which file an output was made from, and which file that output is.

    Device numbers are not in it: they may change with every mount.
    """
    of_source = source.st_ino, source.st_size, source.st_mtime_ns, source.st_ctime_ns
    numbers = *of_source, output.st_ino, output.st_size, output.st_mtime_ns
    return f"{' '.join(f'{number:x}' for number in numbers)} {wanted or '-'} {ctime:x}".encode()


def has_note(fd: int, source: os.stat_result, output: os.stat_result, wanted: str) -> bool:
    """Whether there is a note that fits both files, and nothing has been written to the output since."""
    with contextlib.suppress(OSError, AttributeError, ValueError):
        note = os.getxattr(fd, OWN_XATTR)
        ctime = int(note.rpartition(b" ")[2], 16)
        return note == _note(source, output, wanted, ctime) and _is_unwritten(output.st_ctime_ns, ctime)
    return False


def _is_unwritten(now: int, noted: int) -> bool:
    """Whether an output's ctime is still that of its note, which was written a moment later than it says."""
    is_coarse = now % 10_000_000 == 0
    return is_same_time(now, noted) if is_coarse else abs(now - noted) < NOTE_LAG_NS
