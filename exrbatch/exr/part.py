"""What a header says about one part, as plain frozen values."""

import enum
from dataclasses import dataclass

from exrbatch.exr.channel import Channel
from exrbatch.exr.compression import Compression


class LineOrder(enum.IntEnum):
    """The order in which a part's chunks lie in the file."""

    INCREASING_Y = 0
    DECREASING_Y = 1
    RANDOM_Y = 2


class Storage(enum.Enum):
    """How a part stores its pixels; the values are those of the `type` attribute."""

    SCAN_LINE = "scanlineimage"
    TILED = "tiledimage"
    DEEP_SCAN_LINE = "deepscanline"
    DEEP_TILED = "deeptile"

    @property
    def is_deep(self) -> bool:
        """Whether a pixel holds any number of samples."""
        return self in (Storage.DEEP_SCAN_LINE, Storage.DEEP_TILED)

    @property
    def is_tiled(self) -> bool:
        """Whether a chunk is a tile (else it is a run of scan lines)."""
        return self in (Storage.TILED, Storage.DEEP_TILED)


class LevelMode(enum.IntEnum):
    """Which resolution levels a tiled part holds."""

    ONE_LEVEL = 0
    MIPMAP_LEVELS = 1
    RIPMAP_LEVELS = 2


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of pixels; both corners belong to it."""

    x_min: int
    y_min: int
    x_max: int
    y_max: int

    @property
    def width(self) -> int:
        """Pixels from left to right."""
        return self.x_max - self.x_min + 1

    @property
    def height(self) -> int:
        """Pixels from top to bottom."""
        return self.y_max - self.y_min + 1


@dataclass(frozen=True, slots=True)
class TileDescription:
    """The `tiles` attribute: tile size in pixels and which levels there are."""

    x_size: int
    y_size: int
    level_mode: LevelMode
    round_up: bool


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of a header; `offset` is where its value begins in the file."""

    name: str
    type: str
    offset: int
    value: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a file.

    `channels` are in the order of their name bytes, which is the order of the samples in a chunk, whatever
    the order in the header. `attributes` are in the header's order.
    """

    index: int
    storage: Storage
    channels: tuple[Channel, ...]
    data_window: Box
    line_order: LineOrder
    compression: Compression
    tiles: TileDescription | None
    attributes: tuple[Attribute, ...]

    def find(self, name: str) -> Attribute | None:
        """Return the attribute of that name; of several, the last one (as OpenEXR does)."""
        return next((a for a in reversed(self.attributes) if a.name == name), None)

    @property
    def bytes_per_pixel(self) -> int:
        """Bytes of one sample of every channel (of one pixel where nothing is subsampled)."""
        return sum(channel.pixel_type.size for channel in self.channels)
