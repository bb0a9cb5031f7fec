"""Simulate the number of files of a show and the number of workers of a farm.

    python -m benchmarks.scale FOLDER [--files 1000000]
    python -m benchmarks.scale --cluster [--workers 10,100] [--files 1000000] [--end-after 6000]
    python -m benchmarks.scale --waiting 10000000

With a folder: first, 64 and 128 simulated workers take as long as the files of a real show would
take (lognormal sizes, a few giants). Their clock is simulated, too. Prints the share of the
workers' time that is used, and how long the run continues after the last file was handed out.

Then, many paths go through discovery, plans and scheduler, with workers that answer immediately.
The paths are hard links to one file; FOLDER should be on a tmpfs. Prints CPU time and memory of the
parent process per file, and the time until work began.

With --cluster: runs on a simulated Dask cluster (`benchmarks.simulated_cluster`). Backlog,
scheduler, `ClusterWorkers` and journal are the real ones, and the CPU time that they take here
counts as time of the client. Prints a row for each number of workers: which fraction of the time
client, Dask scheduler, file server (operations, bandwidth) and workers were busy. What is near
100 % is what breaks first. --set changes a value of the model: --set deaths=1 server_rate=2e9.
`benchmarks.task_costs` measures what tasks and events cost, and `benchmarks.operations` the
operations for each file. For the memory of files in flight, let the scan end first: --scan 1e9.

With --waiting: memory of the files that wait for a worker.
"""

import argparse
import heapq
import os
import random
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.scale_cluster import SIZES, measure, measure_waiting
from exrbatch.batch.backlog import Backlog
from exrbatch.batch.control import Control
from exrbatch.batch.discovery.candidate import Candidate
from exrbatch.batch.discovery.discover import discover
from exrbatch.batch.options import Options
from exrbatch.batch.scheduler import Scheduler
from exrbatch.batch.workers.interface import Outcome
from exrbatch.batch.workers.pool import BUNDLE_BYTES, BUNDLE_FILES
from exrbatch.jobs.file_report import FileReport, Status
from exrbatch.jobs.job import Job

PER_FOLDER = 10_000
TASK_SECONDS, FILE_SECONDS, BYTES_PER_SECOND = 0.0004, 0.002, 60e6
"""Seconds per task besides its files, seconds per file besides its bytes, and bytes per second of a
worker, as measured on our machine."""


class SimulatedWorkers:
    """Simulated workers, with a clock that jumps to the end of the next task.

    Attributes:
        jobs: number of workers.
        now: the simulated time in seconds.
        last_submitted: simulated time of the last call of `submit`.
        worked: seconds that all workers together were busy.
        started: real time of the first call of `submit`; None before that.
        memory: unknown.
        share_cores: true, as on one machine.
    """

    memory, share_cores = 0, True

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs
        self.now = self.last_submitted = self.worked = 0.0
        self.started: float | None = None
        self._flying: list[tuple[float, int, Sequence[Candidate]]] = []
        self._count = 0

    @property
    def idle(self) -> int:
        """The number of free workers."""
        return self.jobs - len(self._flying)

    @property
    def is_busy(self) -> bool:
        """Whether any worker is busy."""
        return bool(self._flying)

    def is_enough(self, files: int, size: int) -> bool:
        """Return whether some files are enough for a bundle, as in a pool."""
        return files >= BUNDLE_FILES or size >= BUNDLE_BYTES

    def submit(self, bundle: Sequence[Candidate], jobs: Sequence[Job]) -> None:
        """Start a task. Its duration depends on the number and sizes of its files."""
        assert len(jobs) == len(bundle)
        if self.started is None:
            self.started = time.perf_counter()
        seconds = TASK_SECONDS + sum(FILE_SECONDS + each.size / BYTES_PER_SECOND for each in bundle)
        self._count += 1
        heapq.heappush(self._flying, (self.now + seconds, self._count, bundle))
        self.worked += seconds
        self.last_submitted = self.now

    def request_stop(self) -> None:
        """Do nothing: this benchmark never stops a run."""

    def withdraw_stop(self) -> None:
        """Do nothing: this benchmark never pauses a run."""

    def freeze(self, wanted: bool) -> None:
        """Do nothing: this benchmark never freezes a run."""

    def resize(self, jobs: int) -> str | None:
        """Change the number of workers."""
        self.jobs = jobs
        return None

    def next_finished(self, timeout: float) -> Outcome | None:
        """Finish the task that ends next."""
        if not self._flying:
            time.sleep(timeout)
            return None
        self.now, _, bundle = heapq.heappop(self._flying)
        return Outcome([FileReport(path=each.path, status=Status.RECOMPRESSED) for each in bundle])


