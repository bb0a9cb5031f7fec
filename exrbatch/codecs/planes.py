"""Convert between raw bytes and planes, the arrays of the OpenEXR library: one for each channel."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exrbatch.codecs.codec import Raw
from exrbatch.exr.channel import Channel, PixelType
from exrbatch.exr.part import Part

DTYPES: dict[PixelType, str] = {PixelType.UINT: "<u4", PixelType.HALF: "<f2", PixelType.FLOAT: "<f4"}

Plane = NDArray[Any]
"""Samples of one channel, shape (lines that have samples of it, samples per line)."""


@dataclass(frozen=True, slots=True)
class Strip:
    """Some consecutive lines of a part, or a column of its tiles.

    Attributes:
        part: the part, for its channels.
        width: width in pixels.
        lines: number of lines. The first line has samples of every channel.
    """

    part: Part
    width: int
    lines: int

    def shape(self, channel: Channel) -> tuple[int, int]:
        """Return how many lines and how many samples per line a channel has.

        The divisions leave no remainder, because a strip is a multiple of every channel's sampling.
        """
        return self.lines // channel.y_sampling, self.width // channel.x_sampling

    def line_offsets(self) -> dict[str, NDArray[np.int64]]:
        """Return, for each channel name, the offsets in the raw bytes at which its lines begin."""
        y = np.arange(self.lines)
        sizes = []
        for channel in self.part.channels:
            bytes_per_line = self.width // channel.x_sampling * channel.pixel_type.size
            sizes.append(np.where(y % channel.y_sampling == 0, bytes_per_line, 0))
        table = np.stack(sizes, axis=1)
        starts = (np.cumsum(table) - table.ravel()).reshape(table.shape)
        return {
            channel.name: starts[y % channel.y_sampling == 0, index] for index, channel in enumerate(self.part.channels)
        }


def to_planes(strip: Strip, raw: Raw) -> dict[str, Plane]:
    """Copy raw bytes into a contiguous array for each channel."""
    planes: dict[str, Plane] = {
        channel.name: np.empty(strip.shape(channel), DTYPES[channel.pixel_type]) for channel in strip.part.channels
    }
    for _, samples, place in _pairs(strip, planes, raw):
        samples[...] = place
    return planes


def from_planes(strip: Strip, planes: dict[str, Plane], raw: Raw) -> None:
    """Fill `raw` from planes whose shapes and types the caller has checked."""
    for _, samples, place in _pairs(strip, planes, raw):
        place[...] = samples


def same_planes(strip: Strip, planes: dict[str, Plane], raw: Raw, ignoring: Collection[str] = ()) -> bool:
    """Return whether raw bytes hold exactly the samples of these planes, bit for bit.

    Args:
        strip: the lines that `planes` and `raw` cover.
        planes: samples of each channel, by name.
        raw: raw bytes to compare with.
        ignoring: names of channels that are not compared.
    """
    return all((samples == place).all() for name, samples, place in _pairs(strip, planes, raw) if name not in ignoring)


def _pairs(strip: Strip, planes: dict[str, Plane], raw: Raw) -> Iterator[tuple[str, NDArray[Any], NDArray[Any]]]:
    """Pair the samples of each channel with a view of their place in the raw bytes.

    Without subsampling there is one pair for each channel. It consists of two-dimensional views of
    16-bit integers, because the size of every sample is a multiple of 16 bits. With subsampling,
    the lines of a channel lie at uneven distances, so there is one pair of byte arrays for each
    line.

    Yields:
        the name of the channel, its samples, and their place in `raw`, of equal shape and type.
    """
    if not strip.part.is_subsampled:
        rows = raw.view("<u2").reshape(strip.lines, -1)
        end = 0
        for channel in strip.part.channels:
            start, end = end, end + strip.width * channel.pixel_type.size // 2
            yield channel.name, np.ascontiguousarray(planes[channel.name]).view("<u2"), rows[:, start:end]
        return
    offsets = strip.line_offsets()
    for channel in strip.part.channels:
        lines = np.ascontiguousarray(planes[channel.name]).view(np.uint8)
        for line, start in zip(lines, offsets[channel.name].tolist(), strict=True):
            yield channel.name, line, raw[start : start + len(line)]
