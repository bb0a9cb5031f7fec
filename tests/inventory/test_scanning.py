"""What a scan finds, whatever the names and files are, and that it changes nothing."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import exrbatch
from exrbatch.batch.discovery.discover import check_paths, discover
from exrbatch.batch.discovery.selection import Selection
from exrbatch.batch.discovery.sequences import count_missing, gaps, group_names
from exrbatch.errors import ReasonCode
from exrbatch.exr.header import parse_header
from exrbatch.inventory.listing import FrameSequence, Inventory
from exrbatch.inventory.scanning import scan
from tests.support.build import PartSpec, build

DATA = build([PartSpec(window=(0, 0, 15, 31), attributes=(("displayWindow", "box2i", bytes(8) + bytes([9, 0] * 4)),))])
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=12)


def write(folder: Path, *names: str, data: bytes = DATA) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(data)


def only(inventory: Inventory) -> FrameSequence:
    (sequence,) = inventory.sequences
    return sequence


def test_names_bring_back_exactly_the_frames_that_exist(tmp_path: Path) -> None:
    """Gaps, numbers with and without zeros, and folders whose names look like sequences."""
    for folder in ("plain", "sh#1", "x%04d", "a@b", "with space"):
        write(tmp_path / folder, *(f"b.{frame}.exr" for frame in (1001, 1002, 1005)))
        write(tmp_path / folder, *(f"c_{frame:04}.exr" for frame in (9, 10, 11)), "single.exr")
    inventory = scan([str(tmp_path)])
    assert len(inventory.sequences) == 15
    found = [each.path for sequence in inventory.sequences for each in discover(check_paths([sequence.name]))]
    assert sorted(found) == sorted(map(str, tmp_path.rglob("*.exr")))
    assert {sequence.ranges for sequence in inventory.sequences} == {"1001-1002,1005", "9-11", ""}
    assert {sequence.missing_ranges for sequence in inventory.sequences} == {"1003-1004", ""}


@given(st.lists(NAMES, unique=True, max_size=12))
def test_every_name_is_in_one_group(names: list[str]) -> None:
    """Whatever the names are: fileseq drops those with line breaks."""
    assert sorted(name for group in group_names(names) for name in group.names) == sorted(names)


@given(st.sets(st.integers(-50, 3000), min_size=1, max_size=40))
def test_gaps_are_what_lies_between_the_frames(frames: set[int]) -> None:
    """No frame is in a gap, and the gaps of consecutive frames fill the whole range."""
    listed = sorted(frames)
    missing = gaps(listed)
    assert not any(first <= frame <= last for frame in frames for first, last in missing)
    if count_missing([*listed, listed[-1] + 1]) == listed[-1] - listed[0] + 1 - len(listed):
        filled = gaps([*listed, listed[-1] + 1])  # the step is 1
        assert sum(last - first + 1 for first, last in filled) == listed[-1] - listed[0] + 1 - len(listed)


@pytest.mark.parametrize(
    ("frames", "missing", "count"),
    [
        ([1, 2, 3], [], 0),
        ([1, 3, 5], [], 0),
        ([1, 3, 7], [(5, 5)], 1),
        ([1, 5], [(2, 4)], 3),
        ([-2, -1, 2], [(0, 1)], 2),
        ([1, 10**15], [(2, 10**15 - 1)], 10**15 - 2),
        ([7], [], 0),
        ([], [], 0),
    ],
)
def test_a_sequence_on_twos_has_no_gaps(frames: list[int], missing: list[tuple[int, int]], count: int) -> None:
    """The step is the largest that explains at least three frames. Huge gaps take no time."""
    assert gaps(frames) == missing
    assert count_missing(frames) == count


def test_links_are_counted_and_never_named(tmp_path: Path) -> None:
    """If a run were given the name of a symbolic link, it would change its target."""
    write(tmp_path / "a", "b.1.exr", "b.2.exr", "b.4.exr")
    (tmp_path / "a" / "b.3.exr").symlink_to("b.1.exr")
    os.link(tmp_path / "a" / "b.1.exr", tmp_path / "a" / "b.5.exr")
    (tmp_path / "linked").symlink_to("a")
    inventory = scan([str(tmp_path)])
    sequence = only(inventory)
    assert sequence.name.endswith("b.1-2,4-5#.exr")
    assert (sequence.frames, sequence.missing) == (4, 0)
    assert (sequence.symbolic_links, sequence.hard_links) == (1, 2)
    assert [report.path for report in inventory.left_out] == [str(tmp_path / "linked")]


def test_what_is_no_sound_file(tmp_path: Path) -> None:
    """Each is a row and a reason. A named pipe is not opened: nobody writes to it."""
    write(tmp_path, "cut.exr", data=DATA[:60])
    write(tmp_path, "empty.exr", data=b"")
    write(tmp_path, "text.exr", data=b"no picture, but long enough to look like one")
    os.mkfifo(tmp_path / "pipe.exr")
    (tmp_path / "folder.exr").mkdir()
    inventory = scan([str(tmp_path)])
    assert {Path(report.path).name for report in inventory.failures} == {"cut.exr", "empty.exr", "text.exr"}
    assert all(report.reason_code is ReasonCode.DAMAGED for report in inventory.failures)
    assert [report.reason_code for report in inventory.left_out] == [ReasonCode.NOT_A_FILE]
    assert sum(sequence.broken for sequence in inventory.sequences) == 3


def test_all_headers_find_incomplete_and_different_frames(tmp_path: Path) -> None:
    """A chunk table with a zero is that of a writer that did not finish."""
    write(tmp_path, "b.1.exr", "b.2.exr")
    write(tmp_path, "b.3.exr", data=build([PartSpec(window=(0, 0, 15, 31), compression=3)]))
    offset = len(parse_header(DATA, len(DATA)).raw)  # where the chunk table begins
    write(tmp_path, "b.4.exr", data=DATA[:offset] + bytes(16) + DATA[offset + 16 :])
    assert not scan([str(tmp_path)]).failures
    inventory = scan([str(tmp_path)], all_headers=True)
    (failure,) = inventory.failures
    assert failure.path.endswith("b.4.exr")
    assert failure.reason == "damaged: incomplete: 2 of 32 chunks were not written"
    sequence = only(inventory)
    assert [(facts.compressions, number) for facts, number in sequence.headers] == [(("NONE",), 2), (("ZIP",), 1)]
    assert sequence.broken == 1


def test_files_that_vanish_are_no_failures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Renders go on while the scan reads; the next frame stands for the sequence."""
    write(tmp_path, "b.1.exr", "b.2.exr", "b.3.exr")

    def found(*arguments: object) -> Sequence[object]:
        every = list(discover([str(tmp_path)]))
        (tmp_path / "b.1.exr").unlink()
        return every

    monkeypatch.setattr("exrbatch.inventory.scanning.discover", found)
    inventory = scan([str(tmp_path)])
    assert not inventory.failures
    assert [report.reason_code for report in inventory.left_out] == [ReasonCode.CHANGED]
    assert only(inventory).facts is not None


