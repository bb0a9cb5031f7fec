"""The files still to be done: filled by a scan on its own thread, emptied largest first within a window."""

import heapq
import threading
from collections import deque
from collections.abc import Iterable, Sequence

from exrbatch.batch.discovery.candidate import Candidate
from exrbatch.jobs.file_report import FileReport

WINDOW = 1000
"""Files among which the largest goes first: the end of a run isn't one long file, and yet files that lie
together on the disk are done at about the same time."""


GIANT = 4
"""A file so many times as large as the mean of those before it need not wait for the window: begun late, it would
keep one worker busy when all the others have nothing left."""


class Backlog:
    """Totals grow while the scan goes on; `files` and `size` (bytes) count everything that it has found."""

    def __init__(self, found: Iterable[Candidate | FileReport]) -> None:
        self._found = found
        self._queue: deque[Candidate] = deque()
        self._giants: deque[Candidate] = deque()
        self._window: list[tuple[int, int, Candidate]] = []
        self._reports: deque[FileReport] = deque()
        self._thread = threading.Thread(target=self._scan, name="exrbatch-scan", daemon=True)
        self._error: BaseException | None = None
        self._taken = 0
        self._stopped = False
        self.files = 0
        self.size = 0
        self.is_complete = False

    def start(self) -> None:
        """Begin to scan."""
        self._thread.start()

    def stop(self) -> None:
        """End the scan and forget what is left."""
        self._stopped = True
        self._queue.clear()
        self._giants.clear()
        self._window.clear()

    def take(self) -> Candidate | None:
        """Take the next file, or None if there is none now (`is_exhausted` tells whether more may come)."""
        while self._giants:
            self._push(self._giants.popleft())
        while self._queue and len(self._window) < WINDOW:
            self._push(self._queue.popleft())
        return heapq.heappop(self._window)[2] if self._window else None

    def put_back(self, candidates: Sequence[Candidate]) -> None:
        """Take back files that were handed out but not done."""
        for candidate in candidates:
            self._push(candidate)

    def _push(self, candidate: Candidate) -> None:
        self._taken += 1
        heapq.heappush(self._window, (-candidate.size, self._taken, candidate))

    def take_report(self) -> FileReport | None:
        """Take the report of something that the scan found to be no candidate."""
        return self._reports.popleft() if self._reports else None

    @property
    def waiting(self) -> int:
        """Files that have been found and not yet taken."""
        return len(self._window) + len(self._queue) + len(self._giants)

    @property
    def is_exhausted(self) -> bool:
        """Whether nothing is left and nothing will come. Raises what the scan raised."""
        # is_complete is looked at first: what the scan finds, it hands over before it says that it is complete.
        exhausted = self.is_complete and not (self._queue or self._giants or self._window or self._reports)
        if exhausted and self._error is not None:
            raise self._error
        return exhausted or self._stopped

    def _scan(self) -> None:
        try:
            for found in self._found:
                if self._stopped:
                    break
                self.files += 1
                if isinstance(found, FileReport):
                    self._reports.append(found)
                else:
                    is_giant = found.size * (self.files - 1) > GIANT * self.size > 0
                    self.size += found.size
                    (self._giants if is_giant else self._queue).append(found)
        except BaseException as error:  # noqa: BLE001  the thread must not die in silence: the run would look finished
            self._error = error
        self.is_complete = True
