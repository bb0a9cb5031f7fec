"""run(...) -> iterator of FileReport: keeps every worker busy, never hands out more files than there are workers."""

from collections.abc import Iterator
from typing import Protocol

from exrbatch.batch.backlog import Backlog
from exrbatch.batch.discover import Candidate
from exrbatch.batch.options import Options
from exrbatch.file.plan import FilePlan
from exrbatch.file.report import FileReport

TICK = 0.1
"""Seconds between looks at the clock while nothing ends."""
STARVED_TICK = 0.01
"""The same while a worker is free and the scan has not found the next file yet."""


class Workers(Protocol):
    """What the scheduler needs of a pool."""

    @property
    def has_idle(self) -> bool:
        """Whether a worker is free."""
        ...

    @property
    def is_busy(self) -> bool:
        """Whether a worker has a file."""
        ...

    def submit(self, candidate: Candidate, plan: FilePlan) -> None:
        """Give a file to a free worker."""
        ...

    def next_finished(self, timeout: float) -> FileReport | None:
        """Wait for a file to end, at most `timeout` seconds."""
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
        while (report := backlog.take_report()) is not None:
            yield report
        while workers.has_idle and (candidate := backlog.take()) is not None:
            workers.submit(candidate, options.plan(candidate.path, candidate.destination))
        if not workers.is_busy and backlog.is_exhausted:
            return
        starved = workers.has_idle and not backlog.is_complete
        yield workers.next_finished(STARVED_TICK if starved else TICK)
