"""Which temp files are removed, and which are kept because they may be the only copy."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from exrbatch import recompress
from exrbatch.jobs.completeness import is_complete
from exrbatch.replacing import temp_files
from exrbatch.replacing.disk import Disk
from exrbatch.replacing.mounts import Mount
from tests.support.build import PartSpec, build

DATA = build([PartSpec(window=(0, 0, 31, 31), noise=0.05)])


@pytest.fixture
def dead() -> int:
    """Return the number of a process that has ended."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


@pytest.fixture
def frame(tmp_path: Path) -> Path:
    path = tmp_path / "frame.exr"
    path.write_bytes(DATA)
    return path


def name_by(monkeypatch: pytest.MonkeyPatch, frame: Path, pid: int) -> Path:
    """Return a temp path as that process would choose it for the frame in its present state."""
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: pid)
        return frame.with_name(temp_files.temp_name(frame.name, frame.stat()))


def swept(folder: Path) -> list[str]:
    return temp_files.sweep_folder(str(folder), os.listdir(folder), is_complete)


def test_removes_temp_files_of_a_dead_process(frame: Path, dead: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A living run's temp files stay, and another host's stay for a day.

    Names that only look alike are not ours.
    """
    left, living = name_by(monkeypatch, frame, dead), name_by(monkeypatch, frame, os.getpid())
    foreign = frame.with_name(left.name.replace(left.name.split("-")[1], "00000000"))
    alike = frame.with_name(f".exrbatch-mine-{dead}.tmp")
    for path in (left, living, foreign, alike):
        path.touch()
    assert swept(frame.parent) == []
    assert {path.name for path in frame.parent.iterdir()} == {frame.name, living.name, foreign.name, alike.name}
    tomorrow = time.time() + temp_files.FOREIGN_SECONDS + 60
    monkeypatch.setattr(time, "time", lambda: tomorrow)
    assert swept(frame.parent) == []
    assert {path.name for path in frame.parent.iterdir()} == {frame.name, alike.name}


def swapped(monkeypatch: pytest.MonkeyPatch, frame: Path, pid: int) -> Path:
    """Leave what a run leaves that died between the exchange and the check.

    The original lies under a temp name, and the new file is in place.
    """
    fresh = frame.with_name("fresh")
    fresh.write_bytes(DATA)
    os.utime(fresh, ns=(frame.stat().st_atime_ns, frame.stat().st_mtime_ns))
    recompress(fresh)
    old = Path(temp_files.old_name(str(name_by(monkeypatch, frame, pid)), temp_files.identity(fresh.stat())))
    os.link(frame, old)
    fresh.replace(frame)
    return old


def test_removes_an_original_if_its_successor_is_whole(frame: Path, dead: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new file had been verified against it.

    If the successor is damaged or gone, the original is kept.
    """
    old = swapped(monkeypatch, frame, dead)
    new = frame.read_bytes()
    frame.write_bytes(new[:-5])
    assert swept(frame.parent) == [old.name]
    frame.rename(frame.with_name("renamed.exr"))
    assert swept(frame.parent) == [old.name]
    frame.write_bytes(new)
    kept, mtime = old.read_bytes(), old.stat().st_mtime_ns
    with old.open("ab"):  # somebody may still write to what was the frame
        assert swept(frame.parent) == [old.name]
    old.rename(old.with_name("aside"))
    old.write_bytes(kept)  # another file with the same mtime, as rsync and archives make them, proves nothing
    os.utime(old, ns=(mtime, mtime))
    assert swept(frame.parent) == [old.name]
    old.with_name("aside").replace(old)
    assert swept(frame.parent) == []
    assert not old.exists()


@pytest.mark.parametrize("change", ["append", "replace"])
def test_keeps_a_swapped_out_file_that_had_changed(
    frame: Path, dead: int, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """If it is not the file that was read, it holds new work: it is reported, never removed."""
    old = swapped(monkeypatch, frame, dead)
    if change == "append":
        with old.open("ab") as file:
            file.write(b"more")
    else:
        old.unlink()
        old.write_bytes(b"rendered anew")
    content = old.read_bytes()
    assert swept(frame.parent) == [old.name]
    assert old.read_bytes() == content


def test_removes_a_new_file_that_was_never_exchanged(frame: Path, dead: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run died just before the exchange.

    The new file lies under the temp name, and has the original's mtime.
    """
    new = frame.with_name("new")
    new.write_bytes(DATA)
    old = Path(temp_files.old_name(str(name_by(monkeypatch, frame, dead)), temp_files.identity(new.stat())))
    new.rename(old)
    os.utime(old, ns=(frame.stat().st_atime_ns, frame.stat().st_mtime_ns))
    assert swept(frame.parent) == []
    assert not old.exists()
    assert frame.read_bytes() == DATA


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="the state of a process is read from /proc")
def test_takes_a_zombie_process_for_dead(frame: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Regression test for issue 13, C24.

    In containers whose init never reaps, its temp files stayed for a day.
    """
    zombie = subprocess.Popen(["true"])
    with open(f"/proc/{zombie.pid}/stat") as file:
        while ") Z" not in file.read():
            file.seek(0)
    left = name_by(monkeypatch, frame, zombie.pid)
    left.touch()
    assert swept(frame.parent) == []
    assert not left.exists()
    zombie.wait()


@pytest.mark.parametrize("is_local", [True, False])
def test_removes_a_second_name_of_a_frame_that_is_open(
    frame: Path, dead: int, monkeypatch: pytest.MonkeyPatch, is_local: bool
) -> None:
    """A run was killed before its rename.

    NFSv4 reports a writer for every file.
    """
    monkeypatch.setattr(Disk, "has_writer", lambda *_: True)
    if not is_local:
        monkeypatch.setattr(temp_files, "mount_of", lambda *_: Mount("nfs4", "server:/export"))
    old = Path(temp_files.old_name(str(name_by(monkeypatch, frame, dead)), (0, 1)))
    os.link(frame, old)
    assert swept(frame.parent) == []
    assert [path.name for path in frame.parent.iterdir()] == [frame.name]


@pytest.mark.parametrize("is_local", [True, False])
def test_keeps_an_open_original_on_local_file_systems_only(
    frame: Path, dead: int, monkeypatch: pytest.MonkeyPatch, is_local: bool
) -> None:
    """An original whose successor is in place is kept if a lease shows a writer.

    Elsewhere leases are not believed.
    """
    old = swapped(monkeypatch, frame, dead)
    monkeypatch.setattr(Disk, "has_writer", lambda *_: True)
    if not is_local:
        monkeypatch.setattr(temp_files, "mount_of", lambda *_: Mount("nfs4", "server:/export"))
    assert swept(frame.parent) == ([old.name] if is_local else [])
    assert old.exists() == is_local
