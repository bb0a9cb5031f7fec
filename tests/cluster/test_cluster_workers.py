"""What a run does with the workers of a cluster, whatever they do, without Dask."""

import os
import pickle
import queue
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("distributed", reason="Dask is not installed")

from exrbatch.batch.backlog import Backlog
from exrbatch.batch.control import Control
from exrbatch.batch.discovery.candidate import Candidate
from exrbatch.batch.options import Options
from exrbatch.batch.scheduler import Scheduler
from exrbatch.batch.workers.interface import Setting
from exrbatch.cluster.link import Answered, Ended, Joined, Left, Message, Said
from exrbatch.cluster.tokens import Token, Tokens, unseen
from exrbatch.cluster.travel import Orders, Task, for_elsewhere
from exrbatch.cluster.workers import ClusterWorkers
from exrbatch.errors import RunStopped
from exrbatch.jobs.file_report import FileReport, Status
from exrbatch.jobs.job import Job, Place
from exrbatch.jobs.recompress_job import RecompressJob, RecompressRules
from exrbatch.journal.writer import openexr_version
from exrbatch.replacing import host_hash
from exrbatch.version import __version__

FOLDER = "/no/such/folder"
DRY = Options(rules=RecompressRules(dry_run=True))
"""Nothing is written, so no tokens are made."""


def answer(**values: Any) -> dict[str, Any]:
    healthy = {"exrbatch": __version__, "openexr": openexr_version(), "host": "ab01", "machine": "m", "memory": 10**9}
    return {**healthy, "threads": 1, "has_journal": False, "unseen": [], **values}


class FakeLink:
    """Workers that do, die and join as random numbers say; in the end they do their work.

    A worker dies of each file whose name contains `poison`. Reports that were sent just before a
    death may be lost, although the file is done.
    """

    topic, name, is_up, is_silent = "topic", "tcp://fake", True, False

    def __init__(self, seed: int, deaths: int, workers: int = 3) -> None:
        self.messages = self
        self.chance = random.Random(seed)
        self.deaths_left = deaths
        self.tasks: dict[str, Task] = {}
        self.progress: dict[str, int] = {}
        self.queue: list[Message] = []
        self.joined = 0
        self.done: Counter[str] = Counter()
        self.most_at_once = 0
        self.alive = [self._new() for _ in range(workers)]

    def _new(self) -> str:
        self.joined += 1
        return f"tcp://worker-{self.joined}"

    def listen(self) -> list[str]:
        return [*self.alive]

    def probe(self, address: str, tokens: Sequence[Token], journal: object) -> None:
        self.queue.append(Answered(address, answer()))

    def send(self, task: Task, address: str) -> None:
        assert address in self.alive, "the run knows that this worker has left"
        assert address not in self.tasks, "one task at a time"
        assert task.indexes, "a task has files"
        self.tasks[address], self.progress[address] = task, 0
        if not self.is_silent:
            self.queue.append(Said({"bundle": task.number, "begun": True}))
        self.most_at_once = max(self.most_at_once, len(self.tasks))

    def drop(self, number: int) -> None:
        pass

    def give(self, orders: Orders, addresses: Sequence[str]) -> None:
        pass

    def restart(self, address: str) -> None:
        pass

    def close(self) -> None:
        pass

    def get(self, timeout: float) -> Message:
        if not self.queue:
            self._act()
        if not self.queue:
            raise queue.Empty
        return self.queue.pop(0)

    def _act(self) -> None:
        """Let a busy worker go on, or die."""
        if not self.tasks:
            return
        address = self.chance.choice(sorted(self.tasks))
        task, index = self.tasks[address], self.progress[address]
        if self.deaths_left and self.chance.random() < 0.2:
            self.deaths_left -= 1
            self._die(address)
        elif index == len(task.jobs):
            del self.tasks[address]
            self.queue.append(Ended(task.number, None))
        elif "poison" in task.jobs[index].source:
            self._die(address)
        else:
            self.progress[address] += 1
            self.done[task.jobs[index].source] += 1
            if self.deaths_left and self.chance.random() < 0.2:  # the report is lost with its worker
                self.deaths_left -= 1
                self._die(address)
            else:
                self._say(task, index)

    def _say(self, task: Task, index: int) -> None:
        is_new = self.done[task.jobs[index].source] == 1
        report = FileReport(
            path=task.jobs[index].source,
            status=Status.RECOMPRESSED if is_new else Status.ALREADY,
            size_before=100,
            seconds=0.1,
        )
        event = {"bundle": task.number, "index": task.indexes[index], "report": pickle.dumps(report)}
        self.queue += [Said(event)] * self.chance.choice([1, 1, 2])  # never counted twice

    def _die(self, address: str) -> None:
        del self.tasks[address]
        self.alive.remove(address)
        self.alive.append(self._new())
        self.queue += [Left(address), Joined(self.alive[-1])]


