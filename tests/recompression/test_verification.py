"""Comparing two files finds every difference and names part, level, chunk, channel and pixel."""

import struct
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exrbatch import FileReport, Status
from exrbatch.codecs.codec import ChunkGroup, Packed, Raw
from exrbatch.codecs.library import find_group_coder
from exrbatch.codecs.openexr_groups import GroupCoder
from exrbatch.codecs.predictor import _RunningSums
from exrbatch.codecs.zip import ZipCodec
from exrbatch.exr.compression import Compression
from exrbatch.jobs import job
from exrbatch.jobs.compare_job import CompareJob
from exrbatch.recompression import raw_reader, spans
from exrbatch.recompression.choices import Verify
from exrbatch.recompression.raw_reader import RawReader
from tests.support.build import PartSpec, build
from tests.support.examples import examples
from tests.support.explode import explode
from tests.support.jobs import recompress_job
from tests.support.specs import file_specs

CHANNELS = (("Z", 2, 1, 1), ("R", 1, 1, 1), ("id", 0, 1, 1))


def compare(folder: Path, data: bytes, other: bytes, verify: Verify = Verify.LIBRARY) -> FileReport:
    a, b = folder / "a.exr", folder / "b.exr"
    a.write_bytes(data)
    b.write_bytes(other)
    return job.run(CompareJob(source=str(a), other=str(b), verify=verify))


def flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 0x40]) + data[place + 1 :]


@examples(25)
@given(file_specs(), st.integers(0, 3), st.sampled_from([Verify.LIBRARY, Verify.NATIVE]))
def test_ignores_the_compression_when_comparing(
    tmp_path: Path, specs: list[PartSpec], step: int, verify: Verify
) -> None:
    """The same picture packed in two ways is equal."""
    others = [replace(spec, compression=(spec.compression + step) % (3 if spec.deep else 4)) for spec in specs]
    report = compare(tmp_path, build(specs), build(others), verify)
    assert (report.status, report.reason) == (Status.EQUAL, None)


# Places of single bytes in an uncompressed file, counted by hand: chunk, then line, then channel
# by name.
SCAN = PartSpec(channels=CHANNELS, window=(-3, 5, 12, 24))
LINE = 16 * (2 + 4 + 4)
SUBSAMPLED = PartSpec(channels=(("BY", 1, 2, 2), ("Y", 1, 1, 1)), window=(0, 0, 15, 7))
TILED = PartSpec(storage="tiledimage", channels=CHANNELS, tiles=(8, 4, 1, 0), window=(10, 20, 25, 35))
DEEP = PartSpec(storage="deepscanline", channels=(("A", 1, 1, 1), ("Z", 2, 1, 1)), window=(100, 7, 109, 10))


@pytest.mark.parametrize(
    ("spec", "key", "place", "expected"),
    [
        (SCAN, ("line", 5), 0, "part 0, chunk 0, channel R, pixel x -3 y 5"),
        (SCAN, ("line", 23), 16 * 2 + 4 * 15, "part 0, chunk 18, channel Z, pixel x 12 y 23"),
        (SCAN, ("line", 24), LINE - 1, "part 0, chunk 19, channel id, pixel x 12 y 24"),
        (SUBSAMPLED, ("line", 3), 2 * 5, "part 0, chunk 3, channel Y, pixel x 5 y 3"),
        (SUBSAMPLED, ("line", 4), 2 * 3, "part 0, chunk 4, channel BY, pixel x 6 y 4"),
        (TILED, ("tile", 1, 2, 0, 0), 8 * 10 + 2 * 3, "part 0, level 0 0, chunk 5, channel R, pixel x 21 y 29"),
        (TILED, ("tile", 0, 1, 1, 1), 8 * 2 + 4 * 6, "part 0, level 1 1, chunk 9, channel Z, pixel x 6 y 4"),
    ],
)
def test_names_a_wrong_sample(
    tmp_path: Path, spec: PartSpec, key: tuple[object, ...], place: int, expected: str
) -> None:
    """Coordinates are those of the data window.

    On smaller levels they count from the corner of the level.
    """
    data = build([spec])
    raw = explode(data)[0].raw[key]
    other = flipped(data, data.index(raw) + place)
    for copy in (other, build([spec])):
        report = compare(tmp_path, data, copy)
        assert report.reason == (expected if copy is other else None)


def test_names_a_wrong_deep_sample(tmp_path: Path) -> None:
    """The pixel is found through the sample counts."""
    data = build([DEEP])
    raw = explode(data)[0].raw[("line", 9)]
    counts = struct.unpack("<10i", raw[:40])
    owner = next(x for x in range(10) if counts[x] > 2)
    last = 40 + 2 * counts[9] + 4 * (counts[owner] - 1)
    other = flipped(data, data.index(raw[40:]) - 40 + last)
    assert compare(tmp_path, data, other).reason == f"part 0, chunk 2, channel Z, pixel x {100 + owner} y 9"
    denser = build([replace(DEEP, seed=1)])
    assert "sample counts, pixel x" in (compare(tmp_path, data, denser).reason or "")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"attributes": (("owner", "string", b"b"),)}, "part 0, attribute 'owner' has a different value"),
        ({"attributes": ()}, "part 0, attribute 'owner' is missing"),
        ({"attributes": (("owner", "string", b"a"), ("note", "string", b"a"))}, "part 0, attribute 'note' was added"),
        ({"window": (0, 0, 15, 14)}, "part 0, attribute 'displayWindow' has a different value"),
        ({"channels": (("G", 1, 1, 1),)}, "part 0, attribute 'channels' has a different value"),
        ({"line_order": 1}, "part 0, attribute 'lineOrder' has a different value"),
    ],
)
def test_names_a_different_attribute(tmp_path: Path, change: dict[str, object], expected: str) -> None:
    """Everything that a recompression keeps must be equal; the compression may differ."""
    spec = PartSpec(attributes=(("owner", "string", b"a"),))
    changed = replace(spec, compression=3, **change)  # type: ignore[arg-type]
    assert (compare(tmp_path, build([spec]), build([changed])).reason or "").startswith(expected)


