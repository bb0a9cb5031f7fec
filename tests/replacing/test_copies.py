"""Copies of whole files: compared byte by byte, and never read through a link."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exrbatch.errors import SourceChanged
from exrbatch.replacing import Original, copies


def compared(folder: Path, data: bytes, other: bytes) -> bool:
    (folder / "a").write_bytes(data)
    (folder / "b").write_bytes(other)
    fd = os.open(folder / "a", os.O_RDONLY)
    try:
        return copies.same_bytes(fd, str(folder / "b"))
    finally:
        os.close(fd)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=12), st.binary(max_size=12))
def test_files_are_equal_only_if_all_bytes_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes, other: bytes
) -> None:
    """Files of several pieces, one of which may be the beginning of the other."""
    monkeypatch.setattr(copies, "_PIECE", 4)
    assert compared(tmp_path, data, other) == (data == other)
    assert compared(tmp_path, data, data)
    assert compared(tmp_path, data, data + other) == (not other)
    assert compared(tmp_path, data + other, data) == (not other)


def test_does_not_follow_a_link(tmp_path: Path) -> None:
    """A link to the source is not a copy of it."""
    (tmp_path / "a").write_bytes(b"x")
    (tmp_path / "b").symlink_to("a")
    fd = os.open(tmp_path / "a", os.O_RDONLY)
    try:
        with pytest.raises(OSError, match="symbolic link"):
            copies.same_bytes(fd, str(tmp_path / "b"))
    finally:
        os.close(fd)


def test_a_file_that_shrinks_while_it_is_copied_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was reported as a copy that differs: a failed verification."""
    path = tmp_path / "a"
    path.write_bytes(b"x" * 100)

    def shrinking(fd: int, size: int, offset: int) -> bytes:
        data = os.pread(fd, size, offset)
        os.truncate(path, 10)
        return data

    monkeypatch.setattr(copies, "read_at", shrinking)
    fd = os.open(path, os.O_RDONLY)
    try:
        with pytest.raises(SourceChanged):
            copies.copy_whole(Original(str(path), fd, os.fstat(fd)), str(tmp_path / "b"))
    finally:
        os.close(fd)
    assert os.listdir(tmp_path) == ["a"]
