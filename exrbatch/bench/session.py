"""One benchmark from beginning to end: the passes over all trials, and how long the rest will take."""

import time
from collections.abc import Iterator, Sequence

from exrbatch.bench.matrix import Trial, copies_needed, expected_seconds
from exrbatch.bench.passes import interleaved
from exrbatch.bench.result import TrialResult
from exrbatch.bench.sample import Sample
from exrbatch.bench.workbench import Workbench


class Session:
    """The trials of all passes, in order. Tells what is being done and how long the rest will take.

    `copies`: how often the sample has to be there for end-to-end trials.
    """

    def __init__(self, trials: Sequence[Trial], passes: int, sample: Sample) -> None:
        self.passes = passes
        self.trials = len(trials)
        # Packing and unpacking load all code, and find out what can't be done.
        warm_up = [trial for trial in trials if not trial.jobs]
        self._order = list(interleaved(trials, passes, warm_up))
        self.copies = copies_needed(sample.files, max((trial.jobs for trial in trials), default=0))
        self._expected = {trial: expected_seconds(trial, sample, self.copies) for trial in trials}
        self._taken: dict[Trial, float] = {}
        self._done = 0

    def run(self, workbench: Workbench) -> Iterator[TrialResult]:
        """Do all trials; yield each result as it comes."""
        for number, trial in self._order:
            start = time.perf_counter()
            result = workbench.run(trial, number)
            self._taken[trial] = time.perf_counter() - start
            self._done += 1
            yield result

    @property
    def current(self) -> tuple[int, Trial] | None:
        """The pass and the trial that is being done, or comes next; None at the end."""
        return self._order[self._done] if self._done < len(self._order) else None

    @property
    def total_seconds(self) -> float:
        """How long all of it takes, as far as is known now."""
        return self._seconds(self._order)

    @property
    def remaining_seconds(self) -> float:
        """How long the rest takes: by what each trial took last, or by what was expected of it."""
        return self._seconds(self._order[self._done :])

    def _seconds(self, part: Sequence[tuple[int, Trial]]) -> float:
        expected = sum(self._expected[trial] for trial in self._taken)
        scale = sum(self._taken.values()) / expected if expected else 1.0
        return sum(self._taken.get(trial, self._expected[trial] * scale) for _, trial in part)
