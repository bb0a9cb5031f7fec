"""How worker processes are started. Light to import: the command line calls `warm_up` before anything heavy."""

import contextlib
import multiprocessing
import os
import signal
import threading
from multiprocessing.context import BaseContext

from exrbatch.signals import STATUS_SIGNALS, STOP_SIGNALS, handled

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


def _signals_ignored() -> contextlib.AbstractContextManager[None]:
    """Ignore the signals that stop a run, so that a process started meanwhile inherits that.

    `timeout`, batch systems and terminals send them to the whole process group, and only the parent decides what they
    mean. If the server died of one, every worker would look dead.
    """
    if threading.current_thread() is not threading.main_thread():  # only the main thread may change handlers
        return contextlib.nullcontext()
    return handled(IGNORED_BY_WORKERS, signal.SIG_IGN)
