"""Recommend a compression from rows of figures.

Sorts the rows, finds the rows that no other row beats, and gives advice with its reason.
"""

from collections.abc import Sequence

from exrbatch.bench.figures import TOTAL, Row
from exrbatch.exr.compression import OLDEST_NOTABLE_RELEASE, release_number
from exrbatch.text import format_size

SAME_SIZE = 1.03
"""A result is nearly as small as another if its size is at most this factor of the other."""
MUCH_FASTER = 1.25
"""A compression is much faster than another if its speed is at least this factor of the other."""


def total_rows(rows: Sequence[Row]) -> list[Row]:
    """Return the rows about the whole sample."""
    return [row for row in rows if row.content == TOTAL]


def in_order(rows: Sequence[Row]) -> list[Row]:
    """Sort rows of one content, best first.

    If the first row is not an option, the second is the next best choice, and so on. Rows that save
    nothing come after all rows that do. Rows that are lossy, or do not cover every file, come last.
    """
    possible = [row for row in rows if row.can_be_taken]
    ordered = []
    for group in ([row for row in possible if row.change < 1], [row for row in possible if row.change >= 1]):
        while group:
            ordered.append(_pick(group))
            group.remove(ordered[-1])
    return ordered + sorted((row for row in rows if not row.can_be_taken), key=lambda row: (row.is_lossy, row.ratio))


def _pick(rows: Sequence[Row]) -> Row:
    """Return the best of several rows.

    Starts with the smallest, and moves on as long as another one is nearly as small and compresses
    much faster.
    """
    best = min(rows, key=_size)
    while True:
        better = [
            row for row in rows if row.new_size <= SAME_SIZE * best.new_size and _pack(row) >= MUCH_FASTER * _pack(best)
        ]
        if not better:
            return best
        best = min(better, key=_size)


def _size(row: Row) -> tuple[float, float]:
    """Sort key: bytes after a run; if these are equal, bytes of the new files."""
    return row.kept_size, row.new_size


def _pack(row: Row) -> float:
    return row.pack.median if row.pack is not None else 0.0


def _unpack(row: Row) -> float:
    return row.unpack.median if row.unpack is not None else 0.0


def pareto(rows: Sequence[Row]) -> list[Row]:
    """Return the rows that no other row beats in size, compression and decompression speed at once.

    Only lossless rows that cover every file take part.
    """
    possible = [row for row in rows if row.can_be_taken]
    figures = [(-row.new_size, _pack(row), _unpack(row)) for row in possible]
    return [
        row
        for row, mine in zip(possible, figures, strict=True)
        if not any(other != mine and all(a >= b for a, b in zip(other, mine, strict=True)) for other in figures)
    ]


def advise(rows: Sequence[Row]) -> list[str]:
    """Return lines of advice: which compression to use and why, and how many jobs.

    If only new releases of OpenEXR can read the best compression, the first line also names the
    best one for older readers.
    """
    possible = [row for row in in_order(total_rows(rows)) if row.can_be_taken]
    if not possible:
        return ["No advice: no compression handled every file of the sample without loss."]
    best = possible[0]
    if best.change >= 1:
        return ["Leave the files as they are: no lossless compression of the whole sample makes any file smaller."]
    lines = [f"Use {best.packing.name}: {_reason(best, possible)}"]
    release = best.packing.compression.facts.first_release
    if release_number(release) >= release_number(OLDEST_NOTABLE_RELEASE):
        old = [row for row in possible if _first_release(row) < release_number(OLDEST_NOTABLE_RELEASE)]
        lines[0] += f" It needs OpenEXR {release} or newer to be read"
        if old:
            times = old[0].kept_size / best.kept_size
            lines[0] += f"; for older readers use {old[0].packing.name}, {times:.2f} times its size"
        lines[0] += "."
    if (knee := best.knee) is not None and len(best.rates) > 1:
        lines.append(f"Jobs: {_jobs_reason(best, knee)}")
    return lines


def _first_release(row: Row) -> tuple[int, ...]:
    return release_number(row.packing.compression.facts.first_release)


def _reason(best: Row, possible: Sequence[Row]) -> str:
    saved = 100 * (1 - best.change)
    size = f"{100 * best.ratio:.1f} % of the raw size, and a run saves {saved:.1f} % of the current size"
    smallest = min(possible, key=_size)
    if best is smallest:
        why = f"the smallest of {len(possible)}" if len(possible) > 1 else "the only one that was tried"
    else:
        more = 100 * (best.kept_size / smallest.kept_size - 1)
        faster = _pack(best) / max(1e-9, _pack(smallest))
        why = (
            f"{more:.1f} % larger than {smallest.packing.name}, the smallest, but compresses {faster:.1f} times as fast"
        )
    return f"{size}; {why}; {format_size(best.saved_per_cpu_hour)} saved per CPU hour."


def _jobs_reason(best: Row, knee: int) -> str:
    share = 100 * best.efficiency.get(knee, 1.0)
    most = max(best.rates)
    if knee == most:
        return f"use {knee}, at {share:.0f} % of ideal speed; more were not tried."
    return f"use {knee}, at {share:.0f} % of ideal speed; {most} reach only {100 * best.efficiency[most]:.0f} %."
