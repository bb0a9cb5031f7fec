"""A check finds every damaged place of a file, and calls a file sound only if all of it is."""

import contextlib
import itertools
import os
import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings

from exrbatch.exr.damage import MAX_LISTED
from exrbatch.jobs import job
from exrbatch.jobs.check_job import CheckJob, CheckRules
from exrbatch.jobs.file_report import FileReport, Status
from exrbatch.recompression.choices import Verify
from tests.exr.test_offset_tables import table_of
from tests.support.build import PartSpec, attribute, build
from tests.support.specs import file_specs

FILES = {
    "lines": [PartSpec(window=(0, 0, 31, 63), compression=3, noise=0.0)],
    "single lines backwards": [PartSpec(window=(-4, -9, 27, 30), compression=2, noise=0.0, line_order=1)],
    "subsampled": [
        PartSpec(channels=(("Y", 1, 1, 1), ("RY", 1, 2, 2)), window=(0, 0, 31, 31), compression=2, noise=0.0)
    ],
    "runs": [PartSpec(window=(0, 0, 31, 31), compression=1, noise=0.0)],
    "mip levels": [PartSpec("tiledimage", window=(0, 0, 39, 39), compression=2, tiles=(8, 8, 1, 0), noise=0.0)],
    "rip levels": [PartSpec("tiledimage", window=(0, 0, 19, 30), compression=3, tiles=(8, 8, 2, 1), noise=0.0)],
    "deep lines": [PartSpec("deepscanline", window=(0, 0, 31, 15), compression=2, noise=0.0)],
    "deep tiles": [PartSpec("deeptile", window=(0, 0, 31, 31), compression=1, tiles=(16, 16, 0, 0), noise=0.0)],
    "two parts": [
        PartSpec(window=(0, 0, 31, 31), compression=3, noise=0.0, name="a"),
        PartSpec("tiledimage", window=(0, 0, 31, 31), compression=2, tiles=(8, 8, 1, 0), noise=0.0, name="b"),
    ],
}


def check(path: Path, data: bytes, decoder: Verify = Verify.LIBRARY, memory: int = 0) -> FileReport:
    path.write_bytes(data)
    return job.run(CheckJob(source=str(path), rules=CheckRules(decoder=decoder), memory=memory))


def places(report: FileReport) -> list[tuple[int | None, int | None, int | None]]:
    """List part, chunk and offset of each damage."""
    return [(each.part, each.chunk, each.offset) for each in report.damage]


def leader_size(spec: PartSpec, is_multi_part: bool) -> int:
    return 4 * is_multi_part + (16 if spec.tiles else 4) + (24 if spec.deep else 4)


def chunks(specs: list[PartSpec], data: bytes) -> list[tuple[int, int, int]]:
    """List part, chunk and offset of every chunk in the order of the offset tables."""
    table = table_of(data)
    names = [(part, chunk) for part, count in enumerate(table.counts) for chunk in range(count)]
    return [(part, chunk, offset) for (part, chunk), offset in zip(names, table.offsets, strict=True)]


def end_of(data: bytes, offset: int) -> int:
    return min([each for each in table_of(data).offsets if each > offset], default=len(data))


@settings(max_examples=40)
@given(file_specs())
def test_a_whole_file_is_sound(tmp_path_factory: pytest.TempPathFactory, specs: list[PartSpec]) -> None:
    """Of every kind, with every decoder, and without a note."""
    path = tmp_path_factory.getbasetemp() / "sound.exr"
    for decoder in (Verify.LIBRARY, Verify.NATIVE):
        report = check(path, build(specs), decoder)
        assert (report.status, report.reason, report.notes) == (Status.SOUND, None, ())


