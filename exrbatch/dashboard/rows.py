"""The parts of the dashboard: progress, numbers, workers, sequences."""

from collections.abc import Sequence

from rich.console import RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from exrbatch.dashboard.history import SequenceRow
from exrbatch.dashboard.limiting import limit_line
from exrbatch.dashboard.snapshot import RunningRow, Snapshot
from exrbatch.dashboard.sparkline import sparkline
from exrbatch.dashboard.styles import STYLES
from exrbatch.jobs.file_report import BAD
from exrbatch.text import format_count, format_duration, format_saving, format_size, shortened, shortened_end

NARROW = 70
"""Below this many characters inside the frame, less is shown of each file."""
LABEL = 9
"""Characters of the first column of the numbers, with the gap behind it."""
MAX_HOST = 12
"""Characters of the name of a machine at most."""
MAX_CURVE = 60
"""Characters of the curve of throughput at most."""


def overall(now: Snapshot, width: int) -> list[RenderableType]:
    """Draw the progress of the run: on one line, or on two if the terminal is narrow."""
    done, total = now.reached_size, max(now.found_size, 1)
    bar = ProgressBar(total=total, completed=min(done, total))
    share = f"{now.percent:3} %"
    sizes = f"{format_size(done)} of {format_size(now.found_size)}"
    left = Text(now.remaining, style="bold")
    if width < NARROW:
        fits = len(left) + len(sizes) + 2 <= width
        return [_line(bar, Text(share)), left.append(f", {sizes}" if fits else "", "not bold")]
    return [_line(bar, Text(f"{share}  {sizes}"), left)]


def _line(bar: ProgressBar, *texts: Text) -> RenderableType:
    line = Table.grid(expand=True, padding=(0, 1))
    line.add_column(ratio=1)
    for _ in texts:
        line.add_column(no_wrap=True, justify="right")
    line.add_row(bar, *texts)
    return line


def numbers(
    now: Snapshot, width: int, machine: str, machine_busy: float | None, *, is_short: bool = False
) -> RenderableType:
    """Draw the figures of the run.

    Args:
        now: the state of the run.
        width: number of characters inside the frame.
        machine: CPU and memory use in words; empty to leave them out.
        machine_busy: fraction of the machine's CPU time that is used, 0 to 1; None if unknown.
        is_short: draw only what matters most.
    """
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column()
    grid.add_row("files", _files(now))
    if not is_short:
        grid.add_row("bytes", _bytes(now))
    elapsed = "" if is_short and width < NARROW else f" · {format_duration(now.seconds)} elapsed"
    if now.paused >= 1 and not is_short:
        elapsed += f", {format_duration(now.paused)} of it paused"
    speed = f"{now.worked_files / now.active_seconds:.1f} files/s · {format_size(now.rate)}/s{elapsed}"
    grid.add_row("speed", speed)
    if not is_short and len(now.rates) > 1 and max(now.rates) > 0:
        peak = f" peak {format_size(max(now.rates))}/s"
        curve = sparkline(now.rates, min(MAX_CURVE, width - LABEL - len(peak)))
        grid.add_row("", Text(curve, style="green").append(peak, "dim"))
    if now.plan and not is_short:
        grid.add_row("plan", Text(now.plan))
    if machine and not is_short:
        grid.add_row("client" if now.is_elsewhere else "machine", machine)
    if limit := limit_line(now, machine_busy):
        text = Text(limit, style="yellow" if now.pauses and not now.is_stopping else "")
        text.truncate(width - LABEL, overflow="ellipsis")
        grid.add_row("limit", text)
    return grid


def _files(now: Snapshot) -> Text:
    files = Text(f"{format_count(now.files)} of {now.total}")
    for status in now.statuses:
        count = now.counts.get(status, 0)
        if count or status in (now.statuses[0], *BAD):
            style = STYLES[status] if count else "dim"
            files.append(" · ").append(f"{format_count(count)} {status.value.replace('_', ' ')}", style)
    return files


