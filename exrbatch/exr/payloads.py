"""Read the payloads of chunks, their compressed bytes, from an open file into a reused buffer."""

import itertools
import operator
import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from exrbatch.exr.offset_tables import PartChunks
from exrbatch.exr.reader import ExrFile

UNCHECKED_DEEP = 16 << 20
"""Most bytes of deep chunks that are read before their leaders are checked.

For larger reads, the leaders are checked first. Only they say how large a deep chunk should be. Its
extent in the file is no limit, because a sparse file may be huge.
"""

SHORT_CHUNK = 1 << 14
"""Bytes of an uncompressed chunk, with its leader, up to which a copy costs less than scattering.

`preadv` takes 2 microseconds for each buffer that it fills.
"""
_IOV_MAX = 1024
"""Most buffers that one call of `preadv` may fill, on Linux and on macOS."""


class Streams(NamedTuple):
    """The compressed streams of some chunks of a part.

    Attributes:
        packed: compressed pixels of each flat chunk; or, for each deep chunk, its compressed sample
            count table and its compressed samples.
        samples_size: raw size in bytes of the samples of the first deep chunk; 0 for flat chunks.
    """

    packed: list[memoryview]
    samples_size: int = 0


class PayloadReader:
    """Reads payloads of one open file. Each thread needs its own reader."""

    def __init__(self, file: ExrFile) -> None:
        self._file = file
        self._buffer = bytearray()

    def read(self, part: int, chunks: Sequence[int]) -> Streams:
        """Read the payloads of some chunks.

        If the chunks are adjacent in the file, they are read with a single call.

        Args:
            part: index of the part.
            chunks: indices of the chunks in offset table order.

        Returns:
            their streams. They are views of a buffer that the next call overwrites.

        Raises:
            CorruptChunk: a leader disagrees with the offset table.
            InvalidFile: the file has become shorter.
            UnsupportedFile: a deep chunk exceeds `MAX_RAW_CHUNK`.
        """
        table = self._file.parts[part]
        indices = list(chunks)
        offsets, extents = table.offsets[indices].tolist(), table.extents[indices].tolist()
        size = sum(extents)
        if table.leader.is_deep and size > UNCHECKED_DEEP:
            for chunk in indices:
                table.check_deep_sizes(chunk, *self._file.check_leader_now(table, chunk))
        if len(self._buffer) < size:
            self._buffer = bytearray(size)
        view = memoryview(self._buffer)
        first, last = min(offsets), max(map(operator.add, offsets, extents))
        if last - first == size:
            starts = [offset - first for offset in offsets]
            self._file.read_into(view[:size], first)
        else:
            starts = [0, *itertools.accumulate(extents[:-1])]
            for offset, extent, start in zip(offsets, extents, starts, strict=True):
                self._file.read_into(view[start : start + extent], offset)
        if table.leader.is_deep:
            return self._deep_streams(table, list(zip(indices, starts, strict=True)))
        begins = np.array(starts) + table.leader.size
        leaders = np.frombuffer(self._buffer, np.uint8)[begins[:, np.newaxis] + np.arange(-table.leader.size, 0)]
        ends = begins + table.check_flat_leaders(indices, leaders)
        return Streams([view[begin:end] for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)])

    def read_uncompressed(self, part: int, chunks: Sequence[int], raw: memoryview) -> bool:
        """Read flat, uncompressed chunks directly into `raw`, without an intermediate copy.

        Args:
            part: index of the part.
            chunks: indices of the chunks in offset table order.
            raw: buffer that is filled with their raw bytes.

        Returns:
            True if `raw` was filled. False if the chunks are not adjacent in the file, if they do
            not fill `raw` exactly, or if the system has no `preadv`. Then the content of `raw` is
            undefined.

        Raises:
            CorruptChunk: a leader disagrees with the offset table.
        """
        table = self._file.parts[part]
        indices = list(chunks)
        offsets, extents = table.offsets[indices], table.extents[indices]
        if not hasattr(os, "preadv") or (offsets[1:] != offsets[:-1] + extents[:-1]).any():
            return False
        if extents.sum() - len(indices) * table.leader.size != len(raw):
            return False
        if extents[0] <= SHORT_CHUNK and (extents == extents[0]).all():
            return self._read_short(table, indices, int(extents[0]), raw)
        return self._scatter(table, indices, extents, raw)

    def _read_short(self, table: PartChunks, indices: list[int], extent: int, raw: memoryview) -> bool:
        """Read short chunks of equal length in one piece, then copy their payloads."""
        size = extent * len(indices)
        if len(self._buffer) < size:
            self._buffer = bytearray(size)
        with memoryview(self._buffer) as view:
            self._file.read_into(view[:size], int(table.offsets[indices[0]]))
        rows = np.frombuffer(self._buffer, np.uint8, size).reshape(len(indices), extent)
        table.check_flat_leaders(indices, rows[:, : table.leader.size])
        np.frombuffer(raw, np.uint8).reshape(len(indices), -1)[:] = rows[:, table.leader.size :]
        return True

    def _scatter(self, table: PartChunks, indices: list[int], extents: NDArray[np.int64], raw: memoryview) -> bool:
        """Let the system distribute what it reads: leaders here, payloads to `raw`."""
        leader_size = table.leader.size
        leaders = np.empty((len(indices), leader_size), np.uint8)
        views: list[memoryview] = []
        end = 0
        for leader, size in zip(leaders, (extents - leader_size).tolist(), strict=True):
            views += [leader.data, raw[end : end + size]]
            end += size
        position = int(table.offsets[indices[0]])
        for first in range(0, len(views), _IOV_MAX):
            some = views[first : first + _IOV_MAX]
            size = sum(map(len, some))
            if os.preadv(self._file.fd, some, position) != size:
                return False
            position += size
        table.check_flat_leaders(indices, leaders)
        return True

    def _deep_streams(self, table: PartChunks, places: Sequence[tuple[int, int]]) -> Streams:
        """Split the payloads of deep chunks.

        OpenEXR writes the uncompressed sample count table of an edge tile as long as that of a
        whole tile. The rest of that table has no meaning and is cut off.

        Args:
            table: the chunks of the part.
            places: index of each chunk, and where its leader begins in the buffer.
        """
        packed: list[memoryview] = []
        samples_sizes = []
        view, tiles = memoryview(self._buffer), table.grid.part.tiles
        for chunk, start in places:
            table_size, data_size, samples_size = table.check_leader(chunk, self._buffer, start)
            table.check_deep_sizes(chunk, table_size, data_size, samples_size)
            begin = start + table.leader.size
            split = begin + table_size
            if tiles is not None and table_size == 4 * tiles.x_size * tiles.y_size:
                table_size = min(table_size, int(table.grid.raw_sizes[chunk]))
            packed += view[begin : begin + table_size], view[split : split + data_size]
            samples_sizes.append(samples_size)
        return Streams(packed, samples_sizes[0])