def workers_on(link: FakeLink, options: Options = DRY, notices: list[str] | None = None) -> ClusterWorkers:
    return ClusterWorkers(link, Setting(options, [FOLDER], None, [].append if notices is None else notices.append), 0.2)  # type: ignore[arg-type]


def backlog_of(names: Sequence[str], size: int = 1000) -> Backlog:
    backlog = Backlog(Candidate(f"{FOLDER}/{name}", size) for name in names)
    backlog.start()
    backlog._thread.join()
    return backlog


@given(
    seed=st.integers(0, 2**32),
    deaths=st.integers(0, 30),
    files=st.integers(0, 60),
    poisons=st.integers(0, 3),
    size=st.sampled_from([1, 10**6, 10**9]),
)
def test_every_file_ends_once_whatever_dies(seed: int, deaths: int, files: int, poisons: int, size: int) -> None:
    names = [f"{index}.exr" for index in range(files)] + [f"poison{index}.exr" for index in range(poisons)]
    link = FakeLink(seed, deaths)
    workers = workers_on(link)
    reports = [r for r in Scheduler(backlog_of(names, size), workers, DRY, Control()).run() if r is not None]
    assert sorted(report.path for report in reports) == sorted(f"{FOLDER}/{name}" for name in names)
    failed = {report.path for report in reports if report.status is Status.FAILED}
    assert {f"{FOLDER}/poison{index}.exr" for index in range(poisons)} <= failed
    innocent = [path for path in failed if "poison" not in path]
    assert len(innocent) * 4 <= deaths, "a file is blamed only if it was alone with four workers that died"
    assert not workers.is_busy
    assert link.most_at_once <= 3


def test_workers_that_cannot_be_used_are_named_once_and_end_the_run() -> None:
    notices: list[str] = []
    link = FakeLink(0, 0, workers=4)
    workers = workers_on(link, notices=notices)
    link.queue = [
        Answered("tcp://worker-1", answer(exrbatch="9.9")),
        Answered("tcp://worker-2", answer(exrbatch="9.9")),
        Answered("tcp://worker-3", answer(host="ab02\x1b[31m", unseen=[FOLDER, "/b", "/c", "/d"])),
        Answered("tcp://worker-4", None, "ModuleNotFoundError: No module named 'exrbatch'"),
    ]
    with pytest.raises(RunStopped, match=r"no worker for 0\.2 s: 4 workers can't be used"):
        list(Scheduler(backlog_of(["1.exr"]), workers, DRY, Control()).run())
    assert len(notices) == 3
    assert f"it has exrbatch 9.9, and this machine has {__version__}" in notices[0]
    assert f"{FOLDER}, /b, /c and 1 more" in notices[1]
    assert "\x1b" not in "".join(notices)
    assert "can't run exrbatch: ModuleNotFoundError" in notices[2]


def test_without_any_worker_the_run_ends() -> None:
    workers = workers_on(FakeLink(0, 0, workers=0))
    with pytest.raises(RunStopped, match=r"no worker for 0\.2 s: the scheduler has none"):
        list(Scheduler(backlog_of(["1.exr"]), workers, DRY, Control()).run())


def test_a_scheduler_that_is_gone_ends_the_run() -> None:
    link = FakeLink(0, 0)
    workers = workers_on(link)
    link.is_up = False
    with pytest.raises(RunStopped, match="the Dask scheduler tcp://fake is gone"):
        list(Scheduler(backlog_of(["1.exr"]), workers, DRY, Control()).run())


