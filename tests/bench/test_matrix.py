"""The axes of the benchmark: compressions, efforts, jobs, and what is refused."""

from dataclasses import replace

import pytest

from exrbatch import Compression, Effort, OptionsError
from exrbatch.bench.matrix import copies_needed, make_trials, parse_jobs, parse_packings
from exrbatch.bench.packing import Choice, Packing, Trial
from tests.bench.made import PIZ, ZIP, sample


def test_all_stands_for_the_compressions_that_keep_half_floats() -> None:
    """Lossy compressions take part only if they are named."""
    words = {packing.word for packing in parse_packings("all", "balanced")}
    assert words == {"rle", "zips", "zip", "piz", "pxr24", "htj2k256", "htj2k32", "zstd", "auto"}
    dwaa = parse_packings("all,dwaa", "balanced")[-1]
    assert dwaa == Packing(Compression.DWAA, Effort.BALANCED, is_named=True)
    assert not any(packing.is_named for packing in parse_packings("all", "balanced"))


def test_auto_is_a_packing_with_its_own_oldest_reader() -> None:
    """It is chosen by name, and the release says what it may choose."""
    (auto,) = parse_packings("auto", "balanced", "3.4")
    assert auto == Packing(Choice.AUTO, Effort.BALANCED, is_named=True, readers="3.4")
    assert (auto.name, auto.fixed, auto.first_release) == ("auto balanced", None, "3.4")


def test_varies_effort_only_if_it_has_an_effect() -> None:
    """Two equal rows of PIZ would only take time."""
    names = [packing.name for packing in parse_packings("zip,piz", "fast,max")]
    assert names == ["zip fast", "zip max", "piz"]


@pytest.mark.parametrize(("allowed", "expected"), [(1, [1]), (2, [1, 2]), (6, [1, 2, 4, 6]), (8, [1, 2, 4, 8])])
def test_jobs_double_up_to_the_limit_of_the_machine(allowed: int, expected: list[int]) -> None:
    """The last number is the most that the machine allows."""
    assert parse_jobs(None, allowed) == expected


def test_keeps_the_order_of_named_jobs() -> None:
    """Each number is taken once."""
    assert parse_jobs("4, 1,4", 2) == [1, 4]


@pytest.mark.parametrize("words", ["zop", "", ",", "zip,,zop"])
def test_refuses_unknown_compressions_by_name(words: str) -> None:
    """A typing error is reported before anything is measured."""
    with pytest.raises(OptionsError):
        parse_packings(words, "balanced")


def test_refuses_unknown_efforts_and_wrong_jobs() -> None:
    """These are reported before anything is measured, too."""
    for jobs in ("two", "0", "1,-1", "100000", ""):
        with pytest.raises(OptionsError):
            parse_jobs(jobs, 2)
    with pytest.raises(OptionsError, match="unknown effort 'hard'"):
        parse_packings("zip", "hard")


def test_has_trials_in_memory_and_for_each_number_of_jobs() -> None:
    """Without a disk there are only those in memory."""
    assert make_trials([ZIP], [1, 2]) == [Trial(ZIP, 0), Trial(ZIP, 1), Trial(ZIP, 2)]
    assert make_trials([ZIP, PIZ], []) == [Trial(ZIP, 0), Trial(PIZ, 0)]
    assert [trial.name for trial in make_trials([ZIP], [1, 2])] == [
        "zip balanced, in memory",
        "zip balanced, 1 job",
        "zip balanced, 2 jobs",
    ]


def test_copies_small_samples_for_many_jobs() -> None:
    """There are two files for each job.

    The largest file is no more than the share of one job.
    """
    files = sample("a", "b", "c", "d").files
    assert [copies_needed(files, jobs) for jobs in (0, 1, 2, 3, 16)] == [1, 1, 1, 2, 8]
    giant = replace(files[0], raw_size=1_000_000)
    assert copies_needed([giant, *files[1:]], 2) == 2
