"""Keys that are pressed while a command runs.

They are read from /dev/tty, so that stdin stays free for lists of paths. The terminal is changed
only while this process is in its foreground: a process in the background that reads or changes
the terminal would be stopped, or would disturb the shell.
"""

import contextlib
import os
import re
from typing import Any

try:
    import termios
except ImportError:  # not on Windows
    termios = None  # type: ignore[assignment]

_ESCAPE_SEQUENCE = re.compile("\x1b[\\[O][0-9;]*[A-Za-z~]")
"""What arrow keys and function keys send."""
MAX_BYTES = 256
"""Bytes that are read at once. More are pasted text rather than keys."""


class Keyboard:
    """The keys of the terminal of this process, one at a time and without echo."""

    def __init__(self) -> None:
        """Open the terminal. Nothing is changed before `take`."""
        self._fd = -1
        self._saved: list[Any] | None = None
        if termios is not None:
            with contextlib.suppress(OSError):
                self._fd = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)

    @property
    def is_taken(self) -> bool:
        """Whether keys can be read."""
        return self._saved is not None

    @property
    def is_in_foreground(self) -> bool:
        """Whether this process may use its terminal. True if there is no way to find out."""
        try:
            return self._fd < 0 or os.tcgetpgrp(self._fd) == os.getpgrp()
        except OSError:
            return True

    def take(self) -> bool:
        """Switch off echo and line editing, if possible. Return whether keys can be read."""
        if self._fd < 0 or self.is_taken or not self.is_in_foreground:
            return self.is_taken
        with contextlib.suppress(OSError, termios.error):
            saved = termios.tcgetattr(self._fd)
            wanted = termios.tcgetattr(self._fd)
            wanted[3] &= ~(termios.ECHO | termios.ICANON)  # Ctrl-C and Ctrl-Z still send signals
            wanted[6][termios.VMIN], wanted[6][termios.VTIME] = 1, 0
            self._saved = saved  # first, because a signal may come between
            termios.tcsetattr(self._fd, termios.TCSANOW, wanted)
        return self.is_taken

    def release(self) -> None:
        """Restore the terminal, unless it belongs to another process now."""
        saved, self._saved = self._saved, None
        if saved is None or not self.is_in_foreground:
            return
        with contextlib.suppress(OSError, termios.error):
            termios.tcsetattr(self._fd, termios.TCSANOW, saved)

    def read(self) -> str:
        """Return the keys that were pressed since the last call; never wait for one."""
        if not self.is_taken:
            return ""
        if not self.is_in_foreground:
            self._saved = None  # the shell has taken the terminal, and restored it
            return ""
        try:
            data = os.read(self._fd, MAX_BYTES)
        except BlockingIOError:
            return ""
        except OSError:  # the terminal is gone
            self._saved = None
            return ""
        return _ESCAPE_SEQUENCE.sub("", data.decode("ascii", "ignore"))

    def close(self) -> None:
        """Restore and close the terminal."""
        self.release()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