def test_jobs_limit_how_many_workers_are_used() -> None:
    link = FakeLink(1, 0, workers=5)
    options = replace(DRY, jobs=2)
    workers = workers_on(link, options)
    list(Scheduler(backlog_of([f"{i}.exr" for i in range(20)], 10**9), workers, options, Control(2, 9)).run())
    assert link.most_at_once == 2


def test_a_file_that_takes_too_long_fails_and_its_worker_is_restarted(monkeypatch: pytest.MonkeyPatch) -> None:
    link = FakeLink(0, 0, workers=1)
    restarted: list[str] = []
    link.restart = restarted.append  # type: ignore[assignment, method-assign]
    link._act = lambda: None  # type: ignore[method-assign]
    options = replace(DRY, file_timeout=0.1)
    workers = workers_on(link, options)
    events = Scheduler(backlog_of(["1.exr"]), workers, options, Control()).run()
    reports = []
    with pytest.raises(RunStopped, match="is stuck"):  # the only worker, and it does not come back
        reports += [report for report in events if report]
    assert restarted == ["tcp://worker-1"]


def test_a_file_is_not_charged_for_the_time_in_which_its_worker_was_busy_for_others() -> None:
    link = FakeLink(0, 0, workers=1)
    link._act = lambda: None  # type: ignore[method-assign]
    options = replace(DRY, file_timeout=0.4)
    workers = workers_on(link, options)
    workers.next_finished(0.1)
    candidate = Candidate(f"{FOLDER}/1.exr", 1)
    workers.submit([candidate], [DRY.job(candidate)])
    (bundle,) = workers._bundles.values()
    bundle.spent = 0.3
    link.queue.append(Said({"bundle": bundle.number, "begun": True}))
    workers.next_finished(0.0001)
    assert bundle.has_begun
    assert bundle.spent < 0.3


def test_shares_of_memory_follow_the_machines() -> None:
    """The machine that has the least for each of its workers decides."""
    link = FakeLink(0, 0, workers=3)
    workers = workers_on(link)
    link.queue = [
        Answered("tcp://worker-1", answer(machine="a", memory=8000)),
        Answered("tcp://worker-2", answer(machine="b", memory=6000)),
        Answered("tcp://worker-3", answer(machine="b", memory=6000)),
    ]
    for _ in range(3):
        workers.next_finished(0.1)
    assert (workers.jobs, workers.idle, workers.memory) == (3, 3, 9000)


def test_tokens_prove_a_folder_and_leave_nothing(tmp_path: Path) -> None:
    """The same content under the same name counts; an empty or another folder does not."""
    first, second = tmp_path / "a", tmp_path / "b"
    for folder in (first, second):
        folder.mkdir()
    tokens = Tokens([str(first), str(second), str(first / "not" / "there")], may_write=True)
    assert [token.folder for token in tokens.all] == [str(first), str(second)]
    assert unseen(tokens.all) == []
    (second / tokens.all[1].name).write_bytes(b"another folder")
    assert unseen(tokens.all) == [str(second)]
    (first / tokens.all[0].name).rename(first / "moved")
    (first / tokens.all[0].name).write_bytes(b"not ours")
    tokens.remove()
    assert (first / tokens.all[0].name).read_bytes() == b"not ours", "only what we made is removed"
    assert not (second / tokens.all[1].name).exists()


def test_a_task_has_the_tokens_of_its_folders_only(tmp_path: Path) -> None:
    """A list of files may have thousands of folders."""
    for name in ("a", "b/c"):
        (tmp_path / name).mkdir(parents=True)
    tokens = Tokens([str(tmp_path / "a"), str(tmp_path / "b"), str(tmp_path / "b" / "c")], may_write=True)
    a, b, c = tokens.all
    assert tokens.of([a.folder, a.folder]) == [a]
    assert tokens.of([f"{c.folder}/deeper", c.folder]) == [c, b]
    assert tokens.of([str(tmp_path)]) == []
    tokens.remove()


