"""The announced duration and the time left, with a fake clock and a machine that is computed."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from exrbatch import Compression, Effort
from exrbatch.bench.estimate import Estimate, MachineCost, PackingCost
from exrbatch.bench.matrix import copies_needed, make_trials
from exrbatch.bench.packing import Choice, Packing, Trial
from exrbatch.bench.passes import WARM_UP
from exrbatch.bench.result import TrialResult
from exrbatch.bench.sample import SampleFile
from exrbatch.bench.session import Session
from exrbatch.recompression.measurement import Measurement
from tests.bench.made import PIZ, ZIP, ZSTD

AUTO = Packing(Choice.AUTO, Effort.BALANCED)
PACKINGS = [ZIP, PIZ, ZSTD, AUTO]
MEGABYTE = 1_000_000
# Seconds per MB to compress and to decompress. On grain, PIZ takes ten times as long as ZIP.
TRUE_COSTS = {
    "grain": {ZIP: (0.004, 0.003), PIZ: (0.04, 0.02), ZSTD: (0.012, 0.004), AUTO: (0.04, 0.02)},
    "render": {ZIP: (0.003, 0.002), PIZ: (0.004, 0.003), ZSTD: (0.02, 0.002), AUTO: (0.003, 0.002)},
}
CHOICE = 0.4


@dataclass
class FakeMachine:
    """A machine with a clock of its own. It runs a trial by handing files to workers, one by one.

    Attributes:
        files: the sample.
        cores: number of cores, which busy workers share.
        slower: factor of all durations.
        now: the time.
    """

    files: Sequence[SampleFile]
    cores: int
    slower: float = 1.0
    disk: float = 2e-9
    start: float = 0.2
    now: float = 0.0
    ran: list[Trial] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    def cpu_seconds(self, packing: Packing, file: SampleFile) -> float:
        pack, unpack = TRUE_COSTS[file.content][packing]
        return (CHOICE if packing == AUTO else 0.0) + file.raw_size / MEGABYTE * (pack + unpack + 0.001)

    def run(self, trial: Trial, number: int) -> TrialResult:
        work = [self.cpu_seconds(trial.packing, file) for file in self.files]
        if trial.jobs:
            work = sorted(work * copies_needed(self.files, trial.jobs), reverse=True)
            workers = [self.start] * trial.jobs
            speed = min(1.0, self.cores / trial.jobs)
            for seconds in work:
                heapq.heapreplace(workers, workers[0] + seconds / speed)
            written = sum(file.raw_size for file in self.files) * copies_needed(self.files, trial.jobs) / 2
            taken = max(workers) + written * self.disk
        else:
            taken = self.start + sum(work)
        self.now += taken * self.slower
        self.ran.append(trial)
        return TrialResult(trial=trial, number=number, seconds=taken, files=[])

    def probe(self, error: float = 1.0) -> Estimate:
        """Measure a MB of each content, with an error of the clock."""
        costs = {
            (packing, content): PackingCost.of(
                [
                    Measurement(
                        raw_size=MEGABYTE,
                        packed_size=MEGABYTE // 2,
                        new_size=0,
                        pack_seconds=each[packing][0] * error,
                        unpack_seconds=each[packing][1] * error,
                        cpu_seconds=each[packing][0],
                        choice_seconds=CHOICE * error if packing == AUTO else 0.0,
                        other_seconds=0.001 * error,
                    )
                ]
            )
            for content, each in TRUE_COSTS.items()
            for packing in PACKINGS
        }
        machine = MachineCost(cores=self.cores, start=self.start, worker=self.start / 4, write=self.disk)
        return Estimate(self.files, costs, machine)


def frames(*sizes: tuple[str, int]) -> list[SampleFile]:
    return [
        SampleFile(f"/show/{i}.exr", content, size * MEGABYTE, size * MEGABYTE, f"{i:064}")
        for i, (content, size) in enumerate(sizes)
    ]


SHOWS = {
    "small renders": frames(*[("render", 2)] * 12),
    "large grain": frames(*[("grain", 66)] * 2),
    "both": frames(*[("grain", 66)] * 3, *[("render", 30)] * 8, ("render", 1)),
}


@pytest.mark.parametrize("show", SHOWS)
@pytest.mark.parametrize(("cores", "jobs"), [(2, [1, 2]), (2, [1, 2, 4, 8, 16, 32, 64]), (64, [1, 8, 64]), (8, [])])
def test_announced_duration_is_within_a_quarter(show: str, cores: int, jobs: list[int]) -> None:
    """That holds for slow and fast content, for more jobs than cores, and for many cores."""
    machine = FakeMachine(SHOWS[show], cores)
    session = Session(make_trials(PACKINGS, jobs), 3, machine.files, machine.probe(), machine.clock)
    announced = session.total_seconds
    list(session.run(machine))
    assert announced == pytest.approx(machine.now, rel=0.25)
    assert session.total_seconds == pytest.approx(machine.now)
    assert session.remaining_seconds == 0


@pytest.mark.parametrize("error", [0.3, 3.0])
def test_warm_up_corrects_a_wrong_estimate(error: float) -> None:
    """After the warm-up, the time left is within a quarter, however wrong the pieces were."""
    machine = FakeMachine(SHOWS["both"], cores=4)
    session = Session(make_trials(PACKINGS, [1, 2, 4]), 5, machine.files, machine.probe(error), machine.clock)
    announced = session.total_seconds
    left: dict[float, float] = {}
    for _ in session.run(machine):
        left[machine.now] = session.remaining_seconds
        if session.has_warmed_up:
            assert len(machine.ran) == len(PACKINGS)
            assert all(trial.jobs == 0 for trial in machine.ran)
    end = machine.now
    assert announced != pytest.approx(end, rel=0.5)
    after_warm_up = list(left.items())[len(PACKINGS) - 1 : -1]
    for now, seconds in after_warm_up:
        assert seconds == pytest.approx(end - now, rel=0.25)


def test_time_left_follows_a_machine_that_slows_down() -> None:
    """Each trial counts with its mean duration so far, so the estimate moves to the truth."""
    machine = FakeMachine(SHOWS["small renders"], cores=2)
    session = Session(make_trials([ZIP, PIZ], [1, 2]), 10, machine.files, machine.probe(), machine.clock)
    first = session.total_seconds
    for result in session.run(machine):
        if result.number == 1:
            machine.slower = 2.0
    assert session.total_seconds == pytest.approx(machine.now)
    assert machine.now > 1.5 * first


def test_only_the_last_trial_of_the_warm_up_ends_it() -> None:
    """The corrected duration is announced once."""
    machine = FakeMachine(SHOWS["small renders"], cores=2)
    session = Session(make_trials([ZIP, PIZ], [1]), 2, machine.files, machine.probe(), machine.clock)
    assert not session.has_warmed_up
    ends = [result.number for result in session.run(machine) if session.has_warmed_up]
    assert ends == [WARM_UP]


def test_files_that_cannot_be_measured_take_no_time() -> None:
    """If all files of a packing failed, its trials only start and end."""
    estimate = Estimate(SHOWS["both"], {}, MachineCost(cores=2, start=0.2))
    assert estimate.seconds(Trial(ZIP, 0)) == pytest.approx(0.2)
    assert PackingCost.of([]) == PackingCost()


def test_other_programs_on_the_machine_count() -> None:
    """If a worker has half of its speed while another works, two are as fast as one."""
    machine = FakeMachine(SHOWS["large grain"], cores=2)
    quiet = machine.probe()
    busy = Estimate(machine.files, quiet._costs, replace(quiet._machine, cores=1.0))
    two = Trial(Packing(Compression.PIZ, Effort.BALANCED), 2)
    assert busy.seconds(two) > 1.7 * quiet.seconds(two)
