"""What limits a run now, in words."""

from exrbatch.dashboard.snapshot import Snapshot
from exrbatch.text import format_count, format_rate

THROTTLED = 0.1
"""Workers that wait at least this fraction of their time for --bwlimit are limited by that."""
COMPUTES, WAITS = 0.8, 0.5
"""Workers that compute for at least/at most these fractions of their time are limited by the CPU/by
storage. In between, it is both."""
MACHINE_IS_BUSY, MACHINE_IS_FREE = 0.9, 0.7
"""Fractions of the machine's CPU time: above the first, workers that wait may wait for a core.
Below the second, more workers would find free cores."""


def limit_line(now: Snapshot, machine_busy: float | None) -> str:
    """Say what limits a run now; an empty text if that is not known yet, or the run is to end.

    Args:
        now: the state of the run.
        machine_busy: fraction of the machine's CPU time that is used, 0 to 1; None if unknown.
    """
    if now.is_stopping:
        return ""
    if now.pauses:
        waits_for = "" if now.is_frozen or not now.running else f"; {_files(now)} in progress"
        return "; ".join(now.pauses) + waits_for
    if now.is_elsewhere:
        machine_busy = None
        if not now.running and now.found > now.files:
            return "no worker has files"
    free = now.jobs - len(now.running)
    if free > 0 and not now.is_scanned:
        return "the scan: workers wait for files to be found"
    if free > 0 and now.found > now.files + len(now.running) * 2 + 1:
        return _by_share(now, machine_busy)
    if free > 0 and now.running:
        return f"the last files: {format_count(free, 'worker')} without work"
    return _by_share(now, machine_busy)


def _files(now: Snapshot) -> str:
    return format_count(len(now.running), "file")


def _by_share(now: Snapshot, machine_busy: float | None) -> str:
    """Say whether workers compute or wait."""
    if now.rate_limit is not None and now.throttled_share >= THROTTLED:
        return f"--bwlimit {format_rate(now.rate_limit)}: workers wait {100 * now.throttled_share:.0f} % of their time"
    share = now.computing_share
    if share is None:
        return ""
    computing = f"workers compute {100 * min(1.0, share):.0f} % of their time"
    if share >= COMPUTES:
        has_free_cores = machine_busy is not None and machine_busy < MACHINE_IS_FREE
        return f"CPU: {computing}" + ("; cores are free (+)" if has_free_cores else "")
    if machine_busy is not None and machine_busy > MACHINE_IS_BUSY:
        return f"CPU, shared with others: {computing}"
    if share <= WAITS:
        return f"disk: workers wait for storage {100 * (1 - share):.0f} % of their time"
    return f"CPU and disk: {computing}"
