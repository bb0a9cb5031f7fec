"""Bad input gets one clear line with the place; the original stays, and no temp file is left."""

import re
import struct
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exrbatch import FileReport, Status, recompress
from tests.support.build import PartSpec, build
from tests.support.examples import examples
from tests.support.explode import explode
from tests.support.specs import file_specs

SCAN = build([PartSpec(compression=3, window=(0, 0, 31, 63), noise=0.05)])  # 4 ZIP chunks


def _table_start(data: bytes) -> int:
    """Return where the table begins.

    The first offset is that of the first chunk, which follows the table immediately.
    """
    for position in range(8, len(data)):
        (offset,) = struct.unpack_from("<Q", data, position)
        if position < offset < len(data) and (offset - position) % 8 == 0 and offset - position == 32:
            return position
    raise AssertionError("no table")


TABLE = _table_start(SCAN)
OFFSETS = list(struct.unpack_from("<4Q", SCAN, TABLE))


def with_offset(index: int, offset: int, data: bytes = SCAN) -> bytes:
    """Put another offset into the table."""
    return data[: TABLE + 8 * index] + struct.pack("<Q", offset) + data[TABLE + 8 * index + 8 :]


def with_bytes(position: int, new: bytes, data: bytes = SCAN) -> bytes:
    """Overwrite some bytes."""
    return data[:position] + new + data[position + len(new) :]


def inserted(position: int, new: bytes) -> bytes:
    """Insert bytes between chunks and move the offsets behind them."""
    data = SCAN[:position] + new + SCAN[position:]
    for index, offset in enumerate(OFFSETS):
        if offset >= position:
            data = with_offset(index, offset + len(new), data)
    return data


BOMB = build([PartSpec(compression=3, window=(0, 0, 7, 15))])

CASES = {
    "empty": (b"", "the file is empty"),
    "text": (b"this is no picture\n" * 9, "not an OpenEXR file"),
    "truncated header": (SCAN[:100], "truncated header"),
    "truncated table": (SCAN[: TABLE + 9], "truncated: the offset tables of 4 chunks end"),
    "truncated after the table": (SCAN[: TABLE + 32], "points outside the chunks .* truncated"),
    "truncated to the half": (SCAN[: OFFSETS[2] + 20], "part 0, chunk 3: its offset .* points outside"),
    "one byte missing": (SCAN[:-1], "part 0, chunk 3 at byte .*: truncated, 1 bytes are missing"),
    "leader cut": (SCAN[: OFFSETS[3] + 4], "part 0, chunk 3 at byte .*: its leader does not fit"),
    "trailing bytes": (SCAN + b"payload", "part 0, chunk 3 at byte .*: 7 bytes after it belong to no chunk"),
    "gap between chunks": (inserted(OFFSETS[2], bytes(5)), "part 0, chunk 1 at byte .*: 5 bytes after it belong to no"),
    "gap before the first chunk": (inserted(OFFSETS[0], bytes(5)), "5 bytes before the first chunk"),
    "offset 0": (with_offset(1, 0), "part 0, chunk 1 is missing: 1 of 4 chunk offsets are 0"),
    "table of zeros": (with_bytes(TABLE, bytes(32)), "4 of 4 chunk offsets are 0"),
    "offset outside": (with_offset(1, 1 << 40), "part 0, chunk 1: its offset 1099511627776 points outside"),
    "offset of 2^63": (with_offset(1, 1 << 63), "part 0, chunk 1: its offset 9223372036854775808 points outside"),
    "offset into the header": (with_offset(1, 20), "part 0, chunk 1: its offset 20 points outside"),
    "repeated offset": (with_offset(1, OFFSETS[2]), "part 0, chunk 2 has the same offset .* as part 0, chunk 1"),
    "swapped offsets": (
        with_offset(1, OFFSETS[2], with_offset(2, OFFSETS[1])),
        r"part 0, chunk 1 at byte .*: its leader says \(32,\), but the offset table says \(16,\)",
    ),
    "overlap": (with_offset(1, OFFSETS[1] - 3), "part 0, chunk 0 at byte .*: it overlaps the next chunk by 3 bytes"),
    "wrong leader": (with_bytes(OFFSETS[1], struct.pack("<i", 17)), r"chunk 1 at byte .*: its leader says \(17,\)"),
    "negative size": (with_bytes(OFFSETS[1] + 4, struct.pack("<i", -5)), "chunk 1 .*: its leader claims -5 bytes"),
    "size 2^31-1": (with_bytes(OFFSETS[3] + 4, struct.pack("<i", 2**31 - 1)), "part 0, chunk 3 .*: truncated"),
    "undecodable chunk": (with_bytes(OFFSETS[2] + 12, b"\xff" * 8), "part 0, chunk 2 at byte .*: the zlib stream"),
    "type contradicts flags": (
        build([PartSpec(attributes=(("type", "string", b"tiledimage"),))]),
        "part 0: type 'tiledimage' contradicts the version flags",
    ),
    "unknown compression": (
        SCAN.replace(b"compression\0compression\0\1\0\0\0\3", b"compression\0compression\0\1\0\0\0\x63"),
        "part 0: unknown compression 99",
    ),
    "version 3": (with_bytes(4, b"\3"), "file format version 3"),
    "unknown version flag": (with_bytes(6, b"\1"), "unknown version flags 0x10000"),
    "bomb: a huge window": (
        BOMB.replace(struct.pack("<4i", 0, 0, 7, 15), struct.pack("<4i", 0, 0, (1 << 24) - 1, 15)),
        "part 0, chunk 0 at byte .* bytes can't decompress to 536870912 bytes with ZIP",
    ),
    "bomb: a huge table": (
        BOMB.replace(struct.pack("<4i", 0, 0, 7, 15), struct.pack("<4i", 0, 0, 7, (1 << 23) - 1)),
        "truncated: the offset tables of 524288 chunks",
    ),
}  # fmt: skip


