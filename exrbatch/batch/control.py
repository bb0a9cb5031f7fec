"""What a run is asked to do while it goes on: pause, go on, change its workers, or stop.

The user, a limit and other programs ask; the scheduler obeys. Threads may share a `Control`.
"""

import threading
from collections.abc import Callable

PAUSED = "paused by the user"
FROZEN = "frozen by the user"
BY_USER = "by the user"
"""How the reason begins if the user has ended the run."""


class StopRequest:
    """A request to stop the run. Once it is set, running files are finished and no new file starts.

    Attributes:
        signal_number: the signal that requested the stop, or None.
        reason: why it makes no sense to continue, or None.
        is_cancelled: whether a program that uses the library requested the stop.
    """

    def __init__(self) -> None:
        self.signal_number: int | None = None
        self.reason: str | None = None
        self.is_cancelled = False

    @property
    def is_set(self) -> bool:
        """Whether the run must stop."""
        return self.signal_number is not None or self.reason is not None or self.is_cancelled


class Control:
    """The requests to one run.

    A run is paused as long as anybody wants it to pause. Files in progress are finished then, and
    no file starts. If it is frozen, files in progress stop where they are, too.

    Attributes:
        stop: the request to stop.
        jobs: number of workers that the run shall have; None to leave the number as it is.
        most_jobs: the largest number of workers that is possible.
        refusal: why the last request for more workers could not be fulfilled; None if it could.
        start_refusal: returns why files of some bytes must not start any more, or None if they may.
            By default, all files may start.
    """

    def __init__(self, jobs: int | None = None, most_jobs: int = 1) -> None:
        """Begin without requests.

        Args:
            jobs: number of workers at the beginning; None if it does not change.
            most_jobs: the largest number of workers that is possible.
        """
        self.stop = StopRequest()
        self.jobs = jobs
        self.most_jobs = most_jobs
        self.refusal: str | None = None
        self.start_refusal: Callable[[int], str | None] = lambda _size: None
        self._pauses: dict[str, None] = {}  # a set in the order in which they began
        self._lock = threading.Lock()

    def pause(self, why: str) -> None:
        """Start no more files.

        Args:
            why: the reason in words, such as "paused by the user". It is shown to the user.
        """
        with self._lock:
            self._pauses[why] = None

    def resume(self, why: str) -> None:
        """Withdraw a request to pause. Other requests remain.

        Args:
            why: the reason that was given to `pause`.
        """
        with self._lock:
            self._pauses.pop(why, None)

    @property
    def pauses(self) -> tuple[str, ...]:
        """Why the run is paused, oldest reason first; empty if it is not."""
        with self._lock:
            return tuple(self._pauses)

    @property
    def is_frozen(self) -> bool:
        """Whether files in progress shall stop where they are.

        A run that is to end is not frozen, because it finishes these files.
        """
        return FROZEN in self.pauses and not self.stop.is_set

    def pause_for_user(self, *, now: bool = False) -> None:
        """Pause until `resume_for_user`.

        Args:
            now: freeze the files in progress, too. Otherwise they are finished, even if they were
                frozen before.
        """
        self.pause(FROZEN if now else PAUSED)
        self.resume(PAUSED if now else FROZEN)

    def resume_for_user(self) -> None:
        """Withdraw what the user has paused or frozen. Pauses by limits remain."""
        self.resume(PAUSED)
        self.resume(FROZEN)

    def set_jobs(self, wanted: int) -> int:
        """Request a number of workers. Return the number that is possible."""
        self.refusal = None
        self.jobs = max(1, min(wanted, self.most_jobs))
        return self.jobs

    def refuse_jobs(self, possible: int, why: str) -> None:
        """Note that no more workers could be started.

        Args:
            possible: number of workers that there are.
            why: the reason in words.
        """
        self.jobs, self.refusal = possible, why

    def finish(self, why: str) -> None:
        """Finish the files in progress and end the run. An earlier reason stays.

        Args:
            why: the reason in words.
        """
        if self.stop.reason is None:
            self.stop.reason = why
