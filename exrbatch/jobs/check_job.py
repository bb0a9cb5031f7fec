"""The job of `exrbatch check`: read and decompress all of a file. The file is not changed."""

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from exrbatch.errors import InvalidFile, ReasonCode, SourceChanged
from exrbatch.exr.compression import Compression
from exrbatch.exr.damage import Damage, Findings
from exrbatch.jobs.file_report import FileReport, Status, size_of
from exrbatch.jobs.job import Job, Place, Rules, Share
from exrbatch.recompression.choices import Verify
from exrbatch.recompression.progress import Progress

if TYPE_CHECKING:
    from exrbatch.exr.reader import ExrFile


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRules(Rules):
    """The rules for checking the files of a run.

    Attributes:
        decoder: what decompresses the files besides our own codecs.
        min_age: seconds that must have passed since a file was written.
        from_compressions: the compressions of which a file must have one, in any part; empty for
            any compression.
        digests: add the content digest of each sound file to its report.
    """

    needs_files: ClassVar[bool] = True
    needs_all: ClassVar[bool] = True
    decoder: Verify = Verify.LIBRARY
    min_age: float = 0.0
    from_compressions: tuple[Compression, ...] = ()
    digests: bool = False

    @property
    def statuses(self) -> tuple[Status, ...]:
        """How the files of such a run can end."""
        return (Status.SOUND, Status.SKIPPED, Status.FAILED)

    @property
    def title(self) -> str:
        """What the run does, for the dashboard."""
        return "checking"

    def job(self, place: Place, share: Share) -> "CheckJob":
        """Return the job for one file."""
        return CheckJob(source=place.source, rules=self, memory=share.memory, threads=share.threads)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckJob(Job):
    """A job that checks one file.

    Attributes:
        source: path of the file.
        rules: how to check it.
        memory: bytes of memory that the job may use; 0 for the minimum that every file may use.
        threads: number of threads that may work on the file.
    """

    source: str
    rules: CheckRules = CheckRules()
    memory: int = 0
    threads: int = 1

    def do(self, progress: Progress) -> FileReport:
        """Check the file, and return the report."""
        from exrbatch.exr.reader import open_exr  # imported late: the parent process starts sooner without it
        from exrbatch.jobs.preconditions import check_age, check_selected
        from exrbatch.recompression.lanes import Walk
        from exrbatch.recompression.raw_reader import raw_limit
        from exrbatch.recompression.soundness import find_damage

        with open_exr(self.source, raw_limit(self.memory)) as file:
            check_age(self.source, file.stat, self.rules.min_age)
            check_selected(file.header, self.rules.from_compressions)
            walk = Walk(file, progress, self.threads)
            findings = find_damage(walk, self.rules.decoder, wants_digest=self.rules.digests)
            if findings.total or self.rules.digests:
                self._check_unchanged(file)
            report = self._report(findings, file.stat.st_size)
            return replace(report, compressions_before=file.header.compression_names)

    def outcome(self, error: Exception) -> FileReport:
        """Return the report of a job that ended with an error.

        An invalid file is damaged, unless it is being written, or was written just now: then it may
        just be incomplete.
        """
        from exrbatch.jobs.preconditions import unfinished

        if not isinstance(error, InvalidFile):
            return Job.outcome(self, error)
        if (cause := unfinished(self.source, self.rules.min_age)) is not None:
            return Job.outcome(self, cause)
        findings = Findings()
        findings.add(Damage.of_message(str(error)))
        return self._report(findings, size_of(self.source))

    def _check_unchanged(self, file: "ExrFile") -> None:
        """Check that the damage or the digest is not that of a file that was being written.

        Raises:
            SourceChanged: the file was written to since it was opened, or is open for writing.
        """
        from exrbatch.jobs.preconditions import BEING_WRITTEN, is_being_written

        now = os.fstat(file.fd)
        if (now.st_size, now.st_mtime_ns) != (file.stat.st_size, file.stat.st_mtime_ns):
            raise SourceChanged("written to while it was being checked; run again later")
        if is_being_written(self.source):
            raise SourceChanged(BEING_WRITTEN, code=ReasonCode.OPEN_FOR_WRITING)

    def _report(self, findings: Findings, size: int) -> FileReport:
        report = FileReport(
            path=self.source,
            status=Status.SOUND,
            notes=tuple(findings.notes),
            size_before=size,
            size_after=size,
        )
        if not findings.total:
            return replace(report, content_sha256=findings.content_sha256)
        more = f" (and {findings.total - 1} more damaged places)" if findings.total > 1 else ""
        return replace(
            report,
            status=Status.FAILED,
            reason=f"damaged: {findings.listed[0]}{more}",
            reason_code=ReasonCode.DAMAGED,
            damage=tuple(findings.listed),
            damage_count=findings.total,
        )
