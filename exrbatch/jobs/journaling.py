"""What a job adds to the journal of its run, and the facts that its report has for that journal.

Before a file is replaced in place, a record of both files is on disk. If the run is killed at any
moment after that, the journal still tells what was replaced by what.
"""

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING

from exrbatch.exr.reader import ExrFile
from exrbatch.jobs.file_report import FileReport
from exrbatch.journal.facts import FileFacts, digest_of
from exrbatch.journal.records import Record, append, path_fields
from exrbatch.paths import absolute
from exrbatch.replacing import Identity, Replacement, disk, identity
from exrbatch.text import timestamp

if TYPE_CHECKING:
    from exrbatch.jobs.recompress_job import RecompressJob


record_keeper: ContextVar[Callable[[str, Record], None] | None] = ContextVar("record_keeper", default=None)
"""Keeps a record for the journal at a path; if it is None, the record is appended to that file."""


class StepTimes:
    """Wall time of the steps of a job.

    Attributes:
        seconds: seconds by name of the step.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Measure a step."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began


def note_replacement(
    source: ExrFile, temp: Replacement, job: "RecompressJob", report: FileReport
) -> tuple[FileFacts, FileFacts, list[str]]:
    """Record what is going to be replaced by what, before it is.

    Without a journal, nothing is recorded, and no digest is computed.

    Args:
        source: the old file.
        temp: the new file, synced and verified.
        job: the job.
        report: the report as it will be, for its compressions.

    Returns:
        the facts of the old file, those of the new one at its temp name, and notes for the user.

    Raises:
        OSError: a file can't be read.
    """
    new = os.fstat(temp.fd)
    if job.rules.journal is None:
        return FileFacts.of(source.stat), FileFacts.of(new), []
    before = FileFacts.of(source.stat, digest_of(source.fd))
    after = FileFacts.of(new, digest_of(temp.fd))
    if job.destination is not None:
        return before, after, []  # the original stays
    record = {
        "type": "replacing",
        **path_fields("path", absolute(job.source)),
        "compressions_before": list(report.compressions_before),
        "compressions_after": list(report.compressions_after),
        "lossy_channels": list(report.lossy_channels),
        "before": before.to_json(),
        "after": after.to_json(),
        "at": timestamp(time.time()),
    }
    try:
        keep = record_keeper.get()
        if keep is None:
            append(job.rules.journal, record)
        else:
            keep(job.rules.journal, record)
    except OSError as error:
        return before, after, [f"the journal could not be written: {error.strerror}"]
    return before, after, []


def facts_in_place(path: str, new: Identity, written: FileFacts) -> FileFacts | None:
    """Return the facts of a file that we have put in place.

    Its ctime is only known now.

    Args:
        path: where it is.
        new: its identity.
        written: its facts before it was put in place.

    Returns:
        The facts; None if another program has replaced it or written to it since.
    """
    with contextlib.suppress(OSError):
        found = disk.DISK.look(path)
        is_ours = identity(found) == new
        if is_ours and (found.st_size, found.st_mtime_ns) == (written.size, written.mtime_ns):
            return FileFacts.of(found, written.xxh3_128)
    return None
