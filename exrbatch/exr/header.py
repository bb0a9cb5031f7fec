"""Parse headers, and patch their bytes. This module does no I/O.

A header is never rebuilt. Its bytes are kept, and each attribute knows the offset of its value.
`Header.recompressed` patches the only two values that a recompression changes: `compression` and
`chunkCount`. Thus every attribute, known or unknown, keeps its position and spelling.

Sources are "OpenEXR File Layout" and "Technical Introduction to OpenEXR". The library is more
lenient than these texts in places; there, this parser follows library 3.5.3.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from exrbatch.errors import InvalidFile, UnsupportedFile
from exrbatch.exr.channel import Channel, PixelType
from exrbatch.exr.compression import Compression
from exrbatch.exr.part import (
    Attribute,
    Box,
    LevelMode,
    LineOrder,
    Part,
    Storage,
    TileDescription,
)

MAGIC = b"\x76\x2f\x31\x01"
FLAG_TILED = 0x200
FLAG_LONG_NAMES = 0x400
FLAG_DEEP = 0x800
FLAG_MULTI_PART = 0x1000
KNOWN_FLAGS = FLAG_TILED | FLAG_LONG_NAMES | FLAG_DEEP | FLAG_MULTI_PART

MAX_NAME = 255
MAX_ATTRIBUTES = 100_000
"""Most attributes of a file. Real files have far fewer; a hostile file might try to fill memory."""
MAX_HEADER = 64 << 20
"""Most bytes that all headers of a file may have together. Memory must hold several copies.

