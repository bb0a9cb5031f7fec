"""The files that are still to be processed.

A thread that scans for files fills the backlog. The scheduler takes the largest files first, within
a window.
"""

import heapq
import threading
from collections import deque
from collections.abc import Iterable, Sequence

from exrbatch.batch.discovery.candidate import Candidate
from exrbatch.jobs.file_report import FileReport

WINDOW = 1000
"""Number of files among which the largest is taken first.

A large window keeps the run from ending with one long file. A limited window keeps files that are
close together on the disk close together in time.
"""


GIANT = 4
"""A file that is this many times as large as the mean of the files before it skips the window.

If such a file were started late, it would keep one worker busy when all other workers have nothing
left to do.
"""


class Backlog:
    """Files that were found and are waiting for a worker. The totals grow while the scan proceeds.

    Attributes:
        files: number of files that the scan has found.
        size: their total size in bytes, including files that need no worker.
        is_complete: whether the scan has ended.
        was_cut_short: whether the scan was stopped before its end.
    """

    def __init__(self, found: Iterable[Candidate | FileReport]) -> None:
        """Make a backlog. The scan starts with `start`.

        Args:
            found: yields candidates, and reports of files that are not candidates.
        """
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
        self.was_cut_short = False

    def start(self) -> None:
        """Start the scan."""
        self._thread.start()

    def stop(self) -> None:
        """End the scan, and discard the files that are left."""
        self._stopped = True
        self._queue.clear()
        self._giants.clear()
        self._window.clear()

    def take(self) -> Candidate | None:
        """Take the next file, or None if there is none now.

        If it returns None, `is_exhausted` says whether more files may come.
        """
        while self._giants:
            self._push(self._giants.popleft())
        while self._queue and len(self._window) < WINDOW:
            self._push(self._queue.popleft())
        return heapq.heappop(self._window)[2] if self._window else None

    def put_back(self, candidates: Sequence[Candidate]) -> None:
        """Take back files that were handed out but not processed."""
        for candidate in candidates:
            self._push(candidate)

    def _push(self, candidate: Candidate) -> None:
        self._taken += 1
        heapq.heappush(self._window, (-candidate.size, self._taken, candidate))

    def take_report(self) -> FileReport | None:
        """Take the next report of a path that the scan found to be no candidate, or None."""
        return self._reports.popleft() if self._reports else None

    @property
    def waiting(self) -> int:
        """Number of files that were found and not yet taken."""
        return len(self._window) + len(self._queue) + len(self._giants)

    @property
    def is_exhausted(self) -> bool:
        """Whether no file is left and none will come.

        An error of the scan is raised here, when all files found before it have been taken.
        """
        # `is_complete` must be read first, because the scan sets it after it has queued all files.
        exhausted = self.is_complete and not (self._queue or self._giants or self._window or self._reports)
        if exhausted and self._error is not None:
            raise self._error
        return exhausted or self._stopped

    def _scan(self) -> None:
        try:
            for found in self._found:
                if self._stopped:
                    self.was_cut_short = True
                    break
                self.files += 1
                if isinstance(found, FileReport):
                    self.size += found.size_before
                    self._reports.append(found)
                else:
                    is_giant = found.size * (self.files - 1) > GIANT * self.size > 0
                    self.size += found.size
                    (self._giants if is_giant else self._queue).append(found)
        except BaseException as error:  # noqa: BLE001  raised by `is_exhausted`; the run would look finished otherwise
            self._error = error
        self.is_complete = True
