"""Hostile files raise only an ExrbatchError, and no small file costs more than 512 MB.

See also tests/fuzz.py.
"""

import contextlib
import os
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exrbatch import Compression, Status
from exrbatch.codecs.codec import ChunkGroup
from exrbatch.codecs.effort import Effort
from exrbatch.codecs.registry import codec_for
from exrbatch.errors import CorruptChunk, ExrbatchError
from exrbatch.exr.channel import Channel, PixelType
from exrbatch.exr.chunks import chunk_grid
from exrbatch.exr.header import parse_header
from exrbatch.exr.reader import SMALL
from exrbatch.jobs.job import run
from tests.support.build import PartSpec, attribute, build, channel_list
from tests.support.explode import headers
from tests.support.jobs import recompress_job
from tests.support.mutate import INTEGERS, LONGS, places
from tests.support.specs import file_specs, part_specs
from tests.support.watch import MOST_BYTES, Watched, read_all, repack

Channels = tuple[tuple[str, int, int, int], ...]
HALF: Channels = (("R", 1, 1, 1),)
FIXTURES = [HealthCheck.function_scoped_fixture]


def picture(
    compression: Compression,
    size: tuple[int, int],
    payloads: list[bytes],
    *,
    channels: Channels = HALF,
    tile: tuple[int, int] | None = None,
    more: bytes = b"",
) -> bytes:
    """Build a flat file whose chunks are whatever bytes are given.

    Tiles are numbered downwards; `more` holds attributes.
    """
    window = struct.pack("<4i", 0, 0, size[0] - 1, size[1] - 1)
    header = b"\x76\x2f\x31\x01" + struct.pack("<I", 2 | 0x200 * (tile is not None)) + more
    header += attribute("channels", "chlist", channel_list(channels))
    header += attribute("compression", "compression", bytes([compression]))
    header += attribute("dataWindow", "box2i", window)
    header += attribute("tiles", "tiledesc", struct.pack("<IIB", *tile, 0)) if tile else b""
    header += b"\0"
    position = len(header) + 8 * len(payloads)
    offsets, chunks = [], []
    for index, payload in enumerate(payloads):
        place = (0, index, 0, 0) if tile else (index * compression.facts.lines_per_chunk,)
        offsets.append(position)
        chunks.append(struct.pack(f"<{len(place)}ii", *place, len(payload)) + payload)
        position += len(chunks[-1])
    return header + struct.pack(f"<{len(offsets)}Q", *offsets) + b"".join(chunks)


