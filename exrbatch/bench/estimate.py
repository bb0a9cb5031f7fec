"""Estimate how long the trials of a benchmark take, from the measured costs of pieces of its files.

A table of relative costs would not do: on film grain, PIZ takes ten times as long as ZIP, and on
clean renders hardly longer.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from exrbatch.bench.matrix import copies_needed
from exrbatch.bench.packing import Packing, Trial
from exrbatch.bench.sample import SampleFile
from exrbatch.recompression.measurement import Measurement

HASH_SECONDS = 0.4e-9
"""Seconds per raw byte for the digests of a run's verification, and for its second read."""
CACHE_SECONDS = 0.3e-9
"""Seconds per byte to fill the page cache with the sources, and to remove the results."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackingCost:
    """What a packing costs for one class of content, in seconds per raw byte unless it says else.

    Attributes:
        choice: seconds per file for an automatic choice.
        first: seconds per file for the first call of a measurement in memory.
        pack: compressing.
        unpack: decompressing.
        other: reading the source and comparing.
        ratio: compressed bytes per raw byte.
    """

    choice: float = 0.0
    first: float = 0.0
    pack: float = 0.0
    unpack: float = 0.0
    other: float = 0.0
    ratio: float = 0.0

    @classmethod
    def of(cls, measured: Sequence[Measurement]) -> "PackingCost":
        """Combine the measurements of some files, or of pieces of them."""
        if not measured:
            return cls()  # files that cannot be measured take no time
        count, raw = len(measured), max(1, sum(each.raw_size for each in measured))
        return cls(
            choice=sum(each.choice_seconds for each in measured) / count,
            first=sum(each.first_seconds for each in measured) / count,
            pack=sum(each.pack_seconds for each in measured) / raw,
            unpack=sum(each.unpack_seconds for each in measured) / raw,
            other=sum(each.other_seconds for each in measured) / raw,
            ratio=sum(each.packed_size for each in measured) / raw,
        )

    def in_memory(self, raw_size: int) -> float:
        """Return the seconds to measure a file in memory."""
        return self.choice + self.first + raw_size * (self.pack + self.unpack + self.other)

    def in_a_run(self, raw_size: int) -> float:
        """Return the CPU seconds to recompress and verify a file."""
        return self.choice + raw_size * (self.pack + self.unpack + self.other + HASH_SECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineCost:
    """What trials cost apart from their files.

    Attributes:
        cores: how many workers' worth of speed many workers have at the same time. It is less than
            the number of cores if other programs are running.
        start: seconds to start a trial and its first worker, and to end it.
        worker: CPU seconds to start each further worker.
        write: seconds to write a byte to the disk.
        sync: seconds to create and sync a file.
    """

    cores: float
    start: float = 0.15
    worker: float = 0.1
    write: float = 0.0
    sync: float = 0.0


class Estimate:
    """The expected duration of each trial.

    What has run corrects the estimates of what has not: the trial in memory of a packing those of
    its end-to-end trials, and these those of the other packings.
    """

    def __init__(
        self, files: Sequence[SampleFile], costs: Mapping[tuple[Packing, str], PackingCost], machine: MachineCost
    ) -> None:
        """Use the costs of each packing and content class.

        Args:
            files: the sample.
            costs: cost of each packing, by content class. A cost that is missing counts as 0.
            machine: costs apart from the files.
        """
        self._files, self._costs, self._machine = files, costs, machine
        self._taken: dict[Trial, list[float]] = {}

    def copying(self, copies: int) -> float:
        """Return the seconds to make copies of the sample."""
        size = sum(file.size for file in self._files)
        return copies * size * (self._machine.write / 2 + CACHE_SECONDS)  # copies are not synced

    def add(self, trial: Trial, seconds: float) -> None:
        """Note how long a trial took."""
        self._taken.setdefault(trial, []).append(seconds)

    def seconds(self, trial: Trial) -> float:
        """Return how long a trial will probably take."""
        if trial in self._taken:
            return sum(self._taken[trial]) / len(self._taken[trial])
        return self._corrected(trial) * (self._scale(self._taken, trial.jobs) if trial.jobs else 1.0)

    def _corrected(self, trial: Trial) -> float:
        """Return the first estimate times how far off it was for the packing in memory."""
        in_memory = replace(trial, jobs=0)
        if in_memory in self._taken:
            taken = self._taken[in_memory]
            scale = sum(taken) / len(taken) / self.first(in_memory)
        else:
            scale = self._scale([each for each in self._taken if not each.jobs], 0)
        return self.first(trial) * scale

    def _scale(self, trials: Iterable[Trial], jobs: int) -> float:
        """Return how far off the estimates of trials with or without a disk were; 1 if none ran."""
        ran = [each for each in trials if bool(each.jobs) == bool(jobs)]
        expected = sum(len(self._taken[each]) * (self._corrected(each) if jobs else self.first(each)) for each in ran)
        return sum(sum(self._taken[each]) for each in ran) / expected if expected else 1.0

    def first(self, trial: Trial) -> float:
        """Return the first estimate, from costs alone."""
        machine = self._machine
        costs = [(self._costs.get((trial.packing, file.content), PackingCost()), file) for file in self._files]
        if not trial.jobs:
            return machine.start + sum(cost.in_memory(file.raw_size) for cost, file in costs)
        copies, at_once = copies_needed(self._files, trial.jobs), min(trial.jobs, machine.cores)
        work = [cost.in_a_run(file.raw_size) for cost, file in costs]
        written = sum(machine.sync + cost.ratio * file.raw_size * machine.write for cost, file in costs)
        read = sum(file.size for file in self._files) * CACHE_SECONDS
        workers = machine.worker * (trial.jobs - 1)
        # With few large files, the workers that are done first wait for the one with the last file.
        busy = max((copies * sum(work) + workers) / at_once, max(work, default=0.0))
        return machine.start + busy + copies * (written + read)
