"""Sequences with ranges, and patterns in quotes, as people paste them."""

from pathlib import Path

import pytest

from exrbatch import OptionsError
from exrbatch.batch.discovery.discover import check_paths, discover


@pytest.fixture
def shot(tmp_path: Path) -> Path:
    """Make two sequences and a file whose name looks like a pattern."""
    for name in (
        "b.1025.exr",
        "b.1026.exr",
        "b.1027.exr",
        "t1/c.1.exr",
        "t1/c.2.exr",
        "t2/c.1.exr",
        "x[1].exr",
        "x1.exr",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["b.%04d.exr 1025-1026"], ["b.1025.exr", "b.1026.exr"]),
        (["b.%04d.exr", "1025-1026"], ["b.1025.exr", "b.1026.exr"]),
        (["b.####.exr", "1025-1027x2"], ["b.1025.exr", "b.1027.exr"]),
        (["b.%04d.exr", "1027"], ["b.1027.exr"]),
        (["b.%04d.exr", "1025,1027", "t1"], ["b.1025.exr", "b.1027.exr", "t1/c.1.exr", "t1/c.2.exr"]),
        (["t1/*.exr"], ["t1/c.1.exr", "t1/c.2.exr"]),
        (["t?/c.1.exr"], ["t1/c.1.exr", "t2/c.1.exr"]),
        (["**/c.1.exr"], ["t1/c.1.exr", "t2/c.1.exr"]),
        (["x[1].exr"], ["x[1].exr"]),
        (["b.1025-1026#.exr"], ["b.1025.exr", "b.1026.exr"]),
    ],
)
def test_understands_ranges_and_patterns(shot: Path, arguments: list[str], expected: list[str]) -> None:
    """Nuke writes the range behind the sequence. A file with the literal name comes first."""
    paths = [argument if argument[0].isdigit() else f"{shot}/{argument}" for argument in arguments]
    assert sorted(each.path for each in discover(check_paths(paths))) == [f"{shot}/{name}" for name in expected]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["t9/*.exr"], "no file or folder matches: t9/"),
        (["1025-1026"], "no such file or folder: 1025-1026"),
        (["b.1001:1004#.exr"], "read differently by different tools"),
        (["b-%04d.exr 5-6"], "would be read as a part of 5-6"),
        (["v2%04d.exr", "1-2"], "would be read as a part of 1-2"),
        (["b.%04d.exr", "1025", "1026"], "would be read as a part of 1026"),
        (["nothing.exr"], "no such file or folder: nothing.exr"),
    ],
)
def test_refuses_what_matches_nothing(arguments: list[str], message: str) -> None:
    """A typing error is a usage error."""
    with pytest.raises(OptionsError, match=message):
        check_paths(arguments)
