"""Slots: each a ProcessPoolExecutor of one worker with one task in flight.

In a shared pool one dead worker fails every future and nobody knows whose file it was; with slots the file
is known and the others never notice. A task is one file, or a bundle of small ones: a task costs the parent
about 0.4 ms (threads that wake each other in the executor), more than everything else together.
"""

import queue
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import NamedTuple

from exrbatch.batch.discovery.candidate import Candidate
from exrbatch.batch.workers.forkserver import start_context, warm_up
from exrbatch.batch.workers.slot import Slot
from exrbatch.errors import RunStopped
from exrbatch.jobs.file_report import FileReport
from exrbatch.jobs.job import Job

MAX_TICK = 0.25
"""Seconds that pass for a worker between two looks, at most: it must not pay for a machine that slept."""


class Running(NamedTuple):
    """A file in flight. `done`: 0 to 1; `seconds` since its bundle was handed to the worker."""

    slot: int
    candidate: Candidate
    done: float
    seconds: float


class Death(NamedTuple):
    """The end of a worker that had a file.

    Attributes:
        candidate: the file.
        reason: how the worker ended, in words.
        is_lost: whether it died with the server that had started it, which says nothing about the file.
    """

    candidate: Candidate
    reason: str
    is_lost: bool = False


class Outcome(NamedTuple):
    """How a task ended. `returned`: files that the worker did not get to, or had beside the one that it died of."""

    reports: list[FileReport]
    returned: Sequence[Candidate] = ()
    death: Death | None = None


class Pool:
    """Workers that each do one file at a time."""

    def __init__(self, jobs: int, time_limit: Callable[[int], float]) -> None:
        """`time_limit`: seconds that a file may take, by its size in bytes.

        `started`: the monotonic time when the first file was handed out. Raises `RunStopped` if workers can't start.
        """
        self.started: float | None = None
        warm_up()
        context = start_context()
        self._time_limit = time_limit
        self._last_look = time.monotonic()
        self._finished: queue.SimpleQueue[tuple[Slot, Future[list[FileReport]]]] = queue.SimpleQueue()
        self._slots: list[Slot] = []
        self._idle: list[Slot] = []
        try:
            for index in range(jobs):
                self._slots.append(Slot(context, index))
        except (OSError, RuntimeError) as error:
            self.kill()
            raise RunStopped(f"no worker can be started: {type(error).__name__}: {error}") from error
        except BaseException:
            self.kill()
            raise
        self._idle = list(reversed(self._slots))

    @property
    def jobs(self) -> int:
        """How many workers there are."""
        return len(self._slots)

    @property
    def idle(self) -> int:
        """How many workers are free."""
        return len(self._idle)

    @property
    def is_busy(self) -> bool:
        """Whether a worker has a file."""
        return len(self._idle) < len(self._slots)

    def running(self) -> Iterator[Running]:
        """List the files in flight, by slot."""
        now = time.monotonic()
        for slot in self._slots:
            if slot.bundle:
                yield Running(slot.index, slot.bundle[slot.current()], slot.position.done, now - slot.started)

    def submit(self, bundle: Sequence[Candidate], jobs: Sequence[Job]) -> None:
        """Give files to a free worker, which does them one after the other."""
        slot = self._idle.pop()
        self.started = self.started or time.monotonic()
        future = slot.submit(bundle, jobs)
        future.add_done_callback(lambda done: self._finished.put((slot, done)))

    def request_stop(self) -> None:
        """Let workers begin no other file of their bundles."""
        for slot in self._slots:
            slot.position.stop = 1.0

    def next_finished(self, timeout: float) -> Outcome | None:
        """Wait for a task to end, at most `timeout` seconds. A worker that died is replaced."""
        try:
            slot, future = self._finished.get(timeout=timeout)
        except queue.Empty:
            return None
        finally:
            self._kill_overdue()
        try:
            reports = future.result()
            outcome = Outcome(reports, slot.bundle[len(reports) :])
            if slot.is_worn:
                slot.renew()
        except RunStopped:
            raise
        except Exception:  # noqa: BLE001  the executor's own, or one that should never have left the worker
            outcome = self._bury(slot)
        slot.bundle = ()
        self._idle.append(slot)
        return outcome

    def _kill_overdue(self) -> None:
        """Kill workers that have had one file for too long; their tasks then end as those of any dead worker do."""
        now = time.monotonic()
        tick, self._last_look = min(now - self._last_look, MAX_TICK), now
        for slot in self._slots:
            if slot.bundle:
                slot.tick(tick, self._time_limit)

    def _bury(self, slot: Slot) -> Outcome:
        """Blame the file that the dead worker had, give the others of its bundle back, start a new worker.

        If its new file is in place already, it is done, and there is nothing to blame it for.
        """
        found = slot.post_mortem()
        current = slot.current()  # not before it is surely dead
        reports = found.reports
        returned = [*slot.bundle[len(reports) : current], *slot.bundle[current + 1 :]]
        slot.renew()
        if found.result is None:
            return Outcome(reports, returned, Death(slot.bundle[current], found.reason, found.is_lost))
        return Outcome([*reports, replace(found.result, notes=(f"done, although {found.reason}",))], returned)

    def close(self) -> None:
        """Let the workers finish the files in flight, and end them."""
        self.request_stop()
        while self.is_busy:
            self.next_finished(MAX_TICK)
        while self._slots:
            self._slots.pop().close()

    def kill(self) -> None:
        """End the workers now. Originals are safe at any instant; temp files are removed."""
        while self._slots:
            self._slots.pop().kill()
        self._idle.clear()
