"""Compare the speed of this checkout with that of a commit, in less than a minute.

    python -m benchmarks.compare COMMIT [--passes 3]

Both run the same small jobs in turn, in a different order in each pass, through the command line.
Prints the median over the passes of the ratio of their seconds (above 1: this checkout is slower),
and the ratio of the sizes.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.corpus import make_corpus
from exrbatch.bench.passes import Statistic, interleaved, paired_ratio

ROOT = Path(__file__).resolve().parents[1]
SCALE, FRAMES = 0.4, 2
JOBS: dict[str, tuple[str, ...]] = {
    "none to zip": ("-c", "zip"),
    "none to zip, fast": ("-c", "zip", "--effort", "fast"),
    "zip to zips": ("-c", "zips", "--force"),
    "zips to piz": ("-c", "piz", "--force"),
    "done already": ("-c", "piz"),
}
"""Options by name of the job. The jobs run one after the other on the same files.

A job whose name begins with `none` starts from fresh copies.
"""


Results = dict[str, tuple[float, int]]
"""Seconds, and size of all files in bytes, by name of the job."""


def run_jobs(checkout: Path, corpus: Path, work: Path) -> Results:
    """Run all jobs with one checkout.

    Args:
        checkout: the root of the checkout.
        corpus: the uncompressed files.
        work: folder for copies of them.
    """
    results = {}
    for name, options in JOBS.items():
        if name.startswith("none"):
            shutil.rmtree(work, ignore_errors=True)
            shutil.copytree(corpus, work)
        command = [sys.executable, "-m", "exrbatch", "recompress", "-q", "-j", "2", *options, str(work)]
        start = time.perf_counter()
        subprocess.run(
            command, cwd=checkout, env=os.environ | {"PYTHONPATH": str(checkout)}, check=True, stdout=subprocess.DEVNULL
        )
        seconds = time.perf_counter() - start
        results[name] = seconds, sum(path.stat().st_size for path in work.rglob("*.exr"))
    return results


def compare(commit: str, passes: int) -> None:
    """Run the passes, and print the ratios."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        other = folder / "other"
        subprocess.run(["git", "worktree", "add", "--detach", "-q", str(other), commit], cwd=ROOT, check=True)
        try:
            make_corpus(folder / "corpus", SCALE, FRAMES)
            found: dict[Path, dict[int, Results]] = {ROOT: {}, other: {}}
            for number, side in interleaved([ROOT, other], passes, warm_up=[]):
                found[side][number] = run_jobs(side, folder / "corpus", folder / "work")
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", str(other)], cwd=ROOT, check=True)
    print(f"this checkout against {commit}; above 1 is slower, or larger")
    numbers = sorted(found[ROOT])
    for name in JOBS:
        ours, theirs = ([found[side][number][name] for number in numbers] for side in (ROOT, other))
        time_ratio = paired_ratio([seconds for seconds, _ in ours], [seconds for seconds, _ in theirs])
        spread = max(Statistic.of([seconds for seconds, _ in side]).spread for side in (ours, theirs))
        print(f"{name:<20}time {time_ratio:.2f} (spread {spread:.0%})   size {ours[0][1] / theirs[0][1]:.4f}")


def main() -> None:
    """Parse arguments, and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commit")
    parser.add_argument("--passes", type=int, default=3)
    arguments = parser.parse_args()
    compare(arguments.commit, arguments.passes)


if __name__ == "__main__":
    main()
