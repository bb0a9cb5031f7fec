"""Rearrange ZSTD streams of one shape many at a time: the usual case, and much faster.

All streams of a block have the same lines and channels, without subsampling. `zstd.arrange` and
`zstd.restore` do the same for any single stream.
"""

import itertools
import struct

import numpy as np
from numpy.typing import NDArray

from exrbatch.codecs.codec import ChunkGroup, Raw

LENGTH = struct.Struct("<Q")
"""The number before each block of samples, which says how many bytes it has."""
BLOCK_BYTES = 1 << 17
"""Bytes of streams that are rearranged at a time, so that they stay in the cache."""

Samples = NDArray[np.unsignedinteger]


def split_planes(samples: Samples, planes: NDArray[np.uint8]) -> None:
    """Split samples into byte planes, the lowest bytes first.

    Args:
        samples: shape (..., samples).
        planes: shape (..., bytes of a sample, samples), which is filled.
    """
    np.copyto(planes[..., 0, :], samples, casting="unsafe")
    for index in range(1, samples.itemsize):
        np.right_shift(samples, 8 * index, out=planes[..., index, :], casting="unsafe")


def join_planes(planes: NDArray[np.uint8], kind: np.dtype[np.unsignedinteger]) -> Samples:
    """Undo `split_planes`, and return samples of a type."""
    samples = planes[..., 0, :].astype(kind)
    higher = np.empty_like(samples)
    for index in range(1, kind.itemsize):
        np.copyto(higher, planes[..., index, :])
        np.left_shift(higher, 8 * index, out=higher)
        np.bitwise_or(samples, higher, out=samples)
    return samples


