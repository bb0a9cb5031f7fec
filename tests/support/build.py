"""Builds EXR files byte by byte from a description, without any code of exrbatch.

The samples are arbitrary bits: NaN payloads, -0.0 and denormals occur all the time.
"""

import itertools
import random
import struct
import zlib
from dataclasses import dataclass, field

LINES = {0: 1, 1: 1, 2: 1, 3: 16}
NAMES = {0: "NONE", 1: "RLE", 2: "ZIPS", 3: "ZIP"}
SIZES = {0: 4, 1: 2, 2: 4}  # pixel type -> bytes: UINT, HALF, FLOAT


@dataclass(frozen=True)
class PartSpec:
    """A part to be built.

    `channels`: name, pixel type, x and y sampling. `tiles`: x size, y size, level mode, rounding.
    """

    storage: str = "scanlineimage"
    channels: tuple[tuple[str, int, int, int], ...] = (("R", 1, 1, 1),)
    window: tuple[int, int, int, int] = (0, 0, 15, 15)
    compression: int = 0
    line_order: int = 0
    tiles: tuple[int, int, int, int] | None = None
    name: str = ""
    attributes: tuple[tuple[str, str, bytes], ...] = ()
    chunk_count: bool = False
    seed: int = 0
    noise: float = 0.3

    @property
    def deep(self) -> bool:
        return self.storage.startswith("deep")


@dataclass
class Chunk:
    """One chunk that has no place yet: its coordinates, payload and sizes, without a leader."""

    part: int
    coordinates: tuple[int, ...]
    payload: bytes
    sizes: tuple[int, ...]
    offset: int = field(default=0)


def predict(raw: bytes) -> bytes:
    """The predictor, one byte at a time."""
    split = raw[0::2] + raw[1::2]
    return bytes([split[0]]) + bytes((b - a + 128) % 256 for a, b in itertools.pairwise(split))


def run_lengths(data: bytes) -> bytes:
    """A plain RLE encoder."""
    out, position = bytearray(), 0
    while position < len(data):
        length = 1
        while length < 128 and data[position : position + 1] == data[position + length : position + length + 1]:
            length += 1
        if length >= 3:
            out += bytes([length - 1, data[position]])
        else:
            out += bytes([256 - length]) + data[position : position + length]
        position += length
    return bytes(out)


def pack(compression: int, raw: bytes) -> bytes:
    """Pack raw bytes, or store them where packing does not help."""
    if compression == 0 or not raw:
        return raw
    packed = run_lengths(predict(raw)) if compression == 1 else zlib.compress(predict(raw), 6)
    return packed if len(packed) < len(raw) else raw


def build(
    parts: list[PartSpec], *, multi_part: bool | None = None, interleave: bool = False, shuffle: int = 0
) -> bytes:
    """Build a whole file.

    `interleave`: chunks of the parts in turn; `shuffle`: a seed for chunks in random file order.
    """
    multi_part = len(parts) > 1 if multi_part is None else multi_part
    tables = [_chunks(index, part) for index, part in enumerate(parts)]
    flags = 0x1000 * multi_part | 0x800 * any(part.deep for part in parts)
    if not multi_part and parts[0].storage == "tiledimage":
        flags |= 0x200
    names = [channel[0] for part in parts for channel in part.channels]
    names += [item[0] for part in parts for item in part.attributes]
    flags |= 0x400 * any(len(name.encode("utf-8", "surrogateescape")) > 31 for name in names)
    header = b"\x76\x2f\x31\x01" + struct.pack("<I", 2 | flags)
    header += (
        b"".join(_header(part, len(table), multi_part) for part, table in zip(parts, tables, strict=True))
        + b"\0" * multi_part
    )
    position = len(header) + 8 * sum(map(len, tables))
    body = []
    for chunk in _file_order(parts, tables, interleave, shuffle):
        chunk.offset = position
        leader = struct.pack("<i", chunk.part) * multi_part
        leader += struct.pack(f"<{len(chunk.coordinates)}i", *chunk.coordinates)
        leader += struct.pack("<QQQ" if len(chunk.sizes) == 3 else "<i", *chunk.sizes)
        body.append(leader + chunk.payload)
        position += len(body[-1])
    offsets = b"".join(struct.pack("<Q", chunk.offset) for table in tables for chunk in table)
    return header + offsets + b"".join(body)


def attribute(name: str, kind: str, value: bytes) -> bytes:
    """One attribute as it stands in a header."""
    return (
        name.encode("utf-8", "surrogateescape") + b"\0" + kind.encode() + b"\0" + struct.pack("<i", len(value)) + value
    )


def channel_list(channels: tuple[tuple[str, int, int, int], ...]) -> bytes:
    """The value of the channels attribute."""
    entries = [
        name.encode("utf-8", "surrogateescape") + b"\0" + struct.pack("<i4B2i", kind, 0, 0, 0, 0, x, y)
        for name, kind, x, y in channels
    ]
    return b"".join(entries) + b"\0"


