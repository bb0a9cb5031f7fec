"""Order and advice: what the goal weighs, and what varying figures do not allow to say."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from exrbatch import Compression, Effort
from exrbatch.bench.advice import advise, in_order, pareto, score, total_rows
from exrbatch.bench.figures import Row, make_rows
from exrbatch.bench.goal import WEIGHTS, Goal, Weights
from exrbatch.bench.packing import Choice, Packing
from exrbatch.bench.result import TrialResult
from tests.bench.made import PIZ, ZIP, ZSTD, end_to_end, in_memory, results

PASSES = (1, 2, 3, 4, 5)


def trials(packing: Packing, size: int, pack: float, unpack: float, spread: float = 0.0) -> list[TrialResult]:
    """Make five passes in memory whose speeds have about the given relative spread."""
    factors = [1 + spread * (number - 3) / 2 for number in PASSES]
    return [
        in_memory(packing, number, (size, pack * factor, unpack * factor))
        for number, factor in zip(PASSES, factors, strict=True)
    ]


def three(zip_size: int = 500, lossy: bool = False) -> list[TrialResult]:
    """Make results in which PIZ is smallest, ZIP packs twice as fast, and ZSTD is worst in both."""
    lossy_zip = [in_memory(ZIP, number, (zip_size, 1.0, 0.9), is_lossy=lossy) for number in PASSES]
    return [*trials(PIZ, 495, 2.0, 1.0), *lossy_zip, *trials(ZSTD, 600, 3.0, 2.0)]


def rows_of(*made: Sequence[TrialResult]) -> list[Row]:
    return make_rows(results([trial for each in made for trial in each], "plates"))


def test_orders_rows_by_size_but_prefers_much_faster_ones() -> None:
    """The smallest comes first, except after one that is nearly as small and much faster."""
    rows = in_order(total_rows(rows_of(three())))
    assert [row.packing.word for row in rows] == ["zip", "piz", "zstd", "best per file"]
    rows = in_order(total_rows(rows_of(three(zip_size=580))))
    assert [row.packing.word for row in rows] == ["piz", "zip", "zstd", "best per file"]


def test_lossy_rows_come_last_and_are_never_advised() -> None:
    """That holds however small they are."""
    rows = rows_of(three(zip_size=100, lossy=True))
    assert in_order(rows)[-1].packing == ZIP
    assert ZIP not in [row.packing for row in pareto(rows)]
    assert advise(rows)[0].startswith(
        "Use piz (goal: balanced): 49.5 % of the raw size, and a run saves 38.1 % of the current size; the smallest"
    )


def test_does_not_mark_rows_that_are_worse_in_everything() -> None:
    """A row is marked if no other is as small, as fast to pack and as fast to unpack."""
    assert [row.packing for row in pareto(rows_of(three()))] == [PIZ, ZIP]


def test_advice_gives_reasons() -> None:
    """It says how much smaller files get, why the smallest was not chosen, and who can read it."""
    (line,) = advise(rows_of(three()))
    assert line.startswith(
        "Use zip balanced (goal: balanced): 50.0 % of the raw size, and a run saves 37.5 % of the current size;"
        " 1.0 % larger than piz, the smallest, but compresses 2.0 times as fast and decompresses 1.1 times as fast"
    )
    (line,) = advise(rows_of(trials(ZSTD, 100, 1.0, 1.0), trials(ZIP, 200, 1.0, 1.0)))
    assert line.endswith(
        "It needs OpenEXR 3.5 or newer to be read; for older readers use zip balanced, 2.00 times its size."
    )


def test_advises_against_a_run_if_files_would_grow() -> None:
    """Files that would grow are best left alone."""
    assert advise(rows_of([in_memory(ZIP, 1, (900, 1, 1))])) == [
        "Leave the files as they are: no lossless compression of the whole sample makes any file smaller."
    ]


def test_the_goal_decides_what_is_best() -> None:
    """Archives want size, playback wants files that open fast, and balanced wants a bit of both."""
    small, middle, quick = trials(PIZ, 400, 8.0, 4.0), trials(ZIP, 440, 1.0, 2.0), trials(ZSTD, 700, 3.0, 0.5)
    rows = rows_of(small, middle, quick)
    best = {goal: in_order(total_rows(rows), goal)[0].packing for goal in Goal}
    assert best == {Goal.ARCHIVE: PIZ, Goal.BALANCED: ZIP, Goal.PLAYBACK: ZSTD}
    assert advise(rows, Goal.PLAYBACK)[0].startswith("Use zstd balanced (goal: playback)")


@pytest.mark.parametrize("goal", Goal)
def test_the_score_weighs_each_figure_as_documented(goal: Goal) -> None:
    """If a figure is better by a factor, the score falls by its logarithm times the weight."""
    weights = WEIGHTS[goal]
    (row,) = rows_of(trials(ZIP, 400, 1.0, 1.0))
    (fast,) = rows_of(trials(ZIP, 400, 0.5, 1.0))
    (opens,) = rows_of(trials(ZIP, 400, 1.0, 0.5))
    (small,) = rows_of(trials(ZIP, 200, 1.0, 1.0))
    log2 = 0.6931471805599453
    found = [score(row, goal) - score(other, goal) for other in (fast, opens, small)]
    assert found == pytest.approx(
        [log2 * weight for weight in (weights.compress, weights.decompress, weights.size)], abs=1e-3
    )


def test_does_not_choose_if_speeds_vary_more_than_compressions_differ() -> None:
    """It names the compressions, and the option that measures longer."""
    rows = rows_of(trials(ZIP, 500, 1.0, 1.0, spread=1.16), trials(PIZ, 497, 1.4, 1.1, spread=1.16))
    (line,) = advise(rows)
    assert line.startswith("Undecided between ")
    assert "zip balanced" in line
    assert "piz" in line
    assert "±" in line
    assert line.endswith("Measure longer: --passes 10.")


def test_chooses_if_sizes_differ_more_than_speeds_vary() -> None:
    """Sizes do not vary from pass to pass. A great difference decides however noisy speeds are."""
    rows = rows_of(trials(ZIP, 500, 1.0, 1.0, spread=0.4), trials(PIZ, 250, 1.2, 1.1, spread=0.4))
    assert advise(rows)[0].startswith("Use piz")


def test_a_single_pass_does_not_decide_a_close_race() -> None:
    """One pass has no spread, which does not mean that its figures are exact."""
    (line,) = advise(rows_of([in_memory(ZIP, 1, (500, 1.0, 1.0)), in_memory(PIZ, 1, (497, 1.4, 1.0))]))
    assert "a single pass does not tell how much the speeds vary" in line
    assert "--passes 10" in line


def test_names_compressions_that_are_as_good() -> None:
    """Less than 1 % of the size is no reason to choose."""
    lines = advise(rows_of(trials(ZIP, 500, 1.0, 1.0), trials(PIZ, 501, 1.0, 1.0)))
    assert "As good: piz." in lines[0]


def with_jobs(spread: float, *rates: tuple[int, float]) -> list[str]:
    """Return the advice about jobs, from files per second by number of jobs."""
    factors = [1 + spread * (number - 3) / 2 for number in PASSES]
    runs = [
        end_to_end(ZIP, number, jobs, 1 / (rate * factor), 500)
        for jobs, rate in rates
        for number, factor in zip(PASSES, factors, strict=True)
    ]
    return advise(rows_of(trials(ZIP, 500, 1.0, 1.0), runs))[1:]


def test_recommends_the_knee_if_figures_are_steady() -> None:
    """More jobs than that bring little, and the line says how little."""
    (line,) = with_jobs(0.01, (1, 10.0), (2, 19.5), (4, 20.0), (8, 20.2))
    assert line == "Jobs: use 2 for zip balanced, at 98 % of ideal speed; 8 are 1.04 times as fast as 2."


def test_gives_no_advice_on_jobs_from_varying_figures() -> None:
    """A knee from figures of ± 116 % would be a guess."""
    (line,) = with_jobs(1.16, (1, 10.0), (2, 19.5), (4, 20.0))
    assert line.startswith("Jobs: no advice for zip balanced: files per second vary by up to ±116 % between passes.")
    assert line.endswith("Measure longer: --passes 10.")


def test_gives_no_advice_on_jobs_from_a_single_pass() -> None:
    """The spread of one pass is unknown."""
    runs = [end_to_end(ZIP, 1, jobs, seconds, 500) for jobs, seconds in ((1, 8.0), (2, 5.0))]
    lines = advise(rows_of([in_memory(ZIP, 1, (500, 1.0, 1.0))], runs))
    assert "a single pass does not tell how much files per second vary" in lines[1]


def test_best_per_file_is_computed_and_never_advised() -> None:
    """Each file counts with its smallest lossless result, whatever gave it."""
    made = [
        in_memory(packing, number, (first, 1.0, 1.0), (second, 1.0, 1.0))
        for number in PASSES
        for packing, first, second in ((ZIP, 500, 200), (PIZ, 300, 400))
    ]
    rows = total_rows(make_rows(results(made, "plates", "plates")))
    best = next(row for row in rows if row.packing.compression is Choice.BEST)
    assert best.new_size == 300 + 200
    assert dict(best.chosen) == {"zip balanced": 1, "piz": 1}
    assert not best.can_be_taken
    assert in_order(rows)[-1] is best
    assert "best per file" not in advise(rows)[0]


def test_best_per_file_leaves_lossy_and_failed_results_out() -> None:
    """A small lossy result would make the bound too good."""
    dwaa = Packing(Compression.DWAA, Effort.BALANCED, is_named=True)
    lossy = [in_memory(dwaa, number, (10, 1.0, 1.0), is_lossy=True) for number in PASSES]
    rows = rows_of(trials(ZIP, 500, 1.0, 1.0), lossy)
    assert next(row for row in rows if row.packing.compression is Choice.BEST).new_size == 500
    assert len(rows_of(trials(ZIP, 500, 1.0, 1.0))) == 1


def test_auto_can_be_advised_and_says_who_reads_it() -> None:
    """It is a way to run `recompress`, so it competes like any compression."""
    auto = Packing(Choice.AUTO, Effort.BALANCED, readers="3.5")
    (line,) = advise(rows_of(trials(auto, 300, 1.0, 1.0), trials(ZIP, 500, 1.0, 1.0)))
    assert line.startswith("Use auto balanced")
    assert "It needs OpenEXR 3.5 or newer to be read; for older readers use zip balanced" in line


def test_weights_are_those_of_the_documentation() -> None:
    """The table of goals in docs/compressions.md has the numbers that the code uses."""
    text = (Path(__file__).parents[2] / "docs" / "compressions.md").read_text()
    table = re.findall(r"^\| `(\w+)`(?: \(default\))? \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|", text, re.MULTILINE)
    found = {Goal(name): Weights(size=float(a), compress=float(b), decompress=float(c)) for name, a, b, c in table}
    assert found == WEIGHTS