@pytest.mark.parametrize("decoder", [Verify.LIBRARY, Verify.NATIVE])
@pytest.mark.parametrize("kind", FILES)
def test_every_chunk_with_damaged_bytes_is_named(tmp_path: Path, kind: str, decoder: Verify) -> None:
    """By part, chunk and byte, and no other chunk is."""
    specs = FILES[kind]
    data = build(specs)
    chosen = []
    broken = bytearray(data)
    for part, chunk, offset in chunks(specs, data):
        begin, end = offset + leader_size(specs[part], len(specs) > 1), end_of(data, offset)
        spec = specs[part]
        is_packed = spec.deep or data[begin : begin + 1] == b"\x78" or (spec.compression == 1 and end - begin < 64)
        if chunk % 3 == 1 and end - begin > 2 and is_packed:
            broken[begin:end] = b"\x7f" * (end - begin)
            chosen.append((part, chunk, offset))
    assert chosen, "the file has such chunks"
    report = check(tmp_path / "a.exr", bytes(broken), decoder)
    assert report.status is Status.FAILED
    assert places(report) == chosen
    part, chunk, offset = chosen[0]
    assert report.reason is not None
    assert f"part {part}, " in report.reason
    assert f"chunk {chunk} at byte {offset}: " in report.reason
    assert report.damage_count == len(chosen)


def test_levels_are_named(tmp_path: Path) -> None:
    """A chunk of a part with levels is found more easily by its level."""
    specs = FILES["mip levels"]
    data = bytearray(build(specs))
    _, chunk, offset = chunks(specs, bytes(data))[25]  # the first tile after the 5 x 5 of the full size
    data[offset] ^= 1
    (damage,) = check(tmp_path / "a.exr", bytes(data)).damage
    assert (damage.level, damage.chunk) == ((1, 1), chunk)
    assert str(damage).startswith(f"part 0, level 1 1, chunk 25 at byte {offset}: its leader says (1, 0, 1, 1)")


