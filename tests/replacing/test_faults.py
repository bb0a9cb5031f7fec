"""Every call to the disk fails in every way; the name stands for the whole old or new file."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from exrbatch import Status
from exrbatch.jobs import preconditions
from exrbatch.recompression.choices import Verify
from exrbatch.replacing import backups, disk, temp_files
from exrbatch.replacing.backups import Backup
from exrbatch.replacing.exchange import Exchange
from exrbatch.replacing.replacement import Replacement
from tests.support.faults import CALLS, FaultyDisk
from tests.support.worlds import (
    FLAVOURS,
    OLD,
    TAKEN,
    Flavour,
    World,
    every_intrusion,
    every_meeting,
    every_meeting_of_unlike_runs,
    every_world,
    quiet_world,
)

EXCHANGE = FLAVOURS[0]


@pytest.mark.parametrize("flavour", [*FLAVOURS, *TAKEN], ids=lambda flavour: flavour.name)
def test_any_failing_call_leaves_the_old_or_the_new_file(tmp_path: Path, flavour: Flavour) -> None:
    """A file is reported as recompressed only if the new file is in place.

    Leftovers are such that the sweep removes them, and the next run goes on.
    """
    assert list(every_world(tmp_path, flavour)) == []


@pytest.mark.parametrize("flavour", [*FLAVOURS, *TAKEN], ids=lambda flavour: flavour.name)
def test_a_second_run_between_any_two_calls_loses_nothing(tmp_path: Path, flavour: Flavour) -> None:
    """Both runs end, report the truth, and remove only what they made; the next run goes on."""
    assert list(every_meeting(tmp_path, flavour)) == []


def test_the_trials_cover_every_call(tmp_path: Path) -> None:
    """A call that no trial makes would never be seen to fail."""
    met: set[str] = set()
    for flavour in FLAVOURS:
        world = World(tmp_path / flavour.name, flavour, FaultyDisk(lacks=flavour.lacks))
        with contextlib.suppress(OSError):  # not on every file system; then setting it is not met
            os.setxattr(world.frame, "user.shot", b"ab010")
            met.add("set_xattr")
        world.run()
        met |= set(world.disk.calls)
    unmet = set(CALLS) - met
    assert unmet <= {"drop_cache", "change_owner", "set_xattr", "remove_xattr"}, (
        "asked for by an option, or by another user's file"
    )


BACKUPS = [flavour for flavour in FLAVOURS if flavour.backup]


@pytest.mark.parametrize("flavour", BACKUPS, ids=lambda flavour: flavour.name)
def test_keeps_a_foreign_file_at_a_backups_place(tmp_path: Path, flavour: Flavour) -> None:
    """It may come at any moment and replace our backup.

    The run may be killed soon after that.
    """
    assert list(every_intrusion(tmp_path / "not killed", flavour)) == []
    for later in range(4):
        assert list(every_intrusion(tmp_path / str(later), flavour, killed_after=later)) == []


@pytest.mark.parametrize("flavour", BACKUPS, ids=lambda flavour: flavour.name)
def test_runs_with_different_options_keep_each_others_backups(tmp_path: Path, flavour: Flavour) -> None:
    """One run keeps backups, the other does not or has none; one of them is killed."""
    assert list(every_meeting_of_unlike_runs(tmp_path, flavour)) == []


def test_finds_the_bug_of_removing_a_backup_unchecked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A planted bug."""
    monkeypatch.setattr(Backup, "_withdraw", lambda self: disk.DISK.remove(self._path))
    assert list(every_intrusion(tmp_path, BACKUPS[0]))


def test_finds_the_bug_of_trusting_a_backup_for_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A planted bug: any file at the backup's place is taken for our backup."""

    def trust(path: str, original: os.stat_result) -> temp_files.Record | None:
        return temp_files.Record(path, temp_files.identity(original), False, True) if os.path.lexists(path) else None

    monkeypatch.setattr(backups, "find_orphan", trust)
    monkeypatch.setattr(preconditions, "find_orphan", trust)
    assert any("was touched" in problem for problem in every_world(tmp_path, TAKEN[0]))


def truncate_in_place(
    self: Replacement, *, overwrite: bool = False, hard_links: object = (), spare: object = None
) -> list[str]:
    """Plant a bug: write the new bytes over the old ones."""
    with open(self.path, "rb") as file:
        new = file.read()
    fd = os.open(self._original.path, os.O_WRONLY | os.O_TRUNC)
    try:
        disk.DISK.write(fd, memoryview(new), 0)
        disk.DISK.sync(fd)
    finally:
        os.close(fd)
    return []


def remove_before_rename(
    self: Replacement, *, overwrite: bool = False, hard_links: object = (), spare: object = None
) -> list[str]:
    """Plant a bug: for an instant no file has the name."""
    disk.DISK.remove(self._original.path)
    disk.DISK.rename(self.path, self._original.path)
    return []


def swallow_errors(self: Replacement, data: memoryview, offset: int) -> None:
    """Plant a bug: a write that fails is taken for one that worked."""
    with contextlib.suppress(OSError):
        disk.DISK.write(self._fd, data, offset)


