"""Format rows of figures as table cells, for the terminal, the page and the CSV file."""

import csv
import io
from collections.abc import Callable, Iterable, Sequence

from exrbatch.bench.baseline import Change
from exrbatch.bench.figures import Row
from exrbatch.bench.passes import Statistic
from exrbatch.text import format_size

COLUMNS: dict[str, Callable[[Row], str]] = {
    "compression": lambda row: row.packing.name + (" (lossy)" if row.is_lossy else ""),
    "of raw": lambda row: f"{100 * row.ratio:.1f} %",
    "of current": lambda row: f"{100 * row.change:.1f} %",
    "compress\nGB/s": lambda row: _speed(row.pack),
    "decompress\nGB/s": lambda row: _speed(row.unpack),
    "files/s": lambda row: _best_rate(row),
    "CPU s/GB": lambda row: f"{row.cpu_per_byte * 1e9:.1f}",
    "memory": lambda row: format_size(row.peak_memory) if row.peak_memory else "",
    "saved/CPU h": lambda row: format_size(row.saved_per_cpu_hour),
    "files": lambda row: f"{row.files}" if row.is_whole else f"{row.files} of {row.asked}",
}
"""Headings, and the function that formats the cell below each. Line breaks save width."""
CSV_HEADER = (
    "content,compression,effort,lossy,files,asked,raw_bytes,current_bytes,new_bytes,kept_bytes,"
    "jobs,figure,unit,median,spread,min"
)

EXPLANATION = (
    "of current: size after a run, which keeps files that would grow. Each file is weighted by the bytes that it"
    " represents. ±: distance of the quartiles. GB/s: raw bytes, in memory, on one core. files/s: whole runs with disk"
    " and verification, with the fastest number of jobs."
)


def _shown(figure: Statistic, text: str) -> str:
    return f"{text} ±{100 * figure.spread:.0f} %" if figure.count > 1 else text


def _speed(figure: Statistic | None) -> str:
    return "" if figure is None else _shown(figure, f"{figure.median / 1e9:.3f}")


def _best_rate(row: Row) -> str:
    if not row.rates:
        return ""
    best = max(row.rates.values(), key=lambda rate: rate.median)
    return _shown(best, f"{best.median:.1f}")


def jobs_cells(row: Row, jobs: Sequence[int]) -> list[str]:
    """Return files per second and parallel efficiency for each number of jobs."""
    return [
        _shown(row.rates[each], f"{row.rates[each].median:.1f}") + f" ({100 * row.efficiency[each]:.0f} % of ideal)"
        if each in row.rates
        else ""
        for each in jobs
    ]


def all_jobs(rows: Iterable[Row]) -> list[int]:
    """Return the numbers of jobs that were measured, in ascending order."""
    return sorted({jobs for row in rows for jobs in row.rates})


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
        shown |= {f"{jobs} job{'s' * (jobs > 1)}, files/s": (rate, 1.0, 2) for jobs, rate in row.rates.items()}
        for name, (figure, unit, digits) in shown.items():
            least = f"{figure.low / unit:.{digits}f}"
            yield [row.packing.name, name, f"{figure.median / unit:.{digits}f}", f"{100 * figure.spread:.1f} %", least]


def make_csv(rows: Sequence[Row]) -> str:
    """Return the CSV file, with one line per figure. Sizes are in bytes; the unit is a column."""
    stream = io.StringIO()
    stream.write(CSV_HEADER + "\n")
    writer = csv.writer(stream, lineterminator="\n")
    for row in rows:
        packing = row.packing
        start = [row.content, packing.compression.name.lower(), str(packing.effort), int(row.is_lossy), row.files]
        start += [row.asked, *(round(size) for size in (row.raw_size, row.old_size, row.new_size, row.kept_size))]
        for jobs, name, unit, figure in _figures(row):
            values = f"{figure.median:.6g}", f"{figure.spread:.4f}", f"{figure.low:.6g}"
            writer.writerow([*start, jobs, name, unit, *values])
    return stream.getvalue()


def _figures(row: Row) -> Iterable[tuple[int | str, str, str, Statistic]]:
    for name, figure in (("pack", row.pack), ("unpack", row.unpack)):
        if figure is not None:
            yield "", name, "raw bytes/s", figure
    for name, unit, value in (
        ("cpu", "CPU s/raw byte", row.cpu_per_byte),
        ("peak memory", "bytes", float(row.peak_memory)),
        ("saved per CPU hour", "bytes", row.saved_per_cpu_hour),
    ):
        yield "", name, unit, Statistic(value, 0.0, value)
    for jobs, rate in row.rates.items():
        yield jobs, "end to end", "files/s", rate
    for jobs, share in row.efficiency.items():
        yield jobs, "efficiency", "1", Statistic(share, 0.0, share)
