"""How worker processes are started. Light to import: the command line calls `warm_up` before anything heavy."""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from multiprocessing.context import BaseContext

STOP_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
"""The first of these asks a run to stop, the second stops it at once; workers never see them."""
STATUS_SIGNALS = [getattr(signal, name) for name in ("SIGUSR1", "SIGINFO") if hasattr(signal, name)]
"""These ask a run to print how far it is."""
IGNORED_BY_WORKERS = [*STOP_SIGNALS, *STATUS_SIGNALS]
"""Signals for a run that reach its whole process group; only the parent decides what they mean."""
MAX_DESCRIPTORS = 65536
"""To what the soft limit of open files is raised at most: some programs close all that there might be."""
_PRELOADED = ["exrbatch.batch.workers.worker", "exrbatch.jobs.recompress_steps"]


def start_context() -> BaseContext:
    """Return the way to start workers: forked from a server that has loaded everything, else spawned.

    Never forked from this process, which has threads. A worker comes from the server in about 20 ms.
    """
    # One of numpy's libraries would start threads of its own in every worker, for nothing.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    return context


def raise_descriptor_limit() -> None:
    """Raise the soft limit of open files as far as the hard one lets us: a run of many workers needs many."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = MAX_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MAX_DESCRIPTORS)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def warm_up() -> None:
    """Start the server now, so that it loads its modules while this process loads its own."""
    raise_descriptor_limit()
    if start_context().get_start_method() == "forkserver":
        from multiprocessing.forkserver import ensure_running

        # Where that fails, the first worker will say why.
        with _signals_ignored(), contextlib.suppress(OSError, RuntimeError):
            ensure_running()


@contextlib.contextmanager
def _signals_ignored() -> Iterator[None]:
    """Ignore what ends a run, so that what is started meanwhile inherits that.

    `timeout`, batch systems and terminals send these to the whole process group; what they mean for a run is for the
    parent alone to decide. A server that died of one would make every worker look dead.
    """
    if threading.current_thread() is not threading.main_thread():  # only the main thread may do that
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in IGNORED_BY_WORKERS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
