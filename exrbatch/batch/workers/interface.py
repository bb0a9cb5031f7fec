"""What a run needs from its workers, wherever they are, and what it learns from them.

`pool` has workers on this machine, and the package `cluster` has them on others.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

from exrbatch.batch.discovery.candidate import Candidate
from exrbatch.batch.options import Options
from exrbatch.errors import ReasonCode
from exrbatch.jobs.file_report import FileReport
from exrbatch.jobs.job import Job
from exrbatch.journal.writer import Journal


class Running(NamedTuple):
    """A file that a worker is processing.

    Attributes:
        slot: index of the worker's slot.
        candidate: the file.
        done: fraction of the file that is done, 0 to 1.
        seconds: seconds since the bundle of the file was handed to the worker, without those in
            which it was frozen.
        ended_size: bytes of the files before it in its bundle, which have ended, but are not
            reported yet.
        waited: the part of `seconds` in which the worker waited because of a limit of bytes per
            second.
        host: name of the machine of the worker; empty for this one.
    """

    slot: int
    candidate: Candidate
    done: float
    seconds: float
    ended_size: int = 0
    waited: float = 0.0
    host: str = ""

    @property
    def done_size(self) -> float:
        """Bytes of the bundle that are done."""
        return self.ended_size + self.done * self.candidate.size


class Death(NamedTuple):
    """The death of a worker that was processing a file.

    Attributes:
        candidate: the file.
        reason: how the worker died, in words.
        code: whether it died of a crash or of the time limit.
        is_lost: whether this is no sign of trouble on this machine: the server that had forked the
            worker was killed, or the worker was one of a cluster.
    """

    candidate: Candidate
    reason: str
    code: ReasonCode
    is_lost: bool = False


class Outcome(NamedTuple):
    """The result of a task.

    Attributes:
        reports: reports of the files that have ended.
        returned: files that must be handed out again. The worker did not start them, or it died and
            their reports are lost.
        death: the death of the worker, or None.
    """

    reports: list[FileReport]
    returned: Sequence[Candidate] = ()
    death: Death | None = None


class Workers(Protocol):
    """The workers of a run, as the scheduler sees them."""

    @property
    def jobs(self) -> int:
        """Number of workers."""
        ...

    @property
    def idle(self) -> int:
        """Number of free workers."""
        ...

    @property
    def is_busy(self) -> bool:
        """Whether any worker is processing a file."""
        ...

    @property
    def memory(self) -> int:
        """Bytes of memory that all of them together may use for large files; 0 if unknown."""
        ...

    @property
    def share_cores(self) -> bool:
        """Whether a worker may use the cores of idle workers."""
        ...

    def is_enough(self, files: int, size: int) -> bool:
        """Return whether some files of `size` bytes together are enough for one bundle."""
        ...

    def submit(self, bundle: Sequence[Candidate], jobs: Sequence[Job]) -> None:
        """Give files to a free worker, which processes them one after another."""
        ...

    def request_stop(self) -> None:
        """Request that workers start no other file of their bundles."""
        ...

    def withdraw_stop(self) -> None:
        """Withdraw `request_stop`."""
        ...

    def freeze(self, wanted: bool) -> None:
        """Stop the files in progress where they are, or let them go on."""
        ...

    def resize(self, jobs: int) -> str | None:
        """Change the number of workers, as far as possible now.

        Returns:
            why no more workers can be started; None if they can.
        """
        ...

    def next_finished(self, timeout: float) -> Outcome | None:
        """Wait at most `timeout` seconds for a task to end; return None if none does."""
        ...


class RunWorkers(Workers, Protocol):
    """The workers of a run, as the run sees them. They have been started.

    Attributes:
        started: monotonic time when the first file was handed out; None before that.
        paused: seconds in which nothing went on, because the workers were frozen (before this
            process is suspended, too) or waited for the end of a pause, or the machine slept.
    """

    started: float | None
    paused: float

    def running(self) -> Iterator[Running]:
        """List the files in progress."""
        ...

    def set_rate(self, rate: int | None) -> None:
        """Limit how much all workers together read and write.

        Args:
            rate: bytes per second; None for no limit.
        """
        ...

    def close(self) -> None:
        """Let the workers finish the files in progress, then part with them."""
        ...

    def kill(self) -> list[FileReport]:
        """Stop the workers immediately, and return the reports of files that they had done."""
        ...


class Setting(NamedTuple):
    """What workers must know about their run.

    Attributes:
        options: its options; `jobs` is the number of workers to begin with.
        folders: the folders that the workers must be able to reach.
        journal: its journal, if it has one.
        notice: called with lines for the user about what was noticed on the way.
    """

    options: Options
    folders: Sequence[str]
    journal: Journal | None
    notice: Callable[[str], None]


class Engine(Protocol):
    """Starts the workers of a run.

    Attributes:
        is_elsewhere: whether the workers are not on this machine.
    """

    is_elsewhere: bool

    @property
    def most_jobs(self) -> int:
        """The largest number of workers that is possible."""
        ...

    def jobs(self, wanted: int | None) -> tuple[int | None, str | None]:
        """Return the number of workers to begin with.

        Args:
            wanted: the number that the user wants, if any.

        Returns:
            the number, or None for as many as there are, which may change during the run; and a
            line for the user if it is less than it should be, or None.
        """
        ...

    def start(self, setting: Setting) -> RunWorkers:
        """Start the workers.

        Raises:
            RunStopped: they can't be started.
        """
        ...
