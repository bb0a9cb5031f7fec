"""A FUSE mount that passes calls on to a folder and imitates the quirks of one kind of storage.

Run as a program, it serves until it is unmounted:

    python -m tests.support.quirky_mount QUIRK FOLDER MOUNT_POINT

Tests use `mounted`. The file system itself comes from mfusepy and libfuse; this module only adds
the quirks.
"""

import contextlib
import ctypes
import errno
import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_RENAME_NOREPLACE, _RENAME_EXCHANGE = 1, 2
_NO_REPLY = ("FORGET", "BATCH_FORGET", "INIT", "DESTROY", "INTERRUPT")
"""Requests that nobody waits for, or that belong to the mount and not to a file."""


@dataclass(frozen=True)
class Failure:
    """Let some calls of one operation fail.

    Attributes:
        number: the error.
        every: how many calls go well before each failure, plus one.
        is_done: carry the operation out before reporting the error, as if only the reply was lost.
    """

    number: int
    every: int
    is_done: bool = False


@dataclass(frozen=True)
class Quirk:
    """What a mount does differently from a local disk.

    Attributes:
        rename_flags: "work", "refused" (EINVAL) or "ignored" (a plain rename is done instead).
        has_links: whether there are hard links.
        has_same_inodes: whether all hard links of a file show one inode number.
        has_xattrs: whether there are extended attributes.
        can_replace_open: whether a file that is open can be renamed over; if not, the target is
            deleted, but still shown until it is closed, as on SMB.
        time_step: granularity of times, in nanoseconds.
        has_size: whether statfs says how large the file system is.
        latency: seconds that each request takes.
        cache: seconds for which the kernel believes names and attributes.
        failures: by the name of the operation.
    """

    rename_flags: str = "work"
    has_links: bool = True
    has_same_inodes: bool = True
    has_xattrs: bool = True
    can_replace_open: bool = True
    time_step: int = 1
    has_size: bool = True
    latency: float = 0.0
    cache: int = 1
    failures: dict[str, Failure] = field(default_factory=dict)


_LOST = Failure(errno.EIO, 5, is_done=True)
QUIRKS = {
    "none": Quirk(),
    "no exchange": Quirk(rename_flags="refused"),
    "no exchange, long cache": Quirk(rename_flags="refused", cache=60),
    "rename flags ignored": Quirk(rename_flags="ignored"),
    "links with other inodes": Quirk(rename_flags="refused", has_same_inodes=False),
    "no hard links": Quirk(rename_flags="refused", has_links=False),
    "no links, no attributes": Quirk(rename_flags="refused", has_links=False, has_xattrs=False),
    "no rename over an open file": Quirk(rename_flags="refused", can_replace_open=False),
    "times in steps of 1 s": Quirk(rename_flags="refused", time_step=1_000_000_000),
    "times in steps of 2 s": Quirk(has_links=False, rename_flags="refused", time_step=2_000_000_000),
    "0 blocks in total": Quirk(has_size=False),
    "late errors at close": Quirk(rename_flags="refused", failures={"flush": Failure(errno.EIO, 7)}),
    "late errors at fsync": Quirk(rename_flags="refused", failures={"fsync": Failure(errno.EIO, 3)}),
    "stale handles": Quirk(
        rename_flags="refused",
        failures={"getattr": Failure(errno.ESTALE, 43), "open": Failure(errno.ESTALE, 9)},
    ),
    "lost replies": Quirk(
        rename_flags="refused", failures=dict.fromkeys(("rename", "link", "unlink", "create"), _LOST)
    ),
    "5 ms latency": Quirk(rename_flags="refused", latency=0.005),
}


def why_not() -> str:
    """Say why nothing can be mounted here; empty if it can."""
    if sys.platform != "linux" or not os.path.exists("/dev/fuse"):
        return "there is no FUSE here"
    if os.geteuid() != 0:
        return "mounting needs root here"
    if importlib.util.find_spec("mfusepy") is None:
        return "mfusepy is not installed"
    try:
        import mfusepy  # noqa: F401  it loads libfuse
    except (OSError, AttributeError) as error:
        return f"libfuse can't be used: {error}"
    return ""