def test_a_folder_that_cannot_be_written_is_proven_by_what_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "1.exr").write_bytes(b"frame")
    tokens = Tokens([str(tmp_path)], may_write=False)
    assert [token.name for token in tokens.all] == ["1.exr"]
    assert unseen(tokens.all) == []
    (tmp_path / "1.exr").write_bytes(b"another frame")
    assert unseen(tokens.all) == [str(tmp_path)]


def test_a_report_that_was_lost_with_its_worker_is_reconstructed() -> None:
    link = FakeLink(0, 0, workers=1)
    workers = workers_on(link)
    events = Scheduler(backlog_of(["1.exr"]), workers, DRY, Control()).run()
    facts = {"size": 40, "mtime_ns": 7, "ctime_ns": 8, "inode": 9, "xxh3_128": "ab"}
    record = {
        "before": {**facts, "size": 100, "inode": 3},
        "after": facts,
        "compressions_before": ["NONE"],
        "compressions_after": ["ZIP"],
    }

    def die_after_the_exchange() -> None:
        (address, task), *_ = link.tasks.items()
        if address == "tcp://worker-1":
            link.queue.append(Said({"bundle": task.number, "index": 0, "replacing": pickle.dumps(record)}))
            link._die(address)
        else:
            from exrbatch.journal.facts import FileFacts

            found = FileFacts.from_json({**facts, "ctime_ns": 99})
            report = FileReport(path="x", status=Status.ALREADY, size_before=40, size_after=40, before=found)
            link.queue += [
                Said({"bundle": task.number, "index": 0, "report": pickle.dumps(report)}),
                Ended(task.number, None),
            ]
            del link.tasks[address]

    link._act = lambda: die_after_the_exchange() if link.tasks else None  # type: ignore[method-assign]
    (report,) = [report for report in events if report]
    assert (report.status, report.size_before, report.size_after, report.saved) == (Status.RECOMPRESSED, 100, 40, 60)
    assert (report.compressions_before, report.compressions_after) == (("NONE",), ("ZIP",))
    assert report.path == f"{FOLDER}/1.exr"


def test_what_travels_can_be_pickled() -> None:
    job: Job = DRY.job(Candidate("a.exr", 1))
    task = Task("topic", 1, [0], [job], [Token("/", "x", b"1", 1, 0)], Orders(), 1.0, False, [])
    assert pickle.loads(pickle.dumps(task)) == task