class _Block:
    """All rows of a stream whose samples have the same size.

    Attributes:
        size: bytes of the block in each stream.
        place: where its planes begin in the content of a frame.
    """

    def __init__(self, sample_size: int, runs: list[tuple[int, int]], width: int, lines: int, place: int) -> None:
        """Describe a block.

        Args:
            sample_size: bytes of a sample.
            runs: neighbouring channels on a line: where their bytes begin and end.
            width: samples of a row.
            lines: lines of a stream.
            place: see the attribute.
        """
        self._type, self._runs, self._width, self.place = np.dtype(f"<u{sample_size}"), runs, width, place
        self._line_rows = sum(end - start for start, end in runs) // (width * sample_size)
        self.size = lines * self._line_rows * width * sample_size

    def differences(self, lines: NDArray[np.uint8]) -> Samples:
        """Return what each sample differs by from the one before it.

        Args:
            lines: raw bytes, shape (streams, lines, bytes of a line).

        Returns:
            shape (streams, samples). The first sample of each row is itself.
        """
        differences = np.empty((*lines.shape[:2], self._line_rows, self._width), self._type)
        for rows, samples in zip(self._rows_of_runs(), self._samples_of_runs(lines), strict=True):
            differences[:, :, rows, 0] = samples[..., 0]
            np.subtract(samples[..., 1:], samples[..., :-1], out=differences[:, :, rows, 1:])
        return differences.reshape(len(lines), -1)

    def split(self, samples: Samples, inner: NDArray[np.uint8]) -> None:
        """Fill the block in the content of frames, shape (streams, bytes)."""
        split_planes(samples, self._planes(inner))

    def join(self, inner: NDArray[np.uint8], *, delta: bool) -> Samples:
        """Undo `split`, and sum up differences; return the samples, shape (streams, samples)."""
        samples = join_planes(self._planes(inner), self._type)
        if delta:
            rows = samples.reshape(-1, self._width)
            np.add.accumulate(rows, axis=1, out=rows)
        return samples

    def put(self, samples: Samples, lines: NDArray[np.uint8]) -> None:
        """Put samples to their places in the raw bytes."""
        rows_of_lines = samples.reshape(*lines.shape[:2], self._line_rows, self._width)
        for rows, places in zip(self._rows_of_runs(), self._samples_of_runs(lines), strict=True):
            places[...] = rows_of_lines[:, :, rows]

    def _rows_of_runs(self) -> list[slice]:
        """Return which rows of the block each run has, on each line."""
        row_bytes = self._width * self._type.itemsize
        counts = [(end - start) // row_bytes for start, end in self._runs]
        return [slice(end - count, end) for count, end in zip(counts, itertools.accumulate(counts), strict=True)]

    def _samples_of_runs(self, lines: NDArray[np.uint8]) -> list[Samples]:
        """Return views of the runs in raw bytes, shape (streams, lines, rows, samples)."""
        return [
            lines[:, :, start:end].view(self._type).reshape(*lines.shape[:2], -1, self._width)
            for start, end in self._runs
        ]

    def _planes(self, inner: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return inner[:, self.place : self.place + self.size].reshape(len(inner), self._type.itemsize, -1)


class UniformStreams:
    """The streams of a group with one shape.

    Attributes:
        count: number of streams.
        size: raw bytes of each stream.
        inner_size: bytes of the content of each frame.
    """

    def __init__(self, count: int, lines: int, width: int, sample_sizes: list[int]) -> None:
        """Describe streams.

        Args:
            count: see the attribute.
            lines: lines of each stream.
            width: samples of each row.
            sample_sizes: bytes of a sample of each channel: 2 or 4.
        """
        self.count, self._lines, self._line_bytes = count, lines, width * sum(sample_sizes)
        self.size, self.inner_size = lines * self._line_bytes, 0
        self._blocks: list[_Block] = []
        for sample_size in sorted(set(sample_sizes)):
            runs, end = [], 0
            for each, channels in itertools.groupby(sample_sizes):
                start, end = end, end + each * width * len(list(channels))
                if each == sample_size:
                    runs.append((start, end))
            self._blocks.append(_Block(sample_size, runs, width, lines, self.inner_size + LENGTH.size))
            self.inner_size += LENGTH.size + self._blocks[-1].size

    @classmethod
    def of(cls, group: ChunkGroup) -> "UniformStreams | None":
        """Return the shape of a group's streams, or None if they differ, are deep or subsampled."""
        part, grid, chunks = group.part, group.grid, list(group.chunks)
        if part.storage.is_deep or part.is_subsampled or not part.channels:
            return None
        widths, heights = set(grid.widths[chunks].tolist()), set(grid.heights[chunks].tolist())
        if len(widths) != 1 or len(heights) != 1:
            return None
        sample_sizes = [channel.pixel_type.size for channel in part.channels]
        streams = cls(len(chunks), heights.pop(), widths.pop(), sample_sizes)
        return streams if set(group.sizes) == {streams.size} else None

    def blocks(self) -> list[slice]:
        """Split the streams into blocks."""
        step = max(1, BLOCK_BYTES // max(1, self.size))
        return [slice(start, min(start + step, self.count)) for start in range(0, self.count, step)]

    def arrange(self, raw: Raw) -> NDArray[np.uint8]:
        """Rearrange a block of streams, and replace samples by differences.

        Args:
            raw: raw bytes of some streams.

        Returns:
            what each frame holds: shape (streams, `inner_size`).
        """
        lines = raw.reshape(-1, self._lines, self._line_bytes)
        inner = np.empty((len(lines), self.inner_size), np.uint8)
        for block in self._blocks:
            inner[:, block.place - LENGTH.size : block.place] = np.frombuffer(LENGTH.pack(block.size), np.uint8)
            block.split(block.differences(lines), inner)
        return inner

    def restore(self, inner: NDArray[np.uint8], raw: Raw, *, delta: bool) -> bool:
        """Undo `arrange` for a block of streams.

        Args:
            inner: what each frame holds: shape (streams, `inner_size`).
            raw: gets the raw bytes.
            delta: whether rows hold differences.

        Returns:
            whether the lengths in the frames are those that they must be. If not, `raw` is not
            filled.
        """
        for block in self._blocks:
            lengths = inner[:, block.place - LENGTH.size : block.place]
            if (lengths != np.frombuffer(LENGTH.pack(block.size), np.uint8)).any():
                return False
        lines = raw.reshape(-1, self._lines, self._line_bytes)
        for block in self._blocks:
            block.put(block.join(inner, delta=delta), lines)
        return True
