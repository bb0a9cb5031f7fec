"""After a worker has died: had it put its new file in place?"""

import contextlib

from exrbatch.errors import ExrbatchError
from exrbatch.exr.reader import open_exr
from exrbatch.jobs.file_report import FileReport, Status
from exrbatch.jobs.plan import FilePlan, Task
from exrbatch.replacing.temp_files import was_exchanged


def find_result(plan: FilePlan, pid: int, size: int) -> FileReport | None:
    """Look for the new file of a job whose worker has died; None if it is not in place, or that can't be proved.

    The proof is what the worker left: the original under a name that tells which new file it was exchanged for. So this
    comes before any sweep. Where more than the frame is to be looked after (outputs, backups, other names), the job is
    done again instead: it finds out.

    Args:
        plan: what the worker was to do.
        pid: process number of the worker.
        size: bytes of the source, as the scan saw it.
    """
    if plan.task is not Task.RECOMPRESS or plan.destination is not None or plan.backup is not None or plan.twins:
        return None
    with contextlib.suppress(ExrbatchError, OSError):
        if not was_exchanged(plan.source, pid):
            return None
        with open_exr(plan.source) as file:
            file.parts  # noqa: B018  reads and checks the chunk tables
            return FileReport(
                path=plan.source,
                status=Status.RECOMPRESSED,
                size_before=size,
                size_after=file.stat.st_size,
                compressions_after=tuple(part.compression.name for part in file.header.parts),
            )
    return None
