"""The chunk grid covers every pixel of every level once, in the order of the offset table."""

from hypothesis import given
from hypothesis import strategies as st

from exrbatch import Compression
from exrbatch.exr.chunks import chunk_count, chunk_grid
from exrbatch.exr.header import parse_header
from tests.support.build import PartSpec, build, levels
from tests.support.explode import explode
from tests.support.specs import part_specs


@given(part_specs(), st.sampled_from(Compression))
def test_chunks_cover_the_picture_without_gap_or_overlap(spec: PartSpec, compression: Compression) -> None:
    """That holds for the data window, or every level, under any compression."""
    data = build([spec])
    part = parse_header(data, len(data)).parts[0]
    if spec.tiles is None and spec.deep:
        compression = Compression.ZIPS
    grid = chunk_grid(part, compression)
    assert grid.count == chunk_count(part, compression)
    window = part.data_window
    if spec.tiles is None:
        covered = [
            y
            for (first,), height in zip(grid.coordinates.tolist(), grid.heights.tolist(), strict=True)
            for y in range(first, first + height)
        ]
        assert covered == list(range(window.y_min, window.y_max + 1))
        return
    pixels = {(lx, ly): 0 for lx, ly, _, _ in levels(spec.tiles, window.width, window.height)}
    for place, width, height in zip(
        grid.coordinates.tolist(), grid.widths.tolist(), grid.heights.tolist(), strict=True
    ):
        pixels[place[2], place[3]] += width * height
    assert pixels == {(lx, ly): w * h for lx, ly, w, h in levels(spec.tiles, window.width, window.height)}


@given(part_specs())
def test_raw_sizes_equal_those_counted_line_by_line(spec: PartSpec) -> None:
    """With subsampling, negative windows and cropped tiles."""
    data = build([spec])
    grid = chunk_grid(parse_header(data, len(data)).parts[0], Compression(spec.compression))
    raw = list(explode(data)[0].raw.values())
    if not spec.deep:
        assert int(grid.raw_sizes.sum()) == sum(map(len, raw))
    else:
        assert int(grid.raw_sizes.sum()) == 4 * int((grid.widths * grid.heights).sum())
