"""Takes an EXR file apart to its raw bytes, without any code of exrbatch.

Only for files that are right: it is an oracle for what exrbatch wrote, not a checker of bad input.
"""

import struct
import zlib
from dataclasses import dataclass, field

import numpy as np

from tests.support.build import LINES, SIZES, levels

Attributes = list[tuple[str, str, bytes]]


@dataclass
class Exploded:
    """A part: its attributes in order, and raw bytes by key.

    Keys: ("line", y) for flat and deep scan lines, ("tile", x, y, level x, level y) for tiles. Deep
    values are sample count table + samples.
    """

    attributes: Attributes
    raw: dict[tuple[object, ...], bytes] = field(default_factory=dict)
    order: list[tuple[int, ...]] = field(default_factory=list)

    @property
    def storage_is_deep(self) -> bool:
        return (self.value("type") or b"").startswith(b"deep")

    def value(self, name: str) -> bytes | None:
        return next((value for key, _, value in self.attributes if key == name), None)


def unpredict(data: bytes) -> bytes:
    """Undo the predictor: a running sum of all differences, modulo 256 at the end."""
    sums = np.cumsum(np.frombuffer(data, np.uint8), dtype=np.int64) - 128 * np.arange(len(data))
    split = (sums % 256).astype(np.uint8).tobytes()
    half = (len(split) + 1) // 2
    out = bytearray(len(split))
    out[0::2], out[1::2] = split[:half], split[half:]
    return bytes(out)


def expand_runs(data: bytes) -> bytes:
    """A plain RLE decoder."""
    out, position = bytearray(), 0
    while position < len(data):
        count = struct.unpack_from("b", data, position)[0]
        if count < 0:
            out += data[position + 1 : position + 1 - count]
            position += 1 - count
        else:
            out += data[position + 1 : position + 2] * (count + 1)
            position += 2
    return bytes(out)


def unpack(compression: int, payload: bytes, size: int) -> bytes:
    """Unpack one stream."""
    if len(payload) == size:
        return payload
    assert len(payload) < size, "a payload larger than its raw bytes"
    raw = unpredict(expand_runs(payload) if compression == 1 else zlib.decompress(payload))
    assert len(raw) == size
    return raw


def headers(data: bytes) -> tuple[int, list[Exploded], int]:
    """Read the headers only: version flags, parts without raw bytes, and where the headers end."""
    assert data[:4] == b"\x76\x2f\x31\x01"
    flags = struct.unpack_from("<I", data, 4)[0]
    parts, position = [], 8
    while True:
        attributes, position = _attributes(data, position)
        if attributes:
            parts.append(Exploded(attributes))
        if not flags & 0x1000 or not attributes:
            return flags, parts, position


def explode(data: bytes) -> list[Exploded]:
    """Take a file apart; the chunks must tile it without a gap."""
    flags, parts, position = headers(data)
    chunks = []
    for index, part in enumerate(parts):
        for _ in range(_count(part, flags)):
            chunks.append((struct.unpack_from("<Q", data, position)[0], index))
            position += 8
    for offset, index in sorted(chunks):
        assert offset == position, "a gap or an overlap between chunks"
        position = _chunk(parts[index], flags, data, offset, index)
    assert position == len(data), "bytes after the last chunk"
    return parts


def _attributes(data: bytes, position: int) -> tuple[Attributes, int]:
    found: Attributes = []
    while data[position]:
        texts = []
        for _ in range(2):
            end = data.index(b"\0", position)
            texts.append(data[position:end].decode("utf-8", "surrogateescape"))
            position = end + 1
        size = struct.unpack_from("<i", data, position)[0]
        found.append((texts[0], texts[1], data[position + 4 : position + 4 + size]))
        position += 4 + size
    return found, position + 1


def _facts(part: Exploded, flags: int) -> tuple[bool, bool, int, tuple[int, int, int, int], tuple[int, int, int, int]]:
    """Deep? tiled? compression, window, tile description."""
    kind = (part.value("type") or b"").decode()
    tiled = kind in ("tiledimage", "deeptile") if flags & 0x1800 else bool(flags & 0x200)
    window = struct.unpack("<4i", part.value("dataWindow") or b"")
    tiles = (0, 0, 0, 0)
    if tiled:
        x, y, mode = struct.unpack("<IIB", part.value("tiles") or b"")
        tiles = (x, y, mode & 15, mode >> 4)
    return kind.startswith("deep"), tiled, (part.value("compression") or b"")[0], window, tiles


def _count(part: Exploded, flags: int) -> int:
    _, tiled, compression, (x0, y0, x1, y1), tiles = _facts(part, flags)
    if not tiled:
        return (y1 - y0 + LINES[compression]) // LINES[compression]
    return sum(
        ((w + tiles[0] - 1) // tiles[0]) * ((h + tiles[1] - 1) // tiles[1])
        for _, _, w, h in levels(tiles, x1 - x0 + 1, y1 - y0 + 1)
    )


def _channels(part: Exploded) -> list[tuple[bytes, int, int, int]]:
    value = part.value("channels") or b""
    found, position = [], 0
    while value[position]:
        end = value.index(b"\0", position)
        kind, x, y = struct.unpack_from("<i4x2i", value, end + 1)
        found.append((value[position:end], kind, x, y))
        position = end + 17
    return sorted(found)


def _chunk(part: Exploded, flags: int, data: bytes, position: int, index: int) -> int:
    deep, tiled, compression, (x0, y0, x1, y1), tiles = _facts(part, flags)
    if flags & 0x1000:
        assert struct.unpack_from("<i", data, position)[0] == index
        position += 4
    place = struct.unpack_from("<4i" if tiled else "<i", data, position)
    position += 4 * len(place)
    part.order.append(place)
    if tiled:
        w, h = next((w, h) for lx, ly, w, h in levels(tiles, x1 - x0 + 1, y1 - y0 + 1) if (lx, ly) == place[2:])
        width, lines = min(tiles[0], w - place[0] * tiles[0]), [0] * min(tiles[1], h - place[1] * tiles[1])
    else:
        width = x1 - x0 + 1
        lines = list(range(place[0], min(place[0] + LINES[compression], y1 + 1)))
    if deep:
        table_size, size, raw_size = struct.unpack_from("<QQQ", data, position)
        position += 24
        table = unpack(compression, data[position : position + table_size], 4 * width * len(lines))
        position += table_size
        raw = table + unpack(compression, data[position : position + size], raw_size)
        part.raw[("tile", *place) if tiled else ("line", *place)] = raw
        return position + int(size)
    (flat_size,) = struct.unpack_from("<i", data, position)
    position += 4
    line_sizes = [
        sum(width // x * SIZES[kind] for _, kind, x, y_sampling in _channels(part) if y % y_sampling == 0)
        for y in lines
    ]
    raw = unpack(compression, data[position : position + flat_size], sum(line_sizes))
    if tiled:
        part.raw["tile", *place] = raw
    else:
        for y, line_size in zip(lines, line_sizes, strict=True):
            part.raw["line", y], raw = raw[:line_size], raw[line_size:]
    return position + int(flat_size)
