"""The output tree recognizes a folder by its identity, however its path is spelled."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from exrbatch import OptionsError, Status, recompress_many
from exrbatch.batch.discovery.discover import check_paths
from exrbatch.batch.discovery.output_tree import OutputTree
from tests.replacing.test_real_disks import mounted
from tests.support.build import PartSpec, build

DATA = build([PartSpec(window=(0, 0, 63, 63), noise=0.05)])
root_only = pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root can bind folders")


@pytest.fixture
def shot(tmp_path: Path) -> Path:
    for name in ("in/a/1.exr", "in/2.exr"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(DATA)
    return tmp_path / "in"


@pytest.fixture
def bound(shot: Path) -> Iterator[Path]:
    """Make the same folder available under another path, without a link."""
    other = shot.with_name("bound")
    other.mkdir()
    with mounted(other, "--bind", shot):
        yield other


@root_only
class TestBoundFolders:
    """One folder under two paths is recognized as one folder.

    Every frame was deleted if the backup folder was the source folder under another path (issue 13,
    A1).
    """

    @pytest.mark.parametrize("keep", [True, False])
    def test_refuses_the_source_as_backup_folder(self, shot: Path, bound: Path, keep: bool) -> None:
        """The source folder and any folder below it are refused."""
        for folder in (bound, bound / "a", bound / "new"):
            with pytest.raises(OptionsError, match=r"the backup folder .* (holds the source|lies below)"):
                list(recompress_many(shot, backup_dir=folder, keep_backups=keep))
        assert [path.read_bytes() for path in shot.rglob("*.exr")] == [DATA, DATA]

    def test_refuses_the_source_as_output_folder(self, shot: Path, bound: Path) -> None:
        """The source folder and any folder that holds it are refused."""
        with pytest.raises(OptionsError, match=r"holds the source .*; leave out -o"):
            list(recompress_many(shot, output=bound))
        with pytest.raises(OptionsError, match=r"holds the source .*; leave out -o"):
            list(recompress_many(shot / "a", output=bound))

    def test_keeps_frames_when_the_backup_folder_leads_into_the_source(self, shot: Path, tmp_path: Path) -> None:
        """A bind mount inside the backup folder shows the source, which no path reveals.

        Each frame stays, because a file that already has a backup's place is not taken for a
        backup.
        """
        backups = tmp_path / "backups"
        (backups / "a").mkdir(parents=True)
        with mounted(backups / "a", "--bind", shot / "a"):
            reports = {Path(report.path).name: report for report in recompress_many(shot, backup_dir=backups)}
        assert reports["2.exr"].status is Status.RECOMPRESSED
        assert reports["1.exr"].status is Status.SKIPPED
        assert "a backup exists" in (reports["1.exr"].reason or "")
        assert (shot / "a" / "1.exr").read_bytes() == DATA

    def test_walks_a_folder_with_two_paths_once(self, shot: Path, bound: Path) -> None:
        """Its files are found once if the folder is given by two paths."""
        assert check_paths([str(shot), str(bound)]) == [str(shot)]
        assert check_paths([str(bound / "a"), str(shot)]) == [str(shot)]


def test_recognizes_the_source_behind_a_symbolic_link(shot: Path) -> None:
    """The source folder is refused as backup folder if a symbolic link leads to it."""
    link = shot.with_name("link")
    link.symlink_to(shot)
    for name in ("backup", "output"):
        with pytest.raises(OptionsError):
            OutputTree(str(link), [str(shot)], written_as=name).check_writable([str(shot)])


def test_two_runs_with_one_backup_folder_lose_nothing(tmp_path: Path) -> None:
    """Two runs that share a backup folder keep every frame.

    One run took the other's backup for its own and removed it; then the other replaced the frame
    (issue 13, A2).
    """
    for attempt in range(2):
        shot, backups = tmp_path / f"in{attempt}", tmp_path / f"backups{attempt}"
        shot.mkdir()
        for index in range(30):
            (shot / f"{index}.exr").write_bytes(DATA)
        command = [sys.executable, "-m", "exrbatch", "recompress", str(shot), "-j", "2"]
        options = ["--keep-backups"] if attempt == 0 else []
        command += ["--backup-dir", str(backups), *options]
        runs = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(2)]
        assert [run.wait() for run in runs] == [0, 0]
        for index in range(30):
            frame, backup = shot / f"{index}.exr", backups / f"{index}.exr"
            is_new = frame.stat().st_size < len(DATA)
            assert is_new or frame.read_bytes() == DATA
            assert backup.exists() == (is_new and bool(options))
            assert not backup.exists() or backup.read_bytes() == DATA
        assert list(tmp_path.rglob(".exrbatch-*")) == []
