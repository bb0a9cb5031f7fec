"""The kind of job behind `exrbatch verify`: a file compared with another one. Neither is changed."""

import os
from dataclasses import dataclass, replace
from typing import ClassVar

from exrbatch.jobs.file_report import FileReport, Status, failed, size_of
from exrbatch.jobs.job import Job, Place, Rules, Share
from exrbatch.recompression.choices import Verify
from exrbatch.recompression.progress import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareRules(Rules):
    """How every file of a run is compared.

    Attributes:
        verify: which decoder reads the other file; the first is always read by our own code.
        other: what the files are compared with, for the dashboard.
    """

    must_do_all: ClassVar[bool] = True
    verify: Verify = Verify.LIBRARY
    other: str = ""

    @property
    def title(self) -> str:
        """Say what is being done."""
        return f"comparing with {self.other}"

    def job(self, place: Place, share: Share) -> "CompareJob":
        """Make the job of one file."""
        assert place.other is not None, "a comparison needs two files"
        return CompareJob(source=place.source, other=place.other, verify=self.verify, memory=share.memory)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareJob(Job):
    """Two files to be compared.

    Attributes:
        source: path of the first.
        other: path of the second.
        verify: which decoder reads the second.
        memory: bytes of memory that may be taken.
    """

    source: str
    other: str
    verify: Verify = Verify.LIBRARY
    memory: int = 0

    @property
    def destination(self) -> str | None:
        """Path of the other file, which the report names."""
        return self.other

    def do(self, progress: Progress) -> FileReport:
        """Compare them."""
        from exrbatch.exr.reader import open_exr  # heavy: the parent, which makes jobs, starts sooner
        from exrbatch.recompression.comparison import compare
        from exrbatch.recompression.lanes import Walk
        from exrbatch.recompression.raw_reader import raw_limit

        if not os.path.lexists(self.other):
            return failed(self, "the other file is missing", size_of(self.source))
        if os.path.islink(self.other):
            return failed(self, "the other file is a symbolic link", size_of(self.source))
        with open_exr(self.source, raw_limit(self.memory)) as source:
            source.parts  # noqa: B018  reads and checks the chunk tables
            size = source.stat.st_size
            difference = compare(Walk(source, progress), self.other, self.verify)
        if difference is not None:
            return failed(self, f"differs: {difference}", size)
        return FileReport(
            path=self.source, status=Status.EQUAL, destination=self.other, size_before=size, size_after=size
        )

    def outcome(self, error: Exception) -> FileReport:
        """Make the report of a job that ended with an error: what was not compared is not equal."""
        report = Job.outcome(self, error)
        return replace(report, status=Status.FAILED) if report.status is Status.SKIPPED else report
