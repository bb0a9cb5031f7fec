"""How worker processes are started.

This module is light to import, because the command line calls `warm_up` before it imports anything
heavy.
"""

import contextlib
import copy
import functools
import multiprocessing
import os
import signal
from collections.abc import Iterator
from multiprocessing.context import BaseContext

from exrbatch.batch.workers.main_guard import WORKER_NAME
from exrbatch.signals import STATUS_SIGNALS, STOP_SIGNALS

IGNORED_BY_WORKERS = [*STOP_SIGNALS, *STATUS_SIGNALS]
"""Signals for a run that reach its whole process group. Only the parent process acts on them."""
STOPPED_WORKERS_ONLY = [signal.SIGTSTP] if hasattr(signal, "SIGTSTP") else []
"""Ctrl-Z stops workers, but not their server.

The parent process may be waiting for the server to start a worker. If the server were stopped, the
parent could never leave the terminal in order and stop, too. And stopped workers die with the
server, which must notice the end of the parent.
"""
MAX_DESCRIPTORS = 65536
"""Maximum to which the soft limit on open files is raised.

A higher limit would slow down programs that close every descriptor that could be open.
"""
_PRELOADED = [
    "exrbatch.batch.workers.fork_server_hook",
    "exrbatch.batch.workers.worker",
    "exrbatch.jobs.recompress_steps",
]


def start_context() -> BaseContext:
    """Return the multiprocessing context that starts workers.

    Workers are forked from a server process that has loaded all modules, which takes about 20 ms
    per worker. If the system has no fork server, they are spawned. They are never forked from this
    process, because it has threads.
    """
    # Otherwise OpenBLAS, which numpy uses, starts useless threads in every worker.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return _with_named_workers(multiprocessing.get_context("spawn"))
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    return _with_named_workers(context)


def _with_named_workers(context: BaseContext) -> BaseContext:
    """Return a copy of a context whose processes have the name by which `main_guard` knows them."""
    context = copy.copy(context)  # the original belongs to the whole program
    vars(context)["Process"] = functools.partial(context.Process, name=WORKER_NAME)  # type: ignore[attr-defined]
    return context


def raise_descriptor_limit() -> None:
    """Raise the soft limit on open files as far as the hard limit allows.

    A run with many workers needs many open files.
    """
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
        from multiprocessing import forkserver, resource_tracker

        # If this fails, starting the first worker reports the cause.
        with contextlib.suppress(OSError, RuntimeError):
            with _signals_blocked():
                resource_tracker.ensure_running()  # unblocks some signals, so the server gets a block of its own
            with _signals_blocked():
                forkserver.ensure_running()


@contextlib.contextmanager
def _signals_blocked() -> Iterator[None]:
    """Block the signals that stop a run, so that a process started in the block inherits that.

    `timeout`, batch systems and terminals send these signals to the whole process group, but only
    the parent process acts on them. If a signal ended the server, every worker would appear to be
    dead. This process receives a blocked signal after the block; an ignored one would be lost.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [*IGNORED_BY_WORKERS, *STOPPED_WORKERS_ONLY])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
