"""The packed bytes of chunks, read from an open file into a buffer that is used again."""

import itertools
import operator
import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from exrbatch.exr.offset_tables import PartChunks
from exrbatch.exr.reader import ExrFile

UNCHECKED_DEEP = 16 << 20
"""Bytes of deep chunks that are read together with their leaders. Before more, the leaders are looked at: nothing
but they say how large a deep chunk should be, and the room in a file that is mostly a hole has no bounds."""

_IOV_MAX = 1024
"""Buffers that one scattered read may fill, on Linux and macOS alike."""


@dataclass(frozen=True, slots=True)
class Payload:
    """The packed bytes of one chunk.

    Flat: `data`. Deep: `table` (sample counts) and `data` (samples, `raw_size` bytes when unpacked).
    """

    data: memoryview
    table: memoryview | None = None
    raw_size: int = 0


class PayloadReader:
    """Reads chunks of one open file; each thread that does needs a reader of its own."""

    def __init__(self, file: ExrFile) -> None:
        self._file = file
        self._buffer = bytearray()

    def read(self, part: int, chunks: Sequence[int]) -> list[Payload]:
        """Read the payloads of some chunks of a part (indices in table order).

        The views are good until the next call. One read serves chunks that lie side by side. Raises
        `CorruptChunk` where a leader does not say what the chunk's place in the file says.
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
        """Read chunks that are stored raw and lie side by side straight into `raw`, without a copy in between.

        Returns False, with nothing promised about `raw`, where that can't be done: the chunks lie apart, or
        this system has no scattered read.
        """
        table = self._file.parts[part]
        indices = list(chunks)
        offsets, extents = table.offsets[indices], table.extents[indices]
        if not hasattr(os, "preadv") or (offsets[1:] != offsets[:-1] + extents[:-1]).any():
            return False
        leader_size = table.leader.size
        leaders = np.empty((len(indices), leader_size), np.uint8)
        views: list[memoryview] = []
        end = 0
        for leader, size in zip(leaders, (extents - leader_size).tolist(), strict=True):
            views += [leader.data, raw[end : end + size]]
            end += size
        position = int(offsets[0])
        for first in range(0, len(views), _IOV_MAX):
            some = views[first : first + _IOV_MAX]
            size = sum(map(len, some))
            if os.preadv(self._file.fd, some, position) != size:
                return False
            position += size
        table.check_flat_leaders(indices, leaders)
        return end == len(raw)

    def _deep_payload(self, table: PartChunks, chunk: int, start: int) -> Payload:
        table_size, data_size, raw_size = table.check_leader(chunk, self._buffer, start)
        start += table.leader.size
        view = memoryview(self._buffer)
        table.check_deep_sizes(chunk, table_size, data_size, raw_size)
        split = start + table_size
        return Payload(view[split : split + data_size], view[start:split], raw_size)