class Mount:
    """A mount in use.

    Attributes:
        folder: the folder behind it.
        path: the mount point.
    """

    def __init__(self, folder: Path, path: Path, log: Path) -> None:
        self.folder, self.path, self._log = folder, path, log
        self._seen = 0

    def requests(self) -> list[str]:
        """Return the names of blocking requests that the mount has seen since the last call."""
        lines = [line for line in self._log.read_text(errors="replace").splitlines() if ", opcode: " in line]
        new, self._seen = lines[self._seen :], len(lines)
        names = (line.split(", opcode: ")[1].split(" ")[0] for line in new)
        return [name for name in names if name not in _NO_REPLY]


@contextlib.contextmanager
def mounted(quirk: str, place: Path) -> Iterator[Mount]:
    """Mount `place`/behind at `place`/mount, served by a process of its own."""
    folder, path, log = place / "behind", place / "mount", place / "requests.log"
    folder.mkdir()
    path.mkdir()
    command = [sys.executable, "-m", "tests.support.quirky_mount", quirk, str(folder), str(path)]
    with log.open("wb") as output:
        server = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        while not os.path.ismount(path):
            assert server.poll() is None, log.read_text(errors="replace")
            time.sleep(0.01)
        yield Mount(folder, path, log)
    finally:
        subprocess.run(["umount", "-l", str(path)], check=False)
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


