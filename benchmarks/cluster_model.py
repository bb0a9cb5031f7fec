"""What a simulated cluster consists of: figures, files, a clock, and what serves in turn."""

import time
from array import array
from dataclasses import dataclass

from exrbatch.batch.discovery.candidate import Candidate

PER_SHOT = 200
"""Number of frames of a shot."""


@dataclass(frozen=True, kw_only=True)
class Model:
    """What is simulated. Times are in seconds.

    Attributes:
        workers: number of workers.
        per_machine: number of workers on each machine.
        task_client: CPU time of Dask in the client for each task.
        task_scheduler: CPU time of the Dask scheduler for each task.
        event_client: CPU time of Dask in the client for each event.
        event_scheduler: CPU time of the Dask scheduler for each event.
        file_seconds: time of a worker for each file besides its bytes.
        rate: bytes per second of a worker.
        stragglers: fraction of the workers that are slow.
        slowness: how many times as long they take.
        deaths: deaths of each worker in an hour.
        comeback: time until a dead worker is back.
        operations: operations of the file server for each file.
        latency: time that a worker waits for each of them if the server has nothing else to do.
        traffic: bytes from and to the file server for each byte of a file.
        server_operations: operations per second of the file server.
        server_rate: bytes per second of the file server.
        seed: makes other random numbers.
    """

    workers: int = 1000
    per_machine: int = 16
    task_client: float = 0.002
    task_scheduler: float = 0.0025
    event_client: float = 0.00003
    event_scheduler: float = 0.00015
    file_seconds: float = 0.005
    rate: float = 60e6
    stragglers: float = 0.05
    slowness: float = 5.0
    deaths: float = 0.1
    comeback: float = 20.0
    operations: float = 35.0
    latency: float = 0.0003
    traffic: float = 1.6
    server_operations: float = 100_000.0
    server_rate: float = 10e9
    seed: int = 1


class Files:
    """The files of a show: their sizes, in the order in which they are found."""

    def __init__(self, sizes: "array[int]") -> None:
        self.sizes = sizes

    def candidate(self, index: int) -> Candidate:
        """Return a file as the scan finds it."""
        path = f"/show/shot_{index // PER_SHOT:05d}/beauty.{1001 + index % PER_SHOT}.exr"
        return Candidate(path, self.sizes[index], inode=1000 + index, mtime_ns=10**18 + index, ctime_ns=10**18 + index)

    @staticmethod
    def index(path: str) -> int:
        """Return the number of the file at a path."""
        shot, _, frame = path.removeprefix("/show/shot_").partition("/beauty.")
        return int(shot) * PER_SHOT + int(frame[:-4]) - 1001


class Clock:
    """The simulated clock, which takes the place of the module `time` in the modules it drives.

    Attributes:
        now: the time in seconds.
        own: CPU seconds of our code, which the clock has advanced by.
        dask: CPU seconds that Dask in the client would have used.
    """

    def __init__(self) -> None:
        self.now = 1000.0
        self.own = self.dask = 0.0
        self._since = time.thread_time()

    def monotonic(self) -> float:
        """Return the time."""
        return self.now

    def leave(self) -> None:
        """Note that our code has called the link: what it has used counts."""
        used = time.thread_time() - self._since
        self.own += used
        self.now += used

    def enter(self) -> None:
        """Note that the link returns to our code."""
        self._since = time.thread_time()

    def charge(self, seconds: float) -> None:
        """Let Dask use CPU time in the client."""
        self.dask += seconds
        self.now += seconds


class Station:
    """Something that serves one request after another.

    Attributes:
        free: time when it has served all requests so far.
        busy: seconds that it was busy, or will be until then.
    """

    def __init__(self) -> None:
        self.free = self.busy = 0.0

    def serve(self, now: float, seconds: float) -> float:
        """Take a request, and return the time when it is served."""
        self.free = max(now, self.free) + seconds
        self.busy += seconds
        return self.free

    def was_busy(self, now: float) -> float:
        """Return the seconds that it was busy until now."""
        return self.busy - max(0.0, self.free - now)
