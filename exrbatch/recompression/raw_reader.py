"""Read chunks of an open file as raw bytes, into a buffer that is reused."""

import contextlib
import functools
from collections.abc import Iterator, Sequence

import numpy as np

from exrbatch.codecs.codec import ChunkGroup, Codec, Raw
from exrbatch.codecs.effort import Effort
from exrbatch.codecs.library import find_group_coder
from exrbatch.codecs.openexr_groups import GroupCoder
from exrbatch.codecs.registry import codecs_for
from exrbatch.codecs.zip import ZipCodec
from exrbatch.errors import CorruptChunk, NeedsMemory
from exrbatch.exr.chunks import ChunkGrid
from exrbatch.exr.compression import Compression
from exrbatch.exr.offset_tables import MAX_RAW_CHUNK, PartChunks
from exrbatch.exr.part import Part
from exrbatch.exr.payloads import PayloadReader
from exrbatch.exr.reader import SMALL, ExrFile
from exrbatch.text import format_size

MEMORY_PER_RAW_BYTE = 10
"""Maximum bytes of memory that a whole job needs per raw byte that it processes at once.

Measured with one tile of 67 MB: up to 7 for most pairs, 8.2 from ZIP to ZSTD at effort max, 9.2 for
a comparison of ZIP with RLE. Decompression alone needs 4.
"""
ROW_BYTES = 12
"""Bytes that a row (one channel on one line) counts in addition to its raw bytes.

It accounts for compressors that keep a list of all rows.
"""


