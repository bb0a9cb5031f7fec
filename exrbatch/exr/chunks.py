"""The chunk grid of a part: its chunks, their positions in the image, and their raw sizes.

The grid consists of arrays with one entry for each chunk, in the order of the offset table:

- Scan line chunks are ordered by increasing y.
- Tiles are ordered by level, and row by row within a level. The levels of a ripmap are ordered by
  y level, then by x level.
"""

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from exrbatch.errors import InvalidFile
from exrbatch.exr.compression import Compression
from exrbatch.exr.part import Box, LevelMode, Part, TileDescription

INT32_MAX = (1 << 31) - 1
"""Largest size of a flat chunk in bytes: the size field in the file is an int32."""


@dataclass(frozen=True, slots=True, eq=False)
class ChunkGrid:
    """The chunks that one part has with a given compression.

    Attributes:
        part: the part.
        coordinates: coordinates of each chunk, as in its leader. For scan lines, shape (count, 1):
            the first line. For tiles, shape (count, 4): tile x, tile y, level x, level y.
        widths: width of each chunk in pixels, shape (count,).
        heights: height of each chunk in pixels, shape (count,).
        raw_sizes: size of each decompressed chunk in bytes, shape (count,). For deep parts this is
            the size of the sample count table alone, because that of the samples depends on the
            counts.
    """

    part: Part
    coordinates: NDArray[np.int32]
    widths: NDArray[np.int64]
    heights: NDArray[np.int64]
    raw_sizes: NDArray[np.int64]

    @property
    def count(self) -> int:
        """Number of chunks."""
        return len(self.raw_sizes)


def chunk_count(part: Part, compression: Compression) -> int:
    """Return the number of chunks that a part has with a given compression.

    This allocates nothing in proportion to the result, so it is safe for any header.
    """
    window = part.data_window
    if part.tiles is None:
        return -(-window.height // compression.facts.lines_per_chunk)
    return sum(
        _tiles_across(w, part.tiles.x_size) * _tiles_across(h, part.tiles.y_size)
        for _, _, w, h in _levels(part.tiles, window)
    )


def chunk_grid(part: Part, compression: Compression) -> ChunkGrid:
    """Build the grid of a part as if it had the given compression.

    The arrays take about 60 bytes per chunk. Therefore the caller must first check that
    `chunk_count` is plausible for the size of the file.

    Raises:
        InvalidFile: a flat chunk would be larger than the format allows.
    """
    if part.tiles is None:
        grid = _scan_line_grid(part, compression.facts.lines_per_chunk)
        worst = int(grid.raw_sizes.argmax())
        _check_raw_size(part, worst, int(grid.raw_sizes[worst]))
        return grid
    # Check the size before any array is built. In a hostile file, width x height x bytes per pixel
    # of a tile may not even fit an int64.
    window, tiles = part.data_window, part.tiles
    pixels = min(tiles.x_size, window.width) * min(tiles.y_size, window.height)
    _check_raw_size(part, 0, pixels * part.bytes_per_pixel)
    return _tile_grid(part, tiles)


def _check_raw_size(part: Part, chunk: int, raw_size: int) -> None:
    if not part.storage.is_deep and raw_size > INT32_MAX:
        raise InvalidFile(f"part {part.index}, chunk {chunk}: {raw_size} raw bytes, more than 2^31")


def _scan_line_grid(part: Part, lines_per_chunk: int) -> ChunkGrid:
    window = part.data_window
    first = np.arange(window.y_min, window.y_max + 1, lines_per_chunk, dtype=np.int64)
    heights = np.minimum(lines_per_chunk, window.y_max + 1 - first)
    widths = np.full(len(first), window.width, np.int64)
    if part.storage.is_deep:
        raw_sizes = 4 * widths * heights
    else:
        raw_sizes = np.zeros(len(first), np.int64)
        for y_sampling, line_bytes in _line_bytes_by_sampling(part).items():
            # The number of lines y with first <= y < first + heights and y % y_sampling == 0. This
            # also works for negative y, because // rounds down.
            lines = (first + heights - 1) // y_sampling - (first - 1) // y_sampling
            raw_sizes += line_bytes * lines
    return ChunkGrid(part, first.astype(np.int32)[:, None], widths, heights, raw_sizes)


def _line_bytes_by_sampling(part: Part) -> dict[int, int]:
    """Return, for each y sampling, the bytes per line of all channels that have it."""
    sizes: dict[int, int] = {}
    for channel in part.channels:
        samples = part.data_window.width // channel.x_sampling
        sizes[channel.y_sampling] = sizes.get(channel.y_sampling, 0) + samples * channel.pixel_type.size
    return sizes


def _tile_grid(part: Part, tiles: TileDescription) -> ChunkGrid:
    coordinates, widths, heights = [], [], []
    for level_x, level_y, level_width, level_height in _levels(tiles, part.data_window):
        across = np.arange(_tiles_across(level_width, tiles.x_size), dtype=np.int64)
        down = np.arange(_tiles_across(level_height, tiles.y_size), dtype=np.int64)
        tile_y, tile_x = (axis.ravel() for axis in np.meshgrid(down, across, indexing="ij"))
        levels = (np.full(len(tile_x), level) for level in (level_x, level_y))
        coordinates.append(np.stack([tile_x, tile_y, *levels], axis=1))
        widths.append(np.minimum(tiles.x_size, level_width - tile_x * tiles.x_size))
        heights.append(np.minimum(tiles.y_size, level_height - tile_y * tiles.y_size))
    all_widths, all_heights = np.concatenate(widths), np.concatenate(heights)
    pixel_bytes = 4 if part.storage.is_deep else part.bytes_per_pixel
    return ChunkGrid(
        part,
        np.concatenate(coordinates).astype(np.int32),
        all_widths,
        all_heights,
        all_widths * all_heights * pixel_bytes,
    )


def _tiles_across(length: int, tile_length: int) -> int:
    return -(-length // tile_length)


def _levels(tiles: TileDescription, window: Box) -> list[tuple[int, int, int, int]]:
    """Return (level x, level y, width, height) of each level, in the order of the offset table."""
    x_levels = range(_level_count(window.width, tiles.round_up))
    y_levels = range(_level_count(window.height, tiles.round_up))
    if tiles.level_mode is LevelMode.ONE_LEVEL:
        pairs = [(0, 0)]
    elif tiles.level_mode is LevelMode.MIPMAP_LEVELS:
        pairs = [(level, level) for level in max(x_levels, y_levels, key=len)]
    else:
        pairs = [(level_x, level_y) for level_y, level_x in itertools.product(y_levels, x_levels)]
    return [
        (x, y, _level_size(window.width, x, tiles.round_up), _level_size(window.height, y, tiles.round_up))
        for x, y in pairs
    ]


def _level_count(length: int, round_up: bool) -> int:
    return ((length - 1).bit_length() if round_up else length.bit_length() - 1) + 1


def _level_size(length: int, level: int, round_up: bool) -> int:
    return max(1, -(-length >> level) if round_up else length >> level)
