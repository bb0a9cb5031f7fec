"""Copy a file to the output that can't or must not be recompressed, for `--copy-skipped`."""

import os
import stat
from typing import TYPE_CHECKING

from exrbatch.errors import ReasonCode, UnsupportedFile
from exrbatch.jobs.file_report import COPYABLE, FileReport, Status
from exrbatch.jobs.preconditions import check_complete, check_room
from exrbatch.replacing import OUTPUT_EXISTS, Original, copy_whole, make_folder_of, same_bytes

if TYPE_CHECKING:
    from exrbatch.jobs.recompress_job import RecompressJob


def copy_skipped(job: "RecompressJob", error: UnsupportedFile) -> FileReport:
    """Copy a skipped file to its output, unless the same file is there already.

    Args:
        job: the job that skips the file; it has a destination.
        error: why it is skipped.

    Returns:
        The report: SKIPPED for that reason, and copied.

    Raises:
        UnsupportedFile: The file is skipped for a reason that forbids a copy, too, or the output
            exists and is something else.
        ExrbatchError: The file can't be copied.
        OSError: The file can't be read.
    """
    destination = job.destination
    assert destination is not None, "only outputs get copies"
    if error.code not in COPYABLE:
        raise error
    fd = os.open(job.source, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise error
        check_complete(job, fd, status)
        notes: list[str] = []
        if os.path.lexists(destination) and not job.rules.force:
            if os.path.islink(destination) or not same_bytes(fd, destination):
                raise UnsupportedFile(OUTPUT_EXISTS, code=ReasonCode.OUTPUT_EXISTS)
        else:
            make_folder_of(destination, job.place.like or job.source, job.place.root)
            check_room(job, status.st_size)
            _, notes = copy_whole(Original(job.source, fd, status), destination, overwrite=job.rules.force)
    finally:
        os.close(fd)
    return FileReport(
        path=job.source,
        status=Status.SKIPPED,
        destination=destination,
        reason=str(error),
        reason_code=error.code,
        copied=True,
        notes=tuple(notes),
        size_before=status.st_size,
        size_after=status.st_size,
    )
