"""The automatic choice: pack a sample of each part in every way that is allowed, and take the best.

The sample is the same for the same file, and speed is that of the table of compressions, not of a clock: so
the choice is the same each time, on each machine.
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
"""Of scan lines: how many strips, evenly spread, and about how many lines each."""
SAMPLE_BYTES = 2_000_000
"""Of tiles and deep chunks: raw bytes of the sample, evenly spread."""

Sample = list[tuple[Part, list[int], Raw]]
"""Pieces of a part: the part (for strips with a smaller data window), chunks (empty: all of it), raw bytes."""


def choose_by_sample(source: ExrFile, readers: str, prefer: Prefer, effort: Effort) -> Targets:
    """Choose for each part among what keeps every bit and what OpenEXR of the release `readers` can read."""
    reader = RawReader(source)
    compressions, trials = [], []
    for part in source.header.parts:
        sample = _chunks(source, reader, part) if _one_to_one(part) else _strips(reader, part)
        raw_size = sum(len(raw) for _, _, raw in sample)
        sizes: dict[Compression, int] = {}
        for candidate in exact_compressions(part, readers):
            try:
                sizes[candidate] = _packed_size(sample, candidate, effort)
            except UnsupportedFile:  # older than the readers, or asked for what it can't
                continue
        compressions.append(_best(sizes, raw_size, prefer))
        trials.append({each.name: round(size / max(raw_size, 1), 4) for each, size in sizes.items()})
    return Targets(tuple(compressions), trials=tuple(trials), lossy_channels=((),) * len(compressions))


def _best(sizes: dict[Compression, int], raw_size: int, prefer: Prefer) -> Compression:
    """Take the smallest, or what saves most for its cost; of equals the one that packs faster."""
    if prefer is Prefer.SIZE:
        return min(sizes, key=lambda each: (sizes[each], each.facts.cost))
    return max(sizes, key=lambda each: ((raw_size - sizes[each]) / each.facts.cost, -each.facts.cost))


def _packed_size(sample: Sample, candidate: Compression, effort: Effort) -> int:
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
    return part.tiles is not None or part.storage.is_deep


def _chunks(source: ExrFile, reader: RawReader, part: Part) -> Sample:
    """Take tiles or deep chunks, evenly spread."""
    grid = source.parts[part.index].grid
    count = min(grid.count, max(STRIPS, SAMPLE_BYTES // max(1, int(grid.raw_sizes.mean()))))
    chosen = sorted(set(np.linspace(0, grid.count - 1, count).astype(int).tolist()))
    # Several large tiles at once would be more than a small file may ask for.
    alone = part.storage.is_deep or int(grid.raw_sizes.mean()) > SAMPLE_BYTES // STRIPS
    groups = [[chunk] for chunk in chosen] if alone else [chosen]
    return [(part, group, reader.read(part.index, group).copy()) for group in groups]


def _strips(reader: RawReader, part: Part) -> Sample:
    """Take strips of lines, whole lines of every channel, cut out of the chunks that hold them.

    Where they lie does not depend on the source's compression: a file that was done is judged by the same lines.
    """
    window = part.data_window
    common = math.lcm(*(channel.y_sampling for channel in part.channels))
    lines = common * max(1, STRIP_LINES // common)
    step = part.compression.facts.lines_per_chunk
    unit = math.lcm(step, common)  # what can be unpacked by itself
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
    """Some lines of a part, counted from its first, as a part of its own."""
    window = part.data_window
    return replace(part, data_window=replace(window, y_min=window.y_min + top, y_max=window.y_min + bottom - 1))


def _raw_size(part: Part) -> int:
    return int(chunk_grid(part, Compression.DWAB).raw_sizes.sum())
