"""Raw bytes <-> one array per channel, as the OpenEXR library takes and gives them."""

from collections.abc import Collection
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
    offsets = strip.line_offsets()
    planes: dict[str, Plane] = {}
    for channel in strip.part.channels:
        lines, samples = strip.shape(channel)
        plane = np.empty((lines, samples * channel.pixel_type.size), np.uint8)
        for into, out_of in _pairs(plane, raw, offsets[channel.name]):
            into[...] = out_of
        planes[channel.name] = plane.view(DTYPES[channel.pixel_type])
    return planes


def from_planes(strip: Strip, planes: dict[str, Plane], raw: Raw) -> None:
    """Fill raw bytes from an array per channel; shapes and types have been checked."""
    offsets = strip.line_offsets()
    for channel in strip.part.channels:
        plane = np.ascontiguousarray(planes[channel.name]).view(np.uint8)
        for out_of, into in _pairs(plane, raw, offsets[channel.name]):
            into[...] = out_of


def same_planes(strip: Strip, planes: dict[str, Plane], raw: Raw, but: Collection[str] = ()) -> bool:
    """Whether raw bytes hold exactly these samples, bit by bit, of all channels but some."""
    offsets = strip.line_offsets()
    return all(
        np.array_equal(ours, theirs)
        for channel in strip.part.channels
        if channel.name not in but
        for ours, theirs in _pairs(
            np.ascontiguousarray(planes[channel.name]).view(np.uint8), raw, offsets[channel.name]
        )
    )


def _pairs(plane: Raw, raw: Raw, starts: NDArray[np.int64]) -> list[tuple[Raw, Raw]]:
    """Pair the lines of a plane, shape (lines, bytes), with their places in the raw bytes.

    One pair of two-dimensional views where the lines lie at equal distances, as they do unless channels are
    sampled differently; else a pair for each line.
    """
    lines, size = plane.shape
    distance = int(starts[1] - starts[0]) if lines > 1 else 0
    if (np.diff(starts) == distance).all():
        strided = np.lib.stride_tricks.as_strided(raw[int(starts[0]) :], (lines, size), (distance, 1))
        return [(plane, strided)]
    return [(plane[row], raw[start : start + size]) for row, start in enumerate(starts.tolist())]
