"""The axes of a benchmark -> its trials, and how long they will take."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from exrbatch.batch.options import MAX_JOBS, parse_compression
from exrbatch.bench.sample import Sample, SampleFile
from exrbatch.codecs.effort import Effort
from exrbatch.errors import OptionsError
from exrbatch.exr.channel import PixelType
from exrbatch.exr.compression import Compression
from exrbatch.suggestions import unknown_name

WITH_EFFORT = (Compression.ZIPS, Compression.ZIP, Compression.ZSTD)
"""What packs harder on request; of the others there is one row only."""
AROUND_MEMORY, AROUND_DISK = 0.9, 1.7
"""What a trial does besides packing, in CPU time of packing as ZIP: reading, unpacking, comparing; and, end to end,
reading twice, writing, syncing, verifying. Measured on the OpenEXR reference images."""
EFFORT_COST = {Effort.FAST: 0.5, Effort.BALANCED: 1.0, Effort.HIGH: 2.0, Effort.MAX: 8.0}
FILES_PER_JOB = 2
"""With fewer, most of what an end-to-end trial shows would be workers that wait for the last one."""
START_SECONDS = 0.15
"""What every trial takes for its workers."""


@dataclass(frozen=True, slots=True, order=True)
class Packing:
    """What is compared. `is_named`: the user asked for it by name, so it may lose something."""

    compression: Compression
    effort: Effort
    is_named: bool = False

    @property
    def name(self) -> str:
        """How people call it: its effort counts only where there are several."""
        short = self.compression.name.lower()
        return f"{short} {self.effort}" if self.compression in WITH_EFFORT else short


@dataclass(frozen=True, slots=True, order=True)
class Trial:
    """One thing that is measured once a pass, over the whole sample.

    `jobs`: workers of an end-to-end run with disk and verification; 0 for packing and unpacking in memory.
    """

    packing: Packing
    jobs: int

    @property
    def name(self) -> str:
        """What is being done, in a few words."""
        return f"{self.packing.name}, " + (f"{self.jobs} job{'s' * (self.jobs > 1)}" if self.jobs else "in memory")


def parse_packings(compressions: str, efforts: str) -> list[Packing]:
    """Make the first two axes of what the user says: names separated by commas, or "all" that keep half floats exactly.

    Raises `OptionsError`.
    """
    chosen_efforts = [_effort(word) for word in _words(efforts)]
    named: dict[Compression, bool] = {}
    for word in _words(compressions):
        if word == "all":
            for compression in Compression:
                if compression is not Compression.NONE and PixelType.HALF not in compression.facts.lossy_types:
                    named.setdefault(compression, False)
        else:
            named[parse_compression(word)] = True
    return [
        Packing(compression, effort, is_named)
        for compression, is_named in named.items()
        for effort in (chosen_efforts if compression in WITH_EFFORT else [Effort.BALANCED])
    ]


def parse_jobs(words: str | None, allowed: int) -> list[int]:
    """Make the third axis: numbers separated by commas, or 1, 2, 4 ... and all that the machine allows."""
    if words is None:
        doubled = [1 << power for power in range(allowed.bit_length()) if 1 << power < allowed]
        return [*doubled, allowed]
    try:
        numbers = [int(word) for word in _words(words)]
    except ValueError:
        raise OptionsError(f"not numbers of jobs, separated by commas: {words}") from None
    if not all(0 < number <= MAX_JOBS for number in numbers):
        raise OptionsError(f"numbers of jobs lie between 1 and {MAX_JOBS}: {words}")
    return sorted(set(numbers))


def make_trials(packings: Sequence[Packing], jobs: Sequence[int]) -> list[Trial]:
    """Make every trial of a pass; `jobs` is empty where no disk is to take part."""
    return [Trial(packing, number) for packing in packings for number in (0, *jobs)]


def copies_needed(files: Sequence[SampleFile], jobs: int) -> int:
    """Tell how often to copy the sample, so that no worker waits for long for another one's last or largest file."""
    sizes = [file.raw_size for file in files]
    by_files = math.ceil(FILES_PER_JOB * jobs / len(files))
    by_size = math.ceil(jobs * max(sizes) / max(1, sum(sizes)))
    return max(1, by_files, by_size)


def expected_seconds(trial: Trial, sample: Sample, copies: int) -> float:
    """Guess how long a trial takes: from the cost of ZIP on this sample and machine, and the table of compressions."""
    zip_seconds = sample.seconds_per_byte * sum(file.raw_size for file in sample.files)
    effort = EFFORT_COST[trial.packing.effort] if trial.packing.compression in WITH_EFFORT else 1.0
    work = trial.packing.compression.facts.cost * effort
    if not trial.jobs:
        return START_SECONDS + zip_seconds * (work + AROUND_MEMORY)
    return START_SECONDS + copies * zip_seconds * (work + AROUND_DISK) / trial.jobs


def _words(text: str) -> list[str]:
    words = [word.strip().lower() for word in text.split(",") if word.strip()]
    if not words:
        raise OptionsError("an empty list")
    return words


def _effort(word: str) -> Effort:
    try:
        return Effort(word)
    except ValueError:
        raise OptionsError(unknown_name("effort", word, Effort)) from None
