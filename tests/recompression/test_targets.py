"""Targets: which files are left alone, which are refused, and what `auto` chooses."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest

from exrbatch import Compression, Status, UnsupportedFile, recompress
from exrbatch.codecs.planes import to_planes
from exrbatch.exr.header import parse_header
from exrbatch.recompression.choices import Permissions
from exrbatch.recompression.targets import Targets, check_targets, choose_targets
from tests.support.build import PartSpec, build
from tests.support.explode import explode
from tests.test_oracles import read_with_library


def write(path: Path, compression: object = OpenEXR.NO_COMPRESSION, **channels: np.ndarray) -> None:
    with OpenEXR.File({"compression": compression, "type": OpenEXR.scanlineimage}, channels) as file:
        file.write(str(path))


@pytest.fixture
def frame(tmp_path: Path) -> Path:
    """Build an uncompressed RGB half picture with a float depth."""
    y, x = np.mgrid[0:200, 0:300]
    colour = (np.sin(x / 9) + y / 100).astype(np.float16)
    write(tmp_path / "frame.exr", R=colour, G=colour, B=colour, Z=x.astype(np.float32))
    return tmp_path / "frame.exr"


@pytest.mark.parametrize(
    ("target", "channels"),
    [("pxr24", "channel Z"), ("b44", "channels B, G, R"), ("dwaa", "channels B, G, R"), ("lj2k", "channels B, G, R")],
)
def test_refuses_a_lossy_target_and_names_the_channels(frame: Path, target: str, channels: str) -> None:
    """If it is allowed, the file is recompressed and the report names the channels, too."""
    before = frame.read_bytes()
    report = recompress(frame, target)
    assert (report.status, report.reason) == (
        Status.SKIPPED,
        f"part 0: {target.upper()} would change {channels} (--allow-lossy)",
    )
    assert frame.read_bytes() == before
    report = recompress(frame, target, allow_lossy=True)
    assert report.status is Status.RECOMPRESSED
    assert f"channel{'s' * (len(report.lossy_channels) > 1)} {', '.join(report.lossy_channels)}" == channels


def test_lossy_targets_lose_what_openexr_loses(frame: Path, tmp_path: Path) -> None:
    """With --allow-lossy the result is what OpenEXR itself writes."""
    with OpenEXR.File(str(frame), separate_channels=True) as file:
        planes = {name: channel.pixels for name, channel in file.parts[0].channels.items()}
    for number in (OpenEXR.PXR24_COMPRESSION, OpenEXR.B44A_COMPRESSION, OpenEXR.DWAB_COMPRESSION):
        theirs, ours = tmp_path / "theirs.exr", tmp_path / "ours.exr"
        write(theirs, number, **planes)
        assert recompress(frame, number, output=ours, allow_lossy=True, force=True).status is Status.RECOMPRESSED
        assert read_with_library(ours) == read_with_library(theirs)


def test_leaves_a_lossy_source_alone(frame: Path) -> None:
    """It usually grows.

    On request it is recompressed, and keeps the bits that it decodes to.
    """
    recompress(frame, "dwaa", allow_lossy=True)
    report = recompress(frame, "zip")
    assert report.status is Status.SKIPPED
    assert "a lossy source: DWAA has changed channels B, G, R" in (report.reason or "")
    before = read_with_library(frame)
    assert recompress(frame, "zip", include_lossy_sources=True, force=True).status is Status.RECOMPRESSED
    assert read_with_library(frame) == before


def test_a_source_is_lossy_only_if_its_channels_can_be(tmp_path: Path) -> None:
    """PXR24 without float channels and B44 without half channels lose nothing."""
    for number in (OpenEXR.PXR24_COMPRESSION, OpenEXR.B44_COMPRESSION):
        path = tmp_path / "ids.exr"
        write(path, number, id=np.arange(64 * 64, dtype=np.uint32).reshape(64, 64) // 50)
        assert recompress(path, "zip", force=True).status is Status.RECOMPRESSED


def test_leaves_aces_containers_alone(tmp_path: Path) -> None:
    """SMPTE ST 2065-4 forbids compression in them."""
    path = tmp_path / "aces.exr"
    flag = ("acesImageContainerFlag", "int", struct.pack("<i", 1))
    path.write_bytes(build([PartSpec(window=(0, 0, 63, 63), noise=0.05, attributes=(flag,))]))
    report = recompress(path)
    assert report.status is Status.SKIPPED
    assert "an ACES container" in (report.reason or "")
    assert recompress(path, allow_aces=True).status is Status.RECOMPRESSED


def test_refuses_more_chunks_than_openexr_reads() -> None:
    """OpenEXR can't read more than 2^20 chunks in a part."""
    window = struct.pack("<4i", 0, 0, 15, 15)
    data = build([PartSpec(compression=3)]).replace(window, struct.pack("<4i", 0, 0, 15, 1 << 20))
    header = parse_header(data, 1 << 40)
    check_targets(header, choose_targets(header, Compression.ZIP), Permissions())
    with pytest.raises(UnsupportedFile, match="would have 1048577 chunks as ZIPS; OpenEXR reads at most 1048576"):
        check_targets(header, choose_targets(header, Compression.ZIPS), Permissions())


