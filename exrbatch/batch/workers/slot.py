"""A slot: one worker process after the other, each in an executor of its own, and the bundle of files that it has.

It wraps the executors; nothing else uses them.
"""

import contextlib
import io
import os
import pickle
import signal
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from typing import NamedTuple

from exrbatch.batch.discovery.candidate import Candidate
from exrbatch.batch.options import MAX_JOBS
from exrbatch.batch.workers import worker
from exrbatch.batch.workers.forkserver import raise_descriptor_limit
from exrbatch.errors import RunStopped
from exrbatch.jobs.completeness import is_complete
from exrbatch.jobs.file_report import FileReport
from exrbatch.jobs.job import Job
from exrbatch.replacing import is_alive, sweep_process
from exrbatch.text import format_duration

MAX_FILES = 1000
MAX_GROWTH = 300 * 1000 * 1000
"""After so many files, or when it holds so many bytes more than at its start, a worker is replaced by a new one."""
MAX_WORDS = 400
"""Characters of a dead worker's last words that go into the reason."""


START_ATTEMPTS = 3
LOST = 255
"""Exit code that the executor reports for a worker whose server has died: then the worker's own is not known."""
END_SECONDS = 30.0
"""How long to wait for the end of such a worker, which the kernel kills when the server has died."""
DESCRIPTORS = 9
"""Open files that the parent needs for each slot: the executor's pipes and the worker's log (measured)."""
SPARE_DESCRIPTORS = 64
"""Open files that are left for everything else."""


