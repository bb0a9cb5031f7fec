"""The job of `exrbatch verify`: compare one file with another. Neither file is changed."""

import os
from dataclasses import dataclass, replace
from typing import ClassVar

from exrbatch.errors import ReasonCode
from exrbatch.jobs.file_report import FileReport, Status, failed, size_of
from exrbatch.jobs.job import Job, Place, Rules, Share
from exrbatch.recompression.choices import Verify
from exrbatch.recompression.progress import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareRules(Rules):
    """The rules for comparing the files of a run.

    Attributes:
        verify: decoder for the other file; the first file is always read by our own code.
        other: what the files are compared with, as shown on the dashboard.
    """

    must_do_all: ClassVar[bool] = True
    needs_files: ClassVar[bool] = True
    verify: Verify = Verify.LIBRARY
    other: str = ""

    @property
    def statuses(self) -> tuple[Status, ...]:
        """How the files of such a run can end."""
        return (Status.EQUAL, Status.DIFFERENT, Status.FAILED)

    @property
    def title(self) -> str:
        """What the run does, for the dashboard."""
        return f"comparing with {self.other}"

    def job(self, place: Place, share: Share) -> "CompareJob":
        """Return the job for one file."""
        assert place.other is not None, "a comparison needs two files"
        return CompareJob(source=place.source, other=place.other, verify=self.verify, memory=share.memory)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareJob(Job):
    """A job that compares two files.

    Attributes:
        source: path of the first file.
        other: path of the second file.
        verify: decoder for the second file.
        memory: bytes of memory that the job may use; 0 for the minimum that every file may use.
    """

    source: str
    other: str
    verify: Verify = Verify.LIBRARY
    memory: int = 0

    @property
    def destination(self) -> str | None:
        """Path of the other file, for the report."""
        return self.other

    def do(self, progress: Progress) -> FileReport:
        """Compare the two files, and return the report."""
        from exrbatch.exr.reader import open_exr  # imported late: the parent process starts sooner without it
        from exrbatch.recompression.comparison import compare
        from exrbatch.recompression.lanes import Walk
        from exrbatch.recompression.raw_reader import raw_limit

        if not os.path.lexists(self.other):
            return failed(self, "the other file is missing", ReasonCode.MISSING, size_of(self.source))
        if os.path.islink(self.other):
            return failed(self, "the other file is a symbolic link", ReasonCode.LINK, size_of(self.source))
        with open_exr(self.source, raw_limit(self.memory)) as source:
            source.parts  # noqa: B018  this reads and checks the offset tables
            size = source.stat.st_size
            difference = compare(Walk(source, progress), self.other, self.verify)
        report = FileReport(
            path=self.source, status=Status.EQUAL, destination=self.other, size_before=size, size_after=size
        )
        if difference is None:
            return report
        return replace(report, status=Status.DIFFERENT, reason=difference, reason_code=ReasonCode.DIFFERS)

    def outcome(self, error: Exception) -> FileReport:
        """Return the report of a job that ended with an error.

        The status is FAILED in any case: a file that was not compared is not known to be equal.
        """
        report = Job.outcome(self, error)
        return replace(report, status=Status.FAILED) if report.status is Status.SKIPPED else report
