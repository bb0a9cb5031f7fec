"""What a job is: something to do with one file, made in the parent, run in any process. Light to import.

Each kind of job has a module of its own (`recompress_job`, `compare_job`, `measure_job`) with two frozen dataclasses:
the rules, which hold for all files of a run, and the job, which is about one of them. What a run needs to know of a
kind it asks its rules; what it needs to know of a file it asks its job. So a new kind needs no change elsewhere.
"""

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from exrbatch.jobs.file_report import FileReport
from exrbatch.recompression.progress import Progress, ignore_progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a file is, and what belongs to it.

    Attributes:
        source: its path.
        destination: path of its output; None to replace it in place.
        backup: where the original is kept meanwhile, or for good.
        other: the file that it is compared with.
        hard_links: its other names, which are to get the new file, too.
        like: the path that destination or backup mirror, where that is not `source`.
        root: the folder that must hold them, whatever links are on the way.
    """

    source: str
    destination: str | None = None
    backup: str | None = None
    other: str | None = None
    hard_links: tuple[str, ...] = ()
    like: str | None = None
    root: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What a job may take while others are in progress.

    Attributes:
        memory: bytes of memory; 0 stands for what every file may take.
        threads: how many may work on the file.
        reserved: bytes of disk that other files in progress may still need.
    """

    memory: int = 0
    threads: int = 1
    reserved: int = 0


class Job(ABC):
    """One file and what to do with it; plain values only, so that it can cross to any process."""

    __slots__ = ()
    measures_memory: ClassVar[bool] = False
    """Whether the worker's peak memory belongs to its report."""

    if TYPE_CHECKING:  # a property in here would be taken for the default of a subclass's attribute

        @property
        def source(self) -> str:
            """Path of the file."""
            ...

    @property
    def destination(self) -> str | None:
        """Path of the other file that the report names, if there is one."""
        return None

    @abstractmethod
    def do(self, progress: Progress) -> FileReport:
        """Do it, or raise what `outcome` understands."""

    def outcome(self, error: Exception) -> FileReport:
        """Make the report of a job that ended with an error."""
        from exrbatch.jobs.outcomes import outcome_of  # it takes numpy with it, which the parent can do without

        return outcome_of(error, self)

    def folders(self) -> dict[str, str | None]:
        """Tell in which folders temp files may lie; for those of backups, in which folder the frames lie."""
        return {}

    def find_result(self, _pid: int, _size: int) -> FileReport | None:
        """Find out whether a worker that died, given its process number, had done the job all the same."""
        return None


class Rules(ABC):
    """What holds for every file of a run, whatever kind of job it is."""

    __slots__ = ()
    replaces_files: ClassVar[bool] = False
    """Whether files are replaced in place, unless they have a place in an output tree."""
    must_do_all: ClassVar[bool] = False
    """Whether a file that is passed over has failed, as one that was not compared is not known to be equal."""

    @property
    def seconds_per_megabyte(self) -> float:
        """How long a file may take for each MB: a tenth of the speed of the slowest codec measured."""
        return 10.0

    @property
    def writes(self) -> bool:
        """Whether anything is written."""
        return False

    @property
    def relinks(self) -> bool:
        """Whether all hard links of a file are to be found before it is done."""
        return False

    @property
    def is_one_name_at_a_time(self) -> bool:
        """Whether two names of one file must not be in progress at the same time."""
        return False

    @property
    @abstractmethod
    def title(self) -> str:
        """Say what is being done, for the dashboard."""

    @abstractmethod
    def job(self, place: Place, share: Share) -> Job:
        """Make the job of one file."""


def run(job: Job, progress: Progress = ignore_progress) -> FileReport:
    """Do a job. Never raises an `Exception`: what goes wrong with the file is in the report.

    It depends on nothing but its arguments and the file system, and can be run again at any time: on a finished file
    the answer is ALREADY. So any `concurrent.futures.Executor` can call it. `progress` is called with the part of the
    file that is done, 0 to 1.
    """
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        report = job.do(progress)
    except Exception as error:  # noqa: BLE001  even a bug of ours must not cost the other files of the batch
        report = job.outcome(error)
    return replace(report, seconds=time.perf_counter() - wall, cpu_seconds=time.process_time() - cpu)
