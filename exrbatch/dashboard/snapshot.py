"""`Snapshot`: the state of a run at one moment, as plain values."""

import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from exrbatch.batch.run import Run
from exrbatch.batch.run_report import BatchReport
from exrbatch.batch.workers.interface import Running
from exrbatch.dashboard.history import History, SequenceRow, Trouble
from exrbatch.jobs.file_report import Status
from exrbatch.text import format_count, format_left, safe_text, shortened_end

SENT_SEQUENCES, SENT_TROUBLES = 60, 30
"""Numbers of sequences, and of failures and skipped files, that a snapshot has at most."""
FEW_FILES, FEW_BYTES = 5, 0.1
"""Before so many files, or such a part of the bytes, are processed, the time left is unknown."""
LEAST_LEFT = 1.0
"""Seconds that are left at least as long as any file has not ended."""
MAX_NAME = 1000
"""Characters of a name of a file that are kept."""


@dataclass(frozen=True, slots=True)
class RunningRow:
    """A file in progress.

    Attributes:
        slot: index of its worker.
        name: its path, safe to print.
        size: its size in bytes.
        done: fraction that is done, 0 to 1.
        seconds: seconds since its bundle was handed to the worker.
        host: name of the worker's machine, safe to print; empty for that of the run.
    """

    slot: int
    name: str
    size: int
    done: float
    seconds: float
    host: str = ""

    @classmethod
    def of(cls, running: Running) -> "RunningRow":
        """Return the row of a file."""
        return cls(
            slot=running.slot,
            name=shortened_end(safe_text(running.candidate.path), MAX_NAME),
            size=running.candidate.size,
            done=running.done,
            seconds=running.seconds,
            host=safe_text(running.host),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The state of a run at one moment.

    Attributes:
        pid: process ID of the run.
        title: what the run does, in words.
        jobs: number of workers.
        is_elsewhere: whether they are not on the machine of the run.
        seconds: wall time since the run began.
        paused: seconds of these in which nothing went on, because the run was paused or suspended.
        time: the present time in seconds since 1970.
        statuses: how files can end.
        saves_bytes: whether the run is about bytes saved.
        counts: number of finished files, by status.
        files: number of finished files.
        found: number of files that the scan has found so far.
        found_size: size of those files in bytes.
        is_scanned: whether the scan is complete.
        reached_size: bytes that are done, including the finished share of the files in progress; it
            never shrinks, and is at most `found_size`.
        worked_files: number of finished files that were processed. The others were skipped, or
            finished before the run.
        worked_size: the part of `reached_size` that was processed.
        read_size: bytes read from files that were compressed again.
        written_size: bytes written.
        saved: bytes saved; negative if the files grew.
        saved_share: bytes saved, as a fraction of the size of all replaced files; at most 1, and
            negative if the files grew.
        failures: the files that failed last, latest last.
        skips: the files that were skipped last, latest last.
        running: the files in progress.
        sequences: the sequences that have had files last, latest first.
        sequence_count: number of all sequences.
        rates: bytes per second over the time of the run, oldest first.
        computing_share: fraction of their time in which workers computed lately; None at first.
        throttled_share: fraction of their time in which workers waited lately because of the limit
            of bytes per second.
        plan: the limits of the run in words; empty if it has none.
        ends_at: when the run must end, in seconds since 1970; None if it may go on for ever.
        hours: at which hours files may start; None for all hours.
        rate_limit: bytes per second that may be read and written now; None for no limit.
        pauses: why the run is paused; empty if it is not.
        is_frozen: whether the files in progress stand still.
        is_stopping: whether the run starts no more files.
        stop_reason: why the run cannot continue; None if it can.
    """

    pid: int
    title: str
    jobs: int
    is_elsewhere: bool
    seconds: float
    paused: float
    time: float
    statuses: tuple[Status, ...]
    saves_bytes: bool
    counts: Mapping[Status, int]
    files: int
    found: int
    found_size: int
    is_scanned: bool
    reached_size: float
    worked_files: int
    worked_size: float
    read_size: int
    written_size: int
    saved: int
    saved_share: float
    failures: tuple[Trouble, ...]
    skips: tuple[Trouble, ...]
    running: tuple[RunningRow, ...]
    sequences: tuple[SequenceRow, ...]
    sequence_count: int
    rates: tuple[float, ...]
    computing_share: float | None
    throttled_share: float
    plan: str
    ends_at: float | None
    hours: str | None
    rate_limit: int | None
    pauses: tuple[str, ...]
    is_frozen: bool
    is_stopping: bool
    stop_reason: str | None

    @classmethod
    def of(cls, run: Run, report: BatchReport, history: History | None = None) -> "Snapshot":
        """Take a snapshot. Only the thread that drives the run may call this."""
        history = history or History()
        in_progress = run.running()
        found, found_size, is_scanned = run.backlog.files, run.backlog.size, run.backlog.is_complete
        is_done = is_scanned and report.files >= found
        done_size = report.done_size + sum(row.done_size for row in in_progress)
        reached = history.reach(found_size if is_done else min(done_size, found_size))
        worked = max(0.0, reached - (report.done_size - report.worked_size))
        history.note_waiting(sum(row.waited for row in in_progress), sum(row.seconds for row in in_progress))
        history.throughput.look(report.seconds, worked)
        return cls(
            pid=os.getpid(),
            title=run.options.rules.title,
            jobs=run.jobs,
            is_elsewhere=run.is_elsewhere,
            seconds=report.seconds,
            paused=run.paused,
            time=time.time(),
            statuses=report.statuses,
            saves_bytes=report.saves_bytes,
            counts=dict(report.counts),
            files=report.files,
            found=found,
            found_size=found_size,
            is_scanned=is_scanned,
            reached_size=reached,
            worked_files=report.worked_files,
            worked_size=worked,
            read_size=report.read_size,
            written_size=report.written_size,
            saved=report.saved,
            saved_share=report.saved_share,
            failures=tuple(history.failures)[-SENT_TROUBLES:],
            skips=tuple(history.skips)[-SENT_TROUBLES:],
            running=tuple(map(RunningRow.of, in_progress)),
            sequences=history.sequences(SENT_SEQUENCES),
            sequence_count=history.sequence_count,
            rates=history.throughput.rates(),
            computing_share=history.computing_share,
            throttled_share=history.throttled_share,
            plan=run.limits.describe(),
            ends_at=run.limits.end,
            hours=run.limits.hours,
            rate_limit=run.limits.rate,
            pauses=run.control.pauses,
            is_frozen=run.control.is_frozen,
            is_stopping=run.stop.is_set,
            stop_reason=run.stop.reason,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the snapshot as values that can be written as JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Snapshot":
        """Return the snapshot that `to_json` has turned into a record.

        Raises:
            ValueError: the record is no snapshot, or one of another version of exrbatch.
        """
        try:
            values = {each.name: record[each.name] for each in fields(cls)}
            values["statuses"] = tuple(map(Status, values["statuses"]))
            values["counts"] = {Status(name): count for name, count in values["counts"].items()}
            for name in ("failures", "skips"):
                troubles = [each | {"status": Status(each["status"])} for each in values[name]]
                values[name] = tuple(Trouble(**each) for each in troubles)
            values["running"] = tuple(RunningRow(**each) for each in values["running"])
            values["sequences"] = tuple(SequenceRow(**each) for each in values["sequences"])
            values["rates"], values["pauses"] = tuple(values["rates"]), tuple(values["pauses"])
            return cls(**values)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"no snapshot of a run: {type(error).__name__}: {error}") from error

    @property
    def is_done(self) -> bool:
        """Whether all files have ended."""
        return self.is_scanned and self.files >= self.found

    @property
    def percent(self) -> int:
        """Percentage of the bytes that are done; 100 only if all files have ended."""
        if self.is_done:
            return 100
        return min(99, int(100 * self.reached_size / self.found_size)) if self.found_size else 0

    @property
    def active_seconds(self) -> float:
        """Seconds in which the run went on; above 0."""
        return max(self.seconds - self.paused, 1e-9)

    @property
    def rate(self) -> float:
        """Mean bytes per second of the files that were processed, without pauses."""
        return self.worked_size / self.active_seconds

    @property
    def total(self) -> str:
        """The number of files, with a + while the scan may still find more."""
        return format_count(self.found) + ("" if self.is_scanned else "+")

    @property
    def state(self) -> str:
        """What the run does now, in one word."""
        if self.is_stopping:
            return "stopping"
        if self.pauses:
            return "frozen" if self.is_frozen else "paused"
        return "running"

    @property
    def seconds_left(self) -> float | None:
        """Time left at the average speed so far, in seconds; None if it is unknown."""
        left = self.found_size - self.reached_size
        is_early = self.worked_files < FEW_FILES and self.worked_size < FEW_BYTES * (self.worked_size + left)
        if self.state != "running" or not self.is_scanned or is_early or self.rate <= 0:
            return None
        return max(LEAST_LEFT, left / self.rate)

    @property
    def remaining(self) -> str:
        """Time left at the average speed so far, and when it ends; a word if that is unknown."""
        if self.state != "running":
            return self.state
        if not self.is_scanned:
            return "still scanning"
        if self.is_done:
            return "done"
        return "estimating" if self.seconds_left is None else format_left(self.seconds_left, self.time)
