"""Errors of real file systems, as a user meets them: with the command line in its own process.

Whatever happens, the originals are whole, no temp file is left, and the reason has the system's
words.
"""

import contextlib
import errno
import functools
import json
import os
import resource
import shutil
import stat
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exrbatch.cli.sequence_names import sequence_names
from tests.support.build import PartSpec, build
from tests.support.explode import explode

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="mounts, attributes and strace are Linux's")
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount, give files away and become another user")

OLD = build([PartSpec(window=(0, 0, 95, 95), noise=0.05)])
PIXELS = explode(OLD)[0].raw
LARGE = build([PartSpec(window=(0, 0, 127, 127), noise=0.5)])
DENSE = build([PartSpec(window=(0, 0, 255, 255), compression=3, noise=0.0)])  # unpacked it takes 130 KiB
PROJECT = Path(__file__).resolve().parents[2]
NOBODY = 65534
Records = dict[str, dict[str, Any]]

STRACED = """
import sys
import exrbatch
from exrbatch.replacing import exchange, replacement
replacement.temp_name = exchange.temp_name = lambda *_: "temp.tmp"  # names that can be given to strace
exchange.old_name = lambda temp, _new: temp.removesuffix(".tmp") + ".old"
report = exrbatch.recompress(sys.argv[1], verify="native")
print(report.status, report.reason)
"""


@contextlib.contextmanager
def mounted(folder: Path, *arguments: object) -> Iterator[Path]:
    """Mount something there, and unmount it whatever happens.

    Skip if even root can't.
    """
    done = subprocess.run(["mount", *map(str, arguments), folder], check=False, capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"can't mount here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def tmpfs(folder: Path, options: str) -> contextlib.AbstractContextManager[Path]:
    """Mount a small file system of its own."""
    folder.mkdir()
    return mounted(folder, "-t", "tmpfs", "-o", options, "exrbatch-test")


@functools.cache
def nobodys_python() -> str:
    """Return an interpreter that another user can run with all that exrbatch needs.

    That is ours, or else the system's; skip if there is none.
    """
    ours = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    for python in filter(None, (sys.executable, shutil.which(ours, path=os.defpath))):
        trial = [python, "-c", "import exrbatch.batch.run, exrbatch.cli.recompress, numpy, OpenEXR"]
        with contextlib.suppress(PermissionError):
            if subprocess.run(trial, check=False, capture_output=True, **as_nobody()).returncode == 0:
                return python
    pytest.skip("no Python that another user can run")


def as_nobody() -> dict[str, Any]:
    """Return arguments for a process of a user who owns nothing and is in no group."""
    paths = os.pathsep.join((str(PROJECT), sysconfig.get_paths()["purelib"], sysconfig.get_paths()["platlib"]))
    env = os.environ | {"PYTHONPATH": paths, "HOME": "/", "PYTHONDONTWRITEBYTECODE": "1"}
    return {"user": NOBODY, "group": NOBODY, "extra_groups": [], "cwd": "/", "env": env}


def exrbatch(*arguments: object, code: int = 0, nobody: bool = False) -> Records:
    """Run `exrbatch recompress`, check its exit code and return the records by file name."""
    others: dict[str, Any] = as_nobody() if nobody else {"env": os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}}
    python = nobodys_python() if nobody else sys.executable
    command = [python, "-m", "exrbatch", "recompress", "--json", "-j", "1", *map(str, arguments)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, **others)
    assert done.returncode == code, done.stdout + done.stderr
    return {os.path.basename(record["path"]): record for record in json.loads(done.stdout)["files"]}


def outcomes(records: Records) -> dict[str, tuple[str, str | None]]:
    """Return status and reason by name."""
    return {name: (record["status"], record.get("reason")) for name, record in records.items()}


def fill(folder: Path, count: int = 3, data: bytes = OLD) -> list[Path]:
    """Write frames."""
    frames = [folder / f"b.{1001 + index}.exr" for index in range(count)]
    for frame in frames:
        frame.write_bytes(data)
    return frames


