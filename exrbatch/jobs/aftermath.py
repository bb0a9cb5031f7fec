"""Find out whether a worker that died had already put its new file in place."""

import contextlib
from typing import TYPE_CHECKING

from exrbatch.errors import ExrbatchError
from exrbatch.exr.reader import open_exr
from exrbatch.jobs.file_report import FileReport, Status
from exrbatch.replacing import was_exchanged

if TYPE_CHECKING:
    from exrbatch.jobs.recompress_job import RecompressJob


def find_result(job: "RecompressJob", pid: int, size: int) -> FileReport | None:
    """Return the report of a job whose worker died after it had put the new file in place.

    The proof is the original that the worker left behind: its temp name says which new file it was
    exchanged for. So call this before leftover temp files are removed.

    If the job has an output, a backup or hard links, the frame alone does not show whether all of
    the job is done. Then this returns None, and the job must be run again: it recognizes what is
    already done.

    Args:
        job: the worker's job.
        pid: process ID of the worker.
        size: size of the source in bytes, as the scan saw it.

    Returns:
        The report, or None if the new file is not in place or that can't be proved.
    """
    if job.destination is not None or job.place.backup is not None or job.place.hard_links:
        return None
    with contextlib.suppress(ExrbatchError, OSError):
        if not was_exchanged(job.source, pid):
            return None
        with open_exr(job.source) as file:
            file.parts  # noqa: B018  this reads and checks the offset tables
            return FileReport(
                path=job.source,
                status=Status.RECOMPRESSED,
                size_before=size,
                size_after=file.stat.st_size,
                compressions_after=file.header.compression_names,
            )
    return None
