"""The header of one part as frozen values."""

import enum
from dataclasses import dataclass

from exrbatch.exr.channel import Channel
from exrbatch.exr.compression import Compression

CHANGED_ATTRIBUTES = ("compression", "chunkCount")
"""Attributes that a recompression may change."""


class LineOrder(enum.IntEnum):
    """The order of a part's chunks in the file."""

    INCREASING_Y = 0
    DECREASING_Y = 1
    RANDOM_Y = 2


class Storage(enum.Enum):
    """How a part stores its pixels. The values are those of the `type` attribute."""

    SCAN_LINE = "scanlineimage"
    TILED = "tiledimage"
    DEEP_SCAN_LINE = "deepscanline"
    DEEP_TILED = "deeptile"

    @property
    def is_deep(self) -> bool:
        """Whether the number of samples may differ from pixel to pixel."""
        return self in (Storage.DEEP_SCAN_LINE, Storage.DEEP_TILED)

    @property
    def is_tiled(self) -> bool:
        """Whether a chunk is a tile. Otherwise it is a run of scan lines."""
        return self in (Storage.TILED, Storage.DEEP_TILED)


class LevelMode(enum.IntEnum):
    """Which resolution levels a tiled part has."""

    ONE_LEVEL = 0
    MIPMAP_LEVELS = 1
    RIPMAP_LEVELS = 2


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of pixels. Its minimum and maximum are part of it."""

    x_min: int
    y_min: int
    x_max: int
    y_max: int

    @property
    def width(self) -> int:
        """Width in pixels."""
        return self.x_max - self.x_min + 1

    @property
    def height(self) -> int:
        """Height in pixels."""
        return self.y_max - self.y_min + 1

    def __str__(self) -> str:
        if self.width < 1 or self.height < 1:
            return f"from x {self.x_min} y {self.y_min} to x {self.x_max} y {self.y_max}"
        where = f" at x {self.x_min} y {self.y_min}" if self.x_min or self.y_min else ""
        return f"{self.width} x {self.height}{where}"


@dataclass(frozen=True, slots=True)
class TileDescription:
    """The `tiles` attribute.

    Attributes:
        x_size: width of a tile in pixels.
        y_size: height of a tile in pixels.
        level_mode: which levels the part has.
        round_up: whether the sizes of levels are rounded up, not down.
    """

    x_size: int
    y_size: int
    level_mode: LevelMode
    round_up: bool


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of a header.

    Attributes:
        name: its name.
        type: name of its type.
        offset: byte offset of its value in the file.
        value: bytes of its value.
    """

    name: str
    type: str
    offset: int
    value: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a file.

    Attributes:
        index: number of the part in the file, from 0.
        storage: how it stores its pixels.
        channels: channels in the order of their name bytes. The samples in a chunk have this order,
            whatever the order of the channels in the header.
        data_window: rectangle of the pixels that it has.
        line_order: order of its chunks in the file.
        compression: compression of its chunks.
        tiles: size of its tiles and its levels, or None if it has scan lines.
        attributes: all attributes in the order of the header.
    """

    index: int
    storage: Storage
    channels: tuple[Channel, ...]
    data_window: Box
    line_order: LineOrder
    compression: Compression
    tiles: TileDescription | None
    attributes: tuple[Attribute, ...]

    @property
    def is_subsampled(self) -> bool:
        """Whether any channel has fewer samples than pixels."""
        return any((channel.x_sampling, channel.y_sampling) != (1, 1) for channel in self.channels)

    def find(self, name: str) -> Attribute | None:
        """Return the attribute with the given name, or None.

        If several attributes have this name, return the last one, as OpenEXR does.
        """
        return next((a for a in reversed(self.attributes) if a.name == name), None)

    @property
    def chunk_count(self) -> int | None:
        """What the attribute `chunkCount` says, which may be wrong; None if there is none."""
        attribute = self.find("chunkCount")
        return None if attribute is None else int.from_bytes(attribute.value, "little", signed=True)

    @property
    def bytes_per_pixel(self) -> int:
        """Size in bytes of one sample of every channel.

        Without subsampling this is the size of a flat pixel.
        """
        return sum(channel.pixel_type.size for channel in self.channels)
