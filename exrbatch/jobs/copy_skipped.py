"""Copy a file to the output that can't or must not be recompressed, for `--copy-skipped`."""

import contextlib
import os
import stat
from typing import TYPE_CHECKING

from exrbatch.errors import ReasonCode, SourceChanged, UnsupportedFile
from exrbatch.exr.reader import open_exr
from exrbatch.jobs.file_report import COPYABLE, FileReport, Status
from exrbatch.jobs.made_from import check_is_no_link
from exrbatch.jobs.preconditions import check_chunks, check_complete, check_space
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
        _check_chunks_at(job.source, status)
        notes = _copy(job, fd, status, destination)
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


def _check_chunks_at(path: str, status: os.stat_result) -> None:
    """Check that a file is whole, as far as it can be read."""
    with contextlib.suppress(UnsupportedFile), open_exr(path) as source:
        if not os.path.samestat(source.stat, status):
            raise SourceChanged("replaced by another file while it was being processed")
        check_chunks(source)


def _copy(job: "RecompressJob", fd: int, status: os.stat_result, destination: str) -> list[str]:
    """Copy an open file unless that has been done already; return notes for the user."""
    check_is_no_link(status, destination)
    if not job.rules.force and _is_copied(fd, destination):
        return []
    make_folder_of(destination, job.place.like or job.source, job.place.root)
    check_space(job, status.st_size)
    try:
        return copy_whole(Original(job.source, fd, status), destination, overwrite=job.rules.force)[1]
    except UnsupportedFile as error:
        if error.code is ReasonCode.OUTPUT_EXISTS and _is_copied(fd, destination):
            return []  # another run has just copied it
        raise


def _is_copied(fd: int, destination: str) -> bool:
    """Return whether a copy of an open file is at the destination; False if nothing is there.

    Raises:
        UnsupportedFile: Something else is there.
    """
    try:
        found = os.lstat(destination)
    except FileNotFoundError:
        return False
    if stat.S_ISREG(found.st_mode) and same_bytes(fd, destination):  # opening a pipe would wait for its writer
        return True
    raise UnsupportedFile(OUTPUT_EXISTS, code=ReasonCode.OUTPUT_EXISTS)
