"""Slow a worker down, so that it reads and writes no more bytes per second than it may.

The parent process divides the limit of the run among the busy workers. Each worker saves up bytes
at its rate, spends them while it processes a file, and waits when it has none left. So the limit
holds on average over some seconds, and no worker waits for another.
"""

import time
from collections.abc import Callable

from exrbatch.jobs.file_report import FileReport, Status, size_of

SAVED_SECONDS = 0.2
"""A worker that has waited for a file may catch up on this many seconds."""
LEAST_NAP = 0.001
"""Seconds of the shortest wait."""
NAP = 0.1
"""Maximum seconds between two looks at the rate, which may change, and at the request to stop."""
MOVED = (Status.RECOMPRESSED, Status.NO_GAIN)
"""Files that end like this were read, and a new file was written."""
READ_ONCE = (Status.SOUND, Status.DIGESTED)
"""Files that end like this were read, and nothing else; so were those compared with a digest."""


class Throttle:
    """The budget of one worker."""

    def __init__(
        self,
        rate: Callable[[], float],
        is_stopping: Callable[[], bool],
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Begin with an empty budget.

        Args:
            rate: returns the bytes per second that the worker may read and write; 0 for no limit.
            is_stopping: returns whether the run is to end soon, so that no time may be lost.
            clock: returns the time in seconds.
            sleep: waits for some seconds.
        """
        self._rate, self._is_stopping, self._clock, self._sleep = rate, is_stopping, clock, sleep
        self._budget = 0.0
        self._last = clock()
        self._size = self._spent = 0.0

    def begin(self, path: str) -> None:
        """Begin a file."""
        self._size = 2.0 * size_of(path) if self._rate() else 0.0  # read, and written as large as that at most
        self._spent = 0.0

    def proceed(self, done: float) -> None:
        """Pay for what was read and written so far, and wait until the budget allows more.

        Args:
            done: fraction of the file that is done, 0 to 1.
        """
        if self._size:
            self._pay(done * self._size)

    def end(self, report: FileReport) -> None:
        """End a file: pay for what was really read and written."""
        if self._size:
            self._pay(_moved(report, self._spent))
            self._size = 0.0

    def _pay(self, total: float) -> None:
        """Pay the difference between all that the file has cost and what was paid for it."""
        self._save_up()
        self._budget -= total - self._spent
        self._spent = total
        while self._budget < 0 and (rate := self._rate()) and not self._is_stopping():
            # A wait that is too short for the clock would go on for ever because of rounding.
            self._sleep(min(NAP, max(LEAST_NAP, -self._budget / rate)))
            self._save_up()
        if not self._rate():
            self._budget = 0.0

    def _save_up(self) -> None:
        now, rate = self._clock(), self._rate()
        earned = self._budget + (now - self._last) * rate
        self._budget = min(earned, max(self._budget, SAVED_SECONDS * rate))
        self._last = now


def _moved(report: FileReport, spent: float) -> float:
    """Return the bytes that a file has cost, as far as its report tells; else what was paid."""
    if report.status in MOVED:
        return report.size_before + (report.size_after if report.tried_size is None else report.tried_size)
    if report.copied:
        return 2.0 * report.size_before
    return report.size_before if report.status in READ_ONCE or report.content_sha256 is not None else spent
