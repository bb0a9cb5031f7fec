"""Writes an EXR file front to back: header bytes, room for the offset tables, chunks, then the tables.

It takes the header as finished bytes and the chunks as packed payloads: nothing is decided here but
where each chunk lies.
"""

from collections.abc import Callable, Sequence

import numpy as np

from exrbatch.exr.chunks import ChunkGrid
from exrbatch.exr.header import Header
from exrbatch.exr.leader import LeaderLayout

Buffer = bytes | bytearray | memoryview
Write = Callable[[memoryview, int], None]
"""Writes all of some bytes at an offset of the file, or raises."""


class ExrWriter:
    """Writes one file, which is empty, through a function."""

    def __init__(self, write: Write, header: Header, header_bytes: bytes, grids: Sequence[ChunkGrid]) -> None:
        """`header`: the source's; `header_bytes`: the new file's, of the same length; `grids`: the new file's."""
        self._write = write
        self._leaders = [LeaderLayout.of(part, header.is_multi_part) for part in header.parts]
        self._grids = grids
        self._offsets = [np.zeros(grid.count, "<u8") for grid in grids]
        self._table_start = len(header_bytes)
        self._pending: list[Buffer] = []
        self._first: bytearray | None = None  # what was flushed first, until it is known whether that is all
        self.position = 0
        self._put(header_bytes)
        self._put(bytes(8 * sum(grid.count for grid in grids)))

    def write_flat(self, part: int, chunk: int, payload: Buffer) -> None:
        """Append a flat chunk; the payload is not copied before the next `flush`."""
        self._begin(part, chunk, (len(payload),))
        self._put(payload)

    def write_deep(self, part: int, chunk: int, table: Buffer, data: Buffer, raw_size: int) -> None:
        """Append a deep chunk; `raw_size`: bytes of the unpacked samples."""
        self._begin(part, chunk, (len(table), len(data), raw_size))
        self._put(table)
        self._put(data)

    def finish(self) -> None:
        """Write what is pending and the offset tables; every chunk must have been written by now."""
        self.flush()
        tables = np.concatenate(self._offsets)
        assert tables.all(), "a chunk was never written"
        data = memoryview(tables.tobytes())
        if self._first is None:
            self._write(data, self._table_start)
        else:  # a small file takes one write, which is a round trip less
            self._first[self._table_start : self._table_start + len(data)] = data
            self._write(memoryview(self._first), 0)

    def flush(self) -> None:
        """Write what is pending; from now on the buffers given are the caller's again."""
        data = bytearray().join(self._pending)
        start = self.position - len(data)
        self._pending.clear()
        if start == 0:
            self._first = data
            return
        if data and self._first is not None:
            self._write(memoryview(self._first), 0)
            self._first = None
        if data:
            self._write(memoryview(data), start)

    def _begin(self, part: int, chunk: int, sizes: tuple[int, ...]) -> None:
        self._offsets[part][chunk] = self.position
        self._put(self._leaders[part].pack(self._grids[part].coordinates[chunk].tolist(), sizes))

    def _put(self, data: Buffer) -> None:
        self._pending.append(data)
        self.position += len(data)
