"""Capture what the OpenEXR library prints, from Python and from C++.

The library reports the cause of many errors only by printing it.

A worker process redirects its standard output and error to a file once, permanently
(`capture_all`). In any other process these streams belong to the user, so they are redirected only
while a call into the library lasts (`Captured`).
"""

import contextlib
import io
import os
import sys
import tempfile
import threading
from types import TracebackType

_LOCK = threading.Lock()
"""Taken while standard output and error are redirected, because all threads share them."""
_log_fd: int | None = None


def capture_all(fd: int) -> None:
    """Redirect all that this process prints to a file, permanently.

    Args:
        fd: descriptor of the file, open for reading and for appending.
    """
    global _log_fd
    _log_fd = fd
    for number in (1, 2):
        os.dup2(fd, number)
    sys.stdout = sys.stderr = open(fd, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115


class Captured:
    """A context manager that captures what is printed inside its block.

    Attributes:
        words: set when the block ends: the last 300 characters of the captured text, on one line.
    """

    def __enter__(self) -> "Captured":
        self.words = ""
        self._stack = contextlib.ExitStack()
        self._printed = io.StringIO()
        if _log_fd is not None:
            self._fd = _log_fd
            self._start = os.fstat(_log_fd).st_size
        else:
            try:
                self._fd = self._redirect()
            except BaseException:
                self._stack.close()
                raise
            self._start = 0
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._stack:  # restores the streams whatever happens
            size = os.fstat(self._fd).st_size
            printed = _read(self._fd, self._start, size - self._start).decode("utf-8", "replace") if size else ""
        words = " ".join(f"{self._printed.getvalue()} {printed}".split())
        self.words = words[-300:] or "no reason given"

    def _redirect(self) -> int:
        _LOCK.acquire()
        self._stack.callback(_LOCK.release)
        file = self._stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115  the stack closes it
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        for number in (1, 2):
            kept = os.dup(number)
            self._stack.callback(os.close, kept)
            self._stack.callback(os.dup2, kept, number)
            os.dup2(file.fileno(), number)
        self._stack.enter_context(contextlib.redirect_stdout(self._printed))
        self._stack.enter_context(contextlib.redirect_stderr(self._printed))
        return file.fileno()


def _read(fd: int, start: int, size: int) -> bytes:
    if hasattr(os, "pread"):
        return os.pread(fd, size, start)
    os.lseek(fd, start, os.SEEK_SET)
    return os.read(fd, size)
