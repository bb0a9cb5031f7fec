"""`first_different_pixel` names the first pixel in which two versions of raw bytes differ."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from exrbatch.codecs.codec import ChunkGroup, Raw
from exrbatch.exr.chunks import ChunkGrid, chunk_grid
from exrbatch.exr.compression import Compression
from exrbatch.exr.header import parse_header
from exrbatch.recompression.first_difference import first_different_pixel
from tests.support.build import SIZES, PartSpec, build, levels
from tests.support.explode import explode
from tests.support.specs import windows

CHANNELS = (("B", 1, 1, 1), ("Y", 2, 1, 1), ("id", 0, 1, 1))


@dataclass(frozen=True, order=True)
class Sample:
    """One sample, found by counting.

    Attributes:
        chunk: index of its chunk.
        y: line in the picture, or in the level.
        x: column in the picture, or in the level.
        channel: name of its channel.
        start: its first byte in the raw bytes.
        size: bytes.
    """

    chunk: int
    y: int
    x: int
    channel: str
    start: int
    size: int


def grid_of(spec: PartSpec) -> ChunkGrid:
    data = build([spec])
    return chunk_grid(parse_header(data, len(data)).parts[0], Compression(spec.compression))


def as_raw(data: bytes) -> Raw:
    return np.frombuffer(data, np.uint8).copy()


def flipped(raw: Raw, *samples: Sample) -> Raw:
    """Copy raw bytes and change one bit of each of these samples."""
    other = raw.copy()
    for sample in samples:
        other[sample.start + sample.size - 1] ^= 0x10
    return other


def numbers(place: str | None) -> list[int]:
    """Return the numbers that a message names, in its order."""
    assert place is not None
    return [int(number) for number in re.findall(r"-?\d+", place)]


def samples_of_lines(spec: PartSpec) -> Iterator[Sample]:
    """Enumerate the samples of a flat scan line part as they follow one another in the file."""
    x_min, y_min, x_max, y_max = spec.window
    lines_per_chunk = 16 if spec.compression == 3 else 1
    start = 0
    for y in range(y_min, y_max + 1):
        for name, kind, x_sampling, y_sampling in sorted(spec.channels):
            if y % y_sampling == 0:
                for x in range(x_min, x_max + 1, x_sampling):
                    yield Sample((y - y_min) // lines_per_chunk, y, x, name, start, SIZES[kind])
                    start += SIZES[kind]


@st.composite
def scan_line_parts(draw: st.DrawFn) -> PartSpec:
    sampling = st.sampled_from([1, 2, 3])
    channels = tuple((name, kind, draw(sampling), draw(sampling)) for name, kind, _, _ in CHANNELS)
    window = draw(windows(x=6, y=6, most=24))
    return PartSpec(channels=channels, window=window, compression=draw(st.sampled_from([0, 3])))


@given(scan_line_parts(), st.data())
def test_names_the_first_pixel_in_reading_order(spec: PartSpec, data: st.DataObject) -> None:
    """Of several changed samples the topmost is named, of those in one line the leftmost."""
    samples = list(samples_of_lines(spec))
    raw = as_raw(b"".join(explode(build([spec]))[0].raw.values()))
    assert len(raw) == samples[-1].start + samples[-1].size
    changed = data.draw(st.lists(st.sampled_from(samples), min_size=1, max_size=4, unique=True))
    first = min(changed, key=lambda sample: (sample.y, sample.x, sample.channel))
    grid = grid_of(spec)
    place = first_different_pixel(ChunkGroup.of(grid, range(grid.count)), raw, flipped(raw, *changed))
    assert numbers(place) == [0, first.chunk, first.x, first.y]
    assert f"channel {first.channel}" in str(place)


@given(st.integers(0, 19), st.integers(1, 20), st.data())
def test_counts_chunks_and_lines_from_the_start_of_the_part(first: int, count: int, data: st.DataObject) -> None:
    """A group in the middle of a part gets chunk numbers and lines of the whole part."""
    spec = PartSpec(channels=CHANNELS, window=(-5, -7, 4, 12))
    chunks = range(first, min(first + count, 20))
    samples = [sample for sample in samples_of_lines(spec) if sample.chunk in chunks]
    begin = samples[0].start
    raw = as_raw(b"".join(explode(build([spec]))[0].raw.values()))[begin : samples[-1].start + samples[-1].size]
    wanted = data.draw(st.sampled_from(samples))
    other = flipped(raw, replace(wanted, start=wanted.start - begin))
    place = first_different_pixel(ChunkGroup.of(grid_of(spec), chunks), raw, other)
    assert numbers(place) == [0, wanted.chunk, wanted.x, wanted.y]


@pytest.mark.parametrize("storage", ["scanlineimage", "tiledimage"])
def test_ignores_only_the_named_channels(storage: str) -> None:
    """A change in an ignored channel is no difference, and hides no later change in another one."""
    tiles = (16, 8, 0, 0) if storage == "tiledimage" else None
    spec = PartSpec(storage=storage, channels=CHANNELS, window=(0, 0, 15, 7), tiles=tiles)
    raw = as_raw(b"".join(explode(build([spec]))[0].raw.values()))
    grid = grid_of(spec)
    group = ChunkGroup.of(grid, range(grid.count))
    samples = list(samples_of_lines(spec))  # one tile is laid out like the lines that it covers
    ignored = next(sample for sample in samples if sample.channel == "B")
    later = next(sample for sample in samples if (sample.channel, sample.x, sample.y) == ("Y", 9, 5))
    assert first_different_pixel(group, raw, flipped(raw, ignored), ["B"]) is None
    place = first_different_pixel(group, raw, flipped(raw, ignored, later), ["B"])
    assert numbers(place)[-2:] == [9, 5]
    assert "channel Y" in str(place)


@given(st.integers(1, 9), st.integers(1, 9), st.sampled_from([0, 1, 2]), st.sampled_from([0, 1]), st.data())
def test_names_level_tile_and_pixel(x_size: int, y_size: int, mode: int, rounding: int, data: st.DataObject) -> None:
    """Pixels count from the data window on the full level, and from the corner on smaller ones."""
    tiles = (x_size, y_size, mode, rounding)
    spec = PartSpec(storage="tiledimage", channels=CHANNELS, window=data.draw(windows(most=20)), tiles=tiles)
    x_min, y_min, x_max, y_max = spec.window
    boxes = [
        (level_x, level_y, left, top, min(x_size, width - left), min(y_size, height - top))
        for level_x, level_y, width, height in levels(tiles, x_max - x_min + 1, y_max - y_min + 1)
        for top in range(0, height, y_size)
        for left in range(0, width, x_size)
    ]
    chunk = data.draw(st.integers(0, len(boxes) - 1))
    level_x, level_y, left, top, width, height = boxes[chunk]
    row, column = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    start = sum(10 * w * h for *_, w, h in boxes[:chunk]) + 10 * width * row + 2 * width + 4 * column  # in channel Y
    raw = as_raw(b"".join(explode(build([spec]))[0].raw.values()))
    grid = grid_of(spec)
    other = flipped(raw, Sample(chunk, 0, 0, "Y", start, 4))
    place = first_different_pixel(ChunkGroup.of(grid, range(grid.count)), raw, other)
    x, y = left + column, top + row
    if (level_x, level_y) == (0, 0):
        x, y = x + x_min, y + y_min
    level = [level_x, level_y] if mode else []
    assert numbers(place) == [0, *level, chunk, x, y]
    assert "channel Y" in str(place)


def deep_part(storage: str) -> tuple[PartSpec, int, int]:
    """Describe a deep part of one line or one tile; return its width and height, too."""
    if storage == "deeptile":
        return PartSpec(storage=storage, channels=CHANNELS, window=(3, -4, 12, 1), tiles=(10, 6, 0, 0), seed=5), 10, 6
    return PartSpec(storage=storage, channels=CHANNELS, window=(3, -4, 12, -4), seed=5), 10, 1


@pytest.mark.parametrize("storage", ["deepscanline", "deeptile"])
def test_names_the_pixel_that_a_deep_sample_belongs_to(storage: str) -> None:
    """Every byte of a deep chunk's samples is traced back to its pixel and channel."""
    spec, width, height = deep_part(storage)
    raw = as_raw(next(iter(explode(build([spec]))[0].raw.values())))
    counts = raw[: 4 * width * height].view("<i4").reshape(height, width).tolist()
    group = ChunkGroup.of(grid_of(spec), [0])
    start, seen = 4 * width * height, 0
    for row, line in enumerate(counts):
        owners = [column for column in range(width) for _ in range(line[column] - (line[column - 1] if column else 0))]
        for name, kind, _, _ in sorted(CHANNELS):
            for column in owners:
                for byte in range(start, start + SIZES[kind]):
                    place = first_different_pixel(group, raw, flipped(raw, Sample(0, 0, 0, name, byte, 1)))
                    assert numbers(place) == [0, 0, 3 + column, -4 + row]
                    assert f"channel {name}" in str(place)
                start, seen = start + SIZES[kind], seen + 1
    assert (start, seen > 20) == (len(raw), True)


