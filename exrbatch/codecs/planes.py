"""Raw bytes <-> one array per channel, as the OpenEXR library takes and gives them."""

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
"""Samples of one channel, shape (lines that have some, samples a line)."""


@dataclass(frozen=True, slots=True)
class Strip:
    """Some lines of a part, `width` pixels wide; the first is a line of every channel."""

    part: Part
    width: int
    lines: int

    def shape(self, channel: Channel) -> tuple[int, int]:
        """Lines and samples a line of a channel; the strip begins and ends on the channel's sampling."""
        return self.lines // channel.y_sampling, self.width // channel.x_sampling

    def line_offsets(self) -> dict[str, NDArray[np.int64]]:
        """Tell for each channel where in the raw bytes each of its lines begins."""
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
    """Cut raw bytes into a contiguous array per channel."""
    planes: dict[str, Plane] = {
        channel.name: np.empty(strip.shape(channel), DTYPES[channel.pixel_type]) for channel in strip.part.channels
    }
    for _, samples, place in _pairs(strip, planes, raw):
        samples[...] = place
    return planes


def from_planes(strip: Strip, planes: dict[str, Plane], raw: Raw) -> None:
    """Fill raw bytes from an array per channel; shapes and types have been checked."""
    for _, samples, place in _pairs(strip, planes, raw):
        place[...] = samples


def same_planes(strip: Strip, planes: dict[str, Plane], raw: Raw, ignoring: Collection[str] = ()) -> bool:
    """Whether raw bytes hold exactly these samples, bit by bit, of all channels but some."""
    return all((samples == place).all() for name, samples, place in _pairs(strip, planes, raw) if name not in ignoring)


def _pairs(strip: Strip, planes: dict[str, Plane], raw: Raw) -> Iterator[tuple[str, NDArray[Any], NDArray[Any]]]:
    """Pair the samples of each channel with their places in the raw bytes, both as integers of equal shape.

    One pair of two-dimensional views a channel, of 16 bits each: the size of every sample is a multiple of that. Where
    channels are sampled differently, the lines lie at uneven distances: then a pair of bytes for each line.
    """
    if all((channel.x_sampling, channel.y_sampling) == (1, 1) for channel in strip.part.channels):
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
