"""Streams of one shape, rearranged together, are what each would be alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exrbatch import Compression, CorruptChunk, Effort
from exrbatch.codecs.codec import ChunkGroup
from exrbatch.codecs.registry import codec_for
from exrbatch.codecs.zstd import arrange, rows_of
from exrbatch.codecs.zstd_rows import UniformStreams
from exrbatch.exr.chunks import chunk_grid
from exrbatch.exr.header import parse_header
from tests.support.build import PartSpec, build


def group_of(*, kinds: tuple[int, ...] = (1, 1, 1), lines: int = 5, sampling: int = 1) -> ChunkGroup:
    """Make all chunks of a part with one channel for each pixel type, 0 uint, 1 half, 2 float."""
    channels = tuple((f"c{index}", kind, sampling, sampling) for index, kind in enumerate(kinds))
    data = build([PartSpec(window=(0, 0, 7, lines - 1), channels=channels)])
    grid = chunk_grid(parse_header(data, len(data)).parts[0], Compression.ZSTD)
    return ChunkGroup.of(grid, range(grid.count))


@given(
    st.lists(st.sampled_from([0, 1, 2]), min_size=1, max_size=6), st.integers(1, 9), st.booleans(), st.integers(0, 99)
)
def test_streams_together_hold_what_each_holds_alone(kinds: list[int], lines: int, delta: bool, seed: int) -> None:
    """Both ways: the bytes of each frame, and the raw bytes again, whatever the channels."""
    group = group_of(kinds=tuple(kinds), lines=lines)
    streams = UniformStreams.of(group)
    assert streams is not None
    raw = np.random.default_rng(seed).integers(0, 256, group.raw_size).astype(np.uint8)
    alone = [arrange(stream.raw, rows_of(stream), delta=delta) for stream in group.split(raw)]
    if delta:
        assert [row.tobytes() for row in streams.arrange(raw)] == alone
    contents = np.frombuffer(b"".join(alone), np.uint8).reshape(len(alone), -1)
    back = np.empty_like(raw)
    assert streams.restore(contents, back, delta=delta)
    assert back.tobytes() == raw.tobytes()


def test_subsampled_streams_are_done_one_by_one() -> None:
    """Their lines have rows of several lengths."""
    assert UniformStreams.of(group_of(sampling=2, lines=4)) is None


def test_restores_nothing_if_a_length_is_wrong() -> None:
    """The number before the second block says how many bytes follow."""
    group = group_of(kinds=(1, 2))
    streams = UniformStreams.of(group)
    assert streams is not None
    raw = np.zeros(group.raw_size, np.uint8)
    contents = streams.arrange(raw)
    contents[2, 8 + 2 * 8] ^= 1
    assert not streams.restore(contents, raw, delta=True)


def test_names_the_damaged_stream_of_a_block() -> None:
    """The others of the block do not matter."""
    group = group_of()
    codec = codec_for(Compression.ZSTD, Effort.BALANCED)
    raw = np.zeros(group.raw_size, np.uint8)
    packed = [bytearray(each) for each in codec.pack(group, raw)]
    packed[3][-4] ^= 0xFF
    with pytest.raises(CorruptChunk) as caught:
        codec.unpack(group, [memoryview(each) for each in packed], raw)
    assert caught.value.chunk == 3
