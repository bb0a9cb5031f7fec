"""Measure the overhead per file: CPU time of the parent process, and files per second.

    python -m benchmarks.overhead DIR [--files 5000] [--jobs 2]

Makes tiny files in DIR, recompresses them, then runs again over the finished files. Prints the CPU
time of the parent process alone per file (scan, scheduling, reports; no dashboard), and files per
second of wall time.
"""

import argparse
import time
from collections import Counter
from pathlib import Path

import numpy as np
import OpenEXR

from exrbatch.batch.options import Options
from exrbatch.batch.run import Run
from exrbatch.batch.run_report import BatchReport


def main() -> None:
    """Make the files, run twice, and print the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    first = arguments.folder / "tiny.0.exr"
    header = {"compression": OpenEXR.NO_COMPRESSION, "type": OpenEXR.scanlineimage}
    with OpenEXR.File(header, {"Y": np.zeros((32, 32), np.float16)}) as file:
        file.write(str(first))
    data = first.read_bytes()
    for index in range(arguments.files):
        (arguments.folder / f"tiny.{index}.exr").write_bytes(data)
    for title in ("recompressed", "finished already"):
        run, report = Run([str(arguments.folder)], Options(jobs=arguments.jobs)), BatchReport()
        wall, cpu = time.perf_counter(), time.process_time()
        for finished in run.reports():
            report.add(finished)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        counts = Counter({str(status): count for status, count in report.counts.items()})
        print(
            f"{title}: {report.files} files, {report.files / wall:.0f} files/s,"
            f" parent {1000 * cpu / report.files:.3f} ms CPU per file {dict(counts)}"
        )


if __name__ == "__main__":
    main()
