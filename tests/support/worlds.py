"""Trials in which a job goes wrong in one way, and what must hold in all of them.

A frame is old or new, and never lost.
"""

import contextlib
import functools
import os
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from exrbatch import FileReport, Status
from exrbatch.jobs import job
from exrbatch.jobs.completeness import is_complete
from exrbatch.jobs.recompress_job import RecompressJob
from exrbatch.recompression.choices import Hardlinks, Verify
from exrbatch.replacing import disk, temp_files
from exrbatch.replacing.disk import Disk
from tests.support.build import PartSpec, build
from tests.support.explode import explode
from tests.support.faults import FAULTS, FaultyDisk, Killed
from tests.support.jobs import changed, recompress_job

OLD = build([PartSpec(window=(0, 0, 31, 31), noise=0.05)])
PIXELS = explode(OLD)[0].raw
DONE = (Status.RECOMPRESSED, Status.ALREADY)


@dataclass
class Flavour:
    """A way to commit: what the file system lacks, and what the plan asks for.

    Attributes:
        taken: what the user has at the backup's place: "hard link", "symlink", "copy", "other", or
            nothing.
    """

    name: str
    lacks: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    output: bool = False
    backup: bool = False
    twin: bool = False
    taken: str = ""

    @property
    def keeps(self) -> bool:
        """Whether backups are to stay."""
        return bool(self.options.get("keep_backups"))


KEEP = {"keep_backups": True}
FLAVOURS = [
    Flavour("exchange"),
    Flavour("link and rename", ("exchange",)),
    Flavour("plain rename", ("exchange", "link")),
    Flavour("output", output=True),
    Flavour("output without rename_new", ("rename_new",), output=True),
    Flavour("output, forced", options={"force": True}, output=True),
    Flavour("backup by link", backup=True),
    Flavour("backup by link, kept", backup=True, options=KEEP),
    Flavour("backup by link, no exchange", ("exchange",), backup=True),
    Flavour("backup by link, as on NFS", ("exchange", "rename_new"), backup=True),
    Flavour("backup by copy", ("link",), backup=True),
    Flavour("backup by copy, kept", ("link",), backup=True, options=KEEP),
    Flavour("relink", twin=True, options={"hardlinks": Hardlinks.RELINK}),
]
TAKEN = [
    Flavour(f"a {taken} at the backup's place", backup=True, taken=taken, options={"hardlinks": hardlinks} | keep)
    for taken, hardlinks in (
        ("hard link", Hardlinks.BREAK),
        ("symlink", Hardlinks.SKIP),
        ("copy", Hardlinks.SKIP),
        ("other", Hardlinks.SKIP),
    )
    for keep in ({}, KEEP)
]


@functools.cache
def dead_process() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


@contextlib.contextmanager
def as_process(pid: int, disk_in_use: Disk) -> Iterator[None]:
    """Be that process, on that disk; while somebody is another process, that one lives."""
    alive = {pid, os.getpid(), dead_process()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "getpid", lambda: pid)
        patch.setattr(temp_files, "is_alive", lambda number: number in alive)
        patch.setattr(disk, "DISK", disk_in_use)
        yield


