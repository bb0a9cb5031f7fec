"""What an estimate predicts, as frozen values."""

from dataclasses import dataclass

from exrbatch.bench.packing import Packing
from exrbatch.inventory.timeline import Interval
from exrbatch.jobs.file_report import FileReport


@dataclass(frozen=True, slots=True, kw_only=True)
class PackingEstimate:
    """The prediction for one compression. All intervals are 95 % intervals.

    Attributes:
        packing: the compression and its effort.
        size_after: bytes of all files after the run, including those that it would not change.
        saved: bytes saved.
        cpu_seconds: CPU time in seconds, including verification.
        wall_seconds: duration of the run in seconds, without the time to wait for storage.
    """

    packing: Packing
    size_after: Interval
    saved: Interval
    cpu_seconds: Interval
    wall_seconds: Interval

    def to_json(self) -> dict[str, object]:
        """Return the prediction as plain values that can be written as JSON."""
        return {
            "compression": self.packing.word,
            "effort": str(self.packing.effort) if self.packing.has_effort else None,
            **{
                name: {key: round(value, 3) for key, value in interval._asdict().items()}
                for name, interval in (
                    ("size_after", self.size_after),
                    ("saved", self.saved),
                    ("cpu_seconds", self.cpu_seconds),
                    ("wall_seconds", self.wall_seconds),
                )
            },
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """The prediction for a run over what a scan has found.

    Attributes:
        packings: the prediction for each compression.
        jobs: number of workers of the run.
        frames: number of files that the run would process.
        size: their bytes.
        left_out: number of files that the run would skip, or that are broken.
        measured: number of files that were measured.
        seconds: seconds that this took.
        problems: reports of files that could not be measured. They count as not saving anything.
    """

    packings: tuple[PackingEstimate, ...]
    jobs: int
    frames: int
    size: int
    left_out: int
    measured: int
    seconds: float
    problems: tuple[FileReport, ...] = ()

    def to_json(self) -> dict[str, object]:
        """Return the prediction as plain values that can be written as JSON."""
        return {
            "jobs": self.jobs,
            "frames": self.frames,
            "size": self.size,
            "left_out": self.left_out,
            "measured": self.measured,
            "seconds": round(self.seconds, 1),
            "packings": [each.to_json() for each in self.packings],
        }
