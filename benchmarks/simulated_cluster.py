"""A Dask cluster that is simulated, for our real code: `exrbatch.cluster.workers.ClusterWorkers`.

`SimulatedLink` takes the place of `exrbatch.cluster.link.Link`. Behind it, the client, the Dask
scheduler, the workers and a file server each do one thing after another, on a simulated clock:

- The client uses the CPU time that our code really takes here, and what Dask takes in its process
  for each task and each message.
- The Dask scheduler has one thread. Each task and each event takes some of its time.
- A worker processes one file after another. Some workers are slow, and some die and come back.
- The file server serves requests in turn, with so many operations and bytes a second.
"""

import heapq
import math
import pickle
import random
from collections import deque
from collections.abc import Callable, Sequence
from queue import Empty

from benchmarks.cluster_model import Clock, Files, Model, Station
from exrbatch.batch.discovery.candidate import Candidate
from exrbatch.cluster.link import Answered, Ended, Joined, Left, Message, Said
from exrbatch.cluster.tokens import Token
from exrbatch.cluster.travel import Orders, Task
from exrbatch.jobs.file_report import FileReport, Status
from exrbatch.journal.facts import FileFacts
from exrbatch.journal.writer import openexr_version
from exrbatch.version import __version__

OPENEXR = openexr_version()
"""The release that all workers have."""


class SimulatedWorker:
    """A worker, and the files that it has.

    Attributes:
        address: its address.
        machine: name of its machine.
        slowness: how many times as long as others it takes.
        is_alive: whether it lives.
        task: number of its task.
        files: place in the bundle and number of each file that is left, the last one first.
        every: seconds between two events about progress.
        told: simulated time of the last of them.
    """

    def __init__(self, address: str, machine: str, slowness: float) -> None:
        self.address, self.machine, self.slowness = address, machine, slowness
        self.is_alive = True
        self.task = 0
        self.files: list[tuple[int, int]] = []
        self.every = 1.0
        self.told = -math.inf


