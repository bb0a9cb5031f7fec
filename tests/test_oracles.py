"""Our output is read by the OpenEXR library and by OpenImageIO, which share no code with us."""

from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest

from exrbatch import Compression, Status, recompress
from tests.support.build import PartSpec, build

COMPRESSIONS = [Compression.NONE, Compression.RLE, Compression.ZIPS, Compression.ZIP]
ALL_HALVES = np.arange(65536, dtype=np.uint16).view(np.float16).reshape(256, 256)
ODD_FLOATS = np.array(
    [0x7F800001, 0xFFC12345, 0x80000000, 0x00000001, 0x807FFFFF, 0x7F800000], np.uint32
).view(np.float32)  # fmt: skip


def read_with_library(path: Path) -> list[dict[str, tuple[Any, ...]]]:
    """Return every channel of every part as bytes with shape and type.

    Deep channels are read pixel by pixel.
    """
    with OpenEXR.File(str(path), separate_channels=True) as file:
        return [{name: _channel(channel) for name, channel in part.channels.items()} for part in file.parts]


def _channel(channel: Any) -> tuple[Any, ...]:
    pixels = channel.pixels
    if pixels.dtype == object:
        values = [None if samples is None or not len(samples) else samples.tobytes() for samples in pixels.ravel()]
        return pixels.shape, values
    return pixels.shape, str(pixels.dtype), pixels.tobytes()


@pytest.mark.parametrize("source", COMPRESSIONS)
@pytest.mark.parametrize("target", COMPRESSIONS)
def test_openexr_reads_every_bit_pattern_unchanged(tmp_path: Path, source: Compression, target: Compression) -> None:
    """All halves, NaN payloads, -0.0, denormals, any uint: written and read by the library."""
    random = np.random.default_rng(3)
    floats = np.concatenate([ODD_FLOATS, random.integers(0, 1 << 32, 1000, np.uint32).view(np.float32)])
    channels = {
        "H": ALL_HALVES,
        "F": np.resize(floats, (256, 256)),
        "U": random.integers(0, 1 << 32, (256, 256), dtype=np.uint32),
    }  # fmt: skip
    path = tmp_path / "frame.exr"
    header = {"compression": OpenEXR.Compression(int(source)), "type": OpenEXR.scanlineimage}
    with OpenEXR.File(header, channels) as file:
        file.write(str(path))
    before = read_with_library(path)
    assert recompress(path, target, force=True).status is Status.RECOMPRESSED
    assert read_with_library(path) == before
    assert OpenEXR.File(str(path), header_only=True).header()["compression"] == OpenEXR.Compression(int(target))


FLAT_AND_DEEP = {
    "tiled": [PartSpec(storage="tiledimage", tiles=(16, 8, 0, 0), window=(-7, 3, 40, 60))],
    "deep": [PartSpec(storage="deepscanline", window=(5, -5, 30, 20), channels=(("Z", 2, 1, 1), ("A", 1, 1, 1)))],
    "deep tiled": [PartSpec(storage="deeptile", tiles=(8, 8, 0, 0), window=(0, 0, 18, 21))],
    "subsampled": [PartSpec(window=(-12, -18, 11, 17), channels=(("BY", 1, 2, 2), ("RY", 1, 2, 2), ("Y", 1, 1, 1)))],
    "mixed parts": [
        PartSpec(name="flat", window=(0, 0, 30, 40)),
        PartSpec(name="deep", storage="deepscanline", window=(0, 0, 30, 40), seed=2),
        PartSpec(name="tiles", storage="tiledimage", tiles=(9, 9, 0, 1), window=(0, 0, 30, 40), seed=3),
    ],
}


@pytest.mark.parametrize("kind", FLAT_AND_DEEP)
@pytest.mark.parametrize("target", COMPRESSIONS[1:])
def test_openexr_reads_every_storage_kind_unchanged(tmp_path: Path, kind: str, target: Compression) -> None:
    """For hand-made files of each kind, it reads the same samples before and after."""
    path = tmp_path / "frame.exr"
    path.write_bytes(build(FLAT_AND_DEEP[kind], interleave=True))
    before = read_with_library(path)
    assert len(before) == len(FLAT_AND_DEEP[kind])
    assert recompress(path, target, force=True).status is Status.RECOMPRESSED
    assert read_with_library(path) == before


@pytest.mark.parametrize("rounding", [0, 1], ids=["round down", "round up"])
@pytest.mark.parametrize("target", COMPRESSIONS[1:])
def test_openimageio_reads_every_level_unchanged(tmp_path: Path, rounding: int, target: Compression) -> None:
    """OpenEXR.File can't read levels; OpenImageIO finds the same pixels in each.

    Mip levels only: OpenImageIO asks a ripmap for tiles that it doesn't have. The plain decoder
    reads those.
    """
    oiio = pytest.importorskip("OpenImageIO")
    path = tmp_path / "frame.exr"
    spec = PartSpec(storage="tiledimage", tiles=(8, 16, 1, rounding), window=(0, 0, 36, 20), channels=(("Y", 1, 1, 1),))
    path.write_bytes(build([spec]))

    def levels() -> list[bytes]:
        found: list[bytes] = []
        image = oiio.ImageInput.open(str(path))
        assert image is not None, oiio.geterror()
        while image.seek_subimage(0, len(found)):
            pixels = image.read_image(0, len(found), 0, -1, oiio.HALF)
            assert pixels is not None, image.geterror()
            found.append(pixels.tobytes())
        image.close()
        return found

    before = levels()
    assert len(before) > 1
    assert recompress(path, target, force=True).status is Status.RECOMPRESSED
    assert levels() == before


def test_zip_files_are_as_small_as_those_of_openexr(tmp_path: Path) -> None:
    """At balanced effort a file is at most 1 % larger than what OpenEXR itself writes as ZIP."""
    random = np.random.default_rng(1)
    pixels = {name: (random.random((100, 300)) * 0.1 + 0.5).astype(np.float16) for name in "RGBA"}
    files = {}
    for name, compression in (("none", OpenEXR.NO_COMPRESSION), ("zip", OpenEXR.ZIP_COMPRESSION)):
        files[name] = tmp_path / f"{name}.exr"
        with OpenEXR.File({"compression": compression, "type": OpenEXR.scanlineimage}, pixels) as file:
            file.write(str(files[name]))
    assert recompress(files["none"], "zip").status is Status.RECOMPRESSED
    assert files["none"].stat().st_size < 1.01 * files["zip"].stat().st_size
