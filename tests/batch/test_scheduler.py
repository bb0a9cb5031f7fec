"""The scheduler with a pool that is not there: order, bounds, stop."""

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exrbatch import FileReport, Status
from exrbatch.batch.backlog import WINDOW, Backlog
from exrbatch.batch.discover import Candidate
from exrbatch.batch.options import Options
from exrbatch.batch.pool import Outcome
from exrbatch.batch.scheduler import BUNDLE_BYTES, BUNDLE_FILES, SHARES, StopRequest, run
from exrbatch.file.plan import FilePlan


class FakeWorkers:
    """Ends the oldest task each time it is asked; the first one that has the `poison` dies of it."""

    def __init__(self, jobs: int, poison: str = "") -> None:
        self.jobs = jobs
        self.poison = poison
        self.in_flight: list[Sequence[Candidate]] = []
        self.order: list[int] = []
        self.bundles: list[list[int]] = []
        self.stopped = False

    @property
    def has_idle(self) -> bool:
        return len(self.in_flight) < self.jobs

    @property
    def is_busy(self) -> bool:
        return bool(self.in_flight)

    def submit(self, bundle: Sequence[Candidate], plans: Sequence[FilePlan]) -> None:
        assert self.has_idle, "never more tasks than workers"
        assert [plan.source for plan in plans] == [candidate.path for candidate in bundle]
        self.in_flight.append(bundle)
        self.order += [candidate.size for candidate in bundle]
        self.bundles.append([candidate.size for candidate in bundle])

    def request_stop(self) -> None:
        self.stopped = True

    def next_finished(self, timeout: float) -> Outcome | None:
        if not self.in_flight:
            return None
        bundle = self.in_flight.pop(0)
        for candidate in bundle:
            if candidate.path == self.poison:
                self.poison = ""
                dead = FileReport(path=candidate.path, status=Status.FAILED)
                return Outcome([dead], [other for other in bundle if other is not candidate])
        return Outcome([FileReport(path=each.path, status=Status.RECOMPRESSED) for each in bundle])


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
    sizes = [BUNDLE_BYTES] * (3 * WINDOW) + [2 * BUNDLE_BYTES]
    workers = FakeWorkers(2)
    list(run(scanned(candidates(sizes)), workers, Options(), StopRequest()))
    assert 2 * WINDOW <= workers.order.index(2 * BUNDLE_BYTES) <= 2 * WINDOW + 2


@given(st.lists(st.integers(0, 2 * BUNDLE_BYTES), max_size=400), st.integers(1, 20))
def test_bundles_are_small_and_leave_work_for_others(sizes: list[int], jobs: int) -> None:
    """A file of BUNDLE_BYTES goes alone; no bundle is more than a part of a worker's share of what waits."""
    workers = FakeWorkers(jobs)
    list(run(scanned(candidates(sizes)), workers, Options(), StopRequest()))
    waiting = len(sizes)
    for bundle in workers.bundles:
        assert len(bundle) <= BUNDLE_FILES
        assert len(bundle) == 1 or (sum(bundle[:-1]) < BUNDLE_BYTES and len(bundle) * SHARES * jobs <= waiting)
        waiting -= len(bundle)
    assert waiting == 0


def test_files_of_a_dead_worker_are_done_by_another() -> None:
    """Only the file that it died of fails; the others of its bundle come round again."""
    workers = FakeWorkers(2, poison="7.exr")
    reports = [r for r in run(scanned(candidates([10] * 20)), workers, Options(), StopRequest()) if r]
    assert {r.path for r in reports if r.status is Status.FAILED} == {"7.exr"}
    assert sorted(r.path for r in reports) == sorted(f"{index}.exr" for index in range(20))


def test_a_stop_finishes_what_runs_and_starts_nothing() -> None:
    """After the request only the files in flight end."""
    workers, stop = FakeWorkers(3), StopRequest()
    events = run(scanned(candidates([BUNDLE_BYTES] * 50)), workers, Options(), stop)
    done = [next(events)]
    stop.signal_number = 2
    done += [report for report in events if report]
    assert len(done) == 3 == len(workers.order)
    assert workers.stopped


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
