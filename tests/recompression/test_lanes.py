"""Lanes let several threads work on one file, and give results in the order of the items."""

import contextlib
import gc
import itertools
import os
import weakref
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exrbatch.exr.compression import Compression
from exrbatch.jobs import job
from exrbatch.jobs.file_report import Status
from exrbatch.recompression import spans
from exrbatch.recompression.lanes import Lanes
from tests.support.build import PartSpec, build
from tests.support.explode import explode
from tests.support.jobs import recompress_job


@pytest.mark.parametrize("compression", [0, 3])
@pytest.mark.parametrize("has_preadv", [True, False])
def test_three_threads_give_the_bytes_of_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compression: int, has_preadv: bool
) -> None:
    """Many small spans, read with the system's scattered read or without."""
    monkeypatch.setattr(spans, "SPAN_BYTES", 2000)
    if not has_preadv:
        monkeypatch.delattr(os, "preadv", raising=False)
    data = build([PartSpec(window=(0, 0, 99, 299), compression=compression)])
    packed = []
    for threads in (1, 3):
        frame = tmp_path / f"{threads}.exr"
        frame.write_bytes(data)
        plan = recompress_job(str(frame), compression=Compression.ZIPS, force=True, threads=threads)
        assert job.run(plan).status is Status.RECOMPRESSED
        packed.append(frame.read_bytes())
    assert packed[0] == packed[1]
    assert explode(packed[0])[0].raw == explode(build([PartSpec(window=(0, 0, 99, 299))]))[0].raw


@pytest.mark.parametrize("threads", [1, 2, 4])
@given(items=st.lists(st.integers(), max_size=30))
def test_results_come_in_the_order_of_the_items(threads: int, items: list[int]) -> None:
    """Each item is worked on once, whatever the number of threads."""
    assert list(Lanes(object, threads).map(lambda tools, item: item * 2, items)) == [item * 2 for item in items]


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_a_result_is_intact_until_the_next_is_asked_for(threads: int) -> None:
    """Tools are never used for two items at a time, nor again while their result is in use."""

    def fill(buffer: bytearray, item: int) -> bytearray:
        for index in range(len(buffer)):
            buffer[index] = item
            if index % 100 == 0:
                os.sched_yield()
        return buffer

    for item, result in enumerate(Lanes(lambda: bytearray(1000), threads).map(fill, range(200))):
        os.sched_yield()
        assert bytes(result) == bytes([item]) * 1000


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_in_the_work_ends_the_walk(threads: int) -> None:
    """Results before it are yielded; the error comes out unchanged in its turn."""

    def fail_at_five(tools: object, item: int) -> int:
        if item == 5:
            raise KeyError(item)
        return item

    results = Lanes(object, threads).map(fail_at_five, range(20))
    assert list(itertools.islice(results, 5)) == [0, 1, 2, 3, 4]
    with pytest.raises(KeyError):
        next(results)


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_tools_are_freed_after_an_error_without_a_look_for_garbage(threads: int) -> None:
    """Their buffers are large, and a process may meet thousands of damaged files."""

    class Tool:
        pass

    made: list[weakref.ref[Tool]] = []

    def make() -> Tool:
        tool = Tool()
        made.append(weakref.ref(tool))
        return tool

    def fail(_tool: Tool, item: int) -> int:
        if item == 5:
            raise ValueError
        return item

    gc.disable()
    try:
        with contextlib.suppress(ValueError):
            list(Lanes(make, threads).map(fail, range(20)))
        assert [tool() for tool in made] == [None] * len(made)
    finally:
        gc.enable()