def looks(folder: Path) -> dict[str, tuple[object, ...]]:
    """Return everything in a folder that a replacement would change.

    A temp file would show, too.
    """
    return {
        path.name: (path.read_bytes(), status.st_ino, status.st_mtime_ns, status.st_uid, status.st_nlink)
        for path in folder.iterdir()
        for status in [path.stat()]
    }


def is_new(frame: Path) -> bool:
    """Whether it is the recompressed file."""
    data = frame.read_bytes()
    return len(data) < len(OLD) and explode(data)[0].raw == PIXELS


@pytest.fixture
def shot(tmp_path: Path) -> Path:
    """Make a folder with three frames."""
    folder = tmp_path / "shot"
    folder.mkdir()
    fill(folder)
    return folder


@pytest.fixture
def nobodys() -> Iterator[Path]:
    """Make a folder with two frames that belongs to nobody and that nobody can reach."""
    folder = Path(tempfile.mkdtemp(prefix="exrbatch-test-"))
    try:
        fill(folder, 2)
        for path in (folder, *folder.iterdir()):
            os.chown(path, NOBODY, NOBODY)
        folder.chmod(0o755)
        yield folder
    finally:
        shutil.rmtree(folder)


@root_only
class TestFullDisks:
    """A full disk ends the run with exit code 3, and files not yet started stay as they are."""

    def test_skips_a_file_that_does_not_fit(self, tmp_path: Path) -> None:
        """The lack of space is noticed before the first byte is written.

        The reason gives the free space.
        """
        with tmpfs(tmp_path / "full", "size=1M") as folder:
            fill(folder, 16)
            (folder / "filler").write_bytes(bytes(os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize))
            before = looks(folder)
            records = exrbatch(folder, code=3)
            assert 0 < len(records) < 16
            assert {record["status"] for record in records.values()} == {"skipped"}
            assert all("only 0 B is free on its disk" in record["reason"] for record in records.values())
            assert looks(folder) == before

    def test_disk_that_fills_up_keeps_the_original(self, tmp_path: Path) -> None:
        """The new file was allowed to be larger.

        A short write comes first, then ENOSPC; the temp file is removed.
        """
        with tmpfs(tmp_path / "full", "size=1M") as folder:
            fill(folder, 4, DENSE)
            space = os.statvfs(folder)
            (folder / "filler").write_bytes(bytes((space.f_bavail - 20) * space.f_frsize))
            before = looks(folder)
            records = exrbatch(folder, "-c", "none", "--force", code=3)
            reason = f"can't write the new file: {os.strerror(errno.ENOSPC)}"
            assert ("failed", reason) in outcomes(records).values()
            assert len(records) < 4
            assert looks(folder) == before

    def test_lack_of_inodes_keeps_the_original(self, tmp_path: Path) -> None:
        """There is space, but no file can be made."""
        with tmpfs(tmp_path / "full", "size=1M,nr_inodes=5") as folder:
            fill(folder, 4)
            before = looks(folder)
            reason = f"can't create a temp file in its folder: {os.strerror(errno.ENOSPC)}"
            assert ("failed", reason) in outcomes(exrbatch(folder, code=3)).values()
            assert looks(folder) == before

    def test_replaces_nothing_without_space_for_its_backup(self, shot: Path, tmp_path: Path) -> None:
        """Without its backup no original is replaced."""
        before = looks(shot)
        with tmpfs(tmp_path / "full", "size=16k") as folder:
            records = exrbatch(shot, "--backup-dir", folder, "--keep-backups", code=3)
            assert {record["status"] for record in records.values()} == {"failed"}
            assert [path for path in folder.rglob("*") if path.is_file()] == []
        assert looks(shot) == before


@root_only
def test_copies_backups_to_another_disk(shot: Path, tmp_path: Path) -> None:
    """There can be no hard links; the backups hold the originals, with their times."""
    modified = (shot / "b.1001.exr").stat().st_mtime_ns
    with tmpfs(tmp_path / "other", "size=4M") as folder:
        exrbatch(shot, "--backup-dir", folder, "--keep-backups")
        backups = [path for path in folder.rglob("*") if path.is_file()]
        assert sorted(path.name for path in backups) == ["b.1001.exr", "b.1002.exr", "b.1003.exr"]
        assert {path.read_bytes() for path in backups} == {OLD}
        backup = next(path for path in backups if path.name == "b.1001.exr")
        assert backup.stat().st_mtime_ns == modified
    assert all(is_new(frame) for frame in shot.iterdir())