def test_verifies_exact_channels_beside_lossy_ones(frame: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DWA may change R, G, B; a wrong bit in Z is found, and the original stays."""
    before = frame.read_bytes()
    real = to_planes

    def damaged(*arguments: Any) -> dict[str, Any]:
        planes = real(*arguments)
        planes["Z"].view(np.uint32)[0, 0] ^= 1
        return planes

    monkeypatch.setattr("exrbatch.codecs.library.to_planes", damaged)
    report = recompress(frame, "dwaa", allow_lossy=True)
    assert report.status is Status.FAILED
    assert "part 0, chunk 0, channel Z, pixel x 0 y 0" in (report.reason or "")
    assert frame.read_bytes() == before


def test_uses_only_our_own_codecs_for_names_that_are_no_utf_8(tmp_path: Path) -> None:
    """The OpenEXR module can't take them.

    ZIP and ZSTD can, and auto chooses among what is possible.
    """
    path = tmp_path / "frame.exr"
    spec = PartSpec(channels=(("\udce9t\udce9.R", 1, 1, 1), ("Z", 2, 1, 1)), window=(0, 0, 63, 63), noise=0.05)
    path.write_bytes(build([spec]))
    report = recompress(path, "piz")
    assert report.status is Status.SKIPPED
    assert "not printable UTF-8" in (report.reason or "")
    assert (report.reason or "").isprintable()
    report = recompress(path, "auto", readers="3.5")
    assert report.status is Status.RECOMPRESSED
    assert set(report.trials[0]) == {"NONE", "RLE", "ZIPS", "ZIP", "ZSTD"}


@pytest.mark.parametrize("source", ["piz", "htj2k32", "dwab", "zip"])
def test_auto_never_fails_on_far_windows_and_odd_samplings(tmp_path: Path, source: str) -> None:
    """Whatever can be packed is packed."""
    far = (1 << 30) - 101
    specs = [
        PartSpec(channels=(("Y", 1, 1, 1), ("Z", 2, 1, 3)), window=(0, 0, 63, 98), noise=0.05),
        PartSpec(window=(far, -far, far + 99, -far + 99), noise=0.05),
        PartSpec(channels=(("Y", 1, 1, 1), ("Z", 2, 64, 64)), window=(0, 0, 127, 127), noise=0.05),
    ]
    for spec in specs:
        path = tmp_path / "frame.exr"
        content = build([spec])
        path.write_bytes(content)
        report = recompress(path, source, force=True, allow_lossy=True)
        assert report.status is Status.RECOMPRESSED or "the sampling is not a power of 2" in (report.reason or "")
        report = recompress(path, "auto", force=True, readers="3.5", include_lossy_sources=True)
        assert report.status is Status.RECOMPRESSED, report.reason
        recompress(path, "none", force=True, include_lossy_sources=True)
        if source != "dwab":
            assert explode(path.read_bytes())[0].raw == explode(content)[0].raw


class TestAuto:
    """`-c auto` takes the smallest that the readers can read, and gives the reason."""

    def test_auto_takes_the_smallest(self, frame: Path, tmp_path: Path) -> None:
        """The sample is most of a small picture, so no other allowed compression gives less."""
        sizes = {}
        for name in ("rle", "zips", "zip", "piz"):
            sizes[name.upper()] = recompress(frame, name, output=tmp_path / f"{name}.exr", force=True).size_after
        report = recompress(frame, "auto")
        assert report.status is Status.RECOMPRESSED
        assert report.compressions_after == (min(sizes, key=sizes.__getitem__),)
        assert report.size_after == min(sizes.values())
        (trials,) = report.trials
        assert set(trials) == {"NONE", "RLE", "ZIPS", "ZIP", "PIZ"}
        assert min(trials, key=trials.__getitem__) == report.compressions_after[0]

    def test_auto_chooses_the_same_again(self, frame: Path) -> None:
        """The second run chooses the same compression and changes nothing."""
        for target in ("auto", "auto:speed"):
            first = recompress(frame, target, readers="3.5", force=True)
            again = recompress(frame, target, readers="3.5")
            assert again.status is Status.ALREADY
            assert again.trials == first.trials

    def test_readers_limit_the_choice_of_auto(self, frame: Path) -> None:
        """A compression that needs a newer OpenEXR is tried only for readers that have it."""
        assert "HTJ2K32" not in recompress(frame, "auto", dry_run=True).trials[0]
        assert "HTJ2K32" in recompress(frame, "auto", readers="3.4", dry_run=True).trials[0]
        assert "ZSTD" not in recompress(frame, "auto", readers="3.4", dry_run=True).trials[0]
        assert "ZSTD" in recompress(frame, "auto", readers="3.5", dry_run=True).trials[0]

    def test_auto_chooses_for_each_part(self, tmp_path: Path) -> None:
        """Deep parts have fewer choices; subsampled, tiled and tiny parts work as well."""
        path = tmp_path / "parts.exr"
        specs = [
            PartSpec(name="a", window=(0, 0, 99, 70), noise=0.02),
            PartSpec(name="b", storage="deepscanline", window=(0, 0, 40, 40), noise=0.0),
            PartSpec(name="c", storage="tiledimage", tiles=(16, 16, 1, 0), window=(0, 0, 70, 70), noise=0.02),
            PartSpec(name="d", channels=(("Y", 1, 1, 1), ("BY", 1, 3, 3)), window=(0, -3, 8, 95), noise=0.02),
            PartSpec(name="e", window=(5, 5, 5, 5)),
        ]
        path.write_bytes(build(specs))
        report = recompress(path, "auto")
        assert report.status is Status.RECOMPRESSED, report.reason
        assert set(report.trials[1]) == {"NONE", "RLE", "ZIPS"}
        assert Targets((Compression.ZIP,)).notes == ()


def test_does_not_give_openexr_what_it_takes_too_much_for(tmp_path: Path) -> None:
    """It needs memory for each pixel of a window, and JPEG 2000 hours for many channels."""
    wide = tmp_path / "wide.exr"
    wide.write_bytes(build([PartSpec(channels=(("Y", 1, 1 << 20, 1),), window=(0, 0, (1 << 20) - 1, 31), noise=0.05)]))
    assert "window 1048576 pixels wide" in (recompress(wide, "piz", force=True).reason or "")
    assert recompress(wide, "auto", readers="3.5", force=True).status is Status.RECOMPRESSED
    many = tmp_path / "many.exr"
    channels = tuple((f"c{index:04}", 1, 1, 1) for index in range(1100))
    many.write_bytes(build([PartSpec(channels=channels, window=(0, 0, 1, 1), noise=0.05)]))
    for name in ("htj2k32", "lj2k"):
        assert "1100 channels, for which OpenEXR's JPEG 2000" in (recompress(many, name, force=True).reason or "")
    assert recompress(many, "piz", force=True).status is Status.RECOMPRESSED
