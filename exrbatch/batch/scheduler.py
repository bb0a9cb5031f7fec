"""Scheduler.run() -> reports: keeps every worker busy, never hands out more than each is working on.

A file that a worker died of is done once more at the end, when nothing else runs: it may have been the
victim of others' hunger for memory. If it does it again, it fails. So is a file that needs more memory than its share.
A file for which the disk has no room beside those in progress waits until one of them has ended; one that does not
even fit alone is tried once more at the end, when the others may have made room.
"""

import errno
import os
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Protocol

from exrbatch.batch.backlog import Backlog
from exrbatch.batch.discovery.candidate import Candidate
from exrbatch.batch.options import Options
from exrbatch.batch.workers.pool import Death, Outcome
from exrbatch.jobs.file_report import FileReport, failed
from exrbatch.jobs.job import Job, Share

TICK = 0.1
"""Seconds between looks at the clock while nothing ends."""
BUNDLE_FILES, BUNDLE_BYTES = 16, 16_000_000
"""Small files go to a worker in bundles up to these limits; a file of that size goes alone."""
SHARES = 4
"""A bundle is at most this part of one worker's share of what waits: none idles while another has many."""
MAX_DEATHS = 3
"""So many workers that die with no success between them mean that something is wrong with more than a file."""
MAX_WITHOUT_ROOM = 3
"""So many files that have no room on the disk, not even alone, and the run stops."""
STARVED_TICK = 0.01
"""The same while a worker is free and the scan has not found the next file yet."""


class Workers(Protocol):
    """What the scheduler needs of a pool."""

    @property
    def jobs(self) -> int:
        """How many workers there are."""
        ...

    @property
    def idle(self) -> int:
        """How many workers are free."""
        ...

    def submit(self, bundle: Sequence[Candidate], jobs: Sequence[Job]) -> None:
        """Give files to a free worker, which does them one after the other."""
        ...

    def request_stop(self) -> None:
        """Let workers begin no other file of their bundles."""
        ...

    def next_finished(self, timeout: float) -> Outcome | None:
        """Wait for a task to end, at most `timeout` seconds."""
        ...


class StopRequest:
    """Once set, nothing new starts and what runs is finished.

    `signal_number`: the signal that asked for it. `reason`: why going on makes no sense.
    """

    def __init__(self) -> None:
        self.signal_number: int | None = None
        self.reason: str | None = None

    @property
    def is_set(self) -> bool:
        """Whether the run is to stop."""
        return self.signal_number is not None or self.reason is not None


