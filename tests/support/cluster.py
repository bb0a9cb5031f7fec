"""A Dask scheduler and workers on loopback, as real processes, with faults at will."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import psutil

PATIENCE = 120.0
"""Seconds to wait for something that must happen."""
WITH_FAULTS = {"DASK_DISTRIBUTED__WORKER__PRELOAD": str(Path(__file__).with_name("cluster_faults.py"))}


def wait_until(is_true: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not is_true():
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(0.02)


class LocalCluster:
    """A scheduler and, as a test wants, workers. All processes end with `stop`."""

    def __init__(self, folder: Path, tls: Sequence[str] = ()) -> None:
        self._tls = tls
        self.file = folder / "scheduler.json"
        self._log_path = folder / "cluster.log"
        self._log = open(self._log_path, "ab")  # noqa: SIM115
        self.processes: list[subprocess.Popen[bytes]] = []
        options = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(self.file), *tls]
        self.scheduler = self._start("-m", "distributed.cli.dask_scheduler", *options)
        wait_until(self.file.exists, "the scheduler file")

    def _start(
        self, *arguments: str, before: tuple[str, ...] = (), environment: Mapping[str, str] | None = None
    ) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            [*before, sys.executable, *arguments],
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
            env={**os.environ, **(environment or {})},
        )
        self.processes.append(process)
        return process

    def add_workers(
        self, count: int = 2, *, before: tuple[str, ...] = (), environment: Mapping[str, str] | None = None
    ) -> "subprocess.Popen[bytes]":
        """Start workers with the command that users have.

        Args:
            count: number of workers.
            before: a command that starts the command.
            environment: environment variables; those of `cluster_faults` cause faults.
        """
        command = ("-m", "exrbatch", "worker", str(self.file), "-j", str(count), *self._tls)
        return self._start(*command, before=before, environment={**WITH_FAULTS, **(environment or {})})

    def add_worker_without_nanny(self) -> "subprocess.Popen[bytes]":
        options = ["--no-nanny", "--nthreads", "1", "--no-dashboard", "--scheduler-file", str(self.file)]
        command = ("-m", "distributed.cli.dask_worker", *options)
        return self._start(*command, environment=WITH_FAULTS)

    def wait_for_worker(self) -> None:
        """Wait until a worker has joined, as it says in the log."""
        wait_until(lambda: b"Registered to" in self._log_path.read_bytes(), "a worker that joins")

    def stop(self) -> None:
        for process in self.processes:
            kill_tree(process)
        self._log.close()


def workers_of(nanny: "subprocess.Popen[bytes]") -> list[psutil.Process]:
    """Return the processes of the workers that a nanny process watches."""
    with contextlib.suppress(psutil.NoSuchProcess):
        children = psutil.Process(nanny.pid).children(recursive=True)
        return [child for child in children if "spawn_main" in " ".join(_command(child))]
    return []


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def kill_tree(process: "subprocess.Popen[bytes]") -> None:
    """Kill a process and all its children, and wait for their end."""
    try:
        every = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        every = []
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    for each in every:
        with contextlib.suppress(psutil.NoSuchProcess):
            each.kill()
    process.wait()
    psutil.wait_procs(every, timeout=PATIENCE)


@contextlib.contextmanager
def local_cluster(folder: Path, tls: Sequence[str] = ()) -> Iterator[LocalCluster]:
    """Start a scheduler, with options for TLS; stop it and all workers at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    cluster = LocalCluster(folder, tls)
    try:
        yield cluster
    finally:
        cluster.stop()
