"""Rows, knees, order and advice, from results made by hand."""

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


def test_a_row_sums_up_the_passes() -> None:
    """Sizes are those of the files, speeds medians over the passes; the warm-up does not count."""
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


def test_there_is_a_row_for_each_content() -> None:
    """Figures by class, besides those of everything; with one class only there is nothing to add."""
    trials = [in_memory(ZIP, 1, (500, 1, 1), (100, 1, 1))]
    rows = make_rows(results(trials, "plates", "renders"))
    assert [(row.content, row.new_size) for row in rows] == [("all", 600), ("plates", 500), ("renders", 100)]
    assert len(make_rows(results(trials, "plates", "plates"))) == 1


def test_files_that_would_grow_stay() -> None:
    """What a run leaves is what counts: it does not replace a file by a larger one."""
    (row,) = make_rows(results([in_memory(ZIP, 1, (900, 1, 1), (400, 1, 1))], "plates", "plates"))
    assert (row.new_size, row.kept_size, row.old_size) == (1300, 1200, 1600)
    assert row.change == 0.75


def test_a_file_weighs_what_it_stands_for() -> None:
    """One photo among a hundred renders must not decide for them."""
    found = results([in_memory(ZIP, 1, (500, 1, 1), (100, 2, 1))], "plates", "renders")
    found.sample.files[1] = replace(found.sample.files[1], weight=9.0)
    row = make_rows(found)[0]
    assert row.ratio == pytest.approx((500 + 9 * 100) / (10 * RAW))
    assert row.pack is not None
    assert row.pack.median == pytest.approx(10 * RAW / (1 + 9 * 2))


def test_a_file_without_a_report_is_no_good_file() -> None:
    """A trial that lost files must not look like one that made them vanish."""
    whole = in_memory(ZIP, 1, (500, 1, 1), (300, 1, 1))
    (row,) = make_rows(results([whole, replace(whole, number=2, files=whole.files[:1])], "plates", "plates"))
    assert (row.files, row.new_size, row.is_whole) == (1, 500, False)


def test_a_compression_that_no_file_can_have_is_not_advised() -> None:
    """Deep data gets ZIPS instead: the row says so, and is nobody's advice."""
    (row,) = make_rows(results([in_memory(PIZ, 1, (500, 1, 1), is_renamed=True)], "fog"))
    assert row.problems == ["1 of 1 files can't have it (deep data) and got ZIPS instead"]
    assert advise([row])[0].startswith("No advice")


def test_end_to_end_trials_alone_do_not_hide_the_warm_up() -> None:
    """Ctrl-C in the first pass, after a run with disk: the row is still there."""
    trials = [in_memory(ZIP, WARM_UP, (500, 1, 1)), end_to_end(ZIP, 1, 1, 1.0, 500)]
    assert [row.new_size for row in make_rows(results(trials, "plates"))] == [500]


def test_nothing_is_traded_for_growth() -> None:
    """A packer that saves nothing is not taken for its speed."""
    trials = [in_memory(PIZ, 1, (796, 2.0, 1.0)), in_memory(ZIP, 1, (801, 1.0, 1.0))]
    assert advise(make_rows(results(trials, "plates")))[0].startswith("Use piz")


def test_a_lossy_row_takes_no_mark_away() -> None:
    """It beats all in every figure, and can't be taken."""
    trials = [in_memory(PIZ, 1, (100, 0.1, 0.1), is_lossy=True), in_memory(ZIP, 1, (500, 1.0, 1.0))]
    assert [row.packing for row in pareto(make_rows(results(trials, "plates")))] == [ZIP]


def test_the_knee_is_where_more_jobs_stop_to_pay() -> None:
    """Steps that bring less than half of what they ideally bring are not worth it."""
    trials = [in_memory(ZIP, 1, (500, 1, 1))]
    trials += [end_to_end(ZIP, 1, jobs, seconds, 500) for jobs, seconds in ((1, 8.0), (2, 4.2), (4, 2.5), (8, 2.4))]
    (row,) = make_rows(results(trials, "plates"))
    assert row.knee == 4
    assert row.efficiency[1] == 1.0
    assert row.efficiency[2] == pytest.approx(8 / 4.2 / 2)
    assert row.efficiency[8] == pytest.approx(8 / 2.4 / 8)
    assert row.cpu_per_byte == pytest.approx(1.0 / RAW)


