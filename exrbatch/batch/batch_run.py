"""`BatchRun`: a run over many files, for programs that use the library."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from exrbatch.batch.run import Run
from exrbatch.errors import RunStopped
from exrbatch.jobs.file_report import FileReport, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class RunProgress:
    """How far a run has come.

    Attributes:
        files: number of files that have ended.
        found: number of files that the scan has found so far.
        is_scanned: whether the scan has ended, so that `found` and `found_size` are final.
        done_size: bytes of the files that have ended, plus the finished share of files in progress.
        found_size: bytes of all files that the scan has found.
        failed: number of files that have failed.
        saved: bytes saved; negative if files grew.
        seconds: wall time since the run began.
    """

    files: int
    found: int
    is_scanned: bool
    done_size: int
    found_size: int
    failed: int
    saved: int
    seconds: float

    @property
    def fraction(self) -> float:
        """Fraction of the bytes found so far that are done, 0 to 1."""
        return min(1.0, self.done_size / self.found_size) if self.found_size else 0.0


ProgressCallback = Callable[[RunProgress], object]
"""A function that gets the progress of a run."""


class BatchRun(Iterator[FileReport]):
    """A run over many files: an iterator over the report of each file.

    The run proceeds while the next report is requested. In a `with` statement, it ends with the
    block: files in progress are finished, and no others are started. If the block ends with
    KeyboardInterrupt or SystemExit, the workers are killed, which is safe for the files.

    Attributes:
        totals: totals of the files that have been reported so far.
    """

    def __init__(self, run: Run, progress: ProgressCallback | None = None) -> None:
        """Prepare a run. Nothing starts before the first report is requested.

        Args:
            run: the run; it has not started yet.
            progress: called about ten times a second while the next report is awaited, and when a
                file ends, in the thread that iterates.
        """
        self.totals = run.new_totals()
        self._run = run
        self._progress = progress
        self._events = run.events()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> FileReport:
        """Return the report of the next file that ends.

        Raises:
            RunStopped: the run ended early: by a limit, or because it could not go on.
        """
        for event in self._events:
            if event is not None:
                self.totals.add(event)
            if self._progress is not None:
                self._progress(self._snapshot())
            if event is not None:
                return event
        is_first_end = self.totals.stop_reason is None
        self._run.complete(self.totals)
        if is_first_end and self._run.stop.reason is not None:
            raise RunStopped(self._run.stop.reason)
        raise StopIteration

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None and not issubclass(kind, Exception):
            self._run.kill()
        self.close()

    def cancel(self) -> None:
        """Request that no other file be started. Any thread or signal handler may call this.

        Iterating goes on until the files in progress have been reported. Then it ends normally.
        """
        self._run.stop.is_cancelled = True

    def close(self) -> None:
        """End the run: finish the files in progress without reporting them, and start no others."""
        self._events.close()

    def _snapshot(self) -> RunProgress:
        backlog, running = self._run.backlog, self._run.running()
        return RunProgress(
            files=self.totals.files,
            found=backlog.files,
            is_scanned=backlog.is_complete,
            done_size=self.totals.done_size + round(sum(row.done_size for row in running)),
            found_size=backlog.size,
            failed=self.totals.counts[Status.FAILED],
            saved=self.totals.saved,
            seconds=self.totals.seconds,
        )
