"""What the user sees of a run while it goes on: a live dashboard with keys, or lines of a log."""

import contextlib
import os
import shlex
import sys
import time
from collections.abc import Iterator
from types import FrameType

from rich.console import Console
from rich.text import Text

from exrbatch.batch.run import Run
from exrbatch.batch.run_report import BatchReport
from exrbatch.cli.console import with_clock
from exrbatch.cli.live_view import LiveView
from exrbatch.cli.suspension import Suspension
from exrbatch.dashboard import STOPPING, Dashboard, Snapshot, plain_line
from exrbatch.jobs.file_report import FileReport
from exrbatch.signals import STATUS_SIGNALS, handled
from exrbatch.steering.commands import HINTS, KEYS, command_of, perform
from exrbatch.text import safe_text, shortened_end
from exrbatch.version import __version__

MAX_COMMAND = 500
"""Characters of the command that a log begins with; a shell may have expanded a pattern in it."""
PLAIN_SECONDS = 30.0
"""Seconds between two progress lines if the output is not a terminal."""


class Display:
    """The progress of one run on a console.

    Attributes:
        dashboard: the dashboard; it also keeps the past of the run for others.
    """

    def __init__(self, run: Run, report: BatchReport, console: Console, *, quiet: bool) -> None:
        """Prepare. Nothing is shown before `shown`.

        Args:
            run: the run.
            report: its totals.
            console: where progress is printed.
            quiet: show no progress, only notices.
        """
        self._run, self._report, self._console, self._quiet = run, report, console, quiet
        self.dashboard = Dashboard()
        self.dashboard.hints, self.dashboard.help = HINTS, KEYS
        is_possible = console.is_terminal and not console.is_dumb_terminal and not quiet
        self._view = LiveView(console, self.dashboard) if is_possible else None
        self._suspension = Suspension(self._leave, self._return)
        self._next_line = time.monotonic() + PLAIN_SECONDS
        self._shown_notices = 0
        self._pauses: tuple[str, ...] = ()
        self._wants_line = False

    @property
    def is_live(self) -> bool:
        """Whether the dashboard is on the terminal now."""
        return self._view is not None and self._view.is_shown

    @contextlib.contextmanager
    def shown(self) -> Iterator[None]:
        """Show the progress within a block of code, and restore the terminal after it."""
        with (
            handled(STATUS_SIGNALS, self._ask_for_line),
            self._suspension.watching(),
            contextlib.closing(self._view) if self._view is not None else contextlib.nullcontext(),
        ):
            if self._view is not None:
                self.dashboard.update(self._run, self._report)
                self._view.start()
            if not self.is_live and not self._quiet:
                self._print(f"{time.strftime('%Y-%m-%d')}, {beginning(self._run)}")
            yield
            if self._view is not None:
                self.dashboard.update(self._run, self._report, at_once=True)

    def add(self, finished: FileReport) -> None:
        """Note that a file has ended."""
        self.dashboard.history.add(finished)

    def look(self) -> None:
        """Show what is new, and do what keys and signals ask for. Called between two events."""
        self._suspension.attend()
        if self._view is not None:
            self._press_keys(self._view)
            self.dashboard.update(self._run, self._report)
        for notice in self._run.notices[self._shown_notices :]:
            self._shown_notices += 1
            self._print(notice, "yellow")
        if self._view is not None:
            self._view.start()  # if it is in the foreground again: a shell sends no signal then
        if not self.is_live:
            self._look_plainly()
        if self._wants_line:
            self._wants_line = False
            self._console.print(with_clock(Text(plain_line(self.snapshot()))))

    def announce_stop(self) -> None:
        """Say that the run finishes the files in progress; the dashboard shows it by itself."""
        if not self.is_live:
            self._print(STOPPING, "yellow")

    def _look_plainly(self) -> None:
        """Print a line from time to time, and when a pause begins or ends."""
        pauses = self._run.control.pauses
        if pauses != self._pauses and not self._run.stop.is_set:
            self._print("; ".join(pauses) if pauses else "going on", "yellow")
        self._pauses = pauses
        if time.monotonic() >= self._next_line:
            self._next_line += PLAIN_SECONDS
            self._wants_line = self._wants_line or not self._quiet

    def _press_keys(self, view: LiveView) -> None:
        for key in view.keyboard.read():
            control = self._run.control
            command = command_of(key, control.pauses)
            if command is not None:
                self.dashboard.say(perform(control, command, key))
            elif not self.dashboard.press(key):
                continue
            self.dashboard.update(self._run, self._report, at_once=True)
            view.refresh()
        if self._run.control.refusal is not None:
            self.dashboard.say(self._run.control.refusal)
            self._run.control.refusal = None

    def _leave(self) -> None:
        """Leave the terminal before this process is suspended; its workers must not go on alone."""
        self._run.freeze()
        if self._view is not None:
            self._view.stop()

    def _return(self) -> None:
        """Take the terminal again, unless the run goes on in the background."""
        if self._view is not None:
            self._view.stop()  # if it was stopped by a signal that can't be handled, the terminal has changed
            self._view.start()

    def _ask_for_line(self, _number: int, _frame: FrameType | None) -> None:
        """Handle a status signal: note that a line is wanted."""
        self._wants_line = True

    def snapshot(self) -> Snapshot:
        """Take a snapshot of the run."""
        return Snapshot.of(self._run, self._report, self.dashboard.history)

    def _print(self, line: str, style: str = "") -> None:
        text = Text(line, style=style)
        self._console.print(text if self.is_live else with_clock(text))


def beginning(run: Run) -> str:
    """Return the first line of a log: version, process, workers, and the command."""
    command = shortened_end(safe_text(shlex.join(sys.argv[1:])), MAX_COMMAND)
    plan = f", {run.limits.describe()}" if run.limits.describe() else ""
    return f"exrbatch {__version__}, PID {os.getpid()}, {run.workers_in_words}{plan}: {command}"
