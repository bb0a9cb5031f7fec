"""Turn the options of a benchmark into its trials."""

import math
from collections.abc import Sequence

from exrbatch.batch.options import MAX_JOBS, parse_compression
from exrbatch.bench.packing import WITH_EFFORT, Choice, Packing, Trial
from exrbatch.bench.sample import SampleFile
from exrbatch.codecs.effort import Effort
from exrbatch.errors import OptionsError
from exrbatch.exr.channel import PixelType
from exrbatch.exr.compression import Compression
from exrbatch.recompression.choices import DEFAULT_READERS
from exrbatch.suggestions import unknown_name

FILES_PER_JOB = 2
"""Least number of files per worker in an end-to-end trial. With fewer, the trial would mostly show
workers that wait for the last one."""


def parse_packings(compressions: str, efforts: str, readers: str = DEFAULT_READERS) -> list[Packing]:
    """Return the packings that the user asked for.

    Args:
        compressions: names separated by commas. "all" stands for all compressions that are lossless
            for half, except NONE, and for "auto".
        efforts: names separated by commas.
        readers: for "auto", the oldest OpenEXR release that must be able to read the result.

    Raises:
        OptionsError: a name is unknown, or a list is empty.
    """
    chosen_efforts = [_effort(word) for word in _words(efforts)]
    named: dict[Compression | Choice, bool] = {}
    for word in _words(compressions):
        if word == "all":
            for compression in Compression:
                if compression is not Compression.NONE and PixelType.HALF not in compression.facts.lossy_types:
                    named.setdefault(compression, False)
            named.setdefault(Choice.AUTO, False)
        elif word == Choice.AUTO:
            named[Choice.AUTO] = True
        else:
            named[parse_compression(word)] = True
    return [
        Packing(compression, effort, is_named, readers)
        for compression, is_named in named.items()
        for effort in (chosen_efforts if compression in (*WITH_EFFORT, Choice.AUTO) else [Effort.BALANCED])
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
