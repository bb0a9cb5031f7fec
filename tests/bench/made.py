"""Benchmark results made by hand."""

from exrbatch import Compression, Effort, Status
from exrbatch.bench.matrix import Packing, Trial
from exrbatch.bench.result import FileResult, Results, TrialResult
from exrbatch.bench.sample import Sample, SampleFile

ZIP = Packing(Compression.ZIP, Effort.BALANCED)
PIZ = Packing(Compression.PIZ, Effort.BALANCED)
ZSTD = Packing(Compression.ZSTD, Effort.BALANCED)
RAW, CURRENT = 1000, 800


def sample(*contents: str) -> Sample:
    """Make a file of 1000 raw bytes, 800 on the disk, for each content."""
    files = [SampleFile(f"/show/{i}.exr", name, CURRENT, RAW, f"{i:064}") for i, name in enumerate(contents)]
    return Sample(found=len(files), looked_at=len(files), files=files, seconds_per_byte=1e-8)


def in_memory(packing: Packing, number: int, *files: tuple[int, float, float], **others: object) -> TrialResult:
    """Make a trial in memory: new size, and seconds to pack and to unpack, of each file."""
    found = [
        FileResult(
            index=index,
            status=Status.MEASURED,
            reason=None,
            new_size=size,
            cpu_seconds=pack,
            pack_seconds=pack,
            unpack_seconds=unpack,
            peak_memory=5,
            **others,  # type: ignore[arg-type]
        )
        for index, (size, pack, unpack) in enumerate(files)
    ]
    return TrialResult(trial=Trial(packing, 0), number=number, seconds=1.0, files=found)


def end_to_end(packing: Packing, number: int, jobs: int, seconds: float, *sizes: int) -> TrialResult:
    """Make a run with disk; CPU time is 1 s for each file."""
    files = [
        FileResult(index=index, status=Status.RECOMPRESSED, reason=None, new_size=size, cpu_seconds=1.0)
        for index, size in enumerate(sizes)
    ]
    return TrialResult(trial=Trial(packing, jobs), number=number, seconds=seconds, files=files)


def results(trials: list[TrialResult], *contents: str) -> Results:
    """Make the results of a whole benchmark."""
    return Results({"cpu": "a cpu", "memory": 10**9}, {"passes": 1, "cache": "warm"}, sample(*contents), trials)
