"""The job of `exrbatch bench`: compress and decompress a file in memory. Nothing is written."""

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from exrbatch.codecs.effort import Effort
from exrbatch.exr.compression import Compression
from exrbatch.jobs.file_report import FileReport, Status
from exrbatch.jobs.job import Job, Place, Rules, Share
from exrbatch.recompression.choices import DEFAULT_READERS, Permissions, Prefer
from exrbatch.recompression.progress import Progress

if TYPE_CHECKING:
    from exrbatch.exr.reader import ExrFile
    from exrbatch.recompression.targets import Targets


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureRules(Rules):
    """The rules for measuring the files of a run.

    Attributes:
        compression: the compression to measure; None for the automatic choice of the smallest.
        readers: the oldest OpenEXR release that must be able to read what is chosen.
        effort: compression strength.
        most_raw: measure only evenly spread pieces of about this many raw bytes; None for all.
        permissions: what the user has allowed: lossy targets, lossy sources, ACES files.
    """

    compression: Compression | None
    readers: str = DEFAULT_READERS
    effort: Effort = Effort.BALANCED
    most_raw: int | None = None
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
        target = self.compression.name if self.compression is not None else "the automatic choice"
        return f"measuring {target}, effort {self.effort}"

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
        from exrbatch.recompression.targets import check_source, check_targets

        rules = self.rules
        with open_exr(self.source, raw_limit(self.memory)) as source:
            check_source(source.header, rules.permissions)
            began = time.perf_counter()
            self._targets(source)  # not timed as a choice, because the first call loads code
            wall, cpu = time.perf_counter(), time.process_time()
            targets = self._targets(source)
            choice_seconds, choice_cpu = time.perf_counter() - wall, time.process_time() - cpu
            check_targets(source.header, targets, rules.permissions)
            size = source.stat.st_size
            measured = measure(source, targets, rules.effort, progress, rules.most_raw)
            return FileReport(
                path=self.source,
                status=Status.MEASURED,
                notes=targets.notes,
                size_before=size,
                size_after=size,
                compressions_before=source.header.compression_names,
                compressions_after=tuple(target.name for target in targets.compressions),
                lossy_channels=tuple(name for names in targets.lossy_channels for name in names),
                measurement=replace(
                    measured,
                    choice_seconds=choice_seconds,
                    first_seconds=measured.first_seconds + wall - began,
                    cpu_seconds=measured.cpu_seconds + choice_cpu,
                    all_cpu_seconds=measured.all_cpu_seconds + choice_cpu,
                ),
            )

    def _targets(self, source: "ExrFile") -> "Targets":
        from exrbatch.recompression.auto_choice import choose_by_sample
        from exrbatch.recompression.targets import choose_targets

        rules = self.rules
        if rules.compression is None:
            return choose_by_sample(source, rules.readers, Prefer.SIZE, rules.effort)
        return choose_targets(source.header, rules.compression)
