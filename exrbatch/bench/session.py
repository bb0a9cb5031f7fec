"""A benchmark from beginning to end: the passes over all trials, and the time that is left."""

import time
from collections.abc import Iterator, Sequence

from exrbatch.bench.matrix import Trial, copies_needed, expected_seconds
from exrbatch.bench.passes import interleaved
from exrbatch.bench.result import TrialResult
from exrbatch.bench.sample import Sample
from exrbatch.bench.workbench import Workbench


class Session:
    """The trials of all passes, in order, with an estimate of the time left.

    Attributes:
        passes: number of counted passes.
        trials: number of trials per pass.
        copies: number of copies of the sample that end-to-end trials need.
    """

    def __init__(self, trials: Sequence[Trial], passes: int, sample: Sample) -> None:
        self.passes = passes
        self.trials = len(trials)
        # Trials in memory are the warm-up: they load all code, and find what cannot be measured.
        warm_up = [trial for trial in trials if not trial.jobs]
        self._order = list(interleaved(trials, passes, warm_up))
        self.copies = copies_needed(sample.files, max((trial.jobs for trial in trials), default=0))
        self._expected = {trial: expected_seconds(trial, sample, self.copies) for trial in trials}
        self._taken: dict[Trial, float] = {}
        self._done = 0

    def run(self, workbench: Workbench) -> Iterator[TrialResult]:
        """Run all trials, and yield each result."""
        for number, trial in self._order:
            start = time.perf_counter()
            result = workbench.run(trial, number)
            self._taken[trial] = time.perf_counter() - start
            self._done += 1
            yield result

    @property
    def current(self) -> tuple[int, Trial] | None:
        """The number of the pass and the trial that runs now or next; None at the end."""
        return self._order[self._done] if self._done < len(self._order) else None

    @property
    def total_seconds(self) -> float:
        """Estimated duration of the whole benchmark."""
        return self._seconds(self._order)

    @property
    def remaining_seconds(self) -> float:
        """Estimated time left.

        A trial that ran before counts with its last duration. For the others, the first estimate is
        scaled by how far off it was for the trials that ran.
        """
        return self._seconds(self._order[self._done :])

    def _seconds(self, part: Sequence[tuple[int, Trial]]) -> float:
        expected = sum(self._expected[trial] for trial in self._taken)
        scale = sum(self._taken.values()) / expected if expected else 1.0
        return sum(self._taken.get(trial, self._expected[trial] * scale) for _, trial in part)
