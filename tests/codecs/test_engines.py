"""Every engine makes one ordinary zlib stream, which readers decompress to the same bytes."""

import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exrbatch.codecs import engines
from exrbatch.codecs.effort import Effort
from exrbatch.codecs.engine_names import MODULES, Engine, missing_engines
from exrbatch.codecs.engines import Content, Deflater, inflate
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
    assert engines._content(data[:HALF], data[HALF:]) is content


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
            deflater.begin_group()
            assert deflater.compress(memoryview(CONTENTS[content])) == first[content]


def test_libdeflate_never_makes_the_first_half_alone() -> None:
    """It has no way to end a stream without its last block."""
    for recipes in engines.LONG.values():
        for low, high in recipes.values():
            assert low.engine is not Engine.LIBDEFLATE or low == high


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
