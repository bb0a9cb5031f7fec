"""Channels and pixel types."""

import enum
from dataclasses import dataclass


class PixelType(enum.IntEnum):
    """The type of a channel's samples."""

    UINT = 0
    HALF = 1
    FLOAT = 2

    @property
    def size(self) -> int:
        """Size of one sample in bytes."""
        return 2 if self is PixelType.HALF else 4


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel of a part.

    Attributes:
        name: full name, including the layer. Bytes that are not UTF-8 are kept as surrogates.
        pixel_type: type of the samples.
        x_sampling: horizontal distance of samples in pixels.
        y_sampling: vertical distance of samples in lines. Line y has samples of this channel only
            if `y % y_sampling == 0`.
        is_perceptually_linear: the `pLinear` byte, which only lossy compressions use.
    """

    name: str
    pixel_type: PixelType
    x_sampling: int
    y_sampling: int
    is_perceptually_linear: bool = False

    @property
    def layer(self) -> str:
        """The name up to the last dot; empty if the name has no dot."""
        return self.name.rpartition(".")[0]

    @property
    def suffix(self) -> str:
        """The name after the last dot, such as `R`; the whole name if it has no dot."""
        return self.name.rpartition(".")[2]
