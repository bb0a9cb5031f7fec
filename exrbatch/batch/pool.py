"""Slots: each a ProcessPoolExecutor of one worker with one task in flight. The only door to executors.

In a shared pool one dead worker fails every future and nobody knows whose file it was; with slots the file
is known and the others never notice. A task is one file, or a bundle of small ones: a task costs the parent
about 0.4 ms (threads that wake each other in the executor), more than everything else together.
"""

import multiprocessing
import os
import queue
import signal
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from multiprocessing.context import BaseContext
from typing import NamedTuple

from exrbatch.batch import worker
from exrbatch.batch.discover import Candidate
from exrbatch.batch.start import start_context, warm_up
from exrbatch.file import replace
from exrbatch.file.plan import FilePlan
from exrbatch.file.report import FileReport, failed


class Running(NamedTuple):
    """A file in flight. `done`: 0 to 1; `seconds` since its bundle was handed to the worker."""

    slot: int
    candidate: Candidate
    done: float
    seconds: float


class Outcome(NamedTuple):
    """How a task ended. `returned`: files that the worker did not get to, or had beside the one that it died of."""

    reports: list[FileReport]
    returned: Sequence[Candidate] = ()


class _Slot:
    """One worker process and the bundle of files that it has (empty: the worker is free)."""

    def __init__(self, context: BaseContext, index: int) -> None:
        self.index = index
        self.bundle: Sequence[Candidate] = ()
        self.started = 0.0
        self.position = context.RawValue(worker.Position, 0.0, 0.0, 0.0)
        self._context = context
        self.open()

    def open(self) -> None:
        """Start a worker; also instead of one that died."""
        others = multiprocessing.active_children()
        self.executor = ProcessPoolExecutor(
            1, mp_context=self._context, initializer=worker.initialize, initargs=(self.position,)
        )
        self.executor.submit(os.getpid)  # the process starts with the first task, not with the executor
        (self.process,) = (child for child in multiprocessing.active_children() if child not in others)

    def current(self) -> int:
        """Tell which file of the bundle is being worked on."""
        return min(int(self.position.index), len(self.bundle) - 1)

    def sweep(self) -> None:
        """Remove what the worker, which is dead, left of the file that it had."""
        pid = self.process.pid
        candidate = self.bundle[self.current()]
        if pid is not None:
            replace.remove_temps(os.path.dirname(candidate.destination or candidate.path) or ".", pid)


class Pool:
    """Workers that each do one file at a time."""

    def __init__(self, jobs: int) -> None:
        warm_up()
        context = start_context()
        self._finished: queue.SimpleQueue[tuple[_Slot, Future[list[FileReport]]]] = queue.SimpleQueue()
        self._slots = [_Slot(context, index) for index in range(jobs)]
        self._idle = list(reversed(self._slots))

    @property
    def jobs(self) -> int:
        """How many workers there are."""
        return len(self._slots)

    @property
    def has_idle(self) -> bool:
        """Whether a worker is free."""
        return bool(self._idle)

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

    def submit(self, bundle: Sequence[Candidate], plans: Sequence[FilePlan]) -> None:
        """Give files to a free worker, which does them one after the other."""
        slot = self._idle.pop()
        slot.position.index, slot.position.done = 0.0, 0.0
        slot.bundle, slot.started = bundle, time.monotonic()
        future = slot.executor.submit(worker.work, plans)
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
        self._idle.append(slot)
        try:
            reports = future.result()
            return Outcome(reports, slot.bundle[len(reports) :])
        except BrokenExecutor:
            return self._bury(slot)
        finally:
            slot.bundle = ()

    def _bury(self, slot: _Slot) -> Outcome:
        """Blame the file that the dead worker had, give the others of its bundle back, start a new worker."""
        reason = f"the worker died: {_exit_reason(slot.process)}"
        slot.executor.shutdown(wait=False)
        slot.sweep()
        current = slot.current()
        candidate = slot.bundle[current]
        plan = FilePlan(source=candidate.path, destination=candidate.destination)
        returned = [*slot.bundle[:current], *slot.bundle[current + 1 :]]
        slot.open()
        return Outcome([failed(plan, reason, candidate.size)], returned)

    def close(self) -> None:
        """End the workers; they have no files any more."""
        for slot in self._slots:
            slot.executor.shutdown(wait=True)

    def kill(self) -> None:
        """End the workers now. Originals are safe at any instant; temp files are removed."""
        for slot in self._slots:
            slot.process.kill()
            slot.process.join()
            if slot.bundle:
                slot.sweep()
            slot.executor.shutdown(wait=False, cancel_futures=True)


def _exit_reason(process: multiprocessing.process.BaseProcess) -> str:
    process.join(5)
    code = process.exitcode
    if code is None or code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