def refused(path: Path, data: bytes) -> FileReport:
    """Recompress bad input and check everything but the reason."""
    path.write_bytes(data)
    before = path.stat()
    report = recompress(path, "none", force=True)
    assert report.status is Status.FAILED
    assert path.read_bytes() == data
    after = path.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    assert report.reason is not None
    assert "\n" not in report.reason
    assert "internal error" not in report.reason
    return report


@pytest.mark.parametrize("name", CASES)
def test_refuses_bad_files_and_names_the_place(tmp_path: Path, name: str) -> None:
    """Each way in which a file can be wrong has its own message (issue 2, point 7)."""
    data, message = CASES[name]
    assert re.search(message, refused(tmp_path / "frame.exr", data).reason or "")


@pytest.mark.parametrize("name", ["truncated to the half", "swapped offsets", "one byte missing", "offset 0"])
def test_dry_run_finds_broken_tables(tmp_path: Path, name: str) -> None:
    """--dry-run finds everything that shows without unpacking.

    A wrong leader does not, because the chunk must be read for that.
    """
    path = tmp_path / "frame.exr"
    path.write_bytes(CASES[name][0])
    status = recompress(path, "none", dry_run=True).status
    assert status is (Status.PLANNED if name == "swapped offsets" else Status.FAILED)


DEEP = build([PartSpec(storage="deepscanline", window=(0, 0, 9, 3), compression=0)])


def test_refuses_deep_sample_counts_that_do_not_fit(tmp_path: Path) -> None:
    """A count table that decreases, or asks for more samples than there are, is refused."""
    leader = struct.pack("<i", 2) + struct.pack("<Q", 40)
    table = DEEP.index(leader) + 28
    counts = struct.unpack_from("<10i", DEEP, table)
    lower = with_bytes(table + 16, struct.pack("<i", -1), DEEP)
    assert "the sample counts decrease" in (refused(tmp_path / "frame.exr", lower).reason or "")
    more = with_bytes(table + 36, struct.pack("<i", counts[9] + 1), DEEP)
    assert "bytes of samples, but the sample counts require" in (refused(tmp_path / "frame.exr", more).reason or "")


