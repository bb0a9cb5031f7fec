"""Rows, knees, order and advice, computed from results made by hand."""

from dataclasses import replace

import pytest

from exrbatch import Compression, Effort, Status
from exrbatch.bench.advice import advise, in_order, pareto, total_rows
from exrbatch.bench.baseline import changes, differences
from exrbatch.bench.figures import make_rows, unmeasured
from exrbatch.bench.matrix import Packing
from exrbatch.bench.passes import WARM_UP
from exrbatch.bench.result import TrialResult
from tests.bench.made import PIZ, RAW, ZIP, ZSTD, end_to_end, in_memory, results


def test_a_row_has_medians_over_the_passes() -> None:
    """Sizes are those of the files, speeds are medians.

    The warm-up does not count.
    """
    trials = [
        in_memory(ZIP, WARM_UP, (500, 100.0, 100.0), (300, 100.0, 100.0)),
        *(
            in_memory(ZIP, number, (500, seconds, 0.5), (300, seconds, 0.5))
            for number, seconds in enumerate((1, 2, 9), 1)
        ),
    ]
    (row,) = make_rows(results(trials, "plates", "plates"))
    assert (row.raw_size, row.old_size, row.new_size) == (2 * RAW, 1600, 800)
    assert (row.ratio, row.change) == (0.4, 0.5)
    assert row.pack is not None
    assert row.unpack is not None
    assert (row.pack.median, row.unpack.median) == (2 * RAW / 4.0, 2 * RAW / 1.0)
    assert row.cpu_per_byte == pytest.approx(4.0 / (2 * RAW))
    assert row.saved_per_cpu_hour == pytest.approx(800 / 4.0 * 3600)
    assert any("compression" in problem for problem in row.problems)


def test_has_rows_for_each_content_class() -> None:
    """With several classes there are rows for each; with one class there are only the totals."""
    trials = [in_memory(ZIP, 1, (500, 1, 1), (100, 1, 1))]
    rows = make_rows(results(trials, "plates", "renders"))
    assert [(row.content, row.new_size) for row in rows] == [("all", 600), ("plates", 500), ("renders", 100)]
    assert len(make_rows(results(trials, "plates", "plates"))) == 1


def test_files_that_would_grow_count_with_their_old_size() -> None:
    """A run does not replace a file by a larger one."""
    (row,) = make_rows(results([in_memory(ZIP, 1, (900, 1, 1), (400, 1, 1))], "plates", "plates"))
    assert (row.new_size, row.kept_size, row.old_size) == (1300, 1200, 1600)
    assert row.change == 0.75


def test_weights_a_file_by_the_files_it_represents() -> None:
    """One photo among a hundred renders does not decide the result."""
    found = results([in_memory(ZIP, 1, (500, 1, 1), (100, 2, 1))], "plates", "renders")
    found.sample.files[1] = replace(found.sample.files[1], weight=9.0)
    row = make_rows(found)[0]
    assert row.ratio == pytest.approx((500 + 9 * 100) / (10 * RAW))
    assert row.pack is not None
    assert row.pack.median == pytest.approx(10 * RAW / (1 + 9 * 2))


def test_leaves_out_a_file_without_a_report() -> None:
    """A trial that lost files must not look like one that made them small."""
    whole = in_memory(ZIP, 1, (500, 1, 1), (300, 1, 1))
    (row,) = make_rows(results([whole, replace(whole, number=2, files=whole.files[:1])], "plates", "plates"))
    assert (row.files, row.new_size, row.is_whole) == (1, 500, False)


def test_never_advises_a_compression_that_no_file_can_have() -> None:
    """Deep data gets ZIPS instead.

    The row says so, and is not advised.
    """
    (row,) = make_rows(results([in_memory(PIZ, 1, (500, 1, 1), is_renamed=True)], "fog"))
    assert row.problems == ["1 of 1 files can't have it (deep data) and got ZIPS instead"]
    assert advise([row])[0].startswith("No advice")


