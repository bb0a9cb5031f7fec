"""Recompression keeps the raw bytes, and all header bytes but two values."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exrbatch import Compression, Status, recompress
from exrbatch.jobs import job
from exrbatch.recompression import spans
from exrbatch.recompression.choices import Verify
from tests.support.build import PartSpec, build
from tests.support.examples import examples
from tests.support.explode import Exploded, explode
from tests.support.jobs import recompress_job
from tests.support.specs import file_specs

CHANGED = ("compression", "chunkCount")


def assert_same_but_compression(before: bytes, after: bytes, target: Compression) -> None:
    """Compare two files with the plain decoder."""
    olds, news = explode(before), explode(after)
    assert before[4:8] == after[4:8], "the version field"
    assert len(olds) == len(news)
    for old, new in zip(olds, news, strict=True):
        assert [item for item in old.attributes if item[0] not in CHANGED] == [
            item for item in new.attributes if item[0] not in CHANGED
        ]
        assert [name for name, *_ in old.attributes] == [name for name, *_ in new.attributes]
        assert old.raw == new.raw
        deep = (old.value("type") or b"").startswith(b"deep")
        assert new.value("compression") == bytes([2 if deep and target == 3 else target])
        _assert_chunk_count(new)


def _assert_chunk_count(part: Exploded) -> None:
    count = part.value("chunkCount")
    assert count is None or int.from_bytes(count, "little") == len(part.order)


def force(path: Path, compression: Compression, **options: object) -> None:
    """Recompress even if nothing is gained, and expect success."""
    report = recompress(path, compression, force=True, **options)  # type: ignore[arg-type]
    assert report.status is Status.RECOMPRESSED, report.reason
    assert report.size_after == path.stat().st_size


@examples(50)
@given(
    specs=file_specs(),
    interleave=st.booleans(),
    target=st.sampled_from([Compression.NONE, Compression.RLE, Compression.ZIPS, Compression.ZIP]),
    effort=st.sampled_from(["fast", "balanced", "high", "max"]),
)
def test_keeps_every_byte_for_all_parts_and_compressions(
    tmp_path: Path, specs: list[PartSpec], interleave: bool, target: Compression, effort: str
) -> None:
    """Any mix of parts, from any to any of the four compressions (issue 2, points 1 and 2)."""
    data = build(specs, interleave=interleave)
    path = tmp_path / "frame.exr"
    path.write_bytes(data)
    force(path, target, effort=effort)
    assert_same_but_compression(data, path.read_bytes(), target)
    assert [entry.name for entry in tmp_path.iterdir()] == ["frame.exr"], "no temp file stays"


@pytest.mark.deep_profile
@settings(max_examples=5000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(specs=file_specs(), interleave=st.booleans(), targets=st.lists(st.integers(0, 3), min_size=2, max_size=4))
def test_chains_of_recompressions_keep_every_byte(
    tmp_path: Path, specs: list[PartSpec], interleave: bool, targets: list[int]
) -> None:
    """Several recompressions in a row, with many more examples; run it by hand."""
    data = build(specs, interleave=interleave)
    path = tmp_path / "frame.exr"
    path.write_bytes(data)
    for target in targets:
        force(path, Compression(target))
    assert_same_but_compression(data, path.read_bytes(), Compression(targets[-1]))


def test_writes_single_scan_line_parts_in_line_order(tmp_path: Path) -> None:
    """OpenEXR before 3.3 reads scan lines in sequence, so the file order must match lineOrder."""
    for line_order in (0, 1):
        for source, target in ((0, 3), (3, 0), (2, 2), (0, 2)):
            spec = PartSpec(window=(0, -5, 9, 60), compression=source, line_order=line_order)
            path = tmp_path / "frame.exr"
            path.write_bytes(build([spec], shuffle=7))
            force(path, Compression(target))
            (part,) = explode(path.read_bytes())
            assert part.order == sorted(part.order, reverse=line_order == 1)


def test_keeps_the_order_of_chunks_that_are_not_cut_anew(tmp_path: Path) -> None:
    """The writer of the source had a reason for the order."""
    tiled = PartSpec(storage="tiledimage", tiles=(8, 8, 1, 0), window=(0, 0, 40, 30), line_order=2)
    path = tmp_path / "frame.exr"
    for specs, options in (([tiled], {"shuffle": 3}), ([tiled, tiled], {"interleave": True})):
        data = build(specs, **options)
        path.write_bytes(data)
        force(path, Compression.ZIP)
        assert [part.order for part in explode(path.read_bytes())] == [part.order for part in explode(data)]


def test_separates_parts_that_alternate_line_by_line(tmp_path: Path) -> None:
    """Many tiny pieces would be slow.

    The parts follow one another, in order, with the same pixels.
    """
    spec = PartSpec(window=(0, 0, 9, 119), compression=Compression.ZIPS)
    path = tmp_path / "frame.exr"
    data = build([spec, spec], interleave=True)
    path.write_bytes(data)
    force(path, Compression.RLE)
    before, after = explode(data), explode(path.read_bytes())
    assert [part.raw for part in after] == [part.raw for part in before]
    assert all(part.order == sorted(part.order) for part in after)


def test_second_run_changes_nothing(tmp_path: Path) -> None:
    """A finished file ends as ALREADY and is not touched."""
    path = tmp_path / "frame.exr"
    path.write_bytes(build([PartSpec(window=(0, 0, 63, 63), noise=0.05)]))
    assert recompress(path).status is Status.RECOMPRESSED
    before = path.stat()
    assert recompress(path).status is Status.ALREADY
    assert path.stat().st_ctime_ns == before.st_ctime_ns


@examples(20)
@given(file_specs(), st.sampled_from(list(Compression)), st.integers(2, 4))
def test_several_threads_write_the_same_file(
    tmp_path: Path, specs: list[PartSpec], target: Compression, threads: int
) -> None:
    """Threads pack the chunks of one file side by side.

    The bytes and their order are those of one thread.
    """
    path = tmp_path / "frame.exr"
    written = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spans, "SPAN_BYTES", 64)  # many spans even of a small file
        for count in (1, threads):
            path.write_bytes(build(specs))
            plan = recompress_job(str(path), compression=target, force=True, threads=count, verify=Verify.NATIVE)
            report = job.run(plan)
            assert report.status in (Status.RECOMPRESSED, Status.SKIPPED), report.reason
            written.append(path.read_bytes())
    assert written[0] == written[1]


def test_names_a_damaged_chunk_with_any_number_of_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error in one thread fails the file with the reason, and the file stays as it was."""
    monkeypatch.setattr(spans, "SPAN_BYTES", 64)
    data = bytearray(build([PartSpec(window=(0, 0, 63, 255), compression=3)]))
    data[-9] ^= 0x55
    path = tmp_path / "frame.exr"
    path.write_bytes(data)
    report = job.run(recompress_job(str(path), compression=Compression.NONE, force=True, threads=3))
    assert report.status is Status.FAILED
    assert "part 0, chunk 15 at byte" in (report.reason or "")
    assert path.read_bytes() == data
