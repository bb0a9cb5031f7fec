"""Repeated measurements that are compared with each other: their order and their statistics.

A machine's speed changes by tens of percent from minute to minute. Therefore each pass measures
everything once, in a different order each time. To compare two things, take their ratio within each
pass, then the median of the ratios.
"""

import random
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

_Trial = TypeVar("_Trial")

WARM_UP = 0
"""Number of the pass that is not counted. It fills caches and finds what cannot be measured."""
UNKNOWN_SPREAD = 0.5
"""Relative spread that a figure of a single pass is assumed to have."""
WIDE_SPREAD = 0.05
"""A figure with a larger relative spread gets a warning."""


def interleaved(
    trials: Sequence[_Trial], passes: int, warm_up: Sequence[_Trial], seed: int = 0
) -> Iterator[tuple[int, _Trial]]:
    """Yield the trials of all passes as pairs (number of the pass, trial).

    The warm-up keeps the given order. Each pass has an order of its own.

    Args:
        trials: what to measure.
        passes: number of counted passes.
        warm_up: trials of the pass `WARM_UP`.
        seed: determines the orders.
    """
    yield from ((WARM_UP, trial) for trial in warm_up)
    shuffler = random.Random(seed)  # noqa: S311  not secret, but repeatable
    for number in range(1, passes + 1):
        yield from ((number, trial) for trial in shuffler.sample(trials, len(trials)))


@dataclass(frozen=True, slots=True)
class Statistic:
    """The values of several passes, summarised.

    Attributes:
        median: the median.
        spread: distance of the quartiles over the median; 0 for a single pass.
        low: the smallest value.
        count: number of passes.
    """

    median: float
    spread: float
    low: float
    count: int = 1

    @classmethod
    def of(cls, values: Sequence[float]) -> "Statistic":
        """Summarise one or more values."""
        median = statistics.median(values)
        if len(values) == 1 or not median:
            return cls(median, 0.0, min(values), len(values))
        lower, _, upper = statistics.quantiles(values, n=4, method="inclusive")
        return cls(median, (upper - lower) / median, min(values), len(values))

    @property
    def doubt(self) -> float:
        """Relative difference up to which another figure may in truth be equal."""
        return self.spread if self.count > 1 else UNKNOWN_SPREAD

    @property
    def is_wide(self) -> bool:
        """Whether the values vary too much to be trusted."""
        return self.spread > WIDE_SPREAD


def paired_ratio(values: Sequence[float], base: Sequence[float]) -> float:
    """Return the median over the passes of `values` divided by `base`, pass by pass."""
    return statistics.median(value / against for value, against in zip(values, base, strict=True))
