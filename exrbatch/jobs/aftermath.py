"""After a worker has died: had it put its new file in place?"""

import contextlib
from typing import TYPE_CHECKING

from exrbatch.errors import ExrbatchError
from exrbatch.exr.reader import open_exr
from exrbatch.jobs.file_report import FileReport, Status
from exrbatch.replacing import was_exchanged

if TYPE_CHECKING:
    from exrbatch.jobs.recompress_job import RecompressJob


def find_result(job: "RecompressJob", pid: int, size: int) -> FileReport | None:
    """Look for the new file of a job whose worker has died; None if it is not in place, or that can't be proved.

    The proof is what the worker left: the original under a name that tells which new file it was exchanged for. So this
    comes before any sweep. Where more than the frame is to be looked after (outputs, backups, other names), the job is
    done again instead: it finds out.

    Args:
        job: what the worker was to do.
        pid: process number of the worker.
        size: bytes of the source, as the scan saw it.
    """
    if job.destination is not None or job.place.backup is not None or job.place.hard_links:
        return None
    with contextlib.suppress(ExrbatchError, OSError):
        if not was_exchanged(job.source, pid):
            return None
        with open_exr(job.source) as file:
            file.parts  # noqa: B018  reads and checks the chunk tables
            return FileReport(
                path=job.source,
                status=Status.RECOMPRESSED,
                size_before=size,
                size_after=file.stat.st_size,
                compressions_after=tuple(part.compression.name for part in file.header.parts),
            )
    return None