def test_shows_warm_up_rows_if_only_end_to_end_trials_are_complete() -> None:
    """After Ctrl-C in the first pass, after a run with disk, the row is still shown."""
    trials = [in_memory(ZIP, WARM_UP, (500, 1, 1)), end_to_end(ZIP, 1, 1, 1.0, 500)]
    assert [row.new_size for row in make_rows(results(trials, "plates"))] == [500]


def test_never_advises_a_fast_compression_that_saves_nothing() -> None:
    """The smaller one is advised, although it is slower."""
    trials = [in_memory(PIZ, 1, (796, 2.0, 1.0)), in_memory(ZIP, 1, (801, 1.0, 1.0))]
    assert advise(make_rows(results(trials, "plates")))[0].startswith("Use piz")


def test_lossy_rows_do_not_compete_for_marks() -> None:
    """A lossy row that is better in every figure takes no mark from a lossless one."""
    trials = [in_memory(PIZ, 1, (100, 0.1, 0.1), is_lossy=True), in_memory(ZIP, 1, (500, 1.0, 1.0))]
    assert [row.packing for row in pareto(make_rows(results(trials, "plates")))] == [ZIP]


def test_the_knee_is_where_more_jobs_stop_paying_off() -> None:
    """Steps that bring less than half of the ideal gain are not worth it."""
    trials = [in_memory(ZIP, 1, (500, 1, 1))]
    trials += [end_to_end(ZIP, 1, jobs, seconds, 500) for jobs, seconds in ((1, 8.0), (2, 4.2), (4, 2.5), (8, 2.4))]
    (row,) = make_rows(results(trials, "plates"))
    assert row.knee == 4
    assert row.efficiency[1] == 1.0
    assert row.efficiency[2] == pytest.approx(8 / 4.2 / 2)
    assert row.efficiency[8] == pytest.approx(8 / 2.4 / 8)
    assert row.cpu_per_byte == pytest.approx(1.0 / RAW)


def test_leaves_failed_files_out_and_counts_them() -> None:
    """A failure does not make a compression look better.

    The row says how many files it is about.
    """
    good = in_memory(ZIP, 1, (500, 1, 1), (300, 1, 1))
    bad = replace(good.files[1], status=Status.FAILED, reason="damaged")
    found = results([replace(good, files=[good.files[0], bad])], "plates", "plates")
    (row,) = make_rows(found)
    assert (row.files, row.asked, row.new_size, row.is_whole) == (1, 2, 500, False)
    assert [(packing, file.reason) for packing, file in unmeasured(found)] == [(ZIP, "damaged")]
    assert advise([row]) == ["No advice: no compression handled every file of the sample without loss."]


def test_warns_if_sizes_change() -> None:
    """A size that differs between passes, or between disk and memory, is not to be trusted."""
    trials = [in_memory(ZIP, 1, (500, 1, 1)), end_to_end(ZIP, 1, 1, 1.0, 501)]
    (row,) = make_rows(results(trials, "plates"))
    assert "1 file changed in size from trial to trial" in row.problems


def test_warns_if_cold_sources_were_cached() -> None:
    """Only sources that were not in the page cache count as cold."""
    trials = [in_memory(ZIP, 1, (500, 1, 1)), replace(end_to_end(ZIP, 1, 1, 1.0, 500), held=0.4)]
    (row,) = make_rows(results(trials, "plates"))
    assert "40 % of the sources stayed in the page cache" in row.problems


def test_has_figures_after_an_interrupted_warm_up() -> None:
    """Ctrl-C keeps the results so far."""
    assert len(make_rows(results([in_memory(ZIP, WARM_UP, (500, 1, 1))], "plates"))) == 1
    assert make_rows(results([], "plates")) == []


