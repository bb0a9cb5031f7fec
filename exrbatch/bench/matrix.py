"""Turn the options of a benchmark into its trials, and estimate how long they will take."""

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
"""Compressions that have an effort setting. Each of the others has only one row."""
AROUND_MEMORY, AROUND_DISK = 0.9, 1.7
"""CPU time of everything else in a trial, relative to that of compressing as ZIP.

A trial in memory also reads, decompresses and compares. An end-to-end trial also reads twice,
writes, syncs and verifies. Measured on the OpenEXR reference images.
"""
EFFORT_COST = {Effort.FAST: 0.5, Effort.BALANCED: 1.0, Effort.HIGH: 2.0, Effort.MAX: 8.0}
"""CPU time of each effort, relative to balanced."""
FILES_PER_JOB = 2
"""Least number of files per worker in an end-to-end trial. With fewer, the trial would mostly show
workers that wait for the last one."""
START_SECONDS = 0.15
"""Seconds that every trial needs for its workers."""


@dataclass(frozen=True, slots=True, order=True)
class Packing:
    """A compression with an effort: one of the settings that are compared.

    Attributes:
        compression: the compression.
        effort: compression strength; only the compressions in `WITH_EFFORT` use it.
        is_named: whether the user named the compression, which permits a lossy one.
    """

    compression: Compression
    effort: Effort
    is_named: bool = False

    @property
    def name(self) -> str:
        """The compression's name, followed by the effort if the compression has that setting."""
        short = self.compression.name.lower()
        return f"{short} {self.effort}" if self.compression in WITH_EFFORT else short


@dataclass(frozen=True, slots=True, order=True)
class Trial:
    """One measurement over the whole sample, taken once per pass.

    Attributes:
        packing: compression and effort.
        jobs: number of workers of an end-to-end run with disk and verification; 0 for compressing
            and decompressing in memory.
    """

    packing: Packing
    jobs: int

    @property
    def name(self) -> str:
        """The packing and the kind of trial, in a few words."""
        return f"{self.packing.name}, " + (f"{self.jobs} job{'s' * (self.jobs > 1)}" if self.jobs else "in memory")


def parse_packings(compressions: str, efforts: str) -> list[Packing]:
    """Return the packings that the user asked for.

    Args:
        compressions: names separated by commas. "all" stands for all compressions that are lossless
            for half, except NONE.
        efforts: names separated by commas.

    Raises:
        OptionsError: a name is unknown, or a list is empty.
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
    """Return the numbers of workers for end-to-end trials, in ascending order.

    Args:
        words: numbers separated by commas; None for 1, 2, 4 and so on, up to `allowed`.
        allowed: number of workers that the machine allows.

    Raises:
        OptionsError: `words` is not a list of numbers from 1 to `MAX_JOBS`.
    """
    if words is None:
        doubled = [1 << power for power in range(allowed.bit_length()) if 1 << power < allowed]
        return [*doubled, allowed]
    try:
        numbers = [int(word) for word in _words(words)]
    except ValueError:
        raise OptionsError(f"numbers of jobs must be integers separated by commas: {words}") from None
    if not all(0 < number <= MAX_JOBS for number in numbers):
        raise OptionsError(f"numbers of jobs must be between 1 and {MAX_JOBS}: {words}")
    return sorted(set(numbers))


def make_trials(packings: Sequence[Packing], jobs: Sequence[int]) -> list[Trial]:
    """Return the trials of a pass: each packing in memory, then with each number of jobs.

    If `jobs` is empty, there are only trials in memory.
    """
    return [Trial(packing, number) for packing in packings for number in (0, *jobs)]


def copies_needed(files: Sequence[SampleFile], jobs: int) -> int:
    """Return the number of copies of the sample that end-to-end trials need.

    With enough files, no worker waits for long until another has finished its last or largest file.

    Args:
        files: the sample.
        jobs: the largest number of workers.
    """
    sizes = [file.raw_size for file in files]
    by_files = math.ceil(FILES_PER_JOB * jobs / len(files))
    by_size = math.ceil(jobs * max(sizes) / max(1, sum(sizes)))
    return max(1, by_files, by_size)


def expected_seconds(trial: Trial, sample: Sample, copies: int) -> float:
    """Estimate the duration of a trial in seconds.

    The estimate scales the measured cost of ZIP on this sample and machine by the relative cost of
    the compression.

    Args:
        trial: the trial.
        sample: the sample.
        copies: number of copies of the sample in an end-to-end trial.
    """
    zip_seconds = sample.seconds_per_byte * sum(file.raw_size for file in sample.files)
    effort = EFFORT_COST[trial.packing.effort] if trial.packing.compression in WITH_EFFORT else 1.0
    work = trial.packing.compression.facts.cost * effort
    if not trial.jobs:
        return START_SECONDS + zip_seconds * (work + AROUND_MEMORY)
    return START_SECONDS + copies * zip_seconds * (work + AROUND_DISK) / trial.jobs


def _words(text: str) -> list[str]:
    words = [word.strip().lower() for word in text.split(",") if word.strip()]
    if not words:
        raise OptionsError(f"expected values separated by commas, but got {text!r}")
    return words


def _effort(word: str) -> Effort:
    try:
        return Effort(word)
    except ValueError:
        raise OptionsError(unknown_name("effort", word, Effort)) from None
