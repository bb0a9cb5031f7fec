"""A benchmark as one self-contained HTML page: tables, plots and advice."""

import itertools
from collections.abc import Iterable, Sequence
from html import escape

from exrbatch.bench import plots
from exrbatch.bench.advice import advise, in_order, pareto, total_rows
from exrbatch.bench.baseline import changes, differences
from exrbatch.bench.figures import TOTAL, Row, unmeasured
from exrbatch.bench.machine_facts import format_facts
from exrbatch.bench.result import Results
from exrbatch.bench.text_tables import COLUMNS, EXPLANATION, all_jobs, change_cells, jobs_cells, spread_cells
from exrbatch.text import format_size, safe_text

BEGINNING = '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>exrbatch bench</title>'
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; color: #1a1a1a }
h1 { font-size: 1.6rem } h2 { font-size: 1.2rem; margin-top: 2.2rem }
.advice { background: #eef6ee; border-left: 4px solid #2a7d2a; padding: .6rem 1rem }
.wide { overflow-x: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: .25rem .7rem; text-align: right; border-bottom: 1px solid #e2e2e2 }
th { border-bottom: 2px solid #888; white-space: nowrap }
td { white-space: nowrap } td.text, th.text { text-align: left; white-space: normal }
tr.best td { background: #f3f8ff; font-weight: 600 }
figure { margin: 1rem 0 } svg { max-width: 100%; height: auto }
.note { color: #555 } code { font-size: .9em }
"""


def make_page(results: Results, rows: Sequence[Row], baseline: Results | None) -> str:
    """Return the page as HTML. Needs matplotlib.

    Args:
        results: the results of the benchmark.
        rows: the rows made from `results`.
        baseline: results to compare with; None to leave out the comparison.
    """
    totals = in_order(total_rows(rows))
    parts = [f"{BEGINNING}<style>{STYLE}</style></head><body><h1>exrbatch bench</h1>"]
    if not totals:
        return "".join([*parts, "<p>Nothing was measured.</p></body></html>\n"])
    best = pareto(totals)
    parts += ['<div class="advice">', *(f"<div>{escape(line)}</div>" for line in advise(rows)), "</div>"]
    parts += ["<h2>Compressions</h2>", _main_table(totals, best)]
    parts.append(
        '<p class="note">Shaded: no other beats it in size, compression and decompression speed at once.'
        f" {escape(EXPLANATION)}</p>"
    )
    for speed in ("pack", "unpack"):
        parts.append(f"<figure>{plots.size_against_speed(totals, speed)}</figure>")
    jobs = all_jobs(totals)
    if len(jobs) > 1:
        with_rates = [row for row in totals if row.rates]
        parts += [
            "<h2>Jobs</h2>",
            f"<figure>{plots.rate_against_jobs(with_rates, jobs)}</figure>",
            _jobs_table(totals, jobs),
        ]
    spreads = _table(["", "figure", "median", "spread", "min"], ((cells, False) for cells in spread_cells(totals)), 2)
    parts.append(f"<details><summary>Median, spread and minimum of the passes</summary>{spreads}</details>")
    parts += _by_content(rows)
    if baseline is not None:
        parts += _baseline(results, rows, baseline)
    parts += _problems(results, totals)
    parts += ["<h2>Sample</h2>", _sample_table(results), "<h2>Machine</h2>", _machine_table(results)]
    return "".join([*parts, "</body></html>\n"])


def _table(headings: Iterable[str], lines: Iterable[tuple[Sequence[str], bool]], text_columns: int = 1) -> str:
    """Return an HTML table.

    Args:
        headings: headings of the columns.
        lines: for each row, its cells, and whether to highlight it.
        text_columns: number of columns at the left that are aligned as text.
    """

    def cells(tag: str, texts: Iterable[str]) -> str:
        kinds = (' class="text"' if index < text_columns else "" for index in itertools.count())
        return "".join(f"<{tag}{kind}>{escape(text)}</{tag}>" for kind, text in zip(kinds, texts, strict=False))

    body = [f"<tr{' class=best' if is_best else ''}>{cells('td', texts)}</tr>" for texts, is_best in lines]
    return f'<div class="wide"><table><tr>{cells("th", headings)}</tr>{"".join(body)}</table></div>'


def _main_table(rows: Sequence[Row], best: Sequence[Row]) -> str:
    return _table(COLUMNS, (([cell(row) for cell in COLUMNS.values()], row in best) for row in rows))


def _jobs_table(rows: Sequence[Row], jobs: Sequence[int]) -> str:
    headings = ["files/s", *(f"{number} job{'s' * (number > 1)}" for number in jobs), "knee"]
    return _table(headings, (([row.packing.name, *jobs_cells(row, jobs), f"{row.knee or ''}"], False) for row in rows))


def _by_content(rows: Sequence[Row]) -> list[str]:
    parts = []
    for content in dict.fromkeys(row.content for row in rows if row.content != TOTAL):
        some = in_order([row for row in rows if row.content == content])
        names = [name for name in COLUMNS if name != "files/s"]
        best = pareto(some)
        lines = (([COLUMNS[name](row) for name in names], row in best) for row in some)
        parts.append(f"<details><summary>{escape(content)}</summary>{_table(names, lines)}</details>")
    return ["<h2>By content</h2>", *parts] if parts else []


def _baseline(results: Results, rows: Sequence[Row], baseline: Results) -> list[str]:
    lines = ((change_cells(change), False) for change in changes(rows, baseline))
    notes = "".join(f"<li>{escape(difference)}</li>" for difference in differences(results, baseline))
    table = _table(["above 1: larger or faster", "size", "compress", "decompress", "files/s (jobs)"], lines)
    return ["<h2>Against the baseline</h2>", table, f'<ul class="note">{notes}</ul>']


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
    return _table(["content", "file", "size", "raw", "sha256"], lines, text_columns=2)


def _machine_table(results: Results) -> str:
    shown = format_facts(results.machine) | {name: str(value) for name, value in results.settings.items()}
    return _table(["", ""], (([name.replace("_", " "), value], False) for name, value in shown.items()), text_columns=2)
