"""Files with several names, and originals that are kept."""

import os
from pathlib import Path

import pytest

from exrbatch import Status, recompress, recompress_many
from exrbatch.file.disk import Disk
from tests.support.build import PartSpec, build

DATA = build([PartSpec(window=(0, 0, 63, 63), noise=0.05)])
INCOMPRESSIBLE = build([PartSpec(window=(0, 0, 63, 63), compression=3, noise=1.0)])


@pytest.fixture
def frame(tmp_path: Path) -> Path:
    path = tmp_path / "in" / "a" / "frame.exr"
    path.parent.mkdir(parents=True)
    path.write_bytes(DATA)
    return path


def temps_in(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob(".exrbatch-*")]


def test_break_gives_the_new_file_to_one_name(frame: Path) -> None:
    """The other name keeps the old file, untouched."""
    other = frame.with_name("other.exr")
    os.link(frame, other)
    assert recompress(frame, hardlinks="break").status is Status.RECOMPRESSED
    assert other.read_bytes() == DATA
    assert frame.stat().st_size < len(DATA)
    assert (frame.stat().st_nlink, other.stat().st_nlink) == (1, 1)


def test_relink_gives_the_new_file_to_all_names(frame: Path, tmp_path: Path) -> None:
    """All names stay one file; each is reported once, and a second run finds nothing to do."""
    other = tmp_path / "in" / "b.exr"
    os.link(frame, other)
    reports = list(recompress_many(tmp_path / "in", hardlinks="relink", jobs=1))
    assert sorted(report.status for report in reports) == [Status.RECOMPRESSED, Status.SKIPPED]
    assert frame.samefile(other)
    assert frame.stat().st_size < len(DATA)
    assert temps_in(tmp_path) == []
    assert {report.status for report in recompress_many(tmp_path / "in", hardlinks="relink", jobs=1)} == {
        Status.ALREADY,
        Status.SKIPPED,
    }


def test_relink_needs_all_names(frame: Path, tmp_path: Path) -> None:
    """A name outside the paths given would be parted from the others: nothing is touched."""
    os.link(frame, tmp_path / "outside.exr")
    (report,) = recompress_many(tmp_path / "in", hardlinks="relink", jobs=1)
    assert (report.status, report.reason) == (Status.SKIPPED, "some of its hard links lie outside the paths given")
    assert frame.read_bytes() == DATA


def test_backups_go_when_the_new_file_is_in_place(frame: Path, tmp_path: Path) -> None:
    """Without --keep-backups the folder is empty of frames again; with it the tree of originals is there."""
    backups = tmp_path / "backups"
    (report,) = recompress_many(tmp_path / "in", backup_dir=backups, jobs=1)
    assert report.status is Status.RECOMPRESSED
    assert list(backups.rglob("*.exr")) == []
    (report,) = recompress_many(tmp_path / "in", "none", backup_dir=backups, keep_backups=True, force=True, jobs=1)
    assert report.status is Status.RECOMPRESSED
    assert (backups / "a" / "frame.exr").exists()
    assert frame.stat().st_nlink == 1


def test_a_file_that_stays_needs_no_backup(frame: Path, tmp_path: Path) -> None:
    """NO_GAIN makes none."""
    frame.write_bytes(INCOMPRESSIBLE)
    assert recompress(frame, "zips", backup=tmp_path / "backup.exr").status is Status.NO_GAIN
    assert not (tmp_path / "backup.exr").exists()


@pytest.mark.parametrize("links", [True, False])
def test_a_backup_is_the_original(frame: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    """A hard link, or a copy with the same bytes and mtime where there are no links."""
    if not links:

        def refuse(*_arguments: object) -> None:
            raise OSError(18, "Invalid cross-device link")

        monkeypatch.setattr(Disk, "link", refuse)
    inode, mtime = frame.stat().st_ino, frame.stat().st_mtime_ns
    backup = tmp_path / "deep" / "backup.exr"
    assert recompress(frame, backup=backup).status is Status.RECOMPRESSED
    assert backup.read_bytes() == DATA
    assert (backup.stat().st_ino == inode) == links
    assert backup.stat().st_mtime_ns == mtime
    assert temps_in(tmp_path) == []


def test_an_older_backup_is_never_written_over(frame: Path, tmp_path: Path) -> None:
    """It may be the only one of its kind; the file is left alone and says so. The same bytes are fine."""
    backup = tmp_path / "backup.exr"
    backup.write_bytes(b"older")
    report = recompress(frame, backup=backup)
    assert report.status is Status.SKIPPED
    assert "another backup" in (report.reason or "")
    assert (backup.read_bytes(), frame.read_bytes()) == (b"older", DATA)
    backup.unlink()
    os.link(frame, backup)  # as a run leaves it that is killed at the wrong moment
    assert recompress(frame, backup=backup).status is Status.RECOMPRESSED
    assert backup.read_bytes() == DATA


def test_a_backup_stays_when_the_swap_fails_and_the_original_does(
    frame: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failed swap leaves the original where it was and takes the backup away again."""

    def fail(*_arguments: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Disk, "exchange", fail)
    monkeypatch.setattr(Disk, "rename", fail)
    assert recompress(frame, backup=tmp_path / "backup.exr").status is Status.FAILED
    assert frame.read_bytes() == DATA
    assert not (tmp_path / "backup.exr").exists()
    assert frame.stat().st_nlink == 1
