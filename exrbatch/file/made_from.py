"""Is the file at an output's place the one that this source would give? Equal times or headers never prove it.

Frames that come out of an archive have equal times, and renumbered frames have the names of others. So either the
contents are compared, or a note is trusted that exrbatch wrote on the output when it made it, as an extended attribute
(`metadata.OWN_XATTR`). The note names both files by inode, size and times; it holds as long as both are as they were.
The source's ctime is among them, which no program can set.
"""

import contextlib
import os
import stat

from exrbatch.errors import ExrbatchError, UnsupportedFile
from exrbatch.exr.reader import ExrFile, open_exr
from exrbatch.file import disk
from exrbatch.file.copies import same_bytes
from exrbatch.file.metadata import OWN_XATTR, origin_note
from exrbatch.file.plan import FilePlan, Verify
from exrbatch.file.targets import Targets
from exrbatch.file.temps import is_same_time
from exrbatch.file.verify import compare


def check_is_no_link(source: ExrFile, destination: str) -> None:
    """Raise `UnsupportedFile` if the destination is the source itself, by whatever path, or a link to it."""
    with contextlib.suppress(OSError):
        if os.path.samestat(os.stat(destination), source.stat):
            raise UnsupportedFile("the output is the source itself or a link to it; move it away")


def is_made_from(source: ExrFile, plan: FilePlan, targets: Targets) -> bool:
    """Whether the destination holds what a run would put there: the source recompressed as `targets` say, or a copy."""
    assert plan.destination is not None, "only outputs are asked about"
    with contextlib.suppress(ExrbatchError, OSError):
        # A link is no output of ours, and times and sizes that differ rule a file out before anything is read.
        found = disk.DISK.look(plan.destination)
        if not stat.S_ISREG(found.st_mode) or not is_same_time(found.st_mtime_ns, source.stat.st_mtime_ns):
            return False
        with open_exr(plan.destination, source.raw_limit) as output:
            is_copy = output.header.raw == source.header.raw
            if is_copy and output.stat.st_size != source.stat.st_size:
                return False
            counts = [table.grid.count for table in output.parts]
            if not is_copy and output.header.raw != source.header.recompressed(targets.compressions, counts):
                return False
            note = origin_note(source.stat, output.stat)
            if _note_of(output.fd) == note:
                return True
            if not _is_same(source, plan, is_copy):
                return False
            if not plan.dry_run:
                with contextlib.suppress(OSError, AttributeError):  # the next run compares again
                    disk.DISK.set_xattr(output.fd, OWN_XATTR, note)
            return True
    return False


def _is_same(source: ExrFile, plan: FilePlan, is_copy: bool) -> bool:
    assert plan.destination is not None, "only outputs are asked about"
    if is_copy:
        return same_bytes(source.path, plan.destination)
    mode = Verify.NATIVE if plan.verify is Verify.NONE else plan.verify
    return compare(source, plan.destination, mode, lambda _done: None) is None


def _note_of(fd: int) -> bytes | None:
    with contextlib.suppress(OSError, AttributeError):
        return os.getxattr(fd, OWN_XATTR)
    return None
