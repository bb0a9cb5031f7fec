"""The Codec protocol, groups of chunks <-> raw bytes; and StreamCodec, for those that pack stream by stream.

"Raw" is what an uncompressed file holds: for each line, for each channel, its samples, little endian. A deep
chunk is two streams: the sample count table and the samples.
"""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from exrbatch.errors import CorruptChunk
from exrbatch.exr.chunks import ChunkGrid
from exrbatch.exr.part import Part

Raw = NDArray[np.uint8]
"""Raw bytes, shape (n,), contiguous; mostly a view into a buffer that is used again for the next chunks."""
Packed = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True, eq=False)
class ChunkGroup:
    """Chunks of one part whose raw bytes follow one another.

    `chunks`: indices in table order; one only of a deep part. `sizes`: raw bytes of each stream.
    """

    grid: ChunkGrid
    chunks: Sequence[int]
    sizes: tuple[int, ...]

    @classmethod
    def of(cls, grid: ChunkGrid, chunks: Sequence[int], samples_size: int = 0) -> "ChunkGroup":
        """Make a group; `samples_size`: raw bytes of a deep chunk's samples."""
        sizes = grid.raw_sizes[list(chunks)].tolist()
        return cls(grid, chunks, (*sizes, samples_size) if grid.part.storage.is_deep else tuple(sizes))

    @property
    def part(self) -> Part:
        """The part that the chunks are of."""
        return self.grid.part

    @property
    def raw_size(self) -> int:
        """Raw bytes of the whole group."""
        return sum(self.sizes)

    def chunk_of(self, stream: int) -> int:
        """Tell which chunk a stream belongs to."""
        return self.chunks[0 if self.part.storage.is_deep else stream]

    def split(self, raw: Raw) -> "list[Stream]":
        """Cut the group's raw bytes into streams."""
        borders = itertools.pairwise(itertools.accumulate(self.sizes, initial=0))
        return [Stream(self, index, raw, raw[start:end]) for index, (start, end) in enumerate(borders)]


@dataclass(frozen=True, slots=True, eq=False)
class Stream:
    """The `index`-th stream of a group: its raw bytes, and those of the whole group."""

    group: ChunkGroup
    index: int
    group_raw: Raw
    raw: Raw


class Codec(Protocol):
    """Packs and unpacks groups of chunks. Everything packed is a list with an item per stream."""

    def pack(self, group: ChunkGroup, raw: Raw) -> list[Packed]:
        """Pack; a stream that would not get smaller is stored raw, as a view of `raw` (no copy)."""
        ...

    def unpack(self, group: ChunkGroup, packed: Sequence[memoryview], raw: Raw) -> None:
        """Fill `raw`, or raise `CorruptChunk` with the chunk's index."""
        ...

    def first_difference(self, group: ChunkGroup, packed: Sequence[memoryview], raw: Raw) -> int | None:
        """Return the first chunk that does not unpack to exactly `raw`, or None.

        Compares in the form that costs least. Raises `CorruptChunk` for what does not unpack at all.
        """
        ...


class StreamCodec(ABC):
    """A codec that packs each stream by itself. Readers tell a stream that is stored raw by its length alone."""

    @abstractmethod
    def pack_stream(self, stream: Stream) -> Packed:
        """Pack a stream that is not empty; what comes out may be larger than its raw bytes."""

    @abstractmethod
    def unpack_stream(self, packed: memoryview, stream: Stream) -> None:
        """Fill `stream.raw` with exactly its length of bytes, or raise `CorruptChunk`."""

    @abstractmethod
    def stream_holds(self, packed: memoryview, stream: Stream) -> bool:
        """Whether `packed` unpacks to exactly `stream.raw`; raises `CorruptChunk` if it does not unpack at all."""

    def pack(self, group: ChunkGroup, raw: Raw) -> list[Packed]:
        """Pack each stream, or store it raw: a packed stream of the raw length or more must not occur."""
        return [self._pack_or_store(stream) for stream in group.split(raw)]

    def _pack_or_store(self, stream: Stream) -> Packed:
        if not len(stream.raw):
            return b""
        packed = self.pack_stream(stream)
        return packed if len(packed) < len(stream.raw) else stream.raw.data

    def unpack(self, group: ChunkGroup, packed: Sequence[memoryview], raw: Raw) -> None:
        """Unpack each stream."""
        for data, stream in zip(packed, group.split(raw), strict=True):
            try:
                if len(data) == len(stream.raw):
                    stream.raw[:] = np.frombuffer(data, np.uint8)
                elif len(data) > len(stream.raw):
                    raise CorruptChunk(f"{len(data)} packed bytes for {len(stream.raw)} raw ones")
                else:
                    self.unpack_stream(data, stream)
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
