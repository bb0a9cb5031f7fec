"""Statistics of a sample along time: totals of what can only be measured, with 95 % intervals.

A timeline has the frames of similar sequences, one sequence after the other. Some frames are
measured. Each value is a ratio to the size of its frame, which is known for all frames, so frames
of different sizes need no special treatment. Between two measured frames, the ratio is
interpolated.

The variance has three terms for each gap between two measured frames (`_Gap`):

- the difference of the two ratios, as in the usual estimator for systematic samples, the mean of
  squared successive differences (K. Wolter, Introduction to Variance Estimation, 2007, chapter 8).
  It covers noise, drift, and a cut anywhere in the gap;
- the scatter of single frames around the interpolation, which is drawn from all of the gaps;
- what no measured frame shows, such as a run of black frames between two others (`HIDDEN`).

A gap without unmeasured frames adds nothing. So the interval shrinks to a point as all frames are
measured.
"""

import math
from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

HIDDEN = 0.25
"""Probability that a sequence has a run of frames of another kind that no measured frame shows.

The run may fill any part of one gap, and its frames may compress to nothing.
"""
UNKNOWN = 0.3
"""Standard deviation of a ratio between 0 and 1 of which nothing is known."""
LEAST_FREEDOM = 4.0
"""Least degrees of freedom. The error of one gap is bounded, so fewer would be too careful."""

Values = tuple[float, ...]
"""What was measured of one frame: several quantities, each as a ratio to its size before."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and its 95 % interval.

    Attributes:
        low: lower end.
        best: the estimate.
        high: upper end.
    """

    low: float
    best: float
    high: float

    def to_json(self) -> list[float]:
        """Return low, best and high, rounded to four digits after the point."""
        return [round(each, 4) for each in (self.low, self.best, self.high)]

    def scaled(self, factor: float) -> "Interval":
        """Return the interval in another unit."""
        return Interval(self.low * factor, self.best * factor, self.high * factor)


@dataclass(frozen=True, slots=True)
class _Gap:
    """The frames between two measured frames, or before the first or after the last one.

    Attributes:
        first: index of the first frame of the gap.
        end: index behind its last frame.
        left: index of the measured frame before it; None if there is none.
        right: index of the measured frame behind it; None if there is none.
    """

    first: int
    end: int
    left: int | None
    right: int | None