class World:
    """A folder with one frame, and a job on it that goes wrong in one way.

    Attributes:
        report: of the job; None if it was killed.
        second: of another run of the same job between two calls, if there was one.
        next_runs: what was wrong with the next run, by the files that it found; worlds share it.
    """

    def __init__(self, folder: Path, flavour: Flavour, faulty: FaultyDisk) -> None:
        self.folder, self.flavour, self.disk = folder, flavour, faulty
        for sub in ("in", "out"):
            (folder / sub).mkdir(parents=True)
        self.frame = folder / "in" / "frame.exr"
        self.frame.write_bytes(OLD)
        self.twin = folder / "in" / "twin.exr"
        self.backup = (
            folder / "out" / "new folder" / "frame.exr"
            if flavour.backup and not flavour.taken
            else folder / "out" / "frame.exr"
        )
        if flavour.twin:
            os.link(self.frame, self.twin)
        self.target = folder / "out" / "frame.exr" if flavour.output else self.frame
        if flavour.options.get("force"):
            self.target.write_bytes(b"an older output")
        self._take_place()
        self.taken = self._look_at_backup() if flavour.taken else None
        self.report: FileReport | None = None
        self.second: FileReport | None = None
        self.next_runs: dict[tuple[object, ...], list[str]] = {}

    def _take_place(self) -> None:
        if self.flavour.taken == "hard link":
            os.link(self.frame, self.backup)
        elif self.flavour.taken == "symlink":
            self.backup.symlink_to(self.frame)
        elif self.flavour.taken:
            self.backup.write_bytes(OLD if self.flavour.taken == "copy" else b"something else")

    def _look_at_backup(self) -> tuple[object, ...] | None:
        if not os.path.lexists(self.backup):
            return None
        return os.lstat(self.backup).st_ino, self.backup.is_symlink(), self.backup.read_bytes()

    def plan(self) -> RecompressJob:
        """What is asked of the job."""
        return recompress_job(
            str(self.frame),
            destination=str(self.target) if self.flavour.output else None,
            backup=str(self.backup) if self.flavour.backup else None,
            hard_links=(str(self.twin),) if self.flavour.twin else (),
            **{"verify": Verify.NATIVE} | self.flavour.options,
        )

    def run(self) -> None:
        """Run the job as another process, which has ended afterwards."""
        with as_process(dead_process(), self.disk), contextlib.suppress(Killed):
            self.report = job.run(self.plan())
        self.disk.release()

    def run_second_before(self, call: int, **options: Any) -> None:
        """Let a second run do the whole job before that call of the first.

        The second run meets no faults. `options`: those in which its plan differs.
        """
        me = os.getpid()

        def interleave(number: int, _name: str) -> None:
            if number == call:
                with as_process(me, _Lacking(lacks=self.disk.lacks)):
                    self.second = job.run(changed(self.plan(), **options))

        self.disk.before = interleave

    def problems(self) -> Iterator[str]:
        """Everything that must not be."""
        reports = [report for report in (self.report, self.second) if report is not None]
        yield from self._lost("")
        for report in reports:
            yield from self._untrue(report)
        if self.flavour.output and self.frame.read_bytes() != OLD:
            yield "an original was touched"
        if self.taken is not None and self._look_at_backup() != self.taken:
            yield "what the user had at the backup's place was touched"
        yield from self._left_behind(" ".join(part for each in reports for part in (each.reason or "", *each.notes)))
        if self.disk.destroyed is not None:
            return  # by the file system: the user has to look
        yield from self._lost(" after the sweep")
        if self.flavour.twin and not self.frame.samefile(self.twin):
            return  # the notes say so, and a file with names that are not found is left alone
        yield from self._stuck()

    def _states(self) -> dict[Path, bytes | None]:
        older = b"an older output" if self.flavour.options.get("force") else None
        states: dict[Path, bytes | None] = {self.target: older if self.flavour.output else OLD}
        return states | ({self.twin: OLD} if self.flavour.twin else {})

    def _lost(self, when: str) -> Iterator[str]:
        for path, old in self._states().items():
            if _holds_new(path) or _content(path) == old:
                continue
            if str(path) != self.disk.destroyed:
                yield f"{path.name} is neither old nor new{when}"
            elif not self._kept_as_said():
                yield f"{path.name} was destroyed by the file system, and nothing is left of it{when}"

    def _kept_as_said(self) -> bool:
        """Whether the picture is still there under a name that the report gives."""
        said = "" if self.report is None else " ".join((self.report.reason or "", *self.report.notes))
        return any(
            _content(path) == OLD or _holds_new(path)
            for path in self.folder.rglob(".exrbatch-*")
            if path.name in said or (self.flavour.output and self.frame.read_bytes() == OLD)
        )

    def _untrue(self, report: FileReport) -> Iterator[str]:
        reason = report.reason or ""
        old = self._states()[self.target]
        if "internal error" in reason:
            yield f"a bug: {reason}"
        if report.status is Status.RECOMPRESSED:
            if not _holds_new(self.target):
                yield "said to be recompressed, and is not"
            if self.flavour.keeps and _content(self.backup) != OLD:
                yield "said to be recompressed, and there is no backup"
        elif report is self.report and self.second is None and _content(self.target) != old:
            is_named = "kept as" in reason or "no copy is kept" in reason
            excused = self.flavour.output or self.disk.destroyed or (self._lasts and is_named)
            if not excused:
                yield f"not said to be recompressed, and is not the old one: {reason}"

    def _left_behind(self, said: str) -> Iterator[str]:
        left = self.leftovers()
        call = self.disk.calls[self.disk.at] if self.disk.at < len(self.disk.calls) else ""
        excused = self.report is None or self._lasts or call in ("remove", "look", "look_now")
        unsaid = [name for name in left if name not in said and not _is_record_of(name, said)]
        if unsaid and not excused:
            yield f"left behind: {unsaid}"
        for folder in filter(Path.exists, (self.folder / "in", self.folder / "out", self.backup.parent)):
            frames = str(self.folder / "in") if folder == self.backup.parent and self.flavour.backup else None
            kept = temp_files.sweep_folder(
                str(folder), os.listdir(folder), is_complete, lambda _path: True, frames=frames
            )
            if kept and self.disk.destroyed is None:
                yield f"the sweep keeps {kept}"
        if [name for name in self.leftovers() if not name.endswith(temp_files.RECORDS)] and self.disk.destroyed is None:
            yield "the sweep leaves something"

    def _stuck(self) -> Iterator[str]:
        """Whether the next run does not go on. From the same files it does the same."""
        if self.leftovers():  # their names are never the same
            yield from self._next_run()
            return
        key = (self._is_final, self._is_doubtful, *self._files())
        if key not in self.next_runs:
            self.next_runs[key] = list(self._next_run())
        yield from self.next_runs[key]

    def _files(self) -> Iterator[tuple[object, ...]]:
        """Everything about the files that the next run may look at, but for inodes and times.

        It is only told which names are of the same file, and which file is older.
        """
        states = {path: path.lstat() for path in sorted(self.folder.rglob("*"))}
        inodes = [state.st_ino for state in states.values()]
        times = sorted({state.st_mtime_ns for state in states.values() if stat.S_ISREG(state.st_mode)})
        for path, state in states.items():
            content: object = None
            if path.is_symlink():
                content = Path(os.readlink(path)).relative_to(self.folder)
            elif path.is_file():
                content = (path.read_bytes(), inodes.index(state.st_ino), times.index(state.st_mtime_ns))
            yield path.relative_to(self.folder), state.st_mode, content

    def run_again(self) -> FileReport:
        """Run the job later, on a disk without faults that lacks nothing."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(disk, "DISK", FaultyDisk())
            return job.run(self.plan())

    @property
    def _is_final(self) -> bool:
        """Whether a rename failed, so that the user has to look."""
        return "; kept: " in ((self.report and self.report.reason) or "")

    @property
    def _is_doubtful(self) -> bool:
        """Whether the outcome of a call may be unknown that places a backup: a link, as on NFS."""
        return "rename_new" in self.disk.lacks and self.disk.calls[self.disk.at] in ("link", "remove")

    def _next_run(self) -> Iterator[str]:
        again = self.run_again()
        # Without hard links a backup has no record.
        without_record = ("link" in self.disk.lacks or self._is_doubtful) and self.backup.exists()
        if (self.taken is not None or self._is_final or without_record) and again.status not in DONE:
            if "a backup exists" not in (again.reason or ""):
                yield f"the next run does not say why it stops: {again.reason}"
        elif again.status not in DONE or not _holds_new(self.target):
            yield f"the next run does not go on: {again.status}, {again.reason}"
        elif self.flavour.keeps and again.status is Status.RECOMPRESSED and _content(self.backup) != OLD:
            yield "the next run has no backup"
        if self.leftovers():
            yield f"the next run leaves {self.leftovers()}"

    @property
    def _lasts(self) -> bool:
        return self.disk.fault is not None and self.disk.fault.lasting

    def leftovers(self) -> list[str]:
        """Temp files in both folders."""
        return [path.name for path in self.folder.rglob(".exrbatch-*")]


class _Lacking(FaultyDisk):
    """A disk without faults that lacks what the first run's disk lacks."""


