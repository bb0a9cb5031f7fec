"""Measuring a file: pieces of it, automatic choices, and the errors of lossy compressions."""

from pathlib import Path

import numpy as np
import OpenEXR
import pytest
from numpy.typing import NDArray

from exrbatch import Compression, Status
from exrbatch.jobs import job
from exrbatch.jobs.file_report import FileReport
from exrbatch.jobs.measure_job import MeasureJob, MeasureRules
from exrbatch.recompression.choices import Permissions

Channels = dict[str, NDArray[np.float16]]


def write(path: Path, channels: Channels, compression: OpenEXR.Compression = OpenEXR.NO_COMPRESSION) -> Path:
    with OpenEXR.File({"compression": compression, "type": OpenEXR.scanlineimage}, dict(channels)) as file:
        file.write(str(path))
    return path


def read(path: Path) -> Channels:
    with OpenEXR.File(str(path), separate_channels=True) as file:
        return {name: channel.pixels for name, channel in file.channels().items()}


def measured(path: Path, compression: Compression | None, most_raw: int | None = None) -> FileReport:
    rules = MeasureRules(compression=compression, most_raw=most_raw, permissions=Permissions(allow_lossy=True))
    report = job.run(MeasureJob(source=str(path), rules=rules))
    assert report.status is Status.MEASURED, report.reason
    return report


def picture(height: int = 200, width: int = 150) -> Channels:
    random = np.random.default_rng(7)
    return {name: random.random((height, width), np.float32).astype(np.float16) * 3 for name in "RGBA"}


@pytest.mark.parametrize(
    ("compression", "theirs"),
    [(Compression.DWAA, OpenEXR.DWAA_COMPRESSION), (Compression.B44, OpenEXR.B44_COMPRESSION)],
)
def test_errors_are_those_of_the_file_that_openexr_writes(
    tmp_path: Path, compression: Compression, theirs: OpenEXR.Compression
) -> None:
    """Maximum error, peak and mean square of each channel, compared with what the library reads."""
    pixels = picture()
    measurement = measured(write(tmp_path / "a.exr", pixels), compression).measurement
    assert measurement is not None
    after = read(write(tmp_path / "b.exr", pixels, theirs))
    lossy = {"R", "G", "B", "A"} if compression is Compression.B44 else {"R", "G", "B"}
    assert {error.channel for error in measurement.errors} == lossy
    for error in measurement.errors:
        old, new = (each[error.channel].astype(np.float64) for each in (pixels, after))
        assert error.max_error == np.abs(old - new).max() > 0
        assert error.peak == np.abs(old).max()
        assert error.mean_square == pytest.approx(np.square(old - new).mean())
        assert error.psnr == pytest.approx(10 * np.log10(error.peak**2 / error.mean_square))


def test_samples_that_are_not_finite_before_do_not_count(tmp_path: Path) -> None:
    """An infinite sample has no error, and would make all figures infinite."""
    pixels = picture()
    pixels["R"][:50] = np.inf
    pixels["G"][:50] = np.nan
    measurement = measured(write(tmp_path / "a.exr", pixels), Compression.DWAA).measurement
    assert measurement is not None
    for error in measurement.errors:
        assert np.isfinite([error.max_error, error.peak, error.mean_square]).all()


def test_lossless_compressions_have_no_errors(tmp_path: Path) -> None:
    """They are compared bit by bit instead."""
    measurement = measured(write(tmp_path / "a.exr", picture()), Compression.PIZ).measurement
    assert measurement is not None
    assert measurement.errors == ()


def test_pieces_are_spread_over_the_file_and_no_size_is_claimed(tmp_path: Path) -> None:
    """A few spans of a large file; the whole of a small one."""
    random = np.random.default_rng(3)
    large = {name: random.random((3000, 1500), np.float32).astype(np.float16) for name in "RGB"}
    path = write(tmp_path / "large.exr", large)
    pieces, whole = measured(path, Compression.ZIP, 1_000_000).measurement, measured(path, Compression.ZIP).measurement
    assert pieces is not None
    assert whole is not None
    assert 0 < pieces.raw_size < whole.raw_size == 3000 * 1500 * 6
    assert pieces.new_size == 0
    assert pieces.packed_size / pieces.raw_size == pytest.approx(whole.packed_size / whole.raw_size, rel=0.05)


def test_automatic_choice_is_that_of_recompress(tmp_path: Path) -> None:
    """It is measured with the compression that it takes, and its size is that of a run."""
    y, x = np.mgrid[0:200, 0:150]
    path = write(tmp_path / "a.exr", {name: ((x // 9) * (y // 7) % 50).astype(np.float16) for name in "RGB"})
    report = measured(path, None)
    (chosen,) = report.compressions_after
    fixed = measured(path, Compression[chosen]).measurement
    assert report.measurement is not None
    assert fixed is not None
    assert report.measurement.new_size == fixed.new_size
    assert report.measurement.choice_seconds > 0
