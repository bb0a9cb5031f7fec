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


class Payload(NamedTuple):
    """The payload of one chunk.

    Attributes:
        data: compressed pixels of a flat chunk, or compressed samples of a deep chunk.
        table: compressed sample count table of a deep chunk; None for a flat chunk.
        raw_size: raw size in bytes of the samples of a deep chunk; 0 for a flat chunk.
    """

    data: memoryview
    table: memoryview | None = None
    raw_size: int = 0


class PayloadReader:
    """Reads payloads of one open file. Each thread needs its own reader."""

    def __init__(self, file: ExrFile) -> None:
        self._file = file
        self._buffer = bytearray()

    def read(self, part: int, chunks: Sequence[int]) -> list[Payload]:
        """Read the payloads of some chunks.

        If the chunks are adjacent in the file, they are read with a single call.

        Args:
            part: index of the part.
            chunks: indices of the chunks in offset table order.

        Returns:
            the payloads. They are views of a buffer that the next call overwrites.

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
            return [self._deep_payload(table, chunk, start) for chunk, start in zip(indices, starts, strict=True)]
        leader_bytes = np.array(starts)[:, np.newaxis] + np.arange(table.leader.size)
        sizes = table.check_flat_leaders(indices, np.frombuffer(self._buffer, np.uint8)[leader_bytes]).tolist()
        begins = (start + table.leader.size for start in starts)
        return [Payload(view[begin : begin + size]) for begin, size in zip(begins, sizes, strict=True)]

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

    def _deep_payload(self, table: PartChunks, chunk: int, start: int) -> Payload:
        table_size, data_size, raw_size = table.check_leader(chunk, self._buffer, start)
        start += table.leader.size
        view = memoryview(self._buffer)
        table.check_deep_sizes(chunk, table_size, data_size, raw_size)
        split = start + table_size
        return Payload(view[split : split + data_size], view[start:split], raw_size)