def black_tile(compression: Compression, raw_size: int) -> bytes:
    """Pack one tile: nearly black, of about so many raw bytes, with noise in the first line."""
    size = (4096, raw_size // 8192)
    shell = picture(compression, size, [b""], tile=size)
    grid = chunk_grid(parse_header(shell, len(shell)).parts[0], compression)
    group = ChunkGroup.of(grid, [0])
    raw = np.zeros(group.raw_size, np.uint8)
    raw[:4000] = np.frombuffer(np.random.default_rng(0).bytes(4000), np.uint8)
    (payload,) = codec_for(compression, Effort.BALANCED).pack(group, raw)
    return picture(compression, size, [bytes(payload)], tile=size)


@pytest.fixture(scope="module")
def watched() -> Iterator[Watched]:
    """Start a child whose memory is measured.

    It is given much time, because none of the promises here is about time.
    """
    with Watched(patience=200) as child:
        yield child


BOMBS = {
    Compression.RLE: 63 * 900_000,
    Compression.ZIP: SMALL - 500_000,
    Compression.ZSTD: SMALL - 500_000,
    Compression.PIZ: SMALL - 500_000,
    Compression.HTJ2K256: SMALL - 500_000,
}


@pytest.mark.parametrize("compression", BOMBS, ids=lambda each: each.name)
def test_reading_a_bomb_takes_less_than_512_mb(tmp_path: Path, watched: Watched, compression: Compression) -> None:
    """The most that a file below 1 MB can unpack to takes bounded memory (issue 2, point 8)."""
    path = tmp_path / "frame.exr"
    path.write_bytes(black_tile(compression, BOMBS[compression]))
    assert path.stat().st_size < 1 << 20
    outcome = watched.read(str(path))
    assert not outcome.error, outcome.words
    assert outcome.grown < MOST_BYTES


@pytest.mark.parametrize("compression", [Compression.ZIP, Compression.PIZ], ids=lambda each: each.name)
def test_recompressing_a_bomb_takes_less_than_512_mb(tmp_path: Path, compression: Compression) -> None:
    """The largest chunk of a file below 1 MB is unpacked, packed and verified.

    Issue 2, point 8.
    """
    path = tmp_path / "frame.exr"
    path.write_bytes(black_tile(compression, SMALL - 500_000))
    with Watched(patience=200, work=repack) as child:
        outcome = child.read(str(path))
    assert not outcome.error, outcome.words
    assert outcome.grown < MOST_BYTES


def big_bomb(compression: Compression) -> bytes:
    """Build a file below 1 MB with a chunk of 500 MB, which is within reach of the packer."""
    size = (16384, 15_000)
    return picture(compression, size, [bytes(500_000 if compression is Compression.ZIP else 50_000)], tile=size)


def sampled_bomb() -> bytes:
    """Build a channel with a single line.

    Only the whole picture, 1 GB, is whole lines of every channel.
    """
    lines = 32 * 20_000
    return picture(Compression.PIZ, (800, lines), [bytes(8)] * 20_000, channels=(*HALF, ("Z", 1, 1, lines)))


def many_parts() -> bytes:
    """Build as many parts as fit, each a black line of 128 KB.

    Work buffers would have that size for each part, if each part had a packer.
    """
    width, count = 65536, 2000
    header = bytearray(b"\x76\x2f\x31\x01" + struct.pack("<I", 0x1002))
    for index in range(count):
        header += attribute("channels", "chlist", channel_list(HALF)) + attribute("name", "string", b"%d" % index)
        header += attribute("compression", "compression", b"\2") + attribute("type", "string", b"scanlineimage")
        header += attribute("dataWindow", "box2i", struct.pack("<4i", 0, 0, width - 1, 0)) + b"\0"
    header += b"\0"
    payload = zlib.compress(b"\0" + b"\x80" * (2 * width - 1), 9)
    size = 12 + len(payload)
    offsets = struct.pack(f"<{count}Q", *(len(header) + 8 * count + size * index for index in range(count)))
    chunks = (struct.pack("<3i", index, 0, len(payload)) + payload for index in range(count))
    return bytes(header) + offsets + b"".join(chunks)


def many_attributes() -> bytes:
    """Build as many attributes of one byte as fit."""
    return picture(Compression.NONE, (1, 1), [bytes(2)], more=attribute("a", "b", b"") * 120_000)


LIMIT = (1 << 30) - 1
MEASURED = {
    "huge window": (picture(Compression.ZIP, (LIMIT, LIMIT), [b"x"]), "the offset tables of 67108864 chunks"),
    "huge lines": (picture(Compression.ZIP, (LIMIT, 16), [b"x"]), "34359738336 raw bytes, more than 2.31"),
    "huge tile": (picture(Compression.ZIP, (LIMIT, LIMIT), [b"x"], tile=(LIMIT, LIMIT)), "raw bytes, more than 2.31"),
    "a tile of 2^64 bytes": (
        picture(Compression.PIZ, (1 << 29, 1 << 29), [b""], tile=(1 << 29, 1 << 29),
                channels=tuple((f"c{index:02}", 2, 1, 1) for index in range(16))),
        "18446744073709551616 raw bytes, more than 2.31",
    ),
    "a tile of one column": (
        picture(Compression.ZSTD, (1, 40_000_000), [bytes(9000)], tile=(1, 40_000_000)),
        "80000000 raw bytes in 40000000 lines at once take about 5.6 GB of memory",
    ),
    "a table longer than the file": (picture(Compression.NONE, (1, 1 << 20), [b"xx"]), "truncated: the offset tables"),
    "a table longer than any": (picture(Compression.NONE, (1, LIMIT), [b"xx"]), "truncated: the offset tables"),
    "a ZIP bomb": (big_bomb(Compression.ZIP), "491520000 raw bytes in 15000 lines at once take about 4.9 GB of memory"),
    "a ZSTD bomb": (big_bomb(Compression.ZSTD), "491520000 raw bytes in 15000 lines"),
    "a PIZ bomb": (big_bomb(Compression.PIZ), "491520000 raw bytes in 15000 lines"),
    "an HTJ2K bomb": (big_bomb(Compression.HTJ2K32), "491520000 raw bytes in 15000 lines"),
    "a RLE bomb": (big_bomb(Compression.RLE), "50000 bytes can't decompress to 491520000 bytes with RLE"),
    "one span of all lines": (sampled_bomb(), "1024001600 raw bytes in 640000 lines at once"),
    "many parts": (many_parts(), ""),
    "many attributes": (many_attributes(), "more than 100000 attributes"),
    "many channels": (
        picture(Compression.NONE, (1, 1), [b""], channels=tuple((f"{index:x}", 1, 1, 1) for index in range(40_000))),
        "40000 channels; OpenEXR reads at most 32767",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MEASURED)
def test_refuses_hostile_numbers_with_little_memory(tmp_path: Path, watched: Watched, name: str) -> None:
    """A number that exceeds the file is refused with a clear error before anything is allocated.

    Issue 2, point 8.
    """
    data, message = MEASURED[name]
    path = tmp_path / "frame.exr"
    path.write_bytes(data)
    assert len(data) < 1 << 20
    outcome = watched.read(str(path))
    assert outcome.on_purpose, f"{outcome.error}: {outcome.words}"
    assert bool(outcome.error) == bool(message), outcome.words
    _assert_says(message, outcome.words)
    assert outcome.grown < MOST_BYTES // 4


def _assert_says(message: str, words: str) -> None:
    assert re.search(message, words), words


@pytest.mark.parametrize("size", [-1, -(1 << 31), 1 << 30, (1 << 31) - 1])
def test_refuses_a_huge_attribute(tmp_path: Path, watched: Watched, size: int) -> None:
    """The size of an attribute is compared with the file before it is read (issue 2, point 8)."""
    data = build([PartSpec()])
    position = places(data).sizes[3]
    path = tmp_path / "frame.exr"
    path.write_bytes(data[:position] + struct.pack("<i", size) + data[position + 4 :])
    outcome = watched.read(str(path))
    assert outcome.error == "InvalidFile"
    _assert_says("negative size" if size < 0 else "truncated header: .* needs", outcome.words)
    assert outcome.grown < MOST_BYTES // 4


def test_does_not_read_a_hole_as_a_header(tmp_path: Path, watched: Watched) -> None:
    """A sparse file can be of any length, but its header is not read into memory."""
    path = tmp_path / "frame.exr"
    path.write_bytes(b"\x76\x2f\x31\x01\2\0\0\0" + b"a\0b\0" + struct.pack("<i", (1 << 31) - 1))
    os.truncate(path, 1 << 32)
    outcome = watched.read(str(path))
    assert outcome.error == "UnsupportedFile"
    _assert_says("headers of more than .* bytes are not read", outcome.words)
    assert outcome.grown < MOST_BYTES // 4


def test_does_not_read_a_hole_as_a_deep_chunk(tmp_path: Path, watched: Watched) -> None:
    """Only the leader says how large a deep chunk is, so it is checked before the chunk is read."""
    data = bytearray(build([PartSpec(storage="deepscanline", window=(0, 0, 3, 0), compression=0)]))
    leader = places(bytes(data)).leaders[0]
    path = tmp_path / "frame.exr"
    for table, samples in ((16, (1 << 33) - leader - 44), ((1 << 33) - leader - 29, 1)):
        struct.pack_into("<QQQ", data, leader + 4, table, samples, samples)
        path.write_bytes(data)
        os.truncate(path, 1 << 33)
        outcome = watched.read(str(path))
        assert outcome.error == "UnsupportedFile"
        _assert_says("part 0, chunk 0 at byte .* raw bytes, more than 512000000", outcome.words)
        assert outcome.grown < MOST_BYTES // 4


@pytest.mark.parametrize("compression", [each for each in Compression if not each.facts.deep])
def test_refuses_deep_data_in_a_flat_compression(tmp_path: Path, compression: Compression) -> None:
    """It is not given to a packer that has no deep form."""
    path = tmp_path / "frame.exr"
    data = bytearray(build([PartSpec(storage="deepscanline", window=(0, 0, 3, 0), compression=0)]))
    data[places(bytes(data)).values["compression"][0][0]] = compression
    path.write_bytes(data)
    with pytest.raises(ExrbatchError, match=f"part 0: {compression.name} is not allowed for deep data"):
        read_all(str(path))


def only_our_errors(path: Path, data: bytes) -> None:
    """Read a file to its end, or to one of our own errors."""
    path.write_bytes(data)
    with contextlib.suppress(ExrbatchError):
        read_all(str(path))


@settings(max_examples=120, suppress_health_check=FIXTURES)
@given(st.data(), file_specs())
def test_damaged_headers_raise_only_our_errors(tmp_path: Path, draw: st.DataObject, specs: list[PartSpec]) -> None:
    """Bytes and numbers of a header may have any value."""
    data = bytearray(build(specs))
    _, _, end = headers(bytes(data))
    for place in draw.draw(st.lists(st.integers(4, end - 5), min_size=1, max_size=3)):
        if draw.draw(st.booleans()):
            struct.pack_into("<I", data, place, draw.draw(st.sampled_from(INTEGERS)) & 0xFFFFFFFF)
        else:
            data[place] = draw.draw(st.integers(0, 255))
    only_our_errors(tmp_path / "frame.exr", bytes(data))


@settings(max_examples=100, suppress_health_check=FIXTURES)
@given(st.data(), file_specs())
def test_damaged_tables_and_leaders_raise_only_our_errors(
    tmp_path: Path, draw: st.DataObject, specs: list[PartSpec]
) -> None:
    """Offsets and leaders may be any number, or those of another chunk."""
    data = bytearray(build(specs))
    found = places(bytes(data))
    numbers = st.one_of(st.sampled_from(LONGS), st.sampled_from(found.leaders), st.integers(0, len(data)))
    fields = st.one_of(
        st.sampled_from(found.offsets), st.builds(sum, st.tuples(st.sampled_from(found.leaders), st.integers(0, 28)))
    )
    for place in draw.draw(st.lists(fields, min_size=1, max_size=3)):
        if place + 8 <= len(data):
            struct.pack_into("<Q", data, place, draw.draw(numbers))
    only_our_errors(tmp_path / "frame.exr", bytes(data))


@settings(max_examples=100, suppress_health_check=FIXTURES)
@given(st.data(), part_specs().filter(lambda spec: spec.deep))
def test_damaged_sample_counts_raise_only_our_errors(tmp_path: Path, draw: st.DataObject, spec: PartSpec) -> None:
    """Sample counts may be negative, decrease, or exceed the samples."""
    data = bytearray(build([spec]))
    found = places(bytes(data))
    head = 40 if spec.tiles else 28
    for _ in range(draw.draw(st.integers(1, 3))):
        place = draw.draw(st.sampled_from(found.leaders)) + head + 4 * draw.draw(st.integers(0, 24))
        if place + 4 <= len(data):
            struct.pack_into("<I", data, place, draw.draw(st.sampled_from(INTEGERS)) & 0xFFFFFFFF)
    only_our_errors(tmp_path / "frame.exr", bytes(data))


def _deep_zstd(counts: list[int], samples: int, raw_size: int) -> bytes:
    """Build a deep line of halves.

    It has these counts, a valid ZSTD frame of `samples` bytes, and a leader that claims `claimed`.
    """
    table = struct.pack(f"<{len(counts)}i", *counts)
    inner = struct.pack("<Q", samples) + bytes(samples)
    frame = zstandard.ZstdCompressor().compress(inner)
    payload = struct.pack("<8sIIQ", b"zstd-exr", 1, 0, len(frame)) + frame
    spec = PartSpec(storage="deepscanline", window=(0, 0, len(counts) - 1, 0), compression=0)
    data = build([spec])
    leader = places(data).leaders[0]
    head = bytearray(data[: leader + 4])
    head[places(data).values["compression"][0][0]] = Compression.ZSTD
    return bytes(head) + struct.pack("<QQQ", len(table), len(payload), raw_size) + table + payload


@settings(max_examples=100, suppress_health_check=FIXTURES)
@given(
    st.lists(st.integers(-(1 << 31), (1 << 31) - 1) | st.integers(-3, 60), min_size=1, max_size=4),
    st.integers(100, 120),
    st.integers(100, 120),
)
def test_refuses_zstd_frames_that_contradict_counts_or_leader(
    tmp_path: Path, counts: list[int], samples: int, raw: int
) -> None:
    """The size of a valid frame agrees with the counts but not with the leader, or vice versa."""
    for last in (counts[-1], samples // 2, raw // 2):
        only_our_errors(tmp_path / "frame.exr", _deep_zstd([*counts[:-1], last], samples, raw))


def test_refuses_zstd_counts_that_exceed_the_leader(tmp_path: Path) -> None:
    """A frame that fits the sample counts is not unpacked into the smaller room of the leader."""
    path = tmp_path / "frame.exr"
    path.write_bytes(_deep_zstd([0, 60], 120, 112))
    with pytest.raises(CorruptChunk, match="112 bytes of samples, but the sample counts require 120"):
        read_all(str(path))


def test_stops_unpacking_a_zlib_bomb_at_the_size_of_its_chunk(tmp_path: Path, watched: Watched) -> None:
    """The stream would unpack to 400 MB in a chunk of 32 KB."""
    path = tmp_path / "frame.exr"
    packer = zlib.compressobj(9)
    stream = b"".join(packer.compress(bytes(1 << 20)) for _ in range(400)) + packer.flush()
    path.write_bytes(picture(Compression.ZIP, (16384, 16), [stream]))
    outcome = watched.read(str(path))
    assert outcome.error == "CorruptChunk"
    assert outcome.grown < MOST_BYTES // 4


def black_frame(compression: Compression) -> bytes:
    """Build 24 float AOVs with black bars.

    A chunk of 256 lines is a million times as large when unpacked.
    """
    channels = tuple((f"aov{index:02}.V", 2, 1, 1) for index in range(24))
    size = (4096, 256)
    shell = picture(compression, size, [b""] * (256 // compression.facts.lines_per_chunk), channels=channels)
    grid = chunk_grid(parse_header(shell, len(shell)).parts[0], compression)
    group = ChunkGroup.of(grid, list(range(grid.count)))
    payloads = codec_for(compression, Effort.BALANCED).pack(group, np.zeros(group.raw_size, np.uint8))
    return picture(compression, size, [bytes(payload) for payload in payloads], channels=channels)


@pytest.mark.parametrize(
    "compression",
    [Compression.PIZ, Compression.DWAB, Compression.HTJ2K256, Compression.LJ2K, Compression.ZSTD],
    ids=lambda each: each.name,
)
def test_accepts_black_frames_of_many_channels(tmp_path: Path, compression: Compression) -> None:
    """Regression test for issue 13, B9.

    They were refused as damaged, because they packed better than expected.
    """
    path = tmp_path / "frame.exr"
    path.write_bytes(black_frame(compression))
    for memory in (0, 2_000_000_000):
        plan = recompress_job(str(path), compression=Compression.RLE, force=True, memory=memory)
        report = run(plan)
        needs = 256 * 4096 * 24 * 4 if compression.facts.lines_per_chunk == 256 else 0
        if needs > SMALL and not memory:
            assert (report.status, report.retry_alone) == (Status.SKIPPED, True)
            assert "raw bytes in 256 lines at once take about" in (report.reason or "")
        else:
            assert report.status is Status.RECOMPRESSED, report.reason


def test_a_large_attribute_allows_no_more_memory(tmp_path: Path, watched: Watched) -> None:
    """Regression test for issue 13, B15.

    A file of 8.5 MB, most of it one attribute, took 2 GB of memory.
    """
    path = tmp_path / "frame.exr"
    size = (16384, 15_000)
    more = attribute("payload", "opaque", bytes(8_500_000))
    path.write_bytes(picture(Compression.ZIP, size, [bytes(500_000)], tile=size, more=more))
    outcome = watched.read(str(path))
    assert outcome.error == "NeedsMemory"
    assert outcome.grown < MOST_BYTES // 4


def test_finding_lossy_channels_takes_linear_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """A set of layers was built for each channel.

    32,767 channels took ten minutes (issue 13, B14).
    """
    looks = 0

    def layer(channel: Channel) -> str:
        nonlocal looks
        looks += 1
        return channel.name.rpartition(".")[0]

    monkeypatch.setattr(Channel, "layer", property(layer))
    channels = [Channel(f"l{index // 3}.{'RGB'[index % 3]}", PixelType.HALF, 1, 1) for index in range(30_000)]
    assert len(Compression.LJ2K.lossy_channels(channels)) == len(channels)
    assert looks <= 2 * len(channels)