def test_file_size_limit_fails_only_large_files(shot: Path) -> None:
    """EFBIG: the exit code is 1, and files that fit are recompressed."""
    for name in ("a.exr", "c.exr"):
        (shot / name).write_bytes(LARGE)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(LARGE) // 2, hard))
    try:
        found = outcomes(exrbatch(shot, code=1))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    reason = f"can't write the new file: {os.strerror(errno.EFBIG)}"
    assert [found.pop(name) for name in ("a.exr", "c.exr")] == [("failed", reason)] * 2
    assert list(found.values()) == [("recompressed", None)] * 3
    assert [(shot / name).read_bytes() for name in ("a.exr", "c.exr")] == [LARGE] * 2
    assert len(list(shot.iterdir())) == 5


@root_only
def test_refuses_a_read_only_disk_before_the_run(tmp_path: Path) -> None:
    """One line, before anything starts: nobody wants to find out only the next morning."""
    with tmpfs(tmp_path / "disk", "size=1M") as folder:
        fill(folder)
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        before = looks(folder)
        for force in ([], ["--force"]):
            command = [sys.executable, "-m", "exrbatch", "recompress", str(folder), *force]
            done = subprocess.run(command, check=False, capture_output=True, text=True)
            assert done.returncode == 2
            assert done.stderr == f"exrbatch: {folder}: its file system is mounted read-only; use --output (-o DIR)\n"
        assert looks(folder) == before


@root_only
def test_fails_files_on_a_read_only_mount_below_the_folder(shot: Path, tmp_path: Path) -> None:
    """They are reported in one line."""
    before = looks(shot)
    folder = tmp_path / "tree" / "view"
    folder.mkdir(parents=True)
    with mounted(folder, "--bind", shot):
        subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
        found = exrbatch(folder.parent, "--force", code=1)
        assert outcomes(found) == dict.fromkeys(before, ("failed", "its file system is mounted read-only"))
        command = [sys.executable, "-m", "exrbatch", "recompress", str(folder.parent)]
        shown = subprocess.run(command, check=False, capture_output=True, text=True).stderr
        for name, files in sequence_names([f"{folder}/{name}" for name in before]):
            count = f" ({files})" if files > 1 else ""
            assert f"failed: {name}{count}: its file system is mounted read-only\n" in shown
    assert looks(shot) == before


@root_only
def test_leaves_immutable_and_append_only_files_alone(shot: Path) -> None:
    """Not even --force touches them, and the next file is recompressed."""
    protected = {"b.1001.exr": "i", "b.1002.exr": "a"}
    before = looks(shot)
    with contextlib.ExitStack() as undo:
        for name, attribute in protected.items():
            done = subprocess.run(["chattr", f"+{attribute}", shot / name], check=False, capture_output=True, text=True)
            if done.returncode != 0:
                pytest.skip(f"this file system has no such attribute: {done.stderr.strip()}")
            undo.callback(subprocess.check_call, ["chattr", f"-{attribute}", str(shot / name)])
        found = outcomes(exrbatch(shot, "--force", code=1))
    reason = f"can't replace it: {os.strerror(errno.EPERM)}"
    assert found == dict.fromkeys(protected, ("failed", reason)) | {"b.1003.exr": ("recompressed", None)}
    after = looks(shot)
    assert {name: after[name] for name in protected} == {name: before[name] for name in protected}
    assert len(after) == 3


@root_only
def test_leaves_a_file_that_is_a_mount_point_alone(shot: Path, tmp_path: Path) -> None:
    """A file that is bound over another can't be replaced (EBUSY); neither is touched."""
    frame, other = shot / "b.1001.exr", tmp_path / "other.exr"
    other.write_bytes(OLD)
    hidden = looks(shot)[frame.name]
    with mounted(frame, "--bind", other):
        found = outcomes(exrbatch(shot, code=1))
    assert found.pop(frame.name) == ("failed", f"can't replace it: {os.strerror(errno.EBUSY)}")
    assert {status for status, _ in found.values()} == {"recompressed"}
    assert looks(shot)[frame.name] == hidden
    assert other.read_bytes() == OLD
    assert len(list(shot.iterdir())) == 3


