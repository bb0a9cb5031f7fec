"""The kind of job behind `exrbatch bench`: a file compressed and decompressed in memory. Nothing is written."""

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
    """How every file of a run is measured.

    Attributes:
        compression: which one.
        effort: how hard to try.
        permissions: what may be lost, and which files may be taken.
    """

    compression: Compression
    effort: Effort = Effort.BALANCED
    permissions: Permissions = Permissions()

    @property
    def seconds_per_megabyte(self) -> float:
        """How long a file may take for each MB: a tenth of the speed of the slowest codec measured."""
        return 40.0 if self.effort is Effort.MAX else 10.0

    @property
    def title(self) -> str:
        """Say what is being done."""
        return f"measuring {self.compression.name}, effort {self.effort}"

    def job(self, place: Place, share: Share) -> "MeasureJob":
        """Make the job of one file."""
        return MeasureJob(source=place.source, rules=self, memory=share.memory)


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureJob(Job):
    """One file to be measured.

    Attributes:
        source: its path.
        rules: how.
        memory: bytes of memory that may be taken.
    """

    measures_memory: ClassVar[bool] = True
    source: str
    rules: MeasureRules
    memory: int = 0

    def do(self, progress: Progress) -> FileReport:
        """Measure it."""
        from exrbatch.exr.reader import open_exr  # heavy: the parent, which makes jobs, starts sooner
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
