"""Repeated measurements of things that are to be compared: in which order to take them, and what to say of them.

A machine's speed changes by tens of percent from minute to minute. So all things are measured once in each pass, in
another order every time, and ratios are taken within a pass before their median is.
"""

import random
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

_Trial = TypeVar("_Trial")

WARM_UP = 0
"""The number of the pass that is not counted: it fills caches, and finds out what can't be measured at all."""
WIDE_SPREAD = 0.05
"""A figure that varies by more deserves a warning."""


def interleaved(
    trials: Sequence[_Trial], passes: int, warm_up: Sequence[_Trial], seed: int = 0
) -> Iterator[tuple[int, _Trial]]:
    """Yield (number of the pass, trial): the warm-up in the order given, then each pass in an order of its own."""
    yield from ((WARM_UP, trial) for trial in warm_up)
    shuffler = random.Random(seed)  # noqa: S311  nothing secret, but the same each time
    for number in range(1, passes + 1):
        yield from ((number, trial) for trial in shuffler.sample(trials, len(trials)))


@dataclass(frozen=True, slots=True)
class Statistic:
    """What several passes say together. `spread`: distance of the quartiles over the median; `low`: the least value.

    `count`: passes; of one there is no spread.
    """

    median: float
    spread: float
    low: float
    count: int = 1

    @classmethod
    def of(cls, values: Sequence[float]) -> "Statistic":
        """Sum up at least one value."""
        median = statistics.median(values)
        if len(values) == 1 or not median:
            return cls(median, 0.0, min(values), len(values))
        lower, _, upper = statistics.quantiles(values, n=4, method="inclusive")
        return cls(median, (upper - lower) / median, min(values), len(values))

    @property
    def is_wide(self) -> bool:
        """Whether it varies too much to be trusted."""
        return self.spread > WIDE_SPREAD


def paired_ratio(values: Sequence[float], base: Sequence[float]) -> float:
    """Return the median ratio of two things that were measured in the same passes."""
    return statistics.median(value / against for value, against in zip(values, base, strict=True))
