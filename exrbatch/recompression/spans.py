"""Cut a file into spans: pieces that are whole chunks in both the old and the new file.

For flat scan lines, a span is a run of lines. Its raw bytes are the same however they are cut into
chunks. A tile or a deep chunk of the old file corresponds to exactly one chunk of the new file.

Recompression and verification walk over the same spans, one at a time (with several threads, a few
at a time). So memory use does not depend on the size of the file.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from exrbatch.exr.chunks import ChunkGrid
from exrbatch.exr.part import LineOrder
from exrbatch.exr.reader import ExrFile

SPAN_BYTES = 4 << 20
"""Raw bytes of a span, unless one chunk that is common to both files is larger.

Spans are large, so that small chunks need few calls, but small enough for the CPU cache.
"""
SPAN_CHUNKS = 1 << 14
"""Maximum number of chunks in a span.

The bookkeeping for each tiny chunk is larger than the chunk itself.
"""
MANY_RUNS, TINY_RUN = 100, 1 << 18
"""When parts that alternate in the file are no longer kept in that order.

This is the case if there are more than `MANY_RUNS` pieces whose mean size is below `TINY_RUN` raw
bytes.
"""


@dataclass(frozen=True, slots=True)
class Span:
    """Chunks of one part that hold the same raw bytes in the old and in the new file.

    Attributes:
        part: index of the part.
        source: indices of the chunks in the old file, in the order of their raw bytes.
        target: indices of the chunks in the new file, in the order of their raw bytes.
        backwards: whether the last of the target chunks must be written first.
    """

    part: int
    source: tuple[int, ...]
    target: tuple[int, ...]
    backwards: bool = False


def cut_spans(source: ExrFile, targets: Sequence[ChunkGrid]) -> Iterator[Span]:
    """Cut a file into spans, in the order in which the new file must be written.

    If no part changes its chunks, the order of the source is kept. If a part of a multi-part file
    does, or if the parts alternate in tiny pieces, parts are written one after another. Every
    reader accepts that.

    A single scan line part is always written in the order that `lineOrder` states, because readers
    before OpenEXR 3.3 rely on it.

    Args:
        source: the open file.
        targets: the chunks that each part will have.
    """
    pairs = [(table.grid, target) for table, target in zip(source.parts, targets, strict=True)]
    same = all(old.count == new.count and _is_aligned(old) for old, new in pairs)
    is_single_scan_line = len(pairs) == 1 and not pairs[0][0].part.storage.is_tiled
    if same and not is_single_scan_line and (runs := _runs_in_file(source)) is not None:
        for index, chunks in runs:
            yield from _one_to_one(index, source.parts[index].grid, chunks)
        return
    for index, (old, new) in enumerate(pairs):
        if old.part.storage.is_tiled or old.part.storage.is_deep:
            yield from _one_to_one(index, old, _part_order(source, index))
        else:
            yield from _line_runs(index, old, new, decreasing=old.part.line_order is LineOrder.DECREASING_Y)


def ordered_spans(source: ExrFile) -> Iterator[Span]:
    """Cut a file into spans in the order of its offset tables, wherever its chunks lie.

    Parts follow one another, scan lines have an increasing y, and tiles are ordered by level, row
    and column.
    """
    for index, table in enumerate(source.parts):
        if table.grid.part.storage.is_tiled or table.grid.part.storage.is_deep:
            yield from _one_to_one(index, table.grid, np.arange(table.grid.count))
        else:
            yield from _line_runs(index, table.grid, table.grid, decreasing=False)


def _is_aligned(grid: ChunkGrid) -> bool:
    """Return whether every chunk begins on a line of every channel.

    Only such chunks can be compressed on their own.
    """
    lines = int(grid.heights[0])
    return grid.part.tiles is not None or all(lines % channel.y_sampling == 0 for channel in grid.part.channels)


def _runs_in_file(source: ExrFile) -> list[tuple[int, NDArray[np.int64]]] | None:
    """List the runs of chunks that belong to one part, in file order; None if too many are tiny.

    Parts that alternate line by line would be read, compressed and decompressed line by line, which
    is ten times as slow.

    Returns:
        for each run the index of its part, and the indices of its chunks, shape (chunks,).
    """
    parts = np.concatenate([np.full(table.grid.count, index) for index, table in enumerate(source.parts)])
    chunks = np.concatenate([np.arange(table.grid.count) for table in source.parts])
    order = np.argsort(np.concatenate([table.offsets for table in source.parts]))
    parts, chunks = parts[order], chunks[order]
    borders = np.flatnonzero(np.diff(parts)) + 1
    raw_size = sum(int(table.grid.raw_sizes.sum()) for table in source.parts)
    if len(borders) > MANY_RUNS and raw_size < TINY_RUN * len(borders):
        return None
    return [(int(parts[run[0]]), chunks[run]) for run in np.split(np.arange(len(parts)), borders)]


def _part_order(source: ExrFile, index: int) -> NDArray[np.int64]:
    """Return the indices of a part's chunks, shape (chunks,), in the order to write them."""
    table = source.parts[index]
    if table.grid.part.storage.is_tiled:
        return np.argsort(table.offsets)
    order = np.arange(table.grid.count)
    return order[::-1] if table.grid.part.line_order is LineOrder.DECREASING_Y else order


def _one_to_one(index: int, grid: ChunkGrid, chunks: NDArray[np.int64]) -> Iterator[Span]:
    """Group chunks into spans, in the given order.

    A span has about `SPAN_BYTES` raw bytes, and at most `SPAN_CHUNKS` chunks. A deep chunk is a
    span of its own.
    """
    if grid.part.storage.is_deep:
        groups = np.split(chunks, len(chunks))
    else:
        filled = np.cumsum(grid.raw_sizes[chunks]) // SPAN_BYTES + np.arange(len(chunks)) // SPAN_CHUNKS
        groups = np.split(chunks, np.flatnonzero(np.diff(filled)) + 1)
    for group in groups:
        indices = tuple(group.tolist())
        yield Span(index, indices, indices)


def _line_runs(index: int, old: ChunkGrid, new: ChunkGrid, *, decreasing: bool) -> Iterator[Span]:
    """Cut a scan line part into spans of consecutive lines."""
    height = old.part.data_window.height
    unit = _span_lines(old, new)
    starts = range(0, height, unit)
    for start in reversed(starts) if decreasing else starts:
        end = min(start + unit, height)
        source, target = (_chunks_of_lines(grid, start, end) for grid in (old, new))
        yield Span(index, tuple(source), tuple(target), decreasing)


def _span_lines(old: ChunkGrid, new: ChunkGrid) -> int:
    """Return the number of lines of a span.

    It is a multiple of the lines of a chunk in both files, and of every channel's sampling. If
    either file has a single chunk, it is all lines.
    """
    height = old.part.data_window.height
    samplings = [channel.y_sampling for channel in old.part.channels]
    common = math.lcm(int(old.heights[0]), int(new.heights[0]), *samplings)
    common = common if old.count > 1 and new.count > 1 else height
    line_bytes = max(1, int(old.raw_sizes.sum()) // height)
    return common * max(1, min(SPAN_BYTES // (line_bytes * common), SPAN_CHUNKS // common))


def _chunks_of_lines(grid: ChunkGrid, start: int, end: int) -> range:
    lines = int(grid.heights[0])
    return range(start // lines, -(-end // lines))
