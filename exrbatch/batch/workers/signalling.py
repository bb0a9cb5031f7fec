"""Send signals to worker processes."""

import contextlib
import os
import signal
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess


def send_signal(process: BaseProcess, name: str) -> None:
    """Send a signal to a worker if it is alive and the system has such a signal.

    `Process.is_alive` would ask the fork server for the exit code, which it reports only once. The
    sentinel can be asked at any time.

    Args:
        process: the process of the worker.
        name: name of the signal, such as "SIGSTOP".
    """
    number = getattr(signal, name, None)
    if number is None or process.pid is None:
        return
    with contextlib.suppress(OSError, ValueError):
        if not wait([process.sentinel], 0):
            os.kill(process.pid, number)
