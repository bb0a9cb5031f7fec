"""After a power cut at any call, a real file system holds the old or the new file, whole.

The image of a small file system is copied while a job works on it. A copy holds what had reached
the disk by then and nothing of what was only in memory. When it is mounted, the file system
recovers as after a real cut.
"""

import contextlib
import functools
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from exrbatch import Status
from exrbatch.jobs.recompress_job import RecompressJob
from exrbatch.replacing import temp_files
from tests.support.build import PartSpec, build
from tests.support.explode import explode
from tests.support.faults import FaultyDisk
from tests.support.jobs import changed
from tests.support.worlds import FLAVOURS, Flavour, World

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="only root can mount images, and only on Linux"
)

OLD = build([PartSpec(window=(0, 0, 95, 95), noise=0.05)])  # the new one is too large, too, to be kept in an inode
PIXELS = explode(OLD)[0].raw
CUTS = ("sync", "rename", "rename_new", "exchange", "sync_directory", "remove", "link")
"""Calls that change names or sync. The power is cut before each of them, and after the last."""
EXCHANGE = FLAVOURS[0]
CUT_FLAVOURS = [flavour for flavour in FLAVOURS if not flavour.name.startswith("output ") and "," not in flavour.name]
"""Without the outputs that are renamed over: that is what the plain rename does."""


@dataclass(frozen=True)
class FileSystem:
    """How to make a file system in an image, and how to mount it.

    Mount options keep it from writing just because time passes.
    """

    name: str
    mkfs: tuple[str, ...]
    megabytes: int
    options: str


FILE_SYSTEMS = [
    FileSystem("ext4", ("mkfs.ext4", "-q", "-F"), 64, "loop,commit=300"),
    FileSystem("ext4 noauto_da_alloc", ("mkfs.ext4", "-q", "-F"), 64, "loop,commit=300,noauto_da_alloc"),
    FileSystem("xfs", ("mkfs.xfs", "-q", "-f"), 300, "loop"),
    FileSystem("btrfs", ("mkfs.btrfs", "-q", "-f"), 110, "loop,commit=300"),
]


@contextlib.contextmanager
def mounted(folder: Path, *arguments: object) -> Iterator[Path]:
    """Mount something, and unmount it whatever happens.

    That releases the loop device of an image, too.
    """
    folder.mkdir()
    subprocess.run(["mount", *map(str, arguments), folder], check=True, capture_output=True, text=True)
    try:
        yield folder
    finally:
        for thread in threading.enumerate():
            if thread.name == "exrbatch-close":
                thread.join()  # it still closes the file that was replaced
        if subprocess.run(["umount", folder], check=False).returncode != 0:
            subprocess.run(["umount", "--lazy", folder], check=True)
            raise AssertionError("something of the job still has a file open")
        folder.rmdir()


def in_memory(folder: Path) -> contextlib.AbstractContextManager[Path]:
    """Return a folder for images that does not wait for this machine's disk."""
    return mounted(folder, "-t", "tmpfs", "-o", "size=1G", "exrbatch-test")


def make_image(system: FileSystem, image: Path) -> None:
    """Make an empty file system in a sparse file."""
    with image.open("xb") as file:
        file.truncate(system.megabytes << 20)
    subprocess.run([*system.mkfs, image], check=True, capture_output=True, text=True)


@functools.cache
def why_not(system: FileSystem) -> str | None:
    """Say why this file system can't be made or mounted here, or None if it can."""
    if shutil.which(system.mkfs[0]) is None:
        return f"{system.mkfs[0]} is not installed"
    try:
        with tempfile.TemporaryDirectory() as folder, in_memory(Path(folder) / "memory") as memory:
            make_image(system, memory / "disk.img")
            with mounted(memory / "disk", "-o", system.options, memory / "disk.img"):
                return None
    except subprocess.CalledProcessError as error:
        return f"{system.name} can't be made or mounted here: {error.stderr.strip()}"


@pytest.fixture(params=FILE_SYSTEMS, ids=lambda system: system.name)
def system(request: pytest.FixtureRequest) -> FileSystem:
    """Return each file system; those that this machine lacks are skipped visibly."""
    found: FileSystem = request.param
    reason = why_not(found)
    if reason is not None:
        pytest.skip(reason)
    return found


@pytest.fixture
def memory(tmp_path: Path, system: FileSystem) -> Iterator[Path]:
    """Return a folder for the images."""
    with in_memory(tmp_path / "memory") as folder:
        yield folder


