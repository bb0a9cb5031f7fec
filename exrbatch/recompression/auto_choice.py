"""Automatic choice: compress a sample of each part in every allowed way, and take the best.

The choice is the same each time and on each machine: the sample depends only on the file, and the
speed of a compression comes from the table of compressions (`CompressionFacts.cost`), not from a
clock.
"""

import math
from dataclasses import replace

import numpy as np

from exrbatch.codecs.codec import ChunkGroup, Raw
from exrbatch.codecs.effort import Effort
from exrbatch.codecs.registry import codec_for
from exrbatch.errors import UnsupportedFile
from exrbatch.exr.chunks import chunk_grid
from exrbatch.exr.compression import Compression
from exrbatch.exr.part import Part
from exrbatch.exr.reader import ExrFile
from exrbatch.recompression.choices import Prefer
from exrbatch.recompression.raw_reader import RawReader
from exrbatch.recompression.targets import Targets, exact_compressions

STRIPS, STRIP_LINES = 4, 32
"""Sample of a scan line part: number of strips, evenly spread, and approximate lines per strip.

A sample of tiles or deep chunks also has at least `STRIPS` chunks, if the part has as many.
"""
SAMPLE_BYTES = 2_000_000
"""Sample of tiles or deep chunks: about how many raw bytes it has, in evenly spread chunks."""

Sample = list[tuple[Part, list[int], Raw]]
"""Pieces of a part. Each piece is a tuple of a part, chunk indices and raw bytes.

The part of a strip is a copy with a smaller data window. Its list of chunks is empty, which stands
for all of its chunks.
"""


def choose_by_sample(source: ExrFile, readers: str, prefer: Prefer, effort: Effort) -> Targets:
    """Choose a compression for each part by compressing a sample of it.

    The candidates keep every bit of the part, and OpenEXR of the release `readers` can read them.

    Args:
        source: the open file.
        readers: oldest OpenEXR release that must be able to read the new file, for example "3.4".
        prefer: what to optimise: size, or bytes saved per cost.
        effort: compression effort.

    Returns:
        the chosen compressions. Their `trials` hold the result of every candidate.
    """
    reader = RawReader(source)
    compressions, trials = [], []
    for part in source.header.parts:
        sample = _chunks(source, reader, part) if _one_to_one(part) else _strips(reader, part)
        raw_size = sum(len(raw) for _, _, raw in sample)
        sizes: dict[Compression, int] = {}
        for candidate in exact_compressions(part, readers):
            try:
                sizes[candidate] = _packed_size(sample, candidate, effort)
            except UnsupportedFile:  # the installed OpenEXR is too old, or can't compress these channels
                continue
        compressions.append(_best(sizes, raw_size, prefer))
        trials.append({each.name: round(size / max(raw_size, 1), 4) for each, size in sizes.items()})
    return Targets(tuple(compressions), trials=tuple(trials), lossy_channels=((),) * len(compressions))


def _best(sizes: dict[Compression, int], raw_size: int, prefer: Prefer) -> Compression:
    """Return the compression that gives the smallest size, or that saves most for its cost.

    If several are equal, return the fastest.
    """
    if prefer is Prefer.SIZE:
        return min(sizes, key=lambda each: (sizes[each], each.facts.cost))
    return max(sizes, key=lambda each: ((raw_size - sizes[each]) / each.facts.cost, -each.facts.cost))


def _packed_size(sample: Sample, candidate: Compression, effort: Effort) -> int:
    """Return the size in bytes of a compressed sample."""
    codec = codec_for(candidate, effort)
    grids = {id(part): chunk_grid(part, candidate) for part in {id(part): part for part, _, _ in sample}.values()}
    total = 0
    for part, chunks, raw in sample:
        grid = grids[id(part)]
        chosen = chunks or list(range(grid.count))
        group = ChunkGroup.of(grid, chosen, len(raw) - int(grid.raw_sizes[chosen[0]]))
        total += sum(len(packed) for packed in codec.pack(group, raw))
    return total


def _one_to_one(part: Part) -> bool:
    """Return whether each chunk of a part stays a chunk of its own under any compression."""
    return part.tiles is not None or part.storage.is_deep


def _chunks(source: ExrFile, reader: RawReader, part: Part) -> Sample:
    """Read a sample of tiles or deep chunks, evenly spread."""
    grid = source.parts[part.index].grid
    count = min(grid.count, max(STRIPS, SAMPLE_BYTES // max(1, int(grid.raw_sizes.mean()))))
    chosen = sorted(set(np.linspace(0, grid.count - 1, count).astype(int).tolist()))
    # Large tiles are read one by one, because several at once could exceed the `raw_limit`.
    alone = part.storage.is_deep or int(grid.raw_sizes.mean()) > SAMPLE_BYTES // STRIPS
    groups = [[chunk] for chunk in chosen] if alone else [chosen]
    return [(part, group, reader.read(part.index, group).copy()) for group in groups]


def _strips(reader: RawReader, part: Part) -> Sample:
    """Read a sample of scan lines: strips of whole lines of every channel, evenly spread.

    The strips are cut out of the chunks that contain them. Their positions do not depend on the
    compression of the source, so the choice for a file that was recompressed before uses the same
    lines.
    """
    window = part.data_window
    common = math.lcm(*(channel.y_sampling for channel in part.channels))
    lines = common * max(1, STRIP_LINES // common)
    step = part.compression.facts.lines_per_chunk
    unit = math.lcm(step, common)  # lines that can be decompressed on their own
    sample: Sample = []
    for place in sorted(set(np.linspace(0, (window.height - 1) // lines, STRIPS).astype(int).tolist())):
        top, bottom = place * lines, min((place + 1) * lines, window.height)
        start, end = top // unit * unit, min(-(-bottom // unit) * unit, window.height)
        raw = reader.read(part.index, list(range(start // step, -(-end // step))))
        above = _raw_size(_slice(part, start, top)) if top > start else 0
        strip = _slice(part, top, bottom)
        sample.append((strip, [], raw[above : above + _raw_size(strip)].copy()))
    return sample


def _slice(part: Part, top: int, bottom: int) -> Part:
    """Return the lines from `top` to `bottom` (exclusive) of a part, as a part of its own.

    Lines are counted from the first line of the part.
    """
    window = part.data_window
    return replace(part, data_window=replace(window, y_min=window.y_min + top, y_max=window.y_min + bottom - 1))


def _raw_size(part: Part) -> int:
    """Return the size of a scan line part in raw bytes, which is the same under any compression."""
    return int(chunk_grid(part, Compression.DWAB).raw_sizes.sum())