class Timeline:
    """Frames in the order of time, some of them measured.

    Attributes:
        measured: the values of the frames that were measured, by index.
    """

    def __init__(self, sequences: Sequence[Sequence[int]]) -> None:
        """Make a timeline.

        Args:
            sequences: for each sequence the sizes of its frames in bytes.
        """
        sizes = [max(1, size) for sequence in sequences for size in sequence]
        self._sizes = np.array(sizes, np.float64)
        self._before = np.concatenate(([0.0], np.cumsum(self._sizes)))
        self._squares = np.concatenate(([0.0], np.cumsum(self._sizes**2)))
        self._starts = [0, *accumulate(map(len, sequences))]
        self._indices: list[int] = []
        self.measured: dict[int, Values] = {}

    def __len__(self) -> int:
        return len(self._sizes)

    @property
    def size(self) -> float:
        """Bytes of all frames."""
        return float(self._before[-1])

    @property
    def ends(self) -> list[int]:
        """Indices of the first and the last frame of each sequence. Slates are often there."""
        return sorted({place for start, end in self._spans() for place in (start, end - 1)})

    def add(self, index: int, values: Values) -> None:
        """Add the values of one frame."""
        if index not in self.measured:
            insort(self._indices, index)
        self.measured[index] = values

    def totals(self, means: Values) -> tuple[list[float], list[list[float]]]:
        """Return the estimated total of each value, and its variance in parts that are independent.

        Args:
            means: mean ratios of all timelines, for one of which nothing was measured.
        """
        totals = [0.0] * len(means)
        parts: list[list[float]] = [[] for _ in means]
        scatter = self._scatter(len(means))
        for index, values in self.measured.items():
            for place, value in enumerate(values):
                totals[place] += value * float(self._sizes[index])
        for gap in self._gaps():
            for place, mean in enumerate(means):
                left, right, difference = self._around(gap, place, mean)
                totals[place] += self._interpolated(gap, left, right)
                parts[place].append(self._variance(gap, difference, (left + right) / 2, scatter[place]))
        return totals, parts

    def choose(self, count: int, means: Values, fraction: Iterator[float], weights: Values) -> Iterator[int]:
        """Choose frames to measure next: each in the gap that adds most to the variance.

        Args:
            count: number of frames, if there are as many.
            means: as for `totals`.
            fraction: random numbers from 0 to 1.
            weights: how much the variance of each value counts.

        Yields:
            indices.
        """
        yield from (index for _, index in self.ranked(count, means, fraction, weights))

    def ranked(self, count: int, means: Values, fraction: Iterator[float], weights: Values) -> list[tuple[float, int]]:
        """Return what `choose` yields, each with the variance that its gap adds, largest first."""
        scatter = self._scatter(len(means))
        rated = []
        for gap in self._gaps():
            rows = [(self._around(gap, place, mean), scatter[place]) for place, mean in enumerate(means)]
            rated.append((self._rating(gap, rows, weights), gap, rows))
        found: list[tuple[float, int]] = []
        while rated and len(found) < count:
            best = max(range(len(rated)), key=lambda place: rated[place][0])
            rating, gap, rows = rated.pop(best)
            middle = gap.first + round((0.3 + 0.4 * next(fraction)) * (gap.end - gap.first - 1))
            found.append((rating, middle))
            for part in (_Gap(gap.first, middle, gap.left, middle), _Gap(middle + 1, gap.end, middle, gap.right)):
                if part.first < part.end:
                    halves = [((left, right, difference / 2), noise) for (left, right, difference), noise in rows]
                    rated.append((self._rating(part, halves, weights), part, halves))
        return found

    def _rating(self, gap: _Gap, rows: Sequence[tuple[tuple[float, float, float], float]], weights: Values) -> float:
        return sum(
            weight * self._variance(gap, difference, (left + right) / 2, noise)
            for ((left, right, difference), noise), weight in zip(rows, weights, strict=True)
        )

    def _spans(self) -> Iterator[tuple[int, int]]:
        yield from zip(self._starts, self._starts[1:], strict=False)

    def _gaps(self) -> Iterator[_Gap]:
        """Yield the gaps that have frames."""
        before: int | None = None
        for index in [*self._indices, len(self)]:
            first = 0 if before is None else before + 1
            if first < index:
                yield _Gap(first, index, before, index if index < len(self) else None)
            before = index

    def _around(self, gap: _Gap, place: int, mean: float) -> tuple[float, float, float]:
        """Return the ratio at both sides of a gap, and the difference to expect between them.

        The first and the last frame of a sequence are often slates. They say little about the
        frames beside them, so the ratio on the other side of the gap counts for both.
        """
        if gap.left is None and gap.right is None:
            return mean, mean, UNKNOWN * math.sqrt(2)
        if gap.left is None or gap.right is None:
            known = self.measured[gap.right if gap.left is None else gap.left][place]  # type: ignore[index]
            return known, known, max(UNKNOWN, abs(known - mean))
        left, right = self.measured[gap.left][place], self.measured[gap.right][place]
        difference = abs(left - right)
        starts, ends = self._is_start(gap.left), self._is_start(gap.right + 1)
        if starts and not ends:
            left = right
        elif ends and not starts:
            right = left
        return left, right, difference

    def _is_start(self, index: int) -> bool:
        place = bisect_left(self._starts, index)
        return place < len(self._starts) and self._starts[place] == index

    def _interpolated(self, gap: _Gap, left: float, right: float) -> float:
        sizes = self._sizes[gap.first : gap.end]
        if left == right:
            return float(sizes.sum()) * left
        count = gap.end - gap.first
        steps: NDArray[np.float64] = np.arange(1, count + 1) / (count + 1)
        return float((sizes * (left + (right - left) * steps)).sum())

    def _variance(self, gap: _Gap, difference: float, level: float, scatter: float) -> float:
        size = float(self._before[gap.end] - self._before[gap.first])
        squares = float(self._squares[gap.end] - self._squares[gap.first])
        hidden = HIDDEN * min(1.0, size / self._size_around(gap)) * (size * level) ** 2 / 3
        return max(difference**2 / 2, scatter) * size**2 + max(difference**2 / 2, scatter) * squares + hidden

    def _size_around(self, gap: _Gap) -> float:
        """Return the bytes of the sequences that a gap touches."""
        first = self._starts[bisect_left(self._starts, gap.first + 1) - 1]
        end = self._starts[bisect_left(self._starts, gap.end)]
        return float(self._before[end] - self._before[first])

    def _scatter(self, count: int) -> list[float]:
        """Return the variance of a single frame around the interpolation, for each value.

        It comes from second differences of neighbouring measured frames. Their median is taken, so
        that cuts do not count as scatter.
        """
        rows = np.array([self.measured[index] for index in self._indices], np.float64).reshape(-1, count)
        if len(rows) < 4:
            return [0.0] * count
        second = rows[:-2] - 2 * rows[1:-1] + rows[2:]
        # The median of a squared normal variable is 0.455 times its variance, which is here 6 times
        # that of a frame.
        return [float(each) / (0.455 * 6) for each in np.median(second**2, axis=0)]


def interval(timelines: Sequence[Timeline], place: int, means: Values, bounds: tuple[float, float]) -> Interval:
    """Return the total of one value over some timelines.

    Args:
        timelines: the timelines.
        place: number of the value in the tuples of values.
        means: mean ratio of each value over what was measured.
        bounds: least and largest total that is possible.
    """
    total, parts = 0.0, []
    for timeline in timelines:
        totals, variances = timeline.totals(means)
        total += totals[place]
        parts += variances[place]
    reach = half_width(parts)
    low, high = bounds
    best = min(max(total, low), high)
    return Interval(max(low, best - reach), best, min(high, best + reach))


def half_width(parts: Sequence[float]) -> float:
    """Return half the width of the 95 % interval of a sum with these independent variances.

    The degrees of freedom are those of Satterthwaite, with one degree for each part.
    """
    variance = sum(parts)
    if variance <= 0:
        return 0.0
    freedom = max(LEAST_FREEDOM, variance**2 / sum(part**2 for part in parts))
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


def mean_ratios(timelines: Sequence[Timeline], count: int) -> Values:
    """Return the mean of each value over all measured frames; 0.5 if there are none."""
    rows = [values for timeline in timelines for values in timeline.measured.values()]
    if not rows:
        return (0.5,) * count
    return tuple(float(each) for each in np.mean(np.array(rows, np.float64), axis=0))
