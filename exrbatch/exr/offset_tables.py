"""Parse and check the offset tables, which say where each chunk begins. This module does no I/O.

The chunks must fill the file without gaps, from the end of the tables to its last byte. Therefore
the offsets alone determine the extent of each chunk, that is its size with its leader, before any
leader is read or memory allocated. A gap, an overlap, an extra byte or a truncation is found
because the sizes in a leader disagree with the extent of its chunk.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from exrbatch.errors import CorruptChunk, InvalidFile, UnsupportedFile
from exrbatch.exr.chunks import ChunkGrid, chunk_count, chunk_grid
from exrbatch.exr.compression import MAX_CHUNKS, MAX_CHUNKS_PER_PART
from exrbatch.exr.header import Header
from exrbatch.exr.leader import LeaderLayout

MAX_RAW_CHUNK = 512 * 1000 * 1000
"""Largest raw size of a chunk in bytes. A worker needs a few times this at most.

The largest tiles seen in real files are far smaller.
"""


@dataclass(frozen=True, slots=True, eq=False)
class PartChunks:
    """Where the chunks of one part are in the file, in offset table order.

    Attributes:
        grid: the chunks.
        leader: layout of their leaders.
        offsets: byte offset of each chunk's leader, shape (count,).
        extents: bytes from each chunk's offset to the next offset or the end of the file, shape
            (count,). This includes the leader.
        file_size: size of the file in bytes.
    """

    grid: ChunkGrid
    leader: LeaderLayout
    offsets: NDArray[np.int64]
    extents: NDArray[np.int64]
    file_size: int

    def where(self, chunk: int) -> str:
        """Return a description of a chunk's position for messages."""
        return f"part {self.grid.part.index}, chunk {chunk} at byte {self.offsets[chunk]}"

    def first_misfit(self) -> int | None:
        """Return the first chunk whose extent can't be right, or None.

        An extent is too small if the leader does not fit, or if the payload can't decompress to the
        raw size of the grid. It is too large if the payload of a flat chunk exceeds its raw size.
        """
        bad = self.misfits()
        return int(bad.argmax()) if bad.any() else None

    def misfits(self) -> NDArray[np.bool_]:
        """Return for each chunk whether its extent can't be right, shape (count,)."""
        available = self.extents - self.leader.size
        raw = self.grid.raw_sizes
        max_ratio = self.grid.part.compression.facts.max_ratio
        bad = available < 0
        if max_ratio:
            bad |= raw > available * max_ratio
        if not self.grid.part.storage.is_deep:
            bad |= available > raw
        return bad

    def check_flat_leaders(self, chunks: Sequence[int], leaders: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Check the leaders of several flat chunks at once.

        Args:
            chunks: indices of the chunks.
            leaders: their leaders, shape (chunks, `leader.size`).

        Returns:
            the payload sizes in bytes, shape (chunks,).

        Raises:
            CorruptChunk: a leader is wrong; the message is that of `check_leader` for the first.
        """
        indices = np.asarray(chunks, np.int64)
        fields = leaders.view("<i4")
        expected = np.empty(fields.shape, np.int64)
        numbers = len(self.leader.part_number)
        expected[:, :numbers] = self.leader.part_number
        expected[:, numbers:-1] = self.grid.coordinates[indices]
        expected[:, -1] = self.extents[indices] - self.leader.size
        same = fields == expected
        if not same.all():
            place = int(same.all(axis=1).argmin())
            self.check_leader(int(indices[place]), leaders[place].tobytes(), 0)
        return expected[:, -1]

    def check_leader(self, chunk: int, data: bytes | bytearray, start: int) -> tuple[int, ...]:
        """Check a leader against the coordinates and the extent of its chunk.

        Args:
            chunk: index of the chunk.
            data: bytes that contain the leader.
            start: position of the leader in `data`.

        Returns:
            the sizes in the leader.

        Raises:
            CorruptChunk: the leader is wrong; the message names the chunk and the error.
        """
        where = self.where(chunk)
        available = int(self.extents[chunk]) - self.leader.size
        if available < 0:
            raise CorruptChunk(f"{where}: its leader does not fit before the next chunk or the end of the file")
        place, sizes = self.leader.unpack(data, start)
        expected = (*self.leader.part_number, *self.grid.coordinates[chunk].tolist())
        if place != expected:
            raise CorruptChunk(f"{where}: its leader says {place}, but the offset table says {expected}")
        claimed = sum(sizes[:2])  # deep: sample count table and samples; flat: the only size
        if min(sizes) < 0:
            raise CorruptChunk(f"{where}: its leader claims {min(sizes)} bytes")
        if claimed < available:
            raise CorruptChunk(f"{where}: {available - claimed} bytes after it belong to no chunk")
        if claimed > available and self.offsets[chunk] + self.extents[chunk] == self.file_size:
            raise CorruptChunk(f"{where}: truncated, {claimed - available} bytes are missing at the end of the file")
        if claimed > available:
            raise CorruptChunk(f"{where}: it overlaps the next chunk by {claimed - available} bytes")
        return sizes

    def check_deep_sizes(self, chunk: int, table_size: int, data_size: int, raw_size: int) -> None:
        """Check the sizes in a deep leader before memory is allocated for counts and samples.

        Args:
            chunk: index of the chunk.
            table_size: compressed size of the sample count table in bytes.
            data_size: compressed size of the samples in bytes.
            raw_size: raw size of the samples in bytes.

        Raises:
            CorruptChunk: the samples can't have this raw size.
            UnsupportedFile: they exceed `MAX_RAW_CHUNK`.
        """
        compression = self.grid.part.compression
        if data_size > raw_size or (compression.facts.max_ratio and raw_size > compression.facts.max_ratio * data_size):
            raise CorruptChunk(
                f"{self.where(chunk)}: {data_size} bytes of samples"
                f" can't decompress to {raw_size} bytes with {compression.name}"
            )
        if (most := max(table_size, raw_size)) > MAX_RAW_CHUNK:
            raise UnsupportedFile(f"{self.where(chunk)}: {most} raw bytes, more than {MAX_RAW_CHUNK}")


def table_counts(header: Header, file_size: int) -> list[int]:
    """Return the number of chunks of each part.

    Raises:
        InvalidFile: the file is too small for its offset tables, or a part has a compression that
            is not allowed for it.
        UnsupportedFile: there are too many chunks.
    """
    for part in header.parts:
        if part.storage.is_deep and not part.compression.facts.deep:
            raise InvalidFile(f"part {part.index}: {part.compression.name} is not allowed for deep data")
    counts = [chunk_count(part, part.compression) for part in header.parts]
    end = len(header.raw) + 8 * sum(counts)
    if end > file_size:
        raise InvalidFile(
            f"truncated: the offset tables of {sum(counts)} chunks end at byte {end}, but the file ends at {file_size}"
        )
    for part, count in zip(header.parts, counts, strict=True):
        if count > MAX_CHUNKS_PER_PART:
            raise UnsupportedFile(f"part {part.index}: {count} chunks; OpenEXR reads at most {MAX_CHUNKS_PER_PART}")
    if sum(counts) > MAX_CHUNKS:
        raise UnsupportedFile(f"{sum(counts)} chunks in {len(counts)} parts, more than {MAX_CHUNKS}")
    return counts


def parse_tables(header: Header, counts: list[int], data: bytes, file_size: int) -> tuple[PartChunks, ...]:
    """Parse and check the offset tables of all parts.

    Args:
        header: header of the file.
        counts: number of chunks of each part, from `table_counts`.
        data: bytes of all offset tables.
        file_size: size of the file in bytes.

    Raises:
        InvalidFile: an offset is wrong.
        UnsupportedFile: a chunk exceeds `MAX_RAW_CHUNK`.
    """
    start = len(header.raw) + len(data)
    stored = np.frombuffer(data, "<u8")
    bounds = np.cumsum([0, *counts])
    _check_offsets(stored, bounds, start, file_size)
    offsets = stored.astype(np.int64)
    order = np.argsort(offsets, kind="stable")
    extents = np.empty_like(offsets)
    extents[order] = np.diff(offsets[order], append=file_size)
    tables = []
    for part, low, high in zip(header.parts, bounds[:-1], bounds[1:], strict=True):
        grid = chunk_grid(part, part.compression)
        leader = LeaderLayout.of(part, header.is_multi_part)
        table = PartChunks(grid, leader, offsets[low:high], extents[low:high], file_size)
        worst = int(grid.raw_sizes.argmax())
        if grid.raw_sizes[worst] > MAX_RAW_CHUNK and table.first_misfit() is None:
            raise UnsupportedFile(f"{table.where(worst)}: {grid.raw_sizes[worst]} raw bytes, more than {MAX_RAW_CHUNK}")
        tables.append(table)
    return tuple(tables)


def _check_offsets(stored: NDArray[np.uint64], bounds: NDArray[np.int64], start: int, file_size: int) -> None:
    """Raise `InvalidFile` if an offset is wrong.

    It may be 0, outside the chunks, or repeated, or there may be a gap before the first chunk.

    Args:
        stored: offsets of all parts.
        bounds: index in `stored` at which each part begins, and the end of the last.
        start: byte at which the first chunk must begin.
        file_size: size of the file in bytes.
    """

    def where(index: int) -> str:
        part = int(np.searchsorted(bounds, index, side="right")) - 1
        return f"part {part}, chunk {index - int(bounds[part])}"

    empty = np.flatnonzero(stored == 0)
    if len(empty):
        raise InvalidFile(
            f"{where(int(empty[0]))} is missing: {len(empty)} of {len(stored)} chunk offsets are 0,"
            " as in a file whose writer did not finish"
        )
    outside = np.flatnonzero((stored < start) | (stored >= file_size))
    if len(outside):
        first = int(outside[0])
        raise InvalidFile(
            f"{where(first)}: its offset {stored[first]} points outside the chunks"
            f" (bytes {start} to {file_size}); the file is truncated or damaged"
        )
    order = np.argsort(stored, kind="stable")
    repeated = np.flatnonzero(np.diff(stored[order]) == 0)
    if len(repeated):
        one, other = (int(order[repeated[0] + step]) for step in (0, 1))
        raise InvalidFile(f"{where(other)} has the same offset {stored[other]} as {where(one)}")
    if stored[order[0]] != start:
        raise InvalidFile(f"{stored[order[0]] - start} bytes before the first chunk (byte {start}) belong to no chunk")
