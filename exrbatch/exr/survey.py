"""Survey a damaged file: find every chunk that can still be read, and say what is wrong elsewhere.

`offset_tables` refuses a file at its first wrong offset, because a file that is to be replaced must
be sound. This module goes on: it reads the leader of each chunk and trusts an offset only if the
leader there is that of the chunk. The sizes in the leaders then say where chunks end.
"""

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from exrbatch.errors import UnsupportedFile
from exrbatch.exr.chunks import ChunkGrid, chunk_grid
from exrbatch.exr.damage import Damage, Findings
from exrbatch.exr.header import Header
from exrbatch.exr.leader import LeaderLayout
from exrbatch.exr.offset_tables import MAX_RAW_CHUNK, PartChunks
from exrbatch.exr.part import LevelMode
from exrbatch.exr.reader import ExrFile

REQUIRED = ("displayWindow", "lineOrder", "pixelAspectRatio", "screenWindowCenter", "screenWindowWidth")
"""Attributes that the format requires, besides those without which a file can't be read."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What is where in a file.

    Attributes:
        tables: the chunks of each part. The extent of a chunk is the size that its leader states.
        readable: for each part, indices of the chunks whose place is sound, in offset table order,
            shape (n,).
    """

    tables: tuple[PartChunks, ...]
    readable: tuple[NDArray[np.int64], ...]


def check_header(header: Header, findings: Findings) -> None:
    """Check what the parser does not need: `chunkCount`, required attributes, names of parts.

    OpenEXR reads a file without a required attribute, so that is a note.
    """
    found = [part.find("name") for part in header.parts]
    names = Counter(name.value for name in found if name is not None)
    for part, name in zip(header.parts, found, strict=True):
        missing = [name for name in REQUIRED if part.find(name) is None]
        if missing:
            listed = ", ".join(map(repr, missing))
            findings.notes.append(f"part {part.index}: the header has no attribute {listed}, which the format requires")
        if name is not None and names[name.value] > 1:
            findings.notes.append(f"part {part.index}: another part has the same name, which the format forbids")


def check_chunk_counts(file: ExrFile, findings: Findings) -> None:
    """Compare each `chunkCount` with the number of chunks that the rest of the header gives."""
    for part, count in zip(file.header.parts, file.counts, strict=True):
        attribute = part.find("chunkCount")
        if attribute is not None and part.chunk_count != count:
            reason = f"chunkCount is {part.chunk_count}, but the part has {count} chunks"
            findings.add(Damage(reason=reason, part=part.index, offset=attribute.offset))


def survey(file: ExrFile, findings: Findings) -> Survey:
    """Find the chunks of a file that can be read, whatever is wrong with the others.

    Args:
        file: the open file.
        findings: gets each chunk that can't be read. Bytes that belong to no chunk become notes.

    Raises:
        UnsupportedFile: a chunk exceeds `MAX_RAW_CHUNK`.
    """
    start = len(file.header.raw)
    end_of_tables = start + 8 * sum(file.counts)
    entries = np.frombuffer(file.read(start, end_of_tables - start), "<u8")
    repeated = _repeated(entries)
    tables: list[PartChunks] = []
    places: list[_Places] = []
    first = 0
    for part, count in zip(file.header.parts, file.counts, strict=True):
        leader = LeaderLayout.of(part, file.header.is_multi_part)
        grid = chunk_grid(part, part.compression)
        table = PartChunks(grid, leader, np.zeros(count, np.int64), np.zeros(count, np.int64), file.stat.st_size)
        place = _Places(file, table, entries[first : first + count], start + 8 * first, end_of_tables, repeated)
        places.append(place)
        tables.append(place.look(findings))
        first += count
    readable = [place.is_readable for place in places]
    _check_overlaps(tables, readable, findings)
    if not findings.total:
        _note_gaps(tables, end_of_tables, file.stat.st_size, findings)
    return Survey(tuple(tables), tuple(np.flatnonzero(each) for each in readable))


def level_of(grid: ChunkGrid, chunk: int) -> tuple[int, int] | None:
    """Return the x and y level of a chunk, or None if its part has only one level."""
    if grid.part.tiles is None or grid.part.tiles.level_mode is LevelMode.ONE_LEVEL:
        return None
    _, _, level_x, level_y = grid.coordinates[chunk].tolist()
    return level_x, level_y


def _repeated(entries: NDArray[np.uint64]) -> set[int]:
    """Return the offsets that several chunks have."""
    values, counts = np.unique(entries, return_counts=True)
    return set(values[counts > 1].tolist())