def test_named_files_of_several_folders_are_grouped(tmp_path: Path) -> None:
    """They may be named in any order, and be in a folder that is walked, too."""
    write(tmp_path / "a", "b.1.exr", "b.2.exr")
    write(tmp_path / "c", "b.1.exr", "b.2.exr", "d.exr")
    paths = [str(tmp_path / name) for name in ("a/b.1.exr", "c/b.2.exr", "a/b.2.exr", "c")]
    inventory = scan(paths)
    names = sorted(os.path.relpath(sequence.name, tmp_path) for sequence in inventory.sequences)
    assert names == ["a/b.1-2#.exr", "c/b.1-2#.exr", "c/d.exr"]


def test_patterns_select(tmp_path: Path) -> None:
    """Files that were left out are counted."""
    write(tmp_path, "a.1.exr", "b.1.exr")
    inventory = scan([str(tmp_path)], Selection(include=["a*"]))
    assert (inventory.frames, inventory.not_selected) == (1, 1)


def test_the_library_takes_paths_of_any_type(tmp_path: Path) -> None:
    """One path or several, and one pattern or several."""
    write(tmp_path, "a.1.exr", "b.1.exr")
    assert exrbatch.scan(tmp_path, exclude="a*").frames == 1
    assert exrbatch.scan([os.fsencode(tmp_path)], include=["a*", "b*"], headers=True).frames == 2
    with pytest.raises(exrbatch.OptionsError, match="no such file"):
        exrbatch.scan(str(tmp_path / "gone"))
