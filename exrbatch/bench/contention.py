"""Find out whether other programs used the CPU during a benchmark, so that figures are wrong."""

from exrbatch.bench.result import Results

QUIET = 0.9
"""A worker that compresses in memory gets at least this fraction of a core on a quiet machine."""


def cpu_share(results: Results) -> float:
    """Return which fraction of a core the trials in memory got, 0 to 1; 1 if there were none.

    They neither read nor write, so all that they wait for is the CPU.
    """
    files = [file for trial in results.trials for file in trial.files if file.is_good and file.pack_seconds]
    wall = sum(file.pack_seconds for file in files)
    return min(1.0, sum(file.cpu_seconds for file in files) / wall) if wall else 1.0


def contention_line(results: Results) -> str | None:
    """Return a warning if other programs used the CPU, or None."""
    if (share := cpu_share(results)) >= QUIET:
        return None
    return (
        f"other programs used the CPU: each trial got only {100 * share:.0f} % of a core, so speeds are too low and"
        " may be in the wrong order; measure again on a quiet machine"
    )