def test_one_changed_bit_of_a_zip_stream_is_found(tmp_path: Path) -> None:
    """Unless it is one of the bits between the data and the checksum, which mean nothing."""
    specs = [PartSpec(window=(0, 0, 15, 31), compression=3, noise=0.0)]
    data = build(specs)
    offset = table_of(data).offsets[1]
    for bit in range(8 * (offset + 8), 8 * len(data), 5):
        broken = bytearray(data)
        broken[bit // 8] ^= 1 << bit % 8
        with contextlib.suppress(zlib.error):
            if zlib.decompress(broken[offset + 8 :]) == zlib.decompress(data[offset + 8 :]):
                continue
        assert places(check(tmp_path / "a.exr", bytes(broken))) == [(0, 1, offset)]


@pytest.mark.parametrize("wrong", [0, 5, 1 << 63, "end", "other"])
def test_wrong_entries_of_the_offset_table_are_named(tmp_path: Path, wrong: int | str) -> None:
    """With the byte of the entry, or of the place that it points to."""
    specs = FILES["two parts"]
    data = build(specs)
    table = table_of(data)
    broken = bytearray(data)
    first = table.counts[0]
    values = {"end": len(data), "other": table.offsets[first + 4]}
    number = values[wrong] if isinstance(wrong, str) else wrong
    struct.pack_into("<Q", broken, table.position + 8 * (first + 2), number)
    report = check(tmp_path / "a.exr", bytes(broken))
    place = number if wrong == "other" else table.position + 8 * (first + 2)
    assert places(report) == [(1, 2, place)]
    expected = {0: "its entry in the offset table is 0", "other": "another chunk has the same offset"}
    assert expected.get(wrong, "is outside the chunks") in report.damage[0].reason


def test_damage_of_several_kinds_is_listed_together(tmp_path: Path) -> None:
    """A missing chunk, a wrong leader and damaged bytes in one file."""
    specs = FILES["lines"]
    data = bytearray(build(specs))
    table = table_of(bytes(data))
    struct.pack_into("<Q", data, table.position, 0)
    data[table.offsets[1]] ^= 0x40
    data[table.offsets[3] + 8] ^= 0xFF
    report = check(tmp_path / "a.exr", bytes(data))
    assert places(report) == [(0, 0, table.position), (0, 1, table.offsets[1]), (0, 3, table.offsets[3])]
    assert (report.reason or "").endswith("(and 2 more damaged places)")
    record = report.to_json()
    assert record["damage_count"] == 3
    assert isinstance(record["damage"], list)
    assert record["damage"][0] == {
        "part": 0,
        "chunk": 0,
        "offset": table.position,
        "reason": "its entry in the offset table is 0, as in a file whose writer did not finish",
    }


def test_every_chunk_behind_a_cut_is_named(tmp_path: Path) -> None:
    """They are truncated, or outside the file."""
    specs = FILES["two parts"]
    data = build(specs)
    table = table_of(data)
    cut = sorted(table.offsets)[-3] + 30
    report = check(tmp_path / "a.exr", data[:cut])
    lost = [(part, chunk) for part, chunk, offset in chunks(specs, data) if end_of(data, offset) > cut]
    assert [(part, chunk) for part, chunk, _ in places(report)] == lost
    assert "bytes are missing at the end of the file" in report.damage[0].reason


def test_overlapping_chunks_are_damage(tmp_path: Path) -> None:
    """The one that reaches into the next is named."""
    data = bytearray(build(FILES["lines"]))
    offset = table_of(bytes(data)).offsets[2]
    (size,) = struct.unpack_from("<i", data, offset + 4)
    struct.pack_into("<i", data, offset + 4, size + 7)
    report = check(tmp_path / "a.exr", bytes(data))
    assert places(report) == [(0, 2, offset)]
    assert report.damage[0].reason == "it overlaps the next chunk by 7 bytes"


def test_bytes_that_belong_to_no_chunk_are_a_note(tmp_path: Path) -> None:
    """OpenEXR reads such a file."""
    data = build(FILES["lines"])
    table = table_of(data)
    report = check(tmp_path / "a.exr", data + b"trailing")
    assert report.status is Status.SOUND
    assert report.notes == (f"8 bytes after the last chunk, at byte {len(data)}, belong to no chunk",)
    moved = struct.pack(f"<{len(table.offsets)}Q", *(offset + 5 for offset in table.offsets))
    report = check(tmp_path / "a.exr", data[: table.position] + moved + b"hello" + data[table.end :])
    assert report.status is Status.SOUND
    assert report.notes == (f"5 bytes between the chunks, the first at byte {table.end}, belong to no chunk",)


def test_wrong_chunk_count_is_damage(tmp_path: Path) -> None:
    """The byte is that of the attribute's value."""
    data = bytearray(build([PartSpec(window=(0, 0, 31, 63), chunk_count=True)]))
    place = data.index(b"chunkCount\0int\0") + 19
    struct.pack_into("<i", data, place, 63)
    report = check(tmp_path / "a.exr", bytes(data))
    assert places(report) == [(0, None, place)]
    assert report.reason == f"damaged: part 0 at byte {place}: chunkCount is 63, but the part has 64 chunks"


def test_header_problems(tmp_path: Path) -> None:
    """A file without a header that can be read is damaged; what OpenEXR reads anyway is a note."""
    data = build([PartSpec()])
    lost = attribute("pixelAspectRatio", "float", struct.pack("<f", 1))
    for broken in (b"", b"text", data[:100], data.replace(b"compression\0c", b"compresion\0\0c")):
        report = check(tmp_path / "a.exr", broken)
        assert report.status is Status.FAILED
        assert report.damage_count == 1
    table = table_of(data)
    moved = struct.pack(f"<{len(table.offsets)}Q", *(offset - len(lost) for offset in table.offsets))
    without = data[: table.position].replace(lost, b"") + moved + data[table.end :]
    assert "no attribute 'pixelAspectRatio'" in check(tmp_path / "a.exr", without).notes[0]
    twins = build([PartSpec(name="a"), PartSpec(name="a")])
    assert "another part has the same name" in check(tmp_path / "a.exr", twins).notes[0]


def test_list_of_damage_has_a_limit(tmp_path: Path) -> None:
    """Chunks without a place are still counted; of those that don't decompress, 100 are enough."""
    specs = [PartSpec(window=(0, 0, 15, 999), compression=2, noise=0.0)]
    data = bytearray(build(specs))
    table = table_of(bytes(data))
    missing = bytearray(data)
    for index in range(300):
        struct.pack_into("<Q", missing, table.position + 8 * index, 0)
    report = check(tmp_path / "a.exr", bytes(missing))
    assert (len(report.damage), report.damage_count) == (MAX_LISTED, 300)
    for offset, end in itertools.pairwise([*table.offsets, len(data)]):
        data[offset + 8 : end] = b"\x7f" * (end - offset - 8)
    report = check(tmp_path / "a.exr", bytes(data))
    assert report.damage_count == MAX_LISTED
    assert "the search stopped after 100 damaged chunks" in report.notes[0]


def test_reference_images_are_sound_and_damaged_ones_are_not(tmp_path: Path, reference_images: Path) -> None:
    """OpenEXR's own collection, which has a folder of damaged and hostile files."""
    for path in reference_images.rglob("*"):
        if path.parent.name == "Damaged":
            report = job.run(CheckJob(source=str(path)))
            assert (report.status, bool(report.damage)) == (Status.FAILED, True), path
        elif path.suffix == ".exr":
            assert job.run(CheckJob(source=str(path))).status is Status.SOUND, path


def test_file_that_is_being_written_is_skipped(tmp_path: Path) -> None:
    """It may just be incomplete."""
    path = tmp_path / "a.exr"
    data = build(FILES["lines"])
    for part in (data[:-9], data[:50]):
        path.write_bytes(part)
        with open(path, "ab"):
            report = job.run(CheckJob(source=str(path)))
        assert (report.status, report.damage) == (Status.SKIPPED, ())
        assert report.reason == "another program has it open for writing"


def test_what_can_not_be_checked_is_skipped_with_the_reason(tmp_path: Path) -> None:
    """A feature that is not supported, a pipe, and a chunk that needs more memory than there is."""
    path = tmp_path / "a.exr"
    window, larger = struct.pack("<4i", 7, 7, 7, 7), struct.pack("<4i", 7, 7, 7, 7 + (1 << 20))
    path.write_bytes(build([PartSpec(window=(7, 7, 7, 7))]).replace(window, larger))
    os.truncate(path, 10 << 20)
    report = job.run(CheckJob(source=str(path)))
    assert report.status is Status.SKIPPED
    assert "1048577 chunks; OpenEXR reads at most 1048576" in (report.reason or "")
    side = 8192
    predicted = b"\0" + b"\x80" * (2 * side * side - 1)
    header = build([PartSpec("tiledimage", window=(7, 7, 7, 7), compression=2, tiles=(side, side, 0, 0))])
    table = table_of(header)
    larger = struct.pack("<4i", 7, 7, side + 6, side + 6)
    packed = zlib.compress(predicted, 1)
    head = header[: table.position].replace(window, larger)
    data = head + struct.pack("<Q", table.end) + struct.pack("<5i", 0, 0, 0, 0, len(packed)) + packed
    report = check(path, data)
    assert (report.status, report.retry_alone) == (Status.SKIPPED, True)
    assert "of memory" in (report.reason or "")
    assert check(path, data, memory=4 << 30).status is Status.SOUND


def test_check_changes_nothing(tmp_path: Path) -> None:
    """Neither the file nor its folder, whether the file is sound or not."""
    data = build(FILES["lines"])
    (tmp_path / "a.exr").write_bytes(data)
    (tmp_path / "b.exr").write_bytes(data[:-5])
    before = {path: path.stat() for path in (tmp_path, *tmp_path.iterdir())}
    for name in ("a.exr", "b.exr"):
        job.run(CheckJob(source=str(tmp_path / name)))
    after = {path: path.stat() for path in (tmp_path, *tmp_path.iterdir())}
    assert {path: (each.st_ino, each.st_mtime_ns, each.st_ctime_ns) for path, each in before.items()} == {
        path: (each.st_ino, each.st_mtime_ns, each.st_ctime_ns) for path, each in after.items()
    }