def raw_limit(memory: int) -> int:
    """Return how many raw bytes a job may decompress at once.

    Args:
        memory: bytes of memory that the job may use.
    """
    return min(max(SMALL, memory // MEMORY_PER_RAW_BYTE), MAX_RAW_CHUNK)


class RawReader:
    """Decompresses chunks of one open file. Each thread needs a reader of its own."""

    def __init__(self, file: ExrFile) -> None:
        """Make a reader for an open file.

        Raises:
            UnsupportedFile: the installed OpenEXR is too old for the compression of a part.
        """
        self._file = file
        self._payloads = PayloadReader(file)
        self._codecs = codecs_for([part.compression for part in file.header.parts], Effort.BALANCED)
        self._fast = _fast_coders(file.header.parts)
        self._buffer = np.empty(0, np.uint8)

    def read(self, part: int, chunks: Sequence[int]) -> Raw:
        """Read and decompress chunks of a part.

        Args:
            part: index of the part.
            chunks: indices of the chunks in offset table order; exactly one for a deep part.

        Returns:
            raw bytes, shape (n,), valid until the next call. Those of flat chunks lie one after
            another. Those of a deep chunk are its sample count table, then its samples.

        Raises:
            CorruptChunk: a chunk does not decompress to what the header states; the message names
                it.
            NeedsMemory: the chunks have more raw bytes than the file's `raw_limit`.
        """
        table = self._file.parts[part]
        grid = table.grid
        group = ChunkGroup.of(grid, chunks)
        self._check_size(part, group)
        is_deep = grid.part.storage.is_deep
        if grid.part.compression is Compression.NONE and not is_deep:
            raw = self._reserve(group.raw_size)
            if self._payloads.read_uncompressed(part, chunks, raw.data):
                return raw
        group, streams = self._load(part, chunks)
        fast, codec = self._fast[part], self._codecs[part]
        if fast is not None and isinstance(codec, ZipCodec):
            raw = self._reserve(group.raw_size)
            if fast.fill(group, streams, raw) and codec.confirms(group, streams, raw):
                return raw
        return self._unpack(table, group, streams)

    def check(self, part: int, chunks: Sequence[int], second: Codec | None = None) -> Raw:
        """Read and decompress chunks of a part by our own codec, and by a second decoder.

        Args:
            part: index of the part.
            chunks: indices of the chunks in offset table order; exactly one for a deep part.
            second: a decoder that must return the same bytes as the codec of the part, or None.

        Returns:
            the same as `read`.

        Raises:
            CorruptChunk: a chunk does not decompress to what the header states, or the decoders
                disagree; the message names the chunk.
            NeedsMemory: the chunks have more raw bytes than the file's `raw_limit`.
        """
        table = self._file.parts[part]
        self._check_size(part, ChunkGroup.of(table.grid, chunks))
        group, streams = self._load(part, chunks)
        raw = self._unpack(table, group, streams)
        if second is not None:
            with _placed(table, group):
                different = second.first_difference(group, streams, raw)
                if different is not None:
                    raise CorruptChunk("OpenEXR decompresses it to other bytes than exrbatch does", different)
        return raw

    def _load(self, part: int, chunks: Sequence[int]) -> tuple[ChunkGroup, list[memoryview]]:
        """Read the compressed streams of chunks. They are valid until the next call."""
        grid = self._file.parts[part].grid
        streams = self._payloads.read(part, chunks)
        group = ChunkGroup.of(grid, chunks, streams.samples_size)
        if grid.part.storage.is_deep:
            self._check_size(part, group)
        return group, streams.packed

    def _unpack(self, table: PartChunks, group: ChunkGroup, streams: Sequence[memoryview]) -> Raw:
        """Decompress the streams of a group."""
        raw = self._reserve(group.raw_size)
        with _placed(table, group):
            self._codecs[group.part.index].unpack(group, streams, raw)
            if group.part.storage.is_deep:
                _check_sample_counts(table.grid, group.chunks[0], raw, group.sizes[1])
        return raw

    def _check_size(self, part: int, group: ChunkGroup) -> None:
        """Check the size of a group against the limit, before anything is allocated for it."""
        lines = int(group.grid.heights[list(group.chunks)].sum())
        needed = group.raw_size + ROW_BYTES * lines * len(group.part.channels)
        if needed > self._file.raw_limit:
            raise NeedsMemory(
                f"{self._file.parts[part].where(group.chunks[0])}: {group.raw_size} raw bytes in {lines} lines at once"
                f" take about {format_size(MEMORY_PER_RAW_BYTE * needed)} of memory, but a worker may use only"
                f" {format_size(MEMORY_PER_RAW_BYTE * self._file.raw_limit)} (with fewer --jobs, each may use more)"
            )

    def _reserve(self, size: int) -> Raw:
        if len(self._buffer) < size:
            self._buffer = np.empty(size, np.uint8)
        return self._buffer[:size]


def _fast_coders(parts: Sequence[Part]) -> list[GroupCoder | None]:
    """Return for each part a decoder that is faster than its own codec, or None.

    It is OpenEXR's own, for flat ZIP and ZIPS. What it returns must have the checksums of the
    source; otherwise the codec of the part decompresses once more, and that decides.

    Parts with subsampled channels have none: the library would have to know all channels, which
    takes it time that grows with the square of their number.
    """
    find = functools.cache(find_group_coder)
    return [
        find(part.compression)
        if part.compression in (Compression.ZIP, Compression.ZIPS) and not (part.storage.is_deep or part.is_subsampled)
        else None
        for part in parts
    ]


@contextlib.contextmanager
def _placed(table: PartChunks, group: ChunkGroup) -> Iterator[None]:
    """Add to an error of a codec which chunk it is about, and where that is in the file."""
    try:
        yield
    except CorruptChunk as error:
        chunk = group.chunks[0] if error.chunk is None else error.chunk
        raise CorruptChunk(f"{table.where(chunk)}: {error}", chunk) from None


def _check_sample_counts(grid: ChunkGrid, chunk: int, raw: Raw, samples_size: int) -> None:
    """Check that sample counts grow along each line, and that they match the size of the samples.

    Raises:
        CorruptChunk: they do not.
    """
    table_size = int(grid.raw_sizes[chunk])
    counts = raw[:table_size].view("<i4").reshape(int(grid.heights[chunk]), int(grid.widths[chunk]))
    if (counts[:, 0] < 0).any() or (counts[:, 1:] < counts[:, :-1]).any():
        raise CorruptChunk("the sample counts decrease along a line")
    needed = int(counts[:, -1].sum(dtype=np.int64)) * grid.part.bytes_per_pixel
    if needed != samples_size:
        raise CorruptChunk(f"{samples_size} bytes of samples, but the sample counts require {needed}")
