"""Totals of what is measured for a sample of frames only, with 95 % intervals.

A timeline has the frames of similar sequences, one sequence after the other. Some frames are
measured. Each value is a ratio to the size of its frame, which is known for all frames, so frames
of different sizes need no special treatment. Between two measured frames, the ratio is
interpolated.

Each gap between two measured frames adds to the uncertainty:

- the difference of the two ratios, as in the usual estimator for systematic samples, the mean of
  squared successive differences (Wolter, Introduction to Variance Estimation, 2007, chapter 8). It
  covers noise, drift, and a cut anywhere in the gap;
- the scatter of single frames, which is estimated from all gaps together, in case two measured
  frames are alike by chance;
- what no measured frame shows, such as a run of black frames between two others (`HIDDEN`).

The frames to measure next are drawn at random from the middle of the gap that adds most. So the
gaps around a cut or a slate soon become small. A gap without unmeasured frames adds nothing.
"""

import heapq
import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

HIDDEN = 0.25
"""Probability that a sequence has a run of frames of another kind that no measured frame shows.

The run may fill any part of one gap, and its frames may compress to nothing.
"""
UNKNOWN = 0.6
"""Standard deviation of a ratio, relative to the mean of others, if nothing else is known of it."""
LEAST_FREEDOM = 4.0
"""Least degrees of freedom. The error of one gap is bounded, so fewer would be too careful."""
SHORT = 8
"""In a sequence of fewer frames, the first and the last frame are like any other."""

Values = tuple[float, ...]
"""What was measured of one frame: several quantities, each as a ratio to its size before."""


class Interval(NamedTuple):
    """An estimate and its 95 % interval.

    Attributes:
        low: lower end.
        best: the estimate.
        high: upper end.
    """

    low: float
    best: float
    high: float

    def linear(self, factor: float, summand: float = 0.0) -> "Interval":
        """Return the interval of a quantity that depends on this one, with a positive factor."""
        return Interval(*(each * factor + summand for each in self))


class _Gap(NamedTuple):
    """Frames that were not measured, between two that were.

    Attributes:
        first: index of the first frame of the gap.
        end: index behind its last frame.
        sides: for each value, the ratio at the left and at the right, and the difference that must
            be expected between two frames.
    """

    first: int
    end: int
    sides: tuple[tuple[float, float, float], ...]


@dataclass(slots=True)
class Total:
    """The total of one value over some timelines, with what makes it uncertain.

    Attributes:
        best: the estimate.
        variances: variance that each gap adds. They are independent.
        hidden: expected size of runs that no measured frame shows. All have the same sign, so they
            are added up.
    """

    best: float = 0.0
    variances: list[float] = field(default_factory=list)
    hidden: float = 0.0

    def add(self, other: "Total") -> None:
        """Add the total over other timelines."""
        self.best += other.best
        self.variances += other.variances
        self.hidden += other.hidden

    def interval(self, low: float, high: float, error: float = 0.0) -> Interval:
        """Return the 95 % interval.

        Args:
            low: the least total that is possible.
            high: the largest total that is possible.
            error: half the 95 % interval of an error that does not come from sampling.
        """
        best = min(max(self.best, low), high)
        reach = math.hypot(half_width(self.variances) + self.hidden, error)
        return Interval(max(low, best - reach), best, min(high, best + reach))


