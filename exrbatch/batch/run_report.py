"""Totals and exit code of a run. Only this module computes them."""

import time
from collections import Counter
from collections.abc import Callable

from exrbatch.jobs.file_report import FileReport, Status

KEPT_FAILURES = 1000
"""Maximum number of failures that are kept to be shown at the end.

The record file (`--report`) has all of them.
"""

EXPECTED_REASONS = ("written less than", "a symbolic link", "a link to a folder")
"""Beginnings of reasons that are no surprise, even if all files of a run are skipped for them."""
EXIT_DONE, EXIT_FAILURES, EXIT_STOPPED = 0, 1, 3


class BatchReport:
    """Totals of a run.

    Attributes:
        counts: number of files per status. Each file counts once, so they add up to `files`.
        done_size: bytes of all files that have ended.
        read_size: bytes of all files that were compressed or compared.
        written_size: bytes of all new files, including those that were not kept.
        saved: bytes that were saved.
        worker_seconds: wall time that workers spent on files, in seconds.
        worker_cpu_seconds: CPU time that workers spent on files, in seconds.
        replaced_size: bytes of the sources of all files that were recompressed.
        failures: reports of the first `KEPT_FAILURES` failures.
        damaged: number of failed files that a check found to be damaged.
        skip_reasons: number of skipped files per reason.
        notes: number of files per note.
        signal_number: the signal that stopped the run, or None.
        stop_reason: why the run was stopped early, or None.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, *, needs_files: bool = False, needs_all: bool = False
    ) -> None:
        """Start with empty totals.

        Args:
            clock: returns the time in seconds.
            needs_files: whether a run that finds no files has failed. This is the case for a
                comparison, because it compared nothing.
            needs_all: whether a run that skips a file for an unexpected reason has failed. This is
                the case for a check: the file is not known to be sound.
        """
        self._needs_all = needs_all
        self._needs_files = needs_files
        self._clock = clock
        self._started = clock()
        self.counts: Counter[Status] = Counter()
        self.done_size = 0
        self.read_size = 0
        self.written_size = 0
        self.saved = 0
        self.worker_seconds = 0.0
        self.worker_cpu_seconds = 0.0
        self.replaced_size = 0
        self.failures: list[FileReport] = []
        self.damaged = 0
        self.skip_reasons: Counter[str] = Counter()
        self.notes: Counter[str] = Counter()
        self.signal_number: int | None = None
        self.stop_reason: str | None = None

    @property
    def files(self) -> int:
        """Number of files that have ended."""
        return self.counts.total()

    @property
    def seconds(self) -> float:
        """Wall time since the run began, in seconds."""
        return self._clock() - self._started

    @property
    def saved_share(self) -> float:
        """Bytes saved as a fraction of the bytes of all replaced files; negative if these grew."""
        return self.saved / self.replaced_size if self.replaced_size else 0.0

    @property
    def waiting_share(self) -> float:
        """Fraction of their time, 0 to 1, in which workers did not compute but waited.

        They mostly wait for storage.
        """
        if not self.worker_seconds:
            return 0.0
        return max(0.0, 1 - self.worker_cpu_seconds / self.worker_seconds)

    @property
    def exit_code(self) -> int:
        """Exit code of the run.

        It is 0 if all is done or there was nothing to do, 1 if some files failed, 3 if the run was
        stopped early, for example by a full disk, and 128 + n if it was stopped by signal n.
        """
        if self.signal_number is not None:
            return 128 + self.signal_number
        if self.stop_reason is not None:
            return EXIT_STOPPED
        is_empty = self._needs_files and not self.files
        is_partial = self._needs_all and any(not reason.startswith(EXPECTED_REASONS) for reason in self.skip_reasons)
        has_failed = self.counts[Status.FAILED] or self.skipped_all_for or is_empty or is_partial
        return EXIT_FAILURES if has_failed else EXIT_DONE

    @property
    def skipped_all_for(self) -> str | None:
        """The reason why all files were skipped, or None.

        None if there are several reasons, or if the reason is an expected one.
        """
        if not self.files or self.counts[Status.SKIPPED] != self.files or len(self.skip_reasons) > 1:
            return None
        (reason,) = self.skip_reasons
        return None if reason.startswith(EXPECTED_REASONS) else reason

    def add(self, report: FileReport) -> None:
        """Add the report of one file to the totals."""
        self.counts[report.status] += 1
        self.done_size += report.size_before
        self.worker_seconds += report.seconds
        self.worker_cpu_seconds += report.cpu_seconds
        self.damaged += bool(report.damage)
        if report.status in (Status.EQUAL, Status.SOUND) or report.damage:
            self.read_size += report.size_before
        if report.status in (Status.RECOMPRESSED, Status.NO_GAIN):
            self.read_size += report.size_before
            self.written_size += report.size_after if report.tried_size is None else report.tried_size
        if report.status is Status.RECOMPRESSED:
            self.saved += report.saved
            self.replaced_size += report.size_before
        if report.status is Status.FAILED and len(self.failures) < KEPT_FAILURES:
            self.failures.append(report)
        if report.status is Status.SKIPPED:
            self.skip_reasons[report.reason or ""] += 1
        self.notes.update(report.notes)

    def to_json(self) -> dict[str, object]:
        """Return the totals as plain values that can be written as JSON."""
        return {
            "files": self.files,
            "counts": {str(status): self.counts[status] for status in Status},
            "bytes_read": self.read_size,
            "bytes_written": self.written_size,
            "bytes_saved": self.saved,
            "saved_share": round(self.saved_share, 6),
            "seconds": round(self.seconds, 3),
            "exit_code": self.exit_code,
        } | ({"stop_reason": self.stop_reason} if self.stop_reason is not None else {})
