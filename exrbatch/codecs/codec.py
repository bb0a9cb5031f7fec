"""The `Codec` protocol, and `StreamCodec`, the base of codecs that compress stream by stream.

A codec converts groups of chunks between compressed bytes and raw bytes. Raw bytes are what an
uncompressed file holds: for each line, for each channel, its samples in little-endian order.

A stream is the smallest unit that is compressed. A flat chunk is one stream. A deep chunk has two:
the sample count table and the samples.
"""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from exrbatch.errors import CorruptChunk
from exrbatch.exr.chunks import ChunkGrid
from exrbatch.exr.part import Part

Raw = NDArray[np.uint8]
"""Raw bytes: contiguous, shape (n,). Usually a view of a buffer that is reused for later chunks."""
Packed = bytes | bytearray | memoryview
"""Compressed bytes of one stream, or its raw bytes if it is stored uncompressed."""


@dataclass(frozen=True, slots=True, eq=False)
class ChunkGroup:
    """Chunks of one part whose raw bytes lie one after another in a buffer.

    Attributes:
        grid: all chunks of the part.
        chunks: indices of the chunks of this group, in offset table order. A group of a deep part
            has exactly one chunk.
        sizes: raw size of each stream in bytes.
    """

    grid: ChunkGrid
    chunks: Sequence[int]
    sizes: tuple[int, ...]

    @classmethod
    def of(cls, grid: ChunkGrid, chunks: Sequence[int], samples_size: int = 0) -> "ChunkGroup":
        """Make a group of chunks.

        Args:
            grid: all chunks of the part.
            chunks: indices of the chunks of the group.
            samples_size: raw size in bytes of the samples, if the chunk is deep.
        """
        sizes = grid.raw_sizes[list(chunks)].tolist()
        return cls(grid, chunks, (*sizes, samples_size) if grid.part.storage.is_deep else tuple(sizes))

    @property
    def part(self) -> Part:
        """The part that the chunks belong to."""
        return self.grid.part

    @property
    def raw_size(self) -> int:
        """Raw size of the whole group in bytes."""
        return sum(self.sizes)

    def chunk_of(self, stream: int) -> int:
        """Return the index of the chunk that a stream belongs to."""
        return self.chunks[0 if self.part.storage.is_deep else stream]

    def split(self, raw: Raw) -> "list[Stream]":
        """Split the raw bytes of the group into streams, without copying them."""
        borders = itertools.pairwise(itertools.accumulate(self.sizes, initial=0))
        return [Stream(self, index, raw, raw[start:end]) for index, (start, end) in enumerate(borders)]


@dataclass(slots=True, eq=False)
class Stream:
    """One stream of a group. It is not frozen, which would take it twice as long to be made.

    Attributes:
        group: the group.
        index: position of the stream in the group, from 0.
        group_raw: raw bytes of the whole group.
        raw: raw bytes of this stream, a view of `group_raw`.
    """

    group: ChunkGroup
    index: int
    group_raw: Raw
    raw: Raw


class Codec(Protocol):
    """Compresses and decompresses groups of chunks.

    Compressed data is a list with one item for each stream of the group.
    """

    def pack(self, group: ChunkGroup, raw: Raw) -> list[Packed]:
        """Compress a group.

        A stream that compression would not make smaller is stored raw. Its item in the list is then
        a view of `raw`, not a copy.
        """
        ...

    def unpack(self, group: ChunkGroup, packed: Sequence[memoryview], raw: Raw) -> None:
        """Decompress a group into `raw`.

        Raises:
            CorruptChunk: a chunk can't be decompressed; the error holds its index.
        """
        ...

    def first_difference(self, group: ChunkGroup, packed: Sequence[memoryview], raw: Raw) -> int | None:
        """Return the index of the first chunk that does not decompress to its part of `raw`.

        Return None if all chunks do. Each codec compares in the form that is cheapest for it, which
        need not be the raw bytes.

        Raises:
            CorruptChunk: a chunk can't be decompressed at all; the error holds its index.
        """
        ...


class Hash(Protocol):
    """A hash that is fed piece by piece, such as those of hashlib and xxhash."""

    def update(self, data: Any, /) -> object:
        """Add bytes."""
        ...