@pytest.mark.parametrize("storage", ["deepscanline", "deeptile"])
def test_names_the_pixel_whose_sample_count_differs(storage: str) -> None:
    """Samples are not compared if the counts differ, as they would belong to other pixels."""
    spec, width, height = deep_part(storage)
    raw = as_raw(next(iter(explode(build([spec]))[0].raw.values())))
    other = np.concatenate([raw, as_raw(bytes(10))])  # one sample more
    other[4 * (width * height - 3)] += 1
    other[4 * width * height] ^= 1
    place = first_different_pixel(ChunkGroup.of(grid_of(spec), [0]), raw, other)
    assert numbers(place) == [0, 0, 3 + width - 3, -4 + height - 1]
    assert "sample counts" in str(place)
    assert "channel" not in str(place)


@given(scan_line_parts(), st.binary(min_size=4, max_size=4))
def test_finds_no_difference_between_equal_bits(spec: PartSpec, bits: bytes) -> None:
    """A NaN equals itself, because bits are compared and not values."""
    size = sum(sample.size for sample in samples_of_lines(spec))
    raw = as_raw((bits * size)[:size])
    grid = grid_of(spec)
    assert first_different_pixel(ChunkGroup.of(grid, range(grid.count)), raw, raw.copy()) is None


@given(st.integers(0, 15))
def test_distinguishes_zero_from_negative_zero(x: int) -> None:
    """Equal values with different bits are a difference."""
    spec = PartSpec(channels=(("R", 1, 1, 1),), window=(0, 0, 15, 0))
    raw = as_raw(bytes(32))
    other = raw.copy()
    other[2 * x + 1] = 0x80
    assume(not np.array_equal(raw, other))
    assert numbers(first_different_pixel(ChunkGroup.of(grid_of(spec), [0]), raw, other)) == [0, 0, x, 0]
