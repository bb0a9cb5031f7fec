"""Scheduler.run() -> reports: keeps every worker busy, never hands out more than each is working on.

A file that a worker died of is done once more at the end, when nothing else runs: it may have been the
victim of others' hunger for memory. If it does it again, it fails.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

from exrbatch.batch.backlog import Backlog
from exrbatch.batch.candidate import Candidate
from exrbatch.batch.options import Options
from exrbatch.batch.pool import Death, Outcome
from exrbatch.file.plan import FilePlan
from exrbatch.file.report import FileReport, failed

TICK = 0.1
"""Seconds between looks at the clock while nothing ends."""
BUNDLE_FILES, BUNDLE_BYTES = 16, 16_000_000
"""Small files go to a worker in bundles up to these limits; a file of that size goes alone."""
SHARES = 4
"""A bundle is at most this part of one worker's share of what waits: none idles while another has many."""
MAX_DEATHS = 3
"""So many workers that die with no success between them mean that something is wrong with more than a file."""
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

    def submit(self, bundle: Sequence[Candidate], plans: Sequence[FilePlan]) -> None:
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

    def __init__(self, backlog: Backlog, workers: Workers, options: Options, stop: StopRequest) -> None:
        self._backlog = backlog
        self._workers = workers
        self._options = options
        self._stop = stop
        self._suspects: dict[str, Death] = {}  # by path: files that a worker died of, to be done once more
        self._retried: set[str] = set()
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
        for death in self._suspects.values():
            yield failed(self._options.plan(death.candidate), death.reason, death.candidate.size)

    def _hand_out(self) -> bool:
        """Give free workers files; False if there is nothing more to do."""
        while self._workers.idle and (bundle := _take_bundle(self._backlog, self._workers.jobs)):
            self._submit(bundle)
        if self._workers.idle < self._workers.jobs or not self._backlog.is_exhausted:
            return True
        suspects = [death for path, death in self._suspects.items() if path not in self._retried]
        if not suspects or self._stop.is_set:
            return False
        self._retried.add(suspects[0].candidate.path)
        self._submit([suspects[0].candidate])
        return True

    def _submit(self, bundle: Sequence[Candidate]) -> None:
        self._workers.submit(bundle, [self._options.plan(each, self._threads(each)) for each in bundle])

    def _threads(self, candidate: Candidate) -> int:
        """Share out the workers that will have no file: several threads of its worker do a large one."""
        if candidate.size < BUNDLE_BYTES or not self._backlog.is_complete:
            return 1
        jobs = self._workers.jobs
        files = jobs - self._workers.idle + 1 + self._backlog.waiting
        return max(1, jobs // files)

    def _take(self, outcome: Outcome) -> Iterator[FileReport]:
        if not self._stop.is_set:
            self._backlog.put_back(outcome.returned)
        for report in outcome.reports:
            self._suspects.pop(report.path, None)
            if report.disk_is_full and self._stop.reason is None:
                self._stop.reason = f"the disk is full: {report.reason}"
        if outcome.reports:
            self._deaths = 0
        if outcome.death is not None:
            self._note(outcome.death)
        yield from outcome.reports

    def _note(self, death: Death) -> None:
        """Suspect a file, or blame it for certain; deaths of the second kind say nothing about the machine."""
        is_first = death.candidate.path not in self._suspects
        self._suspects[death.candidate.path] = death
        self._deaths += is_first
        if is_first and self._deaths == MAX_DEATHS and self._stop.reason is None:
            self._stop.reason = f"{MAX_DEATHS} workers died one after the other: {death.reason}"


def _take_bundle(backlog: Backlog, jobs: int) -> list[Candidate]:
    most = min(BUNDLE_FILES, max(1, backlog.waiting // (SHARES * jobs)))
    bundle: list[Candidate] = []
    size = 0
    while len(bundle) < most and size < BUNDLE_BYTES and (candidate := backlog.take()) is not None:
        bundle.append(candidate)
        size += candidate.size
    return bundle