class ForgetfulDisk(FaultyDisk):
    """Plant a bug: omit some calls and report success."""

    flushes = True

    def __init__(self, lacks: tuple[str, ...] = (), forgets: tuple[str, ...] = ()) -> None:
        super().__init__(lacks=lacks)
        self.forgets = forgets

    def meet(self, name: str, real: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        """Carry out a call unless it is one of those to omit."""
        return super().meet(name, (lambda *_: None) if name in self.forgets else real, arguments)


class Shot(World):
    """A folder with a larger frame.

    Outputs and backups, which are kept, go to folders that do not exist yet.
    """

    def __init__(self, folder: Path, flavour: Flavour, faulty: FaultyDisk) -> None:
        super().__init__(folder, flavour, faulty)
        self.frame.write_bytes(OLD)

    def plan(self) -> RecompressJob:
        """Return the job."""
        plan = super().plan()
        deep = str(self.folder / "out" / "deep" / "er" / "frame.exr")
        place = {"destination": plan.destination and deep, "backup": plan.place.backup and deep}
        return changed(plan, keep_backups=True, **place)


class PowerCuts:
    """One job on one file system, and what each power cut leaves of it."""

    def __init__(self, system: FileSystem, disk: ForgetfulDisk, flavour: Flavour, *, others_sync: bool) -> None:
        """Prepare the job.

        `others_sync`: just before each cut another program syncs a file of its own, which also
        writes the names.
        """
        self._system, self._disk, self._flavour, self._others_sync = system, disk, flavour, others_sync
        self._copies: list[tuple[str, Path]] = []

    def problems(self, folder: Path) -> Iterator[str]:
        """Run the job, then check every copy; yield each problem."""
        image = folder / "disk.img"
        make_image(self._system, image)
        with mounted(folder / "disk", "-o", self._system.options, image) as root:
            plan = self._run(root)
        # Where the disk itself was, and one after the other: they all have the same UUID.
        for when, copy in self._copies:
            with mounted(root, "-o", self._system.options, copy):
                yield from (f"{when}: {problem}" for problem in self._after(plan, at_end=when == "at the end"))

    def _run(self, root: Path) -> RecompressJob:
        shot = Shot(root / "shot", self._flavour, self._disk)
        subprocess.run(["sync", "--file-system", root], check=True)
        self._disk.before = lambda number, name: self._cut(root, f"before {number} {name}") if name in CUTS else None
        shot.run()
        assert shot.report is not None
        assert shot.report.status is Status.RECOMPRESSED, shot.report.reason
        self._cut(root, "at the end")
        return shot.plan()

    def _cut(self, root: Path, when: str) -> None:
        if self._others_sync:
            with (root / "other").open("ab") as file:
                file.write(b"more")
                file.flush()
                os.fsync(file.fileno())
        copy = root.with_name(f"{len(self._copies)}.img")
        subprocess.run(["cp", "--reflink=never", "--sparse=always", f"{root}.img", copy], check=True)
        self._copies.append((when, copy))

    def _after(self, plan: RecompressJob, *, at_end: bool) -> Iterator[str]:
        """Yield problems after the power is back, before and after the sweep of the next run."""
        allowed = {"new"} if at_end else {"new", "missing" if plan.destination else "old"}
        names = [Path(plan.destination or plan.source), *map(Path, plan.place.hard_links)]
        before = {name: state(name) for name in names}
        yield from (f"{name.name} is {found}" for name, found in before.items() if found not in allowed)
        if plan.destination and state(Path(plan.source)) != "old":
            yield "an original was touched"
        if plan.place.backup and state(Path(plan.source)) != "old" and state(Path(plan.place.backup)) != "old":
            yield f"replaced, and the backup is {state(Path(plan.place.backup))}"
        for path in filter(None, (plan.source, plan.destination, plan.place.backup)):
            if Path(path).parent.exists():
                yield from swept(Path(path).parent, Path(plan.source).parent if path == plan.place.backup else None)
        if before != {name: state(name) for name in names}:
            yield "the sweep took more than temp files"


def swept(folder: Path, frames: Path | None = None) -> Iterator[str]:
    """Let the sweep take every temp file for stale.

    Yield what it leaves, except the record of a backup.
    """
    if kept := temp_files.sweep_folder(
        str(folder), os.listdir(folder), lambda _path: True, frames=None if frames is None else str(frames)
    ):
        yield f"the sweep keeps {kept}"
    elif left := [path.name for path in folder.glob(".exrbatch-*") if not path.name.endswith(temp_files.RECORDS)]:
        yield f"the sweep leaves {left}"


def state(path: Path) -> str:
    """Return what a name stands for: the old file, the new one, or a description of an error."""
    if not path.exists():
        return "missing"
    data = path.read_bytes()
    if data == OLD:
        return "old"
    try:
        return "new" if explode(data)[0].raw == PIXELS else "other pixels"
    except Exception:  # noqa: BLE001  the oracle asserts, unpacks and indexes
        return f"{len(data)} bytes of neither"


@pytest.mark.parametrize("others_sync", [False, True], ids=["alone", "others sync"])
@pytest.mark.parametrize("flavour", CUT_FLAVOURS, ids=lambda flavour: flavour.name)
def test_a_power_cut_leaves_the_old_or_the_new_file(
    system: FileSystem, flavour: Flavour, others_sync: bool, memory: Path
) -> None:
    """It is whole, and has its backup.

    What was reported stays done, and the sweep removes every temp file.
    """
    cuts = PowerCuts(system, ForgetfulDisk(flavour.lacks), flavour, others_sync=others_sync)
    assert list(cuts.problems(memory)) == []


def test_finds_the_bug_of_not_syncing_the_new_file(system: FileSystem, memory: Path) -> None:
    """A planted bug: the names are exchanged before the new file's bytes are on the disk."""
    cuts = PowerCuts(system, ForgetfulDisk(forgets=("sync",)), EXCHANGE, others_sync=True)
    assert "at the end: frame.exr is 0 bytes of neither" in list(cuts.problems(memory))


def test_finds_the_bug_of_not_syncing_the_folder(system: FileSystem, memory: Path) -> None:
    """A planted bug: the report says recompressed while the disk still has the old names."""
    cuts = PowerCuts(system, ForgetfulDisk(forgets=("sync_directory",)), EXCHANGE, others_sync=False)
    assert list(cuts.problems(memory)) == ["at the end: frame.exr is old"]
