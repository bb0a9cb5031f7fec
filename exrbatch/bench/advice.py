"""Rows of figures -> which to take: order, those that no other beats, and a line of advice with its reason."""

from collections.abc import Sequence

from exrbatch.bench.figures import TOTAL, Row
from exrbatch.exr.compression import OLDEST_NOTABLE_RELEASE, release_number
from exrbatch.text import format_size

SAME_SIZE = 1.03
"""A few percent more bytes are worth ..."""
MUCH_FASTER = 1.25
"""... a packer that is so many times faster."""


def total_rows(rows: Sequence[Row]) -> list[Row]:
    """Return the rows about the whole sample."""
    return [row for row in rows if row.content == TOTAL]


def in_order(rows: Sequence[Row]) -> list[Row]:
    """Sort rows of one content: the one to take first, then the one to take if that could not be had, and so on.

    Those that save nothing come behind, and last those that lose something or could not do every file.
    """
    possible = [row for row in rows if row.can_be_taken]
    ordered = []
    for group in ([row for row in possible if row.change < 1], [row for row in possible if row.change >= 1]):
        while group:
            ordered.append(_pick(group))
            group.remove(ordered[-1])
    return ordered + sorted((row for row in rows if not row.can_be_taken), key=lambda row: (row.is_lossy, row.ratio))


def _pick(rows: Sequence[Row]) -> Row:
    """Take the smallest; then, while there is one nearly as small and much faster to pack, that."""
    best = min(rows, key=_size)
    while True:
        better = [
            row for row in rows if row.new_size <= SAME_SIZE * best.new_size and _pack(row) >= MUCH_FASTER * _pack(best)
        ]
        if not better:
            return best
        best = min(better, key=_size)


def _size(row: Row) -> tuple[float, float]:
    """What a run would leave; where that is all the same, what it would make."""
    return row.kept_size, row.new_size


def _pack(row: Row) -> float:
    return row.pack.median if row.pack is not None else 0.0


def _unpack(row: Row) -> float:
    return row.unpack.median if row.unpack is not None else 0.0


def pareto(rows: Sequence[Row]) -> list[Row]:
    """Return those of which no other is at once as small, as fast to pack and as fast to unpack."""
    possible = [row for row in rows if row.can_be_taken]
    figures = [(-row.new_size, _pack(row), _unpack(row)) for row in possible]
    return [
        row
        for row, mine in zip(possible, figures, strict=True)
        if not any(other != mine and all(a >= b for a, b in zip(other, mine, strict=True)) for other in figures)
    ]


def advise(rows: Sequence[Row]) -> list[str]:
    """Say what to take, and why; a second line where older readers need another answer."""
    possible = [row for row in in_order(total_rows(rows)) if row.can_be_taken]
    if not possible:
        return ["No advice: nothing packed every file of the sample without loss."]
    best = possible[0]
    if best.change >= 1:
        return [f"Leave the files as they are: none of {len(possible)} would make one of the sample smaller."]
    lines = [f"Take {best.packing.name}: {_reason(best, possible)}"]
    release = best.packing.compression.facts.first_release
    if release_number(release) >= release_number(OLDEST_NOTABLE_RELEASE):
        old = [row for row in possible if _first_release(row) < release_number(OLDEST_NOTABLE_RELEASE)]
        lines[0] += f" It needs OpenEXR {release} or newer to be read"
        if old:
            times = old[0].kept_size / best.kept_size
            lines[0] += f"; for older readers take {old[0].packing.name}, {times:.2f} times its size"
        lines[0] += "."
    if (knee := best.knee) is not None and len(best.rates) > 1:
        lines.append(f"Jobs: {_jobs_reason(best, knee)}")
    return lines


def _first_release(row: Row) -> tuple[int, ...]:
    return release_number(row.packing.compression.facts.first_release)


def _reason(best: Row, possible: Sequence[Row]) -> str:
    saved = 100 * (1 - best.change)
    size = f"{100 * best.ratio:.1f} % of the raw bytes, and a run saves {saved:.1f} % of the files as they are"
    smallest = min(possible, key=_size)
    if best is smallest:
        why = f"the smallest of {len(possible)}" if len(possible) > 1 else "the only one that was tried"
    else:
        more = 100 * (best.kept_size / smallest.kept_size - 1)
        faster = _pack(best) / max(1e-9, _pack(smallest))
        why = f"{more:.1f} % larger than {smallest.packing.name}, the smallest, but packed {faster:.1f} times as fast"
    return f"{size}; {why}; {format_size(best.saved_per_cpu_hour)} saved per CPU hour."


def _jobs_reason(best: Row, knee: int) -> str:
    share = 100 * best.efficiency.get(knee, 1.0)
    most = max(best.rates)
    if knee == most:
        return f"{knee} still {'pays' if knee == 1 else 'pay'}, at {share:.0f} % of ideal; more were not tried."
    verb = "is" if knee == 1 else "are"
    return f"{knee} {verb} the knee, at {share:.0f} % of ideal; {most} bring only {100 * best.efficiency[most]:.0f} %."
