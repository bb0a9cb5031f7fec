"""The figures of `exrbatch report` as one HTML page that needs neither network nor scripts."""

import time
from collections.abc import Sequence
from html import escape

from exrbatch.cli.report_figures import Figures, Reason
from exrbatch.cli.report_text import began_text, command_text, counts_text, duration_text, ending, saving_text
from exrbatch.html_parts import END, beginning, first_line, note, table
from exrbatch.journal.history import PastRun
from exrbatch.text import format_count, format_duration, format_saving, format_size, safe_text

TITLE = "exrbatch report"
BEGINNING = first_line(TITLE)
MOST_SEQUENCES = 100
"""Number of sequences that are listed; the others are summed up."""
MOST_NAMES = 20
"""Number of names for one reason."""
WIDTH, HEIGHT, LEFT, BOTTOM = 900, 220, 70, 30
"""Size of the plot and its margins, in pixels."""


def make_page(figures: Figures) -> str:
    """Return the page."""
    parts = [beginning(TITLE), _runs(figures.runs), '<div class="advice">']
    parts += [f"<div>{escape(counts_text(figures))}</div><div><b>{escape(saving_text(figures))}</b></div></div>"]
    parts += _problems(figures.reasons)
    if figures.throughput:
        parts += ["<h2>Throughput</h2>", f"<figure>{_plot(figures.throughput)}</figure>"]
        parts.append(note("Bytes of the sources that ended in each interval, per second. Times are local."))
    parts += _sequences(figures)
    if figures.slowest:
        rows = (
            ([safe_text(file.path), format_size(file.size_before), format_duration(file.seconds), file.status], False)
            for file in figures.slowest
        )
        parts += ["<h2>Slowest files</h2>", _texts(table(["file", "size", "time", "status"], rows))]
    return "".join([*parts, END])


def _runs(runs: Sequence[PastRun]) -> str:
    """Return what was run: one run from top to bottom, several with a row for each."""
    headings = ("run", "began", "duration", "command", "host", "how it ended")
    rows = [
        (
            *(safe_text(run.name), began_text(run), duration_text(run), command_text(run)),
            *(safe_text(str(run.about.get("host", ""))), ending(run)),
        )
        for run in runs
    ]
    if len(rows) == 1:
        return _texts(table((), [(pair, False) for pair in zip(headings, rows[0], strict=True)], text_columns=2))
    return _texts(table(headings, [(row, False) for row in rows], text_columns=len(headings)))


def _texts(shown: str) -> str:
    return f'<div class="texts">{shown}</div>'


def _problems(reasons: Sequence[Reason]) -> list[str]:
    if not reasons:
        return []
    rows = []
    for each in reasons:
        names = ", ".join(each.names[:MOST_NAMES])
        if len(each.names) > MOST_NAMES:
            names += f" and {format_count(len(each.names) - MOST_NAMES, 'more name')}"
        rows.append(([each.status, each.reason, names, format_count(each.files)], each.status == "failed"))
    return ["<h2>Failed and skipped</h2>", _texts(table(["status", "reason", "files", "number"], rows, text_columns=3))]


def _sequences(figures: Figures) -> list[str]:
    if not figures.sequences:
        return []
    rows = [
        (
            [
                each.name,
                format_count(each.files),
                format_size(each.size),
                format_size(each.size - each.saved),
                f"{format_size(each.saved)} ({100 * each.saved / each.size if each.size else 0:.1f} %)",
            ],
            False,
        )
        for each in figures.sequences[:MOST_SEQUENCES]
    ]
    shown = _texts(table(["sequence", "files", "before", "after", "saved"], rows))
    rest = figures.sequences[MOST_SEQUENCES:]
    left = [note(f"and {format_count(len(rest), 'more sequence')}, {format_saving(sum(e.saved for e in rest))}")]
    return ["<h2>Savings by sequence</h2>", shown, *(left if rest else [])]


def _plot(points: Sequence[tuple[float, float]]) -> str:
    """Draw bars over time as SVG."""
    most = max(rate for _, rate in points) or 1.0
    width = (WIDTH - LEFT) / len(points)
    bars = []
    for index, (at, rate) in enumerate(points):
        height = (HEIGHT - BOTTOM - 10) * rate / most
        x, y = LEFT + index * width, HEIGHT - BOTTOM - height
        size = f'width="{max(1, width - 1):.1f}" height="{height:.1f}"'
        title = f"<title>{escape(_clock(at))}: {escape(format_size(rate))}/s</title>"
        bars.append(f'<rect x="{x:.1f}" y="{y:.1f}" {size}>{title}</rect>')
    axis = f'<line x1="{LEFT}" y1="{HEIGHT - BOTTOM}" x2="{WIDTH}" y2="{HEIGHT - BOTTOM}" stroke="var(--soft)"/>'
    labels = [f'<text x="{LEFT - 8}" y="16" text-anchor="end">{escape(format_size(most))}/s</text>']
    labels.append(f'<text x="{LEFT - 8}" y="{HEIGHT - BOTTOM}" text-anchor="end">0</text>')
    for share, anchor in ((0.0, "start"), (0.5, "middle"), (1.0, "end")):
        at = points[0][0] + share * (points[-1][0] - points[0][0])
        x = LEFT + share * (WIDTH - LEFT)
        labels.append(f'<text x="{x:.0f}" y="{HEIGHT - 8}" text-anchor="{anchor}">{escape(_clock(at))}</text>')
    drawing = f'<g fill="var(--bar)">{"".join(bars)}</g>{axis}<g fill="var(--ink)">{"".join(labels)}</g>'
    label = "throughput over time"
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}" font-size="12">{drawing}</svg>'


def _clock(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
