"""Each codec against plain packers and unpackers, and against damage."""

import contextlib
import sys
import zlib
from collections.abc import Callable

import deflate
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from exrbatch import Compression, CorruptChunk, Effort
from exrbatch.codecs import run_lengths
from exrbatch.codecs.codec import ChunkGroup, Codec, Raw
from exrbatch.codecs.predictor import Predictor
from exrbatch.codecs.registry import codec_for
from exrbatch.codecs.run_lengths import LEAST_SIZE, RunCoder, find_functions, pack_runs, unpack_runs
from exrbatch.exr.chunks import chunk_grid
from exrbatch.exr.header import parse_header
from tests.support import build, explode

BYTE_COMPRESSIONS = (Compression.NONE, Compression.RLE, Compression.ZIPS, Compression.ZIP)

RAW = st.one_of(
    st.binary(max_size=400),
    st.lists(st.tuples(st.binary(min_size=1, max_size=3), st.integers(1, 300)), max_size=6).map(
        lambda runs: b"".join(data * count for data, count in runs)
    ),
)
CODECS = st.builds(codec_for, st.sampled_from(BYTE_COMPRESSIONS), st.sampled_from(Effort))


def array(data: bytes) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    return np.frombuffer(data, np.uint8).copy()


_FILE = build.build([build.PartSpec(channels=(("R", 1, 2, 2),), window=(0, 0, 7, 7))])  # the library takes none such
_GRID = chunk_grid(parse_header(_FILE, len(_FILE)).parts[0], Compression.RLE)


def group(size: int) -> ChunkGroup:
    """Make a chunk of any raw size: the byte codecs look at nothing else."""
    return ChunkGroup(_GRID, (0,), (size,))


def pack(codec: Codec, raw: np.ndarray[tuple[int], np.dtype[np.uint8]]) -> bytes:
    return bytes(codec.pack(group(len(raw)), raw)[0])


def unpack(codec: Codec, packed: bytes, raw: np.ndarray[tuple[int], np.dtype[np.uint8]]) -> None:
    codec.unpack(group(len(raw)), [memoryview(packed)], raw)


def holds(codec: Codec, packed: bytes, raw: np.ndarray[tuple[int], np.dtype[np.uint8]]) -> bool:
    return codec.first_difference(group(len(raw)), [memoryview(packed)], raw) is None


@given(CODECS, RAW)
def test_unpacks_what_it_packs(codec: Codec, raw: bytes) -> None:
    """Any bytes come back, and `holds` confirms them.

    A packed stream is never as long as its raw bytes.
    """
    packed = pack(codec, array(raw))
    assert len(packed) < len(raw) or packed == raw
    out = array(bytes(len(raw)))
    unpack(codec, packed, out)
    assert out.tobytes() == raw
    assert holds(codec, packed, array(raw))


@given(st.sampled_from(BYTE_COMPRESSIONS), st.sampled_from(Effort), RAW)
def test_plain_decoder_reads_our_streams(compression: Compression, effort: Effort, raw: bytes) -> None:
    """A decoder that shares no code with ours gets the same bytes."""
    packed = pack(codec_for(compression, effort), array(raw))
    assert explode.unpack(compression, packed, len(raw)) == raw


@given(st.sampled_from(BYTE_COMPRESSIONS), RAW)
def test_reads_streams_of_a_plain_encoder(compression: Compression, raw: bytes) -> None:
    """Streams of zlib itself, and a plain RLE with runs of the greatest length."""
    out = array(bytes(len(raw)))
    unpack(codec_for(compression, Effort.FAST), build.pack(compression, raw), out)
    assert out.tobytes() == raw


@given(CODECS, RAW.filter(len), st.integers(0, 1 << 30), st.integers(1, 255))
def test_finds_every_changed_byte(codec: Codec, raw: bytes, place: int, change: int) -> None:
    """If one raw byte differs anywhere, the payload does not hold the raw bytes."""
    packed = pack(codec, array(raw))
    other = array(raw)
    other[place % len(raw)] ^= change
    assert not holds(codec, packed, other)


@given(CODECS, st.binary(max_size=200), st.integers(0, 400))
def test_garbage_raises_corrupt_chunk_at_worst(codec: Codec, packed: bytes, size: int) -> None:
    """An arbitrary payload gives exactly `size` bytes or CorruptChunk, and no other exception."""
    with contextlib.suppress(CorruptChunk):
        unpack(codec, packed, array(bytes(size)))


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (zlib.compress(bytes(200)) + b"x", "after the end of the zlib stream"),
        (zlib.compress(bytes(199)), "decompresses to 199 bytes instead of 200"),
        (zlib.compress(bytes(200))[:-1], "damaged"),
        (zlib.compress(bytes(200))[:-1] + b"\0", "damaged"),
    ],
)
def test_zip_names_what_is_wrong_with_a_stream(payload: bytes, message: str) -> None:
    """Like OpenEXR 3.3, refuse bytes behind the stream and a wrong checksum."""
    with pytest.raises(CorruptChunk, match=message):
        unpack(codec_for(Compression.ZIP, Effort.FAST), payload, array(bytes(200)))


