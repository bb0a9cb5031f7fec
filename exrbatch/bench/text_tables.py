"""Format rows of figures as table cells, for the terminal and the page."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from exrbatch.bench.baseline import Change
from exrbatch.bench.figures import Row
from exrbatch.bench.passes import Statistic
from exrbatch.text import format_count, format_size

COLUMNS: dict[str, Callable[[Row], str]] = {
    "compression": lambda row: row.name,
    "of raw": lambda row: f"{100 * row.ratio:.1f} %",
    "of current": lambda row: f"{100 * row.change:.1f} %",
    "compress\nGB/s": lambda row: _speed(row.pack),
    "decompress\nGB/s": lambda row: _speed(row.unpack),
    "files/s": lambda row: _best_rate(row),
    "CPU s/GB": lambda row: "" if row.is_computed else f"{row.cpu_per_byte * 1e9:.1f}",
    "memory": lambda row: format_size(row.peak_memory) if row.peak_memory else "",
    "saved/CPU h": lambda row: "" if row.is_computed else format_size(row.saved_per_cpu_hour),
    "files": lambda row: f"{row.files}" if row.is_whole else f"{row.files} of {row.asked}",
}
"""Headings, and the function that formats the cell below each. Line breaks save width."""

EXPLANATION = (
    "of current: size after a run, which keeps files that would grow. Each file is weighted by the bytes that it"
    " represents. ±: distance of the quartiles. GB/s: raw bytes, in memory, on one core. files/s: whole runs with disk"
    " and verification, with the fastest number of jobs. best per file: computed, not measured; each file has the"
    " lossless compression that makes it smallest."
)
IDEAL = (
    "Ideal: files/s grow in proportion to the jobs, up to the number of cores. knee: the most jobs that are worth it;"
    " ?: the figures vary too much to tell."
)
ERRORS = (
    "max error: largest absolute difference of a sample. PSNR: 10 log10(peak² / mean squared error), of the worst file;"
    " the peak is the largest absolute value of the channel in that file."
)


@dataclass(frozen=True, slots=True)
class Grid:
    """A table as text.

    Attributes:
        headings: headings of the columns. The first column has names.
        rows: the cells of each row, one for each heading.
    """

    headings: list[str]
    rows: list[list[str]]


def _shown(figure: Statistic, text: str) -> str:
    return f"{text} ±{100 * figure.spread:.0f} %" if figure.count > 1 else text


def _speed(figure: Statistic | None) -> str:
    return "" if figure is None else _shown(figure, f"{figure.median / 1e9:.3f}")


def _best_rate(row: Row) -> str:
    if not row.rates:
        return ""
    best = max(row.rates.values(), key=lambda rate: rate.median)
    return _shown(best, rate_text(best.median))


def rate_text(rate: float) -> str:
    """Format files per second, with at least three digits."""
    return f"{rate:.1f}" if rate >= 10 else f"{rate:.2f}" if rate >= 0.1 else f"{rate:.3g}"


def all_jobs(rows: Iterable[Row]) -> list[int]:
    """Return the numbers of jobs that were measured, in ascending order."""
    return sorted({jobs for row in rows for jobs in row.rates})


def rates_grid(rows: Sequence[Row]) -> Grid:
    """Return files per second: a row for each number of jobs, a column for each compression."""
    return _by_jobs("files/s", rows, lambda row, jobs: rate_text(row.rates[jobs].median) if jobs in row.rates else "")


def efficiency_grid(rows: Sequence[Row]) -> Grid:
    """Return the percentage of ideal speed, by number of jobs and compression.

    The last row has the knee of each compression, or "?" if the figures vary too much to tell.
    """
    grid = _by_jobs(
        "% of ideal", rows, lambda row, jobs: f"{100 * row.efficiency[jobs]:.0f}" if jobs in row.rates else ""
    )
    knees = [f"{row.knee or '?'}" for row in rows if row.rates]
    grid.rows.append(["knee", *knees])
    return grid


def _by_jobs(corner: str, rows: Sequence[Row], cell: Callable[[Row, int], str]) -> Grid:
    with_rates = [row for row in rows if row.rates]
    return Grid(
        [corner, *(row.name.replace(" ", "\n", 1) for row in with_rates)],
        [[f"{format_count(jobs, 'job')}", *(cell(row, jobs) for row in with_rates)] for jobs in all_jobs(with_rates)],
    )


def errors_grid(rows: Sequence[Row]) -> Grid:
    """Return the errors of lossy compressions: a row for each compression and channel."""
    return Grid(
        ["compression, channel", "max error", "PSNR, dB"],
        [
            [f"{row.packing.name}, {error.channel}", f"{error.max_error:.4g}", psnr_text(error.psnr)]
            for row in rows
            for error in row.errors
        ],
    )


def psnr_text(psnr: float) -> str:
    """Format a ratio in dB. It is infinite if nothing changed."""
    return "no error" if psnr == math.inf else f"{psnr:.1f}"


def choice_lines(rows: Sequence[Row]) -> list[str]:
    """Say which compressions each choice by file took."""
    lines = []
    for row in rows:
        if row.chosen:
            taken = ", ".join(f"{name} for {count}" for name, count in row.chosen.most_common())
            lines.append(f"{row.packing.name} took {taken} of {row.files} files.")
    return lines


def change_cells(change: Change) -> list[str]:
    """Return the cells of one packing against the baseline: name, size, speeds, rates by jobs."""
    speeds = ["" if ratio is None else f"{ratio:.3f}" for ratio in (change.pack, change.unpack)]
    rates = ", ".join(f"{ratio:.3f} ({jobs})" for jobs, ratio in change.rates.items())
    return [change.name, f"{change.size:.3f}", *speeds, rates]


def spread_cells(rows: Iterable[Row]) -> Iterable[list[str]]:
    """Yield a row for every measured speed: packing, figure, median, spread and minimum."""
    for row in rows:
        speeds = {"compression, GB/s": row.pack, "decompression, GB/s": row.unpack}
        shown = {name: (figure, 1e9, 3) for name, figure in speeds.items() if figure is not None}
        shown |= {f"{format_count(jobs, 'job')}, files/s": (rate, 1.0, 2) for jobs, rate in row.rates.items()}
        for name, (figure, unit, digits) in shown.items():
            least = f"{figure.low / unit:.{digits}f}"
            yield [row.packing.name, name, f"{figure.median / unit:.{digits}f}", f"{100 * figure.spread:.1f} %", least]
