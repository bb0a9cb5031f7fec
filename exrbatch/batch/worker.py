"""What runs inside a worker process: its set-up, and the call that does one file."""

import ctypes
import multiprocessing
import os
import signal
import threading
from multiprocessing.connection import wait

from exrbatch.file import job
from exrbatch.file.plan import FilePlan
from exrbatch.file.report import FileReport, failed

_progress: "ctypes.c_double | None" = None


def initialize(progress: "ctypes.c_double") -> None:
    """Set up a worker. `progress`: a cell in shared memory, the part of the running file that is done, 0 to 1."""
    global _progress
    _progress = progress
    # Ctrl-C goes to the whole process group, but only the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _prefer_for_oom_killer()
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_die_with, args=(parent.sentinel,), daemon=True).start()


def work(plan: FilePlan) -> FileReport:
    """Do one file. No exception leaves: one that can't be unpickled would break the whole executor."""
    try:
        return job.run(plan, _report_progress)
    except BaseException as error:  # noqa: BLE001
        return failed(plan, f"internal error: {type(error).__name__}: {error}")
    finally:
        _report_progress(0.0)


def _report_progress(done: float) -> None:
    if _progress is not None:
        _progress.value = done


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
