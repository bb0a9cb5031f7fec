"""Notes on outputs: an extended attribute that names the file that an output was made from.

A note identifies both files by inode, size and times. It is valid as long as both files are
unchanged. The times include the ctimes, which no program can set. So a change to an output is
noticed even if its old modification time is restored.
"""

import contextlib
import os
import time

from exrbatch.replacing import disk
from exrbatch.replacing.metadata import OWN_XATTR
from exrbatch.replacing.temp_files import Identity, identity, is_same_time

NOTE_LAG_NS = 20_000_000
"""Nanoseconds by which the ctime of an output may be later than its note says.

The note must be written before its ctime is known, because writing it sets the ctime.
"""


def note_origin(path: str, file: Identity, source: os.stat_result, wanted: str) -> None:
    """Write the note on an output that has just been put in place.

    This does nothing if the file system has no extended attributes, or if another file is at the
    path by now.

    Args:
        path: path of the output.
        file: identity of the output.
        source: status of the file that it was made from.
        wanted: what the caller asked for, in its own words; may be empty.
    """
    with contextlib.suppress(OSError):
        # O_PATH, where available: the descriptor only identifies the file, which saves round trips.
        flags = getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        fd = os.open(path, flags)
        try:
            if identity(os.fstat(fd)) == file:
                write_note(f"/proc/self/fd/{fd}" if hasattr(os, "O_PATH") else fd, source, wanted)
        finally:
            os.close(fd)


def write_note(output: int | str, source: os.stat_result, wanted: str) -> None:
    """Write the note on an output. Do nothing if the file system has no extended attributes.

    The note contains the ctime of the output, and writing the note changes that ctime. So if the
    two differ too much, the note is written once more.

    Args:
        output: a descriptor, or a path that always refers to the same file.
        source: status of the file that it was made from.
        wanted: as for `note_origin`.
    """
    with contextlib.suppress(OSError, AttributeError):
        for _ in range(2):
            status = os.stat(output)
            disk.DISK.set_xattr(output, OWN_XATTR, _note(source, status, wanted, status.st_ctime_ns))
            if 0 <= time.time_ns() - status.st_ctime_ns < NOTE_LAG_NS // 2:
                return  # the ctime was recent, so both agree; a stat to confirm it would be a round trip
            if _is_unwritten(os.stat(output).st_ctime_ns, status.st_ctime_ns):
                return


def _note(source: os.stat_result, output: os.stat_result, wanted: str, ctime: int) -> bytes:
    """Return the text of a note: it identifies the source and the output.

    Device numbers are left out, because they may change with every mount.
    """
    of_source = source.st_ino, source.st_size, source.st_mtime_ns, source.st_ctime_ns
    numbers = *of_source, output.st_ino, output.st_size, output.st_mtime_ns
    return f"{' '.join(f'{number:x}' for number in numbers)} {wanted or '-'} {ctime:x}".encode()


def has_note(fd: int, source: os.stat_result, output: os.stat_result, wanted: str) -> bool:
    """Return whether an output has a note that matches both files, and is unchanged since then.

    Args:
        fd: descriptor of the output.
        source: status of the file that it may have been made from.
        output: status of the output.
        wanted: what the caller asks for; it must be the same as in the note.
    """
    with contextlib.suppress(OSError, AttributeError, ValueError):
        note = os.getxattr(fd, OWN_XATTR)
        ctime = int(note.rpartition(b" ")[2], 16)
        return note == _note(source, output, wanted, ctime) and _is_unwritten(output.st_ctime_ns, ctime)
    return False


def _is_unwritten(now: int, noted: int) -> bool:
    """Return whether the ctime of an output, `now`, is still the one that was set with its note.

    That ctime is a moment later than the ctime in the note, `noted`.
    """
    is_coarse = now % 10_000_000 == 0
    return is_same_time(now, noted) if is_coarse else abs(now - noted) < NOTE_LAG_NS
