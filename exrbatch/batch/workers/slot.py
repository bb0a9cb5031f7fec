"""A slot: a place for one worker process at a time, and the bundle of files that it has.

Each worker runs in an executor of its own. Only this module uses process executors.
"""

import contextlib
import io
import os
import pickle
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from dataclasses import replace
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess

from exrbatch.batch.discovery.candidate import Candidate
from exrbatch.batch.options import MAX_JOBS
from exrbatch.batch.workers import worker
from exrbatch.batch.workers.forkserver import raise_descriptor_limit, warm_up
from exrbatch.batch.workers.main_guard import EXIT_CODE, NO_GUARD
from exrbatch.batch.workers.post_mortem import PostMortem, exit_reason, last_words
from exrbatch.batch.workers.signalling import send_signal
from exrbatch.errors import ReasonCode, RunStopped
from exrbatch.jobs.completeness import is_complete
from exrbatch.jobs.file_report import FileReport
from exrbatch.jobs.job import Job
from exrbatch.replacing import disk, is_alive, sweep_process
from exrbatch.text import format_duration

MAX_FILES = 1000
MAX_GROWTH = 300 * 1000 * 1000
"""Limits of a worker's life: number of files, and bytes by which its memory has grown.

When one of them is reached, a new worker replaces it.
"""
START_ATTEMPTS = 3
"""How many times to try to start a worker."""
LOST = 255
"""Exit code that the executor reports if the server that forked the worker has died.

The worker's own exit code is unknown in that case.
"""
END_SECONDS = 30.0
"""Seconds to wait for such a worker to end, which the kernel kills when the server has died."""
DESCRIPTORS = 9
"""Open files that the parent needs per slot (measured): the executor's pipes and the log."""
SPARE_DESCRIPTORS = 64
"""Open files that are reserved for everything else."""