def _header(part: PartSpec, count: int, multi_part: bool) -> bytes:
    window = struct.pack("<4i", *part.window)
    listed = [
        ("channels", "chlist", channel_list(part.channels)),
        ("compression", "compression", bytes([part.compression])),
        ("dataWindow", "box2i", window),
        ("displayWindow", "box2i", window),
        ("lineOrder", "lineOrder", bytes([part.line_order])),
        ("pixelAspectRatio", "float", struct.pack("<f", 1)),
        ("screenWindowCenter", "v2f", struct.pack("<2f", 0, 0)),
        ("screenWindowWidth", "float", struct.pack("<f", 1)),
        *part.attributes,
    ]
    if part.tiles:
        x, y, mode, rounding = part.tiles
        listed.append(("tiles", "tiledesc", struct.pack("<IIB", x, y, mode | rounding << 4)))
    if multi_part or part.deep:
        listed.append(("type", "string", part.storage.encode()))
        listed.append(("name", "string", part.name.encode()))
    if part.deep:
        listed.append(("version", "int", struct.pack("<i", 1)))
    if multi_part or part.chunk_count:
        listed.append(("chunkCount", "int", struct.pack("<i", count)))
    random.Random(part.seed).shuffle(listed)
    return b"".join(attribute(*item) for item in listed) + b"\0"


def _file_order(parts: list[PartSpec], tables: list[list[Chunk]], interleave: bool, shuffle: int) -> list[Chunk]:
    ordered = [
        table[::-1] if part.line_order == 1 and part.tiles is None else table
        for part, table in zip(parts, tables, strict=True)
    ]
    if interleave:
        rows = itertools.zip_longest(*ordered)
        chunks = [chunk for row in rows for chunk in row if chunk is not None]
    else:
        chunks = [chunk for table in ordered for chunk in table]
    if shuffle:
        random.Random(shuffle).shuffle(chunks)
    return chunks


def _chunks(index: int, part: PartSpec) -> list[Chunk]:
    rng = random.Random(part.seed)
    x_min, y_min, x_max, y_max = part.window
    width, height = x_max - x_min + 1, y_max - y_min + 1
    boxes: list[tuple[tuple[int, ...], int, list[int]]] = []  # coordinates, width, lines
    if part.tiles is None:
        step = LINES[part.compression]
        for y in range(y_min, y_max + 1, step):
            boxes.append(((y,), width, list(range(y, min(y + step, y_max + 1)))))
    else:
        tile_x, tile_y, _, _ = part.tiles
        for level_x, level_y, w, h in levels(part.tiles, width, height):
            for ty, tx in itertools.product(range((h + tile_y - 1) // tile_y), range((w + tile_x - 1) // tile_x)):
                lines = min(tile_y, h - ty * tile_y)
                boxes.append(((tx, ty, level_x, level_y), min(tile_x, w - tx * tile_x), [0] * lines))
    make = _deep_chunk if part.deep else _flat_chunk
    return [make(index, part, rng, *box) for box in boxes]


def levels(tiles: tuple[int, int, int, int], width: int, height: int) -> list[tuple[int, int, int, int]]:
    """All levels in table order: level x, level y, width, height."""
    _, _, mode, up = tiles

    def sizes(length: int) -> list[int]:
        found = [length]
        while found[-1] > 1:
            found.append(max(1, (length + 2 ** len(found) - 1) // 2 ** len(found) if up else length // 2 ** len(found)))
        return found

    xs, ys = sizes(width), sizes(height)
    if mode == 0:
        return [(0, 0, width, height)]
    if mode == 2:
        return [(x, y, xs[x], ys[y]) for y in range(len(ys)) for x in range(len(xs))]
    count = max(len(xs), len(ys))
    return [(i, i, (xs + [1] * count)[i], (ys + [1] * count)[i]) for i in range(count)]


def _samples(rng: random.Random, part: PartSpec, size: int) -> bytes:
    """Make bytes of any bit pattern, of which a share is noise and the rest can be packed."""
    if rng.random() < 0.1:
        return rng.randbytes(size)
    base = rng.randbytes(4)
    if base[0] % 2:
        base = base[:1] * 4  # has runs after the predictor, so RLE compresses it, too
    return bytes(rng.randrange(256) if rng.random() < part.noise else base[i % 4] for i in range(size))


def _flat_chunk(
    index: int, part: PartSpec, rng: random.Random, coordinates: tuple[int, ...], width: int, lines: list[int]
) -> Chunk:
    raw = b""
    for y in lines:
        for _, kind, x_sampling, y_sampling in sorted(
            part.channels, key=lambda channel: channel[0].encode("utf-8", "surrogateescape")
        ):
            if y % y_sampling == 0:
                raw += _samples(rng, part, width // x_sampling * SIZES[kind])
    payload = pack(part.compression, raw)
    return Chunk(index, coordinates, payload, (len(payload),))


def _deep_chunk(
    index: int, part: PartSpec, rng: random.Random, coordinates: tuple[int, ...], width: int, lines: list[int]
) -> Chunk:
    table, samples = b"", b""
    for _ in lines:
        counts = list(itertools.accumulate(rng.choice((0, 0, 1, 2, 5)) for _ in range(width)))
        table += struct.pack(f"<{width}i", *counts)
        for _, kind, _, _ in sorted(part.channels):
            samples += _samples(rng, part, counts[-1] * SIZES[kind])
    packed_table, packed = pack(part.compression, table), pack(part.compression, samples)
    return Chunk(index, coordinates, packed_table + packed, (len(packed_table), len(packed), len(samples)))