@root_only
def test_replaces_files_of_an_overlay(shot: Path, tmp_path: Path) -> None:
    """Files of lower layers, on the upper one's disk or another, are replaced; the layers stay."""
    with tmpfs(tmp_path / "disk", "size=8M") as disk:
        for name in ("lower", "upper", "work", "merged"):
            (disk / name).mkdir()
        (disk / "lower" / "a.exr").write_bytes(OLD)
        before = looks(shot), looks(disk / "lower")
        options = f"lowerdir={shot}:{disk / 'lower'},upperdir={disk / 'upper'},workdir={disk / 'work'}"
        with mounted(disk / "merged", "-t", "overlay", "-o", options, "exrbatch-test") as merged:
            assert list(outcomes(exrbatch(merged)).values()) == [("recompressed", None)] * 4
            assert [is_new(path) for path in merged.iterdir()] == [True] * 4
        assert (looks(shot), looks(disk / "lower")) == before


@root_only
class TestAsAnotherUser:
    """Errors that only a user without root's rights meets."""

    def test_fails_in_a_folder_that_is_not_writable(self, nobodys: Path) -> None:
        """No temp file can be made there; the exit code is 1."""
        os.chown(nobodys, 0, 0)
        before = looks(nobodys)
        reason = f"can't create a temp file in its folder: {os.strerror(errno.EACCES)}"
        assert outcomes(exrbatch(nobodys, code=1, nobody=True)) == dict.fromkeys(before, ("failed", reason))
        assert looks(nobodys) == before

    def test_skips_a_protected_file_unless_forced(self, nobodys: Path) -> None:
        """The mode is 0444 in a writable folder; with --force it is recompressed and still 0444."""
        frame = nobodys / "b.1001.exr"
        frame.chmod(0o444)
        before = looks(nobodys)[frame.name]
        found = outcomes(exrbatch(nobodys, nobody=True))
        assert found[frame.name] == ("skipped", "it is write-protected; --force replaces it anyway")
        assert found["b.1002.exr"] == ("recompressed", None)
        assert looks(nobodys)[frame.name] == before
        exrbatch(frame, "--force", nobody=True)
        assert is_new(frame)
        assert stat.S_IMODE(frame.stat().st_mode) == 0o444
        assert len(list(nobodys.iterdir())) == 2

    def test_skips_files_of_another_owner_unless_forced(self, nobodys: Path) -> None:
        """The new file could not have their owner or group; with --force it has ours."""
        for name, uid in (("b.1001.exr", 0), ("b.1002.exr", NOBODY)):
            (nobodys / name).chmod(0o666)
            os.chown(nobodys / name, uid, 0)
        before = looks(nobodys)
        reason = "the new file can't have its owner or group; --force replaces it anyway"
        assert outcomes(exrbatch(nobodys, code=1, nobody=True)) == dict.fromkeys(before, ("skipped", reason))
        assert looks(nobodys) == before
        exrbatch(nobodys, "--force", nobody=True)
        for frame in nobodys.iterdir():
            assert is_new(frame)
            assert (frame.stat().st_uid, frame.stat().st_gid) == (NOBODY, NOBODY)

    def test_fails_an_unreadable_file_and_processes_the_others(self, nobodys: Path) -> None:
        """The reason has the system's words."""
        (nobodys / "b.1001.exr").chmod(0)
        found = outcomes(exrbatch(nobodys, code=1, nobody=True))
        reason = f"can't open it: {os.strerror(errno.EACCES)}"
        assert found == {"b.1001.exr": ("failed", reason), "b.1002.exr": ("recompressed", None)}

    def test_fails_another_users_file_in_a_sticky_folder(self, nobodys: Path) -> None:
        """Only owners may rename there: the file fails even with --force, and stays whole."""
        frame = nobodys / "b.1001.exr"
        frame.chmod(0o666)
        os.chown(frame, 0, 0)
        os.chown(nobodys, 0, 0)
        nobodys.chmod(0o1777)
        found = outcomes(exrbatch(frame, "--force", code=1, nobody=True))
        assert found == {frame.name: ("failed", f"can't replace it: {os.strerror(errno.EPERM)}")}
        assert frame.read_bytes() == OLD
        assert len(list(nobodys.iterdir())) == 2


