"""Storage that is not a local disk is recognized, and never trusted with what it can't do."""

import ctypes
import errno
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from exrbatch import OptionsError, Status, recompress, recompress_many
from exrbatch.batch.options import Options
from exrbatch.batch.run import Run
from exrbatch.jobs.recompress_job import RecompressRules
from exrbatch.replacing import disk, file_systems, linux, mounts
from exrbatch.replacing.disk import Disk
from exrbatch.replacing.file_systems import SMB, file_system_at
from exrbatch.replacing.mounts import Mount, mount_of
from tests.support.build import PartSpec, build

DATA = build([PartSpec(window=(0, 0, 63, 63), noise=0.05)])
OLD_ENOUGH = time.time() - 3600


@pytest.fixture
def frame(tmp_path: Path) -> Path:
    path = tmp_path / "in" / "frame.exr"
    path.parent.mkdir()
    path.write_bytes(DATA)
    os.utime(path, (OLD_ENOUGH, OLD_ENOUGH))
    return path


@pytest.fixture
def mounted_as(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Make every folder look as if it were on another kind of file system."""

    def be(kind: str) -> None:
        monkeypatch.setattr(mounts, "mount_of", lambda *_: Mount(kind, "server:/export"))
        monkeypatch.setattr(file_systems, "_known", {})
        monkeypatch.setattr(file_systems, "_marks", {})

    return be


class RefusingDisk(Disk):
    """Refuse to rename over a file that this process holds open, as SMB clients do.

    The target is removed all the same.

    Attributes:
        refused: whether that has happened.
    """

    def __init__(self, *, removes: bool) -> None:
        self.removes = removes
        self.refused = False
        self._open: dict[int, str] = {}

    def create(self, path: str) -> int:
        fd = super().create(path)
        self._open[fd] = path
        return fd

    def close(self, fd: int) -> None:
        self._open.pop(fd)
        super().close(fd)

    def rename(self, path: str, target: str) -> None:
        if target in self._open.values():
            self.refused = True
            if self.removes:
                os.unlink(target)
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))
        super().rename(path, target)


@pytest.mark.skipif(sys.platform != "linux", reason="the mount table of Linux")
def test_finds_the_kind_of_storage_in_the_mount_table(tmp_path: Path) -> None:
    """Also for folders whose device number is not in it, and for names with blanks."""
    shown = subprocess.run(["stat", "-f", "-c", "%T", "/proc"], check=True, capture_output=True, text=True).stdout
    assert mount_of(os.stat("/proc").st_dev, "/proc").kind == shown.strip() == "proc"
    assert mount_of(os.makedev(0, 999_999), "/proc/self").kind == "proc"
    assert mounts._unescaped(rb"/mnt/a\040b\134c") == "/mnt/a b\\c"


@pytest.mark.parametrize("kind", sorted(SMB))
@pytest.mark.parametrize("force", [True, False])
def test_replaces_nothing_in_place_on_smb(
    frame: Path, mounted_as: Callable[[str], None], kind: str, force: bool
) -> None:
    """A root there is a usage error; files on a mount below a root fail.

    Every frame was destroyed (issue 14, A1).
    """
    mounted_as(kind)
    with pytest.raises(OptionsError, match=r"can't be replaced in place .*; use --output \(-o DIR\)"):
        Run([str(frame.parent)], Options(rules=RecompressRules(force=force)))
    report = recompress(frame, force=force)
    assert (report.status, report.reason) == (Status.FAILED, file_systems.CANT_REPLACE.format(kind))
    assert frame.read_bytes() == DATA
    assert [path.name for path in frame.parent.iterdir()] == [frame.name]
    (mirrored,) = recompress_many(frame.parent, output=frame.parent.with_name("out"), jobs=1)
    assert mirrored.status is Status.RECOMPRESSED


@pytest.mark.parametrize("removes", [True, False])
def test_probe_finds_storage_that_behaves_like_smb(
    frame: Path, mounted_as: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, removes: bool
) -> None:
    """Two files of our own show it, before any frame is touched; both are removed."""
    mounted_as("fuse.other")
    refusing = RefusingDisk(removes=removes)
    monkeypatch.setattr(disk, "DISK", refusing)
    report = recompress(frame)
    assert (report.status, report.reason) == (Status.FAILED, file_systems.CANT_REPLACE.format("fuse.other"))
    assert refusing.refused
    assert [path.name for path in frame.parent.iterdir()] == [frame.name]
    assert frame.read_bytes() == DATA


def test_probes_storage_once_and_never_in_a_dry_run(
    frame: Path, mounted_as: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Local disks are not probed at all."""
    made: list[str] = []
    real = Disk.create

    def create(self: Disk, path: str) -> int:
        made.append(path)
        return real(self, path)

    monkeypatch.setattr(Disk, "create", create)
    assert not file_system_at(str(frame.parent), may_write=True).loses_targets
    assert made == []
    mounted_as("nfs4")
    assert recompress(frame, dry_run=True).status is Status.PLANNED
    assert made == []
    for _ in range(2):
        assert not file_system_at(str(frame.parent), may_write=True).loses_targets
    assert len(made) == 2


@pytest.mark.parametrize("place", ["Show\xa0-\xa0ext4\xa0x", "a\rb\rc", "a\u3000b"])
def test_splits_the_mount_table_at_blanks_and_line_feeds_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """A mount point may hold any other white space.

    Lines that can't be parsed are passed over.
    """
    table = tmp_path / "mountinfo"
    good = f"36 35 98:0 / /mnt/{place} rw - cifs //server/share rw"
    table.write_bytes(f"1 2 3:4 / /mnt/b rw - ext4 /dev/sda rw\nnonsense\n{good}\n".encode())
    monkeypatch.setattr(mounts, "_TABLE", str(table))
    monkeypatch.setattr(mounts, "_changes", mounts._Changes())
    assert mount_of(os.makedev(98, 0), f"/mnt/{place}/x") == Mount("cifs", "//server/share")
    assert mount_of(os.makedev(9, 9), f"/mnt/{place}/y") == Mount("cifs", "//server/share")
    assert mount_of(os.makedev(9, 9), "/elsewhere") == Mount("", "")


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOSYS, errno.EINVAL])
def test_uses_stat_if_statx_is_forbidden(frame: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Containers forbid calls that are newer than their rules.

    Every frame failed, and left a temp file.
    """

    def forbidden(*_arguments: object) -> int:
        ctypes.set_errno(number)
        return -1

    find = linux._c_function
    monkeypatch.setattr(linux, "_c_function", lambda name: forbidden if name == "statx" else find(name))
    report = recompress(frame)
    assert report.status is Status.RECOMPRESSED, report.reason
    assert [path.name for path in frame.parent.iterdir()] == [frame.name]


def refuse_leases(_self: Disk, _fd: int) -> bool:
    """Refuse leases as an NFSv4 client without a delegation does."""
    return True


@pytest.mark.parametrize("options", [{}, {"output": True}, {"backup": True}])
def test_a_refused_lease_means_a_writer_on_local_disks_only(
    frame: Path,
    mounted_as: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, bool],
) -> None:
    """Regression test for issue 14, B3.

    On NFSv4 every file was skipped as "open for writing", with exit code 0.
    """
    monkeypatch.setattr(Disk, "has_writer", refuse_leases)
    places = {name: frame.parent.with_name(name) for name in options}
    report = recompress(frame, **places)  # type: ignore[arg-type]
    assert (report.status, report.reason) == (Status.SKIPPED, "another program has it open for writing")
    mounted_as("nfs4")
    report = recompress(frame, **places)  # type: ignore[arg-type]
    assert report.status is Status.RECOMPRESSED, report.reason


def test_skips_young_frames_on_other_storage(
    frame: Path, mounted_as: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing shows whether they are still being written.

    A frame must be a minute old by the server's clock.
    """
    os.utime(frame)
    mounted_as("nfs4")
    report = recompress(frame)
    assert (report.status, report.reason) == (
        Status.SKIPPED,
        "written less than 60 s ago, and its storage can't show whether it is still being written; run again later",
    )
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now - 1000)  # this machine's clock is behind
    mounted_as("nfs4")
    os.utime(frame, (now - 70, now - 70))
    assert recompress(frame).status is Status.RECOMPRESSED


