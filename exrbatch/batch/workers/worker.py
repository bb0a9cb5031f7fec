"""The code that runs in a worker process: its set-up, and the function that processes files."""

import contextlib
import ctypes
import faulthandler
import multiprocessing
import os
import pickle
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from multiprocessing.connection import wait

from exrbatch.batch.priority import lower_priority
from exrbatch.batch.workers import worker_setup
from exrbatch.batch.workers.forkserver import IGNORED_BY_WORKERS, STOPPED_WORKERS_ONLY
from exrbatch.batch.workers.throttle import Throttle
from exrbatch.codecs.capture import capture_all
from exrbatch.errors import ReasonCode
from exrbatch.jobs import job as jobs
from exrbatch.jobs.file_report import FileReport, failed
from exrbatch.jobs.job import Job
from exrbatch.replacing import disk
from exrbatch.signals import ignore


class Position(ctypes.Structure):
    """The state of a worker, in memory that it shares with the parent process.

    Attributes:
        index: index in the bundle of the file that the worker is processing.
        done: fraction of that file that is done, 0 to 1.
        stop: set by the parent to request that the worker start no other file of the bundle.
        grown: bytes by which the memory of the worker has grown since it started.
        is_ready: set by the worker when it is set up.
        rate: set by the parent: bytes per second that the worker may read and write; 0 for no
            limit.
        waited: seconds that the worker has waited because of that limit, since it got its bundle.
    """

    _fields_ = tuple(
        (name, ctypes.c_double) for name in ("index", "done", "stop", "grown", "is_ready", "rate", "waited")
    )


_position = Position()
_throttle = Throttle(lambda: 0.0, lambda: False)
_log_fd = -1
_ended_size = 0
_is_log_whole = True
_memory_at_start = 0


def initialize(position: Position, log_path: str, nice: int = 0) -> None:
    """Set up a worker process.

    The log contains a pickled report for each file of the bundle that has ended, then everything
    that was printed since. If the worker dies, that output helps to explain why.

    The name of the log is removed at once. The parent has the file open, so nothing is left on disk
    even if both processes are killed.

    Args:
        position: where the worker reports its state.
        log_path: path of the log, an empty file.
        nice: nice value of the worker, 0 to 19.
    """
    global _position, _throttle, _log_fd, _memory_at_start
    lower_priority(nice)
    _position = position
    _throttle = Throttle(lambda: position.rate, lambda: bool(position.stop), sleep=_wait)
    _log_fd = os.open(log_path, os.O_RDWR | os.O_APPEND)
    os.unlink(log_path)
    capture_all(_log_fd)
    faulthandler.enable(_log_fd, all_threads=False)
    worker_setup.write_no_core_files()
    worker_setup.keep_freed_memory()
    disk.keep_folders_open()
    # These signals go to the whole process group, but only the parent process acts on them.
    ignore(IGNORED_BY_WORKERS)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPED_WORKERS_ONLY)
    worker_setup.be_first_for_oom_killer()
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_die_with, args=(parent.sentinel,), daemon=True).start()
        if parent.pid != os.getppid():
            worker_setup.die_with_server()
    _memory_at_start = worker_setup.resident_memory()
    position.is_ready = 1.0


def work(tasks: Sequence[Job]) -> list[FileReport]:
    """Process the files of a bundle one after another.

    The worker stops early if the parent requests it, or if the disk is full. Each report is also
    written to the log at once, because a later file may kill this process.

    Returns:
        the reports of the files that were processed, in the order of `tasks`.
    """
    global _ended_size, _is_log_whole
    reports: list[FileReport] = []
    _ended_size, _is_log_whole = 0, True
    for index, task in enumerate(tasks):
        if reports and (_position.stop or reports[-1].disk_is_full):
            break
        _forget_words()  # output from now on is about this file
        _position.index, _position.done = index, 0.0
        _throttle.begin(task.source)
        reports.append(_work(task))
        _throttle.end(reports[-1])
        if len(tasks) > 1:
            _forget_words()
            _log_report(reports[-1])
    _position.grown = worker_setup.resident_memory() - _memory_at_start
    return reports


def _forget_words() -> None:
    """Remove the printed output from the log, but keep the reports."""
    with contextlib.suppress(OSError):  # a file must not fail because its log can't be written
        if os.fstat(_log_fd).st_size != _ended_size:
            os.ftruncate(_log_fd, _ended_size)


def _log_report(report: FileReport) -> None:
    """Append a report to the log.

    If a report can't be written, none is written after it, because the parent identifies reports by
    their order.
    """
    global _ended_size, _is_log_whole
    record = pickle.dumps(report)
    with contextlib.suppress(OSError):
        _is_log_whole = _is_log_whole and os.write(_log_fd, record) == len(record)
        _ended_size += len(record) if _is_log_whole else 0
        return
    _is_log_whole = False


def _work(task: Job) -> FileReport:
    """Process one file. All exceptions become reports.

    An exception that can't be unpickled would break the whole executor.
    """
    try:
        if not task.measures_memory:
            return jobs.run(task, _set_done)
        worker_setup.reset_peak_memory()
        report = jobs.run(task, _set_done)
        if report.measurement is None:
            return report
        return replace(report, measurement=replace(report.measurement, peak_memory=worker_setup.peak_memory()))
    except BaseException as error:  # noqa: BLE001
        return failed(task, f"internal error: {type(error).__name__}: {error}", ReasonCode.INTERNAL)


def _set_done(done: float) -> None:
    _position.done = done
    _throttle.proceed(done)


def _wait(seconds: float) -> None:
    """Wait because of the limit of bytes per second."""
    time.sleep(seconds)
    _position.waited += seconds


def _die_with(sentinel: int) -> None:
    """End this process when the parent process has ended for any reason.

    A worker without a parent would otherwise continue to write.
    """
    wait([sentinel])
    os._exit(1)
