"""Every engine makes one ordinary zlib stream, which readers decompress to the same bytes."""

import zlib

import deflate
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exrbatch.codecs import engines
from exrbatch.codecs.deflater import LEAST_LONG_HALF, Deflater, choose, find_content
from exrbatch.codecs.effort import Effort
from exrbatch.codecs.engine_names import MODULES, Engine, missing_engines
from exrbatch.codecs.engines import Packer, inflate
from exrbatch.codecs.recipes import LONG, NANOSECONDS, STORED, Content
from exrbatch.errors import CorruptChunk

RANDOM = np.random.default_rng(1)
HALF = 1 << 15


def noise(count: int) -> bytes:
    """Make bytes with few matches, like grain."""
    return RANDOM.integers(0, 200, count, np.uint8).tobytes()


def runs(count: int) -> bytes:
    """Make runs and repeated patterns, like the predicted bytes of a render."""
    pieces = [bytes([128]) * int(RANDOM.integers(20, 300)) + noise(3) for _ in range(count // 20)]
    return b"".join(pieces)[:count]


CONTENTS = {
    Content.NOISE: noise(HALF) + noise(HALF),
    Content.SMOOTH_NOISE: noise(HALF) + runs(HALF),
    Content.STRUCTURED: runs(HALF) + runs(HALF),
    Content.MIXED: bytes(range(64)) * (HALF // 64) * 2,
}


@pytest.mark.parametrize("content", Content)
def test_recognises_content(content: Content) -> None:
    """The look at a few samples tells grain, runs and periodic patterns apart."""
    data = CONTENTS[content]
    assert find_content(data[:HALF], data[HALF:]) is content


@pytest.mark.parametrize("effort", Effort)
@pytest.mark.parametrize("content", Content)
def test_makes_one_zlib_stream(effort: Effort, content: Content) -> None:
    """Python's own zlib reads it to its end, checksum included; so do we."""
    data = CONTENTS[content]
    packed = Deflater(effort).compress(memoryview(data))
    assert zlib.decompress(packed) == data
    assert bytes(inflate(memoryview(packed), len(data))) == data


@given(st.sampled_from(Effort), st.integers(1, 5), st.integers(1, 600), st.data())
def test_rows_are_streams_of_their_own(effort: Effort, rows: int, half: int, data: st.DataObject) -> None:
    """Each row becomes a stream, whatever is in the others."""
    lines = [data.draw(st.binary(min_size=2 * half, max_size=2 * half)) for _ in range(rows)]
    predicted = np.frombuffer(b"".join(lines), np.uint8).reshape(rows, 2 * half)
    assert [zlib.decompress(packed) for packed in Deflater(effort).compress_rows(predicted)] == lines


@given(st.sampled_from(Effort), st.integers(1, 40), st.integers(1, 1 << 13), st.sampled_from(Content))
def test_longer_rows_are_streams_of_their_own(effort: Effort, rows: int, half: int, content: Content) -> None:
    """Even if one compressor makes all, half by half; and equal blocks give equal streams."""
    data = np.resize(np.frombuffer(CONTENTS[content], np.uint8), rows * 2 * half).reshape(rows, 2 * half)
    deflater = Deflater(effort)
    packed = deflater.compress_rows(data)
    assert [zlib.decompress(each) for each in packed] == [row.tobytes() for row in data]
    deflater.compress(memoryview(CONTENTS[Content.NOISE]))
    deflater.begin_group(data.size)
    assert deflater.compress_rows(data) == packed


@given(st.sampled_from(Effort), st.binary(min_size=1, max_size=5000), st.integers(1, 40))
def test_any_bytes_come_back(effort: Effort, data: bytes, repeats: int) -> None:
    """Of odd and even length, short and long."""
    packed = Deflater(effort).compress(memoryview(data * repeats))
    assert zlib.decompress(packed) == data * repeats


def test_output_does_not_depend_on_earlier_work() -> None:
    """Equal groups give equal streams, whichever other groups were compressed between."""
    for effort in Effort:
        deflater = Deflater(effort)
        first = {content: Deflater(effort).compress(memoryview(data)) for content, data in CONTENTS.items()}
        for content in reversed(CONTENTS):
            deflater.begin_group(2 * HALF)
            assert deflater.compress(memoryview(CONTENTS[content])) == first[content]


@given(st.floats(1, 80), st.floats(0.5, 40), st.integers(1 << 11, 1 << 16), st.integers(0, 2**32))
def test_noise_is_hardly_larger_than_openexr_would_write_it(low: float, high: float, half: int, seed: int) -> None:
    """Whichever engines win the trial: the fastest may win only if its output is small enough."""
    random = np.random.default_rng(seed)
    halves = [(128 + random.normal(0, spread, half)).astype(np.int64).astype(np.uint8) for spread in (low, high)]
    predicted = memoryview(np.concatenate(halves).tobytes())
    deflater = Deflater(Effort.BALANCED)
    deflater.begin_group(len(predicted))
    packed = deflater.compress(predicted)
    assert zlib.decompress(packed) == predicted
    largest = 1.03 if half >= LEAST_LONG_HALF else 1.10  # no trial for the short ones
    assert len(packed) <= largest * len(deflate.zlib_compress(predicted, 4)) + 64


def test_random_bytes_are_stored() -> None:
    """No engine spends time on low bytes that can't be compressed."""
    random = memoryview(RANDOM.integers(0, 256, HALF, np.uint8).tobytes())
    low, _ = choose(Packer(), LONG[Effort.BALANCED][Content.NOISE], random, memoryview(noise(HALF)), HALF)
    assert low == STORED


def test_the_tables_can_be_used() -> None:
    """No first half for libdeflate alone, and the CPU time of whatever takes part in a trial."""
    for recipes in LONG.values():
        for lows, highs in recipes.values():
            assert lows == highs or all(low.engine is not Engine.LIBDEFLATE for low in lows)
            if len(lows) * len(highs) > 1:
                assert NANOSECONDS.keys() >= {*lows, *highs}


@pytest.mark.parametrize(
    "missing",
    [[Engine.ISAL], [Engine.ZLIB_NG], [Engine.LIBDEFLATE], [Engine.ISAL, Engine.ZLIB_NG, Engine.LIBDEFLATE]],
    ids=lambda missing: "+".join(missing),
)
def test_other_engines_take_over(missing: list[Engine], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a package is missing, streams are as readable as before."""
    for engine in missing:
        monkeypatch.setitem(engines._MODULES, engine, None)
    if Engine.LIBDEFLATE in missing:
        monkeypatch.setattr(engines, "_libdeflate_module", None)
    for effort in Effort:
        for data in CONTENTS.values():
            packed = Deflater(effort).compress(memoryview(data))
            assert zlib.decompress(packed) == data
            assert bytes(inflate(memoryview(packed), len(data))) == data
    for size in (len(data) - 1, len(data) + 1):
        with pytest.raises(CorruptChunk):
            inflate(memoryview(packed), size)
    with pytest.raises(CorruptChunk, match="extra bytes"):
        inflate(memoryview(packed + b"\0"), len(data))
    with pytest.raises(CorruptChunk, match="damaged"):
        inflate(memoryview(packed[:-6] + b"\xff" * 6), len(data))


def test_names_the_packages_that_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run says once which engines others replace."""
    assert missing_engines() == []
    monkeypatch.setitem(MODULES, Engine.ISAL, "no_such_module.inside")
    assert missing_engines() == [Engine.ISAL]
