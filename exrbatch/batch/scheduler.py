"""Scheduler: keep every worker busy, and yield the reports of files.

It hands files to a worker only when the worker is free.

Some files are tried once more at the end of the run, one at a time, when nothing else is running:

- A file that a worker died of. The cause may have been the memory that other files needed. If a
  worker dies of the file again, the file has failed.
- A file that needs more memory than its share.
- A file that does not fit on the disk even if no other file is in progress. Other files may have
  freed space in the meantime.

A file that does not fit on the disk beside those in progress waits until one of them has ended.
"""

import errno
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from exrbatch.batch.backlog import Backlog
from exrbatch.batch.control import Control
from exrbatch.batch.discovery.candidate import Candidate
from exrbatch.batch.options import Options
from exrbatch.batch.workers.interface import Death, Outcome, Workers
from exrbatch.jobs.file_report import FileReport, failed
from exrbatch.jobs.job import Share
from exrbatch.jobs.log import logger
from exrbatch.text import safe_text

TICK = 0.1
"""Seconds to wait for a task to end before the caller gets control again."""
SHARES = 4
"""A bundle has at most 1/`SHARES` of one worker's equal share of the waiting files.

So no worker is idle while another one still has many files.
"""
MAX_DEATHS = 3
"""If this many workers die with no success between them, the run stops.

The cause is then probably not a single file.
"""
MAX_WITHOUT_SPACE = 3
"""If this many files do not fit on the disk, even alone, the run stops."""
STARVED_TICK = 0.01
"""Used instead of `TICK` while a worker is free and the scan has not found the next file yet."""


