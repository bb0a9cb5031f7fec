"""Channels and their pixel types."""

import enum
from dataclasses import dataclass


class PixelType(enum.IntEnum):
    """The type of a channel's samples."""

    UINT = 0
    HALF = 1
    FLOAT = 2

    @property
    def size(self) -> int:
        """Bytes of one sample."""
        return 2 if self is PixelType.HALF else 4


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel of a part. A line y holds samples of it where `y % y_sampling == 0`.

    `is_perceptually_linear`: the `pLinear` byte, which only lossy packers look at.
    """

    name: str
    pixel_type: PixelType
    x_sampling: int
    y_sampling: int
    is_perceptually_linear: bool = False

    @property
    def layer(self) -> str:
        """The name up to the last dot, empty where there is none."""
        return self.name.rpartition(".")[0]

    @property
    def suffix(self) -> str:
        """The name after the last dot: what it is a channel of."""
        return self.name.rpartition(".")[2]
