"""Rearrange ZSTD streams of one shape many at a time: the usual case, and much faster.

All streams of a block have the same number of rows, a row being one channel on one line, and all
samples have the same size. `zstd.arrange` and `zstd.restore` do the same for any single stream.
"""

import struct

import numpy as np
from numpy.typing import NDArray

from exrbatch.codecs.codec import ChunkGroup, Raw

LENGTH_BYTES = 8
"""Size of the number before each block of samples, which says how many bytes it has."""
BLOCK_BYTES = 1 << 17
"""Bytes of streams that are rearranged at a time, so that they stay in the cache."""


class UniformStreams:
    """The streams of a group with one shape.

    Attributes:
        count: number of streams.
        size: raw bytes of each stream.
    """

    def __init__(self, count: int, rows: int, width: int, sample_size: int) -> None:
        self.count, self.size = count, rows * width * sample_size
        self._rows, self._width, self._type = rows, width, np.dtype(f"<u{sample_size}")

    @classmethod
    def of(cls, group: ChunkGroup) -> "UniformStreams | None":
        """Return the shape of a group's streams, or None if they differ, are deep or subsampled."""
        part, grid, chunks = group.part, group.grid, list(group.chunks)
        sample_sizes = {channel.pixel_type.size for channel in part.channels}
        if part.storage.is_deep or part.is_subsampled or len(sample_sizes) != 1:
            return None
        widths, heights = set(grid.widths[chunks].tolist()), set(grid.heights[chunks].tolist())
        if len(widths) != 1 or len(heights) != 1:
            return None
        streams = cls(len(chunks), heights.pop() * len(part.channels), widths.pop(), sample_sizes.pop())
        return streams if set(group.sizes) == {streams.size} else None

    def blocks(self) -> list[slice]:
        """Split the streams into blocks."""
        step = max(1, BLOCK_BYTES // max(1, self.size))
        return [slice(start, min(start + step, self.count)) for start in range(0, self.count, step)]

    def arrange(self, raw: Raw, *, delta: bool) -> NDArray[np.uint8]:
        """Rearrange a block.

        Args:
            raw: raw bytes of some streams.
            delta: whether to take differences within each row.

        Returns:
            what each frame holds: shape (streams, 8 + bytes of a stream).
        """
        samples = raw.view(self._type).reshape(-1, self._rows, self._width)
        if delta:
            differences = np.empty_like(samples)
            differences[:, :, 0] = samples[:, :, 0]
            np.subtract(samples[:, :, 1:], samples[:, :, :-1], out=differences[:, :, 1:])
            samples = differences
        count, size = len(samples), self._type.itemsize
        inner = np.empty((count, LENGTH_BYTES + self.size), np.uint8)
        inner[:, :LENGTH_BYTES] = np.frombuffer(struct.pack("<Q", self.size), np.uint8)
        planes = inner[:, LENGTH_BYTES:].reshape(count, size, -1)
        planes[:] = samples.view(np.uint8).reshape(count, -1, size).transpose(0, 2, 1)
        return inner

    def restore(self, inner: NDArray[np.uint8], raw: Raw, *, delta: bool) -> None:
        """Undo `arrange` for a block, whose lengths have been checked.

        Args:
            inner: what each frame holds: shape (streams, 8 + bytes of a stream).
            raw: gets the raw bytes.
            delta: whether rows hold differences.
        """
        count, size = len(inner), self._type.itemsize
        planes = inner[:, LENGTH_BYTES:].reshape(count, size, -1)
        raw.reshape(count, -1, size)[:] = planes.transpose(0, 2, 1)
        if delta:
            samples = raw.view(self._type).reshape(-1, self._width)
            np.add.accumulate(samples, axis=1, out=samples)