class _PassThrough:
    """The operations of a mount; mfusepy calls them with paths that begin at the mount point."""

    use_ns = True

    def __init__(self, root: str, quirk: Quirk) -> None:
        self._root, self._quirk = root, quirk
        self._calls: dict[str, int] = {}
        self._open: dict[int, str] = {}
        self._shown: dict[str, int] = {}  # deleted, but shown until it is closed: by path, the descriptor

    def __getattribute__(self, name: str) -> Any:
        value = super().__getattribute__(name)
        if name.startswith("_") or not callable(value):
            return value
        return lambda *arguments: self._meet(name, value, arguments)

    def _meet(self, name: str, operation: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        """Carry out an operation, late or with an error if the quirk says so."""
        if self._quirk.latency:
            time.sleep(self._quirk.latency)
        failure = self._quirk.failures.get(name)
        if failure is None or not self._is_hit(name, failure, arguments):
            return operation(*arguments)
        if failure.is_done:
            result = operation(*arguments)
            if name == "create":
                self._close(result)
        raise OSError(failure.number, os.strerror(failure.number))

    def _is_hit(self, name: str, failure: Failure, arguments: tuple[Any, ...]) -> bool:
        if arguments[0] == "/":
            return False
        self._calls[name] = self._calls.get(name, 0) + 1
        return self._calls[name] % failure.every == 0

    def _real(self, path: str) -> str:
        return self._root + path

    def _close(self, fd: int) -> None:
        self._open.pop(fd, None)
        self._shown = {path: shown for path, shown in self._shown.items() if shown != fd}
        os.close(fd)

    def getattr(self, path: str, fd: int | None = None) -> dict[str, int]:
        if path in self._shown:
            fd = self._shown[path]
        status = os.lstat(self._real(path)) if fd is None else os.fstat(fd)
        names = ("st_mode", "st_nlink", "st_uid", "st_gid", "st_size", "st_ino", "st_blocks", "st_rdev")
        step = self._quirk.time_step
        times = {name: getattr(status, name + "_ns") // step * step for name in ("st_atime", "st_mtime", "st_ctime")}
        return {name: getattr(status, name) for name in names} | times

    def readlink(self, path: str) -> str:
        return os.readlink(self._real(path))

    def readdir(self, path: str, _fd: int) -> list[tuple[str, dict[str, int], int]]:
        with os.scandir(self._real(path)) as entries:
            found = [(entry.name, entry.stat(follow_symlinks=False)) for entry in entries]
        own = os.lstat(self._real(path))
        every = [(".", own), ("..", own), *found]
        return [(name, {"st_mode": status.st_mode, "st_ino": status.st_ino}, 0) for name, status in every]

    def opendir(self, _path: str) -> int:
        return 0

    def releasedir(self, _path: str, _fd: int) -> None:
        """Nothing is open."""

    def mkdir(self, path: str, mode: int) -> None:
        os.mkdir(self._real(path), mode)

    def rmdir(self, path: str) -> None:
        os.rmdir(self._real(path))

    def symlink(self, path: str, target: str) -> None:
        os.symlink(target, self._real(path))

    def create(self, path: str, mode: int, flags: int) -> int:
        fd = os.open(self._real(path), (flags & ~os.O_NOFOLLOW) | os.O_CREAT, mode)
        self._open[fd] = path
        return fd

    def open(self, path: str, flags: int) -> int:
        fd = os.open(self._real(path), flags & ~(os.O_NOFOLLOW | os.O_APPEND))
        self._open[fd] = path
        return fd

    def read(self, _path: str, size: int, offset: int, fd: int) -> bytes:
        return os.pread(fd, size, offset)

    def write(self, _path: str, data: bytes, offset: int, fd: int) -> int:
        return os.pwrite(fd, data, offset)

    def truncate(self, path: str, length: int, _fd: int | None = None) -> None:
        os.truncate(self._real(path), length)

    def flush(self, _path: str, _fd: int) -> None:
        """Report what is late."""

    def fsync(self, _path: str, _data_only: int, _fd: int) -> None:
        """Nothing is held back."""

    def fsyncdir(self, _path: str, _data_only: int, _fd: int) -> None:
        """Nothing is held back."""

    def release(self, _path: str, fd: int) -> None:
        self._close(fd)

    def unlink(self, path: str) -> None:
        os.unlink(self._real(path))

    def link(self, path: str, source: str) -> None:
        if not self._quirk.has_links:
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))
        os.link(self._real(source), self._real(path), follow_symlinks=False)

    def rename(self, path: str, target: str, flags: int = 0) -> None:
        quirk = self._quirk
        if flags and quirk.rename_flags == "refused":
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        if target in self._open.values() and not quirk.can_replace_open:
            self._shown[target] = next(fd for fd, name in self._open.items() if name == target)
            os.unlink(self._real(target))
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))
        flags = flags if quirk.rename_flags == "work" else 0
        old, new = os.fsencode(self._real(path)), os.fsencode(self._real(target))
        library = ctypes.CDLL(None, use_errno=True)
        if library.renameat2(-100, old, -100, new, flags) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        self._open = {fd: target if name == path else name for fd, name in self._open.items()}

    def chmod(self, path: str, mode: int) -> None:
        os.chmod(self._real(path), mode)

    def chown(self, path: str, uid: int, gid: int) -> None:
        os.lchown(self._real(path), uid, gid)

    def utimens(self, path: str, times: tuple[int, int]) -> None:
        os.utime(self._real(path), ns=times)

    def access(self, path: str, mode: int) -> None:
        if not os.access(self._real(path), mode):
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))

    def statfs(self, path: str) -> dict[str, int]:
        status = os.statvfs(self._real(path))
        names = ("f_bsize", "f_frsize", "f_blocks", "f_bfree", "f_bavail", "f_files", "f_ffree", "f_favail")
        sizes = {name: getattr(status, name) for name in names} | {"f_namemax": 255}
        return sizes if self._quirk.has_size else sizes | {"f_blocks": 0, "f_bfree": 0, "f_bavail": 0}

    def _check_xattrs(self) -> None:
        if not self._quirk.has_xattrs:
            raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))

    def listxattr(self, path: str) -> list[str]:
        self._check_xattrs()
        return os.listxattr(self._real(path), follow_symlinks=False)

    def getxattr(self, path: str, name: str, _position: int = 0) -> bytes:
        self._check_xattrs()
        return os.getxattr(self._real(path), name, follow_symlinks=False)

    def setxattr(self, path: str, name: str, value: bytes, flags: int, _position: int = 0) -> None:
        self._check_xattrs()
        os.setxattr(self._real(path), name, value, flags, follow_symlinks=False)

    def removexattr(self, path: str, name: str) -> None:
        self._check_xattrs()
        os.removexattr(self._real(path), name, follow_symlinks=False)


def serve(quirk: Quirk, folder: str, path: str) -> None:
    """Serve a mount until it is unmounted; each request is written to stderr."""
    import mfusepy

    class WithFlags(mfusepy.FUSE):  # type: ignore[misc]
        """Passes the flags of a rename on, which mfusepy 3 drops."""

        def rename_fuse_3(self, old: bytes, new: bytes, flags: int) -> int:
            self.operations.rename(os.fsdecode(old), os.fsdecode(new), flags)
            return 0

    WithFlags(
        _PassThrough(folder, quirk),
        path,
        foreground=True,
        debug=True,
        allow_other=True,
        use_ino=quirk.has_same_inodes,
        hard_remove=not quirk.can_replace_open,
        attr_timeout=quirk.cache,
        entry_timeout=quirk.cache,
    )


if __name__ == "__main__":
    serve(QUIRKS[sys.argv[1]], sys.argv[2], sys.argv[3])
