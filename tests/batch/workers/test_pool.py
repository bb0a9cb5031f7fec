"""Real worker processes: a death costs one file at most, and all workers die with the parent."""

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from exrbatch import Status, recompress_many
from exrbatch.batch import clocks
from exrbatch.batch.discovery.candidate import Candidate
from exrbatch.batch.options import Options
from exrbatch.batch.run import Run
from exrbatch.batch.run_report import BatchReport
from exrbatch.batch.workers import pool as pool_module
from exrbatch.batch.workers import slot as slots
from exrbatch.batch.workers import worker
from exrbatch.batch.workers.interface import Outcome
from exrbatch.batch.workers.pool import MAX_TICK, Pool
from exrbatch.jobs.file_report import FileReport
from exrbatch.jobs.job import Job
from exrbatch.recompression.progress import Progress
from exrbatch.replacing import temp_files
from tests.support.build import PartSpec, build
from tests.support.processes import survivors


@pytest.fixture
def frames(tmp_path: Path) -> list[Candidate]:
    data = build([PartSpec(window=(0, 0, 63, 63), noise=0.05)])
    paths = [tmp_path / f"{index}.exr" for index in range(3)]
    for path in paths:
        path.write_bytes(data)
    return [Candidate(str(path), len(data)) for path in paths]


@pytest.fixture
def pool() -> Iterator[Pool]:
    pool = Pool(1, Options().time_limit)
    yield pool
    pool.kill()


def give(pool: Pool, *candidates: Candidate) -> None:
    pool.submit(candidates, [Options().job(candidate) for candidate in candidates])


def outcome(pool: Pool) -> Outcome:
    while (ended := pool.next_finished(0.1)) is None:
        assert pool.is_busy
    return ended


def finish(pool: Pool) -> FileReport:
    (report,) = outcome(pool).reports
    return report


def stop_worker(pool: Pool, slot: int = 0) -> int:
    """Pause a worker that is set up, so that it has its files when it dies."""
    pid = pool._slots[slot].executor.submit(os.getpid).result()  # by then it is set up
    os.kill(pid, signal.SIGSTOP)
    return pid