class _Places:
    """Finds the chunks of one part.

    Attributes:
        is_readable: for each chunk, whether its leader and size are sound, shape (count,).
    """

    def __init__(
        self,
        file: ExrFile,
        table: PartChunks,
        entries: NDArray[np.uint64],
        position: int,
        begin: int,
        repeated: set[int],
    ) -> None:
        """Prepare to look for the chunks of a part.

        Args:
            file: the open file.
            table: the part, whose offsets and extents are not known yet.
            entries: offsets of its chunks as they stand in the file.
            position: byte in the file where they stand.
            begin: byte where the first chunk of the file can begin.
            repeated: offsets that several chunks of the file have.
        """
        self._file, self._table, self._entries = file, table, entries
        self._position, self._begin, self._repeated = position, begin, repeated
        self.is_readable = np.zeros(len(entries), np.bool_)

    def look(self, findings: Findings) -> PartChunks:
        """Read all leaders; return the part with the offsets and extents of its readable chunks."""
        table, grid = self._table, self._table.grid
        offsets, extents = np.zeros_like(table.offsets), np.zeros_like(table.extents)
        for chunk, offset in enumerate(self._entries.tolist()):
            found = self._look_at(chunk, offset)
            if isinstance(found, int):
                offsets[chunk], extents[chunk] = offset, found
                self.is_readable[chunk] = True
                continue
            is_in_table = self._wrong_entry(offset) is not None
            place = self._position + 8 * chunk if is_in_table else offset
            level = level_of(grid, chunk)
            findings.add(Damage(reason=found, part=grid.part.index, chunk=chunk, level=level, offset=place))
        found_table = replace(table, offsets=offsets, extents=extents)
        for chunk in np.flatnonzero(self.is_readable & found_table.misfits()).tolist():
            self.is_readable[chunk] = False
            findings.add(_misfit(found_table, chunk))
        if (worst := grid.raw_sizes * self.is_readable).max(initial=0) > MAX_RAW_CHUNK:
            chunk = int(worst.argmax())
            raise UnsupportedFile(f"{found_table.where(chunk)}: {worst[chunk]} raw bytes, more than {MAX_RAW_CHUNK}")
        return found_table

    def _wrong_entry(self, offset: int) -> str | None:
        """Return why an entry of the offset table can't be right, or None."""
        size = self._file.stat.st_size
        if offset == 0:
            return "its entry in the offset table is 0, as in a file whose writer did not finish"
        if not self._begin <= offset < size:
            return f"its entry in the offset table, {offset}, is outside the chunks (bytes {self._begin} to {size})"
        return None

    def _look_at(self, chunk: int, offset: int) -> int | str:
        """Return the bytes from the leader of a chunk to its end, or why they can't be known."""
        if (wrong := self._wrong_entry(offset)) is not None:
            return wrong
        leader, size = self._table.leader, self._file.stat.st_size
        if offset + leader.size > size:
            return "truncated: its leader goes beyond the end of the file"
        place, sizes = leader.unpack(self._file.read(offset, leader.size), 0)
        expected = (*leader.part_number, *self._table.grid.coordinates[chunk].tolist())
        if place != expected:
            shared = "; another chunk has the same offset" if offset in self._repeated else ""
            return f"its leader says {place}, but the offset table says {expected}{shared}"
        if min(sizes) < 0:
            return f"its leader claims {min(sizes)} bytes"
        extent = leader.size + sum(sizes[:2])
        if offset + extent > size:
            return f"truncated: {offset + extent - size} bytes are missing at the end of the file"
        return extent


def _misfit(table: PartChunks, chunk: int) -> Damage:
    """Describe a chunk whose size does not fit what it must decompress to."""
    stored, raw = int(table.extents[chunk]) - table.leader.size, int(table.grid.raw_sizes[chunk])
    reason = f"{stored} bytes can't decompress to {raw} bytes with {table.grid.part.compression.name}"
    return Damage(
        reason=reason,
        part=table.grid.part.index,
        chunk=chunk,
        level=level_of(table.grid, chunk),
        offset=int(table.offsets[chunk]),
    )


def _in_file_order(
    tables: list[PartChunks], readable: list[NDArray[np.bool_]] | None = None
) -> Iterator[tuple[int, int, int, int]]:
    """Yield part, chunk, first byte and end of each readable chunk, in the order of the file."""
    chosen = [
        np.arange(table.grid.count) if readable is None else np.flatnonzero(readable[index])
        for index, table in enumerate(tables)
    ]
    parts = np.concatenate([np.full(len(each), index) for index, each in enumerate(chosen)])
    chunks = np.concatenate(chosen)
    begins = np.concatenate([table.offsets[each] for table, each in zip(tables, chosen, strict=True)])
    ends = begins + np.concatenate([table.extents[each] for table, each in zip(tables, chosen, strict=True)])
    order = np.argsort(begins, kind="stable")
    columns = (column[order].tolist() for column in (parts, chunks, begins, ends))
    yield from zip(*columns, strict=True)


def _check_overlaps(tables: list[PartChunks], readable: list[NDArray[np.bool_]], findings: Findings) -> None:
    """Find chunks that reach into the next one. The size in the leader of such a chunk is wrong."""
    found = list(_in_file_order(tables, readable))
    for (part, chunk, _, end), (_, _, following, _) in itertools.pairwise(found):
        if end > following:
            readable[part][chunk] = False
            table = tables[part]
            findings.add(
                Damage(
                    reason=f"it overlaps the next chunk by {end - following} bytes",
                    part=part,
                    chunk=chunk,
                    level=level_of(table.grid, chunk),
                    offset=int(table.offsets[chunk]),
                )
            )


def _note_gaps(tables: list[PartChunks], begin: int, file_size: int, findings: Findings) -> None:
    """Note bytes between chunks and after the last one. They belong to no chunk; readers skip them.

    Args:
        tables: all parts, of which every chunk is readable.
        begin: byte where the first chunk can begin.
        file_size: size of the file in bytes.
        findings: gets the notes.
    """
    gaps, last = [], begin
    for _, _, offset, end in _in_file_order(tables):
        if offset > last:
            gaps.append((last, offset - last))
        last = max(last, end)
    if gaps:
        size, place = sum(size for _, size in gaps), gaps[0][0]
        findings.notes.append(f"{size} bytes between the chunks, the first at byte {place}, belong to no chunk")
    if last < file_size:
        findings.notes.append(f"{file_size - last} bytes after the last chunk, at byte {last}, belong to no chunk")
