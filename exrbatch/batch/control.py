"""What a run is asked to do while it goes on: pause, go on, or stop.

The user, a limit and other programs ask; the scheduler obeys. Threads may share a `Control`.
"""

from collections.abc import Callable


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
    no file starts.

    Attributes:
        stop: the request to stop.
        refusal: returns why files of some bytes must not start any more, or None if they may. By
            default, all files may start.
    """

    def __init__(self) -> None:
        self.stop = StopRequest()
        self.refusal: Callable[[int], str | None] = lambda _size: None
        self._pauses: dict[str, None] = {}  # a set in the order in which they began

    def pause(self, why: str) -> None:
        """Start no more files.

        Args:
            why: the reason in words, such as "paused by the user". It is shown to the user.
        """
        self._pauses[why] = None

    def resume(self, why: str) -> None:
        """Withdraw a request to pause. Other requests remain.

        Args:
            why: the reason that was given to `pause`.
        """
        self._pauses.pop(why, None)

    @property
    def pauses(self) -> tuple[str, ...]:
        """Why the run is paused, oldest reason first; empty if it is not."""
        return tuple(self._pauses)
