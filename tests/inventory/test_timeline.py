"""The intervals hold what they promise, on models of shots that need no compression."""

import random
import statistics
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from exrbatch.inventory.timeline import Interval, Timeline, Total, half_width, mean_ratios, student
from tests.support.examples import examples

SEEDS, FRAMES, SAMPLE = 100, 240, 24
RAW = 10_000_000


def totals_of(timelines: Sequence[Timeline], count: int) -> list[Total]:
    """Return the total of each of `count` values over some timelines."""
    means = mean_ratios(timelines, count)
    totals = [Total() for _ in range(count)]
    for timeline in timelines:
        timeline.add_to(totals, means)
    return totals


def shot(random: np.random.Generator, parts: tuple[str, ...]) -> NDArray[np.float64]:
    """Return the new size of each frame of a shot as a ratio to the raw size."""
    place = np.arange(FRAMES) / FRAMES
    ratio = np.full(FRAMES, random.uniform(0.3, 0.7))
    if "ramp" in parts:
        ratio = 0.6 * ratio + random.uniform(0.1, 0.4) * place
    if "cut" in parts:
        ratio[random.integers(1, FRAMES) :] = random.uniform(0.1, 0.8)
    ratio *= 1 + random.normal(0, random.uniform(0.002, 0.05), FRAMES)
    if "slates" in parts:
        ratio[: random.integers(1, 25)] = 0.003
        ratio[-random.integers(1, 25) :] = 0.003
    if "black" in parts:
        first = random.integers(0, FRAMES - 24)
        ratio[first : first + random.integers(1, 25)] = 0.003
    return np.asarray(np.clip(ratio, 0.001, 1), np.float64)


def estimated(seed: int, parts: tuple[str, ...], shots: int, *, packed: bool, sample: int) -> tuple[Interval, float]:
    """Sample some shots as the estimator does; return the interval and the true total."""
    generator = np.random.default_rng(seed)
    new = np.concatenate([shot(generator, parts) for _ in range(shots)]) * RAW
    # The size before is that of raw frames, or of frames that are packed in another way already.
    old = new * generator.uniform(1.1, 1.3, len(new)) if packed else np.full(len(new), float(RAW))
    timeline = Timeline([part.astype(int).tolist() for part in np.split(old, shots)])
    draw = random.Random(seed).random
    for index in timeline.ends:
        timeline.add(index, (new[index] / old[index],))
    while len(timeline.measured) < sample:
        count = min(max(4, len(timeline.measured) // 2), sample - len(timeline.measured))
        for _, index in timeline.choose(count, mean_ratios([timeline], 1), (1.0,), draw):
            timeline.add(index, (new[index] / old[index],))
    (total,) = totals_of([timeline], 1)
    return total.interval(0, float(old.sum())), float(new.sum())


@pytest.mark.parametrize(
    ("parts", "shots", "packed"),
    [
        (("ramp",), 1, False),
        (("cut",), 1, False),
        (("black",), 1, False),
        (("ramp", "cut", "slates", "black"), 1, False),
        (("ramp", "cut", "slates", "black"), 1, True),
        (("ramp", "cut", "slates"), 5, False),
    ],
)
def test_intervals_cover_the_true_size(parts: tuple[str, ...], shots: int, packed: bool) -> None:
    """For at least 90 of 100 seeds, and without being so wide that they say nothing."""
    results = [estimated(seed, parts, shots, packed=packed, sample=SAMPLE * shots) for seed in range(SEEDS)]
    covered = sum(interval.low <= truth <= interval.high for interval, truth in results)
    assert covered >= 90
    widths = [(interval.high - interval.low) / 2 / truth for interval, truth in results]
    assert statistics.median(widths) <= (0.15 if "slates" in parts else 0.08)


def test_the_interval_of_what_was_all_measured_is_a_point() -> None:
    """Nothing is left to be uncertain about."""
    timeline = Timeline([[100, 200, 300], [50]])
    for index, value in enumerate((0.5, 0.1, 0.9, 1.0)):
        timeline.add(index, (value,))
    (total,) = totals_of([timeline], 1)
    assert total.interval(0, 650) == pytest.approx((390, 390, 390))
    assert timeline.choose(3, (0.5,), (1.0,), lambda: 0.5) == []


def test_a_cut_is_found_by_halving() -> None:
    """Frames are chosen close to it, so the interval shrinks faster than the sample grows."""
    timeline = Timeline([[1000] * 400])
    for _ in range(40):
        ((_, index),) = timeline.choose(1, mean_ratios([timeline], 1), (1.0,), lambda: 0.5)
        timeline.add(index, (0.2 if index < 137 else 0.7,))
    left = max(each for each in timeline.measured if each < 137)
    right = min(each for each in timeline.measured if each >= 137)
    assert right - left <= 3
    (total,) = totals_of([timeline], 1)
    assert total.best == pytest.approx(1000 * (137 * 0.2 + 263 * 0.7), rel=0.01)


def test_nothing_measured_means_nothing_known() -> None:
    """The interval is wide, and within what is possible."""
    (total,) = totals_of([Timeline([[1000] * 50])], 1)
    low, _, high = total.interval(0, 50_000)
    assert (low, high) == (0, 50_000)


@examples(25)
@given(st.data())
def test_frames_are_chosen_once_and_only_if_they_are_not_measured(data: st.DataObject) -> None:
    """Whatever sequences there are, until no frame is left."""
    lengths = data.draw(st.lists(st.integers(1, 30), min_size=1, max_size=8))
    timeline = Timeline([[10] * length for length in lengths])
    draw = random.Random(0).random
    while chosen := timeline.choose(data.draw(st.integers(1, 9)), (0.5,), (1.0,), draw):
        for _, index in chosen:
            assert 0 <= index < len(timeline)
            assert index not in timeline.measured
            timeline.add(index, (data.draw(st.floats(0, 1)),))
        (total,) = totals_of([timeline], 1)
        low, best, high = total.interval(0, 10 * sum(lengths))
        assert 0 <= low <= best <= high <= 10 * sum(lengths)
    assert len(timeline.measured) == sum(lengths)


@pytest.mark.parametrize(("freedom", "quantile"), [(3, 3.182), (4, 2.776), (10, 2.228), (1000, 1.962)])
def test_quantiles_of_student(freedom: float, quantile: float) -> None:
    """As in tables."""
    assert student(freedom) == pytest.approx(quantile, rel=0.02)


def test_independent_errors_add_up_in_squares() -> None:
    """A hundred equal parts have ten times the error of one, and nearly normal quantiles."""
    assert half_width([1.0] * 100) == pytest.approx(10 * 1.984, rel=0.01)
    assert half_width([]) == 0.0
    assert half_width([1e-226, 1e-230]) == pytest.approx(1e-113 * half_width([1.0, 1e-4]))
