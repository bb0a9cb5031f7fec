"""Facts about the machine of a benchmark. Figures mean little without them."""

import os
import platform
import sys
from importlib import metadata

from exrbatch.batch.resources import (
    automatic_jobs,
    cgroup_cores,
    cgroup_memory,
    physical_cores,
    total_memory,
)
from exrbatch.replacing import mount_of
from exrbatch.text import format_size, safe_text
from exrbatch.version import __version__

PACKAGES = ("OpenEXR", "deflate", "isal", "zlib-ng", "zstandard", "numpy")

Facts = dict[str, str | int | float]


def describe_machine(folder: str) -> Facts:
    """Return facts: processor, memory, file system of `folder`, versions of the codec libraries."""
    cores, logical, memory = physical_cores(), os.cpu_count() or 1, total_memory()
    facts: Facts = {
        "cpu": _processor(),
        "cores": cores,
        "logical_cores": logical,
        "smt": "on" if logical > cores else "off",
        "affinity": _affinity(),
        "cgroup_cores": min(cgroup_cores(), default="no limit"),
        "cgroup_memory": min((limit for limit, _ in cgroup_memory() if limit < memory), default="no limit"),
        "jobs_allowed": automatic_jobs(),  # by affinity, control groups, farm and memory
        "memory": memory,
        "file_system": mount_of(os.stat(folder).st_dev, os.path.realpath(folder)).kind,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "exrbatch": __version__,
    }
    return facts | {name: _version(name) for name in PACKAGES}


def usable_cores(facts: Facts) -> int | None:
    """Return how many cores a benchmark could use; None if the facts do not say.

    More jobs than that cannot be expected to be faster. The cores that SMT adds do not count,
    because they bring much less.
    """
    known = [facts.get(name) for name in ("cores", "affinity", "cgroup_cores")]
    numbers = [number for number in known if isinstance(number, int | float)]
    return max(1, int(min(numbers))) if numbers else None


def format_facts(facts: Facts) -> dict[str, str]:
    """Return the facts as text for people."""
    sizes = ("memory", "cgroup_memory")
    return {
        name: format_size(value) if name in sizes and not isinstance(value, str) else safe_text(str(value))
        for name, value in facts.items()
    }


def _affinity() -> int:
    """Return the number of logical cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine() or sys.platform


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "unknown"
