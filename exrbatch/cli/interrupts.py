"""End a command that changes no files on the first signal."""

import contextlib
import sys
from collections.abc import Iterator
from types import FrameType

from exrbatch import signals
from exrbatch.signals import STOP_SIGNALS, handled


class Interrupts:
    """The signal that ended a command, if there was one.

    Attributes:
        number: signal number; None if no signal arrived.
    """

    def __init__(self) -> None:
        self.number: int | None = None

    @property
    def exit_code(self) -> int:
        """128 plus the signal number; 0 if there was no signal."""
        return 0 if self.number is None else 128 + self.number

    @contextlib.contextmanager
    def caught(self) -> Iterator[None]:
        """Let Ctrl-C, SIGTERM and SIGHUP end a block of code.

        The block cleans up as after an exception. Signals that are ignored at present stay ignored.
        """
        with contextlib.suppress(KeyboardInterrupt), handled(STOP_SIGNALS, self._handle, keep_ignored=True):
            if signals.interruptions:
                self._handle(signals.interruptions[0], None)
            yield

    def say(self) -> None:
        """Say that the command was interrupted, if it was."""
        if self.number is not None:
            with contextlib.suppress(OSError):
                print("exrbatch: interrupted; no file was changed", file=sys.stderr, flush=True)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        self.number = number
        raise KeyboardInterrupt
