"""Write an EXR file from front to back: header, space for the offset tables, chunks, tables.

The caller passes the finished bytes of the header and the compressed payloads. This module only
decides where each chunk is written.
"""

from collections.abc import Callable, Sequence

import numpy as np

from exrbatch.exr.chunks import ChunkGrid
from exrbatch.exr.header import Header
from exrbatch.exr.leader import LeaderLayout

Buffer = bytes | bytearray | memoryview
Write = Callable[[memoryview, int], None]
"""Function (data, offset) that writes all of `data` at an offset of the file, or raises."""


class ExrWriter:
    """Writes one EXR file through a function.

    Attributes:
        position: size in bytes of what has been written or is pending.
    """

    def __init__(self, write: Write, header: Header, header_bytes: bytes, grids: Sequence[ChunkGrid]) -> None:
        """Begin a file.

        Args:
            write: writes to the file, which must be empty.
            header: header of the source.
            header_bytes: header of the new file; its length is that of the source.
            grids: chunks of each part in the new file.
        """
        self._write = write
        self._leaders = [LeaderLayout.of(part, header.is_multi_part) for part in header.parts]
        self._grids = grids
        self._offsets = [np.zeros(grid.count, "<u8") for grid in grids]
        self._table_start = len(header_bytes)
        self._pending: list[Buffer] = []
        self._first: bytearray | None = None  # the first flush, kept until there is a second
        self.position = 0
        self._put(header_bytes)
        self._put(bytes(8 * sum(grid.count for grid in grids)))

    def write_flat(self, part: int, chunks: Sequence[int], payloads: Sequence[Buffer]) -> None:
        """Append flat chunks. The payloads are not copied, so keep them unchanged until `flush`.

        Args:
            part: index of the part.
            chunks: indices of the chunks in offset table order.
            payloads: their compressed bytes.
        """
        leader, indices = self._leaders[part], np.asarray(chunks, np.int64)
        sizes = np.fromiter(map(len, payloads), np.int64, len(payloads))
        ends = self.position + np.cumsum(sizes + leader.size)
        self._offsets[part][indices] = ends - sizes - leader.size
        leaders = memoryview(leader.pack_flat(self._grids[part].coordinates[indices], sizes))
        starts = range(0, len(leaders), leader.size)
        for start, payload in zip(starts, payloads, strict=True):
            self._pending += leaders[start : start + leader.size], payload
        self.position = int(ends[-1])

    def write_deep(self, part: int, chunk: int, table: Buffer, data: Buffer, raw_size: int) -> None:
        """Append a deep chunk. The payload is not copied, so keep it unchanged until `flush`.

        Args:
            part: index of the part.
            chunk: index of the chunk in offset table order.
            table: compressed sample count table.
            data: compressed samples.
            raw_size: raw size of the samples in bytes.
        """
        self._offsets[part][chunk] = self.position
        coordinates = self._grids[part].coordinates[chunk].tolist()
        self._put(self._leaders[part].pack(coordinates, (len(table), len(data), raw_size)))
        self._put(table)
        self._put(data)

    def finish(self) -> None:
        """Write pending chunks and the offset tables. All chunks must have been appended before."""
        self.flush()
        tables = np.concatenate(self._offsets)
        assert tables.all(), "a chunk was never written"
        data = memoryview(tables.tobytes())
        if self._first is None:
            self._write(data, self._table_start)
        else:  # write a small file at once, which saves a round trip
            self._first[self._table_start : self._table_start + len(data)] = data
            self._write(memoryview(self._first), 0)

    def flush(self) -> None:
        """Write pending chunks. Afterwards the caller may reuse their buffers."""
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

    def _put(self, data: Buffer) -> None:
        self._pending.append(data)
        self.position += len(data)
