"""A file that is recompressed, and later uncompressed again, is byte for byte the original.

This holds for uncompressed files in the layout that OpenEXR's library writes: parts one after the
other, scan lines in the order of `lineOrder`, a correct `chunkCount`. See docs/safety.md.
"""

import shutil
from dataclasses import replace
from pathlib import Path

import OpenEXR
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exrbatch import Compression, Status, recompress
from tests.support.build import PartSpec, build
from tests.support.examples import examples
from tests.support.specs import file_specs
from tests.test_reference_images import NUMBERS, images

WAYS = [Compression.ZIPS, Compression.ZIP, Compression.PIZ, Compression.HTJ2K256, Compression.ZSTD]
"""Chunks of 1, 16, 32 and 256 lines, by our own code and by the library."""


def round_trip(path: Path, target: Compression) -> bool:
    """Recompress a file and uncompress it again; return False if it can't have the target.

    We do not verify it: the caller compares all bytes.
    """
    report = recompress(path, target, force=True, include_lossy_sources=True, verify="none")
    if report.status is Status.SKIPPED:
        return False
    assert report.status is Status.RECOMPRESSED, report.reason
    report = recompress(path, Compression.NONE, force=True, verify="none")
    assert report.status is Status.RECOMPRESSED, report.reason
    return True


@examples(60)
@given(specs=file_specs(), target=st.sampled_from([each for each in Compression if each is not Compression.NONE]))
def test_restores_the_usual_layout_byte_for_byte(tmp_path: Path, specs: list[PartSpec], target: Compression) -> None:
    """Parts of any kind, one after the other, in each compression that is exact for them."""
    original = build([replace(spec, compression=0) for spec in specs])
    path = tmp_path / "frame.exr"
    path.write_bytes(original)
    round_trip(path, target)
    assert path.read_bytes() == original


@examples(20)
@given(seed=st.integers(1, 1000), mode=st.integers(0, 2), target=st.sampled_from(WAYS))
def test_restores_tiles_in_any_order_byte_for_byte(tmp_path: Path, seed: int, mode: int, target: Compression) -> None:
    """Tiles keep the order of the file, because they are never cut anew."""
    spec = PartSpec(storage="tiledimage", tiles=(8, 8, mode, 0), window=(0, 0, 40, 30), line_order=2, seed=seed)
    original = build([spec], shuffle=seed)
    path = tmp_path / "frame.exr"
    path.write_bytes(original)
    assert round_trip(path, target)
    assert path.read_bytes() == original


def test_restores_other_layouts_in_the_usual_order(tmp_path: Path) -> None:
    """Unordered scan lines and alternating parts keep their pixels, but not their place."""
    spec = PartSpec(window=(0, 0, 9, 59))
    path = tmp_path / "frame.exr"
    for original in (build([spec], shuffle=7), build([spec, spec], interleave=True)):
        path.write_bytes(original)
        assert round_trip(path, Compression.ZIP)
        assert path.read_bytes() != original
        assert len(path.read_bytes()) == len(original)


@pytest.mark.parametrize("number", NUMBERS)
def test_restores_real_images_byte_for_byte(reference_images: Path, tmp_path: Path, number: int) -> None:
    """Each reference image, stored uncompressed by exrbatch and, if it can, by OpenEXR.

    Most of these two are the same.
    """
    image = images(reference_images)[number]
    ours, theirs = tmp_path / "ours.exr", tmp_path / "theirs.exr"
    shutil.copyfile(image, ours)
    report = recompress(ours, Compression.NONE, force=True, include_lossy_sources=True)
    assert report.status is Status.RECOMPRESSED, report.reason
    is_other = write_with_library(image, theirs) and theirs.read_bytes() != ours.read_bytes()
    for path in (ours, theirs) if is_other else (ours,):
        original = path.read_bytes()
        for target in WAYS:
            assert round_trip(path, target)
            assert path.read_bytes() == original, f"{path.name}, {target.name}"


def write_with_library(image: Path, copy: Path) -> bool:
    """Store an image uncompressed with OpenEXR; return False if its module can't write it."""
    try:
        with OpenEXR.File(str(image), separate_channels=True) as file:
            for part in file.parts:
                if "tiles" in part.header and part.header["tiles"].mode != OpenEXR.ONE_LEVEL:
                    return False  # it would leave out all levels but the first
                part.header["compression"] = OpenEXR.NO_COMPRESSION
            file.write(str(copy))
    except ValueError:  # subsampled channels
        return False
    return True
