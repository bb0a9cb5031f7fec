"""Predict what a run would save, and what it would cost, from a sample of the frames.

Frames are compressed, decompressed and compared in memory by worker processes; nothing is written.
`timeline` chooses the frames and computes the intervals.
"""

import math
import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from exrbatch.batch.options import Options
from exrbatch.batch.resources import automatic_jobs, core_limit
from exrbatch.batch.run import Run
from exrbatch.bench.estimate import HASH_SECONDS
from exrbatch.bench.packing import Packing
from exrbatch.bench.probe import measure_rules
from exrbatch.errors import OptionsError
from exrbatch.exr.compression import NEAREST_DEEP
from exrbatch.inventory.header_facts import HeaderFacts
from exrbatch.inventory.listing import FrameFile, FrameSequence, Inventory
from exrbatch.inventory.prediction import Estimate, PackingEstimate
from exrbatch.inventory.timeline import Interval, Timeline, Total, Values, mean_ratios
from exrbatch.jobs.file_report import FileReport
from exrbatch.recompression.choices import Permissions

GOAL = 0.02
"""Half the interval of the new size, as a fraction of it, at which no more frames are measured."""
MOST_KINDS = 30
"""Number of kinds of content that are distinguished. Those with the fewest bytes beyond are one."""
FRAMES_FOR_ENDS = 8
"""First and last frames are measured if there is time for this many frames of each sequence."""
WRITE_SECONDS = 0.6e-9
"""CPU seconds to write a byte of the new file, and to read it back to verify it."""
FILE_SECONDS = 0.005
"""CPU seconds that a file takes besides, for example to create, sync and rename the new file."""
MODEL_ERROR = 0.2
"""Error of the CPU time, as a fraction of it, that more frames would not make smaller."""
START_SECONDS = 0.5
"""Seconds to start a run."""


@dataclass(slots=True)
class _Kind:
    """Sequences with the same content and compression.

    Attributes:
        finished: for each packing, whether the files have this compression already.
        sequences: the files of each sequence.
        files: the same files in one list.
        sizes: the sizes after, as ratios to those before, in that order.
        work: the CPU seconds of each file. They depend more on its pixels than on its size.
    """

    finished: tuple[bool, ...]
    sequences: list[list[FrameFile]] = field(default_factory=list)
    files: list[FrameFile] = field(init=False)
    sizes: Timeline = field(init=False)
    work: Timeline = field(init=False)

    def prepare(self) -> None:
        """Make the timelines, when all sequences are there."""
        self.files = [file for sequence in self.sequences for file in sequence]
        self.sizes = Timeline([[file.size for file in sequence] for sequence in self.sequences])
        self.work = Timeline([[1] * len(sequence) for sequence in self.sequences])

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for sequence in self.sequences for file in sequence)


Frame = tuple[_Kind, int]
"""A kind, and the index of one of its files."""


