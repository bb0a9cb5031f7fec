"""Cuts a file into spans: pieces that are whole chunks in the old file and in the new one.

Of flat scan lines a span is a run of lines; its raw bytes are the same bytes whichever way they are cut
into chunks. A tile or a deep chunk stands for itself. Recompression and verification walk the same
spans, so neither holds more than one of them in memory.
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
"""Raw bytes of a span, unless one common chunk is larger: few calls for small chunks, yet within the cache."""
SPAN_CHUNKS = 1 << 14
"""Chunks of a span at most: tiny ones are fewer bytes than what is kept for each on its way."""
MANY_RUNS, TINY_RUN = 100, 1 << 18
"""Of parts that alternate: from how many pieces on it counts, and raw bytes of a piece below which it is tiny."""


@dataclass(frozen=True, slots=True)
class Span:
    """Chunks of one part that hold the same raw bytes in the old and in the new file.

    `source` and `target` are chunk indices in the order of their raw bytes; `backwards` tells that the last
    of the target chunks is to be written first.
    """

    part: int
    source: tuple[int, ...]
    target: tuple[int, ...]
    backwards: bool = False


def cut_spans(source: ExrFile, targets: Sequence[ChunkGrid]) -> Iterator[Span]:
    """Cut a file into spans, in the order in which the new file is to be written.

    The order is the source's own where no part changes its chunks; a single scan line part is written
    as `lineOrder` says, because readers before OpenEXR 3.3 rely on it. Where a part of a multi-part file is
    cut anew, or its parts alternate in tiny pieces, they follow one another, which every reader takes.
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
            yield from _line_runs(index, old, new)


def _is_aligned(grid: ChunkGrid) -> bool:
    """Whether every chunk begins on a line of every channel, so that it can be packed by itself."""
    lines = int(grid.heights[0])
    return grid.part.tiles is not None or all(lines % channel.y_sampling == 0 for channel in grid.part.channels)


def _runs_in_file(source: ExrFile) -> list[tuple[int, NDArray[np.int64]]] | None:
    """List the runs of chunks of one part, in the order in which they lie in the file; None for too many tiny ones.

    Parts that alternate line by line would be read, packed and unpacked line by line, ten times as slowly.
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
    table = source.parts[index]
    if table.grid.part.storage.is_tiled:
        return np.argsort(table.offsets)
    order = np.arange(table.grid.count)
    return order[::-1] if table.grid.part.line_order is LineOrder.DECREASING_Y else order


def _one_to_one(index: int, grid: ChunkGrid, chunks: NDArray[np.int64]) -> Iterator[Span]:
    """Group chunks, in the order given, to spans of about SPAN_BYTES, few enough; a deep chunk stays alone."""
    if grid.part.storage.is_deep:
        groups = np.split(chunks, len(chunks))
    else:
        filled = np.cumsum(grid.raw_sizes[chunks]) // SPAN_BYTES + np.arange(len(chunks)) // SPAN_CHUNKS
        groups = np.split(chunks, np.flatnonzero(np.diff(filled)) + 1)
    for group in groups:
        indices = tuple(group.tolist())
        yield Span(index, indices, indices)


def _line_runs(index: int, old: ChunkGrid, new: ChunkGrid) -> Iterator[Span]:
    part = old.part
    height = part.data_window.height
    unit = _span_lines(old, new)
    starts = range(0, height, unit)
    decreasing = part.line_order is LineOrder.DECREASING_Y
    for start in reversed(starts) if decreasing else starts:
        end = min(start + unit, height)
        source, target = (_chunks_of_lines(grid, start, end) for grid in (old, new))
        yield Span(index, tuple(source), tuple(target), decreasing)


def _span_lines(old: ChunkGrid, new: ChunkGrid) -> int:
    """Lines of a span: a multiple of what is whole chunks in both files and whole lines of every channel."""
    height = old.part.data_window.height
    samplings = [channel.y_sampling for channel in old.part.channels]
    common = math.lcm(int(old.heights[0]), int(new.heights[0]), *samplings)
    common = common if old.count > 1 and new.count > 1 else height
    line_bytes = max(1, int(old.raw_sizes.sum()) // height)
    return common * max(1, min(SPAN_BYTES // (line_bytes * common), SPAN_CHUNKS // common))


def _chunks_of_lines(grid: ChunkGrid, start: int, end: int) -> range:
    lines = int(grid.heights[0])
    return range(start // lines, -(-end // lines))
