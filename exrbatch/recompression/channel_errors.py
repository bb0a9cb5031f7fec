"""Measure how much a lossy compression changes the samples of each channel."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np

from exrbatch.codecs.codec import ChunkGroup, Raw
from exrbatch.codecs.planes import Plane, Strip, to_planes
from exrbatch.recompression.measurement import ChannelError


@dataclass(slots=True)
class _Sums:
    max_error: float = 0.0
    peak: float = 0.0
    squares: float = 0.0
    samples: int = 0
    lost: int = 0

    def add(self, old: Plane, new: Plane) -> None:
        before, after = old.astype(np.float64), new.astype(np.float64)
        finite = np.isfinite(before)
        both = finite & np.isfinite(after)
        self.lost += int((finite & ~both).sum())
        kept = before[both]
        if not len(kept):
            return
        errors = np.abs(after[both] - kept)
        self.max_error = max(self.max_error, float(errors.max()))
        self.peak = max(self.peak, float(np.abs(kept).max()))
        self.squares += float(np.square(errors).sum())
        self.samples += len(kept)


class ErrorMeter:
    """Adds up the differences of each channel, group by group."""

    def __init__(self) -> None:
        self._sums: dict[str, _Sums] = {}

    def add(self, group: ChunkGroup, raw: Raw, unpacked: Raw, channels: Collection[str], prefix: str = "") -> None:
        """Add a group of chunks of a flat part.

        Args:
            group: the chunks.
            raw: their raw bytes.
            unpacked: their raw bytes after compression and decompression.
            channels: names of the channels to measure.
            prefix: is put before the names of the channels in the result.
        """
        for strip, start, end in _strips(group):
            old, new = to_planes(strip, raw[start:end]), to_planes(strip, unpacked[start:end])
            for name in channels:
                self._sums.setdefault(prefix + name, _Sums()).add(old[name], new[name])

    @property
    def errors(self) -> tuple[ChannelError, ...]:
        """The result for each channel."""
        return tuple(
            ChannelError(
                channel=name,
                max_error=sums.max_error,
                peak=sums.peak,
                mean_square=sums.squares / max(1, sums.samples),
                lost=sums.lost,
            )
            for name, sums in self._sums.items()
        )


def _strips(group: ChunkGroup) -> Iterator[tuple[Strip, int, int]]:
    """Yield the images of a group, with the range of their raw bytes.

    Scan lines are one image, because only the first line is sure to have samples of every channel.
    """
    grid, chunks = group.grid, list(group.chunks)
    widths, heights = grid.widths[chunks].tolist(), grid.heights[chunks].tolist()
    if group.part.tiles is None:
        yield Strip(group.part, widths[0], sum(heights)), 0, group.raw_size
        return
    start = 0
    for width, height, size in zip(widths, heights, group.sizes, strict=True):
        yield Strip(group.part, width, height), start, start + size
        start += size
