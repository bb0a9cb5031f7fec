"""Did this change make us slower? This checkout against a commit, in one run of less than a minute.

    python -m benchmarks.compare COMMIT [--passes 3]

Both do the same small jobs in turn, each pass in another order; the command line is run as a user runs it. Figures:
the median of the ratios of their seconds within a pass (above 1: this checkout is slower) and of the sizes.
"""

import argparse
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.corpus import make_corpus

ROOT = Path(__file__).resolve().parents[1]
SCALE, FRAMES = 0.4, 2
JOBS: dict[str, tuple[str, ...]] = {
    "none to zip": ("-c", "zip"),
    "none to zip, fast": ("-c", "zip", "--effort", "fast"),
    "zip to zips": ("-c", "zips", "--force"),
    "zips to piz": ("-c", "piz", "--force"),
    "done already": ("-c", "piz"),
}
"""One after the other on the same files; a name with `none` begins with fresh ones."""


def run_jobs(checkout: Path, corpus: Path, work: Path) -> dict[str, tuple[float, int]]:
    """Do all jobs with one checkout; seconds and bytes of each."""
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
    """Run the passes and print the ratios."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        other = folder / "other"
        subprocess.run(["git", "worktree", "add", "--detach", "-q", str(other), commit], cwd=ROOT, check=True)
        try:
            make_corpus(folder / "corpus", SCALE, FRAMES)
            pairs = []
            for _ in range(passes):
                sides = [ROOT, other]
                random.shuffle(sides)
                found = {side: run_jobs(side, folder / "corpus", folder / "work") for side in sides}
                pairs.append((found[ROOT], found[other]))
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", str(other)], cwd=ROOT, check=True)
    print(f"this checkout against {commit}; above 1 is slower, or larger")
    for name in JOBS:
        times = [ours[name][0] / theirs[name][0] for ours, theirs in pairs]
        size = pairs[0][0][name][1] / pairs[0][1][name][1]
        spread = f"{min(times):.2f} to {max(times):.2f}"
        print(f"{name:<20}time {statistics.median(times):.2f} ({spread})   size {size:.4f}")


def main() -> None:
    """Parse arguments and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commit")
    parser.add_argument("--passes", type=int, default=3)
    arguments = parser.parse_args()
    compare(arguments.commit, arguments.passes)


if __name__ == "__main__":
    main()