def _is_record_of(name: str, said: str) -> bool:
    """Whether it is the record of a backup that the report names."""
    return name.endswith(temp_files.RECORDS) and "backup" in said


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def _holds_new(path: Path) -> bool:
    data = _content(path)
    return data is not None and len(data) < len(OLD) and _has_pixels(data)


@functools.lru_cache(maxsize=64)
def _has_pixels(data: bytes) -> bool:
    """Whether a file has the pixels of the old one. In most worlds the new file is the same."""
    try:
        return explode(data)[0].raw == PIXELS
    except Exception:  # noqa: BLE001  the oracle asserts, unpacks and indexes
        return False


def quiet_world(folder: Path, flavour: Flavour) -> World:
    """A world in which nothing goes wrong."""
    world = World(folder, flavour, FaultyDisk(lacks=flavour.lacks))
    world.run()
    assert world.report is not None
    return world


def every_world(folder: Path, flavour: Flavour) -> Iterator[str]:
    """Let every call of a job meet every fault; yield the problems, named by world."""
    quiet = quiet_world(folder / "quiet", flavour)
    yield from (f"without a fault: {problem}" for problem in quiet.problems())
    for at, call in enumerate(quiet.disk.calls):
        for number, fault in enumerate(FAULTS):
            world = World(folder / f"{at}-{number}", flavour, FaultyDisk(at, fault, flavour.lacks))
            world.next_runs = quiet.next_runs
            world.run()
            yield from (f"{flavour.name}, {fault.name} at {at} {call}: {problem}" for problem in world.problems())


