"""How many workers this machine gives us: cores by affinity, control group and farm; memory.

psutil knows nothing of control groups, so their files are read here: version 2 (`cpu.max`, `memory.max`)
and version 1 (`cpu.cfs_quota_us`, `memory.limit_in_bytes`), from our own group upward.
"""

import math
import os
from collections.abc import Iterator
from pathlib import Path

import psutil

WORKER_BYTES = 300 * 1000 * 1000
"""What a worker may need at most for files with chunks of ordinary size; measured peaks are below 200 MB."""
CGROUP_ROOT = Path("/sys/fs/cgroup")
OUR_CGROUPS = Path("/proc/self/cgroup")
FARM_VARIABLES = ("CUE_THREADS", "OPENIMAGEIO_THREADS", "SLURM_CPUS_PER_TASK")
"""What OpenCue, OpenImageIO's users and Slurm set to the number of cores that a task may use."""


def automatic_jobs() -> int:
    """Return the number of workers to use when the user names none; at least 1."""
    limits = [float(_affinity()), *cgroup_cores(), *_farm_cores()]
    return max(1, math.floor(min([*limits, available_memory() / WORKER_BYTES])))


def available_memory() -> int:
    """Return the bytes of memory that may be taken now, by the machine and by every control group above us."""
    return min([psutil.virtual_memory().available, *(max(0, limit - used) for limit, used in cgroup_memory())])


def total_memory() -> int:
    """Return the bytes of memory of the machine."""
    return psutil.virtual_memory().total


def physical_cores() -> int:
    """Return the cores of the machine, not counting what SMT adds."""
    return psutil.cpu_count(logical=False) or psutil.cpu_count() or 1


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _farm_cores() -> Iterator[int]:
    for name in FARM_VARIABLES:
        value = os.environ.get(name, "")
        if value.isdigit() and int(value) > 0:
            yield int(value)


def cgroup_cores() -> Iterator[float]:
    """Yield the cores that each control group above us allows, where it sets a limit."""
    for folder in _cgroup_folders("cpu"):
        quota = _read(folder / "cpu.max").split()
        if len(quota) != 2:
            quota = [_read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")]
        if all(word.isdigit() for word in quota):  # "max" or "-1": no limit
            yield max(1.0, int(quota[0]) / max(1, int(quota[1])))


def cgroup_memory() -> Iterator[tuple[int, int]]:
    """Yield the bytes that each control group above us allows, where it sets a limit, and those in use."""
    for folder in _cgroup_folders("memory"):
        for limit, usage in (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")):
            allowed, used = _read(folder / limit), _read(folder / usage)
            if allowed.isdigit() and used.isdigit():
                yield int(allowed), int(used)


def _cgroup_folders(controller: str) -> Iterator[Path]:
    """Yield the folders of our control group for a controller and of all groups above it."""
    for line in _read(OUR_CGROUPS).splitlines():
        _, controllers, group = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        base = CGROUP_ROOT / controller if controllers else CGROUP_ROOT
        folder = base / group.lstrip("/")
        yield from (place for place in (folder, *folder.parents) if place.is_relative_to(base))


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
