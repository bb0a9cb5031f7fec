"""Drive a run to its end: show its progress, handle signals, and add up the totals."""

import contextlib
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from types import FrameType

from rich.console import Console
from rich.live import Live
from rich.text import Text

from exrbatch.batch.control import StopRequest
from exrbatch.batch.run import Run
from exrbatch.batch.run_report import BatchReport
from exrbatch.cli.console import with_clock
from exrbatch.cli.records import Sink
from exrbatch.dashboard import STOPPING, Dashboard, Snapshot, plain_line
from exrbatch.signals import STATUS_SIGNALS, STOP_SIGNALS, handled, ignore, note_beginning
from exrbatch.text import format_count, safe_text, shortened_end
from exrbatch.version import __version__

MAX_COMMAND = 500
"""Characters of the command that a log begins with; a shell may have expanded a pattern in it."""
Watcher = Callable[[Run, BatchReport], None]
"""A function that looks at a run and its totals now and then, and may use `Run.control`."""
PLAIN_SECONDS = 30.0
"""Seconds between two progress lines if the output is not a terminal."""


def drive(
    run: Run,
    console: Console,
    *,
    quiet: bool = False,
    sinks: Sequence[Sink] = (),
    watchers: Sequence[Watcher] = (),
) -> BatchReport:
    """Drive a run to its end, with a live dashboard on a terminal or else plain progress lines.

    Args:
        run: the run; it has not started yet.
        console: where progress is printed.
        quiet: print no progress.
        sinks: functions that get each file's report when the file ends.
        watchers: functions that are called about ten times a second while the run goes on, such as
            limits.

    Returns:
        The totals.
    """
    report = run.new_totals()
    status = _StatusLine(console, run, report)
    is_live = console.is_terminal and not console.is_dumb_terminal and not quiet
    next_line = time.monotonic() + PLAIN_SECONDS
    shown = 0  # number of notices that were printed
    with contextlib.ExitStack() as stack:
        stack.enter_context(_interrupts(run.stop, None if is_live else console))
        stack.enter_context(handled(STATUS_SIGNALS, status.ask))
        if not is_live and not quiet:
            console.print(with_clock(Text(_beginning(run))))
        dashboard = Dashboard(run, report) if is_live else None
        if dashboard is not None:
            stack.enter_context(Live(dashboard, console=console, refresh_per_second=4))
        stack.enter_context(_killed_on_error(run))
        for finished in run.events():
            if finished is not None:
                report.add(finished)
                for sink in sinks:
                    sink(finished)
            for watch in watchers:
                watch(run, report)
            if dashboard is not None:
                dashboard.update(run, report)
            for notice in run.notices[shown:]:
                shown += 1
                line = Text(notice, style="yellow")
                console.print(line if is_live else with_clock(line))
            if not is_live and not quiet and time.monotonic() >= next_line:
                next_line += PLAIN_SECONDS
                status.is_wanted = True
            status.print_if_wanted()
    run.complete(report)
    return report


def _beginning(run: Run) -> str:
    """Return the first line of a log: version, workers, and the command with its options."""
    command = shortened_end(safe_text(shlex.join(sys.argv[1:])), MAX_COMMAND)
    today = time.strftime("%Y-%m-%d")
    return f"{today}, exrbatch {__version__}, {format_count(run.jobs, 'worker')}: {command}"


class _StatusLine:
    """A line of progress, printed at intervals and after SIGUSR1 (on BSD and macOS also SIGINFO).

    Attributes:
        is_wanted: whether to print a line at the next opportunity.
    """

    def __init__(self, console: Console, run: Run, report: BatchReport) -> None:
        self._console, self._run, self._report = console, run, report
        self.is_wanted = False

    def print_if_wanted(self) -> None:
        """Print the line if it is wanted."""
        if self.is_wanted:
            self.is_wanted = False
            self._console.print(with_clock(Text(plain_line(Snapshot.of(self._run, self._report)))))

    def ask(self, _number: int, _frame: FrameType | None) -> None:
        """Handle a status signal: note that a line is wanted."""
        self.is_wanted = True


@contextlib.contextmanager
def _killed_on_error(run: Run) -> Iterator[None]:
    """Stop the workers immediately if the second signal, or an error, comes between two events."""
    try:
        yield
    except BaseException:
        run.kill()
        raise


@contextlib.contextmanager
def _interrupts(stop: StopRequest, console: Console | None) -> Iterator[None]:
    """Handle Ctrl-C, SIGTERM and SIGHUP while a run is driven.

    The first signal makes the run finish the files in progress; the second stops it immediately.

    Args:
        stop: the stop request of the run.
        console: where to announce the stop; None if the dashboard announces it.
    """

    def handle(number: int, _frame: FrameType | None) -> None:
        if stop.signal_number is not None:
            ignore(STOP_SIGNALS)  # a third signal must not disturb the removal of temporary files
            raise KeyboardInterrupt
        stop.signal_number = number
        if console is not None:
            console.print(with_clock(Text(STOPPING, style="yellow")))

    note_beginning()
    with contextlib.suppress(KeyboardInterrupt), handled(STOP_SIGNALS, handle, keep_ignored=True):
        yield
