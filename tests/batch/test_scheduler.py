"""The scheduler with a pool that is not there: order, bounds, stop."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exrbatch import FileReport, Status
from exrbatch.batch.backlog import WINDOW, Backlog
from exrbatch.batch.discover import Candidate
from exrbatch.batch.options import Options
from exrbatch.batch.scheduler import StopRequest, run
from exrbatch.file.plan import FilePlan


class FakeWorkers:
    """Ends the oldest file each time it is asked."""

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs
        self.in_flight: list[Candidate] = []
        self.order: list[int] = []

    @property
    def has_idle(self) -> bool:
        return len(self.in_flight) < self.jobs

    @property
    def is_busy(self) -> bool:
        return bool(self.in_flight)

    def submit(self, candidate: Candidate, plan: FilePlan) -> None:
        assert self.has_idle, "never more files than workers"
        assert plan.source == candidate.path
        self.in_flight.append(candidate)
        self.order.append(candidate.size)

    def next_finished(self, timeout: float) -> FileReport | None:
        if not self.in_flight:
            return None
        candidate = self.in_flight.pop(0)
        return FileReport(path=candidate.path, status=Status.RECOMPRESSED, size_before=candidate.size)


def scanned(found: Iterator[Candidate | FileReport]) -> Backlog:
    """A backlog whose scan has ended."""
    backlog = Backlog(found)
    backlog.start()
    backlog._thread.join()
    return backlog


def candidates(sizes: list[int]) -> Iterator[Candidate]:
    return (Candidate(f"{index}.exr", size, None) for index, size in enumerate(sizes))


@given(st.lists(st.integers(0, 1000), max_size=40), st.integers(1, 5))
def test_every_file_is_done_once_largest_first(sizes: list[int], jobs: int) -> None:
    """Each file is reported exactly once; within the window they start in the order of their sizes."""
    workers = FakeWorkers(jobs)
    reports = [report for report in run(scanned(candidates(sizes)), workers, Options(), StopRequest()) if report]
    assert sorted(report.path for report in reports) == sorted(f"{index}.exr" for index in range(len(sizes)))
    assert workers.order == sorted(sizes, reverse=True)


def test_the_window_bounds_how_far_a_large_file_jumps() -> None:
    """Files that lie together are done at about the same time: only WINDOW files compete."""
    sizes = [1] * (3 * WINDOW) + [999]
    workers = FakeWorkers(2)
    list(run(scanned(candidates(sizes)), workers, Options(), StopRequest()))
    assert 2 * WINDOW <= workers.order.index(999) <= 2 * WINDOW + 2


def test_a_stop_finishes_what_runs_and_starts_nothing() -> None:
    """After the request only the files in flight end."""
    workers, stop = FakeWorkers(3), StopRequest()
    events = run(scanned(candidates([5] * 50)), workers, Options(), stop)
    done = [next(events)]
    stop.signal_number = 2
    done += [report for report in events if report]
    assert len(done) == 3 == len(workers.order)


def test_reports_of_the_scan_come_through() -> None:
    """What the scan refuses is a report like any other."""
    refused = FileReport(path="link", status=Status.SKIPPED, reason="a symbolic link")
    assert [r for r in run(scanned(iter([refused])), FakeWorkers(1), Options(), StopRequest()) if r] == [refused]


def test_an_error_of_the_scan_ends_the_run() -> None:
    """A scan that breaks must not look like a finished one."""

    def broken() -> Iterator[Candidate]:
        yield Candidate("a.exr", 1, None)
        raise RuntimeError("scan broke")

    events = run(scanned(broken()), FakeWorkers(1), Options(), StopRequest())
    with pytest.raises(RuntimeError, match="scan broke"):
        list(events)
