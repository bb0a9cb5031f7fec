"""The live display of a run, drawn with rich.

The loop that drives the run makes immutable snapshots of it, and `Dashboard` draws the latest one.
"""

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
from exrbatch.jobs.file_report import FileReport, Status
from exrbatch.text import format_duration, format_saving, format_size, safe_text, shortened

STOPPING = "finishing files in progress; press Ctrl-C again to stop immediately"
SHOWN_FAILURES = 3
MAX_WORKER_ROWS = 16
"""More rows than the terminal has lines would push the progress bar off the screen."""
STYLES = {
    Status.RECOMPRESSED: "green",
    Status.ALREADY: "cyan",
    Status.NO_GAIN: "cyan",
    Status.SKIPPED: "yellow",
    Status.FAILED: "bold red",
    Status.PLANNED: "green",
    Status.EQUAL: "green",
    Status.MEASURED: "green",
    Status.SOUND: "green",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The state of a run at one moment.

    Attributes:
        title: what the run does, in words.
        goal: status of a file for which the run did all that it is meant to do.
        jobs: number of workers.
        seconds: wall time since the run began.
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
    goal: Status
    jobs: int
    seconds: float
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
            goal=run.options.rules.goal,
            jobs=run.jobs,
            seconds=report.seconds,
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
        return f"{self.found}" + ("" if self.is_scanned else "+")

    @property
    def remaining(self) -> str:
        """The time left at the average speed so far, or a word if it cannot be estimated."""
        if self.is_stopping:
            return "stopping"
        if not self.is_scanned:
            return "still scanning"
        if self.reached_size >= self.found_size:
            return "done"
        if self.reached_size <= 0:
            return "starting"
        return f"{format_duration(self.seconds * (self.found_size - self.reached_size) / self.reached_size)} left"


class Dashboard:
    """The live display of a run.

    rich redraws it a few times a second, on a thread of its own.
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
            yield self._frame(self._snapshot, options.max_width)
        except Exception as error:  # noqa: BLE001  nor must a bug in the drawing
            yield Text(f"dashboard off: {type(error).__name__}: {error}", style="yellow")

    def _frame(self, now: Snapshot, width: int) -> RenderableType:
        width -= 2  # the terminal echoes ^C after the last line; without room for it the frame would break
        inside = width - 4
        parts: list[RenderableType] = [_overall(now), Text(""), _numbers(now, self._machine)]
        if now.running:
            parts += [Text(""), _workers(now.running, inside)]
        if now.failures:
            parts += [Text(""), *_failures(now.failures, inside)]
        if now.stop_reason is not None:
            parts += [Text(""), Text(f"stopping: {now.stop_reason}", style="bold red")]
        elif now.is_stopping:
            parts += [Text(""), Text(STOPPING, style="yellow")]
        title = Text(f"exrbatch: {safe_text(now.title)}, {_count(now.jobs, 'worker')}")
        title.truncate(inside - 2, overflow="ellipsis")
        return Panel(Group(*parts), title=title, title_align="left", width=width)


def plain_line(now: Snapshot) -> str:
    """Return one line for a log: a short version of the dashboard."""
    share = f"{100 * now.reached_size / now.found_size:.0f} %" if now.found_size else "0 %"
    saving = f" {format_saving(now.saved)}," if now.goal is Status.RECOMPRESSED else ""
    return (
        f"{format_duration(now.seconds)}: {now.files} of {now.total} files, {share},"
        f"{saving} {format_size(now.reached_size / max(now.seconds, 1e-9))}/s,"
        f" {now.counts.get(Status.FAILED, 0)} failed, {now.remaining}"
    )


def _overall(now: Snapshot) -> RenderableType:
    done, total = now.reached_size, max(now.found_size, 1)
    share = f"{100 * done / total:3.0f} %  {format_size(done)} of {format_size(now.found_size)}"
    line = Table.grid(expand=True, padding=(0, 1))
    line.add_column(ratio=1)
    line.add_column(no_wrap=True)
    line.add_column(no_wrap=True, justify="right")
    bar = ProgressBar(total=total, completed=min(done, total))
    line.add_row(bar, Text(share), Text(now.remaining.rjust(len("10:00:00 left")), style="bold"))
    return line


def _numbers(now: Snapshot, machine: "_Machine") -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column()
    files = Text(f"{now.files} of {now.total}")
    for status in Status:
        count = now.counts.get(status, 0)
        if count or status in (now.goal, Status.FAILED):
            style = STYLES[status] if count else "dim"
            files.append(" · ").append(f"{count} {status.value.replace('_', ' ')}", style)
    grid.add_row("files", files)
    size = Text(f"read {format_size(now.read_size)}")
    if now.goal is Status.RECOMPRESSED:
        style = "bold green" if now.saved > 0 else "yellow" if now.saved < 0 else ""
        size.append(f" · written {format_size(now.written_size)} · ")
        size.append(format_saving(now.saved, now.saved_share), style)
    grid.add_row("bytes", size)
    seconds = max(now.seconds, 1e-9)
    rate = now.reached_size / seconds
    speed = f"{now.files / seconds:.1f} files/s · {format_size(rate)}/s · {format_duration(now.seconds)} elapsed"
    grid.add_row("speed", speed)
    grid.add_row("machine", machine.look())
    return grid


def _workers(running: Sequence[Running], width: int) -> RenderableType:
    shown = running[:MAX_WORKER_ROWS]
    bar_width = max(8, min(30, width // 5))
    name_width = width - bar_width - 24
    names = [shortened(safe_text(row.candidate.path), name_width) for row in shown]
    table = Table.grid(padding=(0, 1))
    for justify in ("right", "left", "left", "right", "right"):
        table.add_column(justify=justify, no_wrap=True)
    for row, name in zip(shown, names, strict=True):
        speed = row.done * row.candidate.size / max(row.seconds, 1e-9)
        table.add_row(
            Text(f"{row.slot + 1}", style="dim"),
            Text(name),
            ProgressBar(total=1.0, completed=row.done, width=bar_width),
            f"{100 * row.done:3.0f} %",
            f"{format_size(speed):>10}/s",
        )
    if len(running) > len(shown):
        table.add_row("", Text(f"and {len(running) - len(shown)} more workers", style="dim"))
    return table


def _failures(failures: Iterable[FileReport], width: int) -> list[RenderableType]:
    lines: list[RenderableType] = []
    for failure in failures:
        name = shortened(safe_text(failure.path), max(20, width // 3))
        line = Text("failed ", style="bold red").append(name, "not bold default").append(f": {failure.reason}", "red")
        line.truncate(width, overflow="ellipsis")
        lines.append(line)
    return lines


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


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
