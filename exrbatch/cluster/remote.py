"""The code that runs in a worker of a cluster.

A worker has one process and one thread, and processes one bundle at a time in it. What it has to
say goes to the topic of the run as events: they arrive even if the worker is killed a moment later.
"""

import contextlib
import functools
import os
import pickle
import socket
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from distributed import Status as WorkerStatus
from distributed import Worker, get_worker

from exrbatch.batch.resources import available_memory
from exrbatch.batch.workers import worker_setup
from exrbatch.batch.workers.throttle import Throttle
from exrbatch.cluster.tokens import Token, unseen
from exrbatch.cluster.travel import Orders, Task
from exrbatch.errors import ReasonCode
from exrbatch.jobs import job as jobs
from exrbatch.jobs import journaling
from exrbatch.jobs.completeness import is_complete
from exrbatch.jobs.file_report import FileReport, Status, failed
from exrbatch.jobs.job import Job
from exrbatch.jobs.recompress_job import RecompressJob
from exrbatch.journal.records import Record, append
from exrbatch.journal.writer import openexr_version
from exrbatch.replacing import host_hash, sweep_folder
from exrbatch.version import __version__

NAP = 0.05
"""Seconds between two looks at the orders while a worker is frozen."""
FROZEN_SECONDS = 60.0
"""A frozen worker goes on if no orders have come for this long, because the run must have died."""
CHECK_SECONDS = 1.0
"""Seconds between two looks at the folders; they are looked at after each failure, too."""
KEPT_SECONDS = 24 * 3600.0
"""Seconds after which orders are forgotten."""
_orders: dict[str, Orders] = {}
"""The latest orders of each run, by its topic."""
_received: dict[str, float] = {}
"""Monotonic time when orders of each run came last."""


class Cancelled(BaseException):
    """The run wants no more of a file. No report is made of it."""


class FolderLost(Exception):
    """A folder of the run can't be seen any more."""


def probe(tokens: Sequence[tuple[Any, ...]], journal: tuple[str, int, int] | None) -> dict[str, object]:
    """Describe this worker. Arguments and result are plain, so that any release understands them.

    Args:
        tokens: the values of the `Token` of each folder of the run.
        journal: path, device and inode of the journal of the run; None if it has none.
    """
    _set_up()
    has_journal = False
    if journal is not None:
        with contextlib.suppress(OSError):
            found = os.stat(journal[0])
            has_journal = (found.st_dev, found.st_ino) == journal[1:]
    return {
        "exrbatch": __version__,
        "openexr": openexr_version(),
        "host": socket.gethostname(),
        "machine": host_hash(),
        "memory": available_memory(),
        "threads": get_worker().state.nthreads,
        "has_journal": has_journal,
        "unseen": unseen(Token(*each) for each in tokens),
    }


def take_orders(topic: str, orders: tuple[Any, ...]) -> None:
    """Obey new orders of a run, unless later ones have come already. Forget runs of long ago."""
    new = Orders(*orders)
    for old in [each for each, received in _received.items() if time.monotonic() - received > KEPT_SECONDS]:
        del _orders[old], _received[old]
    if new.number >= _orders.get(topic, Orders()).number:
        _orders[topic], _received[topic] = new, time.monotonic()


def run_task(task: Task) -> None:
    """Process the files of a task one after another, and send a report of each.

    Raises:
        FolderLost: a folder of the run can't be seen; the file in progress has no report then.
    """
    take_orders(task.topic, task.orders)
    sender = _Sender(task)
    sender.send(begun=True)
    try:
        _sweep(task.sweep)
        with contextlib.suppress(Cancelled):
            _work_through(task, sender)
    finally:
        sender.send(ended=True)


def _work_through(task: Task, sender: "_Sender") -> None:
    throttle = Throttle(lambda: sender.orders.rate, lambda: sender.orders.stop, sleep=sender.wait)
    token = journaling.record_keeper.set(sender.keep_record)
    next_check, memory = 0.0, available_memory()
    try:
        for index, job in zip(task.indexes, task.jobs, strict=True):
            if sender.orders.cancelled or (sender.reports and (sender.orders.stop or not sender.is_heard)):
                return
            if time.monotonic() >= next_check:
                _check_folders(task.tokens)
                next_check = time.monotonic() + CHECK_SECONDS
            sender.begin(index, throttle)
            throttle.begin(job.source)
            report = _work(_fitted(job, memory), sender)
            if report.status in (Status.FAILED, Status.SKIPPED):
                _check_folders(task.tokens)
            throttle.end(report)
            sender.end(report)
            if report.disk_is_full:
                return
    finally:
        journaling.record_keeper.reset(token)


