"""Measure how much faster a single large file is done if several threads of its worker compress it.

    python -m benchmarks.threads FILE... [--threads 2] [--passes 7] [--target zip]

Recompresses a copy of each file in one worker of a real pool, with and without verification by
OpenEXR, with one thread and with several, in interleaved passes. Prints median seconds, spread, and
the median ratio of speeds within a pass.
"""

import argparse
import itertools
import os
import shutil
from collections import defaultdict
from pathlib import Path

from benchmarks.memory import do_one
from exrbatch.batch.discovery.candidate import Candidate
from exrbatch.batch.options import Options
from exrbatch.batch.workers.pool import Pool
from exrbatch.bench.passes import Statistic, interleaved, paired_ratio
from exrbatch.exr.compression import Compression
from exrbatch.jobs.job import Place, Share
from exrbatch.jobs.recompress_job import RecompressRules
from exrbatch.recompression.choices import Verify


def seconds(pool: Pool, path: Path, rules: RecompressRules, threads: int) -> float:
    """Return the seconds that a worker takes for a fresh copy of a file."""
    copy = path.with_name(f"copy.{path.name}")
    shutil.copyfile(path, copy)
    os.sync()
    candidate = Candidate(str(copy), copy.stat().st_size)
    report = do_one(pool, candidate, rules.job(Place(source=candidate.path), Share(threads=threads)))
    copy.unlink()
    assert report.size_after, report
    return report.seconds


def main() -> None:
    """Parse arguments, measure, and print the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--passes", type=int, default=7)
    parser.add_argument("--target", default="zip")
    arguments = parser.parse_args()
    pool = Pool(1, Options().time_limit)
    for path, verify in itertools.product(arguments.files, (Verify.LIBRARY, Verify.NONE)):
        rules = RecompressRules(compression=Compression[arguments.target.upper()], verify=verify, force=True)
        counts = [1, arguments.threads]
        taken: dict[int, list[float]] = defaultdict(list)
        for number, threads in interleaved(counts, arguments.passes, warm_up=counts):
            one = seconds(pool, path, rules, threads)
            if number:
                taken[threads].append(one)
        for threads in counts:
            figure, speed = Statistic.of(taken[threads]), paired_ratio(taken[1], taken[threads])
            print(
                f"{path.name}, verify {verify}, {threads} threads: {figure.median:.2f} s"
                f" (spread {figure.spread:.0%}), {speed:.2f} x",
                flush=True,
            )
    pool.close()


if __name__ == "__main__":
    main()
