"""A run keeps its limits, with a clock that the test sets."""

import errno
from collections.abc import Sequence
from datetime import UTC
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exrbatch import FileReport, OptionsError, Status
from exrbatch.batch.backlog import Backlog
from exrbatch.batch.control import Control
from exrbatch.batch.discovery.candidate import Candidate
from exrbatch.batch.options import Options
from exrbatch.batch.run_limits.limit_watch import MAX_SAME_ERRORS, LimitWatch
from exrbatch.batch.run_limits.limits import Limits
from exrbatch.batch.scheduler import Scheduler
from exrbatch.batch.workers.interface import Outcome
from exrbatch.errors import RunStopped
from exrbatch.jobs.file_report import READ_WHOLE
from exrbatch.jobs.job import Job
from tests.support.workers import FakeMachine

RATE = 1e6
"""Bytes per second of each worker."""


class Night(FakeMachine):
    """Workers that need a time in proportion to the size of each file, and the clock of the run."""

    def __init__(self, jobs: int, limits: Limits) -> None:
        self.jobs, self.now = jobs, 0.0
        self.control = Control()
        self.watch = LimitWatch(limits, self.control, clock=lambda: self.now)
        self.busy: list[tuple[float, float, Sequence[Candidate]]] = []
        self.starts: list[float] = []
        self.ends: list[float] = []

    @property
    def idle(self) -> int:
        return self.jobs - len(self.busy)

    def submit(self, bundle: Sequence[Candidate], jobs: Sequence[Job]) -> None:
        self.starts.append(self.now)
        self.busy.append((self.now + sum(each.size for each in bundle) / RATE, self.now, bundle))

    @property
    def is_busy(self) -> bool:
        return bool(self.busy)

    def request_stop(self) -> None:
        pass

    def withdraw_stop(self) -> None:
        pass

    def freeze(self, wanted: bool) -> None:
        pass

    def resize(self, jobs: int) -> str | None:
        raise AssertionError("nobody asks for that")

    def next_finished(self, timeout: float) -> Outcome | None:
        if not self.busy:
            self.now += timeout
            return None
        ended = min(self.busy)
        if ended[0] > self.now + timeout:
            self.now += timeout
            return None
        self.busy.remove(ended)
        self.now = max(self.now, ended[0])
        self.ends.append(self.now)
        return Outcome([done(each) for each in ended[2]])

    def run(self, sizes: Sequence[int]) -> list[FileReport]:
        backlog = Backlog(Candidate(f"{index}.exr", size) for index, size in enumerate(sizes))
        backlog.start()
        backlog._thread.join()
        reports = []
        self.watch.look()
        for event in Scheduler(backlog, self, Options(), self.control).run():
            if event is not None:
                reports.append(event)
                self.watch.note(event)
            self.watch.look()
        self.watch.finish(len(sizes))
        return reports


def done(candidate: Candidate) -> FileReport:
    size = candidate.size
    return FileReport(path=candidate.path, status=Status.RECOMPRESSED, size_before=size, seconds=size / RATE)


@given(st.lists(st.integers(1, 30_000_000), max_size=60), st.integers(1, 4), st.integers(1, 60))
def test_starts_nothing_that_would_end_after_the_limit(sizes: list[int], jobs: int, duration: int) -> None:
    """Once a file has ended, the time that others take is known. Nothing starts after the limit."""
    night = Night(jobs, Limits(max_duration=float(duration), stop_grace=1000.0))
    reports = night.run(sizes)
    assert all(start < duration for start in night.starts)
    blind = [start for start in night.starts if not night.ends or start < night.ends[0]]
    assert sum(end > duration + 0.001 for end in night.ends) <= len(blind)
    assert (len(reports) == len(sizes)) == (night.control.stop.reason is None)


def test_smaller_files_still_fit() -> None:
    """When the largest file would take too long, the others are done first."""
    night = Night(1, Limits(max_duration=30.0))
    reports = night.run([20_000_000, 19_000_000, 4_000_000, 3_000_000])
    assert [report.path for report in reports] == ["0.exr", "2.exr", "3.exr"]
    assert "would not be finished before" in (night.control.stop.reason or "")
    assert "--max-duration" in (night.control.stop.reason or "")


@pytest.mark.parametrize("status", sorted(READ_WHOLE))
def test_files_that_are_only_read_say_how_long_others_take(status: Status) -> None:
    night = Night(1, Limits(max_duration=30.0))
    night.watch.note(FileReport(path="x", status=status, size_before=1_000_000, seconds=4.0))
    assert night.run([8_000_000]) == []


def test_a_file_that_seemed_too_slow_gets_another_chance() -> None:
    """The first files may be slow. What was put off starts when others have shown to be faster."""
    night = Night(1, Limits(max_duration=100.0))
    night.watch.note(FileReport(path="x", status=Status.RECOMPRESSED, size_before=1_000_000, seconds=4.0))
    reports = night.run([30_000_000] + [16_000_000] * 3)
    assert [report.path for report in reports] == ["1.exr", "2.exr", "3.exr", "0.exr"]
    assert night.control.stop.reason is None


