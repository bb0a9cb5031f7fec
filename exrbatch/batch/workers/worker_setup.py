"""System settings that a worker makes for its own process.

Each function does nothing if the system does not support its setting.
"""

import contextlib
import ctypes
import os
import signal
import sys
from multiprocessing import forkserver

_PR_SET_PDEATHSIG = 1
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
KEPT_BYTES = 128 << 20
"""Bytes of freed memory that a worker keeps for its next buffers."""


def die_with_server() -> None:
    """Make the kernel kill this process when the server that forked it ends.

    The server ends when the parent process has ended. Unlike a thread that waits for the end of the
    parent, this also works while C code is running.

    The server notices the end of the parent by a pipe whose other end is no longer open in any
    process. Every worker inherits that end, so it must close it.
    """
    if sys.platform == "linux":
        _let_go_of_the_server()
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _let_go_of_the_server() -> None:
    """Close the end of the pipe that keeps the fork server running.

    No public function returns its descriptor.
    """
    server = vars(forkserver._forkserver)
    alive_fd = server.get("_forkserver_alive_fd")
    if alive_fd is not None:
        os.close(alive_fd)
        server["_forkserver_alive_fd"] = None


def keep_freed_memory() -> None:
    """Keep freed buffers in this process for reuse, instead of returning them to the system.

    Otherwise, glibc maps each buffer above 128 kB anew, and the kernel fills its pages with zeros
    when they are first used. That took a quarter of the CPU time of NONE to ZIP, and as much of the
    time in the OpenEXR library.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, KEPT_BYTES)
        mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES)


def write_no_core_files() -> None:
    """Prevent core files beside the frames, which can be gigabytes in size."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def resident_memory() -> int:
    """Return the resident memory of this process in bytes; 0 if it can't be read cheaply."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def reset_peak_memory() -> None:
    """Reset the peak that `peak_memory` returns."""
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def peak_memory() -> int:
    """Return the peak resident memory of this process in bytes; 0 if it can't be read."""
    with contextlib.suppress(OSError), open("/proc/self/status") as file:
        for line in file:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def be_first_for_oom_killer() -> None:
    """Make the kernel kill a worker, not the parent process, if memory runs out."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")
