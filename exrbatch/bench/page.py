"""A benchmark as one self-contained HTML page: tables, plots and advice."""

from collections.abc import Sequence
from html import escape

from exrbatch.bench import plots
from exrbatch.bench.advice import advise, in_order, pareto, total_rows
from exrbatch.bench.baseline import changes, differences
from exrbatch.bench.contention import contention_line
from exrbatch.bench.figures import TOTAL, Row, unmeasured
from exrbatch.bench.goal import Goal
from exrbatch.bench.machine_facts import format_facts, usable_cores
from exrbatch.bench.result import Results
from exrbatch.bench.text_tables import (
    COLUMNS,
    ERRORS,
    EXPLANATION,
    IDEAL,
    Grid,
    all_jobs,
    change_cells,
    choice_lines,
    efficiency_grid,
    errors_grid,
    rates_grid,
    spread_cells,
)
from exrbatch.html_parts import END, STYLE, beginning, first_line, note, table
from exrbatch.text import format_size, safe_text

BARS = "The bars are as long as the distance of the quartiles of the passes."
TITLE = "exrbatch bench"
BEGINNING = first_line(TITLE)


def make_page(results: Results, rows: Sequence[Row], baseline: Results | None, goal: Goal = Goal.BALANCED) -> str:
    """Return the page as HTML. Needs matplotlib.

    Args:
        results: the results of the benchmark.
        rows: the rows made from `results`.
        baseline: results to compare with; None to leave out the comparison.
        goal: what the advice optimises.
    """
    totals = in_order(total_rows(rows), goal)
    parts = [beginning(TITLE, f"{STYLE}{plots.style_sheet()}")]
    if not totals:
        return "".join([*parts, "<p>Nothing was measured.</p>", END])
    best = pareto(totals)
    warning = contention_line(results)
    lines = [*filter(None, [warning]), *advise(rows, goal, is_quiet=warning is None)]
    parts += ['<div class="advice">', *(f"<div>{escape(line)}</div>" for line in lines), "</div>"]
    parts += ["<h2>Compressions</h2>", _main_table(totals, best)]
    parts.append(note(f"Shaded: no other beats it in size, compression and decompression speed at once. {EXPLANATION}"))
    parts += _choices(totals)
    for speed in ("pack", "unpack"):
        parts.append(f"<figure>{plots.size_against_speed(totals, speed)}</figure>")
    parts.append(note(f"{BARS} An empty marker is a lossy compression, or one that is computed from the others."))
    parts += _jobs(results, totals)
    if any(row.errors for row in totals):
        parts += ["<h2>Errors of lossy compressions</h2>", _grid(errors_grid(totals)), note(ERRORS)]
    spreads = table(["", "figure", "median", "spread", "min"], ((cells, False) for cells in spread_cells(totals)), 2)
    parts.append(f"<details><summary>Median, spread and minimum of the passes</summary>{spreads}</details>")
    parts += _by_content(rows, goal)
    if baseline is not None:
        parts += _baseline(results, rows, baseline)
    parts += _problems(results, totals)
    parts += ["<h2>Sample</h2>", _sample_table(results), "<h2>Machine</h2>", _machine_table(results)]
    return "".join([*parts, END])


def _grid(grid: Grid, text_columns: int = 1) -> str:
    return table(grid.headings, ((cells, False) for cells in grid.rows), text_columns)


def _jobs(results: Results, totals: Sequence[Row]) -> list[str]:
    """Return the plot and the tables about the number of jobs, if several were measured."""
    jobs, with_rates = all_jobs(totals), [row for row in totals if row.rates]
    if len(jobs) < 2:
        return []
    plot = plots.rate_against_jobs(with_rates, jobs, usable_cores(results.machine))
    parts = ["<h2>Jobs</h2>", f"<figure>{plot}</figure>", note(BARS)]
    return [*parts, _grid(rates_grid(totals)), note(IDEAL), _grid(efficiency_grid(totals))]


def _choices(totals: Sequence[Row]) -> list[str]:
    return [note(line) for line in choice_lines(totals)]


def _main_table(rows: Sequence[Row], best: Sequence[Row]) -> str:
    return table(COLUMNS, (([cell(row) for cell in COLUMNS.values()], row in best) for row in rows))


def _by_content(rows: Sequence[Row], goal: Goal) -> list[str]:
    parts = []
    for content in dict.fromkeys(row.content for row in rows if row.content != TOTAL):
        some = in_order([row for row in rows if row.content == content], goal)
        names = [name for name in COLUMNS if name != "files/s"]
        best = pareto(some)
        lines = (([COLUMNS[name](row) for name in names], row in best) for row in some)
        parts.append(f"<details><summary>{escape(content)}</summary>{table(names, lines)}</details>")
    return ["<h2>By content</h2>", *parts] if parts else []


def _baseline(results: Results, rows: Sequence[Row], baseline: Results) -> list[str]:
    lines = ((change_cells(change), False) for change in changes(rows, baseline))
    notes = "".join(f"<li>{escape(difference)}</li>" for difference in differences(results, baseline))
    shown = table(["above 1: larger or faster", "size", "compress", "decompress", "files/s (jobs)"], lines)
    return ["<h2>Against the baseline</h2>", shown, f'<ul class="note">{notes}</ul>']


def _problems(results: Results, totals: Sequence[Row]) -> list[str]:
    files = results.sample.files
    lines = [f"{row.packing.name}: {problem}" for row in totals for problem in row.problems]
    lines += [
        f"{packing.name} left out {safe_text(files[file.index].path)}: {file.reason}"
        for packing, file in unmeasured(results)
    ]
    lines += [f"failed: {safe_text(failure.path)}: {failure.reason}" for failure in results.sample.failures]
    return ["<h2>Warnings</h2><ul>", *(f"<li>{escape(line)}</li>" for line in lines), "</ul>"] if lines else []


def _sample_table(results: Results) -> str:
    lines = (
        (
            [file.content, safe_text(file.path), format_size(file.size), format_size(file.raw_size), file.sha256[:12]],
            False,
        )
        for file in results.sample.files
    )
    shown = table(["content", "file", "size", "raw", "sha256"], lines, text_columns=2)
    return f'<div class="texts">{shown}</div>'


def _machine_table(results: Results) -> str:
    shown = format_facts(results.machine) | {name: str(value) for name, value in results.settings.items()}
    lines = (([name.replace("_", " "), value], False) for name, value in shown.items())
    return f'<div class="texts">{table(["", ""], lines, text_columns=2)}</div>'
