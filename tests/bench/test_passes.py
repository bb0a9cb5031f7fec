"""The order of measurements, and the statistics over several passes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exrbatch.bench.passes import WARM_UP, Statistic, interleaved, paired_ratio


@given(st.lists(st.integers(), unique=True, max_size=12), st.integers(1, 6))
def test_each_pass_holds_each_trial_once(trials: list[int], passes: int) -> None:
    """The warm-up comes first, then the passes, each with every trial once."""
    order = list(interleaved(trials, passes, warm_up=trials[:3]))
    assert [trial for number, trial in order if number == WARM_UP] == trials[:3]
    assert [number for number, _ in order] == sorted(number for number, _ in order)
    for each in range(1, passes + 1):
        assert sorted(trial for number, trial in order if number == each) == sorted(trials)


def test_each_pass_has_its_own_reproducible_order() -> None:
    """A disturbance in the middle of a pass does not always hit the same trial.

    Still, a run can be repeated.
    """
    trials = list(range(20))
    order = list(interleaved(trials, 3, warm_up=[]))
    passes = [[trial for number, trial in order if number == each] for each in (1, 2, 3)]
    assert passes[0] != passes[1] != passes[2] != trials
    assert order == list(interleaved(trials, 3, warm_up=[]))


def test_one_wild_pass_does_not_widen_the_spread() -> None:
    """The spread is the distance of the quartiles over the median."""
    figure = Statistic.of([10.0, 10.1, 9.9, 10.0, 50.0])
    assert (figure.median, figure.low) == (10.0, 9.9)
    assert figure.spread == pytest.approx(0.01)
    assert not figure.is_wide
    assert Statistic.of([8.0, 9.0, 10.0, 11.0, 12.0]).is_wide
    assert Statistic.of([3.0]) == Statistic(3.0, 0.0, 3.0)


def test_computes_ratios_within_a_pass() -> None:
    """A machine that was twice as slow in one pass changes no ratio."""
    assert paired_ratio([1.0, 2.0, 1.0], [2.0, 4.0, 2.0]) == 0.5
