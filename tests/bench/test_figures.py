"""Rows, knees, order and advice, computed from results made by hand."""

from dataclasses import replace

import pytest

from exrbatch import Compression, Effort, OptionsError, Status
from exrbatch.bench.advice import advise, pareto
from exrbatch.bench.baseline import changes, check_files, differences
from exrbatch.bench.figures import make_rows, unmeasured
from exrbatch.bench.lossy import error_figures
from exrbatch.bench.packing import Packing
from exrbatch.bench.passes import WARM_UP
from exrbatch.bench.sample import Sample
from exrbatch.bench.text_tables import psnr_text
from exrbatch.recompression.measurement import ChannelError
from tests.bench.made import PIZ, RAW, ZIP, end_to_end, in_memory, results, sample


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
    trials += [
        end_to_end(ZIP, number, jobs, seconds, 500)
        for number in (1, 2, 3)
        for jobs, seconds in ((1, 8.0), (2, 4.2), (4, 2.5), (8, 2.4))
    ]
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


@pytest.mark.parametrize(
    ("facts", "expected"),
    [({"cores": 2}, [100, 100, 100]), ({"cores": 64}, [100, 50, 25]), ({"cores": 64, "affinity": 1}, [100, 100, 100])],
)
def test_ideal_speed_ends_at_the_cores_that_exist(facts: dict[str, int], expected: list[int]) -> None:
    """If 64 jobs on 2 cores are as fast as 2, they have all of the ideal speed, not 3 %."""
    runs = [end_to_end(ZIP, number, jobs, 4.0, 500) for number in (1, 2) for jobs in (2, 4, 8)]
    found = results([in_memory(ZIP, 1, (500, 1, 1)), *runs], "plates")
    found.machine.update(facts)
    (row,) = make_rows(found)
    assert [round(100 * share) for share in row.efficiency.values()] == expected


def same(*changes: dict[str, object]) -> tuple[Sample, Sample]:
    """Make a sample, and the same one in another folder with some changes of its files."""
    now, then = sample("plates", "plates"), sample("plates", "plates")
    then.files[:] = [replace(file, path=file.path.replace("/show", "/elsewhere")) for file in then.files]
    for index, change in enumerate(changes):
        then.files[index] = replace(then.files[index], **change)  # type: ignore[arg-type]
    return now, then


def test_a_baseline_may_be_of_the_same_files_elsewhere() -> None:
    """Another machine has them in another folder."""
    check_files(*same(), "run.json")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"path": "/elsewhere/other.exr"}, "0.exr was not among them"),
        ({"size": 801}, "0.exr has another size or other contents now"),
        ({"sha256": "f" * 64}, "0.exr has another size or other contents now"),
    ],
)
def test_a_baseline_of_other_files_is_refused(change: dict[str, object], why: str) -> None:
    """Other names, sizes or contents: the line says which file, and how to compare all the same."""
    with pytest.raises(OptionsError, match=why) as caught:
        check_files(*same(change), "run.json")
    assert "run.json" in str(caught.value)
    assert "--force-baseline" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_baseline_with_more_files_is_refused() -> None:
    """It has a larger sample."""
    now, then = same()
    with pytest.raises(OptionsError, match=r"1\.exr was among them, and is not in this sample"):
        check_files(replace(now, files=now.files[:1]), then, "run.json")


def test_errors_of_files_are_combined_by_channel() -> None:
    """The largest error and the lowest ratio of a file count; names are safe to print."""
    first = ChannelError(channel="R\x1b", max_error=0.5, peak=10.0, mean_square=0.01)
    second = ChannelError(channel="R\x1b", max_error=0.1, peak=1.0, mean_square=0.01, lost=3)
    same_file = ChannelError(channel="Z", max_error=0.0, peak=1.0, mean_square=0.0)
    red, depth = error_figures([(first,), (second, same_file)])
    assert (red.channel, red.max_error, red.lost) == ("R\\x1b", 0.5, 3)
    assert red.psnr == pytest.approx(20.0)
    assert psnr_text(depth.psnr) == "no error"


def test_warns_if_samples_were_lost() -> None:
    """A sample that became infinite is in no error figure, so there is a warning."""
    lost = ChannelError(channel="R", max_error=0.1, peak=1.0, mean_square=0.01, lost=2)
    (row,) = make_rows(results([in_memory(PIZ, 1, (500, 1, 1), is_lossy=True, errors=(lost,))], "plates"))
    assert "2 samples became infinite or NaN; the error figures leave them out" in row.problems