class Scheduler:
    """Brings a backlog that has been started, and workers, together."""

    def __init__(
        self, backlog: Backlog, workers: Workers, options: Options, stop: StopRequest, memory: int = 0
    ) -> None:
        """`memory`: bytes that all workers together may take for large files; 0 where that is not known."""
        self._backlog = backlog
        self._workers = workers
        self._options = options
        self._stop = stop
        self._memory = memory
        self._in_flight: dict[str, Candidate] = {}  # by path
        self._held: list[Candidate] = []  # until another file has ended: no room on the disk, or another name of it
        self._waits_for_space = False
        self._alone: deque[Candidate] = deque()  # to be done once more at the end, when nothing else runs
        self._retried: set[str] = set()  # paths of files that have been done once more
        self._suspects: dict[str, Death] = {}  # by path: files that a worker died of
        self._without_room = 0  # files for which the disk had no room, not even alone
        self._last_without_room = ""
        self._deaths = 0  # since the last success

    def run(self) -> Iterator[FileReport | None]:
        """Do all files; yield each report as it comes, and None about every TICK when nothing ended.

        So the caller can look at its clock.
        """
        while True:
            if self._stop.is_set:
                self._backlog.stop()
                self._workers.request_stop()
            while (report := self._backlog.take_report()) is not None:
                yield report
            if not self._hand_out():
                break
            starved = self._workers.idle > 0 and not self._backlog.is_complete
            outcome = self._workers.next_finished(STARVED_TICK if starved else TICK)
            if outcome is None:
                yield None
            else:
                yield from self._take(outcome)
        if self._without_room and self._stop.reason is None:
            self._stop.reason = f"the disk is full: {self._last_without_room}"
        for death in self._suspects.values():
            yield failed(self._options.job(death.candidate), death.reason, death.candidate.size)

    def _hand_out(self) -> bool:
        """Give free workers files; False if there is nothing more to do."""
        while self._workers.idle and not self._waits_for_space and (bundle := self._take_bundle()):
            self._submit(bundle)
        if self._workers.idle < self._workers.jobs or not self._backlog.is_exhausted:
            return True
        if not self._alone or self._stop.is_set:
            return False
        candidate = min(self._alone, key=lambda each: each.size)  # what is likely to be possible first
        self._alone.remove(candidate)
        self._retried.add(candidate.path)
        self._submit([candidate])
        return True

    def _take_bundle(self) -> list[Candidate]:
        """Take files for one worker, but for other names of files that are in progress: those wait."""
        while bundle := _take_bundle(self._backlog, self._workers.jobs):
            if not self._options.rules.is_one_name_at_a_time:
                return bundle
            busy = {candidate.inode for candidate in self._in_flight.values() if candidate.links > 1}
            self._held += [candidate for candidate in bundle if candidate.inode in busy]
            if free := [candidate for candidate in bundle if candidate.inode not in busy]:
                return free
        return []

    def _submit(self, bundle: Sequence[Candidate]) -> None:
        reserved = sum(candidate.size for candidate in self._in_flight.values())
        self._in_flight.update((candidate.path, candidate) for candidate in bundle)
        jobs = []
        for candidate in bundle:
            memory = self._memory if candidate.path in self._retried else self._memory // self._workers.jobs
            share = Share(memory=memory, threads=self._threads(candidate), reserved=reserved)
            jobs.append(self._options.job(candidate, share))
        self._workers.submit(bundle, jobs)

    def _threads(self, candidate: Candidate) -> int:
        """Share out the workers that will have no file: several threads of its worker do a large one."""
        if candidate.size < BUNDLE_BYTES or not self._backlog.is_complete or candidate.path in self._suspects:
            return 1
        jobs = self._workers.jobs
        files = jobs - self._workers.idle + 1 + self._backlog.waiting
        return max(1, jobs // files)

    def _take(self, outcome: Outcome) -> Iterator[FileReport]:
        ended = [self._in_flight.pop(report.path, None) for report in outcome.reports]
        for returned in outcome.returned:
            self._in_flight.pop(returned.path, None)
        self._waits_for_space = False
        if not self._stop.is_set:
            self._backlog.put_back([*outcome.returned, *self._held])
        self._held.clear()
        if outcome.reports:
            self._deaths = 0
        if outcome.death is not None:
            self._in_flight.pop(outcome.death.candidate.path, None)
            self._note(outcome.death)
        for report, candidate in zip(outcome.reports, ended, strict=True):
            if report.retry_alone and candidate is not None and self._comes_again(report, candidate):
                continue
            self._suspects.pop(report.path, None)
            if report.disk_is_full and self._stop.reason is None and self._is_full(report):
                self._stop.reason = f"{_full(report)}: {report.reason}"
            yield report

    def _is_full(self, report: FileReport) -> bool:
        """Whether to stop: not for a file that was refused before anything was written, unless others were as well.

        The next one may be smaller, or on another disk.
        """
        self._without_room += report.retry_alone
        self._last_without_room = report.reason or ""
        return not report.retry_alone or self._without_room == MAX_WITHOUT_ROOM

    def _comes_again(self, report: FileReport, candidate: Candidate) -> bool:
        """Put a file off that may be possible later; False if it has had its last try."""
        if self._stop.is_set or candidate.path in self._retried:
            return False
        if report.disk_is_full and self._in_flight:
            self._held.append(candidate)
            self._waits_for_space = True
        else:
            self._alone.append(candidate)
        return True

    def _note(self, death: Death) -> None:
        """Suspect a file, or blame it for certain; deaths of the second kind say nothing about the machine."""
        path = death.candidate.path
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


def _take_bundle(backlog: Backlog, jobs: int) -> list[Candidate]:
    most = min(BUNDLE_FILES, max(1, backlog.waiting // (SHARES * jobs)))
    bundle: list[Candidate] = []
    size = 0
    while len(bundle) < most and size < BUNDLE_BYTES and (candidate := backlog.take()) is not None:
        bundle.append(candidate)
        size += candidate.size
    return bundle
