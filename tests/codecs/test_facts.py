"""The table of compressions against the installed OpenEXR: every claim in it is tried."""

import io

import numpy as np
import OpenEXR
import pytest

from exrbatch import Compression
from exrbatch.exr.channel import Channel, PixelType
from exrbatch.exr.chunks import chunk_count
from exrbatch.exr.header import parse_header

DTYPES = {PixelType.UINT: np.uint32, PixelType.HALF: np.float16, PixelType.FLOAT: np.float32}
NAME_SETS = [
    ("A",), ("Z",), ("R",), ("G",), ("B",), ("Y",), ("RY",), ("BY",), ("r",), ("red",), ("R.x",), ("X", "Y.Z"),
    ("diffuse.R",), ("left.Y",), ("R", "G"), ("R", "G", "B"), ("R", "G", "B", "A"), ("left.R", "left.G", "left.B"),
]  # fmt: skip


def patterns(kind: PixelType) -> np.ndarray[tuple[int, int], np.dtype[np.uint32]]:
    """Return all 65536 halves, and 65536 patterns of 32 bits with every special float."""
    if kind is PixelType.HALF:
        return np.arange(65536, dtype=np.uint16).reshape(256, 256)  # type: ignore[return-value]
    special = [0, 0x80000000, 1, 0x807FFFFF, 0x7F800000, 0xFF800000, 0x7FC00000, 0x7F800001, 0xFFC12345, 0xFFFFFFFF]
    found = np.random.default_rng(int(kind)).integers(0, 1 << 32, 65536, dtype=np.uint32)
    found[: len(special)] = special
    return found.reshape(256, 256)


def through_library(compression: Compression, kind: PixelType, names: tuple[str, ...]) -> tuple[bytes, set[str]]:
    """Write and read with the library; return the file and the channels that changed."""
    bits = patterns(kind)
    pixels = {name: np.roll(bits, 7 * index, axis=0).view(DTYPES[kind]) for index, name in enumerate(names)}
    header = {"compression": OpenEXR.Compression(int(compression)), "type": OpenEXR.scanlineimage}
    stream = io.BytesIO()
    with OpenEXR.File(header, dict(pixels)) as file:  # it puts channels of its own into the dict
        file.write(stream)
    with OpenEXR.File(io.BytesIO(stream.getvalue()), separate_channels=True) as file:
        after = {name: channel.pixels for name, channel in file.parts[0].channels.items()}
    return stream.getvalue(), {name for name in names if after[name].tobytes() != pixels[name].tobytes()}


@pytest.mark.parametrize("names", NAME_SETS, ids=",".join)
@pytest.mark.parametrize("kind", PixelType)
@pytest.mark.parametrize("compression", Compression)
def test_lossy_compressions_are_those_that_change_bits(
    compression: Compression, kind: PixelType, names: tuple[str, ...]
) -> None:
    """A compression that the table calls exact keeps every bit pattern; others change some."""
    channels = [Channel(name, kind, 1, 1) for name in names]
    _, changed = through_library(compression, kind, names)
    assert set(compression.lossy_channels(channels)) == changed


@pytest.mark.parametrize("compression", Compression)
def test_lines_per_chunk_are_those_of_openexr(compression: Compression) -> None:
    """The offset table of OpenEXR has as many entries as the facts say.

    Its first entry points behind its last.
    """
    data, _ = through_library(compression, PixelType.HALF, ("A",))
    header = parse_header(data, len(data))
    end = len(header.raw)
    first_chunk = min(np.frombuffer(data, "<u8", chunk_count(header.parts[0], compression), end))
    assert first_chunk == end + 8 * chunk_count(header.parts[0], compression)


def test_names_and_numbers_are_those_of_openexr() -> None:
    """Every compression is compared."""
    members = {name: int(value) for name, value in OpenEXR.Compression.__members__.items()}
    expected = {f"{c.name if c else 'NO'}_COMPRESSION": int(c) for c in Compression}
    assert members == expected | {"NUM_COMPRESSION_METHODS": len(Compression)}


def test_every_rgb_layer_counts_as_lossy() -> None:
    """LJ2K changes one complete R, G, B only.

    We can't know which one, so all of them count.
    """
    names = ("R", "G", "B", "left.R", "left.G", "left.B", "left.A", "right.R")
    channels = [Channel(name, PixelType.HALF, 1, 1) for name in names]
    assert Compression.LJ2K.lossy_channels(channels) == list(names[:6])
