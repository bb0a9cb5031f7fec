"""Count the requests to a FUSE mount for each small file, and time the window before the rename.

    python -m benchmarks.round_trips [COUNT]

The mount refuses exchange, and caches names and attributes for 1 s, as the kernel's NFS client may.
Reads and writes are not counted. The window is the time in which a change that another host makes
to a frame is lost: from our last look at its name to the rename over it. Needs Linux, root and
libfuse.
"""

import collections
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from exrbatch import recompress
from exrbatch.replacing import disk
from tests.support.build import PartSpec, build
from tests.support.quirky_mount import mounted, why_not

FRAME = build([PartSpec(window=(0, 0, 63, 63), noise=0.05)])
MODES = {
    "in place": [],
    "in place, not verified": ["--verify", "none"],
    "-o": ["-o", "OUT"],
    "--backup-dir": ["--backup-dir", "OUT"],
    "--backup-dir --keep-backups": ["--backup-dir", "OUT", "--keep-backups"],
}


def count_requests(count: int) -> None:
    """Print, for each mode, the number of requests per file in a first and a second run."""
    for name, options in MODES.items():
        with tempfile.TemporaryDirectory() as place, mounted("no exchange", Path(place)) as mount:
            write_frames(mount.folder / "in", count)
            command = [sys.executable, "-m", "exrbatch", "recompress", str(mount.path / "in"), "-j", "1", "-q"]
            command += [str(mount.path / "out") if option == "OUT" else option for option in options]
            runs = []
            for _ in range(2):
                mount.requests()
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
                seen = [request for request in mount.requests() if request not in ("READ", "WRITE")]
                runs.append(collections.Counter(seen))
            first, second = (run.total() / count for run in runs)
            most = ", ".join(f"{request} {number / count:.1f}" for request, number in runs[0].most_common(6))
            print(f"{name:<28} {first:5.1f} requests a file, {second:4.1f} when it is finished; most: {most}")


def time_window(count: int) -> None:
    """Print the length of the window if each request takes 5 ms."""
    windows = []
    looked = 0.0

    class Timed(disk.Disk):
        def look_now(self, file: str | int) -> os.stat_result:
            nonlocal looked
            looked = time.perf_counter()  # the answer may describe the file at the time of the request
            return super().look_now(file)

        def rename(self, path: str, target: str) -> None:
            super().rename(path, target)
            if target.endswith(".exr"):
                windows.append(time.perf_counter() - looked)

    with tempfile.TemporaryDirectory() as place, mounted("5 ms latency", Path(place)) as mount:
        write_frames(mount.folder / "in", count)
        disk.DISK = Timed()
        for path in sorted((mount.path / "in").iterdir()):
            recompress(path)
    windows.sort()
    shown = f"median {1000 * windows[len(windows) // 2]:.1f} ms, longest {1000 * windows[-1]:.1f} ms"
    print(f"window from the last look to the rename, each request 5 ms: {shown} ({len(windows)} frames)")


def write_frames(folder: Path, count: int) -> None:
    """Write small frames that are old enough to be recompressed."""
    folder.mkdir()
    for number in range(count):
        path = folder / f"frame.{number:04}.exr"
        path.write_bytes(FRAME)
        os.utime(path, (1_600_000_000, 1_600_000_000))


def main(arguments: list[Any]) -> None:
    """Count the requests, and time the window."""
    if why_not():
        raise SystemExit(why_not())
    count = int(arguments[0]) if arguments else 40
    count_requests(count)
    time_window(count)


if __name__ == "__main__":
    main(sys.argv[1:])
