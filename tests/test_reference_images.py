"""The OpenEXR reference images, sound and damaged.

Skipped if they are not beside the checkout.
"""

import shutil
from pathlib import Path

import psutil
import pytest

from exrbatch import Compression, Status, recompress, recompress_many
from tests.support.explode import explode, headers
from tests.test_oracles import read_with_library

TARGETS = [
    Compression.NONE,
    Compression.RLE,
    Compression.ZIPS,
    Compression.ZIP,
    Compression.PIZ,
    Compression.PXR24,
    Compression.HTJ2K256,
    Compression.HTJ2K32,
    Compression.ZSTD,
]
EXACT = set(TARGETS) - {Compression.PXR24}
"""For every channel."""


IMAGES = 29
SIMILAR = (1, 3, 4)
"""Later frames of two sequences: large, and of the same kind as the first one."""
NUMBERS = [
    pytest.param(number, marks=pytest.mark.deep_profile) if number in SIMILAR else number for number in range(IMAGES)
]


def images(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*.exr")) if "Damaged" not in path.parts]


def test_finds_all_reference_images(reference_images: Path) -> None:
    """The tests below take them one by one."""
    assert len(images(reference_images)) == IMAGES


@pytest.mark.parametrize("number", NUMBERS)
def test_recompresses_every_image_to_every_compression_and_back(
    reference_images: Path, tmp_path: Path, number: int
) -> None:
    """Every lossless target, and back to the image's own compression if that is exact.

    The decoders: the library (level 0 of all parts), the plain decoder for small files as NONE (all
    levels), and the header's bytes.
    """
    image = images(reference_images)[number]
    path = tmp_path / image.name
    shutil.copyfile(image, path)
    original = image.read_bytes()
    _, parts, end = headers(original)
    (source,) = {Compression((part.value("compression") or b"?")[0]) for part in parts}
    pixels = read_with_library(path)
    levels = None
    for target in [*TARGETS, Compression.NONE, source]:
        report = recompress(path, target, force=True, include_lossy_sources=True, verify="native")
        if report.status is Status.SKIPPED:
            assert "would change channel" in (report.reason or ""), report.reason
            assert target not in EXACT
            continue
        assert report.status is Status.RECOMPRESSED, report.reason
        if not any(part.storage_is_deep for part in parts) or target in (Compression.NONE, source):
            assert read_with_library(path) == pixels, target.name
        if target is Compression.NONE and path.stat().st_size < 7_000_000:
            raw = [part.raw for part in explode(path.read_bytes())]
            assert levels in (None, raw)
            levels = raw
        if target is source:
            assert path.read_bytes()[:end] == original[:end]


def test_hostile_files_change_nothing_and_stop_no_run(reference_images: Path, tmp_path: Path) -> None:
    """None of 88 files leaves a temp file or makes a worker take 1 GB."""
    folder = tmp_path / "damaged"
    shutil.copytree(reference_images / "Damaged", folder)
    files = sorted(folder.iterdir())
    before = {path: path.read_bytes() for path in files}
    peak = 0
    reports = []
    for report in recompress_many(files, "zips", jobs=2, force=True):
        reports.append(report)
        for child in psutil.Process().children(recursive=True):
            try:
                peak = max(peak, _peak_rss(child.pid))
            except (psutil.Error, OSError):
                continue
    assert len(reports) == len(files) == len({report.path for report in reports})
    assert 0 < peak < 1_000_000_000
    for report in reports:
        path = Path(report.path)
        assert report.status in (Status.FAILED, Status.SKIPPED, Status.RECOMPRESSED)
        assert "internal error" not in (report.reason or "")
        assert "worker died" not in (report.reason or "")
        if report.status is Status.RECOMPRESSED:
            assert [part.raw for part in explode(path.read_bytes())] == [part.raw for part in explode(before[path])]
        else:
            assert report.reason
            assert path.read_bytes() == before[path]
    assert sorted(folder.iterdir()) == files


def _peak_rss(pid: int) -> int:
    """Return the peak resident bytes of a process (Linux).

    So that no short burst is missed between two looks.
    """
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return int(psutil.Process(pid).memory_info().rss)
