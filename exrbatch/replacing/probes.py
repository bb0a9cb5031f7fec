"""Probes: what a file system does, found out with two temporary files of our own, which are removed afterwards.

Each probe leaves both files as it found them, so that any of them can be left out, but for `can_replace_open`, which
comes last.
"""

import contextlib
import enum
import os
import time
from types import TracebackType

from exrbatch.replacing import disk
from exrbatch.replacing.temp_files import identity, identity_at, temp_name


class Links(enum.Enum):
    """What a file system makes of a hard link."""

    SAME_FILE = "yes"
    OTHER_INODE = "yes, but they show another inode number"
    NONE = "no"


class Probes:
    """Two files in a folder, as a context manager: the first is held open, the second is closed.

    Attributes:
        left: names of our files that could not be removed at the end.
    """

    def __init__(self, folder: str) -> None:
        self.left: list[str] = []
        self._folder = folder
        self._fd = -1
        self.first, self.second = (self._new_name() for _ in range(2))
        self._extra: list[str] = []
        self._ignores_flags = False

    def _new_name(self) -> str:
        return os.path.join(self._folder, temp_name("probe", os.stat(self._folder)))

    def __enter__(self) -> "Probes":
        try:
            other = disk.DISK.create(self.second)
            disk.DISK.close(other)
            self._fd = disk.DISK.create(self.first)
            disk.DISK.write(self._fd, memoryview(b"probe"), 0)
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                disk.DISK.close(self._fd)
        for path in (self.first, self.second, *self._extra):
            try:
                disk.DISK.remove(path)
            except FileNotFoundError:
                continue
            except OSError:
                self.left.append(os.path.basename(path))

    def clock_offset(self) -> float:
        """Tell by how many seconds the file system's clock is ahead of this machine's."""
        return disk.DISK.look_open(self._fd).st_mtime - time.time()

    def can_exchange(self) -> bool:
        """Whether two names can change places at once; some file systems say so and do a plain rename."""
        before = identity_at(self.first), identity_at(self.second)
        with contextlib.suppress(OSError):  # what it has done is seen by looking
            disk.DISK.exchange(self.first, self.second)
        after = identity_at(self.first), identity_at(self.second)
        if after == before:
            return False
        if after == (before[1], before[0]):
            with contextlib.suppress(OSError):
                disk.DISK.exchange(self.first, self.second)
            return (identity_at(self.first), identity_at(self.second)) == before
        self._ignores_flags = True
        self._make_up_for_lost()
        return False

    def can_rename_new(self) -> bool:
        """Whether a rename can be asked to spare what has the new name. Comes after `can_exchange`.

        That the name is taken is found by the kernel, so the file system is asked with one that is free.
        """
        if self._ignores_flags:
            return False
        name = self._new_name()
        self._extra.append(name)
        with contextlib.suppress(OSError):
            disk.DISK.rename_new(self.second, name)
        if identity_at(name) is None:
            return False
        disk.DISK.rename(name, self.second)
        self._extra.remove(name)
        return True

    def _make_up_for_lost(self) -> None:
        """Make the second file again, after it was renamed over the first."""
        with contextlib.suppress(OSError):
            disk.DISK.close(self._fd)
        self._fd = -1
        for path in (self.first, self.second):
            with contextlib.suppress(OSError):
                disk.DISK.remove(path)
        self.__enter__()

    def links(self) -> Links:
        """Tell what a hard link is here."""
        name = self._new_name()
        self._extra.append(name)
        with contextlib.suppress(OSError):
            disk.DISK.link(self.first, name)
        found = identity_at(name)
        if found is None:
            return Links.NONE
        is_same = found == identity(disk.DISK.look_open(self._fd))
        disk.DISK.remove(name)
        self._extra.remove(name)
        return Links.SAME_FILE if is_same else Links.OTHER_INODE

    def sees_writers(self) -> bool:
        """Whether a lease tells whether a file is open for writing, and does not claim it of any file."""
        reader = os.open(self.second, os.O_RDONLY)
        try:
            if disk.DISK.has_writer(reader):
                return False
            writer = os.open(self.second, os.O_WRONLY)
            try:
                return disk.DISK.has_writer(reader)
            finally:
                os.close(writer)
        finally:
            os.close(reader)

    def time_step(self) -> int:
        """Tell the granularity of modification times, in nanoseconds."""
        odd = 1_700_000_001_987_654_321
        disk.DISK.set_times(self._fd, self.first, odd, odd)
        kept = disk.DISK.look_now(self._fd).st_mtime_ns
        steps = (1, 100, 1_000, 1_000_000, 10_000_000, 1_000_000_000, 2_000_000_000)
        return next((step for step in steps if odd // step * step == kept), abs(odd - kept))

    def can_set_xattr(self, name: str, value: bytes) -> bool:
        """Whether an extended attribute can be set; access control lists are some of them."""
        try:
            disk.DISK.set_xattr(self._fd, name, value)
        except (OSError, AttributeError):
            return False
        return True

    def can_give_to(self, uid: int, gid: int) -> bool:
        """Whether a file of ours can be given to another owner and group."""
        try:
            disk.DISK.change_owner(self._fd, uid, gid)
        except (OSError, AttributeError):
            return False
        found = disk.DISK.look_now(self._fd)
        return (found.st_uid, found.st_gid) == (uid, gid)

    def round_trip(self) -> float:
        """Tell the seconds that one request takes: the shortest of a few looks that no cache answers."""
        times = []
        for _ in range(5):
            began = time.perf_counter()
            disk.DISK.look_now(self._fd)
            times.append(time.perf_counter() - began)
        return min(times)

    def sync_time(self) -> float:
        """Tell the seconds in which a small file comes to the disk."""
        began = time.perf_counter()
        disk.DISK.write(self._fd, memoryview(b"probe" * 1000), 0)
        disk.DISK.sync(self._fd)
        return time.perf_counter() - began

    def can_replace_open(self) -> bool:
        """Whether a file that is held open can be renamed over; if not, it may be gone. Ends the probes."""
        second = identity_at(self.second)
        with contextlib.suppress(OSError):  # its reply may be lost
            disk.DISK.rename(self.second, self.first)
        fd, self._fd = self._fd, -1
        disk.DISK.close(fd)
        return identity_at(self.first) == second
