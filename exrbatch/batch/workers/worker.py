"""What runs inside a worker process: its set-up, and the call that does one file."""

import contextlib
import ctypes
import faulthandler
import multiprocessing
import os
import pickle
import threading
from collections.abc import Sequence
from dataclasses import replace
from multiprocessing.connection import wait

from exrbatch.batch.workers import worker_setup
from exrbatch.batch.workers.forkserver import IGNORED_BY_WORKERS
from exrbatch.codecs.capture import capture_all
from exrbatch.jobs import job as jobs
from exrbatch.jobs.file_report import FileReport, failed
from exrbatch.jobs.job import Job
from exrbatch.replacing import disk
from exrbatch.signals import ignore


class Position(ctypes.Structure):
    """Where a worker is, in memory that it shares with the parent.

    `index`: of the file of the bundle that it works on; `done`: the part of that file that is done, 0 to 1.
    `stop`, set by the parent: begin no other file of the bundle. `grown`: bytes of memory that the worker
    holds more than when it began.
    """

    _fields_ = tuple((name, ctypes.c_double) for name in ("index", "done", "stop", "grown"))


_position = Position()
_log_fd = -1
_ended_size = 0
_is_log_whole = True
_memory_at_start = 0


def initialize(position: Position, log_path: str) -> None:
    """Set up a worker that tells its position there, and keeps its log in that file.

    The log holds the reports of the files of a bundle that have ended, pickled, then what was printed since: the
    worker's last words if it dies. The file loses its name at once: the parent has it open, and nothing is left behind
    whoever dies.
    """
    global _position, _log_fd, _memory_at_start
    _position = position
    _log_fd = os.open(log_path, os.O_RDWR | os.O_APPEND)
    os.unlink(log_path)
    capture_all(_log_fd)
    faulthandler.enable(_log_fd, all_threads=False)
    worker_setup.write_no_core_files()
    worker_setup.keep_freed_memory()
    disk.keep_folders_open()
    # They go to the whole process group, but only the parent decides what they mean.
    ignore(IGNORED_BY_WORKERS)
    worker_setup.be_first_for_oom_killer()
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_die_with, args=(parent.sentinel,), daemon=True).start()
        if parent.pid != os.getppid():
            worker_setup.die_with_server()
    _memory_at_start = worker_setup.resident_memory()


def work(tasks: Sequence[Job]) -> list[FileReport]:
    """Do the files of a bundle one after the other; return the reports of those that were done.

    The others are left when the parent asks for it, or when the disk is full. As a later file may kill this process,
    each report is also written to the log at once.
    """
    global _ended_size, _is_log_whole
    reports: list[FileReport] = []
    _ended_size, _is_log_whole = 0, True
    for index, task in enumerate(tasks):
        if reports and (_position.stop or reports[-1].disk_is_full):
            break
        _forget_words()  # those to come are about this file
        _position.index, _position.done = index, 0.0
        reports.append(_work(task))
        if len(tasks) > 1:
            _forget_words()
            _log_report(reports[-1])
    _position.grown = worker_setup.resident_memory() - _memory_at_start
    return reports


def _forget_words() -> None:
    with contextlib.suppress(OSError):  # a log that can't be written must not cost a file
        if os.fstat(_log_fd).st_size != _ended_size:
            os.ftruncate(_log_fd, _ended_size)


def _log_report(report: FileReport) -> None:
    """Write a report to the log. After one that could not be written none is: the parent counts them by their order."""
    global _ended_size, _is_log_whole
    record = pickle.dumps(report)
    with contextlib.suppress(OSError):
        _is_log_whole = _is_log_whole and os.write(_log_fd, record) == len(record)
        _ended_size += len(record) if _is_log_whole else 0
        return
    _is_log_whole = False


def _work(task: Job) -> FileReport:
    """Do one file. No exception leaves: one that can't be unpickled would break the whole executor."""
    try:
        if not task.measures_memory:
            return jobs.run(task, _set_done)
        worker_setup.reset_peak_memory()
        report = jobs.run(task, _set_done)
        if report.measurement is None:
            return report
        return replace(report, measurement=replace(report.measurement, peak_memory=worker_setup.peak_memory()))
    except BaseException as error:  # noqa: BLE001
        return failed(task, f"internal error: {type(error).__name__}: {error}")


def _set_done(done: float) -> None:
    _position.done = done


def _die_with(sentinel: int) -> None:
    """End this process when the parent has ended, however that happened: a worker left over would go on writing."""
    wait([sentinel])
    os._exit(1)
