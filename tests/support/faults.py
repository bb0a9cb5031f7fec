"""A disk on which any single call can go wrong, in every way that we know of."""

import contextlib
import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from exrbatch.replacing.disk import Disk

CANT_TELL = ("has_writer",)
"""Calls that have no error: they say no when they can't tell."""
FLUSHES = ("sync", "sync_directory")
"""Calls that are slow, and without effect unless the power is cut: they only look at the file.

`tests/replacing/test_power_cut.py` cuts the power.
"""
TOGETHER = ("rename",)
"""Calls that remove the file with the target's name.

A file system may have removed it when it reports an error.
"""


class Killed(BaseException):
    """The process is dead: nothing of it runs any more, no `except` and no `finally`."""


@dataclass(frozen=True)
class Fault:
    """What happens at a call.

    Attributes:
        name: for messages.
        number: the error; None kills the process.
        done: the call is carried out all the same.
        lasting: all later calls fail as well.
        removes: of a rename, the target is gone, although the call has failed.
        lies: and looking at it goes on showing it.
    """

    name: str
    number: int | None = None
    done: bool = False
    lasting: bool = False
    removes: bool = False
    lies: bool = False


FAULTS = [
    Fault("killed", lasting=True),
    Fault("killed after", done=True, lasting=True),
    *(Fault(errno.errorcode[n], n) for n in (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.ESTALE, errno.EACCES)),
    *(Fault(f"lasting {errno.errorcode[n]}", n, lasting=True) for n in (errno.ENOSPC, errno.EIO, errno.EACCES)),
    Fault("done but EIO", errno.EIO, done=True),
    Fault("done but ENOENT", errno.ENOENT, done=True),
    Fault("failed, and the target is gone", errno.EACCES, removes=True),
    Fault("failed, the target is gone, and lstat still shows it", errno.EACCES, removes=True, lies=True),
]


class FaultyDisk(Disk):
    """Count calls; the one with the number `at` meets the `fault`.

    `before` is called with the number and name of each call, before it. Without `flushes`, the
    calls in `FLUSHES` do nothing else.
    """

    flushes = False

    def __init__(self, at: int = -1, fault: Fault | None = None, lacks: tuple[str, ...] = ()) -> None:
        self.at, self.fault, self.lacks = at, fault, lacks
        self.calls: list[str] = []
        self.made: list[int] = []
        self.before: Callable[[int, str], None] = lambda _number, _name: None
        self.destroyed: str | None = None  # path of a file that the file system has removed
        self.lies: dict[str, os.stat_result] = {}  # what looking at a path goes on showing

    def meet(self, name: str, real: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        """Carry out a call, or let it meet its fault."""
        number = len(self.calls)
        self.calls.append(name)
        self.before(number, name)
        if name in self.lacks:
            raise OSError(errno.EPERM if name == "link" else errno.EINVAL, "not on this file system")
        fault = self.fault
        if fault is None or not (number == self.at or (fault.lasting and number > self.at >= 0)):
            return self._carry_out(name, real, arguments)
        if fault.number is None:
            if fault.done and number == self.at:
                self._carry_out(name, real, arguments)
            raise Killed
        if name in CANT_TELL:
            return False
        if fault.removes and name in TOGETHER:
            self._destroy(arguments[1])
        if fault.done or name == "close":  # a failed close has closed
            self._carry_out(name, real, arguments)
        raise OSError(fault.number, os.strerror(fault.number))

    def _destroy(self, path: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            seen = os.lstat(path)
            os.unlink(path)
            self.destroyed = path
            if self.fault is not None and self.fault.lies:
                self.lies[path] = seen

    def _carry_out(self, name: str, real: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        if name in ("look", "look_now") and arguments[0] in self.lies:
            return self.lies[arguments[0]]
        if name in FLUSHES and not self.flushes:
            os.stat(arguments[0])
            return None
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
