"""A benchmark from beginning to end: the passes over all trials, and the time that is left."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from exrbatch.bench.estimate import Estimate
from exrbatch.bench.matrix import copies_needed
from exrbatch.bench.packing import Trial
from exrbatch.bench.passes import WARM_UP, interleaved
from exrbatch.bench.result import TrialResult
from exrbatch.bench.sample import SampleFile


class Bench(Protocol):
    """What runs trials: a `Workbench`."""

    def run(self, trial: Trial, number: int) -> TrialResult:
        """Run one trial of the pass `number`."""
        ...


class Session:
    """The trials of all passes, in order, with an estimate of the time left.

    Attributes:
        passes: number of counted passes.
        trials: number of trials per pass.
        copies: number of copies of the sample that end-to-end trials need.
    """

    def __init__(
        self,
        trials: Sequence[Trial],
        passes: int,
        files: Sequence[SampleFile],
        estimate: Estimate,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Put the trials in order.

        Args:
            trials: the trials of a pass.
            passes: number of counted passes.
            files: the sample.
            estimate: how long each trial will take.
            clock: returns the time in seconds.
        """
        self.passes = passes
        self.trials = len(trials)
        # Trials in memory are the warm-up: they load all code, and find what cannot be measured.
        warm_up = [trial for trial in trials if not trial.jobs]
        self._order = list(interleaved(trials, passes, warm_up))
        self.copies = copies_needed(files, max((trial.jobs for trial in trials), default=0))
        self._estimate = estimate
        self._clock = clock
        self._spent = 0.0
        self._done = 0

    def run(self, bench: Bench) -> Iterator[TrialResult]:
        """Run all trials, and yield each result."""
        for number, trial in self._order:
            start = self._clock()
            result = bench.run(trial, number)
            seconds = self._clock() - start
            self._estimate.add(trial, seconds)
            self._spent += seconds
            self._done += 1
            yield result

    @property
    def current(self) -> tuple[int, Trial] | None:
        """The number of the pass and the trial that runs now or next; None at the end."""
        return self._order[self._done] if self._done < len(self._order) else None

    @property
    def has_warmed_up(self) -> bool:
        """Whether the last trial that ran was the last of the warm-up."""
        is_warm_up = self._done > 0 and self._order[self._done - 1][0] == WARM_UP
        return is_warm_up and self.current is not None and self.current[0] != WARM_UP

    @property
    def copying_seconds(self) -> float:
        """Estimated seconds to copy the sample before the first trial."""
        return self._estimate.copying(self.copies)

    @property
    def total_seconds(self) -> float:
        """Duration of all trials: of those that ran, and the estimate of the others."""
        return self._spent + self.remaining_seconds

    @property
    def remaining_seconds(self) -> float:
        """Estimated time left."""
        return sum(self._estimate.seconds(trial) for _, trial in self._order[self._done :])
