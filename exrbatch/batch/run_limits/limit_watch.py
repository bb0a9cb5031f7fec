"""Make a run keep its limits: pause it, stop it, and say which files may still start."""

import errno
import os
import time
from collections.abc import Callable
from datetime import datetime, tzinfo

from exrbatch.batch.control import Control
from exrbatch.batch.run_limits.limits import Limits
from exrbatch.batch.run_limits.times_of_day import next_time, show_time
from exrbatch.batch.run_limits.yielding import Yielding
from exrbatch.errors import RunStopped
from exrbatch.jobs.file_report import BAD, READ_WHOLE, FileReport, Status
from exrbatch.text import format_count, format_duration, format_minutes, format_rate, safe_text

MAX_SAME_ERRORS = 20
"""If this many files in a row fail with the same error of the system, the run stops.

A server is gone, or a disk has become read-only, and each other file would fail, too.
"""
STOP_AT = "--stop-at"
JUST_PASSED = 20 * 3600.0
"""If a time of day is so many seconds away, the user may have meant the one that has passed."""


class LimitWatch:
    """Watches one run. The time is that of a clock on the wall, in seconds since 1970."""

    def __init__(
        self,
        limits: Limits,
        control: Control,
        *,
        clock: Callable[[], float] = time.time,
        zone: tzinfo | None = None,
    ) -> None:
        """Begin to watch. This is the start of the run.

        Args:
            limits: the limits.
            control: gets the requests to pause and to stop.
            clock: returns the time.
            zone: time zone of the limits; None for the local one.
        """
        self._limits, self._control, self._clock, self._zone = limits, control, clock, zone
        self._yielding = Yielding(control) if limits.give_way else None
        self._files = self._failures = 0
        self._bytes, self._seconds = 0, 0.0
        self._errno: int | None = None
        self._same_errors = 0
        self.begin()
        control.start_refusal = self.refusal

    def begin(self) -> None:
        """Take this moment for the start of the run."""
        limits, zone, start = self._limits, self._zone, self._clock()
        ends: list[tuple[float, str]] = []
        if limits.stop_at is not None:
            what = f"{show_time(limits.stop_at)} ({STOP_AT})"
            ends.append((next_time(limits.stop_at, start, zone), what))
        if limits.max_duration is not None:
            what = f"{format_duration(limits.max_duration)} (--max-duration)"
            ends.append((start + limits.max_duration, what))
        self._end: float | None = None
        self._what = ""
        if ends:
            self._end, self._what = min(ends)

    @property
    def end(self) -> float | None:
        """When the run ends, in seconds since 1970; None if there is no such limit."""
        return self._end

    @property
    def rate(self) -> int | None:
        """Bytes per second that may be read and written now; None for no limit."""
        bandwidth = self._limits.bandwidth
        return None if bandwidth is None else bandwidth.rate(self._clock(), self._zone)

    @property
    def notes(self) -> list[str]:
        """What the user may not expect: the time at which the run must end has just passed."""
        now = self._clock()
        left = 0.0 if self._end is None else self._end - now
        if self._limits.stop_at is None or left < JUST_PASSED or STOP_AT not in self._what:
            return []
        day, today = (datetime.fromtimestamp(moment, self._zone).date() for moment in (now + left, now))
        if day == today:
            return []
        return [f"{STOP_AT} {show_time(self._limits.stop_at)} is tomorrow, in {format_minutes(left)}"]

    @property
    def hours(self) -> str | None:
        """The hours at which files may start, as the user wrote them; None for all hours."""
        return None if self._limits.hours is None else self._limits.hours.text

    def describe(self) -> str:
        """Return the limits in words, such as "until 07:30 tomorrow (in 7 h 36 min) · 4 MB/s"."""
        parts = []
        if self._end is not None:
            now = self._clock()
            day, today = (datetime.fromtimestamp(moment, self._zone) for moment in (self._end, now))
            days = (day.date() - today.date()).days
            which = "" if days <= 0 else " tomorrow" if days == 1 else f" on {day:%Y-%m-%d}"
            parts.append(f"until {day:%H:%M}{which} (in {format_minutes(max(0.0, self._end - now))})")
        if self.hours is not None:
            parts.append(f"hours {safe_text(self.hours)}")
        if (rate := self.rate) is not None:
            parts.append(format_rate(rate))
        if self._limits.max_failures is not None:
            parts.append(f"at most {self._limits.max_failures.words}")
        return " · ".join(parts)

    def look(self) -> None:
        """Look at the clock. Call this about ten times a second, and before the first file starts.

        Raises:
            RunStopped: the run must be stopped hard, because files in progress take too long.
        """
        if self._yielding is not None:
            self._yielding.look()
        now, hours = self._clock(), self._limits.hours
        if hours is not None:
            outside = f"outside the hours {hours.text}"
            (self._control.resume if hours.hold(now, self._zone) else self._control.pause)(outside)
        if self._end is None or now < self._end:
            return
        self._stop(self._reached)
        if now >= self._end + self._limits.stop_grace:
            grace = format_duration(self._limits.stop_grace)
            raise RunStopped(
                f"{self._reached}, and files in progress took {grace} longer (--stop-grace); each is whole, old or new"
            )

    def finish(self, found: int) -> None:
        """Withdraw the request to stop if the last files were finished after the end of the run.

        Args:
            found: number of all files that a complete scan has found.
        """
        if self._files == found and self._control.stop.reason == self._reached:
            self._control.stop.reason = None

    @property
    def _reached(self) -> str:
        return f"{self._what} has been reached"

    def refusal(self, size: int) -> str | None:
        """Return why files must not start now because they would not be finished in time, or None.

        Args:
            size: their size in bytes; one worker processes them one after another.
        """
        if self._end is None:
            return None
        now = self._clock()
        expected = size * self._seconds / self._bytes if self._bytes else 0.0
        if now < self._end and now + expected <= self._end:
            return None
        shown = datetime.fromtimestamp(self._end, self._zone).strftime("%H:%M")
        return f"the other files would not be finished before {shown}, the end by {self._what.partition('(')[2][:-1]}"

    def note(self, report: FileReport) -> None:
        """Note how a file has ended."""
        self._files += 1
        self._failures += report.status in BAD
        if report.status in READ_WHOLE and report.size_before:
            self._bytes += report.size_before
            self._seconds += report.seconds
        most = self._limits.max_failures
        if most is not None and most.is_exceeded(self._failures, self._files):
            self._stop(f"{format_count(self._failures, 'file')} failed (--max-failures {most})")
        self._note_error(report)

    def _note_error(self, report: FileReport) -> None:
        """Count failures in a row that have the same error. A skipped file says nothing."""
        if report.status is Status.SKIPPED:
            return
        is_same = report.errno is not None and report.errno == self._errno
        self._errno = report.errno if report.status in BAD else None
        self._same_errors = 0 if self._errno is None else self._same_errors + 1 if is_same else 1
        if self._errno is not None and self._same_errors == MAX_SAME_ERRORS:
            name = errno.errorcode.get(self._errno, str(self._errno))
            self._stop(
                f"{MAX_SAME_ERRORS} files in a row failed with the same error: {os.strerror(self._errno)} ({name})"
            )

    def _stop(self, reason: str) -> None:
        if self._control.stop.reason is None:
            self._control.stop.reason = reason
