"""Count the system calls on a folder for each frame that is recompressed, with strace.

    python -m benchmarks.operations [--few 20] [--many 120] [--only "in place" "output, again"]

A run over few frames and one over many are traced. The difference, divided by the difference of the
numbers of frames, is what another frame costs a warm worker. Only calls on files and descriptors
count whose path is in the folder of the frames (or of the output, backups, or lists of a plan), so
journal, libraries and sockets do not. Every mode is run with one worker.

A file server sees fewer calls than these: `LOCAL` are answered by the client's kernel. Neither does
it see every other one, because its client caches names, attributes and data. How many requests are
left with a cache of 1 s, `benchmarks.round_trips` counts.

Modes of a cluster trace a worker and the client in one run. Modes of shards need `exrbatch shard`.
Needs Linux and strace.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.support.build import PartSpec, build
from tests.support.cluster import kill_tree

FRAME = build([PartSpec(window=(0, 0, 63, 63), noise=0.05)])
LOCAL = ("fcntl", "ioctl", "lseek", "mmap", "fstat", "dup", "fadvise64")
"""System calls that the kernel of the client answers by itself."""
GROUPS = {
    "open": ("open", "openat", "creat"),
    "close": ("close",),
    "look at a name": ("stat", "lstat", "newfstatat", "statx", "access", "faccessat", "faccessat2", "readlink"),
    "read": ("read", "pread64", "preadv", "preadv2", "readv", "copy_file_range", "sendfile"),
    "write": ("write", "pwrite64", "pwritev", "pwritev2", "writev", "ftruncate", "fallocate"),
    "sync": ("fsync", "fdatasync", "sync_file_range"),
    "rename, unlink": ("rename", "renameat", "renameat2", "unlink", "unlinkat", "link", "linkat", "mkdir"),
    "list": ("getdents64", "getdents"),
    "attributes": (
        *("flistxattr", "fgetxattr", "fsetxattr", "listxattr", "getxattr", "setxattr", "llistxattr", "lgetxattr"),
        *("fchmod", "fchown", "utimensat", "chmod", "chown", "statfs", "fstatfs"),
    ),
}
"""Names of system calls by what they ask of a file server."""
CALL = re.compile(rb"^\d+ +(\w+)\((.*)$")
"""A line of strace: process, name of the call, arguments and result."""
SCHEDULER = ["-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]


def calls_on(folder: Path, trace: Path) -> Counter[str]:
    """Count the system calls of a trace whose arguments name a path in a folder."""
    counts: Counter[str] = Counter()
    wanted = os.fsencode(folder) + b"/"
    for line in trace.read_bytes().splitlines():
        found = CALL.match(line)  # the second half of an interrupted line does not match
        if found is None or (wanted not in found[2] and wanted[:-1] + b">" not in found[2]):
            continue
        name = os.fsdecode(found[1])
        if name in ("newfstatat", "statx") and b'>, "",' in found[2]:
            name = "fstat"
        counts[name] += 1
    return counts


def traced(command: Sequence[str], trace: Path) -> list[str]:
    """Return a command that runs another one and writes its calls to a file."""
    return ["strace", "-f", "-y", "--seccomp-bpf", "-e", "trace=%file,%desc", "-o", str(trace), *command]


def fill(folder: Path, count: int) -> None:
    """Write frames that are old enough to be recompressed."""
    folder.mkdir(parents=True)
    for number in range(count):
        path = folder / f"frame.{number:04}.exr"
        path.write_bytes(FRAME)
        os.utime(path, (1_600_000_000, 1_600_000_000))


class Modes:
    """The ways to recompress that are traced. Each counts calls for frames in a new folder."""

    def __init__(self, python: str) -> None:
        """Trace the exrbatch that an interpreter has."""
        self._exrbatch = [python, "-P", "-m", "exrbatch"]  # not the one of this folder
        self._python = python

    def _run(self, place: Path, *arguments: str) -> Counter[str]:
        trace = place / "trace"
        subprocess.run(traced([*self._exrbatch, *arguments], trace), check=True, capture_output=True)
        return calls_on(place / "show", trace)

    def recompress(self, *options: str, again: bool = False) -> Callable[[Path, int], Counter[str]]:
        """Return a mode: recompress once, and perhaps a second time, which is then counted."""

        def count(place: Path, files: int) -> Counter[str]:
            fill(place / "show" / "in", files)
            words = [str(place / "show" / "out") if option == "OUT" else option for option in options]
            arguments = ["recompress", str(place / "show" / "in"), "-j", "1", "-q", *words]
            if again:
                subprocess.run([*self._exrbatch, *arguments], check=True, capture_output=True)
            return self._run(place, *arguments)

        return count

    def shard(self, command: str) -> Callable[[Path, int], Counter[str]]:
        """Return a mode: plan one shard, run it, or ask for its status; one of these is counted."""

        def count(place: Path, files: int) -> Counter[str]:
            fill(place / "show" / "in", files)
            plan = str(place / "show" / "plan")
            every = {
                "plan": ["shard", "plan", str(place / "show" / "in"), "-o", plan, "--count", "1"],
                "run": ["shard", "run", plan, "1", "-j", "1"],
                "status": ["shard", "status", plan],
            }
            for name, arguments in every.items():
                if name == command:
                    return self._run(place, *arguments)
                subprocess.run([*self._exrbatch, *arguments], check=True, capture_output=True)
            raise AssertionError

        return count

    def cluster(self, whom: str) -> Callable[[Path, int], Counter[str]]:
        """Return a mode: recompress by a worker of a cluster; count its calls or the client's."""

        def count(place: Path, files: int) -> Counter[str]:
            fill(place / "show" / "in", files)
            file, trace, other = place / "scheduler.json", place / "trace", place / "other"
            started = [_start([self._python, *SCHEDULER, "--scheduler-file", str(file)])]
            try:
                while not file.exists():
                    time.sleep(0.1)
                worker = [*self._exrbatch, "worker", str(file), "-j", "1"]
                client = [*self._exrbatch, "recompress", str(place / "show" / "in"), "-q", "--cluster", str(file)]
                client += ["--worker-timeout", "300"]
                started.append(_start(traced(worker, trace) if whom == "worker" else worker))
                subprocess.run(traced(client, other) if whom == "client" else client, check=True, capture_output=True)
                return calls_on(place / "show", other if whom == "client" else trace)
            finally:
                for process in started:
                    kill_tree(process)

        return count


