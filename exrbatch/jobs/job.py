"""Jobs: what to do with one file. A job is made in the parent process and can run in any process.

Each kind of job has a module of its own (`recompress_job`, `compare_job`, `check_job`,
`digest_job`, `measure_job`) with two frozen dataclasses: the rules, which apply to all files of a
run, and the job, which is about one file. A run asks the rules about the kind of job, and the job
about its file.

This module is light to import.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from exrbatch.jobs.file_report import FileReport, Status
from exrbatch.jobs.known import Known
from exrbatch.jobs.restoring import Restore
from exrbatch.recompression.progress import Progress, ignore_progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The path of a file, and the paths that belong to it.

    Attributes:
        source: path of the file.
        destination: path of its output; None to replace the file in place.
        backup: path of its backup; None for no backup.
        other: path of the file that it is compared with.
        hard_links: its other names, which must get the new file, too.
        like: the path that the destination or backup mirrors, if that is not `source`.
        root: the folder that must contain the destination or backup after links are resolved.
        known: what an earlier run has recorded about the file, if a look at its state proves
            nothing.
        restore: what it was before an earlier run that is to be undone.
    """

    source: str
    destination: str | None = None
    backup: str | None = None
    other: str | None = None
    hard_links: tuple[str, ...] = ()
    like: str | None = None
    root: str | None = None
    known: Known | None = None
    restore: Restore | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """The resources that a job may use while other jobs are in progress.

    Attributes:
        memory: bytes of memory; 0 for the minimum that every file may use.
        threads: number of threads that may work on the file.
        reserved: bytes of disk space that other files in progress may still need.
    """

    memory: int = 0
    threads: int = 1
    reserved: int = 0


class Job(ABC):
    """One file and what to do with it.

    A job has plain values only, so that any process can receive it.
    """

    __slots__ = ()
    measures_memory: ClassVar[bool] = False
    """Whether the report includes the worker's peak memory."""

    if TYPE_CHECKING:  # at run time, a dataclass would take this property for a field's default value

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
        """Do the job and return its report.

        Args:
            progress: called with the fraction of the file that is done, from 0 to 1.

        Raises:
            Exception: Any error; `outcome` turns it into a report.
        """

    def outcome(self, error: Exception) -> FileReport:
        """Return the report of a job that ended with an error."""
        from exrbatch.jobs.outcomes import outcome_of  # imports numpy, which the parent does not need

        return outcome_of(error, self)

    def folders(self) -> dict[str, str | None]:
        """Return the folders in which the job may leave temp files.

        Returns:
            Each folder; for a folder of backups with the folder of their frames, else with None.
        """
        return {}

    def find_result(self, _pid: int, _size: int) -> FileReport | None:
        """Return the report of a job that was finished although its worker died, or None.

        Args:
            _pid: process ID of the worker.
            _size: size of the source in bytes before the job.
        """
        return None


class Rules(ABC):
    """What applies to every file of a run. Each kind of job has a subclass."""

    __slots__ = ()
    replaces_files: ClassVar[bool] = False
    """Whether files without a place in an output tree are replaced in place."""
    must_do_all: ClassVar[bool] = False
    """Whether a skipped file counts as failed.

    It does in a comparison: a file that was not compared is not known to be equal.
    """

    needs_files: ClassVar[bool] = False
    """Whether a run that finds no files has failed. A comparison has then compared nothing."""
    needs_all: ClassVar[bool] = False
    """Whether a run that skips a file for an unexpected reason has failed.

    A check has: the file is not known to be sound.
    """
    saves_bytes: ClassVar[bool] = False
    """Whether the run is about bytes saved."""

    @property
    @abstractmethod
    def statuses(self) -> tuple[Status, ...]:
        """How the files of such a run can end."""

    @property
    def seconds_per_megabyte(self) -> float:
        """Time limit in seconds per MB: ten times as long as the slowest codec measured takes."""
        return 10.0

    @property
    def writes(self) -> bool:
        """Whether anything is written."""
        return False

    @property
    def relinks(self) -> bool:
        """Whether all hard links of a file must be found before the file is processed."""
        return False

    @property
    def listed(self) -> Collection[str] | None:
        """Paths of the files that a list names, as the scan spells them; None without a list.

        Those that the scan does not find have failed.
        """
        return None

    @property
    def is_one_name_at_a_time(self) -> bool:
        """Whether two names of one file must not be in progress at the same time."""
        return False

    @property
    @abstractmethod
    def title(self) -> str:
        """What the run does, for the dashboard."""

    @abstractmethod
    def job(self, place: Place, share: Share) -> Job:
        """Return the job for one file."""


def run(job: Job, progress: Progress = ignore_progress) -> FileReport:
    """Do a job and return its report. Any error is in the report: this never raises an `Exception`.

    It depends only on its arguments and the file system, so any `concurrent.futures.Executor` can
    call it. It can be run again at any time: for a finished file, the status is then ALREADY.

    Args:
        job: what to do.
        progress: called with the fraction of the file that is done, from 0 to 1.
    """
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        report = job.do(progress)
    except Exception as error:  # noqa: BLE001  even a bug in exrbatch must not stop the other files
        report = job.outcome(error)
    return replace(
        report,
        seconds=time.perf_counter() - wall,
        cpu_seconds=time.process_time() - cpu,
        ended_at=time.time(),
    )
