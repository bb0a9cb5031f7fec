"""Measure pieces of the sample, to foretell how long a benchmark will take."""

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from exrbatch.batch.options import Options
from exrbatch.batch.run import Run
from exrbatch.bench.estimate import Estimate, MachineCost, PackingCost
from exrbatch.bench.packing import Packing
from exrbatch.bench.sample import Sample, SampleFile
from exrbatch.jobs.measure_job import MeasureRules
from exrbatch.recompression.choices import Permissions
from exrbatch.recompression.measurement import Measurement
from exrbatch.replacing import disk

PIECE_BYTES = 3_000_000
"""Raw bytes of each file that are measured, about."""
FILES_PER_CLASS = 3
"""Number of files of each content class of which pieces are measured."""
WRITTEN, SYNCED = 16_000_000, 3
"""Bytes that are written to find the speed of the disk, and number of small files synced."""


def probe(
    sample: Sample,
    packings: Sequence[Packing],
    permissions: Permissions,
    folder: str,
    cores: int,
    said: Callable[[str], None] = lambda _: None,
) -> Estimate:
    """Measure what each packing costs for each class of content, and what the disk costs.

    Args:
        sample: the sample.
        packings: what will be compared.
        permissions: what the user has allowed.
        folder: the folder on whose disk the benchmark will write.
        cores: number of cores that may be used.
        said: is called with the name of each packing before it is measured.

    Raises:
        RunStopped: workers keep dying.
    """
    paths = [file.path for file in _some_of_each(sample.files)]
    contents = {file.path: file.content for file in sample.files}
    costs: dict[tuple[Packing, str], PackingCost] = {}
    starts: list[float] = []
    share = 1.0
    for packing in packings:
        said(packing.name)
        began = time.perf_counter()
        measured = _measured(paths, packing, permissions, jobs=1)
        taken = time.perf_counter() - began
        if not starts and (together := min(cores, len(paths))) > 1:
            share = core_share(measured, _measured(paths, packing, permissions, together))
        starts.append(max(0.0, taken - sum(each.seconds for each in measured.values())))
        by_content: dict[str, list[Measurement]] = {}
        for path, measurement in measured.items():
            by_content.setdefault(contents[path], []).append(measurement)
        costs |= {(packing, content): PackingCost.of(found) for content, found in by_content.items()}
    start = statistics.median(starts)
    write, sync = _disk_seconds(folder)
    machine = MachineCost(cores=max(1.0, cores * share), start=start, worker=start, write=write, sync=sync)
    return Estimate(sample.files, costs, machine)


def _measured(paths: Sequence[str], packing: Packing, permissions: Permissions, jobs: int) -> dict[str, Measurement]:
    """Measure pieces of files, and return the result of each file that can be measured."""
    options = Options(rules=measure_rules(packing, permissions, PIECE_BYTES), jobs=jobs)
    reports = Run(paths, options).reports()
    return {report.path: report.measurement for report in reports if report.measurement is not None}


def core_share(alone: Mapping[str, Measurement], together: Mapping[str, Measurement]) -> float:
    """Return the fraction of its speed that a worker keeps if others work at the same time.

    Other programs take some of the cores, and the workers share caches and memory.

    Args:
        alone: measurements by one worker.
        together: measurements of the same files by several workers at the same time.
    """
    both = [path for path in alone if path in together]
    seconds = sum(together[path].seconds for path in both)
    return min(1.0, sum(alone[path].seconds for path in both) / seconds) if seconds else 1.0


def _some_of_each(files: Sequence[SampleFile]) -> list[SampleFile]:
    by_content: dict[str, list[SampleFile]] = {}
    for file in files:
        by_content.setdefault(file.content, []).append(file)
    return [
        members[(2 * place + 1) * len(members) // (2 * count)]
        for members in by_content.values()
        for count in [min(len(members), FILES_PER_CLASS)]
        for place in range(count)
    ]


def measure_rules(packing: Packing, permissions: Permissions, most_raw: int | None = None) -> MeasureRules:
    """Return the rules for measuring a packing.

    Args:
        packing: the packing.
        permissions: what the user has allowed. A lossy compression is allowed if it was named.
        most_raw: about how many raw bytes of each file to measure; None for all.
    """
    return MeasureRules(
        compression=packing.fixed,
        readers=packing.readers,
        effort=packing.effort,
        permissions=replace(permissions, allow_lossy=packing.is_named),
        most_raw=most_raw,
    )


def _disk_seconds(folder: str) -> tuple[float, float]:
    """Return the seconds to write and sync a byte, and to create and sync a small file."""
    data = os.urandom(WRITTEN)
    try:
        whole = _seconds(folder, data)
        small = statistics.median(_seconds(folder, data[:4096]) for _ in range(SYNCED))
    except OSError:  # a full disk or a missing folder is reported when the copies are made
        return 0.0, 0.0
    return max(0.0, whole - small) / WRITTEN, small


def _seconds(folder: str, data: bytes) -> float:
    """Return the seconds to write and sync a file without a name."""
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        began = time.perf_counter()
        file.write(data)
        disk.DISK.sync(file.fileno())
        return time.perf_counter() - began
