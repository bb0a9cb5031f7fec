"""How worker processes are started. Light to import: the command line calls `warm_up` before anything heavy."""

import multiprocessing
import os
from multiprocessing.context import BaseContext

_PRELOADED = "exrbatch.batch.worker"


def start_context() -> BaseContext:
    """Return the way to start workers: forked from a server that has loaded everything, else spawned.

    Never forked from this process, which has threads. A worker comes from the server in about 20 ms.
    """
    # One of numpy's libraries would start threads of its own in every worker, for nothing.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([_PRELOADED])
    return context


def warm_up() -> None:
    """Start the server now, so that it loads its modules while this process loads its own."""
    if start_context().get_start_method() == "forkserver":
        from multiprocessing.forkserver import ensure_running

        ensure_running()
