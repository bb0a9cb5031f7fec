"""Clocks that tell when the machine has slept. The monotonic clock stands still meanwhile."""

import time


def asleep() -> float:
    """Return the seconds that the machine has slept since it started; 0 if that is unknown."""
    boot_clock = getattr(time, "CLOCK_BOOTTIME", None)
    return 0.0 if boot_clock is None else time.clock_gettime(boot_clock) - time.clock_gettime(time.CLOCK_MONOTONIC)


def elapsed() -> float:
    """Return the seconds since some moment, those of sleep included if they are known."""
    return time.monotonic() + asleep()