Real headers have a few MB of manifests and previews.
"""
MAX_CHANNELS = 32767
"""Most channels of a part; OpenEXR refuses more. Thus no sum of sizes over channels overflows."""
COORDINATE_LIMIT = 1 << 30
"""OpenEXR refuses windows beyond this limit, so that no sum of coordinates overflows an int32."""


class MoreBytesNeeded(Exception):
    """The header is longer than the given bytes, and the file has more.

    Attributes:
        size: number of bytes, from the beginning of the file, to try next.
    """

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.size = size


@dataclass(frozen=True, slots=True)
class Header:
    """The version field and the headers of all parts.

    Attributes:
        raw: bytes of the file from the magic number to the end of the last header.
        flags: flags of the version field.
        parts: the parts in the order of the file.
    """

    raw: bytes
    flags: int
    parts: tuple[Part, ...]

    @property
    def is_multi_part(self) -> bool:
        """Whether the multi-part flag is set, so that chunk leaders begin with a part number.

        A file with a single part may have the flag, too.
        """
        return bool(self.flags & FLAG_MULTI_PART)

    @property
    def compression_names(self) -> tuple[str, ...]:
        """The name of the compression of each part."""
        return tuple(part.compression.name for part in self.parts)

    def recompressed(self, compressions: Sequence[Compression], chunk_counts: Sequence[int]) -> bytes:
        """Return a copy of `raw` with new values of `compression` and `chunkCount` in each part.

        Args:
            compressions: new compression of each part.
            chunk_counts: new number of chunks of each part; ignored for parts without `chunkCount`.
        """
        patched = bytearray(self.raw)
        for part, compression, count in zip(self.parts, compressions, chunk_counts, strict=True):
            attribute = part.find("compression")
            assert attribute is not None, "parse_header refuses a part without it"
            patched[attribute.offset] = compression
            chunk_count = part.find("chunkCount")
            if chunk_count is not None:
                struct.pack_into("<i", patched, chunk_count.offset, count)
        return bytes(patched)


def parse_header(data: bytes, file_size: int) -> Header:
    """Parse the header of a file.

    Args:
        data: first bytes of the file.
        file_size: size of the whole file in bytes.

    Raises:
        MoreBytesNeeded: `data` ends within the headers, but the file has more bytes.
        InvalidFile: the file is not a valid EXR file.
        UnsupportedFile: the headers or the number of channels exceed a limit.
    """
    cursor = _Cursor(data, file_size)
    flags = _parse_version(cursor)
    parts: list[Part] = []
    budget = MAX_ATTRIBUTES
    while True:
        attributes = _parse_attributes(cursor, len(parts), budget)
        budget -= len(attributes)
        if not attributes and parts:
            break
        parts.append(_build_part(len(parts), attributes, flags))
        if not flags & FLAG_MULTI_PART:
            break
    if flags & FLAG_DEEP and not any(part.storage.is_deep for part in parts):
        raise InvalidFile("the version flags announce deep data, but no part is deep")
    return Header(bytes(data[: cursor.position]), flags, tuple(parts))


class _Cursor:
    """Reads forward through the header.

    It raises `MoreBytesNeeded` if the buffer is too short, but `InvalidFile` if the file is.
    """

    def __init__(self, data: bytes, file_size: int) -> None:
        self.data = data
        self.file_size = file_size
        self.position = 0

    def take(self, size: int, what: str) -> bytes:
        end = self.position + size
        if end > self.file_size:
            raise InvalidFile(
                f"truncated header: {what} at byte {self.position} needs {size} bytes,"
                f" but only {self.file_size - self.position} are left"
            )
        if end > MAX_HEADER:
            raise UnsupportedFile(f"{what} ends at byte {end}; headers of more than {MAX_HEADER} bytes are not read")
        if end > len(self.data):
            raise MoreBytesNeeded(end)
        taken = self.data[self.position : end]
        self.position = end
        return taken

    def text(self, what: str) -> str:
        """Read a NUL-terminated string; bytes that are not UTF-8 become surrogates."""
        end = self.data.find(b"\0", self.position, self.position + MAX_NAME + 1)
        if end < 0:
            limit = self.position + MAX_NAME + 1
            if limit <= len(self.data):
                raise InvalidFile(f"{what} at byte {self.position} is longer than {MAX_NAME} bytes")
            if len(self.data) >= self.file_size:
                raise InvalidFile(f"truncated header: {what} at byte {self.position} has no end")
            raise MoreBytesNeeded(limit)
        text = self.data[self.position : end].decode("utf-8", "surrogateescape")
        self.position = end + 1
        return text


def _parse_version(cursor: _Cursor) -> int:
    if cursor.file_size == 0:
        raise InvalidFile("the file is empty")
    if cursor.take(min(4, cursor.file_size), "the magic number") != MAGIC:
        raise InvalidFile("not an OpenEXR file: it does not begin with 76 2f 31 01")
    (version,) = struct.unpack("<I", cursor.take(4, "the version field"))
    if version & 0xFF != 2:
        raise InvalidFile(f"file format version {version & 0xFF}: only version 2 is known")
    flags: int = version & ~0xFF
    if flags & ~KNOWN_FLAGS:
        raise InvalidFile(f"unknown version flags {flags & ~KNOWN_FLAGS:#x}")
    if flags & FLAG_TILED and flags & (FLAG_DEEP | FLAG_MULTI_PART):
        raise InvalidFile(f"contradictory version flags {flags:#x}: tiled together with deep or multi-part")
    return flags


def _parse_attributes(cursor: _Cursor, part: int, budget: int) -> list[Attribute]:
    """Parse the attributes of one header, up to and including the NUL that ends it.

    Return an empty list if the header consists of the NUL alone. The header may have at most
    `budget` attributes.
    """
    attributes: list[Attribute] = []
    while name := cursor.text(f"part {part}: an attribute name"):
        if len(attributes) >= budget:
            raise InvalidFile(f"part {part}: more than {MAX_ATTRIBUTES} attributes")
        what = f"part {part}: attribute {name!r}"
        kind = cursor.text(f"the type of {what}")
        (size,) = struct.unpack("<i", cursor.take(4, f"the size of {what}"))
        if size < 0:
            raise InvalidFile(f"{what} has the negative size {size}")
        offset = cursor.position
        attributes.append(Attribute(name, kind, offset, cursor.take(size, what)))
    return attributes


# Type and size in bytes (None: any) of the attributes that determine the layout of the file.
_LAYOUT: dict[str, tuple[str, int | None]] = {
    "channels": ("chlist", None),
    "compression": ("compression", 1),
    "dataWindow": ("box2i", 16),
    "lineOrder": ("lineOrder", 1),
    "tiles": ("tiledesc", 9),
    "type": ("string", None),
    "name": ("string", None),
    "chunkCount": ("int", 4),
    "version": ("int", 4),
}


def _build_part(index: int, attributes: list[Attribute], flags: int) -> Part:
    layout: dict[str, bytes] = {}
    for attribute in attributes:
        expected = _LAYOUT.get(attribute.name)
        if expected is None:
            continue
        kind, size = expected
        if attribute.name in layout:
            raise InvalidFile(
                f"part {index}: two attributes {attribute.name!r}; readers disagree about which one counts"
            )
        if attribute.type != kind or size not in (None, len(attribute.value)):
            raise InvalidFile(
                f"part {index}: attribute {attribute.name!r} has type {attribute.type!r} and"
                f" {len(attribute.value)} bytes instead of type {kind!r}" + (f" and {size} bytes" if size else "")
            )
        layout[attribute.name] = attribute.value
    required = ["channels", "compression", "dataWindow"]
    required += ["name", "type"] if flags & FLAG_MULTI_PART else ["type"] if flags & FLAG_DEEP else []
    missing = [name for name in required if name not in layout]
    if missing:
        raise InvalidFile(f"part {index}: the header has no attribute {', '.join(map(repr, missing))}")
    storage = _storage(index, flags, layout.get("type"))
    if storage.is_deep and layout.get("version", b"\1\0\0\0") != b"\1\0\0\0":
        raise InvalidFile(f"part {index}: only version 1 of deep data is known")
    data_window = _box(index, layout["dataWindow"])
    return Part(
        index=index,
        storage=storage,
        channels=_channels(index, layout["channels"], storage, data_window),
        data_window=data_window,
        line_order=LineOrder(_member(index, "lineOrder", LineOrder, layout.get("lineOrder", b"\0")[0])),
        compression=Compression(_member(index, "compression", Compression, layout["compression"][0])),
        tiles=_tiles(index, layout.get("tiles")) if storage.is_tiled else None,
        attributes=tuple(attributes),
    )


def _member(
    index: int, name: str, kind: type[LineOrder] | type[Compression] | type[LevelMode] | type[PixelType], value: int
) -> int:
    try:
        return kind(value)
    except ValueError:
        raise InvalidFile(f"part {index}: unknown {name} {value}") from None


def _storage(index: int, flags: int, type_value: bytes | None) -> Storage:
    """Return how a part stores its pixels; refuse a `type` that contradicts the version flags."""
    by_flag = Storage.TILED if flags & FLAG_TILED else Storage.SCAN_LINE
    if type_value is None:
        return by_flag
    try:
        storage = Storage(type_value.decode("latin-1"))
    except ValueError:
        raise InvalidFile(f"part {index}: unknown part type {type_value.decode('latin-1')!r}") from None
    if flags & FLAG_MULTI_PART:
        agrees = not storage.is_deep or bool(flags & FLAG_DEEP)
    elif flags & FLAG_DEEP:
        agrees = storage.is_deep
    else:
        agrees = storage is by_flag
    if not agrees:
        raise InvalidFile(f"part {index}: type {storage.value!r} contradicts the version flags {flags:#x}")
    return storage


def _box(index: int, value: bytes) -> Box:
    box = Box(*struct.unpack("<4i", value))
    if box.width < 1 or box.height < 1:
        raise InvalidFile(f"part {index}: the data window {box} is empty")
    if any(abs(edge) >= COORDINATE_LIMIT for edge in (box.x_min, box.y_min, box.x_max, box.y_max)):
        raise InvalidFile(f"part {index}: the data window {box} goes beyond 2^30")
    return box


def _channels(index: int, value: bytes, storage: Storage, window: Box) -> tuple[Channel, ...]:
    channels: dict[bytes, Channel] = {}
    position = 0
    while value[position : position + 1] != b"\0":
        end = value.find(b"\0", position)
        if end < 0 or end + 17 > len(value):
            raise InvalidFile(f"part {index}: the channel list is truncated")
        raw_name = value[position:end]
        name = raw_name.decode("utf-8", "surrogateescape")
        pixel_type, linear, x_sampling, y_sampling = struct.unpack_from("<iB3x2i", value, end + 1)
        if raw_name in channels:
            raise InvalidFile(f"part {index}: two channels are named {name!r}")
        kind = PixelType(_member(index, f"pixel type of channel {name!r}", PixelType, pixel_type))
        if linear > 1:  # OpenEXR refuses such a file, too
            raise InvalidFile(f"part {index}: channel {name!r} has the pLinear value {linear}, which must be 0 or 1")
        channel = Channel(name, kind, x_sampling, y_sampling, bool(linear))
        _check_sampling(index, channel, storage, window)
        channels[raw_name] = channel
        position = end + 17
    if position != len(value) - 1:
        raise InvalidFile(f"part {index}: extra bytes after the end of the channel list")
    if not channels:
        raise InvalidFile(f"part {index}: no channels")
    if len(channels) > MAX_CHANNELS:
        raise UnsupportedFile(f"part {index}: {len(channels)} channels; OpenEXR reads at most {MAX_CHANNELS}")
    return tuple(channels[name] for name in sorted(channels))


def _check_sampling(index: int, channel: Channel, storage: Storage, window: Box) -> None:
    x, y = channel.x_sampling, channel.y_sampling
    what = f"part {index}: channel {channel.name!r} has the sampling {x} x {y}"
    if x < 1 or y < 1:
        raise InvalidFile(f"{what}, which must be at least 1 x 1")
    if (x, y) != (1, 1) and storage is not Storage.SCAN_LINE:
        raise InvalidFile(f"{what}, which only flat scan line parts may have")
    if window.x_min % x or window.width % x or window.y_min % y or window.height % y:
        raise InvalidFile(f"{what}, which does not divide the data window {window}")


def _tiles(index: int, value: bytes | None) -> TileDescription:
    if value is None:
        raise InvalidFile(f"part {index}: the part is tiled, but the header has no attribute 'tiles'")
    x_size, y_size, mode = struct.unpack("<IIB", value)
    if not (1 <= x_size < COORDINATE_LIMIT and 1 <= y_size < COORDINATE_LIMIT):
        raise InvalidFile(f"part {index}: invalid tile size {x_size} x {y_size} pixels")
    if mode >> 4 > 1:
        raise InvalidFile(f"part {index}: unknown level rounding mode {mode >> 4}")
    level_mode = LevelMode(_member(index, "level mode", LevelMode, mode & 0xF))
    return TileDescription(x_size, y_size, level_mode, bool(mode >> 4))
