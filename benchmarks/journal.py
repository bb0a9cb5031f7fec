"""What a journal costs: whole runs with and without one, in turns, by the CPU time of the workers.

    python -m benchmarks.journal FOLDER... [--turns 3]

Each folder is copied for each run. Prints medians in CPU seconds, and in milliseconds per file.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path


def cpu_seconds(folder: Path, *options: str) -> tuple[float, float, int]:
    """Recompress a copy of a folder.

    Returns:
        CPU seconds and wall seconds of the workers, and the number of files.
    """
    with tempfile.TemporaryDirectory(dir=folder.parent) as place:
        copy = shutil.copytree(folder, Path(place) / "frames")
        command = [sys.executable, "-m", "exrbatch", "recompress", str(copy), "-j", "2", "--json", "--nice", "0"]
        done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
        files = json.loads(done.stdout)["files"]
        return sum(each["cpu_seconds"] for each in files), sum(each["seconds"] for each in files), len(files)


def main() -> None:
    """Measure each folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--turns", type=int, default=3)
    arguments = parser.parse_args()
    for folder in arguments.folders:
        without, journal = [], []
        for _ in range(arguments.turns):
            without.append(cpu_seconds(folder, "--no-journal"))
            journal.append(cpu_seconds(folder))
        before, after = (statistics.median(each[0] for each in runs) for runs in (without, journal))
        walls = [statistics.median(each[1] for each in runs) for runs in (without, journal)]
        files = journal[0][2]
        print(
            f"{folder.name}: {files} files, CPU {before:.2f} s without, {after:.2f} s with a journal"
            f" ({1000 * (after - before) / files:.2f} ms per file); wall {walls[0]:.2f} and {walls[1]:.2f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
