"""Find out whether an existing output was made from this source, and is what a run would make now.

Equal times or headers never prove that: frames from one archive can have equal times, and
renumbered frames have the names of other frames. So either the contents are compared, or the proof
is the note that exrbatch wrote on the output when it made it (`replacing/origin_notes.py`).
"""

import contextlib
import enum
import os
import stat
from typing import TYPE_CHECKING, NamedTuple

from exrbatch.errors import ExrbatchError, ReasonCode, UnsupportedFile
from exrbatch.exr.reader import ExrFile, open_exr
from exrbatch.journal.facts import FileFacts
from exrbatch.recompression.choices import Verify
from exrbatch.recompression.comparison import compare
from exrbatch.recompression.lanes import Walk
from exrbatch.recompression.targets import Targets
from exrbatch.replacing import disk, has_note, is_same_time, same_bytes, write_note

if TYPE_CHECKING:
    from exrbatch.jobs.recompress_job import RecompressJob


class Made(enum.Enum):
    """What is at the path of an output.

    Attributes:
        NOTHING: there is no file.
        AS_WANTED: the file that a run would make now.
        COPY: an unchanged copy of the source. That is right only if a recompressed file would not
            be smaller.
        OTHER: something else.
    """

    NOTHING = "nothing"
    AS_WANTED = "as wanted"
    COPY = "a copy"
    OTHER = "other"


class Found(NamedTuple):
    """An output that was there already.

    Attributes:
        made: what it is.
        compressions: name of each part's compression, if it is as wanted.
        facts: its state, if it is as wanted.
    """

    made: Made
    compressions: tuple[str, ...] = ()
    facts: FileFacts | None = None


def check_is_no_link(source: os.stat_result, destination: str) -> None:
    """Check that an output is not the source itself, under any path, or a link to it.

    Raises:
        UnsupportedFile: The destination is the source or a link to it.
    """
    with contextlib.suppress(OSError):
        if os.path.samestat(os.stat(destination), source):
            reason = "the output is the source itself or a link to it; move it away"
            raise UnsupportedFile(reason, code=ReasonCode.OUTPUT_PLACE)


def find_output(source: ExrFile, job: "RecompressJob", targets: Targets) -> Found:
    """Return what is at the destination of a job, where something exists.

    If the contents had to be compared and agree, this writes a note on the output, so that the next
    run need not compare them again. In a dry run, or if the output has several names, it does not.
    """
    assert job.destination is not None, "only outputs are asked about"
    with contextlib.suppress(ExrbatchError, OSError):
        # An output of ours is never a link. A different time rules a file out before it is read.
        found = disk.DISK.look(job.destination)
        if not stat.S_ISREG(found.st_mode) or not is_same_time(found.st_mtime_ns, source.stat.st_mtime_ns):
            return Found(Made.OTHER)
        with open_exr(job.destination, source.raw_limit) as output:
            is_copy = output.header.raw == source.header.raw
            if is_copy and output.stat.st_size != source.stat.st_size:
                return Found(Made.OTHER)
            counts = [table.grid.count for table in output.parts]
            if not is_copy and output.header.raw != source.header.recompressed(targets.compressions, counts):
                return Found(Made.OTHER)
            wanted = wish(job, targets) if is_copy else ""
            compressions = output.header.compression_names
            if has_note(output.fd, source.stat, output.stat, wanted):
                return Found(Made.AS_WANTED, compressions, FileFacts.of(output.stat))
            if not _is_same(source, output, job, is_copy):
                return Found(Made.OTHER)
            needs_no_change = tuple(part.compression for part in source.header.parts) == targets.compressions
            if is_copy and not needs_no_change:
                return Found(Made.COPY)
            if not job.rules.dry_run and output.stat.st_nlink == 1:
                write_note(output.fd, source.stat, wanted)
            now = disk.DISK.look_open(output.fd)  # the note has changed its ctime
            return Found(Made.AS_WANTED, compressions, FileFacts.of(now))
    return Found(Made.OTHER)


def wish(job: "RecompressJob", targets: Targets) -> str:
    """Return the compressions and effort of a job as a text for the note on a copy.

    A copy was made because the new file would not have been smaller, or not by enough. With other
    compressions or another effort, it might be.
    """
    wanted = ",".join(f"{target.name}:{job.rules.effort}" for target in targets.compressions)
    return f"{wanted}:{job.rules.min_savings:g}" if job.rules.min_savings else wanted


def _is_same(source: ExrFile, output: ExrFile, job: "RecompressJob", is_copy: bool) -> bool:
    if is_copy:
        return same_bytes(source.fd, output.path)
    mode = Verify.NATIVE if job.rules.verify is Verify.NONE else job.rules.verify
    return compare(Walk(source), output.path, mode) is None
