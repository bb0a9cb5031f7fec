"""Other programs on the machine: figures that they spoil are not taken for results."""

import dataclasses

from exrbatch.bench.advice import advise
from exrbatch.bench.contention import contention_line, cpu_share
from exrbatch.bench.figures import make_rows
from exrbatch.bench.result import Results
from tests.bench.made import ZIP, end_to_end, in_memory, results


def with_share(share: float) -> Results:
    """Make results whose trials in memory got this fraction of a core; 2 jobs are twice as fast."""
    trials = []
    for number in range(1, 6):
        whole = in_memory(ZIP, number, (500, 1.0, 0.5))
        files = [dataclasses.replace(file, cpu_seconds=share * file.pack_seconds) for file in whole.files]
        trials.append(dataclasses.replace(whole, files=files))
        trials += [end_to_end(ZIP, number, jobs, 2.0 / jobs, 500) for jobs in (1, 2)]
    return results(trials, "grainy")


def test_a_quiet_machine_gets_no_warning() -> None:
    """Compression in memory waits for nothing but the CPU."""
    assert cpu_share(with_share(0.97)) == 0.97
    assert contention_line(with_share(0.97)) is None
    assert contention_line(results([end_to_end(ZIP, 1, 1, 1.0, 500)], "grainy")) is None


def test_a_busy_machine_gets_a_warning_and_no_advice_about_jobs() -> None:
    """With half of a core for each trial, "use 1 job" was wrong (trial of the bench, issue 17)."""
    busy = with_share(0.5)
    assert "got only 50 % of a core" in (contention_line(busy) or "")
    rows = make_rows(busy)
    assert any(line.startswith("Jobs: use") for line in advise(rows))
    lines = advise(rows, is_quiet=False)
    assert "Jobs: no advice, because other programs used the CPU." in lines
    assert not any("use" in line and line.startswith("Jobs: use") for line in lines)
