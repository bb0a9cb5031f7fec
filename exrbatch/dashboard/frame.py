"""The frame of the dashboard: which parts of it fit into the terminal, and in which order."""

from collections.abc import Iterable, Sequence

from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.panel import Panel
from rich.text import Text

from exrbatch.dashboard.machine import Machine
from exrbatch.dashboard.rows import NARROW, numbers, overall, sequence_rows, worker_rows
from exrbatch.dashboard.snapshot import Snapshot
from exrbatch.dashboard.views import View, failure_view, help_view, latest_troubles, sequence_view
from exrbatch.text import format_count, safe_text

STOPPING = "finishing files in progress; press Ctrl-C again to stop immediately"
MARGIN = 2
"""Characters of the terminal that stay free at the right: it echoes ^C after the last line."""
FRAME_ENDS = 6
"""Characters of a border that are no text."""
BORDERS = 3
"""Lines of the terminal that the frame and the cursor take."""
ROWS_BEFORE_AIR = 4
"""Blank lines are left out if they would leave fewer rows of workers than this."""
MAIN_SEQUENCES, MAIN_SEQUENCES_TALL = 3, 10
"""Sequences that the main view shows at most, on an ordinary terminal and on a tall one."""
TALL = 40
"""Lines of a tall terminal."""
SHORT = 20
"""Below this many lines, the main view shows fewer failures."""


def draw(
    now: Snapshot,
    view: View,
    console: Console,
    options: ConsoleOptions,
    machine: Machine | None,
    keys: Sequence[tuple[str, str]],
    footer: str,
) -> RenderableType:
    """Draw the frame. If the terminal is too short, rows of workers are left out first.

    Args:
        now: the state of the run.
        view: what fills the frame.
        console: the terminal.
        options: how rich wants it to be drawn.
        machine: measures the machine.
        keys: keys and their meanings, for the help.
        footer: the text in the lower border; may be empty.
    """
    width = options.max_width - MARGIN
    inside = width - 4
    free_lines = console.height - BORDERS
    above = [*_notices(now), *overall(now, inside)]
    if view is View.MAIN:
        groups = _main(now, console, inside, free_lines, above, machine)
    else:
        left = free_lines - _height(console, above, inside)
        is_airy = left > ROWS_BEFORE_AIR
        filling = {
            View.SEQUENCES: lambda: sequence_view(now, inside, left - is_airy),
            View.FAILURES: lambda: failure_view(now, inside, left - is_airy),
            View.HELP: lambda: help_view(keys),
        }[view]()
        groups = [above, [Text("")] if is_airy else [], filling]
    hosts = len({row.host for row in now.running if row.host})
    where = f" on {format_count(hosts, 'machine')}" if hosts else ""
    title = Text(f"exrbatch: {safe_text(now.title)}, {format_count(now.jobs, 'worker')}{where}")
    title.truncate(inside - 2, overflow="ellipsis")
    subtitle = Text(footer, style="dim")
    subtitle.truncate(inside - 2, overflow="ellipsis")
    lines = [line for group in groups for line in group]
    body = _cut(console, lines, inside, free_lines)
    return Panel(
        body, title=title, title_align="left", subtitle=subtitle if footer else None, subtitle_align="left", width=width
    )


def fitting(hints: Sequence[str], width: int) -> str:
    """Return as many hints as fit into the lower border, so that none is cut.

    Args:
        hints: short texts, most important first.
        width: width of the terminal.
    """
    shown = ""
    for hint in hints:
        longer = f"{shown}  {hint}" if shown else hint
        if len(longer) > width - MARGIN - FRAME_ENDS:
            break
        shown = longer
    return shown


def _main(
    now: Snapshot, console: Console, inside: int, lines: int, above: list[RenderableType], machine: Machine | None
) -> list[list[RenderableType]]:
    """Return the parts of the main view, with blank lines between them if there is space."""
    below = latest_troubles(now, inside, 5 if lines >= SHORT - BORDERS else 2)
    use = machine.look() if machine is not None else ""
    busy = machine.busy if machine is not None else None
    shown_use = use if inside >= NARROW else ""
    rest = lines - _height(console, [*above, *below], inside)
    for is_short in (False, True):
        figures: list[RenderableType] = [numbers(now, inside, shown_use, busy, is_short=is_short)]
        free_lines = rest - _height(console, figures, inside)
        if free_lines >= min(len(now.running), 2):
            break
    else:
        free_lines, figures = rest, []
    savers = [row for row in now.sequences if row.tried or not now.saves_bytes]
    wanted = min(len(savers), MAIN_SEQUENCES_TALL if lines >= TALL else MAIN_SEQUENCES)
    blanks = sum(map(bool, (figures, now.running, wanted, below)))
    is_airy = free_lines - blanks >= min(len(now.running), ROWS_BEFORE_AIR) + wanted
    free_lines -= blanks if is_airy else 0
    sequences = min(wanted, max(free_lines - len(now.running), min(MAIN_SEQUENCES, free_lines // 4)))
    parts = [
        above,
        figures,
        worker_rows(now.running, inside, free_lines - max(0, sequences)),
        sequence_rows(savers[: max(0, sequences)], inside, saves_bytes=now.saves_bytes),
        below,
    ]
    between: list[RenderableType] = [Text("")] if is_airy else []
    shown = [part for part in parts if part]
    return [shown[0], *(between + part for part in shown[1:])]


def _cut(console: Console, lines: list[RenderableType], width: int, free_lines: int) -> RenderableType:
    """Return the lines as they are, or without the last ones if the terminal is very short."""
    while len(lines) > 1 and _height(console, lines, width) > max(1, free_lines):
        lines = lines[:-1]
    return Group(*lines)


def _height(console: Console, parts: Iterable[RenderableType], width: int) -> int:
    """Return how many lines some parts take."""
    parts = list(parts)
    return len(console.render_lines(Group(*parts), console.options.update(width=width))) if parts else 0


def _notices(now: Snapshot) -> list[RenderableType]:
    if now.stop_reason is not None:
        return [Text(f"stopping: {now.stop_reason}", style="bold red")]
    return [Text(STOPPING, style="yellow")] if now.is_stopping else []
