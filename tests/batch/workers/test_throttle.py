"""A worker's budget of bytes, with a clock of the test's own."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from exrbatch import FileReport, Status
from exrbatch.batch.workers import worker
from exrbatch.batch.workers.throttle import Throttle


class Worker:
    """A throttled worker that takes no time for its own work."""

    def __init__(self, rate: float) -> None:
        self.rate, self.now, self.is_stopping = rate, 0.0, False
        self.throttle = Throttle(lambda: self.rate, lambda: self.is_stopping, clock=lambda: self.now, sleep=self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.now += seconds

    def process(
        self, path: Path, size_after: int, steps: int = 4, status: Status = Status.RECOMPRESSED, **facts: str | None
    ) -> None:
        size = path.stat().st_size
        self.throttle.begin(str(path))
        for step in range(1, steps + 1):
            self.throttle.proceed(step / steps)
        report = FileReport(path=str(path), status=status, size_before=size, size_after=size_after)
        self.throttle.end(replace(report, **facts))  # type: ignore[arg-type]


@pytest.fixture
def frame(tmp_path: Path) -> Path:
    (tmp_path / "a.exr").write_bytes(bytes(1000))
    return tmp_path / "a.exr"


def test_reads_and_writes_at_the_rate(frame: Path) -> None:
    """What a file has cost less than it seemed is a credit for the next one."""
    worker = Worker(100.0)
    for _ in range(20):
        worker.process(frame, size_after=500)
    assert worker.now == pytest.approx(20 * 1500 / 100, abs=6)


def test_follows_a_rate_that_changes(frame: Path) -> None:
    """Without a limit there is no wait, also if there was one before."""
    worker = Worker(100.0)
    worker.process(frame, size_after=1000)
    assert worker.now == pytest.approx(20, abs=0.2)
    worker.rate = 0.0
    worker.process(frame, size_after=1000)
    assert worker.now == pytest.approx(20, abs=0.2)
    worker.rate = 1000.0
    worker.process(frame, size_after=1000)
    assert worker.now == pytest.approx(22, abs=0.4)


def test_does_not_wait_when_the_run_is_to_end(frame: Path) -> None:
    """Files in progress are then finished as fast as possible."""
    worker = Worker(1.0)
    worker.is_stopping = True
    worker.process(frame, size_after=1000)
    assert worker.now == 0.0


def test_idle_time_is_not_saved_up(frame: Path) -> None:
    """After an hour without work, a worker may not read at full speed for an hour."""
    worker = Worker(100.0)
    worker.now = 3600.0
    worker.process(frame, size_after=1000)
    assert worker.now == pytest.approx(3620, abs=0.3)


def test_waiting_is_told_to_the_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The dashboard then says that --bwlimit limits the run, not the CPU."""
    position = worker.Position()
    monkeypatch.setattr(worker, "_position", position)
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    worker._wait(0.25)
    worker._wait(0.5)
    assert position.waited == 0.75


@pytest.mark.parametrize(
    ("status", "digest"),
    [(Status.SOUND, None), (Status.DIGESTED, "00"), (Status.EQUAL, "00"), (Status.DIFFERENT, "00")],
)
def test_files_that_are_only_read_cost_their_size_once(frame: Path, status: Status, digest: str | None) -> None:
    """A file that is compared with another one has cost both, as far as it seemed."""
    worker = Worker(100.0)
    for _ in range(20):
        worker.process(frame, size_after=1000, status=status, content_sha256=digest)
    assert worker.now == pytest.approx(20 * 1000 / 100, abs=11)  # the last file seems to cost both
