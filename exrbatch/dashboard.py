"""The live display of a run, drawn with rich.

The loop that drives the run makes immutable snapshots of it, and `Dashboard` draws the latest one.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import psutil
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from exrbatch.batch.run import Run
from exrbatch.batch.run_report import BatchReport
from exrbatch.batch.workers.pool import Running
from exrbatch.jobs.file_report import BAD, FileReport, Status
from exrbatch.text import format_count, format_duration, format_left, format_saving, format_size, safe_text, shortened

STOPPING = "finishing files in progress; press Ctrl-C again to stop immediately"
SHOWN_FAILURES = 3
NARROW = 70
"""Below this many characters inside the frame, less is shown of each file."""
BORDERS = 3
"""Lines of the terminal that the frame and the cursor take."""
ROWS_BEFORE_AIR = 4
"""Blank lines are left out if they would leave fewer rows of workers than this."""
STYLES = {
    Status.RECOMPRESSED: "green",
    Status.ALREADY: "cyan",
    Status.NO_GAIN: "cyan",
    Status.SKIPPED: "yellow",
    Status.FAILED: "bold red",
    Status.PLANNED: "green",
    Status.EQUAL: "green",
    Status.DIFFERENT: "bold red",
    Status.MEASURED: "green",
    Status.SOUND: "green",
    Status.DIGESTED: "green",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The state of a run at one moment.

    Attributes:
        title: what the run does, in words.
        jobs: number of workers.
        seconds: wall time since the run began.
        time: the present time in seconds since 1970.
        statuses: how files can end.
        saves_bytes: whether the run is about bytes saved.
        counts: number of finished files, by status.
        files: number of finished files.
        found: number of files that the scan has found so far.
        found_size: size of those files in bytes.
        is_scanned: whether the scan is complete.
        done_size: size of the finished files in bytes.
        read_size: bytes read from files that were compressed again.
        written_size: bytes written.
        saved: bytes saved; negative if the files grew.
        saved_share: bytes saved, as a fraction of the size of all replaced files; at most 1, and
            negative if the files grew.
        failures: reports of the files that failed last.
        running: the files in progress.
        is_stopping: whether the run starts no more files.
        stop_reason: why the run cannot continue; None if it can.
    """

    title: str
    jobs: int
    seconds: float
    time: float
    statuses: tuple[Status, ...]
    saves_bytes: bool
    counts: Mapping[Status, int]
    files: int
    found: int
    found_size: int
    is_scanned: bool
    done_size: int
    read_size: int
    written_size: int
    saved: int
    saved_share: float
    failures: tuple[FileReport, ...]
    running: tuple[Running, ...]
    is_stopping: bool
    stop_reason: str | None

    @classmethod
    def of(cls, run: Run, report: BatchReport) -> "Snapshot":
        """Take a snapshot. Only the thread that drives the run may call this."""
        return cls(
            title=run.options.rules.title,
            jobs=run.jobs,
            seconds=report.seconds,
            time=time.time(),
            statuses=report.statuses,
            saves_bytes=report.saves_bytes,
            counts=dict(report.counts),
            files=report.files,
            found=run.backlog.files,
            found_size=run.backlog.size,
            is_scanned=run.backlog.is_complete,
            done_size=report.done_size,
            read_size=report.read_size,
            written_size=report.written_size,
            saved=report.saved,
            saved_share=report.saved_share,
            failures=tuple(report.failures[-SHOWN_FAILURES:]),
            running=tuple(run.running()),
            is_stopping=run.stop.is_set,
            stop_reason=run.stop.reason,
        )

    @property
    def reached_size(self) -> float:
        """Bytes processed so far, including the finished share of the files in progress."""
        return self.done_size + sum(row.done * row.candidate.size for row in self.running)

    @property
    def total(self) -> str:
        """The number of files, with a + while the scan may still find more."""
        return format_count(self.found) + ("" if self.is_scanned else "+")

    @property
    def remaining(self) -> str:
        """Time left at the average speed so far, and when it ends; a word if that is unknown."""
        if self.is_stopping:
            return "stopping"
        if not self.is_scanned:
            return "still scanning"
        if self.reached_size >= self.found_size:
            return "done"
        if self.reached_size <= 0:
            return "starting"
        left = self.seconds * (self.found_size - self.reached_size) / self.reached_size
        return format_left(left, self.time)