@pytest.mark.parametrize(
    ("method", "bug"),
    [("commit", truncate_in_place), ("commit", remove_before_rename), ("write", swallow_errors)],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_finds_planted_bugs(tmp_path: Path, method: str, bug: object) -> None:
    """A suite that has never found anything proves nothing."""
    original = getattr(Replacement, method)
    try:
        setattr(Replacement, method, bug)
        flavour = Flavour("planted", options={"verify": Verify.NONE})
        assert any(
            "neither old nor new" in problem or "is not" in problem for problem in every_world(tmp_path, flavour)
        )
    finally:
        setattr(Replacement, method, original)


class Renderer:
    """Another program that changes the frame once, just before a call of the commit."""

    def __init__(self, world: World, action: str, at: int) -> None:
        self.world, self.action, self.at = world, action, at
        self.inode = os.stat(world.frame).st_ino
        self.expected: bytes | None = None
        self.fd = -1
        world.disk.before = self.act

    def act(self, number: int, _name: str) -> None:
        """Change the frame, and note what the name must stand for in the end.

        None: that is not decided by this.
        """
        if number != self.at:
            return
        frame = self.world.frame
        was_old = os.stat(frame).st_ino == self.inode
        if self.action == "replace":
            other = frame.with_name("render.tmp")
            other.write_bytes(b"rendered anew")
            other.replace(frame)
            self.expected = b"rendered anew"
        elif self.action == "patch":
            status = os.stat(frame)
            with frame.open("r+b") as file:
                file.seek(len(OLD) - 1)
                file.write(bytes([OLD[-1] ^ 1]))
            os.utime(frame, ns=(status.st_atime_ns, status.st_mtime_ns))
            self.expected = OLD[:-1] + bytes([OLD[-1] ^ 1]) if was_old else None
        elif self.action == "append":
            with frame.open("ab") as file:
                file.write(b"more")
            self.expected = OLD + b"more" if was_old else None
        else:
            self.fd = os.open(frame, os.O_WRONLY | os.O_APPEND)
            self.expected = OLD + b"more" if was_old else None

    def finish(self) -> None:
        """Write as a program that had the file open and goes on after the job has ended."""
        if self.fd >= 0:
            os.write(self.fd, b"more")
            os.close(self.fd)


def races(tmp_path: Path, flavour: Flavour, action: str) -> Iterator[str]:
    """Let the renderer act before each call of the job; yield what it lost."""
    quiet = quiet_world(tmp_path / "quiet", flavour)
    for at, call in enumerate(quiet.disk.calls):
        world = World(tmp_path / str(at), flavour, FaultyDisk(lacks=flavour.lacks))
        renderer = Renderer(world, action, at)
        world.run()
        renderer.finish()
        assert world.report is not None
        if renderer.expected is not None and world.frame.read_bytes() != renderer.expected:
            yield f"{action} before {at} {call}: lost, {world.report.status}"
        if renderer.expected is not None and action != "replace" and world.report.status is not Status.SKIPPED:
            yield f"{action} before {at} {call}: {world.report.status}"
        left = [name for name in world.leftovers() if name.endswith(".tmp")]
        if left:
            yield f"{action} before {at} {call}: left {left}"


@pytest.mark.skipif(
    not hasattr(os, "pwrite") or os.uname().sysname != "Linux", reason="exchange and leases are Linux's"
)
@pytest.mark.parametrize("action", ["append", "hold open", "replace"])
@pytest.mark.parametrize("flavour", FLAVOURS[:2], ids=lambda flavour: flavour.name)
def test_keeps_what_a_renderer_writes_meanwhile(tmp_path: Path, flavour: Flavour, action: str) -> None:
    """That holds to the last instant.

    If names can't be exchanged, a gap remains between the last look and the rename.
    """
    lost = list(races(tmp_path, flavour, action))
    if flavour.name == "link and rename" and action == "replace":
        assert [problem for problem in lost if "rename" not in problem] == []
        assert len(lost) <= 1
    else:
        assert lost == []


@pytest.mark.skipif(os.uname().sysname != "Linux", reason="exchange and leases are Linux's")
def test_keeps_a_change_that_restores_the_mtime(tmp_path: Path) -> None:
    """Programs such as rsync and exiftool make such changes.

    The ctime shows them, up to the last look before the exchange.
    """
    lost = list(races(tmp_path, EXCHANGE, "patch"))
    assert [problem for problem in lost if "exchange" not in problem] == []


def test_relinks_only_the_verified_file(tmp_path: Path) -> None:
    """Another program may have taken its name after the exchange."""
    flavour = next(flavour for flavour in FLAVOURS if flavour.twin)
    quiet = World(tmp_path / "quiet", flavour, FaultyDisk())
    quiet.run()
    for at in range(len(quiet.disk.calls)):
        world = World(tmp_path / str(at), flavour, FaultyDisk())
        Renderer(world, "replace", at)
        world.run()
        assert world.frame.read_bytes() == b"rendered anew"
        assert world.twin.read_bytes() in (OLD, quiet.twin.read_bytes())
        assert [name for name in world.leftovers() if name.endswith(".tmp")] == []


def test_finds_the_bug_of_an_unchecked_exchange(tmp_path: Path) -> None:
    """A planted bug: exchange, and trust that the right file came out."""
    settle = Exchange._settle
    try:
        Exchange._settle = lambda self: None  # type: ignore[method-assign]
        assert list(races(tmp_path / "a", EXCHANGE, "replace"))
        assert list(races(tmp_path / "b", EXCHANGE, "hold open"))
    finally:
        Exchange._settle = settle  # type: ignore[method-assign]
