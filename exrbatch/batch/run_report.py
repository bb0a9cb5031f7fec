"""FileReports -> BatchReport: the one owner of totals and exit code."""

import time
from collections import Counter
from collections.abc import Callable

from exrbatch.jobs.file_report import FileReport, Status

KEPT_FAILURES = 1000
"""Failures kept to be shown at the end; the record file has them all."""

EXPECTED_REASONS = ("written less than", "a symbolic link", "a link to a folder")
"""How reasons begin for which it is no surprise if all files are skipped."""
EXIT_DONE, EXIT_FAILURES, EXIT_STOPPED = 0, 1, 3


class BatchReport:
    """Totals of a run. Counts are disjoint and sum to `files`; sizes are bytes."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, *, needs_files: bool = False) -> None:
        """`needs_files`: a run that finds none has failed, as a comparison that compared nothing."""
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
        self.skip_reasons: Counter[str] = Counter()
        self.notes: Counter[str] = Counter()
        self.signal_number: int | None = None
        self.stop_reason: str | None = None

    @property
    def files(self) -> int:
        """Files that have ended."""
        return self.counts.total()

    @property
    def seconds(self) -> float:
        """Wall time since the run began."""
        return self._clock() - self._started

    @property
    def saved_share(self) -> float:
        """Bytes saved over bytes of all files that were replaced, 0 to 1."""
        return self.saved / self.replaced_size if self.replaced_size else 0.0

    @property
    def waiting_share(self) -> float:
        """The part of the workers' time in which they did not compute but waited, mostly for storage, 0 to 1."""
        if not self.worker_seconds:
            return 0.0
        return max(0.0, 1 - self.worker_cpu_seconds / self.worker_seconds)

    @property
    def exit_code(self) -> int:
        """0 done or nothing to do, 1 some files failed, 3 going on made no sense, 128 + n stopped by signal n."""
        if self.signal_number is not None:
            return 128 + self.signal_number
        if self.stop_reason is not None:
            return EXIT_STOPPED
        is_empty = self._needs_files and not self.files
        return EXIT_FAILURES if self.counts[Status.FAILED] or self.skipped_all_for or is_empty else EXIT_DONE

    @property
    def skipped_all_for(self) -> str | None:
        """The one reason for which all files were skipped, if there is one and it is a surprise."""
        if not self.files or self.counts[Status.SKIPPED] != self.files or len(self.skip_reasons) > 1:
            return None
        (reason,) = self.skip_reasons
        return None if reason.startswith(EXPECTED_REASONS) else reason

    def add(self, report: FileReport) -> None:
        """Count one file."""
        self.counts[report.status] += 1
        self.done_size += report.size_before
        self.worker_seconds += report.seconds
        self.worker_cpu_seconds += report.cpu_seconds
        if report.status is Status.EQUAL:
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
        """Return the totals as plain values."""
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
