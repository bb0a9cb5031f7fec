"""Measure the resident memory of one worker on a huge frame, above that of its imports.

    python -m benchmarks.memory DIR

Writes a 16384 x 8192 RGBA float scan line file (2.1 GB of pixels, uncompressed) to DIR.
Recompresses it to ZIP and back to NONE in one worker of a real pool. Prints the worker's peak
memory (VmHWM), its idle memory, and the difference.
"""

import argparse
from pathlib import Path

import numpy as np
import OpenEXR

from exrbatch.batch.discovery.candidate import Candidate
from exrbatch.batch.options import Options
from exrbatch.batch.workers.pool import Pool
from exrbatch.codecs.effort import Effort
from exrbatch.exr.compression import Compression
from exrbatch.jobs.file_report import FileReport
from exrbatch.jobs.job import Job
from tests.support.jobs import recompress_job

WIDTH, HEIGHT = 16384, 8192


def write_frame(path: Path) -> None:
    """Write the frame: smooth colours with a little noise.

    The noise repeats, so that the benchmark does not spend all its time in deflate.
    """
    random = np.random.default_rng(1)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    noise = np.tile(random.random((256, 256), np.float32), (HEIGHT // 256, WIDTH // 256))
    channels = {"R": x / WIDTH, "G": y / HEIGHT, "B": noise.round(2), "A": np.ones_like(x)}
    header = {"compression": OpenEXR.NO_COMPRESSION, "type": OpenEXR.scanlineimage}
    with OpenEXR.File(header, channels) as file:
        file.write(str(path))


def status(pid: int, key: str) -> int:
    """Return one memory figure of a process in bytes (Linux)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{key}:"))


def main() -> None:
    """Write the frame, recompress it in both directions, and print the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "huge.exr"
    write_frame(path)
    for target in (Compression.ZIP, Compression.NONE):
        size = path.stat().st_size
        pool = Pool(1, Options().time_limit)
        worker = pool._slots[0].process.pid
        assert worker is not None
        warm = recompress_job(str(folder / "missing.exr"))  # imports everything, but processes nothing
        report = do_one(pool, Candidate(warm.source, 0), warm)
        idle = status(worker, "VmRSS")
        task = recompress_job(str(path), compression=target, effort=Effort.FAST, force=True)
        report = do_one(pool, Candidate(str(path), size), task)
        peak = status(worker, "VmHWM")
        pool.close()
        print(
            f"{size / 1e9:.2f} GB to {target.name}: {report.status}, {report.seconds:.1f} s;"
            f" worker idle {idle / 1e6:.0f} MB, peak {peak / 1e6:.0f} MB, above imports {(peak - idle) / 1e6:.0f} MB"
        )
    path.unlink()


def do_one(pool: Pool, candidate: Candidate, task: Job) -> FileReport:
    """Process one file in a pool that has no other work, and return its report."""
    pool.submit([candidate], [task])
    while (outcome := pool.next_finished(1)) is None:
        pass
    return outcome.reports[0]


if __name__ == "__main__":
    main()
