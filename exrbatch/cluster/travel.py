"""What travels between this process and the workers of a cluster."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from exrbatch.cluster.tokens import Token
from exrbatch.jobs.file_report import FileReport
from exrbatch.jobs.job import Job
from exrbatch.jobs.recompress_job import RecompressJob
from exrbatch.paths import absolute

EVENTS_PER_SECOND = 100.0
"""Events about progress that all workers together send at most."""
RATE_TOLERANCE = 0.05
"""Workers get a new rate if it differs from the present one by more than this fraction."""


class Orders(NamedTuple):
    """What a run asks of its workers at present. Later orders have a higher number.

    Attributes:
        number: their number.
        stop: start no other file of a bundle.
        frozen: stop where you are, until other orders come.
        cancelled: give the file in progress up.
        rate: bytes per second that a worker may read and write; 0 for no limit.
    """

    number: int = 0
    stop: bool = False
    frozen: bool = False
    cancelled: bool = False
    rate: float = 0.0

    def is_about(self, rate: float) -> bool:
        """Return whether the rate is so near to another one that no new orders are needed."""
        return abs(rate - self.rate) <= RATE_TOLERANCE * self.rate


class Task(NamedTuple):
    """Some files for one worker.

    Attributes:
        topic: topic of the events of the run, which identifies it.
        number: number of the bundle.
        indexes: place in the bundle of each file.
        jobs: what to do with each file; all paths are absolute.
        tokens: the folders that the worker must see.
        orders: the orders at the start.
        every: seconds between two events about progress.
        has_journal: whether the worker can write to the journal of the run itself.
        sweep: folders in which a worker of the same machine died.
    """

    topic: str
    number: int
    indexes: Sequence[int]
    jobs: Sequence[Job]
    tokens: Sequence[Token]
    orders: Orders
    every: float
    has_journal: bool
    sweep: Sequence[tuple[str, str | None]]


def event_interval(workers: int) -> float:
    """Return the seconds between two events of a worker about its progress."""
    return max(0.5, workers / EVENTS_PER_SECOND)


def for_elsewhere(job: Job) -> Job:
    """Return a job for a process with another current folder, whose host does nothing else."""
    if not isinstance(job, RecompressJob):
        return job
    place = job.place
    return replace(
        job,
        share=replace(job.share, threads=1),
        place=replace(
            place,
            source=absolute(place.source),
            destination=_absolute(place.destination),
            backup=_absolute(place.backup),
            hard_links=tuple(map(absolute, place.hard_links)),
            like=_absolute(place.like),
            root=_absolute(place.root),
        ),
    )


def as_at_home(report: FileReport, job: Job, host: str) -> FileReport:
    """Return the report of a job that ran elsewhere, with the paths as they are written here."""
    destination = job.destination if report.destination is not None else None
    return replace(report, path=job.source, destination=destination, host=host)


def _absolute(path: str | None) -> str | None:
    return None if path is None else absolute(path)