class SimulatedLink:
    """What a run needs from a Dask scheduler. It has the methods of `exrbatch.cluster.link.Link`.

    Attributes:
        topic: topic of the events of the run.
        name: name of the scheduler.
        is_up: true.
        scheduler: the Dask scheduler.
        operations: the file server, as far as operations are concerned.
        bandwidth: the file server, as far as bytes are concerned.
        worked: seconds that all workers together have spent on files, waiting for the server too.
        counts: numbers of tasks, files, events and deaths.
        task_bytes: bytes of all tasks, pickled, as far as they were measured, and of their files.
    """

    topic, name, is_up = "exrbatch-simulation", "simulation", True

    def __init__(self, model: Model, files: Files, clock: Clock, advanced: Callable[[float], None]) -> None:
        """Start workers.

        Args:
            model: what is simulated.
            files: the files.
            clock: the clock.
            advanced: called with the time when that has advanced.
        """
        self._model, self._files, self._clock, self._advanced = model, files, clock, advanced
        self._chance = random.Random(model.seed)
        self.scheduler, self.operations, self.bandwidth = Station(), Station(), Station()
        self.worked = 0.0
        self.counts = dict.fromkeys(("tasks", "files", "events", "deaths"), 0)
        self.task_bytes = [0, 0]
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = 0
        self._inbox: deque[tuple[float, Message]] = deque()
        self._workers: dict[str, SimulatedWorker] = {}
        self._started = 0
        for number in range(model.workers):
            self._start_worker(number // model.per_machine)

    @property
    def messages(self) -> "SimulatedLink":
        """The queue of messages, of which only `get` is used."""
        return self

    def get(self, timeout: float) -> Message:
        """Return the next message that arrives; wait for it at most `timeout` seconds."""
        self._clock.leave()
        end = self._clock.now + timeout
        try:
            while True:
                self._catch_up()
                if self._inbox and self._inbox[0][0] <= self._clock.now:
                    _, message = self._inbox.popleft()
                    if isinstance(message, Said):
                        self._clock.charge(self._model.event_client)
                    return message
                if self._clock.now >= end:
                    raise Empty
                following = [each[0][0] for each in (self._inbox, self._events) if each]
                self._clock.now = min(end, *following)
        finally:
            self._advanced(self._clock.now)
            self._clock.enter()

    def _catch_up(self) -> None:
        """Let everything happen until now."""
        while self._events and self._events[0][0] <= self._clock.now:
            self._at, _, happen = heapq.heappop(self._events)
            happen()

    def _later(self, at: float, happen: Callable[[], None]) -> None:
        self._order += 1
        heapq.heappush(self._events, (at, self._order, happen))

    def _tell(self, message: Message, cost: float) -> None:
        """Let the scheduler pass a message on to the client."""
        self._inbox.append((self.scheduler.serve(self._at, cost), message))

    def _say(self, worker: SimulatedWorker, **event: object) -> None:
        self.counts["events"] += 1
        self._tell(Said({"bundle": worker.task, **event}), self._model.event_scheduler)

    def listen(self) -> list[str]:
        """Return the addresses of the workers."""
        return list(self._workers)

    def probe(self, address: str, tokens: Sequence[Token], journal: tuple[str, int, int] | None) -> None:
        """Let a worker describe itself."""
        del tokens, journal  # all workers see everything
        self._clock.leave()
        answer = {
            "exrbatch": __version__,
            "openexr": OPENEXR,
            "host": self._workers[address].machine,
            "machine": self._workers[address].machine,
            "memory": 64 << 30,
            "threads": 1,
            "has_journal": False,
            "unseen": [],
        }
        self._clock.charge(self._model.task_client)
        asked = self.scheduler.serve(self._clock.now, self._model.task_scheduler)
        self._later(asked + 0.1, lambda: self._tell(Answered(address, answer), 0.0))
        self._clock.enter()

    def send(self, task: Task, address: str) -> None:
        """Give a task to a worker."""
        self._clock.leave()
        self._catch_up()
        self.counts["tasks"] += 1
        if self.counts["tasks"] % 50 == 1:
            self.task_bytes[0] += len(pickle.dumps(task))
            self.task_bytes[1] += len(task.jobs)
        self._clock.charge(self._model.task_client)
        worker = self._workers.get(address)
        arrives = self.scheduler.serve(self._clock.now, self._model.task_scheduler)
        if worker is not None:  # it may have died just now
            worker.task, worker.every, worker.told = task.number, task.every, -math.inf
            numbers = [self._files.index(job.source) for job in task.jobs]
            worker.files = [*zip(task.indexes, numbers, strict=True)][::-1]
            self._later(arrives, lambda: self._begin_task(worker))
        self._clock.enter()

    def _begin_task(self, worker: SimulatedWorker) -> None:
        if worker.is_alive:
            self._say(worker, begun=True)
            self._begin(worker)

    def _begin(self, worker: SimulatedWorker) -> None:
        """Let a worker begin its next file, or end its task."""
        if not worker.is_alive:
            return
        if not worker.files:
            self._say(worker, ended=True)
            self._tell(Ended(worker.task, None), 0.0)
            return
        model, now, (index, number) = self._model, self._at, worker.files[-1]
        size = self._files.sizes[number]
        if now - worker.told >= worker.every:
            self._tell_progress(worker, index, 0.0)
        own = worker.slowness * (model.file_seconds + size / model.rate) + model.operations * model.latency
        served = self.operations.serve(now, model.operations / model.server_operations)
        moved = self.bandwidth.serve(now, model.traffic * size / model.server_rate)
        end = max(now + own, served, moved)
        for each in range(1, math.ceil((end - now) / worker.every)):
            self._later(now + each * worker.every, lambda: self._proceed(worker, index))
        self._later(end, lambda: self._end(worker, now))

    def _proceed(self, worker: SimulatedWorker, index: int) -> None:
        if worker.is_alive:
            self._tell_progress(worker, index, 0.5)

    def _tell_progress(self, worker: SimulatedWorker, index: int, done: float) -> None:
        worker.told = self._at
        self._say(worker, index=index, done=done, waited=0.0)

    def _end(self, worker: SimulatedWorker, began: float) -> None:
        if not worker.is_alive:
            return
        index, number = worker.files.pop()
        candidate = self._files.candidate(number)
        before, after = (_facts(candidate, part) for part in (1.0, 0.6))
        record: dict[str, object] = {
            "type": "replacing",
            "path": candidate.path,
            "compressions_before": ["none"],
            "at": "2026-11-26",
        }
        record |= {"compressions_after": ["zip"], "lossy_channels": [], "at": "2026-11-26"}
        record |= {"before": before.to_json(), "after": after.to_json()}
        self._say(worker, index=index, replacing=pickle.dumps(record), is_kept=False)
        report = FileReport(
            path=candidate.path,
            status=Status.RECOMPRESSED,
            size_before=before.size,
            size_after=after.size,
            compressions_before=("none",),
            compressions_after=("zip",),
            seconds=self._at - began,
            cpu_seconds=self._at - began,
            before=before,
            after=after,
            steps=dict.fromkeys(("read", "compress", "verify", "sync", "replace"), 0.01),
        )
        self._say(worker, index=index, report=pickle.dumps(report))
        self.counts["files"] += 1
        self.worked += self._at - began
        self._begin(worker)

    def _start_worker(self, machine: int) -> None:
        self._started += 1
        slowness = self._model.slowness if self._chance.random() < self._model.stragglers else 1.0
        worker = SimulatedWorker(f"tcp://10.0.{machine}.1:{self._started}", f"ab{machine:03d}", slowness)
        self._workers[worker.address] = worker
        if self._model.deaths:
            life = self._chance.expovariate(self._model.deaths / 3600)
            self._later(self._clock.now + life, lambda: self._die(worker, machine))

    def _die(self, worker: SimulatedWorker, machine: int) -> None:
        if not worker.is_alive:
            return
        worker.is_alive = False
        del self._workers[worker.address]
        self.counts["deaths"] += 1
        self._tell(Left(worker.address), self._model.event_scheduler)
        self._later(self._at + self._model.comeback, lambda: self._come_back(machine))

    def _come_back(self, machine: int) -> None:
        self._start_worker(machine)
        self._tell(Joined(next(reversed(self._workers))), self._model.event_scheduler)

    def drop(self, number: int) -> None:
        """Forget a task. What that costs is in the cost of the task."""

    def give(self, orders: Orders, addresses: Sequence[str]) -> None:
        """Do nothing: this simulation never stops a run or changes its rate."""

    def restart(self, address: str) -> None:
        """Restart a worker."""
        worker = self._workers.get(address)
        if worker is not None:
            self._at = self._clock.now
            self._die(worker, int(worker.machine[2:]))

    def close(self) -> None:
        """Do nothing."""


def _facts(candidate: Candidate, part: float) -> FileFacts:
    """Return facts of a file, or of the new one, which has a part of its size."""
    return FileFacts(
        size=int(part * candidate.size),
        mtime_ns=candidate.mtime_ns,
        ctime_ns=candidate.ctime_ns,
        inode=candidate.inode,
        xxh3_128="0123456789abcdef" * 2,
    )
