"""The content digest is that of docs/digests.md, and no recompression changes it."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import OpenEXR
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exrbatch import Compression, FileReport, Status
from exrbatch.exr.reader import open_exr
from exrbatch.jobs import digest_job, job
from exrbatch.jobs.check_job import CheckJob, CheckRules
from exrbatch.jobs.digest_job import DigestJob
from exrbatch.recompression import content_digest as module
from exrbatch.recompression import spans
from exrbatch.recompression.choices import Permissions
from tests.jobs.test_check import FILES
from tests.support.build import PartSpec, build
from tests.support.content import content_sha256
from tests.support.examples import examples
from tests.support.jobs import recompress_job
from tests.support.specs import file_specs

LOSSLESS = [
    Compression.NONE,
    Compression.RLE,
    Compression.ZIPS,
    Compression.ZIP,
    Compression.PIZ,
    Compression.PXR24,  # for half and integers
    Compression.HTJ2K32,
    Compression.HTJ2K256,
    Compression.ZSTD,
]
PAGE = Path(__file__).resolve().parents[2] / "docs" / "digests.md"


def digested(path: Path, threads: int = 1) -> str | None:
    report = job.run(DigestJob(source=str(path), threads=threads))
    assert report.status is Status.DIGESTED, report.reason
    return report.content_sha256


def recompressed(path: Path, compression: Compression, **rules: object) -> FileReport:
    return job.run(recompress_job(str(path), compression=compression, force=True, digests=True, **rules))


def program() -> Callable[[str], str]:
    """The program in the documentation."""
    (block,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    names: dict[str, Callable[[str], str]] = {}
    exec(compile(block, str(PAGE), "exec"), names)
    return names["content_digest"]


@examples(20)
@given(
    specs=file_specs(),
    interleave=st.booleans(),
    shuffle=st.integers(0, 2),
    target=st.sampled_from([Compression.NONE, Compression.RLE, Compression.ZIPS, Compression.ZIP, Compression.ZSTD]),
)
def test_equals_the_definition_for_files_of_every_kind(
    tmp_path: Path, specs: list[PartSpec], interleave: bool, shuffle: int, target: Compression
) -> None:
    """Wherever chunks lie; `digest`, `check`, `recompress` and a second `recompress` agree."""
    path = tmp_path / "a.exr"
    data = build(specs, interleave=interleave, shuffle=shuffle)
    path.write_bytes(data)
    expected = content_sha256(data, specs)
    assert digested(path) == digested(path, threads=2) == expected
    checked = job.run(CheckJob(source=str(path), rules=CheckRules(digests=True)))
    assert (checked.status, checked.content_sha256) == (Status.SOUND, expected)
    report = recompressed(path, target)
    assert (report.status, report.content_sha256) == (Status.RECOMPRESSED, expected), report.reason
    assert digested(path) == expected
    again = job.run(recompress_job(str(path), compression=target, digests=True))
    assert (again.status, again.content_sha256) == (Status.ALREADY, expected)


@pytest.mark.parametrize("target", LOSSLESS, ids=lambda each: each.name)
@pytest.mark.parametrize("kind", FILES)
def test_every_lossless_compression_keeps_it(
    tmp_path: Path, kind: str, target: Compression, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With spans of a few chunks, from one compression to the next and back."""
    monkeypatch.setattr(spans, "SPAN_BYTES", 1000)
    specs = FILES[kind]
    path = tmp_path / "a.exr"
    path.write_bytes(build(specs))
    expected = content_sha256(path.read_bytes(), specs)
    for compression in (target, Compression.ZIP):
        report = recompressed(path, compression)
        if kind == "subsampled" and report.status is Status.SKIPPED:
            return  # OpenEXR can't write it
        assert (report.status, report.content_sha256) == (Status.RECOMPRESSED, expected), report.reason
        assert digested(path) == expected


@pytest.mark.parametrize("order", [OpenEXR.INCREASING_Y, OpenEXR.DECREASING_Y])
def test_the_program_in_the_documentation_computes_it(tmp_path: Path, order: object) -> None:
    """With NumPy and OpenEXR, from files that OpenEXR has written, in several compressions."""
    random = np.random.default_rng(1)
    planes = {
        name: random.integers(0, 30000, (70, 33)).astype(kind).view(kind)
        for name, kind in (("R", np.uint16), ("G", np.uint16), ("A", np.uint32), ("depth.Z", np.float32))
    }
    pixels = {name: plane.view(np.float16) if plane.dtype == np.uint16 else plane for name, plane in planes.items()}
    found = set()
    for number, compression in enumerate((OpenEXR.ZIP_COMPRESSION, OpenEXR.PIZ_COMPRESSION, OpenEXR.NO_COMPRESSION)):
        path = tmp_path / f"{number}.exr"
        header = {"compression": compression, "type": OpenEXR.scanlineimage, "lineOrder": order, "owner": "a studio"}
        OpenEXR.File(header, pixels).write(str(path))
        assert program()(str(path)) == digested(path)
        found.add(digested(path))
    assert len(found) == 1