def three(zip_size: int = 500, lossy: bool = False) -> list[TrialResult]:
    """Make results in which PIZ is smallest, ZIP packs twice as fast, and ZSTD is worst in both."""
    return [
        in_memory(PIZ, 1, (495, 2.0, 1.0)),
        in_memory(ZIP, 1, (zip_size, 1.0, 0.9), is_lossy=lossy),
        in_memory(ZSTD, 1, (600, 3.0, 2.0)),
    ]


def test_orders_rows_by_size_but_prefers_much_faster_ones() -> None:
    """The smallest comes first, except after one that is nearly as small and much faster."""
    rows = in_order(total_rows(make_rows(results(three(), "plates"))))
    assert [row.packing for row in rows] == [ZIP, PIZ, ZSTD]
    rows = in_order(total_rows(make_rows(results(three(zip_size=520), "plates"))))
    assert [row.packing for row in rows] == [PIZ, ZIP, ZSTD]


def test_lossy_rows_come_last_and_are_never_advised() -> None:
    """That holds however small they are."""
    rows = make_rows(results(three(zip_size=100, lossy=True), "plates"))
    assert in_order(rows)[-1].packing == ZIP
    assert ZIP not in [row.packing for row in pareto(rows)]
    assert advise(rows)[0].startswith(
        "Use piz: 49.5 % of the raw size, and a run saves 38.1 % of the current size; the smallest"
    )


def test_does_not_mark_rows_that_are_worse_in_everything() -> None:
    """A row is marked if no other is as small, as fast to pack and as fast to unpack."""
    rows = make_rows(results(three(), "plates"))
    assert [row.packing for row in pareto(rows)] == [PIZ, ZIP]


def test_advice_gives_reasons() -> None:
    """It says how much smaller files get, why the smallest was not chosen, and who can read it."""
    (line,) = advise(make_rows(results(three(), "plates")))
    assert line.startswith(
        "Use zip balanced: 50.0 % of the raw size, and a run saves 37.5 % of the current size; 1.0 % larger"
    )
    assert "compresses 2.0 times as fast" in line
    small = [in_memory(ZSTD, 1, (100, 1.0, 1.0)), in_memory(ZIP, 1, (200, 1.0, 1.0))]
    (line,) = advise(make_rows(results(small, "plates")))
    assert line.endswith(
        "It needs OpenEXR 3.5 or newer to be read; for older readers use zip balanced, 2.00 times its size."
    )


def test_advises_against_a_run_if_files_would_grow() -> None:
    """Files that would grow are best left alone."""
    assert advise(make_rows(results([in_memory(ZIP, 1, (900, 1, 1))], "plates"))) == [
        "Leave the files as they are: no lossless compression of the whole sample makes any file smaller."
    ]


def test_baseline_gives_ratios_and_names_other_changes() -> None:
    """Speeds of another machine are compared, and the machine is named."""
    now = results([in_memory(ZIP, 1, (500, 1, 1)), end_to_end(ZIP, 1, 2, 1.0, 500)], "plates")
    then = results(
        [in_memory(ZIP, 1, (1000, 2, 4)), end_to_end(ZIP, 1, 2, 3.0, 1000), in_memory(PIZ, 1, (1, 1, 1))], "plates"
    )
    then.machine["cpu"] = "an old cpu"
    (change,) = changes(make_rows(now), then)
    assert (change.name, change.size, change.pack, change.unpack) == ("zip balanced", 0.5, 2.0, 4.0)
    assert change.rates == {2: pytest.approx(3.0)}
    assert differences(now, then) == ["cpu: an old cpu then, a cpu now"]
    other = results([], "plates", "renders")
    assert differences(now, other) == [
        "the samples are different files, so sizes and speeds are not directly comparable"
    ]


def test_names_effort_only_if_the_compression_has_one() -> None:
    """The name of a PIZ row is only "PIZ"."""
    assert Packing(Compression.PIZ, Effort.BALANCED).name == "piz"
    assert Packing(Compression.ZSTD, Effort.MAX).name == "zstd max"