class Dashboard:
    """The live display of a run.

    rich redraws it a few times a second, on a thread of its own. If the terminal is too short, rows
    of workers are left out first, then the numbers. Failures and notices stay.
    """

    def __init__(self, run: Run, report: BatchReport) -> None:
        self._machine = _Machine()
        self._snapshot: Snapshot | Exception
        self.update(run, report)

    def update(self, run: Run, report: BatchReport) -> None:
        """Show the present state of the run. Only the thread that drives the run may call this."""
        try:
            self._snapshot = Snapshot.of(run, report)
        except Exception as error:  # noqa: BLE001  a bug in the dashboard must not stop the run
            self._snapshot = error

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        try:
            if isinstance(self._snapshot, Exception):
                raise self._snapshot
            yield self._frame(self._snapshot, console, options)
        except Exception as error:  # noqa: BLE001  nor must a bug in the drawing
            yield Text(f"dashboard off: {type(error).__name__}: {error}", style="yellow")

    def _frame(self, now: Snapshot, console: Console, options: ConsoleOptions) -> RenderableType:
        width = options.max_width - 2  # the terminal echoes ^C after the last line; the frame needs room for it
        inside = width - 4
        above = [*_notices(now), *_overall(now, inside)]
        numbers: list[RenderableType] = [_numbers(now, self._machine if inside >= NARROW else None)]
        below = _failures(now.failures, inside)
        room = console.height - BORDERS - _height(console, [*above, *numbers, *below], inside)
        if room < 1:
            room += _height(console, numbers, inside)
            numbers = []
        blanks = bool(numbers) + bool(now.running) + bool(below)
        is_airy = room >= blanks + min(len(now.running), ROWS_BEFORE_AIR)
        rows = _workers(now.running, inside, room - blanks if is_airy else room)
        parts = [group for group in (above, numbers, rows, below) if group]
        between = [Text("")] if is_airy else []
        lines = [each for part in parts for each in [*between, *part]]
        title = Text(f"exrbatch: {safe_text(now.title)}, {format_count(now.jobs, 'worker')}")
        title.truncate(inside - 2, overflow="ellipsis")
        return Panel(Group(*lines[len(between) :]), title=title, title_align="left", width=width)


def _height(console: Console, parts: Iterable[RenderableType], width: int) -> int:
    """Return how many lines some parts take."""
    return len(console.render_lines(Group(*parts), console.options.update(width=width)))


def _notices(now: Snapshot) -> list[RenderableType]:
    if now.stop_reason is not None:
        return [Text(f"stopping: {now.stop_reason}", style="bold red")]
    return [Text(STOPPING, style="yellow")] if now.is_stopping else []


def plain_line(now: Snapshot) -> str:
    """Return one line for a log: a short version of the dashboard."""
    share = f"{100 * now.reached_size / now.found_size:.0f} %" if now.found_size else "0 %"
    saved = f" {format_saving(now.saved)}," if now.saves_bytes else ""
    bad = "".join(f" {now.counts.get(status, 0)} {status}," for status in BAD if status in now.statuses)
    return (
        f"{format_count(now.files)} of {now.total} files, {share},{saved}"
        f" {format_size(now.reached_size / max(now.seconds, 1e-9))}/s,{bad} {now.remaining}"
    )


def _overall(now: Snapshot, width: int) -> list[RenderableType]:
    """Draw the progress of the run: on one line, or on two if the terminal is narrow."""
    done, total = now.reached_size, max(now.found_size, 1)
    bar = ProgressBar(total=total, completed=min(done, total))
    share = f"{100 * done / total:3.0f} %"
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