def most_slots() -> int:
    """Return how many slots the limit of open files has room for; at least 1."""
    raise_descriptor_limit()
    try:
        import resource

        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    except (ImportError, OSError):
        return MAX_JOBS
    return MAX_JOBS if soft == resource.RLIM_INFINITY else max(1, (soft - SPARE_DESCRIPTORS) // DESCRIPTORS)


class PostMortem(NamedTuple):
    """What is known of a dead worker.

    Attributes:
        reason: how it died, in words.
        reports: of the files of its bundle that it had ended.
        result: of the file that it had, if its new file was in place already.
        is_lost: whether it died with the server that had started it, which says nothing about the file.
    """

    reason: str
    reports: list[FileReport]
    result: FileReport | None
    is_lost: bool


def _process_of(executor: ProcessPoolExecutor) -> BaseProcess:
    """Return the one process of an executor.

    There is no public way that is safe: `multiprocessing.active_children()` also asks for the exit codes of all other
    workers, and the fork server tells each one only once. The executor that should have got it would take a worker that
    has just died for one that was lost with its server.
    """
    (process,) = executor._processes.values()
    return process


class Slot:
    """Room for one worker. An empty `bundle`: the worker is free."""

    def __init__(self, context: BaseContext, index: int) -> None:
        self.index = index
        self.bundle: Sequence[Candidate] = ()
        self.started = 0.0
        self.position = context.RawValue(worker.Position)
        self._context = context
        self._log, self._log_path = -1, ""
        self._jobs: Sequence[Job] = ()
        self._open()

    def _open(self) -> None:
        """Start a worker."""
        self._files = 0
        self._clock = (0, 0.0)
        self._limit: float | None = None
        try:
            self._log, self._log_path = tempfile.mkstemp(prefix="exrbatch-worker-")
        except OSError as error:
            raise RunStopped(f"no worker can be started: {error.strerror}: {tempfile.gettempdir()}") from error
        self._start()

    def _start(self) -> None:
        """Start the process; more than once if the server that forks it has died: the next try starts another.

        Raises `RunStopped` if that does not help.
        """
        for attempt in range(START_ATTEMPTS):
            self.executor = ProcessPoolExecutor(
                1, mp_context=self._context, initializer=worker.initialize, initargs=(self.position, self._log_path)
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

    def renew(self) -> None:
        """Start another worker instead of this one, which is free, or dead."""
        self.executor.shutdown(wait=False)
        self._close_files()
        self._open()

    def submit(self, bundle: Sequence[Candidate], jobs: Sequence[Job]) -> "Future[list[FileReport]]":
        """Give the worker files, to do one after the other."""
        self.position.index = self.position.done = 0.0
        self.bundle, self._jobs, self.started = bundle, jobs, time.monotonic()
        self._files += len(bundle)
        self._clock = (0, 0.0)
        try:
            return self.executor.submit(worker.work, jobs)
        except BrokenExecutor:  # it died while it was free: no file is to blame
            self.renew()
        try:
            return self.executor.submit(worker.work, jobs)
        except BrokenExecutor as error:
            future: Future[list[FileReport]] = Future()
            future.set_exception(error)
            return future

    @property
    def is_worn(self) -> bool:
        """Whether the worker has done enough."""
        return self._files >= MAX_FILES or self.position.grown > MAX_GROWTH

    def current(self) -> int:
        """Tell which file of the bundle is being worked on."""
        return min(int(self.position.index), len(self.bundle) - 1)

    def tick(self, seconds: float, time_limit: Callable[[int], float]) -> None:
        """Let time pass for the file that is being worked on; kill the worker when it has had too much."""
        index = self.current()
        spent = self._clock[1] + seconds if index == self._clock[0] else 0.0
        self._clock = (index, spent)
        limit = time_limit(self.bundle[index].size)
        if spent > limit and self._limit is None:
            self._limit = limit
            self.process.kill()

    def post_mortem(self) -> "PostMortem":
        """Say what the worker died of, with its last words; remove what it left of the file that it had."""
        # The executor's thread asks for the exit code as well, and the server tells it only once: let it be first.
        self.executor.shutdown(wait=True)
        is_lost = self.process.exitcode == LOST and self._limit is None
        if is_lost:
            self._wait_for_end()
        reports, printed = self._read_log()
        result = self._result()  # before the sweep, which removes the proof
        kept = self._sweep()
        if is_lost:
            reason = "the process that starts the workers was killed, and this one with it"
        elif self._limit is not None:
            reason = f"timed out after {format_duration(self._limit)} (--file-timeout)"
        else:
            reason = f"the worker died: {_exit_reason(self.process.exitcode)}"
        words = _last_words(printed)
        reason = f"{reason}; its last words: {words}" if words else reason
        if kept:
            reason = f"{reason}; it left {', '.join(kept)}, which may be the only copy of something"
        return PostMortem(reason, reports, result, is_lost)

    def _wait_for_end(self) -> None:
        """Wait until a worker that is said to be dead is dead: until then its file is not ours."""
        end = time.monotonic() + END_SECONDS
        while self.process.pid is not None and is_alive(self.process.pid) and time.monotonic() < end:
            time.sleep(0.01)

    def _read_log(self) -> tuple[list[FileReport], bytes]:
        """Read the reports of the files that the dead worker had ended, and what it printed after that."""
        reports: list[FileReport] = []
        log = io.BytesIO(os.pread(self._log, os.fstat(self._log).st_size, 0))
        with contextlib.suppress(EOFError, pickle.UnpicklingError):
            while len(reports) < self.current():
                reports.append(pickle.load(log))  # noqa: S301  our own worker wrote it
        return reports, log.read(1 << 16)

    def _result(self) -> FileReport | None:
        """Look for what the worker, which is dead, had done with its last file; None if that is still to be done."""
        index, pid = self.current(), self.process.pid
        return None if pid is None else self._jobs[index].find_result(pid, self.bundle[index].size)

    def close(self) -> None:
        """End the worker, which is free."""
        self.executor.shutdown(wait=True)
        self._close_files()

    def kill(self) -> None:
        """End the worker now, whatever it does."""
        self.process.kill()
        self.process.join()
        if self.bundle:
            self._sweep()
        self.executor.shutdown(wait=False, cancel_futures=True)
        self._close_files()

    def _sweep(self) -> list[str]:
        """Remove the temps of the file that the dead worker had; return those that must be kept."""
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
            os.unlink(self._log_path)  # the worker has done that, unless it died before it could


def _exit_reason(code: int | None) -> str:
    if code is None or code >= 0:
        return f"exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
    return f"{name}, which the system sends when memory runs out" if name == "SIGKILL" else name


def _last_words(printed: bytes) -> str:
    """Make one line of what a worker printed: what C libraries said, and where faulthandler found it."""
    text = printed.decode("utf-8", "replace").partition("Extension modules:")[0]
    words = " ".join(text.split())
    return words if len(words) <= MAX_WORDS else words[:MAX_WORDS] + " ..."
