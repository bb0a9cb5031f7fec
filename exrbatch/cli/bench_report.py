"""What a benchmark prints on the terminal: the sample, the tables and the advice."""

from collections.abc import Iterable, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from exrbatch.bench.advice import advise, in_order, pareto, total_rows
from exrbatch.bench.baseline import changes, differences
from exrbatch.bench.figures import Row, make_rows, unmeasured
from exrbatch.bench.machine_facts import format_facts
from exrbatch.bench.result import Results
from exrbatch.bench.sample import Sample
from exrbatch.bench.text_tables import COLUMNS, EXPLANATION, all_jobs, change_cells, jobs_cells
from exrbatch.cli.summary import MAX_LISTED
from exrbatch.text import format_size, safe_text, shortened

WIDE = 110
"""Width from which on a terminal has room for all columns of the table."""
NARROW_COLUMNS = ("compression", "of raw", "of current", "compress\nGB/s", "decompress\nGB/s", "files/s")
HASH_SHOWN = 12
"""Digits of a hash that are shown to tell files apart. The --json file has all digits."""


def print_corpus(console: Console, sample: Sample) -> None:
    """Print the content classes of the files found, and the sample files that represent them."""
    table = _table("content, and its sample files", "size", "sha256")
    room = max(20, console.width - 40)
    for each in sample.classes:
        count = f"{each.files} file{'s' * (each.files > 1)}"
        table.add_row(Text(f"{each.name}: {count}", "bold"), format_size(each.size), "")
        for file in sample.files:
            if file.content == each.name:
                name = shortened(safe_text(file.path), room)
                table.add_row(Text(f"  {name}"), format_size(file.size), file.sha256[:HASH_SHOWN])
    count = f"{sample.found} file{'s' * (sample.found != 1)} found, {sample.looked_at} examined"
    console.print(Text(count, style="bold"))
    if sample.classes:
        console.print(table)
    for word, style, reports in (("skipped", "yellow", sample.skipped), ("failed", "bold red", sample.failures)):
        for report in reports[:MAX_LISTED]:
            line = Text(f"{word}: ", style=style)
            console.print(line.append(f"{safe_text(report.path)}: {report.reason}", "not bold default"))
        if (more := len(reports) - MAX_LISTED) > 0:
            console.print(Text(f"and {more} more", style=style))


def print_results(console: Console, results: Results, baseline: Results | None) -> None:
    """Print the tables and the advice."""
    rows = make_rows(results)
    totals = in_order(total_rows(rows))
    if not totals:
        console.print(Text("nothing was measured", style="yellow"))
        return
    best = pareto(totals)
    facts = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in format_facts(results.machine).items())
    _print_prose(console, Text(facts, "dim"))
    console.print(_main_table(totals, best, COLUMNS if console.width >= WIDE else NARROW_COLUMNS))
    marks = f"* no other beats it in size, compression and decompression speed at once. {EXPLANATION}"
    _print_prose(console, Text(marks, "dim"))
    if len(all_jobs(totals)) > 1:
        console.print(_jobs_table(totals))
    if len(rows) > len(totals):
        console.print(_content_table(rows, is_wide=console.width >= WIDE))
    if baseline is not None:
        _print_changes(console, rows, results, baseline)
    _print_problems(console, totals, results)
    for line in advise(rows):
        _print_prose(console, Text(line, style="bold green"))


def _print_prose(console: Console, text: Text) -> None:
    """Print sentences, wrapped between words. They contain no paths, which a wrap would break."""
    console.print(text, soft_wrap=False)


def _main_table(rows: Sequence[Row], best: Sequence[Row], columns: Iterable[str]) -> Table:
    table = _table("", *columns)
    for row in rows:
        table.add_row("*" if row in best else "", *(Text(COLUMNS[name](row)) for name in columns))
    return table


def _jobs_table(rows: Sequence[Row]) -> Table:
    """Return the table of files per second by number of jobs, with the share of ideal scaling."""
    jobs = all_jobs(rows)
    table = _table("files/s", *(f"{number} job{'s' * (number > 1)}" for number in jobs), "knee")
    for row in rows:
        table.add_row(row.packing.name, *map(Text, jobs_cells(row, jobs)), f"{row.knee or ''}")
    return table


def _content_table(rows: Sequence[Row], *, is_wide: bool) -> Table:
    """Return the table of the best compression for each content class, with its figures."""
    names = ("compression", "of raw", "of current", "compress\nGB/s", "decompress\nGB/s")[: 5 if is_wide else 3]
    table = _table("content", *("best" if name == "compression" else name for name in names))
    contents = dict.fromkeys(row.content for row in rows)
    for content in list(contents)[1:]:
        row = in_order([row for row in rows if row.content == content])[0]
        table.add_row(Text(content), *(Text(COLUMNS[name](row)) for name in names))
    return table


def _print_changes(console: Console, rows: Sequence[Row], results: Results, baseline: Results) -> None:
    table = _table("against the baseline", "size", "compress", "decompress", "files/s")
    for change in changes(rows, baseline):
        table.add_row(*change_cells(change))
    console.print(table)
    console.print(Text("ratios: above 1 is larger or faster; the number of jobs is in brackets", style="dim"))
    for difference in differences(results, baseline):
        console.print(Text(f"note: {difference}", style="dim"))


def _print_problems(console: Console, totals: Sequence[Row], results: Results) -> None:
    for row in totals:
        for problem in row.problems:
            console.print(Text("warning: ", style="yellow").append(f"{row.packing.name}: {problem}", "default"))
    lost = unmeasured(results)
    for packing, file in lost[:MAX_LISTED]:
        name = safe_text(results.sample.files[file.index].path)
        console.print(Text("left out: ", style="yellow").append(f"{packing.name}: {name}: {file.reason}", "default"))
    if (more := len(lost) - MAX_LISTED) > 0:
        console.print(Text(f"and {more} more left out", style="yellow"))


def _table(*headings: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for index, heading in enumerate(headings):
        is_text = not heading or index == 0 or heading in ("compression", "best")
        table.add_column(heading, justify="left" if is_text else "right", no_wrap=index > 0)
    return table
