"""Files with several names, and backups of originals."""

import os
import subprocess
from pathlib import Path

import pytest

from exrbatch import Status, recompress, recompress_many
from exrbatch.replacing import temp_files
from exrbatch.replacing.disk import Disk
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


def test_break_replaces_one_name_only(frame: Path) -> None:
    """The other name keeps the old file, untouched."""
    other = frame.with_name("other.exr")
    os.link(frame, other)
    assert recompress(frame, hardlinks="break").status is Status.RECOMPRESSED
    assert other.read_bytes() == DATA
    assert frame.stat().st_size < len(DATA)
    assert (frame.stat().st_nlink, other.stat().st_nlink) == (1, 1)


def test_relink_replaces_all_names(frame: Path, tmp_path: Path) -> None:
    """All names stay one file and each is reported once; a second run has nothing to do."""
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
    """A name outside the given paths would be separated from the others, so nothing is touched."""
    os.link(frame, tmp_path / "outside.exr")
    (report,) = recompress_many(tmp_path / "in", hardlinks="relink", jobs=1)
    assert (report.status, report.reason) == (Status.SKIPPED, "some of its hard links lie outside the paths given")
    assert frame.read_bytes() == DATA


def test_removes_backups_when_new_files_are_in_place(frame: Path, tmp_path: Path) -> None:
    """With --keep-backups they stay, as a tree of the originals."""
    backups = tmp_path / "backups"
    (report,) = recompress_many(tmp_path / "in", backup_dir=backups, jobs=1)
    assert report.status is Status.RECOMPRESSED
    assert list(backups.rglob("*.exr")) == []
    (report,) = recompress_many(tmp_path / "in", "none", backup_dir=backups, keep_backups=True, force=True, jobs=1)
    assert report.status is Status.RECOMPRESSED
    assert (backups / "a" / "frame.exr").exists()
    assert frame.stat().st_nlink == 1


def test_makes_no_backup_of_a_file_that_stays(frame: Path, tmp_path: Path) -> None:
    """A file that ends as NO_GAIN gets none."""
    frame.write_bytes(INCOMPRESSIBLE)
    assert recompress(frame, "zips", backup=tmp_path / "backup.exr").status is Status.NO_GAIN
    assert not (tmp_path / "backup.exr").exists()


@pytest.mark.parametrize("links", [True, False])
def test_a_backup_is_a_link_or_an_exact_copy(
    frame: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    """If there are no hard links, it is a copy with the same bytes and mtime."""
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


@pytest.mark.parametrize(
    "what", ["other bytes", "the same bytes", "a hard link", "a link", "a dangling link", "a folder"]
)
@pytest.mark.parametrize("keep", [True, False])
def test_never_trusts_a_file_at_a_backups_place(frame: Path, tmp_path: Path, what: str, keep: bool) -> None:
    """However much it looks like a backup, both files are left alone."""
    backup = tmp_path / "backups" / "frame.exr"
    backup.parent.mkdir()
    if what == "a hard link":
        os.link(frame, backup)
    elif what == "a folder":
        backup.mkdir()
    elif what.endswith("link"):
        backup.symlink_to(frame if what == "a link" else "nothing")
    else:
        backup.write_bytes(DATA if what == "the same bytes" else b"older")
    before = os.lstat(backup)
    options = {"backup_dir": tmp_path / "backups", "keep_backups": keep, "hardlinks": "break"}
    for dry_run in (True, False):
        (report,) = recompress_many(frame, jobs=1, dry_run=dry_run, **options)  # type: ignore[arg-type]
        assert report.status is Status.SKIPPED
        assert report.reason == f"a backup exists: {backup}; move it away or use another --backup-dir"
    assert (os.lstat(backup).st_ino, os.lstat(backup).st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert frame.read_bytes() == DATA


def test_keeps_a_snapshot_used_as_backup_folder(frame: Path, tmp_path: Path) -> None:
    """Regression test for issue 13, A3.

    `cp -al in mine`, then --backup-dir mine emptied the snapshot.
    """
    subprocess.run(["cp", "-al", tmp_path / "in", tmp_path / "mine"], check=True)
    for hardlinks in ("skip", "break"):
        (report,) = recompress_many(tmp_path / "in", backup_dir=tmp_path / "mine", hardlinks=hardlinks, jobs=1)
        assert report.status is Status.SKIPPED
    assert (tmp_path / "mine" / "a" / "frame.exr").read_bytes() == DATA
    assert frame.read_bytes() == DATA


def test_keeps_the_backup_if_the_rename_fails(frame: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a failed rename nothing is certain; the reason says where the backup is."""

    def fail(*_arguments: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Disk, "exchange", fail)
    backup = tmp_path / "backup.exr"
    report = recompress(frame, backup=backup)
    assert (report.status, report.reason) == (
        Status.FAILED,
        f"can't replace it: Input/output error; its backup is kept at {backup}",
    )
    assert frame.read_bytes() == backup.read_bytes() == DATA


def die_at(call: str, frame: Path, backup: Path) -> None:
    """Kill a run at a call to the disk."""

    def die(*_arguments: object) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Disk, call, die)
        with pytest.raises(KeyboardInterrupt):
            recompress(frame, backup=backup)


def test_takes_over_the_backup_of_a_killed_run(frame: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the other run lives, it keeps the file.

    Then the next run goes on and removes the record.
    """
    backup = tmp_path / "backup.exr"
    die_at("exchange", frame, backup)
    assert (frame.stat().st_nlink, backup.exists()) == (3, True)
    report = recompress(frame, backup=backup)
    assert report.reason == f"another run is replacing it: its backup is at {backup}"
    monkeypatch.setattr(temp_files, "is_alive", lambda _pid: False)
    assert recompress(frame, backup=backup).status is Status.RECOMPRESSED
    assert backup.read_bytes() == DATA
    assert (backup.stat().st_nlink, frame.stat().st_nlink) == (1, 1)
    assert temps_in(tmp_path) == []


def test_goes_on_after_a_run_killed_before_its_backup(
    frame: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The names that it gave the frame do not count as the user's hard links, swept or not."""
    backup = tmp_path / "backup.exr"
    die_at("rename_new", frame, backup)
    assert (frame.stat().st_nlink, backup.exists()) == (3, False)
    assert "3 hard links" in (recompress(frame, backup=backup).reason or "")
    monkeypatch.setattr(temp_files, "is_alive", lambda _pid: False)
    assert recompress(frame, backup=backup).status is Status.RECOMPRESSED
    assert backup.read_bytes() == DATA
