"""Pause a run while other programs need the machine.

The system counts the CPU time of processes with lowered priority apart from that of all others.
Our workers have lowered priority, so the rest is what other programs use.
"""

import os
import time
from collections.abc import Callable

import psutil

from exrbatch.batch.control import Control

WHY = "other programs need the machine"
LOOK_SECONDS = 1.0
"""Seconds between two measurements."""
BUSY, BUSY_SECONDS = 0.25, 5.0
"""Pause if others use this fraction of all cores, for so long."""
QUIET, QUIET_SECONDS = 0.10, 30.0
"""Go on if others use no more than this fraction, for so long. Between the two nothing changes."""


def others_seconds() -> float:
    """Return the CPU time in seconds that programs with ordinary priority have used, without us."""
    return float(psutil.cpu_times().user) - os.times().user


class Yielding:
    """Watches the other programs, and pauses one run."""

    def __init__(
        self,
        control: Control,
        *,
        used: Callable[[], float] = others_seconds,
        clock: Callable[[], float] = time.monotonic,
        cores: int | None = None,
    ) -> None:
        """Begin to watch.

        Args:
            control: gets the requests to pause.
            used: returns the CPU time that other programs have used, in seconds.
            clock: returns the time in seconds.
            cores: number of cores; None for those of the machine.
        """
        self._control, self._used, self._clock = control, used, clock
        self._cores = cores or psutil.cpu_count() or 1
        self._last, self._last_used = clock(), used()
        self._since: float | None = None  # when the state began that will end or begin the pause
        self._is_paused = False

    def look(self) -> None:
        """Measure if it is time for that, and pause or resume the run. Call this often."""
        now = self._clock()
        if (passed := now - self._last) < LOOK_SECONDS:
            return
        used = self._used()
        share = (used - self._last_used) / passed / self._cores
        begun, self._last, self._last_used = self._last, now, used
        is_change = share <= QUIET if self._is_paused else share >= BUSY
        if not is_change:
            self._since = None
            return
        self._since = begun if self._since is None else self._since
        if now - self._since >= (QUIET_SECONDS if self._is_paused else BUSY_SECONDS):
            self._is_paused, self._since = not self._is_paused, None
            (self._control.pause if self._is_paused else self._control.resume)(WHY)
