"""Is the file at an output's place the one that this source would give? Equal times or headers never prove it.

Frames that come out of an archive have equal times, and renumbered frames have the names of others. So either the
contents are compared, or the note is trusted that exrbatch wrote on the output when it made it
(`replacing/origin_notes.py`).
"""

import contextlib
import enum
import os
import stat
from typing import TYPE_CHECKING

from exrbatch.errors import ExrbatchError, UnsupportedFile
from exrbatch.exr.reader import ExrFile, open_exr
from exrbatch.recompression.choices import Verify
from exrbatch.recompression.comparison import compare
from exrbatch.recompression.lanes import Walk
from exrbatch.recompression.targets import Targets
from exrbatch.replacing import disk, has_note, is_same_time, same_bytes, write_note

if TYPE_CHECKING:
    from exrbatch.jobs.recompress_job import RecompressJob


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
            if has_note(output.fd, source.stat, output.stat, wanted):
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


def _is_same(source: ExrFile, output: ExrFile, job: "RecompressJob", is_copy: bool) -> bool:
    if is_copy:
        return same_bytes(source.fd, output.path)
    mode = Verify.NATIVE if job.rules.verify is Verify.NONE else job.rules.verify
    return compare(Walk(source), output.path, mode) is None
