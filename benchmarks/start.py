"""Measure the time from the start of the command to the first file in progress, and to `--help`.

    python -m benchmarks.start FOLDER [--passes 9]

Runs the command line on a folder with 2 uncompressed frames and 200 links in FOLDER until the first
temp file appears, then ends it. Prints median seconds and spread of that, of `exrbatch --help` into
a pipe, and of an interpreter that does nothing.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from exrbatch.bench.passes import Statistic, interleaved
from exrbatch.demo import write_frames

FRAMES = 200


def first_file(folder: Path) -> float:
    """Return the seconds until the first temp file appears."""
    work = folder / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    for index in range(FRAMES):
        os.symlink(folder / "frames" / "none", work / f"link.{index}.exr")  # the scan finds links, but skips them
    for path in (folder / "frames").glob("*.exr"):
        shutil.copyfile(path, work / path.name)
    start = time.perf_counter()
    run = subprocess.Popen([sys.executable, "-m", "exrbatch", "recompress", "-q", work], stdout=subprocess.DEVNULL)
    while not any(name.startswith(".exrbatch-") for name in os.listdir(work)):
        time.sleep(0.001)
    seconds = time.perf_counter() - start
    run.terminate()
    run.wait()
    return seconds


def command(*words: str) -> float:
    """Return the seconds that a Python command takes."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.PIPE)
    return time.perf_counter() - start


def main() -> None:
    """Parse arguments, measure, and print the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--passes", type=int, default=9)
    arguments = parser.parse_args()
    shutil.rmtree(arguments.folder / "frames", ignore_errors=True)
    write_frames(str(arguments.folder / "frames"), 2)
    trials: dict[str, Callable[[], float]] = {
        "first file": lambda: first_file(arguments.folder),
        "--help": lambda: command("-m", "exrbatch", "--help"),
        "an interpreter": lambda: command("-c", "pass"),
    }
    seconds: dict[str, list[float]] = {name: [] for name in trials}
    for number, name in interleaved(list(trials), arguments.passes, warm_up=list(trials)):
        taken = trials[name]()
        if number:
            seconds[name].append(taken)
    for name, values in seconds.items():
        figure = Statistic.of(values)
        print(f"{name:<16}{figure.median:.3f} s, spread {figure.spread:.0%}, least {figure.low:.3f}")


if __name__ == "__main__":
    main()
