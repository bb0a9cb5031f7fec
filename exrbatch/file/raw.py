"""Spans of an open file as raw bytes, in a buffer that is used again.

The raw bytes of a flat span are its chunks one after the other; those of a deep span are the sample
count table, then the samples. Each of these pieces is one packed stream in the file.
"""

from collections.abc import Sequence

import numpy as np

from exrbatch.codecs.codec import Raw, unpack
from exrbatch.codecs.effort import Effort
from exrbatch.codecs.table import codec_for
from exrbatch.errors import CorruptChunk
from exrbatch.exr.chunks import ChunkGrid
from exrbatch.exr.compression import Compression
from exrbatch.exr.reader import ExrFile, Payload


class RawReader:
    """Unpacks chunks of one open file."""

    def __init__(self, file: ExrFile) -> None:
        self._file = file
        self._codecs = [codec_for(part.compression, Effort.BALANCED) for part in file.header.parts]
        self._buffer = np.empty(0, np.uint8)

    def read(self, part: int, chunks: Sequence[int]) -> Raw:
        """Unpack chunks of a part (one only of a deep part); the array is good until the next call.

        Raises `CorruptChunk`, naming the chunk, for everything that does not unpack to what the header says.
        """
        grid = self._file.parts[part].grid
        if grid.part.compression is Compression.NONE and not grid.part.storage.is_deep:
            raw = self._reserve(sum(piece_sizes(grid, chunks, 0)))
            if self._file.read_uncompressed(part, chunks, raw.data):
                return raw
        payloads = self._file.read_payloads(part, chunks)
        sizes = piece_sizes(grid, chunks, payloads[0].raw_size)
        raw = self._reserve(sum(sizes))
        try:
            end = 0
            for chunk, payload in zip(chunks, payloads, strict=True):
                for stream in streams(grid, chunk, payload):
                    start, end = end, end + sizes.pop(0)
                    unpack(self._codecs[part], stream, raw[start:end])
            if grid.part.storage.is_deep:
                _check_sample_counts(grid, chunk, raw, payload.raw_size)
        except CorruptChunk as error:
            raise CorruptChunk(f"{self._file.parts[part].where(chunk)}: {error}") from None
        return raw

    def _reserve(self, size: int) -> Raw:
        if len(self._buffer) < size:
            self._buffer = np.empty(size, np.uint8)
        return self._buffer[:size]


def piece_sizes(grid: ChunkGrid, chunks: Sequence[int], deep_size: int) -> list[int]:
    """Return the raw sizes of a span's pieces; `deep_size`: bytes of the samples where the part is deep."""
    sizes: list[int] = grid.raw_sizes[list(chunks)].tolist()
    return [*sizes, deep_size] if grid.part.storage.is_deep else sizes


def streams(grid: ChunkGrid, chunk: int, payload: Payload) -> list[memoryview]:
    """Return the packed streams of a chunk.

    OpenEXR writes an uncompressed sample count table of an edge tile as long as that of a whole tile;
    the rest of it means nothing.
    """
    if payload.table is None:
        return [payload.data]
    table, size = payload.table, int(grid.raw_sizes[chunk])
    tiles = grid.part.tiles
    if tiles is not None and len(table) == 4 * tiles.x_size * tiles.y_size:
        table = table[:size]
    return [table, payload.data]


def _check_sample_counts(grid: ChunkGrid, chunk: int, raw: Raw, deep_size: int) -> None:
    """Check that the counts grow along each line and that the samples are as many as they say."""
    table_size = int(grid.raw_sizes[chunk])
    counts = raw[:table_size].view("<i4").reshape(int(grid.heights[chunk]), int(grid.widths[chunk]))
    if (counts[:, 0] < 0).any() or (counts[:, 1:] < counts[:, :-1]).any():
        raise CorruptChunk("the sample counts go down along a line")
    needed = int(counts[:, -1].sum(dtype=np.int64)) * grid.part.bytes_per_pixel
    if needed != deep_size:
        raise CorruptChunk(f"{deep_size} bytes of samples where the sample counts ask for {needed}")