def test_parent_folders_after_links_lead_to_the_same_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For the system, `..` is the folder above the target of a link, not the one with the link."""
    (tmp_path / "real" / "sub").mkdir(parents=True)
    (tmp_path / "real" / "out").mkdir()
    (tmp_path / "here" / "out").mkdir(parents=True)
    (tmp_path / "here" / "link").symlink_to(tmp_path / "real" / "sub")
    for folder in ("real", "here"):
        (tmp_path / folder / "1.exr").write_bytes(folder.encode())
    monkeypatch.chdir(tmp_path / "here")
    place = Place(
        source="link/../1.exr",
        destination="link/../out/1.exr",
        hard_links=("link/../1.exr",),
        root="link/../out",
    )
    job = for_elsewhere(RecompressJob(place=place))
    assert isinstance(job, RecompressJob)
    assert Path(job.source).read_bytes() == b"real"
    assert Path(job.place.hard_links[0]).read_bytes() == b"real"
    assert os.path.samefile(os.path.dirname(str(job.destination)), tmp_path / "real" / "out")
    assert os.path.samefile(str(job.place.root), tmp_path / "real" / "out")
    tokens = Tokens(["link/..", "link/../not/there"], may_write=True)
    assert [os.path.samefile(token.folder, tmp_path / "real") for token in tokens.all] == [True]
    tokens.remove()


def test_a_worker_that_is_busy_for_another_run_is_not_restarted_and_no_file_is_blamed() -> None:
    link = FakeLink(0, 0, workers=1)
    restarted: list[str] = []
    link.restart = restarted.append  # type: ignore[assignment, method-assign]
    link._act = lambda: None  # type: ignore[method-assign]
    link.is_silent = True

    def drop(number: int) -> None:
        link.tasks.clear()

    link.drop = drop  # type: ignore[method-assign]
    options = replace(DRY, file_timeout=0.1)
    events = Scheduler(backlog_of(["1.exr"]), workers_on(link, options), options, Control()).run()
    reports = []
    with pytest.raises(RunStopped, match="it is busy with something else"):
        reports += [report for report in events if report]
    assert (restarted, reports) == ([], [])


class Records(NamedTuple):
    """A journal that only keeps what workers replace."""

    kept: list[Any]

    def identity(self) -> tuple[str, int, int]:
        return "/journal", 1, 2

    def add_replacing(self, record: Any) -> None:
        self.kept.append(record)


def test_what_a_worker_replaces_after_it_was_given_up_is_in_the_journal() -> None:
    """Otherwise, undo would not know it."""
    link = FakeLink(0, 0, workers=1)
    journal = Records([])
    workers = ClusterWorkers(link, Setting(DRY, [FOLDER], journal, print), 0.2)  # type: ignore[arg-type]
    link.queue.append(Said({"bundle": 7, "index": 0, "replacing": pickle.dumps({"path": "/1.exr"}), "is_kept": False}))
    for _ in range(2):
        workers.next_finished(0.1)
    assert journal.kept == [{"path": "/1.exr"}]


@pytest.mark.parametrize("event", [{}, {"bundle": 1}, {"bundle": 1, "index": 99}, {"bundle": [], "index": 0}])
def test_events_that_make_no_sense_change_nothing(event: dict[str, Any]) -> None:
    link = FakeLink(0, 0, workers=1)
    link.queue.append(Said(event))
    reports = [r for r in Scheduler(backlog_of(["1.exr"]), workers_on(link), DRY, Control()).run() if r]
    assert [report.status for report in reports] == [Status.RECOMPRESSED]


@pytest.mark.parametrize(("machine", "is_trusted"), [(host_hash(), True), ("elsewhere", False)])
def test_only_workers_of_this_machine_write_to_the_journal(machine: str, is_trusted: bool) -> None:
    """Over NFS, lines of two machines would overwrite each other, whatever its numbers are."""
    link = FakeLink(0, 0, workers=1)
    workers = workers_on(link)
    link.queue = [Answered("tcp://worker-1", answer(machine=machine, has_journal=True))]
    workers.next_finished(0.1)
    assert [member.has_journal for member in workers._members.usable.values()] == [is_trusted]


def test_temp_files_of_another_run_prove_no_folder(tmp_path: Path) -> None:
    """They vanish when it ends; and the frame that was written last may be replaced."""
    other = Tokens([str(tmp_path)], may_write=True)
    assert Tokens([str(tmp_path)], may_write=False).all == []
    for age, name in [(10, "1.exr"), (1000, "2.exr")]:
        (tmp_path / name).write_bytes(b"frame")
        os.utime(tmp_path / name, (age, age) if name == "2.exr" else None)
    tokens = Tokens([str(tmp_path)], may_write=False).all
    assert [token.name for token in tokens] == ["2.exr"]
    other.remove()
    assert unseen(tokens) == []


def test_only_files_that_a_worker_may_have_died_of_travel_alone() -> None:
    """Those are the first two without a report; all others stay together."""
    link = FakeLink(0, 0, workers=1)
    workers = workers_on(link)
    workers.next_finished(0.1)
    candidates = [Candidate(f"{FOLDER}/{index}.exr", 1) for index in range(6)]
    workers.submit(candidates, [DRY.job(each) for each in candidates])
    assert list(link.tasks["tcp://worker-1"].indexes) == [0, 1, 2, 3, 4, 5]
    for _ in range(2):
        link._act()
    link._die("tcp://worker-1")
    returned = [each for _ in range(5) if (outcome := workers.next_finished(0.1)) for each in outcome.returned]
    assert [each.path for each in returned] == [f"{FOLDER}/{index}.exr" for index in range(2, 6)]
    workers.submit(returned, [DRY.job(each) for each in returned])
    assert list(link.tasks["tcp://worker-2"].indexes) == [2, 3], "4.exr and 5.exr; the suspects come after them"