@pytest.mark.parametrize(
    ("payload", "message"),
    [(b"\x05", "truncated"), (b"\xf0abc", "truncated"), (b"\x02a", "decompresses to 3 bytes instead of 9")],
)
def test_rle_names_what_is_wrong_with_a_stream(payload: bytes, message: str) -> None:
    """Runs may be cut short, or hold another number of bytes."""
    with pytest.raises(CorruptChunk, match=message):
        unpack_runs(memoryview(payload), 9)


@pytest.mark.parametrize("odd", [0, 1])
def test_grainy_chunks_are_one_small_zlib_stream(odd: int) -> None:
    """If the low bytes are noise, zlib reads the chunk as one stream.

    It is as small as that of libdeflate.
    """
    samples = np.random.default_rng(1).normal(1, 0.03, 1 << 17).astype("<f2")
    raw = array(samples.tobytes() + bytes(odd))
    packed = pack(codec_for(Compression.ZIP, Effort.BALANCED), raw)
    assert explode.unpack(Compression.ZIP, packed, len(raw)) == raw.tobytes()
    whole = deflate.zlib_compress(Predictor().forward(raw), 4)
    assert packed != whole
    assert len(packed) < 1.02 * len(whole)


@given(st.integers(2, 5), st.integers(1, 40), st.data())
def test_packs_many_short_lines_in_one_call(count: int, half: int, data: st.DataObject) -> None:
    """Each line of ZIPS is what a plain decoder reads, some of them stored raw.

    Damage is named.
    """
    size = 2 * half
    lines = [data.draw(st.one_of(st.binary(min_size=size, max_size=size), st.just(bytes(size)))) for _ in range(count)]
    codec = codec_for(Compression.ZIPS, Effort.BALANCED)
    several = ChunkGroup(_GRID, tuple(range(count)), (size,) * count)
    raw = array(b"".join(lines))
    packed = [bytes(each) for each in codec.pack(several, raw)]
    assert [explode.unpack(Compression.ZIPS, each, size) for each in packed] == lines
    out = array(bytes(len(raw)))
    codec.unpack(several, [memoryview(each) for each in packed], out)
    assert out.tobytes() == raw.tobytes()
    victim = data.draw(st.integers(0, count - 1))
    packed[victim] = packed[victim][:-1]
    with pytest.raises(CorruptChunk) as caught:
        codec.unpack(several, [memoryview(each) for each in packed], out)
    assert caught.value.chunk == victim


def test_rle_tokens_stay_within_the_limits_of_openexr() -> None:
    """Runs have at most 128 bytes and literals at most 127, like those of OpenEXR's encoder."""
    random = np.random.default_rng(5)
    data = np.concatenate(
        [
            np.repeat(random.integers(0, 256, 40, np.uint8), random.integers(1, 500, 40)),
            random.integers(0, 256, 1000, np.uint8),
        ]
    )
    packed = pack_runs(data)
    position = 0
    while position < len(packed):
        token = int(packed.view(np.int8)[position])
        assert -127 <= token <= 127
        position += 2 if token >= 0 else 1 - token
    assert explode.expand_runs(packed.tobytes()) == data.tobytes()


def test_generated_files_have_rle_chunks_that_are_compressed() -> None:
    """Otherwise the tests with generated files would hardly decode RLE at all."""
    files = [
        build.build([build.PartSpec(window=(0, 0, 63, 15), compression=1, noise=0.0, seed=seed)]) for seed in range(8)
    ]
    raw = len(build.build([build.PartSpec(window=(0, 0, 63, 15))]))
    assert any(len(file) < raw for file in files)


@given(RAW)
def test_what_openexr_encodes_is_expanded_by_others(raw: bytes) -> None:
    assume(raw)
    packed = bytes(RunCoder().pack(array(raw)))
    assert explode.expand_runs(packed) == unpack_runs(memoryview(packed), len(raw)).tobytes() == raw


@given(st.binary(min_size=1, max_size=40), st.integers(1, 3 * LEAST_SIZE), st.data())
def test_openexr_expands_what_numpy_expands(piece: bytes, size: int, data: st.DataObject) -> None:
    """Damaged data is refused with the same words."""
    raw = array((piece * (size // len(piece) + 1))[:size])
    packed = bytearray(pack_runs(raw))
    for place in data.draw(st.lists(st.integers(0, len(packed) - 1), max_size=3)):
        packed[place] = data.draw(st.integers(0, 255))
    packed = packed[: data.draw(st.integers(max(0, len(packed) - 3), len(packed)))]

    def outcome(expand: Callable[[memoryview, int], Raw]) -> bytes | str:
        try:
            return expand(memoryview(packed), size).tobytes()
        except CorruptChunk as error:
            return str(error)

    assert outcome(RunCoder().expand) == outcome(unpack_runs)


def test_this_wheel_of_openexr_has_functions_for_runs() -> None:
    """Otherwise RLE would be ten times as slow without a word."""
    assert sys.platform != "linux" or find_functions() is not None


def test_functions_that_encode_something_else_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_lengths, "pack_runs", lambda data: data)
    find_functions.cache_clear()
    try:
        assert find_functions() is None
    finally:
        find_functions.cache_clear()
