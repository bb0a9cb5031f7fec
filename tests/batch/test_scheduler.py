"""The scheduler with a fake pool: order, bounds, deaths of workers, and stops."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exrbatch import FileReport, Status
from exrbatch.batch.backlog import WINDOW, Backlog
from exrbatch.batch.control import Control, StopRequest
from exrbatch.batch.discovery.candidate import Candidate
from exrbatch.batch.options import Options
from exrbatch.batch.scheduler import (
    MAX_DEATHS,
    MAX_WITHOUT_SPACE,
    SHARES,
    Scheduler,
)
from exrbatch.batch.workers.interface import Death, Outcome
from exrbatch.batch.workers.pool import BUNDLE_BYTES, BUNDLE_FILES
from exrbatch.errors import ReasonCode
from exrbatch.jobs.job import Job
from exrbatch.jobs.recompress_job import RecompressJob, RecompressRules
from exrbatch.recompression.choices import Hardlinks
from tests.support.workers import FakeMachine


class FakeWorkers(FakeMachine):
    """Finish the oldest task at each call.

    A task with a `poison` kills its worker as many times as the poison says.
    """

    def __init__(self, jobs: int, **poison: int) -> None:
        self.jobs = jobs
        self.poison = {f"{name[1:]}.exr": times for name, times in poison.items()}
        self.in_flight: list[Sequence[Candidate]] = []
        self.order: list[int] = []
        self.bundles: list[list[int]] = []
        self.stopped = False
        self.is_frozen = False
        self.threads: list[int] = []

    @property
    def idle(self) -> int:
        return max(0, self.jobs - len(self.in_flight))

    @property
    def is_busy(self) -> bool:
        return bool(self.in_flight)

    def submit(self, bundle: Sequence[Candidate], plans: Sequence[Job]) -> None:
        assert self.idle, "never more tasks than workers"
        assert [plan.source for plan in plans] == [candidate.path for candidate in bundle]
        self.threads += [plan.share.threads for plan in plans if isinstance(plan, RecompressJob)]
        self.in_flight.append(bundle)
        self.order += [candidate.size for candidate in bundle]
        self.bundles.append([candidate.size for candidate in bundle])

    def request_stop(self) -> None:
        self.stopped = True

    def withdraw_stop(self) -> None:
        self.stopped = False

    def freeze(self, wanted: bool) -> None:
        self.is_frozen = wanted

    def resize(self, jobs: int) -> str | None:
        self.jobs = jobs
        return None

    def next_finished(self, timeout: float) -> Outcome | None:
        if not self.in_flight:
            return None
        bundle = self.in_flight.pop(0)
        for candidate in bundle:
            if self.poison.get(candidate.path, 0):
                self.poison[candidate.path] -= 1
                others = [other for other in bundle if other is not candidate]
                return Outcome([], others, Death(candidate, "SIGSEGV", ReasonCode.CRASHED))
        return Outcome([FileReport(path=each.path, status=Status.RECOMPRESSED) for each in bundle])


def control_with(stop: StopRequest) -> Control:
    control = Control()
    control.stop = stop
    return control


def run(backlog: Backlog, workers: FakeWorkers, options: Options, stop: StopRequest) -> Iterator[FileReport | None]:
    return Scheduler(backlog, workers, options, control_with(stop)).run()


def scanned(found: Iterator[Candidate | FileReport]) -> Backlog:
    """Return a backlog whose scan has ended."""
    backlog = Backlog(found)
    backlog.start()
    backlog._thread.join()
    return backlog


def candidates(sizes: list[int]) -> Iterator[Candidate]:
    return (Candidate(f"{index}.exr", size, None) for index, size in enumerate(sizes))


@given(st.lists(st.integers(0, 1000), max_size=40), st.integers(1, 5))
def test_processes_each_file_once_largest_first(sizes: list[int], jobs: int) -> None:
    """Each file is reported exactly once.

    Within the window, files start in order of size.
    """
    workers = FakeWorkers(jobs)
    reports = [report for report in run(scanned(candidates(sizes)), workers, Options(), StopRequest()) if report]
    assert sorted(report.path for report in reports) == sorted(f"{index}.exr" for index in range(len(sizes)))
    assert workers.order == sorted(sizes, reverse=True)


def test_a_large_file_overtakes_only_within_the_window() -> None:
    """Files that lie together are processed at about the same time.

    Only WINDOW files compete, and files of giant size.
    """
    sizes = [BUNDLE_BYTES] * (3 * WINDOW) + [2 * BUNDLE_BYTES, 5 * BUNDLE_BYTES]
    workers = FakeWorkers(2)
    list(run(scanned(candidates(sizes)), workers, Options(), StopRequest()))
    assert 2 * WINDOW <= workers.order.index(2 * BUNDLE_BYTES) <= 2 * WINDOW + 3
    assert workers.order[0] == 5 * BUNDLE_BYTES


@given(st.lists(st.integers(0, 2 * BUNDLE_BYTES), max_size=400), st.integers(1, 20))
def test_bundles_leave_work_for_other_workers(sizes: list[int], jobs: int) -> None:
    """A file of BUNDLE_BYTES is sent alone.

    No bundle is more than a part of one worker's share of the backlog.
    """
    workers = FakeWorkers(jobs)
    list(run(scanned(candidates(sizes)), workers, Options(), StopRequest()))
    waiting = len(sizes)
    for bundle in workers.bundles:
        assert len(bundle) <= BUNDLE_FILES
        assert len(bundle) == 1 or (sum(bundle[:-1]) < BUNDLE_BYTES and len(bundle) * SHARES * jobs <= waiting)
        waiting -= len(bundle)
    assert waiting == 0


def outcome(workers: FakeWorkers, files: int, stop: StopRequest) -> dict[str, list[Status]]:
    """Run files of equal size; return how each of them ended, by number."""
    ended: dict[str, list[Status]] = {}
    for report in run(scanned(candidates([BUNDLE_BYTES] * files)), workers, Options(), stop):
        if report is not None:
            ended.setdefault(report.path.removesuffix(".exr"), []).append(report.status)
    return ended


def test_retries_a_file_that_killed_a_worker_alone_at_the_end() -> None:
    """Other files may have used up the memory.

    The other files of its bundle return to the backlog.
    """
    workers, stop = FakeWorkers(2, _7=1), StopRequest()
    reports = [r for r in run(scanned(candidates([10] * 20)), workers, Options(), stop) if r]
    assert sorted(r.path for r in reports) == sorted(f"{index}.exr" for index in range(20))
    assert {r.status for r in reports} == {Status.RECOMPRESSED}
    assert (workers.bundles[-1], reports[-1].path, stop.reason) == ([10], "7.exr", None)


def test_only_files_that_kill_two_workers_fail() -> None:
    """Three such files do not stop the run, because other files succeed between them."""
    workers, stop = FakeWorkers(1, _3=2, _6=2, _8=9), StopRequest()
    ended = outcome(workers, 12, stop)
    assert {name for name, status in ended.items() if status == [Status.FAILED]} == {"3", "6", "8"}
    assert sum(map(len, ended.values())) == 12
    assert stop.reason is None


def test_three_deaths_without_a_success_stop_the_run() -> None:
    """The cause is then no single file, and no other file is started."""
    workers, stop = FakeWorkers(1, **{f"_{number}": 9 for number in range(12)}), StopRequest()
    ended = outcome(workers, 12, stop)
    assert len(workers.order) == len(ended) == MAX_DEATHS
    assert stop.reason == "3 workers died one after the other: SIGSEGV"
    assert workers.stopped


def test_full_disk_stops_the_run() -> None:
    """Every other file would fail, too.

    Files in progress are finished.
    """

    class Full(FakeWorkers):
        def next_finished(self, timeout: float) -> Outcome | None:
            ended = super().next_finished(timeout)
            if ended is None or len(self.order) != 4:
                return ended
            return Outcome([replace(ended.reports[0], status=Status.FAILED, reason="no space", disk_is_full=True)])

    workers, stop = Full(3), StopRequest()
    assert len(outcome(workers, 12, stop)) == 4
    assert stop.reason == "the disk is full: no space"


def test_stop_finishes_files_in_progress_only() -> None:
    """After a stop request, no other file is started."""
    workers, stop = FakeWorkers(3), StopRequest()
    events = run(scanned(candidates([BUNDLE_BYTES] * 50)), workers, Options(), stop)
    done = [next(events)]
    stop.signal_number = 2
    done += [report for report in events if report]
    assert len(done) == 3 == len(workers.order)
    assert workers.stopped


def test_passes_on_reports_of_the_scan() -> None:
    """A file that the scan refuses is reported like any other."""
    refused = FileReport(path="link", status=Status.SKIPPED, reason="a symbolic link")
    assert [r for r in run(scanned(iter([refused])), FakeWorkers(1), Options(), StopRequest()) if r] == [refused]


def test_error_of_the_scan_ends_the_run() -> None:
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
def test_idle_workers_lend_their_threads(jobs: int, sizes: list[int], threads: list[int]) -> None:
    """If there are fewer large files than workers, several threads work on each file.

    There are never more threads in all than workers.
    """
    workers = FakeWorkers(jobs)
    list(run(scanned(candidates([size * BUNDLE_BYTES for size in sizes])), workers, Options(), StopRequest()))
    assert workers.threads[: len(threads)] == threads


class Picky(FakeWorkers):
    """Refuse some files for want of space or memory.

    `refusals` holds, by path, the answer for each attempt.
    """

    def __init__(self, jobs: int, refusals: dict[str, list[FileReport]]) -> None:
        super().__init__(jobs)
        self.refusals = refusals
        self.plans: list[RecompressJob] = []
        self.alone: list[str] = []

    def submit(self, bundle: Sequence[Candidate], plans: Sequence[Job]) -> None:
        if not self.in_flight and len(bundle) == 1:
            self.alone.append(bundle[0].path)
        self.plans += [plan for plan in plans if isinstance(plan, RecompressJob)]
        super().submit(bundle, plans)

    def next_finished(self, timeout: float) -> Outcome | None:
        if not self.in_flight:
            return None
        bundle = self.in_flight.pop(0)
        reports: list[FileReport] = []
        for place, candidate in enumerate(bundle):
            refusals = self.refusals.get(candidate.path, [])
            if refusals:
                return Outcome([*reports, refusals.pop(0)], bundle[place + 1 :])
            reports.append(FileReport(path=candidate.path, status=Status.RECOMPRESSED))
        return Outcome(reports)


def no_space(path: str) -> FileReport:
    return FileReport(path=path, status=Status.SKIPPED, reason="no room", disk_is_full=True, retry_alone=True)


def needs_memory(path: str) -> FileReport:
    return FileReport(path=path, status=Status.SKIPPED, reason="too large", retry_alone=True)


def test_reserves_space_for_other_files_in_progress() -> None:
    """Each job reserves the sizes of the other files in progress.

    It was the size of the largest file times the number of workers (issue 13, B12).
    """
    workers = Picky(3, {})
    sizes = [10 * BUNDLE_BYTES, BUNDLE_BYTES, BUNDLE_BYTES]
    list(run(scanned(candidates(sizes)), workers, Options(), StopRequest()))
    assert [plan.share.reserved for plan in workers.plans] == [0, 10 * BUNDLE_BYTES, 11 * BUNDLE_BYTES]


def test_retries_a_file_without_room_when_others_have_ended() -> None:
    """No other file is started before that; afterwards the run goes on."""
    workers, stop = Picky(2, {"1.exr": [no_space("1.exr")]}), StopRequest()
    reports = [r for r in run(scanned(candidates([BUNDLE_BYTES] * 6)), workers, Options(), stop) if r]
    assert sorted(r.path for r in reports) == [f"{index}.exr" for index in range(6)]
    assert {r.status for r in reports} == {Status.RECOMPRESSED}
    assert stop.reason is None


def test_file_that_does_not_fit_alone_comes_last_and_stops_the_run() -> None:
    """The other files are processed first, because they may make room.

    Otherwise each new run would stop at the same file.
    """
    size = BUNDLE_BYTES
    workers = Picky(1, {"0.exr": [no_space("0.exr"), no_space("0.exr")]})
    stop = StopRequest()
    reports = [r for r in run(scanned(candidates([9 * size, size, size])), workers, Options(), stop) if r]
    assert [(r.path, r.status) for r in reports] == [
        ("1.exr", Status.RECOMPRESSED),
        ("2.exr", Status.RECOMPRESSED),
        ("0.exr", Status.SKIPPED),
    ]
    assert stop.reason == "the disk is full: no room"


def test_recognizes_a_full_disk_after_a_few_retries() -> None:
    """A few failed retries end the run.

    A single file that does not fit does not, because others may be on another disk.
    """
    refusals = {f"{index}.exr": [no_space(f"{index}.exr")] * 99 for index in range(50)}
    workers, stop = Picky(4, refusals), StopRequest()
    reports = [r for r in run(scanned(candidates([BUNDLE_BYTES] * 50)), workers, Options(), stop) if r]
    assert [r.status for r in reports] == [Status.SKIPPED] * MAX_WITHOUT_SPACE
    assert stop.reason is not None


def test_retries_a_file_that_needs_much_memory_alone() -> None:
    """First it gets its share of memory, then, alone at the end, all of it.

    If that is not enough, it is skipped (issue 13, B15).
    """
    workers = Picky(4, {"0.exr": [needs_memory("0.exr")], "1.exr": [needs_memory("1.exr")] * 2})
    workers.memory = 4000
    stop = StopRequest()
    scheduler = Scheduler(scanned(candidates([BUNDLE_BYTES] * 8)), workers, Options(), control_with(stop))
    reports = {r.path: r.status for r in scheduler.run() if r}
    assert reports.pop("1.exr") is Status.SKIPPED
    assert set(reports.values()) == {Status.RECOMPRESSED}
    assert [plan.share.memory for plan in workers.plans[:8]] == [1000] * 8
    assert [(plan.source, plan.share.memory) for plan in workers.plans[8:]] == [("0.exr", 4000), ("1.exr", 4000)]
    assert workers.alone[-2:] == ["0.exr", "1.exr"]
    assert stop.reason is None


@given(st.lists(st.integers(1, 4), min_size=1, max_size=30), st.integers(1, 6))
def test_processes_hard_links_of_a_file_one_after_the_other(inodes: list[int], jobs: int) -> None:
    """Regression test for issue 13, C16.

    Replacing the first name changed the ctime, so the second was skipped.
    """

    class Watchful(FakeWorkers):
        def submit(self, bundle: Sequence[Candidate], plans: Sequence[Job]) -> None:
            busy = {candidate.inode for other in self.in_flight for candidate in other}
            assert not busy & {candidate.inode for candidate in bundle}
            super().submit(bundle, plans)

    found = (Candidate(f"{i}.exr", BUNDLE_BYTES, inode=n, links=2) for i, n in enumerate(inodes))
    reports = run(
        scanned(found), Watchful(jobs), Options(rules=RecompressRules(hardlinks=Hardlinks.BREAK)), StopRequest()
    )
    assert sorted(r.path for r in reports if r) == sorted(f"{index}.exr" for index in range(len(inodes)))


def test_loss_of_the_fork_server_does_not_stop_the_run() -> None:
    """All workers die at once, and each of their files is tried again (issue 13, C18)."""

    class Orphans(FakeWorkers):
        lost = 5

        def next_finished(self, timeout: float) -> Outcome | None:
            if self.in_flight and self.lost:
                self.lost -= 1
                (candidate,) = self.in_flight.pop(0)
                return Outcome([], [], Death(candidate, "the server was killed", ReasonCode.CRASHED, is_lost=True))
            return super().next_finished(timeout)

    workers, stop = Orphans(5), StopRequest()
    ended = outcome(workers, 12, stop)
    assert set(map(tuple, ended.values())) == {(Status.RECOMPRESSED,)}
    assert len(ended) == 12
    assert stop.reason is None


STEPS = ["pause", "freeze", "resume", "limit", "unlimit", "1", "2", "5", "nothing"]


@given(st.lists(st.integers(0, BUNDLE_BYTES), max_size=60), st.lists(st.sampled_from(STEPS), max_size=40))
def test_a_steered_run_processes_each_file_once(sizes: list[int], steps: list[str]) -> None:
    """Whatever is asked of it between two events; in the end all pauses are withdrawn."""
    workers, control = FakeWorkers(3), Control(3, 5)
    workers.memory = 6000
    asked = iter(steps)
    done: list[str] = []
    for report in Scheduler(scanned(candidates(sizes)), workers, Options(), control).run():
        done += [report.path] if report else []
        assert sum(len(bundle) > 0 for bundle in workers.in_flight) <= 5
        match next(asked, "end"):
            case "pause" | "freeze" as how:
                control.pause_for_user(now=how == "freeze")
            case "limit":
                control.pause("outside hours")
            case "end":
                control.resume("outside hours")
                control.resume_for_user()
            case "resume":
                control.resume_for_user()
            case "unlimit":
                control.resume("outside hours")
            case number if number.isdigit():
                control.set_jobs(int(number))
    assert sorted(done) == sorted(f"{index}.exr" for index in range(len(sizes)))


def test_a_paused_run_starts_no_file_and_asks_workers_to_return_theirs() -> None:
    """The files in progress are finished. The run goes on when the last pause is withdrawn."""
    workers, control = FakeWorkers(2), Control()
    events = Scheduler(scanned(candidates([BUNDLE_BYTES] * 8)), workers, Options(), control).run()
    next(events)
    control.pause("outside hours")
    control.pause_for_user()
    assert [next(events) is not None for _ in range(3)] == [True, False, False]
    assert (len(workers.order), workers.stopped, workers.is_frozen) == (2, True, False)
    control.resume_for_user()
    assert next(events) is None
    control.resume("outside hours")
    assert len([report for report in events if report]) == 6
    assert not workers.stopped


def test_a_frozen_run_that_is_to_end_finishes_its_files() -> None:
    """Otherwise it would wait for ever for files that stand still."""
    workers, control = FakeWorkers(2), Control()
    events = Scheduler(scanned(candidates([BUNDLE_BYTES] * 8)), workers, Options(), control).run()
    next(events)
    control.pause_for_user(now=True)
    next(events)
    assert workers.is_frozen
    control.finish("asked to finish (q)")
    control.finish("the disk is full")
    list(events)
    assert not workers.is_frozen
    assert control.stop.reason == "asked to finish (q)"


def test_memory_shares_follow_the_number_of_workers() -> None:
    """All shares together are never more than the memory that there is."""
    workers, control = Picky(1, {}), Control(1, 4)
    workers.memory = 4000
    events = Scheduler(scanned(candidates([BUNDLE_BYTES] * 12)), workers, Options(), control).run()
    next(events)
    control.set_jobs(4)
    next(events)
    control.set_jobs(2)
    list(events)
    assert [plan.share.memory for plan in workers.plans[:5]] == [4000, 1000, 1000, 1000, 1000]
    assert workers.plans[-1].share.memory == 2000


def test_a_number_of_workers_that_is_impossible_is_not_asked_for_again() -> None:
    """The run goes on with those that there are, and says why."""

    class Limited(FakeWorkers):
        def resize(self, jobs: int) -> str | None:
            self.jobs = 3
            return "no worker can be started"

    workers, control = Limited(2), Control(2, 9)
    control.set_jobs(7)
    list(Scheduler(scanned(candidates([1] * 4)), workers, Options(), control).run())
    assert (control.jobs, control.refusal) == (3, "no worker can be started")
    assert (control.set_jobs(99), control.set_jobs(-1)) == (9, 1)
