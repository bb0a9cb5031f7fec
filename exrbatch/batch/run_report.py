"""Totals and exit code of a run. Only this module computes them."""

import time
from collections import Counter
from collections.abc import Callable

from exrbatch.batch.clocks import elapsed
from exrbatch.batch.run_limits.limits import ANY_FAILURE, FailOn
from exrbatch.errors import ReasonCode
from exrbatch.jobs.file_report import BAD, FileReport, Status
from exrbatch.jobs.job import Rules
from exrbatch.jobs.recompress_job import RecompressRules
from exrbatch.text import format_count, timestamp

KEPT_REPORTS = 10_000
"""Maximum number of failures, and of skipped files, that are kept to be shown at the end.

The record file (`--report`) has all of them.
"""

EXPECTED_REASONS = (ReasonCode.TOO_YOUNG, ReasonCode.LINK, ReasonCode.NOT_SELECTED)
"""Reasons that are no surprise, even if all files of a run are skipped for them."""
UNCHANGED = (Status.ALREADY, Status.NO_GAIN, Status.EQUAL, Status.SOUND, Status.DIGESTED, Status.MEASURED)
"""How files end that have nothing to tell."""
EXIT_DONE, EXIT_FAILURES, EXIT_STOPPED = 0, 1, 3


class BatchReport:
    """Totals of a run.

    Attributes:
        statuses: how files can end.
        saves_bytes: whether the run saves bytes, as neither a dry run nor an undo does.
        is_undo: whether the run gives files back the compressions that they had.
        mirror: the output folder, if there is one.
        counts: number of files per status. Each file counts once, so they add up to `files`.
        done_size: bytes of all files that have ended.
        worked_files: number of files that were processed; others were skipped or finished before.
        worked_size: bytes of these files.
        read_size: bytes of all files that were compressed or compared.
        written_size: bytes of all new files, including those that were not kept.
        saved: bytes that were saved.
        worker_seconds: wall time that workers spent on files, in seconds.
        worker_cpu_seconds: CPU time that workers spent on files, in seconds.
        replaced_size: bytes of the sources of all files that were recompressed.
        copied: number of files, by status, that were copied to the output as they are.
        planned: number of files, in a dry run, for each pair of compressions before and after.
        planned_size: bytes of those files.
        failures: reports of the first `KEPT_REPORTS` files that failed or differ.
        damaged: number of failed files that a check found to be damaged.
        skipped: reports of the first `KEPT_REPORTS` skipped files.
        skip_codes: number of skipped files per reason.
        notes: number of files per note.
        signal_number: the signal that stopped the run, or None.
        stop_reason: why the run was stopped early, or None.
        remaining: number of files that were found but not processed.
        may_remain: whether the scan was stopped, so that there may be more files.
        left_out: number of files that patterns and limits of size left out.
        was_begun: whether a file was handed to a worker.
        to_continue: what the user can do to go on after the run was stopped.
        is_part: whether the run is one part of a job, as a shard is. Then it means nothing if all
            of its files are skipped for one reason, because those of other parts may not be.
        paused: seconds in which nothing went on, because the run was paused, frozen or
            suspended, or the machine slept.
    """

    def __init__(
        self,
        clock: Callable[[], float] = elapsed,
        *,
        rules: Rules | None = None,
        mirror: str | None = None,
        needs_files: bool = True,
        fail_on: FailOn = ANY_FAILURE,
    ) -> None:
        """Start with empty totals.

        Args:
            clock: returns the time in seconds.
            rules: what the run does; None for a recompression.
            mirror: the output folder, which is incomplete if files are skipped; None if there is
                none.
            needs_files: whether there is anything to look for. If not, a comparison or check that
                finds no file is done.
            fail_on: how many files must fail for the exit code to be 1.
        """
        rules = rules or RecompressRules()
        self.statuses = rules.statuses
        self.is_undo = isinstance(rules, RecompressRules) and rules.undoes is not None
        self.saves_bytes = rules.saves_bytes and rules.writes and not self.is_undo
        self._may_replace = rules.saves_bytes
        self._needs_files, self._needs_all = rules.needs_files and needs_files, rules.needs_all
        self._fail_on = fail_on
        self.mirror = mirror
        self._clock = clock
        self._started = clock()
        self.counts: Counter[Status] = Counter()
        self.done_size = 0
        self.worked_files = self.worked_size = 0
        self.read_size = 0
        self.written_size = 0
        self.saved = 0
        self.worker_seconds = 0.0
        self.worker_cpu_seconds = 0.0
        self.replaced_size = 0
        self.failures: list[FileReport] = []
        self.damaged = 0
        self.skipped: list[FileReport] = []
        self.skip_codes: Counter[ReasonCode | None] = Counter()
        self.copied: Counter[Status] = Counter()
        self.planned: Counter[tuple[tuple[str, ...], tuple[str, ...]]] = Counter()
        self.planned_size = 0
        self.notes: Counter[str] = Counter()
        self.signal_number: int | None = None
        self.stop_reason: str | None = None
        self.remaining = 0
        self.may_remain = False
        self.left_out = 0
        self.was_begun = False
        self.to_continue = "run the same command again"
        self.is_part = False
        self.paused = 0.0

    def __repr__(self) -> str:
        counts = ", ".join(f"{count} {status}" for status, count in self.counts.items() if count)
        return f"<BatchReport: {format_count(self.files, 'file')} ({counts or 'none'}), {self.saved} bytes saved>"

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
        stopped early, for example by a full disk, and 128 + n if it was stopped by signal n. How
        many files must fail is decided by the user (`FailOn`).
        """
        if self.signal_number is not None:
            return 128 + self.signal_number
        if self.stop_reason is not None:
            return EXIT_STOPPED
        if self._needs_files and not self.files:
            return EXIT_DONE if self._fail_on.count is None and self._fail_on.share is None else EXIT_FAILURES
        failures = sum(self.counts[status] for status in BAD)
        if self._needs_all:
            failures += sum(count for code, count in self.skip_codes.items() if code not in EXPECTED_REASONS)
        if self.skipped_all_for is not None:
            failures = self.files
        is_bad = self._fail_on.is_met(max(failures, self.not_in_mirror), self.files)
        return EXIT_FAILURES if is_bad else EXIT_DONE

    @property
    def is_uneventful(self) -> bool:
        """Whether all is done, and no file was changed, copied, planned, skipped or failed."""
        unchanged = sum(self.counts[status] for status in UNCHANGED)
        return self.exit_code == EXIT_DONE and unchanged == self.files and not self.copied.total()

    @property
    def not_in_mirror(self) -> int:
        """Number of files that the mirror lacks; 0 if the run writes none.

        Files that have none of the compressions that were asked for are not meant to be there.
        """
        if self.mirror is None:
            return 0
        lacking = self.counts[Status.SKIPPED] + self.counts[Status.FAILED] - self.copied[Status.SKIPPED]
        return lacking - self.skip_codes[ReasonCode.NOT_SELECTED]

    @property
    def skipped_all_for(self) -> str | None:
        """The reason of the first file, if all files were skipped for the same kind of reason.

        None if there are several reasons, if that is an expected one, or if files were copied.
        """
        if self.is_part or not self.files or self.counts[Status.SKIPPED] != self.files or len(self.skip_codes) > 1:
            return None
        if self.copied[Status.SKIPPED]:
            return None
        (code,) = self.skip_codes
        return None if code in EXPECTED_REASONS else self.skipped[0].reason

    def add(self, report: FileReport) -> None:
        """Add the report of one file to the totals."""
        self.counts[report.status] += 1
        self.done_size += report.size_before
        if report.took_work:
            self.worked_files += 1
            self.worked_size += report.size_before
        self.worker_seconds += report.seconds
        self.worker_cpu_seconds += report.cpu_seconds
        self.damaged += bool(report.damage)
        self.copied[report.status] += report.copied
        if report.status in (Status.EQUAL, Status.DIFFERENT, Status.SOUND, Status.DIGESTED) or report.damage:
            self.read_size += report.size_before
        is_known = report.reason_code is ReasonCode.RECORDED  # nothing was read
        if report.status in (Status.RECOMPRESSED, Status.NO_GAIN) and not is_known:
            self.read_size += report.size_before
            self.written_size += report.size_after if report.tried_size is None else report.tried_size
        if report.status is Status.RECOMPRESSED:
            self.saved += report.saved
            self.replaced_size += report.size_before
        if report.status is Status.PLANNED:
            self.planned[report.compressions_before, report.compressions_after] += 1
            self.planned_size += report.size_before
        if report.status in BAD and len(self.failures) < KEPT_REPORTS:
            self.failures.append(report)
        if report.status is Status.SKIPPED:
            self.skip_codes[report.reason_code] += 1
            if len(self.skipped) < KEPT_REPORTS:
                self.skipped.append(report)
        self.notes.update(report.notes)

    def to_json(self) -> dict[str, object]:
        """Return the totals as plain values that can be written as JSON."""
        totals: dict[str, object] = {
            "files": self.files,
            "counts": {str(status): self.counts[status] for status in self.statuses},
            "bytes_read": self.read_size,
        }
        if self._may_replace:
            totals |= {
                "bytes_written": self.written_size,
                "bytes_saved": self.saved,
                "saved_share": round(self.saved_share, 6),
            }
        if self.mirror is not None:
            totals |= {"copied": self.copied.total(), "not_in_output": self.not_in_mirror}
        if self.signal_number is not None or self.stop_reason is not None:
            totals |= {"remaining": self.remaining, "more_may_remain": self.may_remain}
        if self.stop_reason is not None:
            totals["stop_reason"] = self.stop_reason
        return totals | {
            "seconds": round(self.seconds, 3),
            "ended_at": timestamp(time.time()),
            "exit_code": self.exit_code,
        }