def test_a_file_that_fails_is_left_out_and_told() -> None:
    """It must not make a compression look better: the row says how many files it is about."""
    good = in_memory(ZIP, 1, (500, 1, 1), (300, 1, 1))
    bad = replace(good.files[1], status=Status.FAILED, reason="damaged")
    found = results([replace(good, files=[good.files[0], bad])], "plates", "plates")
    (row,) = make_rows(found)
    assert (row.files, row.asked, row.new_size, row.is_whole) == (1, 2, 500, False)
    assert [(packing, file.reason) for packing, file in unmeasured(found)] == [(ZIP, "damaged")]
    assert advise([row]) == ["No advice: no compression handled every file of the sample without loss."]


def test_sizes_that_change_are_told() -> None:
    """A packer that gives another size each time, or another on the disk than in memory, is not to be trusted."""
    trials = [in_memory(ZIP, 1, (500, 1, 1)), end_to_end(ZIP, 1, 1, 1.0, 501)]
    (row,) = make_rows(results(trials, "plates"))
    assert "1 file changed in size from trial to trial" in row.problems


def test_sources_that_stayed_in_the_cache_are_told() -> None:
    """Cold is only said of what was cold."""
    trials = [in_memory(ZIP, 1, (500, 1, 1)), replace(end_to_end(ZIP, 1, 1, 1.0, 500), held=0.4)]
    (row,) = make_rows(results(trials, "plates"))
    assert "40 % of the sources stayed in the page cache" in row.problems


def test_what_was_interrupted_in_the_warm_up_still_has_figures() -> None:
    """Ctrl-C keeps what there is."""
    assert len(make_rows(results([in_memory(ZIP, WARM_UP, (500, 1, 1))], "plates"))) == 1
    assert make_rows(results([], "plates")) == []


def three(zip_size: int = 500, lossy: bool = False) -> list[TrialResult]:
    """PIZ is smallest, ZIP packs twice as fast, ZSTD is the worst of both."""
    return [
        in_memory(PIZ, 1, (495, 2.0, 1.0)),
        in_memory(ZIP, 1, (zip_size, 1.0, 0.9), is_lossy=lossy),
        in_memory(ZSTD, 1, (600, 3.0, 2.0)),
    ]


def test_the_order_is_what_one_would_pick() -> None:
    """The smallest; but one that is nearly as small and much faster comes before it."""
    rows = in_order(total_rows(make_rows(results(three(), "plates"))))
    assert [row.packing for row in rows] == [ZIP, PIZ, ZSTD]
    rows = in_order(total_rows(make_rows(results(three(zip_size=520), "plates"))))
    assert [row.packing for row in rows] == [PIZ, ZIP, ZSTD]


def test_lossy_rows_come_last_and_are_never_advised() -> None:
    """However small they are."""
    rows = make_rows(results(three(zip_size=100, lossy=True), "plates"))
    assert in_order(rows)[-1].packing == ZIP
    assert ZIP not in [row.packing for row in pareto(rows)]
    assert advise(rows)[0].startswith(
        "Use piz: 49.5 % of the raw size, and a run saves 38.1 % of the current size; the smallest"
    )


def test_what_is_beaten_in_everything_is_not_marked() -> None:
    """A row is marked if no other is at once as small, as fast to pack and as fast to unpack."""
    rows = make_rows(results(three(), "plates"))
    assert [row.packing for row in pareto(rows)] == [PIZ, ZIP]


def test_advice_gives_its_reason() -> None:
    """Which, how much smaller, why not the smallest, and who can read it."""
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


def test_advice_to_do_nothing() -> None:
    """Files that would grow are best left alone."""
    assert advise(make_rows(results([in_memory(ZIP, 1, (900, 1, 1))], "plates"))) == [
        "Leave the files as they are: no lossless compression of the whole sample makes any file smaller."
    ]


def test_a_baseline_gives_ratios_and_what_else_changed() -> None:
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


def test_names_tell_effort_only_where_there_is_one() -> None:
    """A row of PIZ is just that."""
    assert Packing(Compression.PIZ, Effort.BALANCED).name == "piz"
    assert Packing(Compression.ZSTD, Effort.MAX).name == "zstd max"