class Timeline:
    """Frames in the order of time, some of them measured.

    Attributes:
        measured: the values of the frames that were measured, by index.
    """

    def __init__(self, sequences: Sequence[Sequence[int]]) -> None:
        """Make a timeline.

        Args:
            sequences: for each sequence the sizes of its frames in bytes; no sequence is empty.
        """
        self._sizes = np.array([max(1, size) for sequence in sequences for size in sequence], np.float64)
        self._before = np.concatenate(([0.0], np.cumsum(self._sizes)))
        self._squares = np.concatenate(([0.0], np.cumsum(self._sizes**2)))
        self._bounds = [0, *accumulate(map(len, sequences))]
        long = [(start, end) for start, end in pairwise(self._bounds) if end - start >= SHORT]
        self._firsts, self._lasts = {start for start, _ in long}, {end - 1 for _, end in long}
        self._indices: list[int] = []
        self.measured: dict[int, Values] = {}

    def __len__(self) -> int:
        return len(self._sizes)

    @property
    def ends(self) -> list[int]:
        """Indices of the first and the last frame of the timeline and of each long sequence.

        Slates are often there.
        """
        return sorted({0, len(self) - 1} | self._firsts | self._lasts)

    def add(self, index: int, values: Values) -> None:
        """Add the values of one frame."""
        if index not in self.measured:
            insort(self._indices, index)
        self.measured[index] = values

    def add_to(self, totals: Sequence[Total], means: Values) -> None:
        """Add the totals of this timeline to others.

        Args:
            totals: one for each value.
            means: mean ratios over all timelines, for gaps of which nothing is known.
        """
        scatter = self._scatter(len(means))
        for index, values in self.measured.items():
            for total, value in zip(totals, values, strict=True):
                total.best += value * float(self._sizes[index])
        for gap in self._gaps(means):
            for total, sides, noise, mean in zip(totals, gap.sides, scatter, means, strict=True):
                total.best += self._interpolated(gap, sides)
                total.variances.append(self._variance(gap, sides, noise, mean))
                total.hidden += self._hidden(gap, sides, mean)

    def choose(
        self, count: int, means: Values, weights: Values, random: Callable[[], float]
    ) -> list[tuple[float, int]]:
        """Choose frames to measure next: each in the gap that adds most to the variance.

        Args:
            count: number of frames, if there are as many.
            means: as for `add_to`.
            weights: how much the variance of each value counts.
            random: returns a random number from 0 to 1.

        Returns:
            for each frame, the variance that its gap adds, and its index.
        """
        scatter = self._scatter(len(means))

        def rated(gap: _Gap) -> tuple[float, _Gap]:
            rows = zip(gap.sides, scatter, means, weights, strict=True)
            return -sum(weight * self._variance(gap, sides, noise, mean) for sides, noise, mean, weight in rows), gap

        waiting = [rated(gap) for gap in self._gaps(means)]
        heapq.heapify(waiting)
        found: list[tuple[float, int]] = []
        while waiting and len(found) < count:
            rating, gap = heapq.heappop(waiting)
            middle = gap.first + round((0.3 + 0.4 * random()) * (gap.end - gap.first - 1))
            found.append((-rating, middle))
            sides = tuple((left, right, difference / 2) for left, right, difference in gap.sides)
            for first, end in ((gap.first, middle), (middle + 1, gap.end)):
                if first < end:
                    heapq.heappush(waiting, rated(_Gap(first, end, sides)))
        return found

    def _gaps(self, means: Values) -> Iterator[_Gap]:
        """Yield the gaps that have frames."""
        before: int | None = None
        for index in [*self._indices, len(self)]:
            first = 0 if before is None else before + 1
            after = index if index < len(self) else None
            if first < index:
                yield _Gap(first, index, tuple(self._sides(before, after, *each) for each in enumerate(means)))
            before = index

    def _sides(self, before: int | None, after: int | None, place: int, mean: float) -> tuple[float, float, float]:
        """Return the ratio at both sides of a gap, and the difference to expect between them.

        The first and the last frame of a sequence are often slates. They say little about the
        frames beside them, so the ratio on the other side of the gap counts for both.
        """
        left = None if before is None else self.measured[before][place]
        right = None if after is None else self.measured[after][place]
        difference = UNKNOWN * mean if left is None or right is None else abs(left - right)
        left = None if before in self._firsts else left
        right = None if after in self._lasts else right
        if left is None and right is None:
            return mean, mean, max(difference, UNKNOWN * mean)
        return (right if left is None else left, left if right is None else right, difference)  # type: ignore[return-value]

    def _interpolated(self, gap: _Gap, sides: tuple[float, float, float]) -> float:
        left, right, _ = sides
        steps: NDArray[np.float64] = np.arange(1, gap.end - gap.first + 1) / (gap.end - gap.first + 1)
        return float((self._sizes[gap.first : gap.end] * (left + (right - left) * steps)).sum())

    def _variance(self, gap: _Gap, sides: tuple[float, float, float], scatter: float, mean: float) -> float:
        size = self._size(gap.first, gap.end)
        squares = float(self._squares[gap.end] - self._squares[gap.first])
        *_, difference = sides
        seen = max(difference**2 / 2, scatter) * (size**2 + squares)
        return seen + self._chance(gap) * (size * self._level(sides, mean)) ** 2 / 3

    def _hidden(self, gap: _Gap, sides: tuple[float, float, float], mean: float) -> float:
        return self._chance(gap) * self._size(gap.first, gap.end) * self._level(sides, mean) / 6

    def _chance(self, gap: _Gap) -> float:
        """Return the probability that a gap has a hidden run: its share of its sequences counts."""
        first = self._bounds[bisect_right(self._bounds, gap.first) - 1]
        end = self._bounds[bisect_left(self._bounds, gap.end)]
        return HIDDEN * self._size(gap.first, gap.end) / self._size(first, end)

    def _level(self, sides: tuple[float, float, float], mean: float) -> float:
        return max(mean, *sides[:2])

    def _size(self, first: int, end: int) -> float:
        """Return the bytes of the frames from `first` to before `end`."""
        return float(self._before[end] - self._before[first])

    def _scatter(self, count: int) -> list[float]:
        """Return the variance of a single frame around its neighbours, for each value.

        It comes from second differences of successive measured frames. Their median is taken, so
        that cuts do not count as scatter.
        """
        rows = np.array([self.measured[index] for index in self._indices], np.float64).reshape(-1, count)
        if len(rows) < 4:
            return [0.0] * count
        second = rows[:-2] - 2 * rows[1:-1] + rows[2:]
        # The median of a squared normal variable is 0.455 times its variance. That of a second
        # difference is 6 times the variance of a frame.
        return [float(each) / (0.455 * 6) for each in np.median(second**2, axis=0)]


def mean_ratios(timelines: Sequence[Timeline], count: int) -> Values:
    """Return the mean of each value over all measured frames; 0.5 if there are none."""
    rows = [values for timeline in timelines for values in timeline.measured.values()]
    if not rows:
        return (0.5,) * count
    return tuple(float(each) for each in np.mean(np.array(rows, np.float64), axis=0))


def half_width(variances: Sequence[float]) -> float:
    """Return half the width of the 95 % interval of a sum with these independent variances.

    The degrees of freedom are those of Satterthwaite, with one degree for each part.
    """
    variance = sum(variances)
    if variance <= 0:
        return 0.0
    shares = [each / variance for each in variances]  # the squares of tiny variances would be 0
    freedom = max(LEAST_FREEDOM, 1 / sum(share**2 for share in shares))
    return student(freedom) * math.sqrt(variance)


def student(freedom: float) -> float:
    """Return the 97.5 % quantile of Student's t, for 3 degrees of freedom or more.

    This is the expansion by Cornish and Fisher, whose error is below 1 %.
    """
    z = 1.959964
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return sum(term / freedom**power for power, term in enumerate(terms))
