"""Find where in the picture two files first differ: part, level, chunk, channel and pixel."""

from collections.abc import Collection, Iterator

import numpy as np
from numpy.typing import NDArray

from exrbatch.codecs.codec import ChunkGroup, Raw
from exrbatch.codecs.planes import Strip, to_planes
from exrbatch.exr.chunks import ChunkGrid
from exrbatch.exr.part import LevelMode


def first_different_pixel(group: ChunkGroup, raw: Raw, other: Raw, ignoring: Collection[str] = ()) -> str | None:
    """Return where two versions of a group's raw bytes first differ, or None if they do not.

    Args:
        group: the group. If it has flat scan lines, they must be consecutive, and the first must
            have samples of every channel.
        raw: raw bytes of the group in the first file.
        other: raw bytes of the group in the second file.
        ignoring: names of channels that may differ.
    """
    grid = group.grid
    if grid.part.storage.is_deep:
        return _first_in_deep(grid, group.chunks[0], raw, other)
    if grid.part.tiles is None:
        return _first_in_lines(group, raw, other, ignoring)
    ends = np.cumsum(group.sizes).tolist()
    for chunk, start, end in zip(group.chunks, [0, *ends[:-1]], ends, strict=True):
        strip = Strip(grid.part, int(grid.widths[chunk]), int(grid.heights[chunk]))
        for name, row, column in _differing(strip, raw[start:end], other[start:end], ignoring):
            return _in_tile(grid, chunk, name, row, column)
    return None


def _first_in_lines(group: ChunkGroup, raw: Raw, other: Raw, ignoring: Collection[str]) -> str | None:
    grid = group.grid
    strip = Strip(grid.part, int(grid.widths[0]), int(grid.heights[list(group.chunks)].sum()))
    samplings = {channel.name: (channel.x_sampling, channel.y_sampling) for channel in grid.part.channels}
    found = [
        (row * samplings[name][1], column * samplings[name][0], name)
        for name, row, column in _differing(strip, raw, other, ignoring)
    ]
    if not found:
        return None
    row, column, name = min(found)
    chunk = group.chunks[row // int(grid.heights[0])]
    y = int(grid.coordinates[group.chunks[0]][0]) + row
    x = grid.part.data_window.x_min + column
    return f"part {grid.part.index}, chunk {chunk}, channel {name}, pixel x {x} y {y}"


def _differing(strip: Strip, raw: Raw, other: Raw, ignoring: Collection[str]) -> Iterator[tuple[str, int, int]]:
    """Yield each channel that differs, with the place of its first different sample.

    Yields:
        name of the channel, index of the line, and index of the sample in that line.
    """
    planes, others = to_planes(strip, raw), to_planes(strip, other)
    for name, plane in planes.items():
        if name not in ignoring and plane.size:
            bits = f"<u{plane.dtype.itemsize}"
            rows, columns = np.nonzero(plane.view(bits) != others[name].view(bits))
            if len(rows):
                yield name, int(rows[0]), int(columns[0])


def _in_tile(grid: ChunkGrid, chunk: int, what: str, row: int, column: int) -> str:
    """Describe a pixel of a tile.

    Its coordinates on the full level are those of the data window. On other levels they are counted
    from the corner of the level.
    """
    tiles, part = grid.part.tiles, grid.part
    assert tiles is not None
    tile_x, tile_y, level_x, level_y = grid.coordinates[chunk].tolist()
    x, y = tile_x * tiles.x_size + column, tile_y * tiles.y_size + row
    where = f"part {part.index}, "
    if tiles.level_mode is not LevelMode.ONE_LEVEL:
        where += f"level {level_x} {level_y}, "
    if (level_x, level_y) == (0, 0):
        x, y = x + part.data_window.x_min, y + part.data_window.y_min
    return f"{where}chunk {chunk}, {'channel ' + what if what else 'sample counts'}, pixel x {x} y {y}"


def _first_in_deep(grid: ChunkGrid, chunk: int, raw: Raw, other: Raw) -> str | None:
    """Return where two versions of a deep chunk first differ, or None.

    Sample counts are compared first, because samples can be compared pixel by pixel only if both
    versions have the same number of them.
    """
    shape = (int(grid.heights[chunk]), int(grid.widths[chunk]))
    table_size = int(grid.raw_sizes[chunk])
    counts, others = (data[:table_size].view("<i4").reshape(shape) for data in (raw, other))
    rows, columns = np.nonzero(counts != others)
    if len(rows):
        return _in_deep(grid, chunk, "", int(rows[0]), int(columns[0]))
    places = np.flatnonzero(raw[table_size:] != other[table_size:])
    if not len(places):
        return None
    return _in_deep(grid, chunk, *_deep_sample(grid, counts, int(places[0])))


def _deep_sample(grid: ChunkGrid, counts: NDArray[np.int32], place: int) -> tuple[str, int, int]:
    """Find the pixel that a byte of a deep chunk's samples belongs to.

    Samples are stored line by line. A line has, for each channel, the samples of all its pixels.
    The counts of a line are cumulative.

    Args:
        grid: chunks of the part.
        counts: cumulative sample counts, shape (lines, pixels per line).
        place: offset of the byte in the samples of the chunk.

    Returns:
        name of the channel, index of the line, and index of the pixel in that line.
    """
    ends = np.cumsum(counts[:, -1].astype(np.int64) * grid.part.bytes_per_pixel)
    row = int(np.searchsorted(ends, place, side="right"))
    place -= int(ends[row - 1]) if row else 0
    for channel in grid.part.channels:
        size = int(counts[row, -1]) * channel.pixel_type.size
        if place < size:
            sample = place // channel.pixel_type.size
            return channel.name, row, int(np.searchsorted(counts[row], sample, side="right"))
        place -= size
    raise AssertionError("the place lies within the samples")


def _in_deep(grid: ChunkGrid, chunk: int, channel: str, row: int, column: int) -> str:
    if grid.part.tiles is not None:
        return _in_tile(grid, chunk, channel, row, column)
    window = grid.part.data_window
    x, y = window.x_min + column, int(grid.coordinates[chunk][0]) + row
    what = f"channel {channel}" if channel else "sample counts"
    return f"part {grid.part.index}, chunk {chunk}, {what}, pixel x {x} y {y}"
