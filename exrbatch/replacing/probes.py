"""Probes that find out what a file system can do, with two temporary files.

After each probe, both files exist under their names, so that any probe can be left out. The
exception is `can_replace_open`, which must come last. The files are removed afterwards.
"""

import contextlib
import enum
import os
import time
from types import TracebackType

from exrbatch.replacing import disk
from exrbatch.replacing.temp_files import identity, identity_at, temp_name


class Links(enum.Enum):
    """What a hard link is on a file system.

    Attributes:
        SAME_FILE: another name of the same inode.
        OTHER_INODE: a name that shows another inode number.
        NONE: there are no hard links.
    """

    SAME_FILE = "yes"
    OTHER_INODE = "yes, but they show another inode number"
    NONE = "no"


class Probes:
    """Two temporary files in a folder, as a context manager. The first is open, the second closed.

    Attributes:
        first: path of the first file.
        second: path of the second file.
        left: names of temporary files that could not be removed at the end.
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
        """Return the seconds by which the file system's clock is ahead of this machine's."""
        return disk.DISK.look_open(self._fd).st_mtime - time.time()

    def can_exchange(self) -> bool:
        """Return whether two names can be exchanged in one step.

        Some file systems report success, but do a plain rename. So the result is checked.
        """
        before = identity_at(self.first), identity_at(self.second)
        with contextlib.suppress(OSError):  # the names show what the call has done
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
        """Return whether there is a rename that never overwrites. Call this after `can_exchange`.

        The target name is free. If it were taken, the kernel itself would refuse the call, and the
        file system would not be tested.
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
        """Create both files again, after a plain rename of one over the other."""
        with contextlib.suppress(OSError):
            disk.DISK.close(self._fd)
        self._fd = -1
        for path in (self.first, self.second):
            with contextlib.suppress(OSError):
                disk.DISK.remove(path)
        self.__enter__()

    def links(self) -> Links:
        """Return what a hard link is on this file system."""
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
        """Return whether leases show correctly whether a file is open for writing.

        Some file systems report a writer for every file. Then the result is False.
        """
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
        """Return the granularity of modification times in nanoseconds."""
        odd = 1_700_000_001_987_654_321
        disk.DISK.set_times(self._fd, self.first, odd, odd)
        kept = disk.DISK.look_now(self._fd).st_mtime_ns
        steps = (1, 100, 1_000, 1_000_000, 10_000_000, 1_000_000_000, 2_000_000_000)
        return next((step for step in steps if odd // step * step == kept), abs(odd - kept))

    def can_set_xattr(self, name: str, value: bytes) -> bool:
        """Return whether an extended attribute, such as an access control list, can be set."""
        try:
            disk.DISK.set_xattr(self._fd, name, value)
        except (OSError, AttributeError):
            return False
        return True

    def can_give_to(self, uid: int, gid: int) -> bool:
        """Return whether a new file can be given this owner and group."""
        try:
            disk.DISK.change_owner(self._fd, uid, gid)
        except (OSError, AttributeError):
            return False
        found = disk.DISK.look_now(self._fd)
        return (found.st_uid, found.st_gid) == (uid, gid)

    def round_trip(self) -> float:
        """Return the seconds that one request takes: the minimum of a few uncached stat calls."""
        times = []
        for _ in range(5):
            began = time.perf_counter()
            disk.DISK.look_now(self._fd)
            times.append(time.perf_counter() - began)
        return min(times)

    def sync_time(self) -> float:
        """Return the seconds that it takes to write and sync a small file."""
        began = time.perf_counter()
        disk.DISK.write(self._fd, memoryview(b"probe" * 1000), 0)
        disk.DISK.sync(self._fd)
        return time.perf_counter() - began

    def can_replace_open(self) -> bool:
        """Return whether a rename over an open file works. Call this last.

        If the rename does not work, the open file may be gone.
        """
        second = identity_at(self.second)
        with contextlib.suppress(OSError):  # the rename may be done although its reply was lost
            disk.DISK.rename(self.second, self.first)
        fd, self._fd = self._fd, -1
        disk.DISK.close(fd)
        return identity_at(self.first) == second
