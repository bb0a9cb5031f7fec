"""The scheduler with a pool that is not there: order, bounds, stop."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exrbatch import FileReport, Status
from exrbatch.batch.backlog import WINDOW, Backlog
from exrbatch.batch.candidate import Candidate
from exrbatch.batch.options import Options
from exrbatch.batch.pool import Death, Outcome
from exrbatch.batch.scheduler import BUNDLE_BYTES, BUNDLE_FILES, MAX_DEATHS, SHARES, Scheduler, StopRequest
from exrbatch.file.plan import FilePlan


class FakeWorkers:
    """Ends the oldest task each time it is asked; one that has a `poison` dies of it, as often as that says."""

    def __init__(self, jobs: int, **poison: int) -> None:
        self.jobs = jobs
        self.poison = {f"{name[1:]}.exr": times for name, times in poison.items()}
        self.in_flight: list[Sequence[Candidate]] = []
        self.order: list[int] = []
        self.bundles: list[list[int]] = []
        self.stopped = False
        self.threads: list[int] = []

    @property
    def idle(self) -> int:
        return self.jobs - len(self.in_flight)

    def submit(self, bundle: Sequence[Candidate], plans: Sequence[FilePlan]) -> None:
        assert self.idle, "never more tasks than workers"
        assert [plan.source for plan in plans] == [candidate.path for candidate in bundle]
        self.threads += [plan.threads for plan in plans]
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
            if self.poison.get(candidate.path, 0):
                self.poison[candidate.path] -= 1
                others = [other for other in bundle if other is not candidate]
                return Outcome([], others, Death(candidate, "SIGSEGV"))
        return Outcome([FileReport(path=each.path, status=Status.RECOMPRESSED) for each in bundle])


def run(backlog: Backlog, workers: FakeWorkers, options: Options, stop: StopRequest) -> Iterator[FileReport | None]:
    return Scheduler(backlog, workers, options, stop).run()


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
    """Files that lie together are done at about the same time: only WINDOW files compete, and giants."""
    sizes = [BUNDLE_BYTES] * (3 * WINDOW) + [2 * BUNDLE_BYTES, 5 * BUNDLE_BYTES]
    workers = FakeWorkers(2)
    list(run(scanned(candidates(sizes)), workers, Options(), StopRequest()))
    assert 2 * WINDOW <= workers.order.index(2 * BUNDLE_BYTES) <= 2 * WINDOW + 3
    assert workers.order[0] == 5 * BUNDLE_BYTES


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


def outcome(workers: FakeWorkers, files: int, stop: StopRequest) -> dict[str, list[Status]]:
    """Run files of equal size; how each ended, by number."""
    ended: dict[str, list[Status]] = {}
    for report in run(scanned(candidates([BUNDLE_BYTES] * files)), workers, Options(), stop):
        if report is not None:
            ended.setdefault(report.path.removesuffix(".exr"), []).append(report.status)
    return ended


def test_a_file_that_killed_a_worker_is_done_once_more_alone_at_the_end() -> None:
    """It may have been the victim of others' hunger; the others of its bundle come round again."""
    workers, stop = FakeWorkers(2, _7=1), StopRequest()
    reports = [r for r in run(scanned(candidates([10] * 20)), workers, Options(), stop) if r]
    assert sorted(r.path for r in reports) == sorted(f"{index}.exr" for index in range(20))
    assert {r.status for r in reports} == {Status.RECOMPRESSED}
    assert (workers.bundles[-1], reports[-1].path, stop.reason) == ([10], "7.exr", None)


def test_a_file_that_kills_twice_fails_and_no_other_does() -> None:
    """Three such files stop nothing: there are successes between them, and the second time blame is certain."""
    workers, stop = FakeWorkers(1, _3=2, _6=2, _8=9), StopRequest()
    ended = outcome(workers, 12, stop)
    assert {name for name, status in ended.items() if status == [Status.FAILED]} == {"3", "6", "8"}
    assert sum(map(len, ended.values())) == 12
    assert stop.reason is None


def test_workers_that_keep_dying_stop_the_run() -> None:
    """Three deaths with no success between them are no matter of a file: no other file is begun."""
    workers, stop = FakeWorkers(1, **{f"_{number}": 9 for number in range(12)}), StopRequest()
    ended = outcome(workers, 12, stop)
    assert len(workers.order) == len(ended) == MAX_DEATHS
    assert stop.reason == "3 workers died one after the other: SIGSEGV"
    assert workers.stopped


def test_a_full_disk_stops_the_run() -> None:
    """Every next file would fail, too; what is in flight ends."""

    class Full(FakeWorkers):
        def next_finished(self, timeout: float) -> Outcome | None:
            ended = super().next_finished(timeout)
            if ended is None or len(self.order) != 4:
                return ended
            return Outcome([replace(ended.reports[0], status=Status.FAILED, reason="no space", disk_is_full=True)])

    workers, stop = Full(3), StopRequest()
    assert len(outcome(workers, 12, stop)) == 4
    assert stop.reason == "the disk is full: no space"


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


@pytest.mark.parametrize(
    ("jobs", "sizes", "threads"),
    [
        (8, [3], [8]),
        (8, [3, 3, 3], [2, 2, 2]),
        (8, [3] * 9, [1] * 9),
        (2, [3, 3], [1, 1]),
        (8, [0], [1]),
    ],
)
def test_workers_without_a_file_lend_their_threads(jobs: int, sizes: list[int], threads: list[int]) -> None:
    """Fewer large files than workers: each is packed by several threads, never more in all than there are workers."""
    workers = FakeWorkers(jobs)
    list(run(scanned(candidates([size * BUNDLE_BYTES for size in sizes])), workers, Options(), StopRequest()))
    assert workers.threads[: len(threads)] == threads
