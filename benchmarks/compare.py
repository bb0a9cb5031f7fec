"""Did this change make us slower? This checkout against a commit, in one run of a few minutes.

    python -m benchmarks.compare COMMIT [--passes 3] [--images IMAGES] [--only "zip to none"]

Both checkouts do the same jobs in turn, and each pass has another order. The command line is run as
a user runs it. The files are small procedural frames; with `--images`, the real images of a
checkout of openexr-images instead.

Figures: for each job, the median of the ratios of CPU seconds within a pass (above 1: this checkout
is slower), their spread, and the ratio of sizes.
"""

import argparse
import functools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.corpus import add_real, make_procedural
from benchmarks.usage import measured
from exrbatch.bench.passes import Statistic, interleaved, paired_ratio

ROOT = Path(__file__).resolve().parents[1]
SCALE, FRAMES = 0.25, 1
PAIRS = (
    "none to zip",
    "none to zips",
    "none to piz",
    "none to htj2k32",
    "none to rle",
    "none to zstd",
    "zip to none",
    "zip to piz",
    "piz to zip",
    "zip to zstd",
    "zip to zips",
)
JOBS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(PAIRS, ()),
    **{f"{pair}, native": ("--verify", "native") for pair in ("none to zip", "zip to none", "none to zstd")},
    "none to zip, fast": ("--effort", "fast"),
    "none to zip, unverified": ("--verify", "none"),
}
"""Each job's options, besides the compression."""


def recompress(checkout: Path, target: str, options: tuple[str, ...], folder: Path) -> None:
    """Run the command line of a checkout on a folder."""
    command = [sys.executable, "-m", "exrbatch", "recompress", "-q", "-j", "2", "-c", target, "--force", *options]
    environment = os.environ | {"PYTHONPATH": str(checkout)}
    subprocess.run([*command, str(folder)], cwd=checkout, env=environment, check=True, stdout=subprocess.DEVNULL)


def run_job(checkout: Path, sources: Path, work: Path, name: str) -> tuple[float, int]:
    """Do one job with one checkout on fresh files; return its CPU seconds and the new size."""
    source, target = name.partition(",")[0].split(" to ")
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(sources / source, work)
    usage = measured(functools.partial(recompress, checkout, target, JOBS[name], work))
    return usage.cpu, sum(path.stat().st_size for path in work.rglob("*.exr"))


def make_sources(folder: Path, images: Path | None) -> None:
    """Make the files of all jobs: a folder for each compression that one starts with."""
    uncompressed = folder / "none"
    if images is None:
        make_procedural(uncompressed, SCALE, FRAMES)
        shutil.rmtree(uncompressed / "deep")  # not every pair is legal for deep data
    else:
        add_real(uncompressed, images, repeat=False)
    for source in {pair.split(" to ")[0] for pair in PAIRS} - {"none"}:
        shutil.copytree(uncompressed, folder / source)
        recompress(ROOT, source, (), folder / source)


def compare(commit: str, passes: int, images: Path | None, names: list[str]) -> None:
    """Run the passes and print the ratios."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        other = folder / "other"
        subprocess.run(["git", "worktree", "add", "--detach", "-q", str(other), commit], cwd=ROOT, check=True)
        try:
            make_sources(folder / "sources", images)
            found: dict[tuple[Path, str], list[tuple[float, int]]] = {}
            for _, side in interleaved([ROOT, other], passes, warm_up=[]):
                for name in names:
                    result = run_job(side, folder / "sources", folder / "work", name)
                    found.setdefault((side, name), []).append(result)
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", str(other)], cwd=ROOT, check=True)
    print(f"this checkout against {commit}: CPU seconds and sizes; above 1 is slower, or larger")
    for name in names:
        ours, theirs = found[ROOT, name], found[other, name]
        ratio = paired_ratio([cpu for cpu, _ in ours], [cpu for cpu, _ in theirs])
        spread = max(Statistic.of([cpu for cpu, _ in side]).spread for side in (ours, theirs))
        print(f"{name:<26}time {ratio:.2f} (spread {spread:.0%})   size {ours[0][1] / theirs[0][1]:.4f}")


def main() -> None:
    """Parse arguments and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commit")
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--images", type=Path, help="a checkout of openexr-images")
    parser.add_argument("--only", action="append", choices=JOBS, help="a job; can be repeated (default: all)")
    arguments = parser.parse_args()
    compare(arguments.commit, arguments.passes, arguments.images, arguments.only or list(JOBS))


if __name__ == "__main__":
    main()
