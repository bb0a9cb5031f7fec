"""After a worker has died: had it put its new file in place?"""

import contextlib
import os
import stat

from exrbatch.errors import ExrbatchError
from exrbatch.exr.reader import ExrFile, open_exr
from exrbatch.file.metadata import OWN_XATTR, origin_note
from exrbatch.file.plan import FilePlan, Task
from exrbatch.file.report import FileReport, Status
from exrbatch.file.targets import choose_targets


def find_result(plan: FilePlan, inode: int, size: int, begun: float) -> FileReport | None:
    """Look for the new file of a job whose worker has died; None if it is not in place, or that can't be told.

    Args:
        plan: what the worker was to do.
        inode: inode number of the source, as the scan saw it.
        size: bytes of the source, as the scan saw it.
        begun: when the worker was given the file, in seconds since the epoch. A new file has the source's mtime: one
            that is younger was rendered by somebody else.
    """
    if plan.task is not Task.RECOMPRESS or plan.dry_run or not inode:
        return None
    path = plan.destination or plan.source
    with contextlib.suppress(ExrbatchError, OSError):
        found = os.lstat(path)
        if not stat.S_ISREG(found.st_mode) or found.st_mtime >= begun:
            return None
        if plan.destination is None and found.st_ino == inode:
            return None
        with open_exr(path) as file:
            file.parts  # noqa: B018  reads and checks the chunk tables
            if not _is_wanted(file, plan):
                return None
            return FileReport(
                path=plan.source,
                status=Status.RECOMPRESSED if file.stat.st_size != size else Status.ALREADY,
                destination=plan.destination,
                size_before=size,
                size_after=file.stat.st_size,
                compressions_after=tuple(part.compression.name for part in file.header.parts),
            )
    return None


def _is_wanted(file: ExrFile, plan: FilePlan) -> bool:
    """Whether a file has what was asked for; of an automatic choice that is not known."""
    if plan.destination is not None:
        note = origin_note(os.stat(plan.source), file.stat)
        return hasattr(os, "getxattr") and os.getxattr(file.fd, OWN_XATTR) == note
    if plan.compression is None:
        return True
    targets = choose_targets(file.header, plan.compression).compressions
    return targets == tuple(part.compression for part in file.header.parts)
