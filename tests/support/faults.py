"""A disk on which any single call can go wrong, and worlds in which it does: one for each call and each fault."""

import errno
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from exrbatch import FileReport, Status
from exrbatch.file import disk, job, temps
from exrbatch.file.disk import Disk
from exrbatch.file.plan import FilePlan, Hardlinks, Verify
from tests.support.build import PartSpec, build
from tests.support.explode import explode

OLD = build([PartSpec(window=(0, 0, 31, 31), noise=0.05)])
PIXELS = explode(OLD)[0].raw
CANT_TELL = ("has_writer",)
"""Calls that have no error: they say no when they can't tell."""


class Killed(BaseException):
    """The process is dead: nothing of it runs any more, no `except` and no `finally`."""


@dataclass(frozen=True)
class Fault:
    """What happens at a call: `done`: it is carried out all the same; `lasting`: to all later calls as well."""

    name: str
    number: int | None = None
    done: bool = False
    lasting: bool = False


FAULTS = [
    Fault("killed", lasting=True),
    Fault("killed after", done=True, lasting=True),
    *(Fault(errno.errorcode[n], n) for n in (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.ESTALE, errno.EACCES)),
    *(Fault(f"lasting {errno.errorcode[n]}", n, lasting=True) for n in (errno.ENOSPC, errno.EIO, errno.EACCES)),
    Fault("done but EIO", errno.EIO, done=True),
    Fault("done but ENOENT", errno.ENOENT, done=True),
]


