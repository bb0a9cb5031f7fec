"""The job of `exrbatch digest`: compute the content digest of a file, or compare it with a list.

The file is not changed.
"""

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from exrbatch.errors import InvalidFile, ReasonCode, SourceChanged
from exrbatch.jobs.file_report import FileReport, Status, failed, size_of
from exrbatch.jobs.job import Job, Place, Rules, Share
from exrbatch.recompression.progress import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestRules(Rules):
    """The rules for digests of the files of a run.

    Attributes:
        expected: the digest that each file must have, by path, in hexadecimal; None to compare
            with nothing. A file that is not in it fails.
        name: name of the list that `expected` comes from, for the dashboard.
    """

    needs_files: ClassVar[bool] = True
    needs_all: ClassVar[bool] = True
    expected: Mapping[str, str] | None = None
    name: str = ""

    @property
    def statuses(self) -> tuple[Status, ...]:
        """How the files of such a run can end."""
        done = (Status.DIGESTED,) if self.expected is None else (Status.EQUAL, Status.DIFFERENT)
        return (*done, Status.SKIPPED, Status.FAILED)

    @property
    def title(self) -> str:
        """What the run does, for the dashboard."""
        return "computing digests" if self.expected is None else f"comparing digests with {self.name}"

    @property
    def listed(self) -> Collection[str] | None:
        """Paths that a list names; see `Rules.listed`."""
        return None if self.expected is None else self.expected.keys()

    def job(self, place: Place, share: Share) -> "DigestJob":
        """Return the job for one file."""
        return DigestJob(
            source=place.source,
            compares=self.expected is not None,
            expected=None if self.expected is None else self.expected.get(place.source),
            memory=share.memory,
            threads=share.threads,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestJob(Job):
    """A job that computes the content digest of one file.

    Attributes:
        source: path of the file.
        compares: whether the digest is compared with that of a list.
        expected: the digest in the list; None if the file is not in it.
        memory: bytes of memory that the job may use; 0 for the minimum that every file may use.
        threads: number of threads that may work on the file.
    """

    source: str
    compares: bool = False
    expected: str | None = None
    memory: int = 0
    threads: int = 1

    def do(self, progress: Progress) -> FileReport:
        """Compute the digest, compare it if that is wanted, and return the report."""
        from exrbatch.exr.reader import open_exr  # imported late: the parent process starts sooner without it
        from exrbatch.recompression.content_digest import content_digest
        from exrbatch.recompression.lanes import Walk
        from exrbatch.recompression.raw_reader import raw_limit

        if self.compares and self.expected is None:
            return failed(self, "not in the list", ReasonCode.MISSING, size_of(self.source))
        with open_exr(self.source, raw_limit(self.memory)) as file:
            found = content_digest(Walk(file, progress, self.threads))
            now, size = os.fstat(file.fd), file.stat.st_size
            if (now.st_size, now.st_mtime_ns) != (size, file.stat.st_mtime_ns):
                raise SourceChanged("written to while it was being read; run again later")
            compressions = file.header.compression_names
        report = FileReport(
            path=self.source,
            status=Status.DIGESTED,
            size_before=size,
            size_after=size,
            compressions_before=compressions,
            content_sha256=found,
        )
        if not self.compares:
            return report
        if found == self.expected:
            return replace(report, status=Status.EQUAL)
        return replace(
            report,
            status=Status.DIFFERENT,
            reason="its content digest is not the one in the list",
            reason_code=ReasonCode.DIFFERS,
        )

    def outcome(self, error: Exception) -> FileReport:
        """Return the report of a job that ended with an error.

        An invalid file that another program has open for writing is SKIPPED, because it may just
        be incomplete.
        """
        from exrbatch.jobs.preconditions import BEING_WRITTEN, is_being_written

        report = Job.outcome(self, error)
        if isinstance(error, InvalidFile) and is_being_written(self.source):
            return replace(report, status=Status.SKIPPED, reason=BEING_WRITTEN, reason_code=ReasonCode.OPEN_FOR_WRITING)
        return report
