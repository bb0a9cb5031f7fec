"""Short names for many paths."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exrbatch.batch.discovery.discover import check_paths, discover
from exrbatch.cli.sequence_names import sequence_names

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([f"b.{frame}.exr" for frame in range(1290, 1301)], [("b.1290-1300#.exr", 11)]),
        ([f"b.{frame:04}.exr" for frame in (9, 10, 12)], [("b.9-10,12####.exr", 3)]),
        (["b.1001.exr"], [("b.1001.exr", 1)]),
        (["b.1002.exr", "a.exr", "b.1001.exr"], [("a.exr", 1), ("b.1001-1002#.exr", 2)]),
        (["z/a.1.exr", "a/z.1.exr", "z/a.2.exr"], [("a/z.1.exr", 1), ("z/a.1-2#.exr", 2)]),
        (["new\nline.1.exr", "new\nline.2.exr"], [(r"new\nline.1-2#.exr", 2)]),
        ([], []),
    ],
)
def test_frames_of_a_sequence_share_a_name(names: list[str], expected: list[tuple[str, int]]) -> None:
    """In the order of paths; a single file keeps its own name."""
    assert sequence_names(names) == expected


@given(st.lists(NAMES.map(lambda name: f"/shot/{name}"), unique=True, max_size=12))
def test_every_path_is_counted_once_on_a_printable_line(paths: list[str]) -> None:
    """Whatever the names are: fileseq drops those with line breaks."""
    named = sequence_names(paths)
    assert sum(files for _, files in named) == len(paths)
    assert all(name.isprintable() for name, _ in named)


def test_names_can_be_pasted_into_a_command(tmp_path: Path) -> None:
    """A sequence that a summary names is found again, frame by frame."""
    for name in ("b.1001.exr", "b.1002.exr", "c.0009.exr", "c.0010.exr", "d_7.exr", "d_8.exr", "d_10.exr"):
        (tmp_path / name).touch()
    paths = [str(path) for path in tmp_path.iterdir()]
    for name, files in sequence_names(paths):
        assert len(list(discover(check_paths([name])))) == files, name
    assert sorted(each.path for name, _ in sequence_names(paths) for each in discover(check_paths([name]))) == sorted(
        map(os.fspath, paths)
    )


def test_a_long_list_of_frames_is_cut() -> None:
    """10,000 single frames took 85 kB on one line."""
    (named,) = sequence_names([f"a.{index * index}.exr" for index in range(10_000)])
    assert named.files == 10_000
    assert len(named.name) < 250
