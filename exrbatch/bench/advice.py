"""Recommend a compression from rows of figures.

Sorts the rows, finds the rows that no other row beats, and gives advice with its reason. If the
figures vary more than they differ, the advice is to measure longer.
"""

import math
from collections.abc import Sequence

from exrbatch.bench.figures import TOTAL, Row
from exrbatch.bench.goal import WEIGHTS, Goal
from exrbatch.bench.passes import Statistic
from exrbatch.exr.compression import OLDEST_NOTABLE_RELEASE, release_number
from exrbatch.text import format_size

AS_GOOD = 0.01
"""Rows whose scores differ by less are as good as each other: it is worth 1 % of the size."""
MOST_NAMED = 3
"""Highest number of rows that a line of advice names."""
FEW_PASSES = 10
"""Number of passes that is suggested at least if figures vary."""


def total_rows(rows: Sequence[Row]) -> list[Row]:
    """Return the rows about the whole sample."""
    return [row for row in rows if row.content == TOTAL]


def in_order(rows: Sequence[Row], goal: Goal = Goal.BALANCED) -> list[Row]:
    """Sort rows of one content, best first for the goal.

    Rows that save nothing come after all rows that do. Then come rows that cannot be recommended:
    they are computed from others, do not cover every file, or are lossy.
    """

    def place(row: Row) -> tuple[bool, bool, bool, float, float]:
        rest = (score(row, goal), row.new_size) if row.can_be_taken else (row.ratio, 0.0)
        return not row.can_be_taken, row.is_lossy, row.can_be_taken and row.change >= 1, *rest

    return sorted(rows, key=place)


def score(row: Row, goal: Goal) -> float:
    """Return the natural logarithm of the score that `Weights` defines. The lowest is best."""
    weights = WEIGHTS[goal]
    pack, unpack = _median(row.pack), _median(row.unpack)
    return (
        weights.size * math.log(max(1.0, row.kept_size))
        - weights.compress * math.log(pack)
        - weights.decompress * math.log(unpack)
    )


def _median(figure: Statistic | None) -> float:
    return max(1.0, figure.median) if figure is not None else 1.0


def doubt(row: Row, other: Row, goal: Goal) -> float:
    """Return how much the scores of two rows may differ although the rows are equal."""
    weights = WEIGHTS[goal]
    pairs = (weights.compress, (row.pack, other.pack)), (weights.decompress, (row.unpack, other.unpack))
    return sum(weight * max(figure.doubt if figure else 0.0 for figure in both) for weight, both in pairs)


def pareto(rows: Sequence[Row]) -> list[Row]:
    """Return the rows that no other row beats in size, compression and decompression speed at once.

    Only lossless rows that cover every file take part.
    """
    possible = [row for row in rows if row.can_be_taken]
    figures = [(-row.new_size, _median(row.pack), _median(row.unpack)) for row in possible]
    return [
        row
        for row, mine in zip(possible, figures, strict=True)
        if not any(other != mine and all(a >= b for a, b in zip(other, mine, strict=True)) for other in figures)
    ]


def advise(rows: Sequence[Row], goal: Goal = Goal.BALANCED, *, is_quiet: bool = True) -> list[str]:
    """Return lines of advice: which compression to use and why, and how many jobs.

    If only new releases of OpenEXR can read the best compression, the first line also names the
    best one for older readers.

    Args:
        rows: the figures.
        goal: what is wanted.
        is_quiet: whether the CPU was free for the benchmark; if not, there is no advice about jobs.
    """
    possible = [row for row in in_order(total_rows(rows), goal) if row.can_be_taken]
    if not possible:
        return ["No advice: no compression handled every file of the sample without loss."]
    best = possible[0]
    if best.change >= 1:
        return ["Leave the files as they are: no lossless compression of the whole sample makes any file smaller."]
    if close := rivals(possible, goal):
        return [_undecided([best, *close], goal), *_jobs_lines(best, is_quiet=is_quiet)]
    equals = [row for row in _alternatives(possible) if score(row, goal) - score(best, goal) < AS_GOOD]
    return [_recommendation(best, possible, equals, goal), *_jobs_lines(best, is_quiet=is_quiet)]


def rivals(ordered: Sequence[Row], goal: Goal) -> list[Row]:
    """Return the rows that may in truth be better than the first one.

    Their scores differ from its score by less than the spread of the speeds explains.

    Args:
        ordered: rows of one content, in order.
        goal: what the order is for.
    """
    return [
        row
        for row in _alternatives(ordered)
        if (most := doubt(ordered[0], row, goal)) > AS_GOOD and score(row, goal) - score(ordered[0], goal) <= most
    ]


