"""Ctrl-Z and `fg`: leave the terminal in order, stop, and take it again afterwards.

The handlers only take notes, and `Suspension.attend` acts on them between two events of the run.
So the terminal is never changed in the middle of a drawing.
"""

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from types import FrameType

from exrbatch.signals import handled

_STOP, _CONTINUE = ([getattr(signal, name)] if hasattr(signal, name) else [] for name in ("SIGTSTP", "SIGCONT"))
_BACKGROUND = [getattr(signal, name) for name in ("SIGTTIN", "SIGTTOU") if hasattr(signal, name)]


class Suspension:
    """Notices that this process is to be suspended, and that it was continued."""

    def __init__(self, before: Callable[[], None], after: Callable[[], None]) -> None:
        """Prepare.

        Args:
            before: called before this process stops.
            after: called when it goes on.
        """
        self._before, self._after = before, after
        self._is_wanted = self._was_continued = False

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Handle the signals within a block of code.

        A process in the background that writes to its terminal must not be stopped by that.
        """
        with (
            handled(_STOP, self._note_stop, keep_ignored=True),
            handled(_CONTINUE, self._note_continue),
            handled(_BACKGROUND, signal.SIG_IGN),
        ):
            yield

    def _note_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._is_wanted = True

    def _note_continue(self, _number: int, _frame: FrameType | None) -> None:
        self._was_continued = True

    def attend(self) -> None:
        """Stop now if that was requested, and return when this process goes on."""
        if self._is_wanted:
            self._is_wanted = False
            self._before()
            # The system ignores this signal if there is no shell that could continue the process.
            with handled(_STOP, signal.SIG_DFL):
                os.kill(os.getpid(), _STOP[0])
            self._was_continued = True
        if self._was_continued:
            self._was_continued = False
            # The terminal stopped the whole group, but `kill -CONT` may have continued only this
            # process. The server that starts workers must go on, too.
            with handled(_CONTINUE, signal.SIG_DFL):
                os.killpg(os.getpgrp(), _CONTINUE[0])
            self._after()
