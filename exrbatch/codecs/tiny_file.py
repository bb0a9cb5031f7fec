"""Tiny files in memory: groups of chunks as files that the OpenEXR library can read and write."""

import itertools
import struct
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from exrbatch.codecs.codec import ChunkGroup, Packed
from exrbatch.codecs.planes import Plane, Strip
from exrbatch.exr.channel import Channel, PixelType
from exrbatch.exr.compression import Compression
from exrbatch.exr.header import FLAG_LONG_NAMES, FLAG_TILED, MAGIC, parse_header
from exrbatch.exr.leader import LeaderLayout
from exrbatch.exr.offset_tables import parse_tables, table_counts
from exrbatch.exr.part import Attribute, Part

WORDS = Channel("words", PixelType.HALF, 1, 1)
"""A channel for raw bytes as 16-bit samples, whatever the channels of the part."""
_BLIND = frozenset((Compression.NONE, Compression.RLE, Compression.ZIPS, Compression.ZIP))
"""Compressions that treat chunks as plain bytes, whatever their channels.

For these, the tiny file has a single channel. Distributing the bytes to 24 channels, and comparing
each of them, would take a sixth of the verification time (benchmarks/RESULTS.md).
"""


def runs(group: ChunkGroup) -> Iterator[list[int]]:
    """Split a group into runs, each of which can be one tiny file.

    Yields:
        indices into `group.chunks`: consecutive scan line chunks, or tiles of equal size.
    """
    indices = range(len(group.chunks))
    if group.part.tiles is None:
        # Among consecutive chunks, the chunk number minus its position in the group is constant.
        for _, run in itertools.groupby(indices, key=lambda index: group.chunks[index] - index):
            yield list(run)
        return
    grid = group.grid
    sizes = {
        index: (int(grid.widths[group.chunks[index]]), int(grid.heights[group.chunks[index]])) for index in indices
    }
    for size in dict.fromkeys(sizes.values()):
        yield [index for index in indices if sizes[index] == size]


def is_plain_bytes(compression: Compression, part: Part) -> bool:
    """Return whether the chunks of a part may be processed as `WORDS`."""
    return compression in _BLIND and not part.is_subsampled


def as_words(part: Part) -> Part:
    """Return a copy of a part whose only channel is `WORDS`; its raw bytes stay the same."""
    value = WORDS.name.encode() + struct.pack("<xiB3xiix", WORDS.pixel_type, 0, 1, 1)
    return replace(part, channels=(WORDS,), attributes=(Attribute("channels", "chlist", 0, value),))


def wrap(
    strip: Strip, group: ChunkGroup, run: Sequence[int], packed: Sequence[memoryview], compression: Compression
) -> bytes:
    """Return a tiny file that holds the compressed chunks of a run, for the library to read."""
    part = strip.part
    channels = part.find("channels")
    assert channels is not None, "parse_header refuses a part without it"
    window = struct.pack("<4i", 0, 0, strip.width - 1, strip.lines - 1)
    attributes = [
        ("channels", "chlist", channels.value),
        ("compression", "compression", bytes([compression])),
        ("dataWindow", "box2i", window),
        ("displayWindow", "box2i", window),
        ("lineOrder", "lineOrder", b"\0"),
        ("pixelAspectRatio", "float", struct.pack("<f", 1)),
        ("screenWindowCenter", "v2f", bytes(8)),
        ("screenWindowWidth", "float", struct.pack("<f", 1)),
    ]
    height = int(group.grid.heights[group.chunks[run[0]]])
    if part.tiles:
        attributes.append(("tiles", "tiledesc", struct.pack("<IIB", strip.width, height, 0)))
    flags = 2 | (FLAG_TILED if part.tiles else 0)
    flags |= (
        FLAG_LONG_NAMES
        if any(len(channel.name.encode("utf-8", "surrogateescape")) > 31 for channel in part.channels)
        else 0
    )
    header = MAGIC + struct.pack("<I", flags)
    for name, kind, value in attributes:
        header += name.encode() + b"\0" + kind.encode() + b"\0" + struct.pack("<i", len(value)) + value
    header += b"\0"
    leader = LeaderLayout.of(part, is_multi_part=False)
    offset = len(header) + 8 * len(run)
    table: list[bytes] = []
    body: list[Packed] = []
    for place, index in enumerate(run):
        coordinates = [0, place, 0, 0] if part.tiles else [place * height]
        table.append(struct.pack("<Q", offset))
        body += [leader.pack(coordinates, (len(packed[index]),)), packed[index]]
        offset += leader.size + len(packed[index])
    return b"".join([header, *table, *body])


def spread(plane: Plane, shape: tuple[int, int]) -> Plane:
    """Put the samples of a subsampled channel at the beginning of an array of the full size.

    OpenEXR's Python module accepts no other shape.
    """
    full = np.zeros(shape, plane.dtype)
    full.ravel()[: plane.size] = plane.ravel()
    return full


def cut(data: bytes) -> list[bytes]:
    """Return the payloads of the chunks of a tiny file, in offset table order."""
    header = parse_header(data, len(data))
    counts = table_counts(header, len(data))
    start = len(header.raw)
    (table,) = parse_tables(header, counts, data[start : start + 8 * sum(counts)], len(data))
    payloads = []
    for chunk, (offset, extent) in enumerate(zip(table.offsets.tolist(), table.extents.tolist(), strict=True)):
        table.check_leader(chunk, data, offset)
        payloads.append(data[offset + table.leader.size : offset + extent])
    return payloads