class Scheduler:
    """Hands the files of a backlog to workers. The scan of the backlog must have been started."""

    def __init__(self, backlog: Backlog, workers: Workers, options: Options, control: Control) -> None:
        """Make a scheduler.

        Args:
            backlog: the files.
            workers: the workers.
            options: make the job of each file.
            control: requests of the caller. The scheduler itself may request to stop.
        """
        self._backlog = backlog
        self._workers = workers
        self._options = options
        self._control, self._stop = control, control.stop
        self._in_flight: dict[str, Candidate] = {}  # by path
        self._reserved = 0  # bytes of disk space that these may need
        self._lent: dict[str, int] = {}  # bytes of memory, by the path of the first file of each bundle in progress
        self._holds_back = False  # whether workers were asked to start no other file
        # These wait until another file has ended: there is no space on the disk, or another name of
        # the same file is in progress.
        self._held: list[Candidate] = []
        self._waits_for_space = False
        self._alone: deque[Candidate] = deque()  # to be tried once more at the end
        self._retried: set[str] = set()  # paths of files that were tried once more
        self._refused: list[Candidate] = []  # they would not be finished before a limit
        self._refusal = ""
        self._suspects: dict[str, Death] = {}  # by path: files that a worker died of
        self._without_space = 0  # files that did not fit on the disk, even alone
        self._last_without_space = ""
        self._deaths = 0  # of workers, since the last success
        self._ended: Iterator[FileReport] = iter(())  # what is left of the outcome that arrived last

    def run(self) -> Iterator[FileReport | None]:
        """Process all files.

        Yields:
            each report when it arrives; None about every `TICK` seconds if no file has ended, so
            that the caller can do other work.
        """
        while True:
            self._obey()
            while (report := self._backlog.take_report()) is not None:
                yield report
            if not self._hand_out():
                break
            starved = self._workers.idle > 0 and not self._backlog.is_complete and not self._control.pauses
            outcome = self._workers.next_finished(STARVED_TICK if starved else TICK)
            if outcome is None:
                yield None
            else:
                self._ended = self._take(outcome)
                while (report := next(self._ended, None)) is not None:  # `yield from` would close it with this one
                    yield report
        if self._without_space and self._stop.reason is None:
            self._stop.reason = f"the disk is full: {self._last_without_space}"
        if self._refused and not self._stop.is_set:
            self._stop.reason = self._refusal
        for death in self._suspects.values():
            yield failed(self._options.job(death.candidate), death.reason, death.code, death.candidate.size)

    def take_ended(self) -> list[FileReport]:
        """Return the reports that have arrived, but were not yielded before the run was killed."""
        return list(self._ended)

    def _obey(self) -> None:
        """Pass on what the run is asked to do to the backlog and the workers."""
        if self._stop.is_set:
            self._backlog.stop()
        holds_back = self._stop.is_set or bool(self._control.pauses)
        if holds_back:
            self._workers.request_stop()
        elif self._holds_back:
            self._workers.withdraw_stop()
        self._holds_back = holds_back
        self._workers.freeze(self._control.is_frozen)
        wanted = self._control.jobs
        if wanted is not None and wanted != self._workers.jobs:
            refusal = self._workers.resize(wanted)
            if refusal is not None:
                self._control.refuse_jobs(self._workers.jobs, refusal)

    def _hand_out(self) -> bool:
        """Give files to free workers. Return False if there is nothing left to do."""
        is_paused = bool(self._control.pauses) and not self._stop.is_set
        may_start = not is_paused and not self._waits_for_space
        while may_start and self._workers.idle and (bundle := self._take_bundle()):
            self._submit(bundle)
        if self._workers.is_busy or not self._backlog.is_exhausted:
            return True
        if is_paused and (self._alone or self._refused):
            return True
        if self._stop.is_set:
            return False
        if self._take_refused():
            return True
        if not self._alone:
            return False
        if not self._workers.idle:  # the workers of a cluster can leave
            return True
        candidate = min(self._alone, key=lambda each: each.size)  # the smallest is most likely to succeed
        self._alone.remove(candidate)
        if self._is_refused(candidate, candidate.size):
            return True
        self._retried.add(candidate.path)
        self._submit([candidate])
        return True

    def _take_bundle(self) -> list[Candidate]:
        """Take files for one worker. Hold back other names of files that are in progress."""
        while bundle := _take_bundle(self._backlog, self._workers, self._is_refused):
            if not self._options.rules.is_one_name_at_a_time:
                return bundle
            busy = {candidate.inode for candidate in self._in_flight.values() if candidate.links > 1}
            self._held += [candidate for candidate in bundle if candidate.inode in busy]
            if free := [candidate for candidate in bundle if candidate.inode not in busy]:
                return free
        return []

    def _is_refused(self, candidate: Candidate, size: int) -> bool:
        """Return whether a file must not start, and keep it in that case.

        Args:
            candidate: the file.
            size: its size, and that of the files that the same worker processes before it.
        """
        reason = self._control.start_refusal(size)
        if reason is not None:
            self._refusal = reason
            self._refused.append(candidate)
        return reason is not None

    def _take_refused(self) -> bool:
        """Put files back that may start after all: others went faster than it had seemed."""
        refused, self._refused = self._refused, []
        again = [candidate for candidate in refused if not self._is_refused(candidate, candidate.size)]
        self._backlog.put_back(again)
        return bool(again)

    def _submit(self, bundle: Sequence[Candidate]) -> None:
        """Make the jobs of a bundle and give them to a worker."""
        reserved = self._reserved
        for candidate in bundle:
            self._in_flight[candidate.path] = candidate
            self._reserved += candidate.needs
        # If there are more workers than before, files in progress may still have a larger share.
        memory = self._workers.memory
        left = max(0, memory - sum(self._lent.values()))
        equal_share = min(memory // self._workers.jobs, left)
        self._lent[bundle[0].path] = equal_share
        jobs = []
        for candidate in bundle:
            own = memory if candidate.path in self._retried else equal_share
            share = Share(memory=own, threads=self._threads(candidate), reserved=reserved)
            jobs.append(self._options.job(candidate, share))
        self._workers.submit(bundle, jobs)

    def _threads(self, candidate: Candidate) -> int:
        """Return how many threads may work on a file.

        At the end of a run, there are fewer files than workers. Then the worker of a large file
        uses several threads, so that the cores of idle workers are used, too.
        """
        is_large = self._workers.share_cores and self._workers.is_enough(1, candidate.size)
        if not is_large or not self._backlog.is_complete or candidate.path in self._suspects:
            return 1
        jobs = self._workers.jobs
        files = jobs - self._workers.idle + 1 + self._backlog.waiting
        return max(1, jobs // files)

    def _take(self, outcome: Outcome) -> Iterator[FileReport]:
        """Process the outcome of a task; yield the reports that are final."""
        ended = [self._land(report.path) for report in outcome.reports]
        for returned in outcome.returned:
            self._land(returned.path)
        self._take_back_memory(outcome)
        self._waits_for_space = False
        if not self._stop.is_set:
            self._backlog.put_back([*outcome.returned, *self._held])
        self._held.clear()
        if outcome.reports:
            self._deaths = 0
        if outcome.death is not None:
            self._land(outcome.death.candidate.path)
            self._note(outcome.death)
        for report, candidate in zip(outcome.reports, ended, strict=True):
            if report.retry_alone and candidate is not None and self._comes_again(report, candidate):
                continue
            self._suspects.pop(report.path, None)
            if report.disk_is_full and self._stop.reason is None and self._is_full(report):
                self._stop.reason = f"{_full(report)}: {report.reason}"
            yield report

    def _land(self, path: str) -> Candidate | None:
        """Note that a file is in progress no more; return it if it was."""
        candidate = self._in_flight.pop(path, None)
        self._reserved -= 0 if candidate is None else candidate.needs
        return candidate

    def _take_back_memory(self, outcome: Outcome) -> None:
        """Note that the bundle of an outcome no longer uses its memory."""
        for path in [*(report.path for report in outcome.reports), *(each.path for each in outcome.returned)]:
            self._lent.pop(path, None)
        if outcome.death is not None:
            self._lent.pop(outcome.death.candidate.path, None)

    def _is_full(self, report: FileReport) -> bool:
        """Return whether a report of a full disk must stop the run.

        A file that was refused before anything was written does not stop the run, because the next
        file may be smaller or on another disk. Several such files do.
        """
        self._without_space += report.retry_alone
        self._last_without_space = report.reason or ""
        return not report.retry_alone or self._without_space == MAX_WITHOUT_SPACE

    def _comes_again(self, report: FileReport, candidate: Candidate) -> bool:
        """Put off a file that may succeed later. Return False if this was its last try."""
        if self._stop.is_set or candidate.path in self._retried:
            return False
        if report.disk_is_full and self._in_flight:
            self._held.append(candidate)
            self._waits_for_space = True
        else:
            self._alone.append(candidate)
        return True

    def _note(self, death: Death) -> None:
        """Record that a worker died of a file.

        The first time, the file becomes a suspect and is tried once more. The second time, the file
        is certainly the cause. Such a death is not counted, because it says nothing about the
        machine.
        """
        path = death.candidate.path
        logger.warning("%s: %s", safe_text(path), safe_text(death.reason))
        is_first = path not in self._suspects
        self._suspects[path] = death
        if path not in self._retried:
            self._alone.append(death.candidate)
        self._deaths += is_first and not death.is_lost
        if is_first and self._deaths == MAX_DEATHS and self._stop.reason is None:
            self._stop.reason = f"{MAX_DEATHS} workers died one after the other: {death.reason}"


def _full(report: FileReport) -> str:
    is_quota = os.strerror(errno.EDQUOT) in (report.reason or "")
    return "the quota is used up" if is_quota else "the disk is full"


def _take_bundle(backlog: Backlog, workers: Workers, is_refused: Callable[[Candidate, int], bool]) -> list[Candidate]:
    most = max(1, backlog.waiting // (SHARES * workers.jobs))
    bundle: list[Candidate] = []
    size = 0
    while len(bundle) < most and not workers.is_enough(len(bundle), size) and (candidate := backlog.take()) is not None:
        if not is_refused(candidate, size + candidate.size):
            bundle.append(candidate)
            size += candidate.size
    return bundle