def test_names_the_damaged_file(tmp_path: Path) -> None:
    """A damaged A or B is not reported as a difference, and nothing is written."""
    data = build([PartSpec(compression=3)])
    assert (compare(tmp_path, data[:-3], data).reason or "").startswith("part 0, chunk")
    assert (compare(tmp_path, data, data[:-3]).reason or "").startswith("the other file is damaged: part 0, chunk")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.exr", "b.exr"]
    chunk = bytearray(data)
    chunk[-9] ^= 0x55  # found only when it is unpacked
    for verify in (Verify.LIBRARY, Verify.NATIVE):
        assert (compare(tmp_path, bytes(chunk), data, verify).reason or "").startswith("part 0, chunk 0 at byte")
        reason = compare(tmp_path, data, bytes(chunk), verify).reason or ""
        assert reason.startswith("the other file is damaged:"), reason
    (tmp_path / "b.exr").unlink()
    report = job.run(CompareJob(source=str(tmp_path / "a.exr"), other=str(tmp_path / "b.exr")))
    assert report.reason is not None


class TestWhatWasReadOnce:
    """A recompression compares the new file with digests of what was read, span by span."""

    SPEC = PartSpec(channels=CHANNELS, window=(0, 0, 15, 199), noise=0.5)

    @pytest.fixture(autouse=True)
    def small_spans(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(spans, "SPAN_BYTES", 16 * LINE)

    @pytest.mark.parametrize("threads", [1, 2])
    def test_finds_one_wrong_bit_of_a_packer(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: int
    ) -> None:
        """The file fails with the name of the pixel, and the original stays."""
        pack = ZipCodec.pack

        def err(codec: ZipCodec, group: ChunkGroup, raw: Raw) -> list[Packed]:
            wrong = raw.copy()
            if 7 in group.chunks:
                wrong[3 * LINE + 16 * 2] ^= 1  # the first byte of Z in the fourth line of chunk 7
            return pack(codec, group, wrong)

        monkeypatch.setattr(ZipCodec, "pack", err)
        data, frame = build([self.SPEC]), tmp_path / "a.exr"
        frame.write_bytes(data)
        report = job.run(recompress_job(str(frame), threads=threads))
        assert report.status is Status.FAILED
        assert report.reason == "the new file differs: part 0, chunk 7, channel Z, pixel x 0 y 115"
        assert frame.read_bytes() == data

    @pytest.mark.parametrize("verify", [Verify.LIBRARY, Verify.NATIVE])
    def test_unpacks_the_source_once(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verify: Verify) -> None:
        """Decompression of a source can take long, so verification does not need it again."""
        frame, read = tmp_path / "a.exr", RawReader.read
        frame.write_bytes(build([self.SPEC]))
        seen: list[tuple[int, ...]] = []

        def count(reader: RawReader, part: int, chunks: tuple[int, ...]) -> Raw:
            seen.append(chunks)
            return read(reader, part, chunks)

        monkeypatch.setattr(RawReader, "read", count)
        assert job.run(recompress_job(str(frame), verify=verify)).status is Status.RECOMPRESSED
        assert sorted(chunk for chunks in seen for chunk in chunks) == [*range(200)]


@pytest.mark.parametrize("compression", [2, 3])
def test_finds_a_mistake_in_unpacking_the_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compression: int
) -> None:
    """The unpacked bytes must pack to what was in the source.

    No decoder of the new file could find such a mistake. It can happen only where OpenEXR itself
    does not decompress the source, because its C interface is not used.
    """
    monkeypatch.setattr(raw_reader, "find_group_coder", lambda _: None)
    accumulate = _RunningSums.accumulate

    def err(sums: _RunningSums, data: Raw) -> None:
        accumulate(sums, data)
        data[len(data) // 2] ^= 1

    monkeypatch.setattr(_RunningSums, "accumulate", err)
    data, frame = build([PartSpec(channels=CHANNELS, compression=compression, noise=0)]), tmp_path / "a.exr"
    frame.write_bytes(data)
    report = job.run(recompress_job(str(frame), compression=Compression.NONE, force=True))
    assert (report.status, "internal check failed" in (report.reason or "")) == (Status.FAILED, True)
    assert frame.read_bytes() == data


@pytest.mark.parametrize("compression", [2, 3])
def test_a_mistake_of_openexr_in_a_source_is_noticed_and_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compression: int
) -> None:
    """The checksums in the source show it, and our own code decompresses the source."""
    fill, wrong = GroupCoder.fill, []

    def err(coder: GroupCoder, group: ChunkGroup, packed: Sequence[memoryview], raw: Raw) -> bool:
        done = fill(coder, group, packed, raw)
        raw[len(raw) // 2] ^= 1
        wrong.append(done)
        return done

    monkeypatch.setattr(GroupCoder, "fill", err)
    spec, frame = PartSpec(channels=CHANNELS, compression=compression, noise=0), tmp_path / "a.exr"
    frame.write_bytes(build([spec]))
    assert job.run(recompress_job(str(frame), compression=Compression.NONE, force=True)).status is Status.RECOMPRESSED
    assert frame.read_bytes() == build([replace(spec, compression=0)])
    if find_group_coder(Compression.ZIP) is not None:
        assert any(wrong)
