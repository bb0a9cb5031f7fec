"""Compressions that go through the OpenEXR library: as sources, as targets, and damaged."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import OpenEXR
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exrbatch import Compression, FileReport, Status, recompress
from exrbatch.codecs import library
from tests.support.build import PartSpec, build
from tests.support.examples import examples
from tests.support.explode import explode
from tests.support.specs import file_specs
from tests.test_oracles import read_with_library

LOSSLESS = [
    Compression.PIZ,
    Compression.PXR24,
    Compression.HTJ2K256,
    Compression.HTJ2K32,
    Compression.ZSTD,
    Compression.RLE,
    Compression.ZIPS,
    Compression.ZIP,
]


def force(path: Path, target: Compression | str) -> FileReport:
    return recompress(path, target, force=True, include_lossy_sources=True)


def smooth(width: int = 150, height: int = 300) -> dict[str, Any]:
    """Make a picture that compresses well: half colours, float depth, uint ids."""
    y, x = np.mgrid[0:height, 0:width]
    random = np.random.default_rng(1)
    colours = {name: np.sin(x / 30 + y / (40 + i)) + random.random(x.shape) / 50 for i, name in enumerate("RGB")}
    return {name: plane.astype(np.float16) for name, plane in colours.items()} | {
        "Z": (x * y / 100).astype(np.float32),
        "id": (x // 20).astype(np.uint32),
    }


def write(path: Path, compression: Compression, channels: dict[str, Any], *, tiled: bool = False) -> None:
    header: dict[str, Any] = {
        "compression": OpenEXR.Compression(int(compression)),
        "type": OpenEXR.tiledimage if tiled else OpenEXR.scanlineimage,
    }
    if tiled:
        header["tiles"] = OpenEXR.TileDescription()
        header["tiles"].xSize, header["tiles"].ySize = 64, 48
    with OpenEXR.File(header, channels) as file:
        file.write(str(path))


@pytest.mark.parametrize("tiled", [False, True], ids=["scan lines", "tiles"])
@pytest.mark.parametrize("source", Compression)
def test_reads_every_compression_as_openexr_does(tmp_path: Path, source: Compression, tiled: bool) -> None:
    """The library writes files in all fourteen.

    As NONE and ZIP, ours hold what the library itself reads.
    """
    path = tmp_path / "frame.exr"
    write(path, source, smooth(), tiled=tiled)
    before = read_with_library(path)
    for target in ("none", "zip"):
        assert force(path, target).status is Status.RECOMPRESSED
        assert read_with_library(path) == before


@pytest.mark.parametrize("tiled", [False, True], ids=["scan lines", "tiles"])
@pytest.mark.parametrize("target", LOSSLESS)
def test_lossless_targets_equal_files_of_openexr(tmp_path: Path, target: Compression, tiled: bool) -> None:
    """Recompressed from NONE, they are byte for byte what the library writes in one go.

    So groups change nothing. ZIP, ZIPS and RLE may be cut into blocks and runs in other ways.
    """
    channels = smooth()
    if target is Compression.PXR24:
        del channels["Z"]
    ours, theirs = tmp_path / "ours.exr", tmp_path / "theirs.exr"
    write(ours, Compression.NONE, channels, tiled=tiled)
    write(theirs, target, channels, tiled=tiled)
    assert recompress(ours, target, force=True).status is Status.RECOMPRESSED
    if target in (Compression.RLE, Compression.ZIP, Compression.ZIPS):
        assert read_with_library(ours) == read_with_library(theirs)
    else:
        assert ours.read_bytes() == theirs.read_bytes()


@examples(40)
@given(specs=file_specs(), interleave=st.booleans(), data=st.data())
def test_recompression_and_back_keeps_raw_bytes(
    tmp_path: Path, specs: list[PartSpec], interleave: bool, data: st.DataObject
) -> None:
    """Any storage kind, to any compression that is exact for it, and back.

    A plain decoder finds the same raw bytes.
    """
    content = build(specs, interleave=interleave)
    path = tmp_path / "frame.exr"
    path.write_bytes(content)
    for _ in range(2):
        report = force(path, data.draw(st.sampled_from(Compression)))
        assert report.status is Status.RECOMPRESSED or (
            report.status is Status.SKIPPED and re.search("would change|not a power of 2", report.reason or "")
        ), report.reason
    assert force(path, "none").status is Status.RECOMPRESSED
    before, after = explode(content), explode(path.read_bytes())
    assert [part.raw for part in after] == [part.raw for part in before]


def test_names_a_damaged_chunk_and_prints_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The library prints and drops the part.

    We name the chunk, give the library's reason, and keep the terminal clean.
    """
    path = tmp_path / "frame.exr"
    write(path, Compression.PIZ, {"id": smooth()["id"]})
    data = bytearray(path.read_bytes())
    assert recompress(path, "none", dry_run=True, force=True).status is Status.PLANNED
    offsets = np.frombuffer(data, "<u8", 10, data.index(b"scanlineimage\0") + len(b"scanlineimage\0"))
    for byte in range(int(offsets[3]) + 8, int(offsets[4])):
        data[byte] ^= 0xFF
    path.write_bytes(data)
    report = recompress(path, "none", force=True)
    assert report.status is Status.FAILED
    assert f"part 0, chunk 3 at byte {offsets[3]}: OpenEXR can't decompress it" in (report.reason or "")
    assert "\n" not in (report.reason or "")
    assert path.read_bytes() == data
    assert capfd.readouterr() == ("", "")


def test_does_not_use_an_openexr_that_is_too_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenEXR takes an unknown compression for ZIP, or leaves the part out."""
    path = tmp_path / "frame.exr"
    write(path, Compression.LJ2K, smooth())
    before = path.read_bytes()
    real = library._library()
    old = SimpleNamespace(OPENEXR_VERSION="3.4.17", **{n: getattr(real, n) for n in ("File", "Compression", "Channel")})
    monkeypatch.setattr(library, "_library", lambda: old)
    report = force(path, "zip")
    assert (report.status, report.reason) == (
        Status.SKIPPED,
        "LJ2K needs OpenEXR 3.5 or newer; 3.4.17 is installed",
    )
    assert path.read_bytes() == before


def test_refuses_incomplete_answers_of_openexr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If it runs out of memory, shapes are wrong and parts are missing."""
    path = tmp_path / "frame.exr"
    write(path, Compression.PIZ, {"R": smooth()["R"], "G": smooth()["G"]})
    real = library._library()

    class Less(real.File):  # type: ignore[misc, name-defined]
        @property
        def parts(self) -> list[Any]:
            part = super().parts[0]
            channels = {name: channel for name, channel in part.channels.items() if name != "G"}
            return [SimpleNamespace(channels=channels)]

    fake = SimpleNamespace(OPENEXR_VERSION="3.5.3", File=Less)
    monkeypatch.setattr(library, "_library", lambda: fake)
    report = recompress(path, "none", force=True)
    assert report.status is Status.FAILED
    assert "that differ from the header" in (report.reason or "")


def test_ignores_a_dwa_level_of_the_wrong_size(tmp_path: Path) -> None:
    """The attribute is copied as it is, and plays no part in the compression."""
    path = tmp_path / "frame.exr"
    path.write_bytes(build([PartSpec(window=(0, 0, 31, 31), attributes=(("dwaCompressionLevel", "float", b"ab"),))]))
    assert recompress(path, "piz", force=True).status is Status.RECOMPRESSED
    assert b"dwaCompressionLevel\0float\0\x02\0\0\0ab" in path.read_bytes()