def measure_parent(folder: Path, files: int) -> None:
    """Send many paths through everything except real workers, and print the costs."""
    folder.mkdir(parents=True)
    first = folder / "first.exr"
    first.write_bytes(bytes(100))
    for index in range(files):
        sub = folder / f"shot_{index // PER_FOLDER:04d}" / "render" / "v001"
        if index % PER_FOLDER == 0:
            sub.mkdir(parents=True)
        os.link(first, sub / f"beauty.{1001 + index % PER_FOLDER}.exr")
    waiting = Backlog(discover([str(folder)]))
    before = _resident()
    waiting.start()
    waiting._thread.join()
    held = _resident() - before
    waiting.stop()
    wall, cpu = time.perf_counter(), time.process_time()
    backlog, workers, control = Backlog(discover([str(folder)])), SimulatedWorkers(2), Control()
    backlog.start()
    count = sum(report is not None for report in Scheduler(backlog, workers, Options(), control).run())
    cpu = time.process_time() - cpu
    assert workers.started is not None
    print(
        f"{count} files: {1000 * cpu / count:.3f} ms CPU per file; {held / count:.0f} bytes for each that waits;"
        f" work began after {workers.started - wall:.3f} s"
    )


def show(files: int, seed: int) -> Iterator[Candidate]:
    """Yield files with sizes as in a real show: half below 30 MB, and a few of gigabytes.

    Folders follow one after the other.
    """
    chance = random.Random(seed)
    for index in range(files):
        size = int(chance.lognormvariate(17.2, 1.0)) if index % 2000 else int(chance.uniform(1e9, 3e9))
        yield Candidate(f"/show/shot_{index // 200:04d}/beauty.{1001 + index % 200}.exr", size)


def measure_farm(jobs: int, files: int) -> None:
    """Schedule a show on many simulated workers, and print how well they are used."""
    backlog, workers = Backlog(show(files, seed=jobs)), SimulatedWorkers(jobs)
    backlog.start()
    for _ in Scheduler(backlog, workers, Options(), Control()).run():
        pass
    used, tail = workers.worked / (workers.now * jobs), workers.now - workers.last_submitted
    print(
        f"{jobs} workers, {files} files: {100 * used:.1f} % of their time used,"
        f" tail {100 * tail / workers.now:.1f} % of the run"
    )


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


def main() -> None:
    """Parse arguments, and run the benchmarks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--files", type=int, default=1_000_000)
    parser.add_argument("--waiting", type=int, help="measure the memory of this many files that wait")
    parser.add_argument("--cluster", action="store_true", help="simulate a cluster")
    parser.add_argument("--workers", type=_numbers, default=[10, 30, 100, 300, 1000], help="numbers of workers")
    parser.add_argument("--sizes", choices=SIZES, default="show", help="kind of files")
    parser.add_argument("--scan", type=float, default=50_000.0, help="files per second that the scan finds")
    parser.add_argument("--end-after", type=int, default=1 << 60, help="end when this many files have ended")
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="change values of the model")
    arguments = parser.parse_args()
    if arguments.waiting is not None:
        measure_waiting(arguments.waiting)
    if arguments.cluster:
        measure(arguments, arguments.set)
    if arguments.folder is None:
        return
    for jobs in (64, 128):
        measure_farm(jobs, 20_000)
    try:
        measure_parent(arguments.folder / "many", arguments.files)
    finally:
        shutil.rmtree(arguments.folder / "many", ignore_errors=True)


if __name__ == "__main__":
    main()