class Estimator:
    """Measures frames until the prediction is good enough or the time is over.

    Attributes:
        frames: number of files that the run would process.
        size: their bytes.
        left_out: number of files that the run would skip.
        measured: number of files that were measured so far.
        problems: reports of files that could not be measured.
    """

    def __init__(
        self, inventory: Inventory, packings: Sequence[Packing], permissions: Permissions, jobs: int | None = None
    ) -> None:
        """Prepare an estimate.

        Args:
            inventory: from a scan that keeps its files.
            packings: compressions with efforts.
            permissions: what the user has allowed.
            jobs: number of workers of the run that is predicted; None for the automatic number.
        """
        self._packings, self._permissions = packings, permissions
        self._jobs = jobs or automatic_jobs()
        self._workers = min(self._jobs, automatic_jobs())
        self._kinds = _kinds(inventory, packings, permissions)
        self._random = random.Random(0)  # noqa: S311  the same sample each time
        self._cpu = self._wall = 0.0  # of measured jobs
        files = [file for kind in self._kinds for file in kind.files]
        self.frames, self.size = len(files), sum(file.size for file in files)
        self.left_out = inventory.frames - self.frames
        self.measured = 0
        self.problems: list[FileReport] = []

    def run(self, seconds: float, said: Callable[[str], None] = lambda _: None) -> Estimate:
        """Measure frames, and return the prediction.

        Args:
            seconds: about how long to measure; a first few frames are measured in any case.
            said: is called with a line about the progress, often.

        Raises:
            RunStopped: workers keep dying.
        """
        began = time.monotonic()
        has_ends = False
        chosen = self._choose(2 * self._workers)
        while chosen:
            self._measure(chosen, said)
            taken = time.monotonic() - began
            affordable = int((seconds - taken) / taken * self.measured) if self.measured else 0
            if affordable < 1 or self._is_good():
                break
            chosen = []
            if not has_ends and affordable >= FRAMES_FOR_ENDS * sum(len(kind.sequences) for kind in self._open()):
                has_ends = True
                chosen = [
                    (kind, index)
                    for kind in self._open()
                    for index in kind.sizes.ends
                    if index not in kind.sizes.measured
                ]
            chosen = chosen or self._choose(min(affordable, max(2 * self._workers, self.measured // 2)))
        return self._estimate(time.monotonic() - began)

    def _open(self) -> list[_Kind]:
        """Return the kinds of which not all is known."""
        return [kind for kind in self._kinds if not all(kind.finished)]

    def _choose(self, count: int) -> list[Frame]:
        """Choose the frames that are most useful to measure."""
        means = self._means()[0]
        rated = []
        for number, kind in enumerate(self._open()):
            weights = tuple(float(not finished) for finished in kind.finished)
            found = kind.sizes.choose(count, means, weights, self._random.random)
            rated += [(rating, number, index, kind) for rating, index in found]
        rated.sort(key=lambda each: (-each[0], each[1:3]))
        return [(kind, index) for *_, index, kind in rated[:count]]

    def _measure(self, chosen: Sequence[Frame], said: Callable[[str], None]) -> None:
        """Measure frames with every packing."""
        values: dict[str, list[tuple[float, float]]] = {kind.files[index].path: [] for kind, index in chosen}
        done = 0
        for place, packing in enumerate(self._packings):
            paths = [kind.files[index].path for kind, index in chosen if not kind.finished[place]]
            said(f"estimating: {self.measured:,} frames measured; {packing.name}")
            for report in self._reports(paths, packing):
                if len(values.get(report.path, ())) == place:
                    values[report.path].append(self._values(report))
                done += 1
                said(f"estimating: {self.measured + done // len(self._packings):,} frames measured; {packing.name}")
            for measured in values.values():
                if len(measured) == place:  # the file has the compression already, or has vanished
                    measured.append((1.0, 0.0))
        for kind, index in chosen:
            sizes, work = zip(*values[kind.files[index].path], strict=True)
            kind.sizes.add(index, sizes)
            kind.work.add(index, work)
        self.measured += len(chosen)

    def _reports(self, paths: Sequence[str], packing: Packing) -> Iterator[FileReport]:
        """Measure files in worker processes, which are killed if this is interrupted."""
        present = [path for path in paths if os.path.lexists(path)]
        rules = measure_rules(packing, self._permissions)
        try:
            run = Run(present, Options(rules=rules, jobs=self._workers))
        except OptionsError:  # the last file has just vanished
            return
        try:
            yield from run.reports()
        except BaseException:
            run.kill()
            raise

    def _values(self, report: FileReport) -> tuple[float, float]:
        """Return the size of a file after, as a ratio to its size before, and CPU seconds."""
        measured = report.measurement
        if measured is None:
            self.problems.append(report)
            return 1.0, 0.0
        if report.compressions_before == report.compressions_after:
            return 1.0, measured.choice_seconds
        self._cpu += measured.all_cpu_seconds
        self._wall += measured.seconds - measured.first_seconds
        cpu = HASH_SECONDS * measured.raw_size + WRITE_SECONDS * measured.new_size + FILE_SECONDS
        return min(1.0, measured.new_size / max(1, report.size_before)), cpu + measured.all_cpu_seconds

    def _is_good(self) -> bool:
        return all(
            after.high - after.low <= 2 * GOAL * after.best
            for size, _ in self._totals()
            for after in [size.interval(0, self.size)]
        )

    def _means(self) -> tuple[Values, Values]:
        """Return the mean of the sizes and of the CPU seconds for each packing."""
        count = len(self._packings)
        sizes = mean_ratios([kind.sizes for kind in self._kinds], count)
        return sizes, mean_ratios([kind.work for kind in self._kinds], count)

    def _totals(self) -> list[tuple[Total, Total]]:
        """Return the totals of size and CPU seconds for each packing."""
        count = len(self._packings)
        totals = [(Total(), Total()) for _ in range(count)]
        means = self._means()
        for kind in self._kinds:
            sizes, work = [Total() for _ in range(count)], [Total() for _ in range(count)]
            kind.sizes.add_to(sizes, means[0])
            kind.work.add_to(work, means[1])
            for place, (size, cpu) in enumerate(totals):
                if kind.finished[place]:
                    size.best += kind.size
                else:
                    size.add(sizes[place])
                    cpu.add(work[place])
        return totals

    def _estimate(self, seconds: float) -> Estimate:
        packings = []
        for packing, (size, cpu) in zip(self._packings, self._totals(), strict=True):
            after = size.interval(0, self.size)
            cpu_seconds = cpu.interval(0, math.inf, MODEL_ERROR * cpu.best)
            packings.append(
                PackingEstimate(
                    packing=packing,
                    size_after=after,
                    saved=Interval(self.size - after.high, self.size - after.best, self.size - after.low),
                    cpu_seconds=cpu_seconds,
                    wall_seconds=cpu_seconds.linear(self._wall_share(), START_SECONDS),
                )
            )
        return Estimate(
            packings=tuple(packings),
            jobs=self._jobs,
            frames=self.frames,
            size=self.size,
            left_out=self.left_out,
            measured=self.measured,
            seconds=seconds,
            problems=tuple(self.problems),
        )

    def _wall_share(self) -> float:
        """Return the seconds that the run takes for each CPU second.

        Workers that wait for a file or for a core take longer than their CPU time.
        """
        at_once = max(1, min(self._jobs, self.frames))
        stretch = max(1.0, self._wall / self._cpu) if self._cpu else 1.0
        return max(stretch / at_once, 1 / min(at_once, core_limit()))


def _kinds(inventory: Inventory, packings: Sequence[Packing], permissions: Permissions) -> list[_Kind]:
    """Sort the files that a run would process by kind, largest kind first."""
    broken = {report.path for report in (*inventory.failures, *inventory.left_out)}
    kinds: dict[object, _Kind] = {}
    for sequence in inventory.sequences:
        files = [file for file in sequence.files if file.size and file.links == 1 and file.path not in broken]
        if not files or _is_skipped(sequence, permissions):
            continue
        headers = {(facts.content, facts.compressions, facts.width, facts.height) for facts, _ in sequence.headers}
        finished = tuple(all(_is_finished(facts, packing) for facts, _ in sequence.headers) for packing in packings)
        kinds.setdefault(frozenset(headers), _Kind(finished)).sequences.append(files)
    ordered = sorted(kinds.values(), key=lambda kind: -kind.size)
    rest = _Kind((False,) * len(packings))
    for kind in ordered[MOST_KINDS:]:
        rest.sequences += kind.sequences
    ordered = [*ordered[:MOST_KINDS], *([rest] if rest.sequences else [])]
    for kind in ordered:
        kind.prepare()
    return ordered


def _is_skipped(sequence: FrameSequence, permissions: Permissions) -> bool:
    """Return whether a run would skip a sequence, as far as headers tell."""
    return all(
        (facts.is_aces and not permissions.allow_aces)
        or (bool(facts.lossy_channels) and not permissions.include_lossy_sources)
        for facts, _ in sequence.headers
    )


def _is_finished(facts: HeaderFacts, packing: Packing) -> bool:
    """Return whether files with this header have the compression already."""
    if packing.fixed is None:
        return False
    wanted = [NEAREST_DEEP[packing.fixed] if "deep" in storage else packing.fixed for storage in facts.storage]
    return tuple(each.name for each in wanted) == facts.compressions
