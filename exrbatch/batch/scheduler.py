"""run(...) -> iterator of FileReport: keeps every worker busy, never hands out more than each is working on."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from exrbatch.batch.backlog import Backlog
from exrbatch.batch.discover import Candidate
from exrbatch.batch.options import Options
from exrbatch.batch.pool import Outcome
from exrbatch.file.plan import FilePlan
from exrbatch.file.report import FileReport

TICK = 0.1
"""Seconds between looks at the clock while nothing ends."""
BUNDLE_FILES, BUNDLE_BYTES = 16, 16_000_000
"""Small files go to a worker in bundles up to these limits; a file of that size goes alone."""
SHARES = 4
"""A bundle is at most this part of one worker's share of what waits: none idles while another has many."""
STARVED_TICK = 0.01
"""The same while a worker is free and the scan has not found the next file yet."""


class Workers(Protocol):
    """What the scheduler needs of a pool."""

    @property
    def jobs(self) -> int:
        """How many workers there are."""
        ...

    @property
    def has_idle(self) -> bool:
        """Whether a worker is free."""
        ...

    @property
    def is_busy(self) -> bool:
        """Whether a worker has a file."""
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
    """Set by a signal handler: nothing new starts, what runs is finished. `signal_number`: which one."""

    def __init__(self) -> None:
        self.signal_number: int | None = None


def run(backlog: Backlog, workers: Workers, options: Options, stop: StopRequest) -> Iterator[FileReport | None]:
    """Do all files of a backlog that has been started; yield each report as it comes.

    None is yielded about every TICK when nothing ended, so that the caller can look at its clock.
    """
    while True:
        if stop.signal_number is not None:
            backlog.stop()
            workers.request_stop()
        while (report := backlog.take_report()) is not None:
            yield report
        while workers.has_idle and (bundle := _take_bundle(backlog, workers.jobs)):
            workers.submit(bundle, [options.plan(each.path, each.destination) for each in bundle])
        if not workers.is_busy and backlog.is_exhausted:
            return
        starved = workers.has_idle and not backlog.is_complete
        outcome = workers.next_finished(STARVED_TICK if starved else TICK)
        if outcome is None:
            yield None
            continue
        if stop.signal_number is None:
            backlog.put_back(outcome.returned)
        yield from outcome.reports


def _take_bundle(backlog: Backlog, jobs: int) -> list[Candidate]:
    most = min(BUNDLE_FILES, max(1, backlog.waiting // (SHARES * jobs)))
    bundle: list[Candidate] = []
    size = 0
    while len(bundle) < most and size < BUNDLE_BYTES and (candidate := backlog.take()) is not None:
        bundle.append(candidate)
        size += candidate.size
    return bundle
