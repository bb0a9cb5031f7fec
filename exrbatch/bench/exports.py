"""Figures for other programs: the CSV file and the document of `--json`."""

import csv
import io
import math
from collections.abc import Iterable, Sequence

from exrbatch.bench.advice import advise
from exrbatch.bench.contention import contention_line
from exrbatch.bench.figures import Row
from exrbatch.bench.goal import Goal
from exrbatch.bench.passes import Statistic
from exrbatch.bench.result import Results, head_record, trial_record

CSV_HEADER = (
    "content,compression,effort,lossy,files,asked,raw_bytes,current_bytes,new_bytes,kept_bytes,"
    "jobs,figure,unit,median,spread,min"
)


def make_csv(rows: Sequence[Row]) -> str:
    """Return the CSV file, with one line per figure. Sizes are in bytes; the unit is a column."""
    stream = io.StringIO()
    stream.write(CSV_HEADER + "\n")
    writer = csv.writer(stream, lineterminator="\n")
    for row in rows:
        start = [row.content, row.packing.word, str(row.packing.effort), int(row.is_lossy), row.files]
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
    for error in row.errors:
        yield "", f"max error {error.channel}", "1", Statistic(error.max_error, 0.0, error.max_error)
        yield "", f"psnr {error.channel}", "dB", Statistic(error.psnr, 0.0, error.psnr)
    for jobs, rate in row.rates.items():
        yield jobs, "end to end", "files/s", rate
    for jobs, share in row.efficiency.items():
        yield jobs, "efficiency", "1", Statistic(share, 0.0, share)


def make_document(results: Results, rows: Sequence[Row], goal: Goal, expected_seconds: float) -> dict[str, object]:
    """Return the document of `--json`: the records of a report, the figures and the advice.

    `--load` and `--baseline` read it again.

    Args:
        results: the results of the benchmark.
        rows: the rows made from `results`.
        goal: what the advice optimises.
        expected_seconds: the duration that was announced.
    """
    return head_record(results) | {
        "expected_seconds": round(expected_seconds, 1),
        "goal": str(goal),
        "advice": advise(rows, goal, is_quiet=contention_line(results) is None) if rows else [],
        "rows": [_row_record(row) for row in rows],
        "trials": [trial_record(trial) for trial in results.trials],
    }


def _row_record(row: Row) -> dict[str, object]:
    return {
        "content": row.content,
        "compression": row.packing.word,
        "effort": str(row.packing.effort) if row.packing.has_effort else None,
        "is_lossy": row.is_lossy,
        "files": row.files,
        "asked": row.asked,
        "raw_size": round(row.raw_size),
        "old_size": round(row.old_size),
        "new_size": round(row.new_size),
        "kept_size": round(row.kept_size),
        "pack": _statistic_record(row.pack),
        "unpack": _statistic_record(row.unpack),
        "rates": {str(jobs): _statistic_record(rate) for jobs, rate in row.rates.items()},
        "efficiency": {str(jobs): share for jobs, share in row.efficiency.items()},
        "knee": row.knee,
        "errors": [
            {
                "channel": error.channel,
                "max_error": error.max_error,
                "psnr": error.psnr if math.isfinite(error.psnr) else None,
                "lost": error.lost,
            }
            for error in row.errors
        ],
        "chosen": dict(row.chosen),
        "problems": row.problems,
    }


def _statistic_record(figure: Statistic | None) -> dict[str, object] | None:
    if figure is None:
        return None
    return {"median": figure.median, "spread": figure.spread, "min": figure.low, "passes": figure.count}
