"""Benchmark results made by hand."""

import random
from collections.abc import Sequence

from exrbatch import Compression, Effort, Status
from exrbatch.bench.machine_facts import Facts
from exrbatch.bench.packing import Choice, Packing, Trial
from exrbatch.bench.result import FileResult, Results, TrialResult
from exrbatch.bench.sample import Sample, SampleFile
from exrbatch.recompression.measurement import ChannelError

ZIP = Packing(Compression.ZIP, Effort.BALANCED)
PIZ = Packing(Compression.PIZ, Effort.BALANCED)
ZSTD = Packing(Compression.ZSTD, Effort.BALANCED)
RAW, CURRENT = 1000, 800


def sample(*contents: str) -> Sample:
    """Make a file of 1000 raw bytes, 800 on the disk, for each content."""
    files = [SampleFile(f"/show/{i}.exr", name, CURRENT, RAW, f"{i:064}") for i, name in enumerate(contents)]
    return Sample(found=len(files), looked_at=len(files), files=files)


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


SEVEN = (1, 2, 4, 8, 16, 32, 64)
"""Numbers of jobs for a machine with 64 cores."""


def many_packings() -> list[Packing]:
    """Make ten packings, among them an automatic choice and a lossy compression."""
    efforts = [Packing(Compression.ZSTD, effort) for effort in (Effort.FAST, Effort.BALANCED, Effort.HIGH)]
    others = [
        Packing(Compression[name], Effort.BALANCED) for name in ("ZIPS", "ZIP", "PIZ", "PXR24", "HTJ2K256", "DWAA")
    ]
    return [*efforts, *others, Packing(Choice.AUTO, Effort.BALANCED)]


def many_results(packings: Sequence[Packing], jobs: Sequence[int] = SEVEN, passes: int = 5) -> Results:
    """Make the results of a benchmark on 64 cores, in which all sizes and speeds differ."""
    shuffler, trials = random.Random(1), []
    for number in range(passes + 1):
        for place, packing in enumerate(packings):
            is_lossy = packing.compression is Compression.DWAA
            noise = shuffler.uniform(0.97, 1.03)
            pack, unpack = 4e-7 * 1.45**place * noise, 9e-7 * 1.08 ** ((7 * place) % 11) * noise
            errors = (ChannelError(channel="R", max_error=0.03, peak=4.0, mean_square=1e-5),) if is_lossy else ()
            size = 200 if is_lossy else round(620 - 31 * place + 17 * (place % 3))
            chosen = ("PIZ",) if packing.fixed is None else ()
            trials.append(
                in_memory(packing, number, (size, pack, unpack), is_lossy=is_lossy, errors=errors, chosen=chosen)
            )
            for count in jobs if number else ():
                speed = 20 / (1 + place) * count / (1 + 0.012 * count) * shuffler.uniform(0.97, 1.03)
                trials.append(end_to_end(packing, number, count, 1 / speed, size))
    machine: Facts = {"cpu": "a cpu with many cores", "cores": 64, "affinity": 128, "memory": 512 * 10**9}
    return Results(machine, {"passes": passes, "cache": "warm"}, sample("plates"), trials)