def _alternatives(ordered: Sequence[Row]) -> list[Row]:
    """Return the rows after the first that can be taken instead of it, and save something."""
    return [row for row in ordered[1:] if row.can_be_taken and row.change < 1 and ordered[0].can_be_taken]


def _undecided(rows: Sequence[Row], goal: Goal) -> str:
    figures = [figure for row in rows for figure in (row.pack, row.unpack) if figure is not None]
    if figures[0].count == 1:
        why = "a single pass does not tell how much the speeds vary"
    else:
        why = f"their speeds vary by up to ±{100 * max(figure.spread for figure in figures):.0f} % between passes"
    return (
        f"Undecided between {_listed(rows)} for the goal {goal}: {why}, and the compressions differ by less."
        f" {_measure_longer(figures[0].count)}"
    )


def _measure_longer(passes: int) -> str:
    return f"Measure longer: --passes {max(FEW_PASSES, 2 * passes)}."


def _listed(rows: Sequence[Row]) -> str:
    names = [row.packing.name for row in rows[:MOST_NAMED]]
    if (more := len(rows) - len(names)) > 0:
        names.append(f"{more} more")
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _recommendation(best: Row, possible: Sequence[Row], equals: Sequence[Row], goal: Goal) -> str:
    line = f"Use {best.packing.name} (goal: {goal}): {_reason(best, possible)}"
    if equals:
        line += f" As good: {_listed(equals)}."
    release = best.packing.first_release
    if release_number(release) >= release_number(OLDEST_NOTABLE_RELEASE):
        old = [row for row in possible if _first_release(row) < release_number(OLDEST_NOTABLE_RELEASE)]
        line += f" It needs OpenEXR {release} or newer to be read"
        if old:
            times = old[0].kept_size / max(1, best.kept_size)
            line += f"; for older readers use {old[0].packing.name}, {times:.2f} times its size"
        line += "."
    return line


def _first_release(row: Row) -> tuple[int, ...]:
    return release_number(row.packing.first_release)


def _reason(best: Row, possible: Sequence[Row]) -> str:
    saved = 100 * (1 - best.change)
    size = f"{100 * best.ratio:.1f} % of the raw size, and a run saves {saved:.1f} % of the current size"
    smallest = min(possible, key=lambda row: (row.kept_size, row.new_size))
    if best is smallest or best.kept_size == smallest.kept_size:
        why = f"the smallest of {len(possible)}" if len(possible) > 1 else "the only one that was tried"
    else:
        more = 100 * (best.kept_size / smallest.kept_size - 1)
        why = f"{more:.1f} % larger than {smallest.packing.name}, the smallest" + _faster(best, smallest)
    return f"{size}; {why}; {format_size(best.saved_per_cpu_hour)} saved per CPU hour."


def _faster(row: Row, other: Row) -> str:
    """Return text about the speeds in which a row differs from another; empty if in none."""
    ratios = {
        "compresses": _median(row.pack) / _median(other.pack),
        "decompresses": _median(row.unpack) / _median(other.unpack),
    }
    words = [f"{verb} {ratio:.1f} times as fast" for verb, ratio in ratios.items() if not 0.95 < ratio < 1.05]
    return f", but {' and '.join(words)}" if words else ""


def _jobs_lines(best: Row, *, is_quiet: bool) -> list[str]:
    """Return the advice about the number of jobs, if several were tried."""
    if len(best.rates) < 2:
        return []
    if not is_quiet:
        return ["Jobs: no advice, because other programs used the CPU."]
    counts = min(rate.count for rate in best.rates.values())
    if (knee := best.knee) is None:
        spread = max(rate.spread for rate in best.rates.values())
        why = f"files per second vary by up to ±{100 * spread:.0f} % between passes"
        if counts == 1:
            why = "a single pass does not tell how much files per second vary"
        return [f"Jobs: no advice for {best.packing.name}: {why}. {_measure_longer(counts)}"]
    share, most = 100 * best.efficiency[knee], max(best.rates)
    use = f"Jobs: use {knee} for {best.packing.name}, at {share:.0f} % of ideal speed"
    if knee == most:
        return [f"{use}; more were not tried."]
    gain = best.rates[most].median / best.rates[knee].median
    return [f"{use}; {most} are {gain:.2f} times as fast as {knee}."]
