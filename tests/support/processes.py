"""Whether processes have ended that are not children of the tests."""

import time
from collections.abc import Sequence

import psutil

PATIENCE = 60.0
"""Seconds after which a process lives on."""


def survivors(processes: Sequence[psutil.Process]) -> list[psutil.Process]:
    """Wait until processes have ended; return those that have not.

    `psutil.wait_procs` would wait until they are reaped, too. In a container that may take seconds,
    because the first process there has other things to do.
    """
    end = time.monotonic() + PATIENCE
    while (alive := [process for process in processes if not _has_ended(process)]) and time.monotonic() < end:
        time.sleep(0.01)
    return alive


def _has_ended(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
