"""What a worker asks of the system for its own process. Each call does nothing where the system can't do it."""

import contextlib
import ctypes
import os
import signal
import sys
from multiprocessing import forkserver

_PR_SET_PDEATHSIG = 1
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
KEPT_BYTES = 128 << 20
"""Freed memory that a worker keeps for its next buffers."""


def die_with_server() -> None:
    """Let the kernel kill this process when the server that forked it ends, as that does when the parent has ended.

    Unlike a thread that waits for the parent's end, this works in the middle of C code, too. The server ends when
    nobody holds the other end of a pipe any more; every worker is given that end, and has to let go of it.
    """
    if sys.platform == "linux":
        _let_go_of_the_server()
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _let_go_of_the_server() -> None:
    """Close the end of the pipe that keeps the fork server running; nothing public knows which descriptor that is."""
    server = vars(forkserver._forkserver)
    alive_fd = server.get("_forkserver_alive_fd")
    if alive_fd is not None:
        os.close(alive_fd)
        server["_forkserver_alive_fd"] = None


def keep_freed_memory() -> None:
    """Let freed buffers be used again instead of going back to the system.

    glibc maps every buffer above 128 kB anew, and the kernel fills its pages with zeros at the first touch: that took
    a quarter of the CPU time of NONE to ZIP, and as much of what the OpenEXR library does.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, KEPT_BYTES)
        mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES)


def write_no_core_files() -> None:
    """Write no core file of gigabytes beside the frames."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def resident_memory() -> int:
    """Return the bytes of memory that this process holds; 0 where that can't be read cheaply."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def reset_peak_memory() -> None:
    """Let `peak_memory` count from now."""
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def peak_memory() -> int:
    """Return the most bytes of memory that this process has held; 0 where that can't be read."""
    with contextlib.suppress(OSError), open("/proc/self/status") as file:
        for line in file:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def be_first_for_oom_killer() -> None:
    """Let the kernel take a worker, not the parent, when memory runs out."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")
