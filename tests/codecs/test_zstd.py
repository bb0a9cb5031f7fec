"""Our own ZSTD: the bytes of the library at its level, flat and deep; damage is refused."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest

from exrbatch import Compression, CorruptChunk, Effort, Status, recompress
from exrbatch.codecs.codec import ChunkGroup
from exrbatch.codecs.registry import codec_for
from exrbatch.exr.chunks import chunk_grid
from exrbatch.exr.header import parse_header
from tests.support.build import PartSpec, build
from tests.test_oracles import read_with_library


def write_deep(path: Path, compression: Any, *, tiled: bool) -> None:
    random = np.random.default_rng(2)
    counts = random.integers(0, 4, (40, 50))
    samples: dict[str, Any] = {}
    for name, kind in (("A", np.float16), ("Z", np.float32), ("id", np.uint32)):
        pixels = np.empty(counts.shape, object)
        for place, count in np.ndenumerate(counts):
            pixels[place] = (random.random(count) * 9).round(1).astype(kind) if count else None
        samples[name] = pixels
    header: dict[str, Any] = {"compression": compression, "type": OpenEXR.deeptile if tiled else OpenEXR.deepscanline}
    if tiled:
        header["tiles"] = OpenEXR.TileDescription()
        header["tiles"].xSize, header["tiles"].ySize = 16, 16
    with OpenEXR.File(header, samples) as file:
        file.write(str(path))


@pytest.mark.parametrize("tiled", [False, True], ids=["deep scan lines", "deep tiles"])
def test_deep_files_equal_those_of_openexr(tmp_path: Path, tiled: bool) -> None:
    """From NONE to ZSTD they are byte for byte what the library writes."""
    ours, theirs = tmp_path / "ours.exr", tmp_path / "theirs.exr"
    write_deep(ours, OpenEXR.NO_COMPRESSION, tiled=tiled)
    write_deep(theirs, OpenEXR.ZSTD_COMPRESSION, tiled=tiled)
    before = read_with_library(ours)
    assert recompress(ours, "zstd", force=True).status is Status.RECOMPRESSED
    assert ours.read_bytes() == theirs.read_bytes()
    assert recompress(ours, "none", force=True).status is Status.RECOMPRESSED
    assert read_with_library(ours) == before


def test_max_effort_is_never_larger_than_balanced(tmp_path: Path) -> None:
    """It tries with and without differences; the library reads all of the files."""
    y, x = np.mgrid[0:64, 0:2000]
    pixels = {
        "R": (np.sin(x / 99) + y).astype(np.float16),
        "Z": np.random.default_rng(1).integers(0, 9, x.shape, np.uint32),
    }
    sizes = {}
    for effort in Effort:
        path = tmp_path / f"{effort}.exr"
        with OpenEXR.File({"compression": OpenEXR.NO_COMPRESSION, "type": OpenEXR.scanlineimage}, pixels) as file:
            file.write(str(path))
        before = read_with_library(path)
        assert recompress(path, "zstd", effort=effort).status is Status.RECOMPRESSED
        assert read_with_library(path) == before
        sizes[effort] = path.stat().st_size
    assert sizes[Effort.MAX] < sizes[Effort.BALANCED]


def test_grain_is_compressed_at_a_lower_level_only_if_that_is_hardly_larger(tmp_path: Path) -> None:
    """Grain is at most 3 % larger than OpenEXR writes it, patterns are the same bytes."""
    random, (y, x) = np.random.default_rng(1), np.mgrid[0:64, 0:2000]
    pictures = {"grain": random.normal(1, 0.2, x.shape), "patterns": random.random(37)[(x * (y // 9 + 1)) % 37]}
    for name, picture in pictures.items():
        ours, theirs = tmp_path / f"{name}.exr", tmp_path / f"{name}_theirs.exr"
        for path, compression in ((ours, OpenEXR.NO_COMPRESSION), (theirs, OpenEXR.ZSTD_COMPRESSION)):
            header = {"compression": compression, "type": OpenEXR.scanlineimage}
            with OpenEXR.File(header, {"Y": picture.astype(np.float16)}) as file:
                file.write(str(path))
        before = read_with_library(ours)
        assert recompress(ours, "zstd").status is Status.RECOMPRESSED
        assert read_with_library(ours) == before
        assert (ours.read_bytes() == theirs.read_bytes()) is (name == "patterns")
        assert ours.stat().st_size <= 1.03 * theirs.stat().st_size


DATA = build([PartSpec(channels=(("H", 1, 1, 1), ("F", 2, 1, 1)), window=(0, 0, 63, 3))])
GRID = chunk_grid(parse_header(DATA, len(DATA)).parts[0], Compression.ZSTD)
GROUP = ChunkGroup.of(GRID, [0])
RAW = np.zeros(GROUP.raw_size, np.uint8)
GOOD = bytes(codec_for(Compression.ZSTD, Effort.BALANCED).pack(GROUP, RAW)[0])


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (GOOD[:20], "ZSTD header is missing"),
        (b"X" + GOOD[1:], "ZSTD header is missing"),
        (GOOD[:8] + struct.pack("<I", 3) + GOOD[12:], "unknown ZSTD format 3"),
        (GOOD[:12] + struct.pack("<I", 2) + GOOD[16:], "with flags 0x2"),
        (GOOD[:8] + struct.pack("<I", 1) + GOOD[12:], "unknown ZSTD format 1 with flags 0x1"),
        (GOOD + b"\0", "but [0-9]+ follow it"),
        (GOOD[:16] + struct.pack("<Q", len(GOOD) - 23) + GOOD[24:] + b"\0", "is damaged"),
        (GOOD[:24] + b"\xff" + GOOD[25:], "is damaged"),
    ],
)
def test_refuses_damaged_streams_with_a_reason(payload: bytes, message: str) -> None:
    """A frame that claims too much is not unpacked."""
    codec = codec_for(Compression.ZSTD, Effort.BALANCED)
    with pytest.raises(CorruptChunk, match=message):
        codec.unpack(GROUP, [memoryview(payload)], RAW.copy())


def test_refuses_a_bomb_before_unpacking_it() -> None:
    """The frame has a false content size, or blocks of another size than the rows."""
    import zstandard

    codec = codec_for(Compression.ZSTD, Effort.BALANCED)
    for content, message in (
        (bytes(10**7), "claims 10000000 bytes"),
        (bytes(GROUP.raw_size), "block of 2-byte samples"),
    ):
        frame = zstandard.ZstdCompressor().compress(content)
        payload = GOOD[:16] + struct.pack("<Q", len(frame)) + frame
        if len(payload) < GROUP.raw_size:
            with pytest.raises(CorruptChunk, match=message):
                codec.unpack(GROUP, [memoryview(payload)], RAW.copy())
