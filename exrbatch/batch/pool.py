"""Slots: each a ProcessPoolExecutor of one worker with one file in flight. The only door to executors.

In a shared pool one dead worker fails every future and nobody knows whose file it was; with slots the file
is known and the others never notice. Never forked from the parent: it has threads.
"""

import ctypes
import multiprocessing
import os
import queue
import signal
import time
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from multiprocessing.context import BaseContext
from typing import NamedTuple

from exrbatch.batch import worker
from exrbatch.batch.discover import Candidate
from exrbatch.file import replace
from exrbatch.file.plan import FilePlan
from exrbatch.file.report import FileReport, failed


class Running(NamedTuple):
    """A file in flight. `done`: 0 to 1; `seconds` since it was handed to the worker."""

    slot: int
    candidate: Candidate
    done: float
    seconds: float


class _Slot:
    """One worker process and the file that it has."""

    def __init__(self, context: BaseContext, index: int) -> None:
        self.index = index
        self.candidate: Candidate | None = None
        self.started = 0.0
        self.progress = context.RawValue(ctypes.c_double, 0.0)
        self._context = context
        self.open()

    def open(self) -> None:
        """Start a worker; also instead of one that died."""
        others = multiprocessing.active_children()
        self.executor = ProcessPoolExecutor(
            1, mp_context=self._context, initializer=worker.initialize, initargs=(self.progress,)
        )
        self.executor.submit(os.getpid)  # the process starts with the first task, not with the executor
        (self.process,) = (child for child in multiprocessing.active_children() if child not in others)

    def sweep(self, candidate: Candidate) -> None:
        """Remove what the dead worker left of this file."""
        pid = self.process.pid
        if pid is not None:
            replace.remove_temps(os.path.dirname(candidate.destination or candidate.path) or ".", pid)


class Pool:
    """Workers that each do one file at a time."""

    def __init__(self, jobs: int) -> None:
        # One of numpy's libraries would start threads of its own in every worker, for nothing.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        context = _context()
        self._finished: queue.SimpleQueue[tuple[_Slot, Future[FileReport]]] = queue.SimpleQueue()
        self._slots = [_Slot(context, index) for index in range(jobs)]
        self._idle = list(reversed(self._slots))

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
            if (candidate := slot.candidate) is not None:
                yield Running(slot.index, candidate, slot.progress.value, now - slot.started)

    def submit(self, candidate: Candidate, plan: FilePlan) -> None:
        """Give a file to a free worker."""
        slot = self._idle.pop()
        slot.candidate, slot.started = candidate, time.monotonic()
        future = slot.executor.submit(worker.work, plan)
        future.add_done_callback(lambda done: self._finished.put((slot, done)))

    def next_finished(self, timeout: float) -> FileReport | None:
        """Wait for a file to end, at most `timeout` seconds. A worker that died is replaced."""
        try:
            slot, future = self._finished.get(timeout=timeout)
        except queue.Empty:
            return None
        candidate, slot.candidate = slot.candidate, None
        assert candidate is not None, "a slot finishes only what it was given"
        self._idle.append(slot)
        try:
            return future.result()
        except BrokenExecutor:
            reason = f"the worker died: {_exit_reason(slot.process)}"
            slot.executor.shutdown(wait=False)
            slot.sweep(candidate)
            slot.open()
            return failed(FilePlan(source=candidate.path, destination=candidate.destination), reason, candidate.size)

    def close(self) -> None:
        """End the workers; they have no files any more."""
        for slot in self._slots:
            slot.executor.shutdown(wait=True)

    def kill(self) -> None:
        """End the workers now. Originals are safe at any instant; temp files are removed."""
        for slot in self._slots:
            slot.process.kill()
            slot.process.join()
            if slot.candidate is not None:
                slot.sweep(slot.candidate)
            slot.executor.shutdown(wait=False, cancel_futures=True)


def _context() -> BaseContext:
    if "forkserver" in multiprocessing.get_all_start_methods():
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["exrbatch.batch.worker"])
        return context
    return multiprocessing.get_context("spawn")


def _exit_reason(process: multiprocessing.process.BaseProcess) -> str:
    process.join(5)
    code = process.exitcode
    if code is None or code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