@examples(100)
@given(file_specs(), st.lists(st.tuples(st.integers(0, 1 << 30), st.integers(1, 255)), min_size=1, max_size=4))
def test_arbitrary_damage_fails_or_keeps_the_pixels(
    tmp_path: Path, specs: list[PartSpec], flips: list[tuple[int, int]]
) -> None:
    """A damaged file fails and stays as it is, or the pixels that it now holds are kept."""
    damaged = bytearray(build(specs))
    for place, change in flips:
        damaged[place % len(damaged)] ^= change
    path = tmp_path / "frame.exr"
    path.write_bytes(damaged)
    report = recompress(path, "rle", force=True)
    assert "internal error" not in (report.reason or "")
    if report.status is Status.RECOMPRESSED:
        assert [part.raw for part in explode(path.read_bytes())] == [part.raw for part in explode(bytes(damaged))]
    else:
        assert path.read_bytes() == damaged
    assert [entry.name for entry in tmp_path.iterdir()] == ["frame.exr"]


@pytest.mark.skipif(sys.platform != "linux", reason="leases are Linux's")
@pytest.mark.parametrize("written", [0, 4, 100, len(SCAN) - 1])
def test_skips_a_frame_that_is_being_written(tmp_path: Path, written: int) -> None:
    """Regression test for issue 13, C19.

    A frame that a writer had just opened, and that was still empty, failed.
    """
    path = tmp_path / "frame.exr"
    with path.open("wb") as writer:
        writer.write(SCAN[:written])
        writer.flush()
        report = recompress(path, "zips")
        assert (report.status, report.reason) == (Status.SKIPPED, "another program has it open for writing")
    assert recompress(path, "zips").status is Status.FAILED


@pytest.mark.parametrize("wrong", [5, -1])
def test_corrects_a_wrong_chunk_count_and_adds_a_note(wrong: int, tmp_path: Path) -> None:
    """No reader uses it, so the file is sound; but the header is never changed silently.

    Issue 13, C21.
    """
    data = build([PartSpec(window=(0, 0, 31, 31), noise=0.05, chunk_count=True)])
    place = data.index(b"chunkCount\0int\0") + len(b"chunkCount\0int\0") + 4
    path = tmp_path / "frame.exr"
    path.write_bytes(with_bytes(place, struct.pack("<i", wrong), data))
    note = f"part 0: wrong chunkCount corrected from {wrong} to 32"
    assert recompress(path, dry_run=True).notes == (note,)
    report = recompress(path)
    assert (report.status, report.notes) == (Status.RECOMPRESSED, (note,))
    assert struct.unpack_from("<i", path.read_bytes(), place) == (2,)


def test_blames_the_source_for_a_damaged_channel_list(tmp_path: Path) -> None:
    """Regression test for issue 13, C22.

    If OpenEXR could not read the source, "the new file" was called damaged.
    """
    spec = PartSpec(channels=(("BY", 1, 2, 2), ("Y", 1, 1, 1)), window=(0, 0, 31, 31), noise=0.05)
    data = build([spec])
    start = data.index(b"channels\0chlist\0") + len(b"channels\0chlist\0") + 4
    path = tmp_path / "frame.exr"
    for offset in range(start, start + 2 * 18):
        for value in (0, 1, 2, 32, 255):
            path.write_bytes(with_bytes(offset, bytes([value]), data))
            assert "new file" not in (recompress(path, force=True).reason or "")
    path.write_bytes(with_bytes(start + 7, b"\2", data))
    assert recompress(path).reason == "part 0: channel 'BY' has the pLinear value 2, which must be 0 or 1"
