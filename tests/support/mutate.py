"""Damages EXR files on purpose: in the numbers that a reader must not believe."""

import random
import struct
from dataclasses import dataclass, field

from tests.support.explode import headers

INTEGERS = (0, -1, 1, 2, 1 << 30, (1 << 31) - 1, -(1 << 31), 1 << 20, 1 << 24, 0x7FFFFFF, 0xFFFF, 255)
LONGS = (0, 1, (1 << 64) - 1, 1 << 63, (1 << 63) - 1, 1 << 31, (1 << 31) - 1, 1 << 32, 1 << 29, 1 << 40)


@dataclass
class Places:
    """Where the numbers of a sound file are.

    `values`: position and length of header values that the layout depends on.
    """

    header_end: int
    sizes: list[int] = field(default_factory=list)
    values: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    offsets: list[int] = field(default_factory=list)
    leaders: list[int] = field(default_factory=list)


def places(data: bytes) -> Places:
    """Find the numbers of a file that is right."""
    _, parts, end = headers(data)
    found = Places(end)
    position = 8
    for part in parts:
        for name, kind, value in part.attributes:
            position += len(name.encode("utf-8", "surrogateescape")) + len(kind) + 2
            found.sizes.append(position)
            if name in ("dataWindow", "tiles", "compression", "channels", "lineOrder", "type", "chunkCount"):
                found.values.setdefault(name, []).append((position + 4, len(value)))
            position += 4 + len(value)
        position += 1
    position = end
    (first,) = struct.unpack_from("<Q", data, end)
    while position < first:
        (offset,) = struct.unpack_from("<Q", data, position)
        found.offsets.append(position)
        found.leaders.append(offset)
        first, position = min(first, offset), position + 8
    return found


class Mutator:
    """Damages one file in one to six ways."""

    def __init__(self, data: bytes) -> None:
        self._original = data
        self._places = places(data)

    def mutate(self, rng: random.Random) -> tuple[bytes, list[str]]:
        """Return a damaged copy, and the names of what was done to it."""
        data = bytearray(self._original)
        names = [rng.choice(list(_WAYS)) for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 4, 6)))]
        for name in names:
            if len(data) > 16:
                _WAYS[name](data, self._places, rng)
        return bytes(data), names


def _integer(data: bytearray, position: int, rng: random.Random) -> None:
    if 0 <= position <= len(data) - 4:
        (old,) = struct.unpack_from("<i", data, position)
        new = rng.choice((*INTEGERS, old + 1, old - 1, old * 2, old * 64, (1 << rng.randrange(31)) - 1))
        struct.pack_into("<I", data, position, new & 0xFFFFFFFF)


def _long(data: bytearray, position: int, rng: random.Random) -> None:
    if 0 <= position <= len(data) - 8:
        (old,) = struct.unpack_from("<Q", data, position)
        new = rng.choice(
            (*LONGS, old + 1, old - 1, old * 2, old * 64, rng.randrange(len(data)), 1 << rng.randrange(64))
        )
        struct.pack_into("<Q", data, position, new & (1 << 64) - 1)


def _value(data: bytearray, found: Places, rng: random.Random, name: str) -> tuple[int, int] | None:
    listed = [place for place in found.values.get(name, []) if sum(place) <= len(data)]
    return rng.choice(listed) if listed else None


def flip(data: bytearray, found: Places, rng: random.Random) -> None:
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def flip_header(data: bytearray, found: Places, rng: random.Random) -> None:
    data[rng.randrange(min(found.header_end, len(data)))] ^= 1 << rng.randrange(8)


def any_integer(data: bytearray, found: Places, rng: random.Random) -> None:
    _integer(data, rng.randrange(len(data) - 3), rng)


def any_long(data: bytearray, found: Places, rng: random.Random) -> None:
    _long(data, rng.randrange(len(data) - 7), rng)


def attribute_size(data: bytearray, found: Places, rng: random.Random) -> None:
    _integer(data, rng.choice(found.sizes), rng)


def window(data: bytearray, found: Places, rng: random.Random) -> None:
    if place := _value(data, found, rng, "dataWindow"):
        _integer(data, place[0] + 4 * rng.randrange(4), rng)


def window_width(data: bytearray, found: Places, rng: random.Random) -> None:
    """Wider lines: as many chunks as before, each of them larger."""
    if place := _value(data, found, rng, "dataWindow"):
        _integer(data, place[0] + 8, rng)


