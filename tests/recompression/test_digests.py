"""Digests of contents: they are equal for what was compressed, and for nothing else."""

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exrbatch import Compression, CorruptChunk, Effort
from exrbatch.codecs.codec import ChunkGroup, Raw, StreamCodec
from exrbatch.codecs.registry import codec_for
from exrbatch.exr.chunks import ChunkGrid, chunk_grid
from exrbatch.exr.header import parse_header
from exrbatch.recompression.digests import Digests, digest_of_contents, pack_with_digest
from tests.support.build import PartSpec, build

COMPRESSIONS = [Compression.NONE, Compression.RLE, Compression.ZIPS, Compression.ZIP, Compression.ZSTD]
LINES = 20
_FILE = build([PartSpec(window=(0, 0, 15, LINES - 1))])
PART = parse_header(_FILE, len(_FILE)).parts[0]


def grid_of(compression: Compression) -> ChunkGrid:
    return chunk_grid(PART, compression)


@st.composite
def groups(draw: st.DrawFn) -> tuple[StreamCodec, ChunkGroup, Raw]:
    """Make a codec, and all chunks of a small part with noisy, smooth or empty lines."""
    compression = draw(st.sampled_from(COMPRESSIONS))
    codec = codec_for(compression, draw(st.sampled_from(Effort)))
    assert isinstance(codec, StreamCodec)
    grid = grid_of(compression)
    group = ChunkGroup.of(grid, range(grid.count))
    random = np.random.default_rng(draw(st.integers(0, 1000)))
    raw = random.integers(0, draw(st.sampled_from([1, 4, 256])), group.raw_size).astype(np.uint8)
    raw[: draw(st.integers(0, group.raw_size))] = 7
    return codec, group, raw


@given(groups())
def test_what_was_compressed_has_the_digest_of_what_comes_back(case: tuple[StreamCodec, ChunkGroup, Raw]) -> None:
    """Streams that are compressed and streams that are stored raw, in any mixture."""
    codec, group, raw = case
    packed, expected = pack_with_digest(codec, group, raw)
    assert digest_of_contents(codec, group, [memoryview(each) for each in packed]) == expected


@given(groups(), st.data())
def test_damage_anywhere_changes_the_digest(case: tuple[StreamCodec, ChunkGroup, Raw], data: st.DataObject) -> None:
    """Every changed byte of a stream either fails to decompress or leads to another digest."""
    codec, group, raw = case
    packed, expected = pack_with_digest(codec, group, raw)
    streams = [bytearray(each) for each in packed]
    index = data.draw(st.integers(0, len(streams) - 1))
    place = data.draw(st.integers(0, len(streams[index]) - 1))
    streams[index][place] ^= data.draw(st.integers(1, 255))
    damaged = [memoryview(each) for each in streams]
    found = b""
    with contextlib.suppress(CorruptChunk):
        found = digest_of_contents(codec, group, damaged)
    if found == expected:  # zlib and zstd headers have bits without a meaning
        back = np.empty_like(raw)
        codec.unpack(group, damaged, back)
        assert back.tobytes() == raw.tobytes()


def test_a_stream_that_is_stored_raw_differs_from_one_that_is_compressed() -> None:
    """The content as a raw payload would be read as other pixels, so its digest is another one."""
    codec = codec_for(Compression.ZIP, Effort.BALANCED)
    assert isinstance(codec, StreamCodec)
    group = ChunkGroup.of(grid_of(Compression.ZIP), [0])
    raw = np.arange(group.raw_size, dtype=np.uint16).astype(np.uint8)
    packed, expected = pack_with_digest(codec, group, raw)
    (content,) = codec.content(memoryview(packed[0]), len(raw))
    assert digest_of_contents(codec, group, [memoryview(bytes(content))]) != expected


@pytest.mark.parametrize("contents_suffice", [False, True])
def test_our_own_codecs_use_digests_only_where_contents_suffice(contents_suffice: bool) -> None:
    """By default deep data is verified by our own code, which then compares raw bytes."""
    decoders = [codec_for(each, Effort.BALANCED) for each in (Compression.ZIP, Compression.PIZ)]
    digests = Digests(decoders, contents_suffice=contents_suffice)
    assert [digests.is_known(part) for part in (0, 1)] == [contents_suffice, True]
    assert [digests.is_of_contents(part) for part in (0, 1)] == [contents_suffice, False]
