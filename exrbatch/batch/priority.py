"""How a run gives way to the other programs of the machine.

`nice` alone acts within one session where the kernel groups sessions (autogroup), so the group of
the session is lowered, too. Each function does nothing if the system does not support its setting.
"""

import contextlib
import os
from collections.abc import Iterator

LOWEST = 19
"""The nice value of a process that runs when no other wants to."""
FARM_MARKS = (
    "CUE_FRAME",
    "CUE_THREADS",
    "DEADLINE_JOB_ID",
    "DEADLINE_SESSION_ID",
    "LSB_JOBID",
    "PBS_JOBID",
    "SGE_TASK_ID",
    "SLURM_JOB_ID",
)
"""Variables by which a task knows that a farm has started it.

They are set by OpenCue, Deadline Cloud, LSF, PBS, Grid Engine and Slurm.
"""
AUTOGROUP = "/proc/self/autogroup"


def niceness(wanted: int | None) -> int:
    """Return the nice value of the workers of a run.

    Args:
        wanted: what the user wants; None for the lowest priority, unless a farm has started this
            process, because a farm shares out its machines itself.
    """
    if wanted is not None:
        return wanted
    return 0 if any(os.environ.get(name) for name in FARM_MARKS) else LOWEST


def lower_priority(nice: int) -> None:
    """Lower the priority of this process for CPU and disk, before it starts threads.

    Args:
        nice: its nice value, 0 to 19; 0 leaves all as it is.
    """
    if nice <= 0 or not hasattr(os, "setpriority"):
        return
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, max(nice, os.getpriority(os.PRIO_PROCESS, 0)))
    if hasattr(os, "SCHED_BATCH"):
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    import psutil  # imported late, and only by workers

    if hasattr(psutil, "IOPRIO_CLASS_IDLE"):
        with contextlib.suppress(OSError, psutil.Error):
            psutil.Process().ionice(psutil.IOPRIO_CLASS_IDLE)


@contextlib.contextmanager
def lowered_session(nice: int) -> Iterator[None]:
    """Lower the priority of the session of this process against other sessions, for some time.

    The session is that of the terminal, so this is for a program of its own, not for a library.

    Args:
        nice: nice value of the session; 0 leaves it as it is.
    """
    before = _autogroup() if nice > 0 else None
    if before is None or before >= nice:
        yield
        return
    _set_autogroup(nice)
    try:
        yield
    finally:
        _set_autogroup(before)


def _autogroup() -> int | None:
    """Return the nice value of the session; None if the kernel does not group sessions."""
    try:
        with open("/proc/sys/kernel/sched_autogroup_enabled") as switch, open(AUTOGROUP) as file:
            return int(file.read().rpartition("nice")[2]) if switch.read().strip() == "1" else None
    except (OSError, ValueError):
        return None


def _set_autogroup(nice: int) -> None:
    with contextlib.suppress(OSError), open(AUTOGROUP, "w") as file:
        file.write(str(nice))
