"""`exrbatch attach`: the dashboard of a run that another terminal, or none, has started."""

import argparse
import contextlib
import sys
import time
from types import FrameType
from typing import Any

from rich.console import Console
from rich.text import Text

from exrbatch.batch.run_report import EXIT_DONE, EXIT_FAILURES
from exrbatch.cli.console import lasting_console, with_clock
from exrbatch.cli.display import PLAIN_SECONDS
from exrbatch.cli.live_view import LiveView
from exrbatch.cli.suspension import Suspension
from exrbatch.dashboard import Dashboard, Snapshot, plain_line
from exrbatch.signals import STOP_SIGNALS, handled
from exrbatch.steering.client import Connection, NoAnswer, the_run
from exrbatch.steering.commands import HINTS, KEYS, Command, Name, command_of
from exrbatch.text import safe_text

TICK = 0.1
"""Seconds to wait for the run before keys are looked at again."""
LEAVE = ("d", "leave; the run goes on (Ctrl-C does the same)")
CONFIRM_SECONDS = 5.0
"""Within this time, q must be pressed again: whoever wants to leave must not end the run."""


def run(arguments: argparse.Namespace) -> int:
    """Run `exrbatch attach`; return the exit code."""
    found = the_run(arguments.pid)
    console = lasting_console(sys.stderr)
    try:
        with contextlib.closing(found.connect()) as connection:
            connection.send({"command": "watch"})
            return _Attached(found.pid, connection, console).follow()
    except NoAnswer as error:
        console.print(Text(f"run {found.pid}: {error}", style="bold red"))
        return EXIT_FAILURES
    except (OSError, ValueError) as error:
        console.print(Text(f"the run {found.pid} is gone, or was killed ({error})", style="bold red"))
        return EXIT_FAILURES


class _Attached:
    """A view of a run in another process."""

    def __init__(self, pid: int, connection: Connection, console: Console) -> None:
        self._pid, self._connection, self._console = pid, connection, console
        self._dashboard = Dashboard()
        self._dashboard.hints = (HINTS[0], "d leave", *HINTS[1:])
        self._dashboard.help = (*KEYS, LEAVE)
        is_live = console.is_terminal and not console.is_dumb_terminal
        self._view = LiveView(console, self._dashboard) if is_live else None
        self._now: Snapshot | None = None
        self._leaves = self._has_ended = False
        self._q_until = self._next_line = 0.0

    def follow(self) -> int:
        """Show the run until it ends or the user leaves; return the exit code.

        Raises:
            OSError: the run is gone.
            ValueError: it is of another version.
        """
        suspension = Suspension(self._stop_drawing, self._draw_again)
        with (
            handled(STOP_SIGNALS, self._leave, keep_ignored=True),
            suspension.watching(),
            contextlib.closing(self._view) if self._view is not None else contextlib.nullcontext(),
        ):
            while not (self._leaves or self._has_ended):
                suspension.attend()
                message = self._connection.receive(TICK)
                if message is not None:
                    self._take(message)
                self._show()
        if self._has_ended and self._now is not None:
            self._console.print(Text(f"the run {self._pid} has ended: {plain_line(self._now)}"))
        elif self._leaves:
            self._console.print(Text(f"the run {self._pid} goes on; exrbatch attach shows it again"))
        return EXIT_DONE

    def _take(self, message: dict[str, Any]) -> None:
        """Take a message of the run."""
        if isinstance(message.get("run"), dict):
            self._now = Snapshot.from_json(message["run"].get("snapshot") or {})
            self._dashboard.show(self._now)
        if message.get("message"):
            self._dashboard.say(safe_text(str(message["message"])))
        self._has_ended = bool(message.get("end"))

    def _show(self) -> None:
        if self._now is None:
            return
        if self._view is not None:
            self._view.start()
            for key in self._view.keyboard.read():
                self._press(key, self._now)
                self._view.refresh()
        elif time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + PLAIN_SECONDS
            self._console.print(with_clock(Text(plain_line(self._now))))

    def _press(self, key: str, now: Snapshot) -> None:
        command = command_of(key, now.pauses)
        if key == "d":
            self._leaves = True
        elif command is not None and self._is_meant(command):
            self._connection.send(command.to_json())
        elif command is None:
            self._dashboard.press(key)

    def _is_meant(self, command: Command) -> bool:
        """Ask once more before the run is ended."""
        if command.name is not Name.STOP or time.monotonic() < self._q_until:
            return True
        self._q_until = time.monotonic() + CONFIRM_SECONDS
        self._dashboard.say("press q again to end the run; d only leaves it")
        return False

    def _leave(self, _number: int, _frame: FrameType | None) -> None:
        """Handle Ctrl-C and other signals: leave, and let the run go on."""
        self._leaves = True

    def _stop_drawing(self) -> None:
        if self._view is not None:
            self._view.stop()

    def _draw_again(self) -> None:
        self._stop_drawing()
        if self._view is not None:
            self._view.start()
