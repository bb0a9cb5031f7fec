"""`Dashboard`: what rich draws: the latest snapshot of a run, in the view that the user chose."""

import enum
import time

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from exrbatch.batch.run import Run
from exrbatch.batch.run_report import BatchReport
from exrbatch.dashboard.frame import MARGIN, draw, fitting
from exrbatch.dashboard.history import History
from exrbatch.dashboard.machine import Machine
from exrbatch.dashboard.snapshot import Snapshot
from exrbatch.dashboard.views import View

MESSAGE_SECONDS = 5.0
"""How long the answer to a key is shown."""
UPDATE_SECONDS = 0.25
"""Least time between two snapshots; files may end much faster."""


class Keys(enum.StrEnum):
    """Keys that choose a view. The same key again leads back.

    Attributes:
        SEQUENCES: the savings of each sequence.
        FAILURES: failures and skipped files.
        HELP: what the keys do.
    """

    SEQUENCES = "s"
    FAILURES = "e"
    HELP = "?"


_VIEWS = {Keys.SEQUENCES: View.SEQUENCES, Keys.FAILURES: View.FAILURES, Keys.HELP: View.HELP}


class Dashboard:
    """The live display of a run.

    rich redraws it a few times a second, on a thread of its own.

    Attributes:
        history: the past of the run; the driver adds the report of each file.
        view: what is shown.
        hints: short texts about the keys, most important first; empty if there are no keys.
        help: lines about the keys, for the help view.
        drawn: width and number of lines of the last drawing.
    """

    def __init__(self, run: Run | None = None, report: BatchReport | None = None) -> None:
        """Begin with a run of this process, or with nothing, until a snapshot is shown."""
        self.history = History()
        self.view = View.MAIN
        self.hints: tuple[str, ...] = ()
        self.help: tuple[tuple[str, str], ...] = ()
        self.drawn = (0, 0)
        self._machine: Machine | None = None
        self._message, self._message_ends = "", 0.0
        self._now: Snapshot | Exception | None = None
        self._next_update = 0.0
        if run is not None and report is not None:
            self.update(run, report)

    def update(self, run: Run, report: BatchReport, *, at_once: bool = False) -> None:
        """Show the present state of the run. Only the thread that drives the run may call this.

        Args:
            run: the run.
            report: its totals.
            at_once: even if the last snapshot has just been taken.
        """
        if time.monotonic() < self._next_update and not at_once:
            return
        try:
            self.show(Snapshot.of(run, report, self.history))
        except Exception as error:  # noqa: BLE001  a bug in the dashboard must not stop the run
            self._now = error
        self._next_update = time.monotonic() + UPDATE_SECONDS

    def show(self, now: Snapshot) -> None:
        """Show a snapshot from now on."""
        if self._machine is None or self._machine.pid != now.pid:
            self._machine = Machine(now.pid)
        self._now = now

    def say(self, message: str) -> None:
        """Show a message for a few seconds."""
        self._message, self._message_ends = message, time.monotonic() + MESSAGE_SECONDS

    def press(self, key: str) -> bool:
        """Change the view if the key is for that. Return whether it is."""
        if key == "\x1b" and self.view is not View.MAIN:
            self.view = View.MAIN
            return True
        if key not in _VIEWS:
            return False
        self._message = ""
        wanted = _VIEWS[Keys(key)]
        self.view = View.MAIN if self.view is wanted else wanted
        return True

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        try:
            if isinstance(self._now, Exception):
                raise self._now
            if self._now is None:
                return
            message = self._message if time.monotonic() < self._message_ends else ""
            frame = draw(
                self._now,
                self.view,
                console,
                options,
                self._machine,
                self.help,
                message or fitting(self.hints, options.max_width),
            )
            width = options.max_width - MARGIN
            lines = console.render_lines(frame, options.update(width=width), new_lines=True)
            self.drawn = (width, len(lines))
            for line in lines:
                yield from line
        except Exception as error:  # noqa: BLE001  nor must a bug in the drawing
            yield Text(f"dashboard off: {type(error).__name__}: {error}", style="yellow")
