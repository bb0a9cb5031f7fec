"""Catches what the OpenEXR library prints, in Python and past it: it is the only place where it says what is wrong.

In a worker process everything that is printed goes to one file for good (`capture_all`). Elsewhere standard
output and error are the user's, and are redirected only for the length of a call.
"""

import contextlib
import io
import os
import sys
import tempfile
import threading
from types import TracebackType

_LOCK = threading.Lock()
"""Standard output and error belong to the whole process: only one thread at a time may redirect them."""
_log_fd: int | None = None


def capture_all(fd: int) -> None:
    """From now on, let everything that this process prints go to the file `fd`, open to read and to append."""
    global _log_fd
    _log_fd = fd
    for number in (1, 2):
        os.dup2(fd, number)
    sys.stdout = sys.stderr = open(fd, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115


class Captured:
    """What is printed inside a `with`; `words` is all of it in one line, afterwards."""

    def __enter__(self) -> "Captured":
        self.words = ""
        self._stack = contextlib.ExitStack()
        self._printed = io.StringIO()
        if _log_fd is not None:
            self._fd = _log_fd
            self._start = os.fstat(_log_fd).st_size
        else:
            self._fd = self._redirect()
            self._start = 0
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        size = os.fstat(self._fd).st_size
        printed = _read(self._fd, self._start, size - self._start).decode("utf-8", "replace") if size else ""
        self._stack.close()
        words = " ".join(f"{self._printed.getvalue()} {printed}".split())
        self.words = words[-300:] or "it gives no reason"

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