def temp_of(candidate: Candidate, pid: int, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Leave a temp file beside a frame, as that process would."""
    monkeypatch.setattr(os, "getpid", lambda: pid)
    temp = Path(candidate.path).with_name(temp_files.temp_name("frame.exr", os.stat(candidate.path)))
    monkeypatch.undo()
    temp.touch()
    return temp


@dataclass(frozen=True, slots=True)
class Poison(Job):
    """A job that kills its worker in the way that `how` names."""

    source: str
    how: str

    def do(self, _progress: Progress) -> FileReport:
        assert multiprocessing.parent_process() is not None
        if self.how == "exit":
            os._exit(3)
        signal.raise_signal(signal.Signals[self.how])
        raise AssertionError("unreachable")

    def folders(self) -> dict[str, str | None]:
        return {os.path.dirname(self.source): None}


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("SIGKILL", "the worker died: SIGKILL, which the system sends when memory runs out"),
        ("SIGSEGV", "the worker died: SIGSEGV; its last output: Fatal Python error: Segmentation fault"),
        ("SIGABRT", "the worker died: SIGABRT; its last output: Fatal Python error: Aborted"),
        ("exit", "the worker died: exit code 3"),
    ],
)
def test_death_of_a_worker_fails_only_its_file(
    frames: list[Candidate], how: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The report gives the cause and the last output of the worker.

    The temp file is removed, the other files are processed, and the slot works again.
    """
    pool = Pool(2, Options().time_limit)
    victim = pool._idle[-1].executor.submit(os.getpid).result()
    temp = temp_of(frames[0], victim, monkeypatch)
    pool.submit([frames[0]], [Poison(frames[0].path, how)])
    give(pool, frames[1])
    ended = [outcome(pool), outcome(pool)]
    assert [report.status for each in ended for report in each.reports] == [Status.RECOMPRESSED]
    (death,) = (each.death for each in ended if each.death is not None)
    assert death.candidate == frames[0]
    assert death.reason.startswith(reason)
    assert not temp.exists()
    give(pool, frames[0])
    give(pool, frames[2])
    assert {finish(pool).status, finish(pool).status} == {Status.RECOMPRESSED}
    pool.close()


def test_death_in_a_bundle_fails_only_the_file_in_progress(frames: list[Candidate], pool: Pool) -> None:
    """The other files of the bundle are returned."""
    victim = stop_worker(pool)
    give(pool, *frames)
    pool._slots[0].position.index = 1.0
    os.kill(victim, signal.SIGKILL)
    ended = outcome(pool)
    assert ended.death is not None
    assert (ended.reports, ended.death.candidate) == ([], frames[1])
    assert list(ended.returned) == [frames[0], frames[2]]


def test_keeps_reports_of_files_before_the_death(frames: list[Candidate], pool: Pool) -> None:
    """Files of a bundle that were finished before the worker died keep their reports and sizes."""
    victim = stop_worker(pool)
    give(pool, frames[0], frames[1], frames[2])
    os.kill(victim, signal.SIGCONT)
    while pool._slots[0].position.index < 1.0:
        pass
    os.kill(victim, signal.SIGKILL)
    ended = outcome(pool)
    told = [report.path for report in ended.reports]
    assert told == [candidate.path for candidate in frames[: len(told)]]
    assert len(told) >= 1
    assert {report.status for report in ended.reports} == {Status.RECOMPRESSED}
    dead = [] if ended.death is None else [ended.death.candidate]
    assert len(told) + len(ended.returned) + len(dead) == 3


def test_death_of_an_idle_worker_fails_no_file(frames: list[Candidate], pool: Pool) -> None:
    """The next file gets a new worker."""
    process = pool._slots[0].process
    process.kill()
    process.join()
    while not pool._slots[0].executor._broken:  # the executor notices in its own time
        pass
    give(pool, frames[0])
    assert finish(pool).status is Status.RECOMPRESSED


def test_kills_a_worker_at_the_time_limit(frames: list[Candidate]) -> None:
    """The reason names the limit.

    A new worker processes the other files.
    """
    pool = Pool(1, lambda _size: 2 * MAX_TICK)
    stop_worker(pool)
    give(pool, *frames)
    ended = outcome(pool)
    assert ended.death is not None
    assert (ended.death.candidate, ended.death.reason) == (frames[0], "timed out after 0.5 s (--file-timeout)")
    assert list(ended.returned) == frames[1:]
    give(pool, *ended.returned)
    assert len(outcome(pool).reports) == 2
    pool.close()


def test_suspended_machine_exceeds_no_time_limit(frames: list[Candidate], pool: Pool) -> None:
    """At most MAX_TICK counts between two looks.

    Each file of a bundle has its own time.
    """
    stop_worker(pool)
    give(pool, *frames)
    slot = pool._slots[0]
    pool._last_look -= 1e6
    pool._kill_overdue()
    assert slot._clock[1] == MAX_TICK
    slot.position.index = 1.0
    slot.tick(MAX_TICK, lambda _size: 1.0)
    assert slot._clock == (1, 0.0)


def test_a_gap_on_a_busy_machine_is_no_pause(pool: Pool) -> None:
    """Once, a run that nobody had paused said "2.6 s of it paused"."""
    pool._last_look -= 1000.0
    pool._kill_overdue()
    assert pool.paused < 1.0


def test_the_time_of_a_suspended_run_is_paused(frames: list[Candidate], pool: Pool) -> None:
    """After Ctrl-Z, workers are frozen before this process stops, and go on after it goes on."""
    stop_worker(pool)
    give(pool, frames[0])
    pool.freeze(True)
    pool._last_look -= 1000.0
    pool.freeze(False)
    slot = pool._slots[0]
    assert 1000.0 <= pool.paused < 1001.0
    assert slot._lost[0] >= 1000.0
    assert slot.seconds <= MAX_TICK


@pytest.mark.parametrize("is_frozen", [False, True])
def test_sleep_of_the_machine_is_paused(pool: Pool, monkeypatch: pytest.MonkeyPatch, is_frozen: bool) -> None:
    """Totals count it, too, so that the time without pauses is right."""
    pool.freeze(is_frozen)
    totals = BatchReport()
    monkeypatch.setattr(clocks, "asleep", lambda: 1e9)
    monkeypatch.setattr(pool_module, "asleep", lambda: 1e9)
    pool._last_asleep = 1e9 - 500.0
    pool._kill_overdue()
    assert 500.0 <= pool.paused < 501.0
    assert totals.seconds > 1e8


@pytest.mark.parametrize(("name", "value"), [("MAX_FILES", 2), ("MAX_GROWTH", -1e9)])
def test_replaces_workers_after_many_files_or_much_growth(
    frames: list[Candidate], pool: Pool, monkeypatch: pytest.MonkeyPatch, name: str, value: float
) -> None:
    """Leaks of libraries can't add up, because a new process takes over."""
    monkeypatch.setattr(slots, name, value)
    before = pool._slots[0].process.pid
    give(pool, *frames[:2])
    assert len(outcome(pool).reports) == 2
    assert pool._slots[0].process.pid != before
    give(pool, frames[2])
    assert finish(pool).status is Status.RECOMPRESSED


def test_stop_returns_the_unstarted_files_of_a_bundle(frames: list[Candidate], pool: Pool) -> None:
    """The file in progress is finished."""
    pool.request_stop()
    give(pool, *frames)
    ended = outcome(pool)
    assert [report.path for report in ended.reports] == [frames[0].path]
    assert list(ended.returned) == frames[1:]


def test_closing_the_iterator_starts_no_other_file(tmp_path: Path) -> None:
    """Files in progress are finished, and nothing is left behind, also for bundles."""
    data = build([PartSpec(window=(0, 0, 255, 255), noise=0.2)])
    for index in range(200):
        (tmp_path / f"{index}.exr").write_bytes(data)
    reports = recompress_many(tmp_path, jobs=2)
    next(reports)
    reports.close()
    done = sum(path.stat().st_size < len(data) for path in tmp_path.iterdir())
    assert 1 <= done < 100
    assert len(list(tmp_path.iterdir())) == 200


PARENT = """
import ctypes, os, sys
from exrbatch.batch.workers.pool import Pool

def sleep_and_hold_the_interpreter():
    ctypes.PyDLL(None).sleep(1000)

if __name__ == "__main__":
    pool = Pool(2, float)
    print(*(slot.executor.submit(os.getpid).result() for slot in pool._slots), flush=True)
    pool._slots[0].executor.submit(sleep_and_hold_the_interpreter)
    sys.stdin.read()
"""


def test_workers_die_with_the_parent(tmp_path: Path) -> None:
    """After kill -9 of the parent no worker survives, even inside endless C code.

    It would otherwise write while a second run is working.
    """
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    parent = subprocess.Popen([sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert parent.stdin is not None
    assert parent.stdout is not None
    workers = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
    assert len(workers) == 2
    parent.kill()
    parent.wait()
    parent.stdin.close()
    parent.stdout.close()
    assert survivors(workers) == []


FREEZING_PARENT = """
import sys
from exrbatch.batch.options import Options
from exrbatch.batch import clocks
from exrbatch.batch.discovery.candidate import Candidate
from exrbatch.batch.workers.pool import Pool

if __name__ == "__main__":
    pool = Pool(2, float)
    for path in sys.argv[1:]:
        candidate = Candidate(path, 1)
        pool.submit([candidate], [Options().job(candidate)])
    while not all(slot._is_frozen for slot in pool._slots):
        pool.freeze(True)
    print(*(slot.process.pid for slot in pool._slots), flush=True)
    sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux kills stopped workers with their server")
def test_frozen_workers_die_with_the_parent(tmp_path: Path) -> None:
    """A stopped process can't notice that its parent is gone, so the kernel kills it.

    Files that it had begun are complete, old or new.
    """
    script = tmp_path / "parent.py"
    script.write_text(FREEZING_PARENT)
    data = build([PartSpec(window=(0, 0, 1023, 1023), noise=0.2)])
    paths = [tmp_path / "a.exr", tmp_path / "b.exr"]
    for path in paths:
        path.write_bytes(data)
    parent = subprocess.Popen(
        [sys.executable, script, *paths], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdin is not None
    assert parent.stdout is not None
    workers = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
    assert len(workers) == 2
    while {worker.status() for worker in workers} != {psutil.STATUS_STOPPED}:
        pass
    parent.kill()
    parent.wait()
    parent.stdin.close()
    parent.stdout.close()
    assert survivors(workers) == []
    assert [path.read_bytes() for path in paths] == [data] * 2


def test_a_frozen_file_has_no_time(frames: list[Candidate]) -> None:
    """Neither its time limit nor its seconds run on. It ends normally when it is let go on."""
    pool = Pool(1, lambda _size: 2 * MAX_TICK)
    slot = pool._slots[0]
    stop_worker(pool)
    give(pool, frames[0])
    while not slot._is_frozen:
        pool.freeze(True)
    pool._last_look -= 1000.0
    pool._kill_overdue()
    assert slot._limit is None
    assert slot._lost[0] >= 1000.0
    assert slot.seconds <= MAX_TICK  # from before it was frozen
    assert pool.paused >= 1000.0
    (report,) = slot.with_true_seconds([FileReport(path="a.exr", status=Status.RECOMPRESSED, seconds=1001.0)])
    assert report.seconds <= 1.0
    pool.freeze(False)
    assert finish(pool).status is Status.RECOMPRESSED
    pool.close()


def test_frozen_workers_can_be_closed_and_killed(frames: list[Candidate]) -> None:
    """Closing lets them finish; killing does not wait for them."""
    for end in (Pool.close, Pool.kill):
        pool = Pool(2, Options().time_limit)
        give(pool, frames[0])
        busy = next(slot for slot in pool._slots if slot.bundle)
        while not busy._is_frozen:
            pool.freeze(True)
        processes = [slot.process for slot in pool._slots]
        end(pool)
        for process in processes:
            process.join(60)
            assert process.exitcode is not None


def test_changes_the_number_of_workers(frames: list[Candidate]) -> None:
    """Free workers end at once, busy ones after their files; new ones get files."""
    pool = Pool(2, Options().time_limit)
    first = [slot.process for slot in pool._slots]
    give(pool, frames[0])
    give(pool, frames[1])
    assert pool.resize(1) is None
    assert (pool.jobs, pool.idle, pool.is_busy) == (1, 0, True)
    assert {finish(pool).status, finish(pool).status} == {Status.RECOMPRESSED}
    assert (pool.jobs, pool.idle, len(pool._slots), pool.is_busy) == (1, 1, 1, False)
    while pool.jobs < 3:
        assert pool.resize(3) is None
    assert [slot.index for slot in pool._slots] == [0, 1, 2]
    assert pool.idle == 3
    give(pool, frames[2])
    assert finish(pool).status is Status.RECOMPRESSED
    later = [slot.process for slot in pool._slots]
    pool.close()
    for process in (*first, *later):
        process.join(60)
        assert process.exitcode is not None


def test_more_workers_than_can_be_started_are_no_reason_to_stop(
    frames: list[Candidate], pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason is returned, and the others go on."""

    def fail(*_arguments: object, **_options: object) -> None:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as broken:
        broken.setattr(ProcessPoolExecutor, "submit", fail)
        assert "Too many open files" in (pool.resize(3) or "")
    assert (pool.jobs, pool.idle) == (1, 1)
    give(pool, frames[0])
    assert finish(pool).status is Status.RECOMPRESSED


def test_shows_files_in_progress(frames: list[Candidate], pool: Pool) -> None:
    """A file in progress is shown with its slot; after that nothing is shown."""
    give(pool, frames[0])
    (running,) = pool.running()
    assert (running.slot, running.candidate) == (0, frames[0])
    finish(pool)
    assert list(pool.running()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="a killed server takes its workers along only on Linux")
@pytest.mark.parametrize("victim", ["forkserver", "resource_tracker"])
def test_death_of_a_helper_process_fails_no_file(tmp_path: Path, victim: str) -> None:
    """The helper is started again.

    The run ended with a traceback, and files were never reported (issue 13, C18).
    """
    data = build([PartSpec(window=(0, 0, 255, 255), noise=0.2)])
    for index in range(60):
        (tmp_path / f"{index}.exr").write_bytes(data)
    command = [sys.executable, "-m", "exrbatch", "recompress", str(tmp_path), "-v", "-j", "2", "--effort", "max"]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert run.stdout is not None
    run.stdout.readline()
    for child in psutil.Process(run.pid).children():
        if victim in " ".join(child.cmdline()):
            child.kill()
    printed, _ = run.communicate()
    assert run.returncode == 0, printed
    assert "60 files: 60 recompressed" in printed
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(f"{index}.exr" for index in range(60))


def test_stops_the_run_if_no_worker_can_be_started(frames: list[Candidate], monkeypatch: pytest.MonkeyPatch) -> None:
    """The run ends with exit code 3 and a summary, not with a traceback."""

    def fail(*_arguments: object, **_options: object) -> None:
        raise EOFError("unexpected EOF")

    monkeypatch.setattr(ProcessPoolExecutor, "submit", fail)
    options = Options(jobs=1)
    run = Run([os.path.dirname(frames[0].path)], options)
    assert list(run.events()) == []
    assert run.stop.reason == "no worker can be started: EOFError: unexpected EOF"


def test_death_after_the_exchange_counts_as_recompressed(tmp_path: Path) -> None:
    """Regression test for issue 13, C17.

    The file was reported as failed although the new one was in place.
    """
    script = tmp_path / "worker.py"
    script.write_text(DIES_AFTER_THE_EXCHANGE)
    frame = tmp_path / "in" / "frame.exr"
    frame.parent.mkdir()
    frame.write_bytes(build([PartSpec(window=(0, 0, 63, 63), noise=0.05)]))
    os.utime(frame, (1_700_000_000, 1_700_000_000))
    done = subprocess.run([sys.executable, script, frame], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines() == [
        "recompressed done, although the worker died: SIGKILL, which the system sends when memory runs out"
    ]
    assert [path.name for path in frame.parent.iterdir()] == ["frame.exr"]


DIES_AFTER_THE_EXCHANGE = """
import os, signal, sys
from exrbatch.batch.workers import worker
from exrbatch.replacing.disk import Disk

def die(self, path):
    os.kill(os.getpid(), signal.SIGKILL)

def work(plans, original=worker.work):
    Disk.sync_directory = die
    return original(plans)

worker.work = work

if __name__ == "__main__":
    import exrbatch
    for report in exrbatch.recompress_many(sys.argv[1], jobs=1):
        print(report.status, *report.notes)
"""


def test_uses_fewer_workers_if_open_files_are_limited(tmp_path: Path) -> None:
    """The run says so.

    With -j 128 and a limit of 1024 it ended with a traceback (issue 13, B13).
    """
    (tmp_path / "frame.exr").write_bytes(build([PartSpec(window=(0, 0, 63, 63), noise=0.05)]))
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100));"
        "from exrbatch.cli.main import main; sys.exit(main(['recompress', sys.argv[1], '-j', '64']))"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "4 workers instead of 64: the limit of open files is too low (ulimit -n)" in done.stderr
    assert "1 file: 1 recompressed" in done.stdout


def test_a_slot_uses_the_documented_number_of_descriptors(frames: list[Candidate]) -> None:
    """The number of workers that fit is computed from that number."""

    def count() -> int:
        return len(os.listdir("/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"))

    pools = [Pool(jobs, Options().time_limit) for jobs in (1, 1)]  # the first starts the server as well
    before = count()
    pools.append(Pool(4, Options().time_limit))
    for slot in pools[-1]._slots:
        slot.executor.submit(os.getpid).result()
    assert count() - before <= 4 * slots.DESCRIPTORS
    for pool in pools:
        pool.close()


def test_unwritable_log_fails_no_file(frames: list[Candidate], monkeypatch: pytest.MonkeyPatch) -> None:
    """A full temp folder ended the whole run with a traceback."""

    def fail(*_arguments: object) -> int:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(worker, "_log_fd", os.open(os.devnull, os.O_RDWR))
    monkeypatch.setattr(os, "write", fail)
    monkeypatch.setattr(os, "ftruncate", fail)
    reports = worker.work([Options().job(candidate) for candidate in frames])
    monkeypatch.undo()
    assert [report.status for report in reports] == [Status.RECOMPRESSED] * 3


def first_worker(_pool: Pool) -> None:
    Pool(2, float)


def another_worker(pool: Pool) -> None:
    pool.resize(2)


def new_worker(pool: Pool) -> None:
    pool._slots[0].renew()


@pytest.mark.parametrize("start", [first_worker, another_worker, new_worker])
def test_an_interrupt_while_a_worker_starts_leaves_no_process(
    start: Callable[[Pool], None], pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such a process waited for tasks forever, and the interpreter waited for it when it ended."""
    started = []
    find_process = slots._process_of

    def interrupt(executor: ProcessPoolExecutor) -> object:
        started.append(find_process(executor))
        os.kill(os.getpid(), signal.SIGINT)
        return started[-1]

    monkeypatch.setattr(slots, "_process_of", interrupt)
    with pytest.raises(KeyboardInterrupt):
        start(pool)
    pool.kill()
    assert len(started) == 1
    started[0].join(60)
    assert not started[0].is_alive()
