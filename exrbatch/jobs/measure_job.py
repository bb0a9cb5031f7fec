"""The job of `exrbatch bench`: compress and decompress a file in memory. Nothing is written."""

from dataclasses import dataclass
from typing import ClassVar

from exrbatch.codecs.effort import Effort
from exrbatch.exr.compression import Compression
from exrbatch.jobs.file_report import FileReport, Status
from exrbatch.jobs.job import Job, Place, Rules, Share
from exrbatch.recompression.choices import Permissions
from exrbatch.recompression.progress import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureRules(Rules):
    """The rules for measuring the files of a run.

    Attributes:
        compression: the compression to measure.
        effort: compression strength.
        permissions: what the user has allowed: lossy targets, lossy sources, ACES files.
    """

    compression: Compression
    effort: Effort = Effort.BALANCED
    permissions: Permissions = Permissions()

    @property
    def statuses(self) -> tuple[Status, ...]:
        """How the files of such a run can end."""
        return (Status.MEASURED, Status.SKIPPED, Status.FAILED)

    @property
    def seconds_per_megabyte(self) -> float:
        """Time limit in seconds per MB: ten times as long as the slowest codec measured takes."""
        return 40.0 if self.effort is Effort.MAX else 10.0

    @property
    def title(self) -> str:
        """What the run does, for the dashboard."""
        return f"measuring {self.compression.name}, effort {self.effort}"

    def job(self, place: Place, share: Share) -> "MeasureJob":
        """Return the job for one file."""
        return MeasureJob(source=place.source, rules=self, memory=share.memory)


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureJob(Job):
    """A job that measures one file.

    Attributes:
        source: path of the file.
        rules: how to measure it.
        memory: bytes of memory that the job may use; 0 for the minimum that every file may use.
    """

    measures_memory: ClassVar[bool] = True
    source: str
    rules: MeasureRules
    memory: int = 0

    def do(self, progress: Progress) -> FileReport:
        """Measure the file, and return the report."""
        from exrbatch.exr.reader import open_exr  # imported late: the parent process starts sooner without it
        from exrbatch.recompression.measuring import measure
        from exrbatch.recompression.raw_reader import raw_limit
        from exrbatch.recompression.targets import check_source, check_targets, choose_targets

        rules = self.rules
        with open_exr(self.source, raw_limit(self.memory)) as source:
            targets = choose_targets(source.header, rules.compression)
            check_source(source.header, rules.permissions)
            check_targets(source.header, targets, rules.permissions)
            size = source.stat.st_size
            return FileReport(
                path=self.source,
                status=Status.MEASURED,
                notes=targets.notes,
                size_before=size,
                size_after=size,
                compressions_before=tuple(part.compression.name for part in source.header.parts),
                compressions_after=tuple(target.name for target in targets.compressions),
                lossy_channels=tuple(name for names in targets.lossy_channels for name in names),
                measurement=measure(source, targets, rules.effort, progress),
            )
