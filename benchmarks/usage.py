"""What a piece of work costs: CPU seconds of all processes that take part, and wall time (Linux).

CPU seconds are what counts on a machine that others use, too. The work runs in a process of its own,
which adopts the processes that lose their parents (such as the server that starts exrbatch's workers)
and waits for them, so that the kernel adds up the times of all.
"""

import contextlib
import ctypes
import os
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass

_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True, slots=True)
class Usage:
    """What a piece of work cost.

    Attributes:
        cpu: seconds of processor time, user and system, of all processes.
        wall: seconds from start to end.
    """

    cpu: float
    wall: float


def measured(work: Callable[[], object]) -> Usage:
    """Run a function in a forked process and return what it cost. Raises `RuntimeError` if it fails."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
            start = time.perf_counter()
            work()
            os.write(writing, struct.pack("d", time.perf_counter() - start))
            _wait_for_children()
            code = 0
        finally:
            os._exit(code)
    os.close(writing)
    _, status, usage = os.wait4(pid, 0)
    with open(reading, "rb") as file:
        answer = file.read()
    if status:
        raise RuntimeError(f"the work failed with status {status}")
    (wall,) = struct.unpack("d", answer)
    return Usage(usage.ru_utime + usage.ru_stime, wall)


def _wait_for_children() -> None:
    """Wait until all processes have ended, among them servers that end when their pipes are closed."""
    os.closerange(3, 1 << 16)
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()
