"""The definition of the content digest (docs/digests.md), without any code of exrbatch."""

import hashlib
import struct

from tests.support.build import SIZES, PartSpec, levels
from tests.support.explode import Exploded, explode, headers


def content_sha256(data: bytes, specs: list[PartSpec]) -> str:
    """Hash a file in one of the four byte compressions, which was built from `specs`."""
    hashed = b"exrbatch content 1\n"
    for part, spec in zip(headers(data)[1], specs, strict=True):
        hashed += spec.storage.encode() + b"\0"
        for name, kind, value in sorted(part.attributes, key=lambda item: item[0].encode("utf-8", "surrogateescape")):
            if name not in ("compression", "chunkCount"):
                hashed += b"\0".join(
                    (name.encode("utf-8", "surrogateescape"), kind.encode(), struct.pack("<i", len(value)) + value)
                )
        hashed += b"\0"
    hashed += b"\0"
    for part, spec in zip(explode(data), specs, strict=True):
        hashed += _samples(part, spec)
    return hashlib.sha256(hashed).hexdigest()


def _samples(part: Exploded, spec: PartSpec) -> bytes:
    if spec.tiles is None:
        return b"".join(part.raw["line", y] for y in range(spec.window[1], spec.window[3] + 1))
    found = b""
    for key in sorted((key for key in part.raw if key[0] == "tile"), key=lambda key: (key[4], key[3], key[2], key[1])):
        raw = part.raw[key]
        found += _deep_rows(raw, spec, key) if spec.deep else raw
    return found


def _deep_rows(raw: bytes, spec: PartSpec, key: tuple[object, ...]) -> bytes:
    """Put the samples of each row of a deep tile behind its sample counts."""
    assert spec.tiles is not None
    x_min, y_min, x_max, y_max = spec.window
    _, tile_x, tile_y, level_x, level_y = key
    assert isinstance(tile_x, int)
    assert isinstance(tile_y, int)
    sizes = {(x, y): (w, h) for x, y, w, h in levels(spec.tiles, x_max - x_min + 1, y_max - y_min + 1)}
    width, height = sizes[level_x, level_y]  # type: ignore[index]
    width = min(spec.tiles[0], width - tile_x * spec.tiles[0])
    height = min(spec.tiles[1], height - tile_y * spec.tiles[1])
    pixel = sum(SIZES[kind] for _, kind, _, _ in spec.channels)
    found, at = b"", 4 * width * height
    for row in range(height):
        counts = raw[4 * width * row : 4 * width * (row + 1)]
        end = at + struct.unpack("<i", counts[-4:])[0] * pixel
        found += counts + raw[at:end]
        at = end
    assert at == len(raw)
    return found
