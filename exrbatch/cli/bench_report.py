"""What a benchmark prints on the terminal: the sample, the tables and the advice."""

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from exrbatch.bench.advice import advise, in_order, pareto, rivals, total_rows
from exrbatch.bench.baseline import changes, differences
from exrbatch.bench.contention import contention_line
from exrbatch.bench.figures import Row, make_rows, unmeasured
from exrbatch.bench.goal import Goal
from exrbatch.bench.machine_facts import format_facts
from exrbatch.bench.result import Results
from exrbatch.bench.sample import Sample
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
)
from exrbatch.cli.summary import MAX_LISTED
from exrbatch.cli.tables import stacked
from exrbatch.text import format_count, format_size, safe_text, shortened

HASH_SHOWN = 12
"""Digits of a hash that are shown to tell files apart. The --report file has all digits."""
SAMPLE_COLUMNS, LEAST_PATH = 40, 18
"""Width that the table of the sample needs beside the paths, and least width of a path."""
CONTENT_COLUMNS = ("of raw", "of current", "compress\nGB/s", "decompress\nGB/s")


def print_corpus(console: Console, sample: Sample) -> None:
    """Print the content classes of the files found, and the sample files that represent them."""
    count = f"{format_count(sample.found, 'file')} found, {sample.looked_at} examined"
    console.print(Text(count, style="bold"))
    width = max(LEAST_PATH, console.width - SAMPLE_COLUMNS)
    rows = []
    for each in sample.classes:
        rows.append([f"{each.name}: {format_count(each.files, 'file')}", format_size(each.size), ""])
        for file in sample.files:
            if file.content == each.name:
                path = shortened(safe_text(file.path), width)
                rows.append([f"  {path}", format_size(file.size), file.sha256[:HASH_SHOWN]])
    if rows:
        _print_grid(console, Grid(["content, and its sample files", "size", "sha256"], rows))


def print_left_out(console: Console, sample: Sample) -> None:
    """Print which files were skipped or failed, and why."""
    for word, style, reports in (("skipped", "yellow", sample.skipped), ("failed", "bold red", sample.failures)):
        for report in reports[:MAX_LISTED]:
            line = Text(f"{word}: ", style=style)
            console.print(line.append(f"{safe_text(report.path)}: {report.reason}", "not bold default"))
        if (more := len(reports) - MAX_LISTED) > 0:
            console.print(Text(f"and {more} more", style=style))


def print_results(console: Console, results: Results, baseline: Results | None, goal: Goal) -> None:
    """Print the tables and the advice.

    Args:
        console: where to print.
        results: the results of the benchmark.
        baseline: results to compare with; None to leave out the comparison.
        goal: what the advice optimises.
    """
    rows = make_rows(results)
    totals = in_order(total_rows(rows), goal)
    if not totals:
        console.print(Text("nothing was measured", style="yellow"))
        return
    best = pareto(totals)
    facts = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in format_facts(results.machine).items())
    _print_prose(console, Text(facts, "dim"))
    names = [f"{'*' if row in best else ' '} {row.name}" for row in totals]
    cells = [
        [name, *(cell(row) for cell in list(COLUMNS.values())[1:])] for name, row in zip(names, totals, strict=True)
    ]
    _print_grid(console, Grid(["  compression", *list(COLUMNS)[1:]], cells))
    marks = f"* no other beats it in size, compression and decompression speed at once. {EXPLANATION}"
    _print_prose(console, Text(marks, "dim"))
    if len(all_jobs(totals)) > 1:
        _print_grid(console, rates_grid(totals))
        _print_grid(console, efficiency_grid(totals))
        _print_prose(console, Text(IDEAL, "dim"))
    if any(row.errors for row in totals):
        _print_grid(console, errors_grid(totals))
        _print_prose(console, Text(ERRORS, "dim"))
    if len(rows) > len(totals):
        _print_grid(console, _content_grid(rows, goal), text_columns=2)
        _print_prose(console, Text(f"best: for the goal {goal}; ?: speeds vary too much to tell", "dim"))
    if baseline is not None:
        _print_changes(console, rows, results, baseline)
    for line in choice_lines(totals):
        _print_prose(console, Text(line, "dim"))
    _print_problems(console, totals, results)
    if (warning := contention_line(results)) is not None:
        _print_prose(console, Text("warning: ", style="yellow").append(warning, "default"))
    if results.settings.get("stopped"):
        words = "stopped before the end: figures and advice are about the finished trials only"
        _print_prose(console, Text(words, style="bold yellow"))
    for line in advise(rows, goal, is_quiet=warning is None):
        _print_prose(console, Text(line, style="bold green"))


def _print_prose(console: Console, text: Text) -> None:
    """Print sentences, wrapped between words. They contain no paths, which a wrap would break."""
    console.print(text, soft_wrap=False)


def _print_grid(console: Console, grid: Grid, text_columns: int = 1) -> None:
    for table in stacked(grid.headings, grid.rows, console.width, text_columns):
        console.print(table)


def _content_grid(rows: Sequence[Row], goal: Goal) -> Grid:
    """Return the table of the best compression for each content class, with its figures."""
    grid = Grid(["content", "best", *CONTENT_COLUMNS], [])
    for content in list(dict.fromkeys(row.content for row in rows))[1:]:
        some = in_order([row for row in rows if row.content == content], goal)
        row, doubt = some[0], " ?" if rivals(some, goal) else ""
        grid.rows.append([content, row.name + doubt, *(COLUMNS[name](row) for name in CONTENT_COLUMNS)])
    return grid


def _print_changes(console: Console, rows: Sequence[Row], results: Results, baseline: Results) -> None:
    headings = ["against the baseline", "size", "compress", "decompress", "files/s"]
    _print_grid(console, Grid(headings, [change_cells(change) for change in changes(rows, baseline)]))
    _print_prose(console, Text("ratios: above 1 is larger or faster; the number of jobs is in brackets", "dim"))
    for difference in differences(results, baseline):
        _print_prose(console, Text(f"note: {difference}", "dim"))


def _print_problems(console: Console, totals: Sequence[Row], results: Results) -> None:
    for row in totals:
        for problem in row.problems:
            line = Text("warning: ", style="yellow")
            _print_prose(console, line.append(f"{row.packing.name}: {problem}", "default"))
    lost = unmeasured(results)
    for packing, file in lost[:MAX_LISTED]:
        name = safe_text(results.sample.files[file.index].path)
        console.print(Text("left out: ", style="yellow").append(f"{packing.name}: {name}: {file.reason}", "default"))
    if (more := len(lost) - MAX_LISTED) > 0:
        console.print(Text(f"and {more} more left out", style="yellow"))
