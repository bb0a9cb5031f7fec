"""A pool of worker processes in slots.

A slot is a `ProcessPoolExecutor` with one worker and one task in flight. In a shared pool, one dead
worker makes every future fail, and it is unknown which file it was processing. With slots, the file
is known and the other workers are not affected.

A task is one file or a bundle of small files. A task costs the parent process about 0.4 ms, because
threads in the executor wake each other. This is more than all other work of the parent together, so
bundles save time.
"""

import queue
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace

from exrbatch.batch.clocks import asleep
from exrbatch.batch.discovery.candidate import Candidate
from exrbatch.batch.resources import automatic_jobs, available_memory
from exrbatch.batch.workers.forkserver import start_context, warm_up
from exrbatch.batch.workers.interface import Death, Outcome, Running, Setting
from exrbatch.batch.workers.slot import Slot, most_slots
from exrbatch.errors import RunStopped
from exrbatch.jobs.file_report import FileReport
from exrbatch.jobs.job import Job
from exrbatch.text import format_count

MAX_TICK = 0.25
"""Maximum seconds that are charged to a worker between two checks of its time.

So a worker does not exceed its time limit because this process was stopped. A longer gap alone is
no pause: on a busy machine, this process may wait for a core while its workers go on.
"""
GROWTH_SECONDS = 0.2
"""Seconds after which `Pool.resize` returns, although it could start more workers."""
BUNDLE_FILES, BUNDLE_BYTES = 16, 16_000_000
"""Limits of a bundle of small files. A file of `BUNDLE_BYTES` or more is sent to a worker alone."""