def _numbers(now: Snapshot, machine: "_Machine | None") -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column()
    files = Text(f"{format_count(now.files)} of {now.total}")
    for status in now.statuses:
        count = now.counts.get(status, 0)
        if count or status in (now.statuses[0], *BAD):
            style = STYLES[status] if count else "dim"
            files.append(" · ").append(f"{format_count(count)} {status.value.replace('_', ' ')}", style)
    grid.add_row("files", files)
    size = Text(f"read {format_size(now.read_size)}")
    if now.saves_bytes:
        style = "bold green" if now.saved > 0 else "yellow" if now.saved < 0 else ""
        size.append(f" · written {format_size(now.written_size)} · ")
        size.append(format_saving(now.saved, now.saved_share), style)
    grid.add_row("bytes", size)
    seconds = max(now.seconds, 1e-9)
    rate = now.reached_size / seconds
    speed = f"{now.files / seconds:.1f} files/s · {format_size(rate)}/s · {format_duration(now.seconds)} elapsed"
    grid.add_row("speed", speed)
    if machine is not None:
        grid.add_row("machine", machine.look())
    return grid


def _workers(running: Sequence[Running], width: int, room: int) -> list[RenderableType]:
    """Draw a row for each worker, or for as many as fit into `room` lines."""
    if room < 1:
        return []
    shown = running if len(running) <= room else running[: room - 1]
    is_narrow = width < NARROW
    bar_width = 6 if is_narrow else max(8, min(30, width // 5))
    name_width = width - bar_width - (10 if is_narrow else 24)
    table = Table.grid(padding=(0, 1))
    for justify in ("right", "left", "left", "right", "right")[: 4 if is_narrow else 5]:
        table.add_column(justify=justify, no_wrap=True)  # type: ignore[arg-type]
    for row in shown:
        cells: list[RenderableType] = [
            Text(f"{row.slot + 1}", style="dim"),
            Text(shortened(safe_text(row.candidate.path), name_width)),
            ProgressBar(total=1.0, completed=row.done, width=bar_width),
            f"{100 * row.done:3.0f} %",
        ]
        if not is_narrow:
            cells.append(f"{format_size(row.done * row.candidate.size / max(row.seconds, 1e-9)):>10}/s")
        table.add_row(*cells)
    rows: list[RenderableType] = [table] if shown else []
    if len(running) > len(shown):
        rows.append(Text(f"and {format_count(len(running) - len(shown), 'more worker')}", style="dim"))
    return rows


def _failures(failures: Iterable[FileReport], width: int) -> list[RenderableType]:
    lines: list[RenderableType] = []
    for failure in failures:
        name = shortened(safe_text(failure.path), max(20, width // 3))
        line = Text(f"{failure.status} ", style="bold red").append(name, "not bold default")
        line.append(f": {failure.reason}", "red")
        line.truncate(width, overflow="ellipsis")
        lines.append(line)
    return lines


class _Machine:
    """CPU and memory use of this process with its workers, and of the whole machine."""

    def __init__(self) -> None:
        self._processes: dict[int, psutil.Process] = {}
        psutil.cpu_percent()

    def look(self) -> str:
        """Describe the present CPU and memory use.

        CPU use is measured since the previous call, so the first call says 0 %.
        """
        me = psutil.Process()
        known = {process.pid: process for process in [me, *me.children(recursive=True)]}
        # A Process object measures CPU use since its own last call, so keep the existing objects.
        self._processes = {pid: self._processes.get(pid, process) for pid, process in known.items()}
        cpu, memory = 0.0, 0
        for process in self._processes.values():
            try:
                cpu += process.cpu_percent()
                memory += process.memory_info().rss
            except psutil.Error:
                continue
        total = psutil.virtual_memory()
        return (
            f"cpu {psutil.cpu_percent():.0f} % (ours {cpu / (psutil.cpu_count() or 1):.0f} %) ·"
            f" memory {format_size(memory)} ours, {format_size(total.available)} free"
        )