class FaultyDisk(Disk):
    """Counts calls; the one with the number `at` meets the `fault`. `before` is told each call before it happens."""

    def __init__(self, at: int = -1, fault: Fault | None = None, lacks: tuple[str, ...] = ()) -> None:
        self.at, self.fault, self.lacks = at, fault, lacks
        self.calls: list[str] = []
        self.made: list[int] = []
        self.before: Callable[[int, str], None] = lambda _number, _name: None

    def meet(self, name: str, real: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        """Carry out a call, or let it meet its fault."""
        number = len(self.calls)
        self.calls.append(name)
        self.before(number, name)
        if name in self.lacks:
            raise OSError(errno.EINVAL if name == "exchange" else errno.EPERM, "not on this file system")
        fault = self.fault
        if fault is None or not (number == self.at or (fault.lasting and number > self.at >= 0)):
            return self._carry_out(name, real, arguments)
        if fault.number is None:
            if fault.done and number == self.at:
                self._carry_out(name, real, arguments)
            raise Killed
        if name in CANT_TELL:
            return False
        if fault.done or name == "close":  # a failed close has closed
            self._carry_out(name, real, arguments)
        raise OSError(fault.number, os.strerror(fault.number))

    def _carry_out(self, name: str, real: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        result = real(self, *arguments)
        if name == "create":
            self.made.append(result)
        if name == "close":
            self.made.remove(arguments[0])
        return result

    def release(self) -> None:
        """Close what a killed process had open."""
        for fd in self.made:
            os.close(fd)


def _method(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
    def call(self: FaultyDisk, *arguments: Any) -> Any:
        return self.meet(name, real, arguments)

    return call


CALLS = [name for name in vars(Disk) if not name.startswith("_")]
for _name in CALLS:
    setattr(FaultyDisk, _name, _method(_name, getattr(Disk, _name)))


@dataclass
class Flavour:
    """A way to commit: what the file system lacks, and what the plan asks for."""

    name: str
    lacks: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    output: bool = False
    backup: bool = False
    twin: bool = False


FLAVOURS = [
    Flavour("exchange"),
    Flavour("link and rename", ("exchange",)),
    Flavour("plain rename", ("exchange", "link")),
    Flavour("output", output=True),
    Flavour("output without rename_new", ("rename_new",), output=True),
    Flavour("output, forced", options={"force": True}, output=True),
    Flavour("backup by link", backup=True),
    Flavour("backup by copy", ("link",), backup=True, options={"keep_backups": True}),
    Flavour("relink", twin=True, options={"hardlinks": Hardlinks.RELINK}),
]


class World:
    """A folder with one frame, and a job on it that goes wrong in one way."""

    def __init__(self, folder: Path, flavour: Flavour, faulty: FaultyDisk) -> None:
        self.folder, self.flavour, self.disk = folder, flavour, faulty
        for sub in ("in", "out"):
            (folder / sub).mkdir(parents=True)
        self.frame = folder / "in" / "frame.exr"
        self.frame.write_bytes(OLD)
        self.twin = folder / "in" / "twin.exr"
        if flavour.twin:
            os.link(self.frame, self.twin)
        self.target = folder / "out" / "frame.exr" if flavour.output else self.frame
        if flavour.options.get("force"):
            self.target.write_bytes(b"an older output")
        self.report: FileReport | None = None

    def plan(self) -> FilePlan:
        """What is asked of the job."""
        return FilePlan(
            source=str(self.frame),
            destination=str(self.target) if self.flavour.output else None,
            backup=str(self.folder / "out" / "backup.exr") if self.flavour.backup else None,
            twins=(str(self.twin),) if self.flavour.twin else (),
            **{"verify": Verify.NATIVE} | self.flavour.options,
        )

    def run(self, patch: pytest.MonkeyPatch) -> None:
        """Run the job; `report` stays None if it was killed."""
        patch.setattr(disk, "DISK", self.disk)
        try:
            self.report = job.run(self.plan())
        except Killed:
            pass
        finally:
            patch.undo()
            self.disk.release()

    def problems(self) -> Iterator[str]:
        """Everything that must not be."""
        before = b"an older output" if self.flavour.options.get("force") else None
        states: dict[Path, bytes | None] = {self.target: before if self.flavour.output else OLD}
        if self.flavour.twin:
            states[self.twin] = OLD
        yield from self._lost(states, "")
        if self.report is not None:
            yield from self._untrue(self.report, states[self.target])
        if self.flavour.output and self.frame.read_bytes() != OLD:
            yield "an original was touched"
        yield from self._left_behind()
        yield from self._lost(states, " after the sweep")
        if self.flavour.twin and not self.frame.samefile(self.twin):
            return  # it was told, and a file with names that are not found is left alone
        again = job.run(self.plan())
        if again.status not in (Status.RECOMPRESSED, Status.ALREADY) or not _holds_new(self.target):
            yield f"the next run does not go on: {again.status}, {again.reason}"

    def _lost(self, states: dict[Path, bytes | None], when: str) -> Iterator[str]:
        for path, old in states.items():
            if not _holds_new(path) and _content(path) != old:
                yield f"{path.name} is neither old nor new{when}"

    def _untrue(self, report: FileReport, old: bytes | None) -> Iterator[str]:
        reason = report.reason or ""
        if "internal error" in reason:
            yield f"a bug: {reason}"
        if report.status is Status.RECOMPRESSED:
            if not _holds_new(self.target):
                yield "said to be recompressed, and is not"
        elif _content(self.target) != old and not self.flavour.output and not (self._lasts and "kept as" in reason):
            yield f"not said to be recompressed, and is not the old one: {reason}"

    def _left_behind(self) -> Iterator[str]:
        left = self.leftovers()
        excused = self.report is None or self._lasts or self.disk.calls[self.disk.at] in ("remove", "look")
        if left and not excused:
            yield f"left behind: {left}"
        for folder in (str(self.folder / "in"), str(self.folder / "out")):
            if kept := temps.sweep(folder, os.listdir(folder), lambda _path: True):
                yield f"the sweep keeps {kept}"
        if self.leftovers():
            yield "the sweep leaves something"

    @property
    def _lasts(self) -> bool:
        return self.disk.fault is not None and self.disk.fault.lasting

    def leftovers(self) -> list[str]:
        """Temp files in both folders."""
        names = [name for folder in ("in", "out") for name in os.listdir(self.folder / folder)]
        return [name for name in names if name.startswith(".exrbatch-")]


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def _holds_new(path: Path) -> bool:
    data = _content(path)
    try:
        return data is not None and len(data) < len(OLD) and explode(data)[0].raw == PIXELS
    except Exception:  # noqa: BLE001  the oracle asserts, unpacks and indexes
        return False


def every_world(folder: Path, flavour: Flavour, patch: pytest.MonkeyPatch) -> Iterator[str]:
    """Let every call of a job meet every fault; yield the problems, named by world."""
    quiet = World(folder / "quiet", flavour, FaultyDisk(lacks=flavour.lacks))
    quiet.run(patch)
    assert quiet.report is not None
    yield from (f"without a fault: {problem}" for problem in quiet.problems())
    for at, call in enumerate(quiet.disk.calls):
        for number, fault in enumerate(FAULTS):
            world = World(folder / f"{at}-{number}", flavour, FaultyDisk(at, fault, flavour.lacks))
            world.run(patch)
            yield from (f"{flavour.name}, {fault.name} at {at} {call}: {problem}" for problem in world.problems())
