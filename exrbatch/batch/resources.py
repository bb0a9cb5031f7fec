"""Find out how many cores and how much memory this process may use, and how many workers fit.

Cores are limited by CPU affinity, by control groups (cgroups) and by the settings of a render farm.
Memory is limited by the machine and by control groups.

psutil does not read the limits of control groups, so this module reads their files, from our own
group upwards. It supports version 2 (`cpu.max`, `memory.max`) and version 1 (`cpu.cfs_quota_us`,
`memory.limit_in_bytes`).
"""

import math
import os
from collections.abc import Iterator
from pathlib import Path

import psutil

WORKER_BYTES = 300 * 1000 * 1000
"""Bytes of memory that a worker needs at most for files with chunks of ordinary size.

Measured peaks are below 200 MB.
"""
CGROUP_ROOT = Path("/sys/fs/cgroup")
OUR_CGROUPS = Path("/proc/self/cgroup")
FARM_VARIABLES = ("CUE_THREADS", "OPENIMAGEIO_THREADS", "SLURM_CPUS_PER_TASK")
"""Environment variables with the number of cores that a task may use.

They are set by OpenCue, by users of OpenImageIO, and by Slurm.
"""


def automatic_jobs() -> int:
    """Return the number of workers to use if the user names none; at least 1."""
    limits = [float(_affinity()), *cgroup_cores(), *_farm_cores()]
    return max(1, math.floor(min([*limits, available_memory() / WORKER_BYTES])))


def core_limit() -> float:
    """Return how many cores' worth of time this process and its workers can get."""
    return min([float(_affinity()), *cgroup_cores()])


def available_memory() -> int:
    """Return how many bytes of memory can be used now.

    This is the least that the machine and all control groups above this process have left.
    """
    return min([psutil.virtual_memory().available, *(max(0, limit - used) for limit, used in cgroup_memory())])


def total_memory() -> int:
    """Return the memory of the machine in bytes."""
    return psutil.virtual_memory().total


def physical_cores() -> int:
    """Return the number of physical cores of the machine, without those that SMT adds."""
    return psutil.cpu_count(logical=False) or psutil.cpu_count() or 1


def _affinity() -> int:
    """Return the number of cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _farm_cores() -> Iterator[int]:
    """Yield the number of cores that each variable of a render farm sets."""
    for name in FARM_VARIABLES:
        value = os.environ.get(name, "")
        if value.isdigit() and int(value) > 0:
            yield int(value)


def cgroup_cores() -> Iterator[float]:
    """Yield how many cores each control group above this process allows, if it has a limit."""
    for folder in _cgroup_folders("cpu"):
        quota = _read(folder / "cpu.max").split()
        if len(quota) != 2:
            quota = [_read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")]
        if all(word.isdigit() for word in quota):  # "max" or "-1": no limit
            yield max(1.0, int(quota[0]) / max(1, int(quota[1])))


def cgroup_memory() -> Iterator[tuple[int, int]]:
    """Yield the memory limit and usage of each control group above this process that has a limit.

    Yields:
        the bytes that the group may use, and the bytes that it uses.
    """
    for folder in _cgroup_folders("memory"):
        for limit, usage in (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")):
            allowed, used = _read(folder / limit), _read(folder / usage)
            if allowed.isdigit() and used.isdigit():
                yield int(allowed), int(used)


def _cgroup_folders(controller: str) -> Iterator[Path]:
    """Yield the folders of our control group and of all groups above it, for one controller."""
    for line in _read(OUR_CGROUPS).splitlines():
        _, controllers, group = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        base = CGROUP_ROOT / controller if controllers else CGROUP_ROOT
        folder = base / group.lstrip("/")
        yield from (place for place in (folder, *folder.parents) if place.is_relative_to(base))


def _read(path: Path) -> str:
    """Return the text of a file, or an empty string if it can't be read."""
    try:
        return path.read_text().strip()
    except OSError:
        return ""
