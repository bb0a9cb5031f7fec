"""Compute what a benchmark would have measured if each file had its best compression."""

from dataclasses import replace

from exrbatch.bench.packing import Choice, Packing, Trial
from exrbatch.bench.result import FileResult, Results, TrialResult
from exrbatch.codecs.effort import Effort

BEST = Packing(Choice.BEST, Effort.BALANCED)


def with_best_per_file(results: Results) -> Results:
    """Add trials in memory in which each file has the packing that makes it smallest.

    Only lossless results count, and automatic choices do not. There must be at least two packings.
    If two results are equally small, the one that is compressed faster counts.
    """
    measured = [trial for trial in results.trials if not trial.trial.jobs and trial.trial.packing.fixed is not None]
    if len({trial.trial.packing for trial in measured}) < 2:
        return results
    best: dict[int, tuple[tuple[int, float], Packing]] = {}
    for trial in measured:
        for file in trial.files:
            if file.is_good and not file.is_lossy:
                mine = ((file.new_size, file.pack_seconds), trial.trial.packing)
                best[file.index] = min(best.get(file.index, mine), mine, key=lambda each: each[0])
    passes: dict[int, list[FileResult]] = {}
    for trial in measured:
        passes.setdefault(trial.number, []).extend(
            replace(file, is_renamed=False, chosen=(trial.trial.packing.name,))
            for file in trial.files
            if file.index in best and best[file.index][1] == trial.trial.packing
        )
    # A pass that was interrupted may lack some files.
    whole = {number: files for number, files in passes.items() if len(files) == len(best)}
    computed = [
        TrialResult(trial=Trial(BEST, 0), number=number, seconds=0.0, files=files) for number, files in whole.items()
    ]
    return replace(results, trials=[*results.trials, *computed]) if best else results
