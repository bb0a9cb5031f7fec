"""An estimate agrees with a run over the same files, and writes nothing."""

import json
import os
from pathlib import Path

import pytest

from exrbatch.bench.matrix import parse_packings
from exrbatch.inventory.estimate import Estimator
from exrbatch.inventory.scanning import scan
from exrbatch.recompression.choices import Permissions
from tests.cli.test_recompress import identities
from tests.support.build import PartSpec, build
from tests.support.commands import exrbatch


def frame(seed: int, noise: float, compression: int = 0) -> bytes:
    """Return a frame that compresses better with less noise."""
    return build([PartSpec(window=(0, 0, 63, 47), noise=noise, seed=seed, compression=compression)])


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    """Make frames that differ, one of them finished, and files that a run skips."""
    folder = tmp_path / "shots"
    folder.mkdir()
    for number in range(6):
        (folder / f"b.{number}.exr").write_bytes(frame(number, 0.05 + 0.1 * number))
    (folder / "done.exr").write_bytes(frame(9, 0.05, 3))
    (folder / "linked.exr").write_bytes(frame(10, 0.05))
    os.link(folder / "linked.exr", folder / "second.exr")
    (folder / "broken.exr").write_bytes(frame(11, 0.05)[:99])
    (folder / "pointer.exr").symlink_to("b.1.exr")
    return folder


def test_agrees_with_a_run(shots: Path) -> None:
    """With every file measured, bytes are exact. Links and broken files are left out."""
    before = identities(shots)
    document = json.loads(
        exrbatch("scan", shots, "--estimate", "-c", "zip,zstd", "--json", "-j", 2, "--sample-time", "9m", code=1).stdout
    )
    assert identities(shots) == before
    estimate = document["estimate"]
    assert (estimate["frames"], estimate["left_out"], estimate["measured"]) == (7, 3, 7)
    assert [each["compression"] for each in estimate["packings"]] == ["zip", "zstd"]
    saved = estimate["packings"][0]["saved"]
    run = json.loads(exrbatch("recompress", shots, "-c", "zip", "--json", "-j", 1, code=1).stdout)
    actual = sum(each["saved"] for each in run["files"])
    assert saved == {"low": actual, "best": actual, "high": actual}
    assert estimate["packings"][0]["cpu_seconds"]["low"] > 0


def test_finished_sequences_need_no_measurement(tmp_path: Path) -> None:
    """Their headers say that they have the compression already."""
    for number in range(3):
        (tmp_path / f"b.{number}.exr").write_bytes(frame(number, 0.05, 3))
    estimator = Estimator(scan([str(tmp_path)], keeps_files=True), parse_packings("zip", "fast"), Permissions(), 1)
    estimate = estimator.run(60)
    (packing,) = estimate.packings
    assert estimate.measured == 0
    assert packing.saved == (0, 0, 0)
    assert packing.cpu_seconds.best == 0


def test_files_that_vanish_or_are_damaged_save_nothing(tmp_path: Path) -> None:
    """They are reported, and the estimate goes on."""
    for number in range(3):
        (tmp_path / f"b.{number}.exr").write_bytes(frame(number, 0.05))
    data = frame(5, 0.05)
    (tmp_path / "b.3.exr").write_bytes(data[:-20])
    inventory = scan([str(tmp_path)], keeps_files=True)
    (tmp_path / "b.1.exr").unlink()
    estimator = Estimator(inventory, parse_packings("zip", "fast"), Permissions(), 1)
    estimate = estimator.run(60)
    assert estimate.measured == 4
    assert [Path(report.path).name for report in estimate.problems] == ["b.3.exr"]
    assert estimate.packings[0].saved.best < sum(file.size for file in inventory.sequences[0].files[::2])


def test_options_of_an_estimate_need_it(tmp_path: Path) -> None:
    """And an unknown compression is wrong usage before anything is scanned."""
    assert "add --estimate" in exrbatch("scan", tmp_path, "-c", "zip", code=2).stderr
    assert "unknown compression" in exrbatch("scan", tmp_path, "--estimate", "-c", "zipp", code=2).stderr
    assert "nothing to estimate" in exrbatch("scan", tmp_path, "--estimate").stdout
