"""A terminal for tests: a program runs in it, keys are pressed, and its screen can be read."""

import contextlib
import os
import signal
import sys
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pexpect
import pyte

PATIENCE = 30.0
"""Seconds to wait for something that must appear on the screen."""
PAUSED_RUN = """
import sys
from exrbatch.batch.run import Run
from exrbatch.__main__ import main

def paused(self, *arguments, original=Run.__init__, **options):
    original(self, *arguments, **options)
    self.control.pause_for_user()

if __name__ == "__main__":
    Run.__init__ = paused
    sys.exit(main())
"""
"""A program like exrbatch whose runs begin paused, so that they last as long as a test needs."""


def paused_exrbatch(folder: Path) -> list[str]:
    """Return the beginning of a command line like exrbatch whose runs begin paused."""
    script = folder / "paused.py"
    script.write_text(PAUSED_RUN)
    return [sys.executable, str(script)]


class Terminal:
    """A terminal in which a program runs.

    Attributes:
        child: the program.
        screen: what is on the screen.
    """

    def __init__(self, command: Sequence[str], columns: int = 80, lines: int = 24) -> None:
        environment = {**os.environ, "TERM": "xterm-256color", "LANG": "C.UTF-8", "PS1": "$ "}
        environment.pop("COLUMNS", None)
        environment.pop("LINES", None)
        self.child = pexpect.spawn(command[0], list(command[1:]), env=environment, dimensions=(lines, columns))
        self.child.delaybeforesend = None
        self.screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self.screen)
        self.modes = termios.tcgetattr(self.child.child_fd)

    @property
    def pid(self) -> int:
        """Process ID of the program."""
        assert self.child.pid is not None
        return self.child.pid

    @property
    def text(self) -> str:
        """The text on the screen."""
        return "\n".join(line.rstrip() for line in self.screen.display)

    def press(self, keys: str) -> None:
        """Press keys."""
        self.child.send(keys)

    def resize(self, columns: int, lines: int) -> None:
        """Change the size of the terminal, which cuts lines that are too long."""
        self.screen.resize(lines, columns)
        self.child.setwinsize(lines, columns)

    def read(self) -> bool:
        """Show what the program has written lately. Return False if it has ended."""
        try:
            data: Any = self.child.read_nonblocking(1 << 16, timeout=0.1)
            self._stream.feed(data)
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        return True

    def wait_for(self, wanted: str | Callable[[str], bool]) -> str:
        """Wait until the screen has a text, or fulfils a condition. Return its text."""
        is_there = (lambda text: wanted in text) if isinstance(wanted, str) else wanted
        end = time.monotonic() + PATIENCE
        while not is_there(self.text):
            goes_on = self.read()
            assert goes_on or is_there(self.text), f"ended without {wanted!r}:\n{self.text}"
            assert time.monotonic() < end, f"no {wanted!r} on the screen:\n{self.text}"
        return self.text

    def wait_for_end(self) -> int:
        """Wait until the program has ended. Return its exit code."""
        end = time.monotonic() + PATIENCE
        while self.read():
            assert time.monotonic() < end, f"has not ended:\n{self.text}"
        self.child.wait()
        return -self.child.signalstatus if self.child.signalstatus else int(self.child.exitstatus or 0)

    @property
    def is_restored(self) -> bool:
        """Whether the terminal has its first modes again, and shows the cursor."""
        return termios.tcgetattr(self.child.child_fd) == self.modes and not self.screen.cursor.hidden


@contextlib.contextmanager
def terminal(command: Sequence[str], columns: int = 80, lines: int = 24) -> Iterator[Terminal]:
    """Run a program in a terminal within a block of code."""
    opened = Terminal(command, columns, lines)
    try:
        yield opened
    finally:
        with contextlib.suppress(OSError):
            os.kill(opened.pid, signal.SIGKILL)
        opened.child.close(force=True)
