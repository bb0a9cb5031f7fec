"""Drive a run to its end: show its progress, handle signals, and add up the totals."""

import contextlib
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from types import FrameType

from rich.console import Console
from rich.text import Text

from exrbatch.batch.control import StopRequest
from exrbatch.batch.run import Run
from exrbatch.batch.run_report import BatchReport
from exrbatch.cli.display import Display
from exrbatch.cli.records import Sink
from exrbatch.jobs.file_report import FileReport
from exrbatch.jobs.log import logger
from exrbatch.signals import STOP_SIGNALS, handled, ignore, note_beginning, note_late
from exrbatch.steering.server import ControlServer
from exrbatch.text import safe_text, shortened_end, timestamp
from exrbatch.version import __version__

MAX_SENT_COMMAND = 16_000
"""Characters of the command that other terminals get to see."""
Watcher = Callable[[Run, BatchReport], None]
"""A function that looks at a run and its totals now and then, and may use `Run.control`."""


def drive(
    run: Run,
    console: Console,
    *,
    quiet: bool = False,
    sinks: Sequence[Sink] = (),
    watchers: Sequence[Watcher] = (),
    verbose: bool = False,
) -> BatchReport:
    """Drive a run to its end, with a live dashboard on a terminal or else plain progress lines.

    Args:
        run: the run; it has not started yet.
        console: where progress is printed.
        quiet: print no progress.
        sinks: functions that get each file's report when the file ends.
        watchers: functions that are called about ten times a second while the run goes on, such as
            the one that prints a farm's progress line.
        verbose: say if the run can't be steered from other terminals.

    Returns:
        The totals.
    """
    report = run.new_totals()
    display = Display(run, report, console, quiet=quiet)

    def add(finished: FileReport) -> None:
        report.add(finished)
        display.add(finished)
        for sink in sinks:
            sink(finished)

    with (
        _interrupts(run.stop, display.announce_stop),
        _control_socket(run, display, console if verbose else None) as server,
        display.shown(),
        _killed_on_error(run),
    ):
        for finished in run.events():
            if finished is not None:
                add(finished)
            for watch in watchers:
                watch(run, report)
            display.look()
            server.poll()
    for finished in run.take_late():
        add(finished)
    run.complete(report)
    return report


@contextlib.contextmanager
def _control_socket(run: Run, display: Display, console: Console | None) -> Iterator[ControlServer]:
    """Let other terminals steer the run. If that is impossible, the run goes on without.

    Args:
        run: the run.
        display: takes snapshots of it.
        console: where to say that it is impossible; None to say nothing.
    """
    facts = {
        "pid": os.getpid(),
        "version": __version__,
        "command": shortened_end(safe_text(shlex.join(["exrbatch", *sys.argv[1:]])), MAX_SENT_COMMAND),
        "folder": safe_text(_working_folder()),
        "started_at": timestamp(time.time()),
    }
    server = ControlServer(run.control, lambda: {**facts, "snapshot": display.snapshot().to_json()})
    try:
        server.open()
    except OSError as error:
        logger.info("no control socket: %s", safe_text(str(error)))
        if console is not None:
            console.print(Text(f"this run can't be steered from other terminals: {safe_text(str(error))}", "yellow"))
    with contextlib.closing(server):
        yield server


def _working_folder() -> str:
    try:
        return os.getcwd()
    except OSError:  # it was removed
        return ""


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
    Later ones, even after the block, must not cut the records off.

    Args:
        stop: the stop request of the run.
        announce: called at the first signal, to tell the user.
    """
    is_over = False

    def handle(number: int, frame: FrameType | None) -> None:
        if is_over:
            note_late(number, frame)
            return
        if stop.signal_number is not None:
            ignore(STOP_SIGNALS)  # a third signal must not disturb the removal of temporary files
            raise KeyboardInterrupt
        stop.signal_number = number
        announce()

    note_beginning()
    with handled(STOP_SIGNALS, handle, keep_ignored=True, then=note_late), contextlib.suppress(KeyboardInterrupt):
        try:
            yield
        finally:
            is_over = True