def test_stops_hard_after_the_grace() -> None:
    """The workers are killed then, so a file that takes for ever does not keep the machine."""
    night = Night(1, Limits(max_duration=10.0, stop_grace=5.0))
    with pytest.raises(RunStopped, match=r"10\.0 s \(--max-duration\) has been reached, .* 5\.0 s longer"):
        night.run([10**12])
    assert night.control.stop.reason == "10.0 s (--max-duration) has been reached"
    assert 15.0 <= night.now < 15.2


def test_pauses_outside_the_hours() -> None:
    """The pause has its reason, and other pauses stay."""
    control, now = Control(), [0.0]
    hours = "08:00-09:00"
    watch = LimitWatch(Limits.parse(hours=hours), control, clock=lambda: now[0])
    import datetime

    noon = datetime.datetime(2026, 7, 6, 12).timestamp()
    control.pause("paused by the user")
    for hour, pauses in ((-3.5, ("paused by the user",)), (0, ("paused by the user", f"outside the hours {hours}"))):
        now[0] = noon + 3600 * hour
        watch.look()
        assert control.pauses == pauses


def failures(limits: Limits, reports: Sequence[FileReport]) -> str | None:
    control = Control()
    watch = LimitWatch(limits, control)
    for report in reports:
        watch.note(report)
    return control.stop.reason


def failed(number: int | None = None) -> FileReport:
    return FileReport(path="x", status=Status.FAILED, reason="no", errno=number)


FINE = FileReport(path="x", status=Status.RECOMPRESSED)
SKIPPED = FileReport(path="x", status=Status.SKIPPED, reason="a link")


@pytest.mark.parametrize(
    ("most", "bad", "good", "stops"),
    [("2", 2, 50, False), ("2", 3, 50, True), ("0", 1, 0, True), ("10%", 2, 18, False), ("10%", 3, 17, True)],
)
def test_stops_if_too_many_files_fail(most: str, bad: int, good: int, stops: bool) -> None:
    """A share is only known when some files have ended."""
    reason = failures(Limits.parse(max_failures=most), [FINE] * good + [failed()] * bad)
    assert reason == (f"{bad} {'file' if bad == 1 else 'files'} failed (--max-failures {most})" if stops else None)


def test_the_same_error_again_and_again_stops_the_run() -> None:
    """The server is gone. A file that succeeds, or fails in another way, proves that it is not."""
    gone = [failed(errno.ESTALE)] * (MAX_SAME_ERRORS - 1)
    for between in (FINE, failed(), failed(errno.EIO)):
        assert failures(Limits(), [*gone, between, *gone]) is None
    reason = failures(Limits(), [*gone, SKIPPED, failed(errno.ESTALE)])
    assert reason == f"{MAX_SAME_ERRORS} files in a row failed with the same error: Stale file handle (ESTALE)"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"stop_at": "25:00"}, "'25:00' is not a time of day"),
        ({"max_duration": 0}, "must be more than 0"),
        ({"stop_grace": -1}, "must be 0 or more"),
        ({"max_failures": "many"}, "not a number of files such as 10"),
        ({"hours": "evening"}, "not a time span"),
        ({"bwlimit": "fast"}, "not a size"),
    ],
)
def test_refuses_invalid_limits(values: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionsError, match=message):
        Limits.parse(**values)


@pytest.mark.parametrize(
    ("values", "hour", "expected", "is_noted"),
    [
        ({}, 0, "", False),
        (
            {"stop_at": "07:30", "hours": "19:00-07:30", "bwlimit": "4M"},
            23.9,
            "until 07:30 tomorrow (in 7 h 36 min)",
            False,
        ),
        ({"stop_at": "07:30"}, 7, "until 07:30 (in 30 min)", False),
        ({"stop_at": "23:30"}, 1, "until 23:30 (in 22 h 30 min)", False),
        ({"stop_at": "07:30"}, 8, "until 07:30 tomorrow (in 23 h 30 min)", True),
        ({"stop_at": "07:30", "max_duration": 3600.0}, 8, "until 09:00 (in 1 h 00 min)", False),
        ({"max_failures": 1}, 8, "at most 1 failure", False),
        ({"max_failures": "2.5%"}, 8, "at most 2.5 % failures", False),
        ({"max_duration": 3 * 86400.0}, 8, "until 08:00 on 1970-01-04 (in 72 h 00 min)", False),
    ],
)
def test_limits_in_words(values: dict[str, Any], hour: float, expected: str, is_noted: bool) -> None:
    """A time of day that has just passed is noted: it is tomorrow's."""
    watch = LimitWatch(Limits.parse(**values), Control(), clock=lambda: 3600 * hour, zone=UTC)
    words = watch.describe()
    assert words == expected + (" · hours 19:00-07:30 · 4 MB/s" if "hours" in values else "")
    assert watch.notes == (["--stop-at 07:30 is tomorrow, in 23 h 30 min"] if is_noted else [])
