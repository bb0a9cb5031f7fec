"""Find out whether another run has finished a file while this run was working on it."""

import contextlib
import os
from typing import TYPE_CHECKING

from exrbatch.errors import ExrbatchError, ReasonCode, SourceChanged, UnsupportedFile
from exrbatch.exr.reader import ExrFile, open_exr
from exrbatch.jobs.made_from import Made, find_output
from exrbatch.recompression.choices import Verify
from exrbatch.recompression.comparison import compare
from exrbatch.recompression.lanes import Walk
from exrbatch.recompression.targets import Targets, choose_targets

if TYPE_CHECKING:
    from exrbatch.jobs.recompress_job import RecompressJob


def compressions_if_done(
    source: ExrFile, job: "RecompressJob", targets: Targets, error: SourceChanged | UnsupportedFile
) -> tuple[str, ...] | None:
    """Return the compressions of the new file if another run has just finished this job.

    In place, the new file must have the compressions that were asked for, and the same picture as
    the source that was read: a renderer can put another frame there, too. An output must have been
    made from the source (see `made_from`).
    """
    if job.destination is not None:
        if error.code is not ReasonCode.OUTPUT_EXISTS or job.rules.force:
            return None
        found = find_output(source, job, targets)
        return found.compressions if found.made is Made.AS_WANTED else None
    if not isinstance(error, SourceChanged) or job.rules.compression is None or job.rules.force:
        return None
    with contextlib.suppress(ExrbatchError, OSError), open_exr(job.source) as now:
        is_new = not os.path.samestat(now.stat, source.stat)
        wanted = choose_targets(now.header, job.rules.compression).compressions
        is_wanted = tuple(part.compression for part in now.header.parts) == wanted
        if is_new and is_wanted and _is_same_picture_now(source, job):
            return tuple(compression.name for compression in wanted)
    return None


def _is_same_picture_now(source: ExrFile, job: "RecompressJob") -> bool:
    """Return whether the name of the source now refers to a complete file with the same picture."""
    mode = Verify.NATIVE if job.rules.verify is Verify.NONE else job.rules.verify
    return compare(Walk(source), job.source, mode) is None