def most_slots() -> int:
    """Return for how many slots the limit on open files is sufficient; at least 1."""
    raise_descriptor_limit()
    try:
        import resource

        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    except (ImportError, OSError):
        return MAX_JOBS
    return (
        MAX_JOBS if soft == resource.RLIM_INFINITY else max(1, min(MAX_JOBS, (soft - SPARE_DESCRIPTORS) // DESCRIPTORS))
    )


def _process_of(executor: ProcessPoolExecutor) -> BaseProcess:
    """Return the only process of an executor.

    No public function does this safely. `multiprocessing.active_children()` also asks for the exit
    codes of all other workers, and the fork server reports each exit code only once. Then the
    executor that should have received it would treat a worker that just died as lost with its
    server.
    """
    (process,) = executor._processes.values()
    return process


class Slot:
    """A place for one worker.

    Attributes:
        index: index of the slot in its pool.
        bundle: the files that the worker has; empty if it is free.
        seconds: seconds since the worker got the bundle, without those in which it was frozen.
        position: memory that is shared with the worker, see `worker.Position`.
        executor: the executor of the worker.
        process: the process of the worker.
    """

    def __init__(self, context: BaseContext, index: int, nice: int = 0) -> None:
        """Make a slot and start its first worker.

        Args:
            context: multiprocessing context that starts workers.
            index: index of the slot in its pool.
            nice: nice value of the worker, 0 to 19.

        Raises:
            RunStopped: the worker can't be started.
        """
        self.index = index
        self.bundle: Sequence[Candidate] = ()
        self.seconds = 0.0
        self.position = context.RawValue(worker.Position)
        self._context, self._nice = context, nice
        self._log, self._log_path = -1, ""
        self._jobs: Sequence[Job] = ()
        self._lost: defaultdict[int, float] = defaultdict(float)  # by index: seconds in which the file was frozen
        self._open()

    def _open(self) -> None:
        """Open a log, and start a worker."""
        self._files = 0
        self._is_frozen = False
        self.position.is_ready = 0.0
        self._clock = (0, 0.0)
        self._limit: float | None = None
        try:
            self._log, self._log_path = tempfile.mkstemp(prefix="exrbatch-worker-")
        except OSError as error:
            raise RunStopped(f"no worker can be started: {error.strerror}: {tempfile.gettempdir()}") from error
        self._start()

    def _start(self) -> None:
        """Start the process of a worker.

        If the server that forks it has died, try again: the next attempt starts a new server.

        Raises:
            RunStopped: all attempts failed.
        """
        for attempt in range(START_ATTEMPTS):
            warm_up()  # a new server must block the same signals as the first one
            arguments = (self.position, self._log_path, self._nice)
            self.executor = ProcessPoolExecutor(
                1, mp_context=self._context, initializer=worker.initialize, initargs=arguments
            )
            try:
                self.executor.submit(os.getpid)  # the process starts with the first task, not with the executor
                self.process = _process_of(self.executor)
                return
            except (OSError, EOFError, RuntimeError, BrokenExecutor) as error:
                self.executor.shutdown(wait=False)
                if attempt == START_ATTEMPTS - 1:
                    self._close_files()
                    reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
                    raise RunStopped(f"no worker can be started: {reason}") from error
            except BaseException:  # an interruption; nobody else knows this worker yet
                for process in self.executor._processes.values():
                    process.kill()
                self.executor.shutdown(wait=False)
                self._close_files()
                raise

    def renew(self) -> None:
        """Replace the worker, which is free or dead, by a new one."""
        self.thaw()
        self.executor.shutdown(wait=False)
        self._close_files()
        self._open()

    def submit(self, bundle: Sequence[Candidate], jobs: Sequence[Job]) -> "Future[list[FileReport]]":
        """Give files to the worker, which processes them one after another."""
        self.position.index = self.position.done = self.position.waited = 0.0
        self.bundle, self._jobs, self.seconds = bundle, jobs, 0.0
        self._files += len(bundle)
        self._clock = (0, 0.0)
        self._lost.clear()
        try:
            return self.executor.submit(worker.work, jobs)
        except BrokenExecutor:  # the worker died while it was free, so no file is to blame
            self.renew()
        try:
            return self.executor.submit(worker.work, jobs)
        except BrokenExecutor as error:
            future: Future[list[FileReport]] = Future()
            future.set_exception(error)
            return future

    @property
    def is_worn(self) -> bool:
        """Whether the worker has reached a limit of its life, so that it must be replaced."""
        return self._files >= MAX_FILES or self.position.grown > MAX_GROWTH

    def current(self) -> int:
        """Return the index in the bundle of the file that is being processed."""
        return min(int(self.position.index), len(self.bundle) - 1)

    def freeze(self) -> None:
        """Stop the process of the worker, as soon as it is set up.

        From then on the worker dies with its server even if it is stopped.
        """
        if self.position.is_ready:
            self._is_frozen = True
            send_signal(self.process, "SIGSTOP")

    def thaw(self) -> None:
        """Let the process of the worker go on."""
        if self._is_frozen:
            self._is_frozen = False
            send_signal(self.process, "SIGCONT")

    def with_true_seconds(self, reports: list[FileReport]) -> list[FileReport]:
        """Subtract from the time of each file the time in which it was frozen."""
        if not self._lost:
            return reports
        return [
            replace(report, seconds=max(0.0, report.seconds - self._lost[index]))
            for index, report in enumerate(reports)
        ]

    def tick(self, seconds: float, time_limit: Callable[[int], float], lost: float = 0.0) -> None:
        """Charge time to the file that is being processed. Kill the worker if it exceeds the limit.

        Args:
            seconds: seconds that have passed.
            time_limit: returns the seconds that a file may take, given its size in bytes.
            lost: further seconds that have passed while the worker was frozen.
        """
        index = self.current()
        self.seconds += seconds
        if lost > 0:
            self._lost[index] += lost
        spent = self._clock[1] + seconds if index == self._clock[0] else 0.0
        self._clock = (index, spent)
        limit = time_limit(self.bundle[index].size)
        if spent > limit and self._limit is None:
            self._limit = limit
            self.process.kill()

    def post_mortem(self) -> PostMortem:
        """Find out how the worker died, and remove the temp files of the file it was processing.

        Raises:
            RunStopped: no worker can start, because the main module of the program has no guard.
        """
        # The executor's thread needs the exit code, too, and the server reports it only once. So
        # wait until that thread has ended.
        self.executor.shutdown(wait=True)
        if self.process.exitcode == EXIT_CODE:
            raise RunStopped(NO_GUARD)
        is_lost = self.process.exitcode == LOST and self._limit is None
        if is_lost:
            self._wait_for_end()
        reports, printed = self._read_log()
        result = self._result()  # before the sweep, which removes the proof of success
        kept = self._sweep()
        if is_lost:
            reason = "the process that starts the workers was killed, and this worker with it"
        elif self._limit is not None:
            reason = f"timed out after {format_duration(self._limit)} (--file-timeout)"
        else:
            reason = f"the worker died: {exit_reason(self.process.exitcode)}"
        words = last_words(printed)
        reason = f"{reason}; its last output: {words}" if words else reason
        if kept:
            reason = f"{reason}; it left {', '.join(kept)}, which may be the only copy of something"
        code = ReasonCode.CRASHED if self._limit is None else ReasonCode.TIMEOUT
        return PostMortem(reason, code, reports, result, is_lost)

    def _wait_for_end(self) -> None:
        """Wait until a worker that was reported dead has really ended.

        Until then, it may still write to the file that it was processing.
        """
        end = time.monotonic() + END_SECONDS
        while self.process.pid is not None and is_alive(self.process.pid) and time.monotonic() < end:
            time.sleep(0.01)

    def _read_log(self) -> tuple[list[FileReport], bytes]:
        """Read the log of the dead worker.

        Returns:
            the reports of the files that had ended, and the output that was printed after that.
        """
        reports: list[FileReport] = []
        log = io.BytesIO(disk.read_at(self._log, os.fstat(self._log).st_size, 0))
        with contextlib.suppress(EOFError, pickle.UnpicklingError):
            while len(reports) < self.current():
                reports.append(pickle.load(log))  # noqa: S301  our own worker wrote it
        return reports, log.read(1 << 16)

    def _result(self) -> FileReport | None:
        """Return the report of the dead worker's last file, or None if it must be done again."""
        index, pid = self.current(), self.process.pid
        return None if pid is None else self._jobs[index].find_result(pid, self.bundle[index].size)

    def close(self) -> None:
        """End the worker, which is free, and wait for its end."""
        self.thaw()
        self.executor.shutdown(wait=True)
        self._close_files()

    def end(self) -> None:
        """End the worker, which is free, without waiting for its end."""
        self.thaw()
        self.executor.shutdown(wait=False)
        self._close_files()

    def kill(self) -> list[FileReport]:
        """Kill the worker immediately, and return the reports of files that it had done."""
        self.process.kill()
        self.process.join()
        reports: list[FileReport] = []
        if self.bundle:
            with contextlib.suppress(OSError):
                reports = self.with_true_seconds(self._read_log()[0])
                result = self._result()  # before the sweep, which removes the proof of success
                reports += [] if result is None else [result]
            self._sweep()
        self.executor.shutdown(wait=False, cancel_futures=True)
        self._close_files()
        return reports

    def _sweep(self) -> list[str]:
        """Remove the temp files of the dead worker's last file; return those that must be kept."""
        pid = self.process.pid
        if pid is None:
            return []
        return [
            name
            for folder, frames in self._jobs[self.current()].folders().items()
            for name in sweep_process(folder, pid, is_complete, frames=frames)
        ]

    def _close_files(self) -> None:
        if self._log >= 0:
            os.close(self._log)
            self._log = -1
        with contextlib.suppress(OSError):
            os.unlink(self._log_path)  # the worker has done this, unless it died too early
