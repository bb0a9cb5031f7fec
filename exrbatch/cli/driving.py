"""Drive a run to its end: show its progress, handle signals, and add up the totals."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from types import FrameType

from rich.console import Console

from exrbatch.batch.control import StopRequest
from exrbatch.batch.run import Run
from exrbatch.batch.run_report import BatchReport
from exrbatch.cli.display import Display
from exrbatch.cli.records import Sink
from exrbatch.signals import STOP_SIGNALS, handled, ignore, note_beginning

Watcher = Callable[[Run, BatchReport], None]
"""A function that looks at a run and its totals now and then, and may use `Run.control`."""


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
    display = Display(run, report, console, quiet=quiet)
    with _interrupts(run.stop, display.announce_stop), display.shown(), _killed_on_error(run):
        for finished in run.events():
            if finished is not None:
                report.add(finished)
                display.add(finished)
                for sink in sinks:
                    sink(finished)
            for watch in watchers:
                watch(run, report)
            display.look()
    run.complete(report)
    return report


@contextlib.contextmanager
def _killed_on_error(run: Run) -> Iterator[None]:
    """Stop the workers immediately if the second signal, or an error, comes between two events."""
    try:
        yield
    except BaseException:
        run.kill()
        raise


@contextlib.contextmanager
def _interrupts(stop: StopRequest, announce: Callable[[], None]) -> Iterator[None]:
    """Handle Ctrl-C, SIGTERM and SIGHUP while a run is driven.

    The first signal makes the run finish the files in progress; the second stops it immediately.

    Args:
        stop: the stop request of the run.
        announce: called at the first signal, to tell the user.
    """

    def handle(number: int, _frame: FrameType | None) -> None:
        if stop.signal_number is not None:
            ignore(STOP_SIGNALS)  # a third signal must not disturb the removal of temporary files
            raise KeyboardInterrupt
        stop.signal_number = number
        announce()

    note_beginning()
    with contextlib.suppress(KeyboardInterrupt), handled(STOP_SIGNALS, handle, keep_ignored=True):
        yield
