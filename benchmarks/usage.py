"""Measure the CPU seconds of all processes of a piece of work, and its wall time (Linux).

CPU seconds are the better figure on a machine that other users share. The work runs in a process of
its own. This process adopts processes that lose their parents, such as the server that starts
exrbatch's workers, and waits for them, so that the kernel adds up the times of all processes.
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
    """The cost of a piece of work.

    Attributes:
        cpu: CPU time of all processes, user and system, in seconds.
        wall: wall time in seconds.
    """

    cpu: float
    wall: float


def measured(work: Callable[[], object]) -> Usage:
    """Run a function in a forked process, and return its cost.

    Raises:
        RuntimeError: the function failed.
    """
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
    """Wait until all child processes have ended.

    Some of them are servers that end when their pipes are closed, so close all descriptors first.
    """
    os.closerange(3, 1 << 16)
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()