class Pool:
    """Some workers. Each processes one file at a time.

    Attributes:
        started: monotonic time when the first file was handed out; None before that.
        paused: seconds in which nothing went on, because the workers were frozen (before this
            process is suspended, too) or waited for the end of a pause, or the machine slept.
        memory: bytes that all workers together may use for large files.
        share_cores: true: they are on one machine.
    """

    share_cores = True

    def __init__(self, jobs: int, time_limit: Callable[[int], float], nice: int = 0) -> None:
        """Start the workers.

        Args:
            jobs: number of workers.
            time_limit: returns the seconds that a file may take, given its size in bytes.
            nice: nice value of the workers, 0 to 19.

        Raises:
            RunStopped: a worker can't be started.
        """
        self.started: float | None = None
        self.paused = 0.0
        self.memory = available_memory()
        self._holds_back = False
        warm_up()
        self._context = start_context()
        self._jobs = jobs  # there may be more slots: some end after their files
        self._is_frozen = False
        self._time_limit, self._nice = time_limit, nice
        self._last_look, self._last_asleep = time.monotonic(), asleep()
        self._finished: queue.SimpleQueue[tuple[Slot, Future[list[FileReport]]]] = queue.SimpleQueue()
        self._slots: list[Slot] = []
        self._idle: list[Slot] = []
        try:
            for index in range(jobs):
                self._slots.append(Slot(self._context, index, self._nice))
        except (OSError, RuntimeError) as error:
            self.kill()
            raise RunStopped(f"no worker can be started: {type(error).__name__}: {error}") from error
        except BaseException:
            self.kill()
            raise
        self._idle = list(reversed(self._slots))

    @property
    def jobs(self) -> int:
        """Number of workers, without those that end after their files."""
        return self._jobs

    @property
    def idle(self) -> int:
        """Number of free workers."""
        return max(0, min(len(self._idle), self._jobs - self._busy))

    @property
    def _busy(self) -> int:
        return len(self._slots) - len(self._idle)

    @property
    def is_busy(self) -> bool:
        """Whether any worker is processing a file."""
        return self._busy > 0

    def is_enough(self, files: int, size: int) -> bool:
        """Return whether some files of `size` bytes together are enough for one bundle."""
        return files >= BUNDLE_FILES or size >= BUNDLE_BYTES

    def running(self) -> Iterator[Running]:
        """List the files in progress, in the order of the slots."""
        for slot in self._slots:
            if slot.bundle:
                current = slot.current()
                ended_size = sum(each.size for each in slot.bundle[:current])
                done, waited = slot.position.done, slot.position.waited
                yield Running(slot.index, slot.bundle[current], done, slot.seconds, ended_size, waited)

    def submit(self, bundle: Sequence[Candidate], jobs: Sequence[Job]) -> None:
        """Give files to a free worker, which processes them one after another."""
        slot = self._idle.pop()
        self.started = self.started or time.monotonic()
        future = slot.submit(bundle, jobs)
        future.add_done_callback(lambda done: self._finished.put((slot, done)))

    def request_stop(self) -> None:
        """Request that workers start no other file of their bundles."""
        self._change_pauses(self._is_frozen, holds_back=True)
        for slot in self._slots:
            slot.position.stop = 1.0

    def withdraw_stop(self) -> None:
        """Withdraw `request_stop`."""
        self._change_pauses(self._is_frozen, holds_back=False)
        for slot in self._slots:
            slot.position.stop = 0.0

    def freeze(self, wanted: bool) -> None:
        """Stop the workers in the middle of their files, or let them go on.

        If they are frozen, call this again and again: other programs may let the workers go on, as
        a shell does after Ctrl-Z, and workers that are just starting are frozen a little later.
        """
        self._change_pauses(wanted, self._holds_back)
        for slot in self._slots:
            if wanted and slot.bundle:
                slot.freeze()
            elif not wanted:
                slot.thaw()

    def _change_pauses(self, is_frozen: bool, holds_back: bool) -> None:
        """Note what workers may do from now on. The time until now still counts as it was."""
        if (is_frozen, holds_back) != (self._is_frozen, self._holds_back):
            self._kill_overdue()
            self._is_frozen, self._holds_back = is_frozen, holds_back

    def resize(self, jobs: int) -> str | None:
        """Change the number of workers.

        Busy workers that are too many end after their files. Starting workers takes time, so
        after `GROWTH_SECONDS` this function returns, and must be called again.

        Args:
            jobs: the number of workers to have.

        Returns:
            why no more workers can be started; None if they can.
        """
        end = time.monotonic() + GROWTH_SECONDS
        refusal = None
        used = {slot.index for slot in self._slots}
        while len(self._slots) < jobs and time.monotonic() < end:
            index = next(index for index in range(jobs) if index not in used)
            try:
                slot = Slot(self._context, index, self._nice)
            except (OSError, RuntimeError, RunStopped) as error:
                refusal = str(error)
                break
            used.add(index)
            self._slots.append(slot)
            self._idle.append(slot)
        self._slots.sort(key=lambda slot: slot.index)
        self._idle.sort(key=lambda slot: -slot.index)
        self._jobs = min(jobs, len(self._slots))
        self._end_surplus()
        return refusal

    def _end_surplus(self) -> None:
        """End free workers that are too many."""
        while self._idle and len(self._slots) > self._jobs:
            slot = self._idle.pop(0)
            self._slots.remove(slot)
            slot.end()

    def set_rate(self, rate: int | None) -> None:
        """Limit how much all workers together read and write.

        Args:
            rate: bytes per second; None for no limit.
        """
        busy = max(1, len(self._slots) - len(self._idle))
        for slot in self._slots:
            slot.position.rate = 0.0 if rate is None else rate / busy

    def next_finished(self, timeout: float) -> Outcome | None:
        """Wait for a task to end, and replace its worker if it has died.

        Args:
            timeout: maximum seconds to wait.

        Returns:
            the outcome of the task, or None if no task has ended.

        Raises:
            RunStopped: a new worker can't be started.
        """
        try:
            slot, future = self._finished.get(timeout=timeout)
        except queue.Empty:
            return None
        finally:
            self._kill_overdue()
        try:
            reports = slot.with_true_seconds(future.result())
            outcome = Outcome(reports, slot.bundle[len(reports) :])
            if slot.is_worn:
                slot.renew()
        except RunStopped:
            raise
        except Exception:  # noqa: BLE001  from the executor, or unexpectedly from the worker
            outcome = self._bury(slot)
        slot.bundle = ()
        self._idle.append(slot)
        self._end_surplus()
        return outcome

    def _kill_overdue(self) -> None:
        """Kill workers that have exceeded the time limit of a file.

        Their tasks then end like those of any dead worker.
        """
        now, now_asleep = time.monotonic(), asleep()
        passed, slept = now - self._last_look, now_asleep - self._last_asleep
        self._last_look, self._last_asleep = now, now_asleep
        tick, lost = (0.0, passed) if self._is_frozen else (min(passed, MAX_TICK), 0.0)
        is_paused = self._is_frozen or (self._holds_back and not self.is_busy)
        self.paused += slept + (passed if is_paused else 0.0)
        for slot in self._slots:
            if slot.bundle:
                slot.tick(tick, self._time_limit, lost)

    def _bury(self, slot: Slot) -> Outcome:
        """Handle the death of a worker, and start a new one.

        The file that it was processing is blamed. The files of its bundle that have no report are
        returned. If the new file is already in place, the file is reported as done and nothing is
        blamed.
        """
        found = slot.post_mortem()
        current = slot.current()  # read only now, when the worker is certainly dead
        reports = found.reports
        returned = [*slot.bundle[len(reports) : current], *slot.bundle[current + 1 :]]
        slot.renew()
        if found.result is None:
            return Outcome(reports, returned, Death(slot.bundle[current], found.reason, found.code, found.is_lost))
        return Outcome([*reports, replace(found.result, notes=(f"done, although {found.reason}",))], returned)

    def close(self) -> None:
        """Let the workers finish the files in progress, then end the workers."""
        self.freeze(False)
        self.request_stop()
        while self.is_busy:
            self.next_finished(MAX_TICK)
        while self._slots:
            self._slots.pop().close()

    def kill(self) -> list[FileReport]:
        """Kill the workers immediately, and return the reports of files that they had done.

        This is safe for originals at any moment. Temp files are removed.
        """
        reports: list[FileReport] = []
        while self._slots:
            reports += self._slots.pop().kill()
        self._idle.clear()
        return reports


class ThisMachine:
    """The engine that starts workers on this machine."""

    is_elsewhere = False

    @property
    def most_jobs(self) -> int:
        """The largest number of workers that is possible."""
        return most_slots()

    def jobs(self, wanted: int | None) -> tuple[int, str | None]:
        """Return the number of workers to begin with, and a note if it is less than it should be.

        Args:
            wanted: the number that the user wants, if any.
        """
        best, most = wanted or automatic_jobs(), most_slots()
        if best <= most:
            return best, None
        return most, f"{format_count(most, 'worker')} instead of {best}: the limit of open files is too low (ulimit -n)"

    def start(self, setting: Setting) -> Pool:
        """Start the workers.

        Raises:
            RunStopped: one can't be started.
        """
        options = setting.options
        return Pool(options.jobs or 1, options.time_limit, options.nice)