def _work(job: Job, sender: "_Sender") -> FileReport:
    try:
        return jobs.run(job, sender.proceed)
    except Cancelled:
        raise
    except BaseException as error:  # noqa: BLE001  it must not end the worker's thread
        return failed(job, f"internal error: {type(error).__name__}: {error}", ReasonCode.INTERNAL)


def _fitted(job: Job, memory: int) -> Job:
    """Return a job that uses no more bytes of memory than this machine had left."""
    if not isinstance(job, RecompressJob) or job.share.memory <= memory:
        return job
    return replace(job, share=replace(job.share, memory=memory))


def _check_folders(tokens: Sequence[Token]) -> None:
    if lost := unseen(tokens):
        raise FolderLost(", ".join(lost))


class _Sender:
    """Sends what happens in a task to the run.

    Attributes:
        reports: number of files that have ended.
    """

    def __init__(self, task: Task) -> None:
        self.reports = 0
        self._task = task
        self._worker: Worker = get_worker()
        self._key = self._worker.get_current_task()
        self._index = 0
        self._throttle: Throttle | None = None
        self._waited = 0.0
        self._next = 0.0

    @property
    def orders(self) -> Orders:
        """The latest orders."""
        return _orders.get(self._task.topic, Orders(stop=True, cancelled=True))

    @property
    def is_heard(self) -> bool:
        """Whether the run still waits for this task, as far as this worker knows.

        If the process of a run ends, the scheduler drops its tasks.
        """
        task = self._worker.state.tasks.get(self._key)
        return self._worker.status is WorkerStatus.running and task is not None and task.state == "executing"

    def begin(self, index: int, throttle: Throttle) -> None:
        """Begin a file. The run knows by the last report, unless that is long ago."""
        self._index, self._throttle = index, throttle
        if time.monotonic() >= self._next:
            self._tell(0.0)

    def proceed(self, done: float) -> None:
        """Say how far the file is, now and then, and obey the orders.

        Raises:
            Cancelled: the file is to be given up.
        """
        if time.monotonic() >= self._next:
            self._tell(done)
        while self._is_frozen:
            time.sleep(NAP)
        if self.orders.cancelled:
            raise Cancelled
        if self._throttle is not None:
            self._throttle.proceed(done)

    @property
    def _is_frozen(self) -> bool:
        age = time.monotonic() - _received.get(self._task.topic, 0.0)
        return self.orders.frozen and not self.orders.cancelled and age < FROZEN_SECONDS

    def wait(self, seconds: float) -> None:
        """Wait because of the limit of bytes per second."""
        time.sleep(seconds)
        self._waited += seconds

    def end(self, report: FileReport) -> None:
        """Send the report of a file."""
        self.reports += 1
        self.send(index=self._index, report=pickle.dumps(report))

    def keep_record(self, journal: str, record: Record) -> None:
        """Keep a record for the journal: write it if that is on this machine, and send it.

        Raises:
            Cancelled: nobody would hear of it, because the run or the scheduler is gone.
        """
        if self._task.has_journal:
            append(journal, record)
        elif not self.is_heard:
            raise Cancelled
        self.send(index=self._index, replacing=pickle.dumps(dict(record)), is_kept=self._task.has_journal)

    def send(self, **message: object) -> None:
        """Send an event."""
        self._worker.log_event(self._task.topic, {"bundle": self._task.number, **message})

    def _tell(self, done: float) -> None:
        self._next = time.monotonic() + self._task.every
        self.send(index=self._index, done=done, waited=self._waited)


@functools.cache
def _set_up() -> None:
    """Prepare this process, once."""
    worker_setup.write_no_core_files()
    worker_setup.keep_freed_memory()


def _sweep(folders: Sequence[tuple[str, str | None]]) -> None:
    """Remove what workers of this machine that have died left in some folders.

    Args:
        folders: each folder; for a folder of backups with that of their frames.
    """
    for folder, frames in folders:
        with contextlib.suppress(OSError):
            sweep_folder(folder, os.listdir(folder), is_complete, frames=frames)