def test_attributes_may_come_in_another_order(tmp_path: Path) -> None:
    """Another library may write them so; `seed` shuffles them, and there is one sample value."""
    found = set()
    for seed in range(5):
        data = build([PartSpec(window=(0, 0, 0, 0), seed=seed)])
        path = tmp_path / f"{seed}.exr"
        path.write_bytes(data[:-2] + b"\1\2")
        found.add((data[8:20], digested(path)))
    assert len(found) > 1
    assert len({digest for _, digest in found}) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"line_order": 1},
        {"window": (0, 1, 15, 16)},
        {"channels": (("R", 1, 1, 1), ("S", 1, 1, 1))},
        {"attributes": (("note", "string", b"b"),)},
        {"attributes": (("note", "text", b"a"),)},
        {"attributes": (("Note", "string", b"a"),)},
        {"attributes": (("note", "string", b"a"), ("note", "string", b"a"))},
        {"storage": "tiledimage", "tiles": (16, 16, 0, 0)},
    ],
)
def test_everything_else_changes_it(tmp_path: Path, other: dict[str, object]) -> None:
    """Line order, window, channels, any part of any attribute, and the kind of the part."""
    spec = PartSpec(attributes=(("note", "string", b"a"),))
    found = []
    for number, each in enumerate((spec, replace(spec, **other))):  # type: ignore[arg-type]
        path = tmp_path / f"{number}.exr"
        path.write_bytes(build([each]))
        found.append(digested(path))
    assert found[0] != found[1]


def test_every_sample_counts(tmp_path: Path) -> None:
    """A changed bit in any byte of the pixels gives another digest."""
    path = tmp_path / "a.exr"
    data = build([PartSpec(window=(0, 0, 3, 2))])
    found = set()
    size = 2 * 4
    for index in range(3 * size):
        changed = bytearray(data)
        changed[-(index // size) * (size + 8) - index % size - 1] ^= 1
        path.write_bytes(changed)
        found.add(digested(path))
    path.write_bytes(data)
    assert digested(path) not in found
    assert len(found) == 3 * size


def test_chunks_in_another_order_or_missing_give_no_digest(tmp_path: Path) -> None:
    """The caller must then read the file again."""
    path = tmp_path / "a.exr"
    path.write_bytes(build([PartSpec(window=(0, 0, 3, 3))]))
    raw = np.zeros(8, np.uint8)
    with open_exr(str(path)) as file:
        for order in ([0, 1, 2], [0, 2, 1, 3], [1, 2, 3], [0, 1, 2, 2]):
            content = module.ContentDigest(file)
            for chunk in order:
                content.add(0, (chunk,), raw)
            assert content.result() is None
        content = module.ContentDigest(file)
        content.add(0, (0, 1), np.zeros(16, np.uint8))
        content.add(0, (2, 3), np.zeros(16, np.uint8))
        assert content.result() is not None


def test_a_lossy_target_gets_the_digest_of_the_new_file(tmp_path: Path) -> None:
    """The record is about what is there afterwards."""
    path = tmp_path / "a.exr"
    path.write_bytes(build([PartSpec(window=(0, 0, 63, 63), noise=1.0, channels=(("R", 2, 1, 1),))]))
    before = digested(path)
    report = recompressed(path, Compression.PXR24, permissions=Permissions(allow_lossy=True))
    assert report.status is Status.RECOMPRESSED, report.reason
    assert report.lossy_channels
    assert report.content_sha256 == digested(path) != before


def test_files_that_stay_have_a_digest_and_dry_runs_have_none(tmp_path: Path) -> None:
    """NO_GAIN, and a plan, which reads no samples."""
    path = tmp_path / "a.exr"
    path.write_bytes(build([PartSpec(window=(0, 0, 63, 63), noise=1.0)]))
    report = job.run(recompress_job(str(path), compression=Compression.ZSTD, digests=True))
    assert (report.status, report.content_sha256) == (Status.NO_GAIN, digested(path))
    for target in (Compression.ZIP, Compression.NONE):
        assert job.run(recompress_job(str(path), compression=target, digests=True, dry_run=True)).content_sha256 is None


def test_a_file_that_is_written_to_meanwhile_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its digest could be of a mixture."""
    path = tmp_path / "a.exr"
    path.write_bytes(build([PartSpec()]))

    def compute(_walk: object) -> str:
        path.write_bytes(path.read_bytes() + b"\0")
        return "f" * 64

    monkeypatch.setattr(module, "content_digest", compute)
    report = job.run(digest_job.DigestJob(source=str(path)))
    assert (report.status, report.reason_code, report.content_sha256) == (Status.SKIPPED, "changed", None)


def test_a_damaged_file_fails(tmp_path: Path) -> None:
    """With the place of the damage, and without a digest."""
    path = tmp_path / "a.exr"
    path.write_bytes(build([PartSpec()])[:-1])
    report = job.run(DigestJob(source=str(path)))
    assert (report.status, report.reason_code, report.content_sha256) == (Status.FAILED, "damaged", None)