def every_meeting(folder: Path, flavour: Flavour) -> Iterator[str]:
    """Let a second run do the whole job before every call of the first; yield the problems."""
    quiet = quiet_world(folder / "quiet", flavour)
    for at, call in enumerate(quiet.disk.calls):
        world = World(folder / str(at), flavour, FaultyDisk(lacks=flavour.lacks))
        world.next_runs = quiet.next_runs
        world.run_second_before(at)
        world.run()
        yield from (f"{flavour.name}, a second run before {at} {call}: {problem}" for problem in world.problems())


def every_meeting_of_unlike_runs(folder: Path, flavour: Flavour) -> Iterator[str]:
    """Let runs with different options meet; yield the problems.

    One keeps its backups and the other does not, or has none at all.
    """
    quiet = quiet_world(folder / "quiet", flavour)
    for at, call in enumerate(quiet.disk.calls):
        for name, options in (("keeps", {"keep_backups": not flavour.keeps}), ("no backup", {"backup": None})):
            for is_killed in (False, True):
                fault = FAULTS[0] if is_killed else None
                world = World(folder / f"{at}-{name}-{is_killed}", flavour, FaultyDisk(at + 1, fault, flavour.lacks))
                world.run_second_before(at, **options)
                world.run()
                where = f"{flavour.name}, a second run ({name}) before {at} {call}, killed: {is_killed}"
                yield from (f"{where}: {each}" for each in world._lost(""))
                wants = [
                    report
                    for report, kept in ((world.report, flavour.keeps), (world.second, not flavour.keeps))
                    if kept and name == "keeps" and report is not None and report.status is Status.RECOMPRESSED
                ]
                world.run_again()  # ends what the killed run left
                if wants and _content(world.backup) != OLD and not any("backup" in n for w in wants for n in w.notes):
                    yield f"{where}: a backup that was to be kept is gone"


def every_intrusion(folder: Path, flavour: Flavour, killed_after: int | None = None) -> Iterator[str]:
    """Put a foreign file at the backup's place before every call; yield where it does not stay.

    It has the frame's modification time, as rsync and archives give it. `killed_after`: the run is
    killed so many calls later, and the next run sweeps up.
    """
    quiet = quiet_world(folder / "quiet", flavour)
    for at, call in enumerate(quiet.disk.calls):
        fault = None if killed_after is None else FAULTS[0]
        world = World(folder / str(at), flavour, FaultyDisk(at + (killed_after or 0), fault, flavour.lacks))
        theirs = world.folder / "in" / "theirs"
        theirs.write_bytes(b"somebody's")
        os.utime(theirs, ns=(0, world.frame.stat().st_mtime_ns))

        def intrude(number: int, _name: str, world: World = world, theirs: Path = theirs, at: int = at) -> None:
            if number == at:
                world.backup.parent.mkdir(exist_ok=True)
                theirs.replace(world.backup)

        world.disk.before = intrude
        world.run()
        if killed_after is not None:
            for place in filter(Path.exists, (world.frame.parent, world.backup.parent)):
                frames = str(world.frame.parent)
                temp_files.sweep_folder(str(place), os.listdir(place), is_complete, lambda _path: True, frames=frames)
            world.run_again()
        if not any(_content(path) == b"somebody's" for path in world.folder.rglob("*") if path.is_file()):
            yield f"{flavour.name}, somebody's file before {at} {call} is gone: {_content(world.backup)!r:.40}"
        world.backup.unlink(missing_ok=True)
        yield from (f"{flavour.name}, somebody's file before {at} {call}: {each}" for each in world._lost(""))