@pytest.mark.parametrize("where", ["in place", "backup"])
def test_uses_no_hard_links_that_look_like_other_files(
    frame: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """Regression test for issue 14, B4.

    On sshfs every file was "replaced by another file", and backups stayed.
    """

    def link(_self: Disk, path: str, target: str) -> None:
        with open(path, "rb") as source, open(target, "xb") as other:
            other.write(source.read())
        os.utime(target, ns=(os.stat(path).st_atime_ns, os.stat(path).st_mtime_ns))

    def cant(*_arguments: object) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(Disk, "link", link)
    monkeypatch.setattr(Disk, "exchange", cant)
    backup = frame.parent.with_name("backup.exr")
    report = recompress(frame, backup=backup if where == "backup" else None)
    assert report.status is Status.RECOMPRESSED, report.reason
    assert [path.name for path in frame.parent.iterdir()] == [frame.name]
    if where == "backup":
        assert backup.read_bytes() == DATA
        assert [path.name for path in backup.parent.iterdir() if path.is_file()] == ["backup.exr"]


@pytest.mark.parametrize("step", [1_000_000_000, 2_000_000_000, 10_000_000, 100])
@pytest.mark.parametrize("notes", [True, False], ids=["notes", "no attributes"])
def test_second_run_recognizes_outputs_with_coarse_times(
    frame: Path, monkeypatch: pytest.MonkeyPatch, step: int, notes: bool
) -> None:
    """Regression test for issue 14, B5.

    On vfat, exFAT, NTFS and SMB, files were recompressed again or skipped.
    """
    real = Disk.set_times

    def coarse(self: Disk, fd: int, path: str, accessed: int, modified: int) -> None:
        real(self, fd, path, accessed // step * step, modified // step * step)

    monkeypatch.setattr(Disk, "set_times", coarse)
    if not notes:
        monkeypatch.delattr(os, "setxattr")
        monkeypatch.delattr(os, "getxattr")
    os.utime(frame, ns=(1_700_000_001_987_654_321, 1_700_000_001_987_654_321))
    output = frame.parent.with_name("out.exr")
    assert recompress(frame, output=output).status is Status.RECOMPRESSED
    assert recompress(frame, output=output).status is Status.ALREADY


def test_does_not_take_storage_of_unknown_size_for_full(frame: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Regression test for issue 14, B7.

    Some FUSE mounts report 0 blocks in total; every file was refused.
    """
    monkeypatch.setattr("shutil.disk_usage", lambda _path: (0, 0, 0))
    assert recompress(frame).status is Status.RECOMPRESSED


def test_skipping_everything_for_one_reason_is_a_failure(frame: Path) -> None:
    """The exit code is 1, because nothing was done."""
    os.link(frame, frame.with_name("twin.exr"))
    command = [sys.executable, "-m", "exrbatch", "recompress", str(frame.parent)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "nothing was done: all files were skipped for one reason: it has 2 hard links" in done.stdout


def test_probes_once_if_probe_files_cannot_be_removed(
    frame: Path, mounted_as: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message names the files that the probe left.

    Before, every frame left more of them, and no message named any.
    """

    def refuse(_self: Disk, _path: str) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    mounted_as("fuse.other")
    monkeypatch.setattr(file_systems, "_failures", {})
    monkeypatch.setattr(Disk, "remove", refuse)
    first, second = recompress(frame), recompress(frame)
    left = {path.name for path in frame.parent.iterdir()} - {frame.name}
    assert left
    assert first.status is second.status is Status.FAILED
    assert first.reason == second.reason
    assert all(name in (first.reason or "") for name in left)


def test_repeats_a_probe_that_failed(
    frame: Path, mounted_as: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One lost reply must not fail all frames of a folder."""
    real, calls = Disk.create, []

    def fail_once(self: Disk, path: str) -> int:
        calls.append(path)
        if len(calls) == 1:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(self, path)

    mounted_as("fuse.other")
    monkeypatch.setattr(Disk, "create", fail_once)
    assert recompress(frame).status is Status.FAILED
    assert recompress(frame).status is Status.RECOMPRESSED