def _bytes(now: Snapshot) -> Text:
    size = Text(f"read {format_size(now.read_size)}")
    if now.saves_bytes:
        style = "bold green" if now.saved > 0 else "yellow" if now.saved < 0 else ""
        size.append(f" · written {format_size(now.written_size)} · ")
        size.append(format_saving(now.saved, now.saved_share), style)
    return size


def worker_rows(running: Sequence[RunningRow], width: int, free_lines: int) -> list[RenderableType]:
    """Draw a row for each worker, or for as many as fit into `free_lines` lines."""
    if free_lines < 1:
        return []
    shown = running if len(running) <= free_lines else running[: free_lines - 1]
    is_narrow = width < NARROW
    bar_width = 6 if is_narrow else max(8, min(30, width // 5))
    labels = [f"{shortened_end(row.host, MAX_HOST)} {row.slot + 1}".strip() for row in shown]
    name_width = width - bar_width - (10 if is_narrow else 24) - max(0, max(map(len, labels), default=0) - 2)
    table = Table.grid(padding=(0, 1))
    for justify in ("right", "left", "left", "right", "right")[: 4 if is_narrow else 5]:
        table.add_column(justify=justify, no_wrap=True)  # type: ignore[arg-type]
    for row, label in zip(shown, labels, strict=True):
        cells: list[RenderableType] = [
            Text(label, style="dim"),
            Text(shortened(row.name, name_width)),
            ProgressBar(total=1.0, completed=row.done, width=bar_width),
            f"{100 * row.done:3.0f} %",
        ]
        if not is_narrow:
            cells.append(f"{format_size(row.done * row.size / max(row.seconds, 1e-9)):>10}/s")
        table.add_row(*cells)
    rows: list[RenderableType] = [table] if shown else []
    if len(running) > len(shown):
        rows.append(Text(f"and {format_count(len(running) - len(shown), 'more worker')}", style="dim"))
    return rows


def sequence_rows(sequences: Sequence[SequenceRow], width: int, *, saves_bytes: bool) -> list[RenderableType]:
    """Draw a row for each sequence: the saved share of its bytes as a bar.

    Args:
        sequences: the sequences.
        width: number of characters inside the frame.
        saves_bytes: whether the run is about bytes saved; if not, files and bytes are shown.
    """
    if not sequences:
        return []
    is_narrow = width < NARROW
    bar_width = 6 if is_narrow else max(8, min(30, width // 5))
    figures = [_figures(row, saves_bytes=saves_bytes, is_narrow=is_narrow) for row in sequences]
    figure_width = max(len(text) for text in figures)
    name_width = max(8, width - figure_width - 1 - (bar_width + 1 if saves_bytes else 0))
    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column(no_wrap=True, ratio=1)
    if saves_bytes:
        table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    for row, text in zip(sequences, figures, strict=True):
        cells: list[RenderableType] = [Text(shortened(row.name, name_width))]
        if saves_bytes:
            bar = ProgressBar(total=1.0, completed=max(0.0, min(1.0, row.share)), width=bar_width)
            bar.complete_style, bar.finished_style = "green", "green"
            cells.append(bar)
        table.add_row(*cells, text)
    return [table]


def _figures(row: SequenceRow, *, saves_bytes: bool, is_narrow: bool) -> Text:
    bad = f" {format_count(row.bad)} bad" if row.bad else ""
    if not saves_bytes:
        return Text(f"{format_count(row.files, 'file')}, {format_size(row.size)}").append(bad, "red")
    if not row.tried:
        words = "no change" if not row.bad else ""
    elif is_narrow:
        words = f"{-100 * row.share:+.0f} %"
    else:
        words = f"{format_saving(row.saved, row.share)} in {format_count(row.files, 'file')}"
    return Text(words).append(bad, "red")
