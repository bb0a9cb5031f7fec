"""Real worker processes: one that dies costs its file only; all die with the parent."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from exrbatch import Status
from exrbatch.batch.discover import Candidate
from exrbatch.batch.options import Options
from exrbatch.batch.pool import Pool
from exrbatch.file.replace import TEMP_SUFFIX, temp_prefix
from exrbatch.file.report import FileReport
from tests.support.build import PartSpec, build


@pytest.fixture
def frames(tmp_path: Path) -> list[Candidate]:
    data = build([PartSpec(window=(0, 0, 63, 63), noise=0.05)])
    paths = [tmp_path / f"{index}.exr" for index in range(3)]
    for path in paths:
        path.write_bytes(data)
    return [Candidate(str(path), len(data), None) for path in paths]


def give(pool: Pool, *candidates: Candidate) -> None:
    pool.submit(candidates, [Options().plan(candidate.path, None) for candidate in candidates])


def finish(pool: Pool) -> FileReport:
    while (outcome := pool.next_finished(0.1)) is None:
        assert pool.is_busy
    (report,) = outcome.reports
    return report


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_worker_that_dies_costs_its_file_only(frames: list[Candidate], number: signal.Signals) -> None:
    """The file is blamed with the signal's name, its temp is gone, the others are done, the slot works again."""
    pool = Pool(2)
    victim = pool._idle[-1].process
    assert victim.pid is not None
    os.kill(victim.pid, signal.SIGSTOP)  # so that it surely has the file when it dies
    temp = Path(frames[0].path).with_name(f"{temp_prefix(victim.pid)}left{TEMP_SUFFIX}")
    temp.touch()
    give(pool, frames[0])
    give(pool, frames[1])
    assert finish(pool).status is Status.RECOMPRESSED
    os.kill(victim.pid, number)
    if number != signal.SIGKILL:  # which reaches a stopped process as well
        os.kill(victim.pid, signal.SIGCONT)
    blamed = finish(pool)
    assert (blamed.path, blamed.status, blamed.reason) == (
        frames[0].path,
        Status.FAILED,
        f"the worker died: {number.name}",
    )
    assert not temp.exists()
    give(pool, frames[0])
    give(pool, frames[2])
    assert {finish(pool).status, finish(pool).status} == {Status.RECOMPRESSED}
    pool.close()


def test_a_bundle_blames_one_file_and_returns_the_others(frames: list[Candidate]) -> None:
    """Of several small files only the one in work fails with the worker."""
    pool = Pool(1)
    victim = pool._idle[-1].process
    assert victim.pid is not None
    os.kill(victim.pid, signal.SIGSTOP)
    give(pool, *frames)
    pool._slots[0].position.index = 1.0
    os.kill(victim.pid, signal.SIGKILL)
    while (outcome := pool.next_finished(0.1)) is None:
        assert pool.is_busy
    assert [(report.path, report.status) for report in outcome.reports] == [(frames[1].path, Status.FAILED)]
    assert list(outcome.returned) == [frames[0], frames[2]]
    pool.close()


def test_a_stop_begins_no_other_file_of_a_bundle(frames: list[Candidate]) -> None:
    """The file in work is finished; the others of its bundle come back."""
    pool = Pool(1)
    pool.request_stop()
    give(pool, *frames)
    while (outcome := pool.next_finished(0.1)) is None:
        assert pool.is_busy
    assert [report.path for report in outcome.reports] == [frames[0].path]
    assert list(outcome.returned) == frames[1:]
    pool.close()


PARENT = """
import sys, exrbatch
from exrbatch.batch.pool import Pool
if __name__ == "__main__":
    pool = Pool(2)
    print(*(slot.process.pid for slot in pool._slots), flush=True)
    sys.stdin.read()
"""


def test_workers_die_with_the_parent(tmp_path: Path) -> None:
    """After kill -9 of the parent no worker lives on to write under a second run."""
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
    gone, alive = psutil.wait_procs(workers, timeout=60)
    assert (len(gone), alive) == (2, [])


def test_progress_is_seen_from_outside(frames: list[Candidate]) -> None:
    """A running file shows its slot, and nothing when all is done."""
    pool = Pool(1)
    give(pool, frames[0])
    (running,) = pool.running()
    assert (running.slot, running.candidate) == (0, frames[0])
    assert 0 <= running.done <= 1
    finish(pool)
    assert list(pool.running()) == []
    pool.close()
