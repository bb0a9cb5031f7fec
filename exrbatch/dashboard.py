"""A run -> rich renderable. Holds no state of its own but the clock of the last look at CPU times."""

from collections.abc import Iterable

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
from exrbatch.text import safe_text, shortened, shown_duration, shown_size

STOPPING = "finishing the files in work; once more (Ctrl-C) to stop now"
SHOWN_FAILURES = 3
MAX_WORKER_ROWS = 16
"""More rows than a terminal is high would push the bar off the screen."""
STYLES = {
    Status.RECOMPRESSED: "green",
    Status.ALREADY: "cyan",
    Status.NO_GAIN: "cyan",
    Status.SKIPPED: "yellow",
    Status.FAILED: "bold red",
    Status.PLANNED: "green",
    Status.EQUAL: "green",
    Status.MEASURED: "green",
}


class Dashboard:
    """The live picture of a run; rich asks it for a new frame a few times a second."""

    def __init__(self, run: Run, report: BatchReport) -> None:
        self._run = run
        self._report = report
        self._machine = _Machine()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        try:
            yield self._frame(options.max_width)
        except Exception as error:  # noqa: BLE001  a bug in here must not stop the job
            yield Text(f"dashboard off: {type(error).__name__}: {error}", style="yellow")

    def _frame(self, width: int) -> RenderableType:
        run, report = self._run, self._report
        width -= 2  # the terminal echoes ^C behind the last line: without room for it the frame would tear
        inside = width - 4
        running = run.running()
        parts: list[RenderableType] = [
            _overall(run, report, running),
            Text(""),
            _numbers(run, report, self._machine, running),
        ]
        if running:
            parts += [Text(""), _workers(running, inside)]
        if report.failures:
            parts += [Text(""), *_failures(report.failures[-SHOWN_FAILURES:], inside)]
        if run.stop.reason is not None:
            parts += [Text(""), Text(f"stopping: {run.stop.reason}", style="bold red")]
        elif run.stop.signal_number is not None:
            parts += [Text(""), Text(STOPPING, style="yellow")]
        options = run.options
        title = Text(f"exrbatch: {safe_text(options.rules.title)}, {_count(run.jobs, 'worker')}")
        title.truncate(inside - 2, overflow="ellipsis")
        return Panel(Group(*parts), title=title, title_align="left", width=width)


def plain_line(run: Run, report: BatchReport) -> str:
    """One line for a log: what the dashboard says, in short."""
    done = _done_size(report, run.running())
    share = f"{100 * done / run.backlog.size:.0f} %" if run.backlog.size else "0 %"
    return (
        f"{shown_duration(report.seconds)}: {report.files} of {_total(run)} files, {share},"
        f" saved {shown_size(report.saved)}, {shown_size(done / max(report.seconds, 1e-9))}/s,"
        f" {report.counts[Status.FAILED]} failed, {_remaining(run, report, done)}"
    )


def _overall(run: Run, report: BatchReport, running: list[Running]) -> RenderableType:
    done = _done_size(report, running)
    total = max(run.backlog.size, 1)
    share = f"{100 * done / total:3.0f} %  {shown_size(done)} of {shown_size(run.backlog.size)}"
    line = Table.grid(expand=True, padding=(0, 1))
    line.add_column(ratio=1)
    line.add_column(no_wrap=True)
    line.add_column(no_wrap=True, justify="right")
    bar = ProgressBar(total=total, completed=min(done, total))
    line.add_row(bar, Text(share), Text(_remaining(run, report, done).rjust(len("10:00:00 left")), style="bold"))
    return line


def _numbers(run: Run, report: BatchReport, machine: "_Machine", running: list[Running]) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column()
    files = Text(f"{report.files} of {_total(run)}")
    for status in Status:
        if report.counts[status] or status in (Status.RECOMPRESSED, Status.FAILED):
            style = STYLES[status] if report.counts[status] else "dim"
            files.append(" · ").append(f"{report.counts[status]} {status.value.replace('_', ' ')}", style)
    grid.add_row("files", files)
    saved = f"{shown_size(report.saved)} ({100 * report.saved_share:.1f} %)"
    size = Text(f"read {shown_size(report.read_size)} · written {shown_size(report.written_size)} · ")
    grid.add_row("bytes", size.append(f"saved {saved}", "bold green" if report.saved else ""))
    seconds = max(report.seconds, 1e-9)
    rate = _done_size(report, running) / seconds
    speed = f"{report.files / seconds:.1f} files/s · {shown_size(rate)}/s · {shown_duration(report.seconds)} elapsed"
    grid.add_row("speed", speed)
    grid.add_row("machine", machine.look())
    return grid


def _workers(running: list[Running], width: int) -> RenderableType:
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
            f"{shown_size(speed):>10}/s",
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


def _done_size(report: BatchReport, running: list[Running]) -> float:
    return report.done_size + sum(row.done * row.candidate.size for row in running)


def _remaining(run: Run, report: BatchReport, done: float) -> str:
    """Say how long the rest will take at the speed so far."""
    if run.stop.is_set:
        return "stopping"
    if not run.backlog.is_complete:
        return "still scanning"
    if done >= run.backlog.size:
        return "done"
    if done <= 0:
        return "starting"
    return f"{shown_duration(report.seconds * (run.backlog.size - done) / done)} left"


def _total(run: Run) -> str:
    return f"{run.backlog.files}" + ("" if run.backlog.is_complete else "+")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


class _Machine:
    """CPU and memory of this process and its workers, and of the machine."""

    def __init__(self) -> None:
        self._processes: dict[int, psutil.Process] = {}
        psutil.cpu_percent()

    def look(self) -> str:
        """Describe the machine now; the first look has nothing to compare with and says 0 %."""
        me = psutil.Process()
        known = {process.pid: process for process in [me, *me.children(recursive=True)]}
        # A Process object compares with its own last look: keep those that are known already.
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
            f" memory {shown_size(memory)} ours, {shown_size(total.available)} free"
        )
