"""Real input: the OpenEXR reference images, good and damaged (skipped where they are not beside the checkout)."""

import shutil
from pathlib import Path

import psutil

from exrbatch import Compression, Status, recompress, recompress_many
from tests.file.test_lossless import assert_same_but_compression
from tests.support.explode import explode, headers
from tests.test_oracles import read_with_library

TARGETS = [Compression.NONE, Compression.RLE, Compression.ZIPS, Compression.ZIP]


def test_every_image_to_every_compression_and_back(reference_images: Path, tmp_path: Path) -> None:
    """29 files: those of this issue's compressions change to each of the four and back; others are skipped."""
    done, skipped = 0, 0
    for image in sorted(reference_images.rglob("*.exr")):
        if "Damaged" in image.parts:
            continue
        path = tmp_path / image.name
        shutil.copyfile(image, path)
        original = image.read_bytes()
        _, parts, end = headers(original)
        compressions = {(part.value("compression") or b"?")[0] for part in parts}
        assert len(compressions) == 1
        compression = Compression(compressions.pop())
        if compression not in TARGETS:
            report = recompress(path, "zip", force=True)
            assert report.status is Status.SKIPPED
            assert "not supported yet" in (report.reason or "")
            assert path.read_bytes() == original
            skipped += 1
            continue
        pixels = read_with_library(path)
        for target in [*TARGETS, compression]:
            report = recompress(path, target, force=True)
            assert report.status is Status.RECOMPRESSED, f"{image}: {report.reason}"
            assert read_with_library(path) == pixels
            if image.stat().st_size < 130_000:  # the plain oracle, which reads all levels, takes its time
                assert_same_but_compression(original, path.read_bytes(), target)
        assert path.read_bytes()[:end] == original[:end]
        done += 1
    assert (done, skipped) == (13, 16)


def test_damaged_files_in_one_batch(reference_images: Path, tmp_path: Path) -> None:
    """88 hostile files: none takes the run down, changes, leaves a temp file or makes a worker take 1 GB."""
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
    """Peak resident bytes of a process (Linux), so that no short burst is missed between two looks."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return int(psutil.Process(pid).memory_info().rss)