def _start(command: Sequence[str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)


def marginal(mode: Callable[[Path, int], Counter[str]], few: int, many: int) -> dict[str, float]:
    """Return the calls for another frame by their names."""
    counts = []
    for files in (few, many):
        with tempfile.TemporaryDirectory() as place:
            counts.append(mode(Path(place).resolve(), files))
    return {name: (counts[1][name] - counts[0][name]) / (many - few) for name in counts[1] | counts[0]}


def describe(name: str, calls: dict[str, float]) -> str:
    """Return a row: all calls, those that may reach a server, and these by kind."""
    every = sum(calls.values())
    remote = {each: count for each, count in calls.items() if each not in LOCAL}
    groups = [sum(remote.pop(each, 0.0) for each in names) for names in GROUPS.values()]
    cells = [every, sum(groups) + sum(remote.values()), *groups, sum(remote.values())]
    return f"| {name} | " + " | ".join(f"{cell:.1f}" for cell in cells) + " |"


def main() -> None:
    """Parse arguments, and trace each mode."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--few", type=int, default=20)
    parser.add_argument("--many", type=int, default=120)
    parser.add_argument("--only", nargs="+", help="names of modes")
    parser.add_argument("--python", default=sys.executable, help="interpreter that has exrbatch")
    arguments = parser.parse_args()
    modes = Modes(arguments.python)
    every = {
        "in place": modes.recompress(),
        "in place, again": modes.recompress(again=True),
        "in place, again, no journal": modes.recompress("--no-journal", again=True),
        "output": modes.recompress("-o", "OUT"),
        "output, again": modes.recompress("-o", "OUT", again=True),
        "backups": modes.recompress("--backup-dir", "OUT"),
        "cluster, worker": modes.cluster("worker"),
        "cluster, client": modes.cluster("client"),
        "shard plan": modes.shard("plan"),
        "shard run": modes.shard("run"),
        "shard status": modes.shard("status"),
    }
    wanted = arguments.only or list(every)
    print("| calls for each frame | all | to a server | " + " | ".join(GROUPS) + " | other |")
    print("|---" * (len(GROUPS) + 4) + "|")
    with tempfile.TemporaryDirectory() as state:
        os.environ["XDG_STATE_HOME"] = state
        for name in wanted:
            print(describe(name, marginal(every[name], arguments.few, arguments.many)), flush=True)


if __name__ == "__main__":
    main()
