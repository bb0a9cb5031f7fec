"""A file is cut into spans of bounded size."""

from pathlib import Path

import pytest

from exrbatch.exr.compression import Compression
from exrbatch.exr.reader import open_exr
from exrbatch.recompression import spans
from exrbatch.recompression.transcode import target_grids
from tests.support.build import PartSpec, build

TILED = PartSpec(storage="tiledimage", tiles=(1, 2, 1, 0), window=(0, 0, 15, 15))


@pytest.mark.parametrize("spec", [PartSpec(window=(0, 0, 0, 99)), PartSpec(compression=3, window=(0, 0, 3, 99)), TILED])
@pytest.mark.parametrize("target", [Compression.ZIPS, Compression.ZIP])
def test_a_span_has_a_bounded_number_of_chunks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: PartSpec, target: Compression
) -> None:
    """That holds for tiny chunks, too; and every chunk is in exactly one span."""
    monkeypatch.setattr(spans, "SPAN_CHUNKS", 32)
    path = tmp_path / "a.exr"
    path.write_bytes(build([spec]))
    with open_exr(str(path)) as file:
        grids = target_grids(file, [target])
        found = list(spans.cut_spans(file, grids))
        assert max(max(len(span.source), len(span.target)) for span in found) <= 32
        assert sorted(chunk for span in found for chunk in span.source) == list(range(file.parts[0].grid.count))
        assert sorted(chunk for span in found for chunk in span.target) == list(range(grids[0].count))