class StreamCodec(ABC):
    """A codec that compresses each stream on its own.

    A reader recognises a stream that is stored raw by its length alone: it equals the raw length.

    The *content* of a stream is what its compressor gets and its decompressor returns: the raw
    bytes after they were rearranged or predicted, or the raw bytes themselves if the stream is
    stored raw. A hash of the contents proves that what was written decompresses to what was
    compressed, without undoing the rearrangement.
    """

    @abstractmethod
    def pack_stream(self, stream: Stream) -> tuple[Packed, Sequence[Packed]]:
        """Compress a stream that is not empty.

        Returns:
            the compressed bytes, which may be more than the raw bytes, and the content in pieces,
            which are valid until the next call.
        """

    @abstractmethod
    def content(self, packed: memoryview, size: int) -> Sequence[Packed]:
        """Decompress a stream of `size` raw bytes to its content, in the pieces of `pack_stream`.

        Raises:
            CorruptChunk: `packed` is damaged, or holds fewer or more bytes than `size`.
        """

    @abstractmethod
    def unpack_stream(self, packed: memoryview, stream: Stream) -> None:
        """Decompress a stream and fill all of `stream.raw`.

        Raises:
            CorruptChunk: `packed` is damaged, or holds fewer or more bytes than `stream.raw`.
        """

    @abstractmethod
    def stream_holds(self, packed: memoryview, stream: Stream) -> bool:
        """Return whether `packed` decompresses to exactly `stream.raw`.

        Raises:
            CorruptChunk: `packed` can't be decompressed at all.
        """

    def pack(self, group: ChunkGroup, raw: Raw, seen: Hash | None = None) -> list[Packed]:
        """Compress each stream, or store it raw if compression does not make it shorter.

        A compressed stream must be shorter than the raw bytes: readers take one of equal length for
        raw bytes, and refuse a longer one.

        Args:
            group: the chunks.
            raw: their raw bytes.
            seen: if given, it gets what `hash_contents` gives for the result.
        """
        packed = [self._pack_or_store(stream, seen) for stream in group.split(raw)]
        hash_sizes(group, packed, seen)
        return packed

    def _pack_or_store(self, stream: Stream, seen: Hash | None) -> Packed:
        if not len(stream.raw):
            return b""
        packed, content = self.pack_stream(stream)
        if len(packed) >= len(stream.raw):
            packed, content = stream.raw.data, (stream.raw.data,)
        feed(seen, content)
        return packed

    def hash_contents(self, group: ChunkGroup, packed: Sequence[memoryview], seen: Hash) -> None:
        """Feed a hash with the contents of all streams of a group, and with their sizes.

        Raises:
            CorruptChunk: a chunk can't be decompressed; the error holds its index.
        """
        done = 0
        try:
            for data, size in zip(packed, group.sizes, strict=True):
                if len(data) == size:
                    seen.update(data)
                else:
                    feed(seen, self.content(_shorter(data, size), size))
                done += 1
        except CorruptChunk as error:
            raise CorruptChunk(str(error), group.chunk_of(done)) from None
        hash_sizes(group, packed, seen)

    def unpack(self, group: ChunkGroup, packed: Sequence[memoryview], raw: Raw) -> None:
        """Decompress each stream, or copy it if it is stored raw."""
        for data, stream in zip(packed, group.split(raw), strict=True):
            try:
                if len(data) == len(stream.raw):
                    stream.raw[:] = np.frombuffer(data, np.uint8)
                else:
                    self.unpack_stream(_shorter(data, len(stream.raw)), stream)
            except CorruptChunk as error:
                raise CorruptChunk(str(error), group.chunk_of(stream.index)) from None

    def first_difference(self, group: ChunkGroup, packed: Sequence[memoryview], raw: Raw) -> int | None:
        """Compare each stream."""
        for data, stream in zip(packed, group.split(raw), strict=True):
            chunk = group.chunk_of(stream.index)
            try:
                if len(data) == len(stream.raw):
                    same = bool(np.array_equal(np.frombuffer(data, np.uint8), stream.raw))
                else:
                    same = len(data) < len(stream.raw) and self.stream_holds(data, stream)
            except CorruptChunk as error:
                raise CorruptChunk(str(error), chunk) from None
            if not same:
                return chunk
        return None


def _shorter(data: memoryview, size: int) -> memoryview:
    if len(data) > size:
        raise CorruptChunk(f"{len(data)} compressed bytes, more than the {size} raw bytes that they stand for")
    return data


def feed(seen: Hash | None, content: Sequence[Packed]) -> None:
    """Feed a hash, if any, with the content of a stream."""
    if seen is not None:
        for piece in content:
            seen.update(piece)


def hash_sizes(group: ChunkGroup, packed: Sequence[Packed], seen: Hash | None) -> None:
    """Feed a hash, if any, with the raw size of each stream, and whether it is stored raw."""
    if seen is not None:
        seen.update(np.array(group.sizes, "<i8").tobytes())
        seen.update(bytes(len(data) == size for data, size in zip(packed, group.sizes, strict=True)))
