"""Is the file at an output's place the one that this source would give? Equal times or headers never prove it.

Frames that come out of an archive have equal times, and renumbered frames have the names of others. So either the
contents are compared, or a note is trusted that exrbatch wrote on the output when it made it, as an extended attribute
(`metadata.OWN_XATTR`). The note names both files by inode, size and times; it holds as long as both are as they were.
Their ctimes are among them, which no program can set: whoever writes over an output, or puts an old time back, is seen.
"""

import contextlib
import enum
import os
import stat
import time
from typing import TYPE_CHECKING

from exrbatch.errors import ExrbatchError, UnsupportedFile
from exrbatch.exr.reader import ExrFile, open_exr
from exrbatch.recompression.choices import Verify
from exrbatch.recompression.comparison import compare
from exrbatch.recompression.lanes import Walk
from exrbatch.recompression.targets import Targets
from exrbatch.replacing import disk
from exrbatch.replacing.copies import same_bytes
from exrbatch.replacing.metadata import OWN_XATTR
from exrbatch.replacing.temp_files import Identity, identity, is_same_time

if TYPE_CHECKING:
    from exrbatch.jobs.recompress_job import RecompressJob

NOTE_LAG_NS = 20_000_000
"""By how much an output's ctime may be later than its note says, which is written before the ctime is known."""


class Made(enum.Enum):
    """What an output is.

    NOTHING: there is none.
    COPY: the source as it is; whether that is right depends on whether a recompressed file would be smaller.
    """

    NOTHING = "nothing"
    AS_WANTED = "as wanted"
    COPY = "a copy"
    OTHER = "other"


def check_is_no_link(source: ExrFile, destination: str) -> None:
    """Raise `UnsupportedFile` if the destination is the source itself, by whatever path, or a link to it."""
    with contextlib.suppress(OSError):
        if os.path.samestat(os.stat(destination), source.stat):
            raise UnsupportedFile("the output is the source itself or a link to it; move it away")


def is_made_from(source: ExrFile, job: "RecompressJob", targets: Targets) -> Made:
    """Tell what the destination is: what a run would put there, a copy of the source, or something else."""
    assert job.destination is not None, "only outputs are asked about"
    with contextlib.suppress(ExrbatchError, OSError):
        # A link is no output of ours, and times and sizes that differ rule a file out before anything is read.
        found = disk.DISK.look(job.destination)
        if not stat.S_ISREG(found.st_mode) or not is_same_time(found.st_mtime_ns, source.stat.st_mtime_ns):
            return Made.OTHER
        with open_exr(job.destination, source.raw_limit) as output:
            is_copy = output.header.raw == source.header.raw
            if is_copy and output.stat.st_size != source.stat.st_size:
                return Made.OTHER
            counts = [table.grid.count for table in output.parts]
            if not is_copy and output.header.raw != source.header.recompressed(targets.compressions, counts):
                return Made.OTHER
            wanted = wish(job, targets) if is_copy else ""
            if _holds_note(output.fd, source.stat, output.stat, wanted):
                return Made.AS_WANTED
            if not _is_same(source, output, job, is_copy):
                return Made.OTHER
            needs_no_change = tuple(part.compression for part in source.header.parts) == targets.compressions
            if is_copy and not needs_no_change:
                return Made.COPY
            if not job.rules.dry_run and output.stat.st_nlink == 1:
                write_note(output.fd, source.stat, wanted)
            return Made.AS_WANTED
    return Made.OTHER


def wish(job: "RecompressJob", targets: Targets) -> str:
    """Say for a copy what was asked for when it was made: with another wish the file might have become smaller."""
    return ",".join(f"{target.name}:{job.rules.effort}" for target in targets.compressions)


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


def _holds_note(fd: int, source: os.stat_result, output: os.stat_result, wanted: str) -> bool:
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


def _is_same(source: ExrFile, output: ExrFile, job: "RecompressJob", is_copy: bool) -> bool:
    if is_copy:
        return same_bytes(source.fd, output.path)
    mode = Verify.NATIVE if job.rules.verify is Verify.NONE else job.rules.verify
    return compare(Walk(source), output.path, mode) is None
