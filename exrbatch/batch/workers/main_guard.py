"""Notice a script that starts a run without `if __name__ == "__main__":`.

A worker process imports the main module of the program before it does anything else. Without the
guard, that import would start a run, too, with workers of its own. Python refuses this with an
error in every worker; here, the run ends with one sentence instead.
"""

import multiprocessing
import os

WORKER_NAME = "exrbatch-worker"
"""Name of our worker processes. A process has it before it imports the main module."""
EXIT_CODE = 78
"""Exit code of a worker whose main module has no guard."""
NO_GUARD = (
    'the script must start the run below `if __name__ == "__main__":`,'
    " because each worker process imports the script before it begins"
)


def check_guard() -> None:
    """Check that this process does not import its main module at present.

    A worker of ours ends at once, without output: its parent process reports the error.

    Raises:
        RuntimeError: this process belongs to another pool, whose program has no guard.
    """
    process = multiprocessing.current_process()
    if not getattr(process, "_inheriting", False):  # Python's own check uses it, too; there is no public way
        return
    if process.name == WORKER_NAME:
        os._exit(EXIT_CODE)
    raise RuntimeError(NO_GUARD)
