"""What runs inside a worker process: its set-up, and the call that does one file."""

import ctypes
import multiprocessing
import os
import signal
import threading
from collections.abc import Sequence
from multiprocessing.connection import wait

from exrbatch.batch.start import STOP_SIGNALS
from exrbatch.file import job
from exrbatch.file.plan import FilePlan
from exrbatch.file.report import FileReport, failed


class Position(ctypes.Structure):
    """Where a worker is, in memory that it shares with the parent.

    `index`: of the file of the bundle that it works on; `done`: the part of that file that is done, 0 to 1.
    `stop`, set by the parent: begin no other file of the bundle.
    """

    _fields_ = (("index", ctypes.c_double), ("done", ctypes.c_double), ("stop", ctypes.c_double))


_position = Position()


def initialize(position: Position) -> None:
    """Set up a worker that tells its position there."""
    global _position
    _position = position
    # They go to the whole process group, but only the parent decides what they mean.
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    _prefer_for_oom_killer()
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_die_with, args=(parent.sentinel,), daemon=True).start()


def work(plans: Sequence[FilePlan]) -> list[FileReport]:
    """Do the files of a bundle one after the other, until asked to stop; return the reports of those that were done."""
    reports: list[FileReport] = []
    for index, plan in enumerate(plans):
        if reports and _position.stop:
            break
        _position.index, _position.done = index, 0.0
        reports.append(_work(plan))
    return reports


def _work(plan: FilePlan) -> FileReport:
    """Do one file. No exception leaves: one that can't be unpickled would break the whole executor."""
    try:
        return job.run(plan, _set_done)
    except BaseException as error:  # noqa: BLE001
        return failed(plan, f"internal error: {type(error).__name__}: {error}")


def _set_done(done: float) -> None:
    _position.done = done


def _die_with(sentinel: int) -> None:
    """End this process when the parent has ended, however that happened: a worker left over would go on writing."""
    wait([sentinel])
    os._exit(1)


def _prefer_for_oom_killer() -> None:
    """Let the kernel take a worker, not the parent, when memory runs out (Linux only)."""
    try:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")
    except OSError:
        pass
