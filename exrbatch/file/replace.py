"""Replacement: a temp file beside the target that becomes the target only when it is whole.

The one place that syncs, renames and removes. Steps: exclusive create, write, metadata, sync, (verify,)
check that the source is still the file that was read, rename, sync the directory. At every instant the
name holds the complete old file or the complete new one.
"""

import contextlib
import errno
import functools
import hashlib
import os
import re
import secrets
import socket
import stat
from collections.abc import Iterable, Iterator
from types import TracebackType

from exrbatch.errors import ReplaceFailed, SourceChanged

TEMP_SUFFIX = ".tmp"
"""Not .exr, so that no player or farm takes a temp file for a frame."""

_TEMP_NAME = re.compile(r"\.exrbatch-(?P<host>[0-9a-f]{8})-(?P<pid>\d{1,10})-[0-9a-f]+\.tmp")

# An attribute that only the system may set, or that the file system doesn't have, is no loss of the user's.
_TOLERATED_XATTRS = ("security.", "trusted.", "system.nfs", "com.apple.")


class Replacement:
    """One temp file on its way to `destination`, as a context manager that removes it unless committed."""

    def __init__(self, source_path: str, source_fd: int, destination: str) -> None:
        """`source_fd`: the open source, whose metadata the new file takes over."""
        self._source_path = source_path
        self._source_fd = source_fd
        self._source = os.fstat(source_fd)
        self._destination = destination
        self._directory = os.path.dirname(destination) or "."
        self.path = os.path.join(self._directory, f"{temp_prefix(os.getpid())}{secrets.token_hex(8)}{TEMP_SUFFIX}")
        self.fd = -1

    def __enter__(self) -> "Replacement":
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        with _step("create a temp file in", self._directory):
            self.fd = os.open(self.path, flags, 0o600)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close_quietly()
        if self.path:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path)

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return os.fstat(self.fd).st_size

    def sync(self, *, drop_cache: bool = False) -> None:
        """Give the temp file the source's metadata, bring it to the disk and close it.

        `drop_cache`: let who reads it next read from the disk, where the system can do that (Linux).

        A failed sync is never tried again: the kernel may have dropped the data and report success next time.
        """
        with _step("copy the metadata of", self._source_path):
            self._copy_metadata()
        with _step("write", self.path):
            os.fsync(self.fd)
            if drop_cache and hasattr(os, "posix_fadvise"):
                os.posix_fadvise(self.fd, 0, 0, os.POSIX_FADV_DONTNEED)
            fd, self.fd = self.fd, -1
            os.close(fd)  # network file systems report a full disk only here

    def commit(self) -> None:
        """Put the new file in place. Raises `SourceChanged` if the source is not the file that was read."""
        check_unchanged(self._source_path, self._source_fd, self._source)
        with _step("replace", self._destination):
            os.replace(self.path, self._destination)
        self.path = ""
        with _step("sync the folder", self._directory):
            sync_directory(self._directory)

    def _copy_metadata(self) -> None:
        # The order matters: chown clears setuid bits, and every later change would touch the times.
        if hasattr(os, "fchown"):
            _copy_owner(self.fd, self._source)
        _copy_xattrs(self._source_fd, self.fd)
        if hasattr(os, "fchmod"):
            os.fchmod(self.fd, stat.S_IMODE(self._source.st_mode))
        where: int | str = self.fd if os.utime in os.supports_fd else self.path
        os.utime(where, ns=(self._source.st_atime_ns, self._source.st_mtime_ns))

    def _close_quietly(self) -> None:
        if self.fd >= 0:
            with contextlib.suppress(OSError):
                os.close(self.fd)
            self.fd = -1


def temp_prefix(pid: int) -> str:
    """Begin the name of a process's temp files. It has no part of the original's: that may be 255 bytes long."""
    return f".exrbatch-{_host()}-{pid}-"


@functools.cache
def _host() -> str:
    """Name this host in 8 characters: a folder may be shared, and a process number means nothing elsewhere."""
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]


def sweep_stale(directory: str, names: Iterable[str]) -> None:
    """Remove temp files of processes of this host that are no more, as after a power cut or a killed run.

    A temp file is never the only copy of a frame: the original goes only when the rename puts the new one there.
    """
    for name in names:
        match = _TEMP_NAME.fullmatch(name)
        if match and match["host"] == _host() and not _is_alive(int(match["pid"])):
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(directory, name))


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def remove_temps(directory: str, pid: int) -> None:
    """Remove the temp files that a process, which has ended, left in a directory."""
    with contextlib.suppress(OSError):
        for name in os.listdir(directory):
            if name.startswith(temp_prefix(pid)) and name.endswith(TEMP_SUFFIX):
                os.unlink(os.path.join(directory, name))


def check_unchanged(path: str, fd: int, before: os.stat_result) -> None:
    """Raise `SourceChanged` unless `path` still names the open file and that has not been written since."""
    try:
        named = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        raise SourceChanged("removed while it was processed") from None
    if (named.st_dev, named.st_ino) != (before.st_dev, before.st_ino):
        raise SourceChanged("replaced by another file while it was processed")
    for now in (named, os.fstat(fd)):
        if (now.st_size, now.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
            raise SourceChanged("written to while it was processed")


def sync_directory(path: str) -> None:
    """Make a rename in this directory durable; where directories can't be synced, do nothing."""
    if os.name == "nt":
        return
    fd = os.open(path, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(fd)


def _copy_owner(fd: int, source: os.stat_result) -> None:
    """Keep owner and group; where only the group is ours to give, keep that."""
    mine = os.fstat(fd)
    if (mine.st_uid, mine.st_gid) == (source.st_uid, source.st_gid):
        return
    for uid in (source.st_uid, -1):
        with contextlib.suppress(PermissionError):
            os.fchown(fd, uid, source.st_gid)
            return


def _copy_xattrs(source_fd: int, fd: int) -> None:
    """Keep extended attributes, access control lists among them; losing one of the user's is an error."""
    if not hasattr(os, "listxattr"):
        return
    try:
        names = os.listxattr(source_fd)
    except OSError as error:
        if error.errno in (errno.ENOTSUP, errno.EINVAL):
            return
        raise
    for name in names:
        try:
            os.setxattr(fd, name, os.getxattr(source_fd, name))
        except OSError:
            if not name.startswith(_TOLERATED_XATTRS):
                raise


@contextlib.contextmanager
def _step(doing: str, path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ReplaceFailed(f"can't {doing} {os.path.basename(path) or path}: {error.strerror}") from error