def test_skips_breaks_or_relinks_hard_links(shot: Path) -> None:
    """When broken, the other name keeps the old file; when relinked, both have the new one."""
    for frame in list(shot.iterdir()):
        os.link(frame, shot / f"twin-{frame.name}")
    before = looks(shot)
    assert {status for status, _ in outcomes(exrbatch(shot, code=1)).values()} == {"skipped"}
    assert looks(shot) == before
    broken, twin = shot / "b.1001.exr", shot / "twin-b.1001.exr"
    exrbatch(broken, "--hardlinks", "break")
    assert is_new(broken)
    assert twin.read_bytes() == OLD
    twin.unlink()
    exrbatch(shot, "--hardlinks", "relink")
    for name in ("b.1002.exr", "b.1003.exr"):
        assert is_new(shot / name)
        assert (shot / name).samefile(shot / f"twin-{name}")
    assert len(list(shot.iterdir())) == 5


def test_keeps_access_lists_and_attributes(shot: Path) -> None:
    """Whatever setfacl and setfattr have set before is still set afterwards."""
    frame = shot / "b.1001.exr"
    try:
        os.setxattr(frame, "user.shot", b"ab010")
    except OSError:
        pytest.skip("this file system has no user attributes")
    if shutil.which("setfacl") is not None:
        done = subprocess.run(["setfacl", "-m", "u:1234:r,g:2345:rw", frame], check=False)
        assert done.returncode != 0 or "system.posix_acl_access" in os.listxattr(frame)
    before = {name: os.getxattr(frame, name) for name in os.listxattr(frame)}
    mode = frame.stat().st_mode
    exrbatch(frame)
    assert is_new(frame)
    assert {name: os.getxattr(frame, name) for name in os.listxattr(frame)} == before
    assert frame.stat().st_mode == mode


@functools.cache
def has_strace() -> bool:
    """Whether strace is here and may trace."""
    if shutil.which("strace") is None:
        return False
    return (
        subprocess.run(
            ["strace", "--seccomp-bpf", "-f", "-o", "/dev/null", "true"], check=False, capture_output=True
        ).returncode
        == 0
    )


@pytest.mark.parametrize(
    ("call", "error", "reason"),
    [
        ("openat", "ENOSPC", "can't create a temp file in its folder"),
        ("pwrite64", "ENOSPC", "can't write the new file"),
        ("pwrite64", "EDQUOT", "can't write the new file"),
        ("fchmod", "EPERM", "can't copy its metadata to the new file"),
        ("utimensat", "EPERM", "can't copy its metadata to the new file"),
        ("fsync", "EIO", "can't sync the new file to disk"),
        ("close", "EIO", "can't close the new file"),
        ("rename,renameat", "EIO", "can't replace it"),
        ("renameat2", "EIO", "can't replace it"),
        ("fsync of the folder", "EIO", "can't replace it"),
    ],
)
def test_kernel_errors_fail_the_file_with_the_systems_words(shot: Path, call: str, error: str, reason: str) -> None:
    """The faults of test_faults.py, but injected below Python; the original is whole."""
    if not has_strace():
        pytest.skip("strace is not installed or may not trace")
    calls, _, of_folder = call.partition(" of the ")
    frame, log = shot / "b.1001.exr", shot.with_name("strace.log")
    paths = [shot] if of_folder else [shot / "temp.tmp", shot / "temp.old"]
    traced = [
        "strace",
        "--seccomp-bpf",
        "-f",
        "-o",
        str(log),
        *(f"--trace-path={path}" for path in paths),
        "-e",
        f"trace={calls}",
    ]
    command = [*traced, "-e", f"inject={calls}:error={error}", sys.executable, "-c", STRACED, str(frame)]
    before = looks(shot)
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=PROJECT)
    assert "(INJECTED)" in log.read_text(), done.stderr
    assert done.stdout.strip() == f"failed {reason}: {os.strerror(getattr(errno, error))}"
    assert looks(shot) == before
