"""The views of the dashboard that fill its frame: sequences, failures, help; and the main one."""

import enum
from collections.abc import Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from exrbatch.dashboard.history import Trouble
from exrbatch.dashboard.rows import NARROW, sequence_rows
from exrbatch.dashboard.snapshot import Snapshot
from exrbatch.dashboard.styles import STYLES
from exrbatch.text import format_count, shortened

MAIN_FAILURES, MAIN_SKIPS = 3, 2
"""Failures and skipped files that the main view shows."""


class View(enum.Enum):
    """What fills the frame below the progress of the run."""

    MAIN = enum.auto()
    SEQUENCES = enum.auto()
    FAILURES = enum.auto()
    HELP = enum.auto()


def sequence_view(now: Snapshot, width: int, free_lines: int) -> list[RenderableType]:
    """List as many sequences as fit, those with the latest files first."""
    if not now.sequences:
        return [Text("no file has ended yet", style="dim")]
    most = max(1, free_lines - 1)
    shown = now.sequences[:most]
    more = now.sequence_count - len(shown)
    lines = sequence_rows(shown, width, saves_bytes=now.saves_bytes)
    if more > 0 and free_lines > 1:
        lines.append(Text(f"and {format_count(more, 'more sequence')} before these", style="dim"))
    return lines


def failure_view(now: Snapshot, width: int, free_lines: int) -> list[RenderableType]:
    """List the latest failures, then the latest skipped files, as many as fit."""
    if not (now.failures or now.skips):
        return [Text("no file has failed or was skipped so far", style="dim")]
    lines: list[RenderableType] = []
    for trouble in [*reversed(now.failures), *reversed(now.skips)]:
        block = _whole(trouble, width)
        if len(lines) + len(block) > free_lines:
            break
        lines += block
    return lines


def _whole(trouble: Trouble, width: int) -> list[Text]:
    """Return the lines of a failure, one if that is enough, else one for the reason below it."""
    first = Text(f"{trouble.status} ", style=STYLES[trouble.status])
    rest = width - len(first)
    if len(trouble.name) + 2 + len(trouble.reason) <= rest:
        return [first.append(trouble.name, "not bold default").append(f": {trouble.reason}", "not bold default")]
    reason = Text(f"  {trouble.reason}")
    reason.truncate(width, overflow="ellipsis")
    return [first.append(shortened(trouble.name, rest), "not bold default"), reason]


def help_view(keys: Sequence[tuple[str, str]]) -> list[RenderableType]:
    """Say what the keys do."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for key, meaning in keys:
        table.add_row(Text(key), Text(meaning))
    return [table]


def latest_troubles(now: Snapshot, width: int, most: int) -> list[RenderableType]:
    """Return a line for each of the latest failures and skipped files of the main view."""
    failures = now.failures[-min(MAIN_FAILURES, most) :] if most else ()
    skips = now.skips[-min(MAIN_SKIPS, most - len(failures)) :] if most > len(failures) else ()
    lines: list[RenderableType] = []
    for trouble in (*failures, *skips):
        style = STYLES[trouble.status]
        name = shortened(trouble.name, max(16 if width < NARROW else 20, width // 3))
        line = Text(f"{trouble.status} ", style=style).append(name, "not bold default")
        line.append(f": {trouble.reason}", style.removeprefix("bold "))
        line.truncate(width, overflow="ellipsis")
        lines.append(line)
    return lines