def tiles(data: bytearray, found: Places, rng: random.Random) -> None:
    if place := _value(data, found, rng, "tiles"):
        _integer(data, place[0] + 4 * rng.randrange(2), rng)


def tile_mode(data: bytearray, found: Places, rng: random.Random) -> None:
    if place := _value(data, found, rng, "tiles"):
        data[place[0] + 8] = rng.choice((0, 1, 2, 3, 16, 17, 18, 32, 255))


def one_huge_tile(data: bytearray, found: Places, rng: random.Random) -> None:
    """A window and a tile of the same size: one chunk, as large as can be said."""
    window_place, tile_place = _value(data, found, rng, "dataWindow"), _value(data, found, rng, "tiles")
    if window_place and tile_place:
        width, height = 1 << rng.randrange(30), 1 << rng.randrange(30)
        struct.pack_into("<4i", data, window_place[0], 0, 0, width - 1, height - 1)
        struct.pack_into("<IIB", data, tile_place[0], width, height, 0)


def compression(data: bytearray, found: Places, rng: random.Random) -> None:
    if place := _value(data, found, rng, "compression"):
        data[place[0]] = rng.choice((*range(15), 255))


def channels(data: bytearray, found: Places, rng: random.Random) -> None:
    if place := _value(data, found, rng, "channels"):
        _integer(data, place[0] + rng.randrange(max(1, place[1] - 4)), rng)


def other_value(data: bytearray, found: Places, rng: random.Random) -> None:
    if place := _value(data, found, rng, rng.choice(("lineOrder", "type", "chunkCount"))):
        data[place[0] + rng.randrange(max(1, place[1]))] ^= 1 << rng.randrange(8)


def offset(data: bytearray, found: Places, rng: random.Random) -> None:
    _long(data, rng.choice(found.offsets), rng)


def swap_offsets(data: bytearray, found: Places, rng: random.Random) -> None:
    one, other = rng.choice(found.offsets), rng.choice(found.offsets)
    if max(one, other) + 8 <= len(data):
        first, second = data[one : one + 8], data[other : other + 8]
        data[one : one + 8] = second
        if rng.random() < 0.7:
            data[other : other + 8] = first


def leader(data: bytearray, found: Places, rng: random.Random) -> None:
    position = rng.choice(found.leaders) + 4 * rng.randrange(8)
    rng.choice((_integer, _long))(data, position, rng)


def copy_chunk(data: bytearray, found: Places, rng: random.Random) -> None:
    """Write the beginning of one chunk over another."""
    one, other = rng.choice(found.leaders), rng.choice(found.leaders)
    size = min(rng.choice((8, 20, 28, 64, 400)), len(data) - max(one, other))
    if size > 0:
        data[other : other + size] = data[one : one + size]


def payload(data: bytearray, found: Places, rng: random.Random) -> None:
    """Noise or zeros within a chunk: what an unpacker meets behind a leader that is right."""
    position = rng.choice(found.leaders) + rng.choice((8, 20, 28, 32, 40)) + rng.randrange(64)
    size = min(rng.choice((1, 4, 16, 64)), len(data) - position)
    if size > 0:
        data[position : position + size] = rng.choice((bytes(size), b"\xff" * size, rng.randbytes(size)))


def payload_number(data: bytearray, found: Places, rng: random.Random) -> None:
    """Put a huge number near the start of a payload, where packers keep sizes, in either order."""
    position = rng.choice(found.leaders) + rng.choice((8, 20, 28, 40)) + rng.randrange(100)
    size = rng.choice((2, 4, 8))
    if position + size <= len(data):
        number = 1 << rng.randrange(8 * size)
        data[position : position + size] = (number - rng.randrange(2)).to_bytes(size, rng.choice(("little", "big")))


def truncate(data: bytearray, found: Places, rng: random.Random) -> None:
    borders = [*found.leaders, *found.offsets, *found.sizes, found.header_end]
    end = rng.choice((rng.randrange(len(data)), rng.choice(borders) + rng.randrange(9), len(data) - 1))
    del data[max(end, 0) :]


def append(data: bytearray, found: Places, rng: random.Random) -> None:
    data += rng.randbytes(rng.choice((1, 8, 100)))


_WAYS = {
    way.__name__: way
    for way in (
        flip, flip_header, any_integer, any_long, attribute_size, window, window_width, tiles, tile_mode,
        one_huge_tile, compression, channels, other_value, offset, swap_offsets, leader, copy_chunk, payload,
        payload_number, truncate, append,
    )
}  # fmt: skip
