"""System calls of Linux that Python 3.11 does not offer.

On other systems `rename` raises ENOSYS, `stat_now` is an ordinary stat, and `mount_id` returns 0.
"""

import ctypes
import errno
import functools
import os
from collections.abc import Callable

RENAME_NOREPLACE, RENAME_EXCHANGE = 1, 2
_AT_FDCWD = -100
_AT_SYMLINK_NOFOLLOW, _AT_EMPTY_PATH, _AT_STATX_FORCE_SYNC = 0x100, 0x1000, 0x2000
_AT_STATX_DONT_SYNC = 0x4000
_STATX_BASIC_STATS, _STATX_MNT_ID_UNIQUE = 0x7FF, 0x4000


@functools.cache
def _c_function(name: str) -> Callable[..., int] | None:
    """Return a function of the C library; None if it has none of that name.

    renameat2 came with Linux 3.15, statx with 4.11; glibc has both since 2.28.
    """
    if os.name != "posix":
        return None
    function: Callable[..., int] | None = getattr(ctypes.CDLL(None, use_errno=True), name, None)
    return function


def rename(path: str, target: str, flag: int) -> None:
    """Rename a file with a flag of renameat2(2).

    Args:
        path: the old name.
        target: the new name.
        flag: `RENAME_NOREPLACE`, to refuse to overwrite, or `RENAME_EXCHANGE`, to exchange names.

    Raises:
        OSError: The system refused; with ENOSYS, it has no such call.
    """
    function = _c_function("renameat2")
    if function is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if function(_AT_FDCWD, os.fsencode(path), _AT_FDCWD, os.fsencode(target), flag) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path, None, target)


class _Time(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_int64), ("nanoseconds", ctypes.c_uint32), ("_reserved", ctypes.c_int32))


class _Statx(ctypes.Structure):
    """The structure that statx(2) fills in."""

    _fields_ = (
        *((name, ctypes.c_uint32) for name in ("mask", "blksize")),
        ("attributes", ctypes.c_uint64),
        *((name, ctypes.c_uint32) for name in ("nlink", "uid", "gid")),
        *((name, ctypes.c_uint16) for name in ("mode", "_spare")),
        *((name, ctypes.c_uint64) for name in ("ino", "size", "blocks", "attributes_mask")),
        *((name, _Time) for name in ("atime", "btime", "ctime", "mtime")),
        *((name, ctypes.c_uint32) for name in ("rdev_major", "rdev_minor", "dev_major", "dev_minor")),
        ("mount_id", ctypes.c_uint64),
        ("_more", ctypes.c_uint64 * 13),
    )


def stat_now(file: str | int) -> os.stat_result:
    """Return the status of a file, bypassing the cache of a network client.

    Where the system has no such call, or a container forbids it, this is an ordinary stat.

    Args:
        file: a path, as for `os.lstat`, or a descriptor, as for `os.fstat`.
    """
    function = _c_function("statx")
    if function is None:
        return _look(file)
    found = _Statx()
    folder, path = (file, b"") if isinstance(file, int) else (_AT_FDCWD, os.fsencode(file))
    flags = _AT_STATX_FORCE_SYNC | (_AT_EMPTY_PATH if isinstance(file, int) else _AT_SYMLINK_NOFOLLOW)
    if function(folder, path, flags, _STATX_BASIC_STATS, ctypes.byref(found)) != 0:
        number = ctypes.get_errno()
        # These errors are never about the file. EINVAL comes from glibc's substitute for the call.
        if number in (errno.ENOSYS, errno.EINVAL, errno.EPERM):
            return _look(file)
        raise OSError(number, os.strerror(number), file)
    device = os.makedev(found.dev_major, found.dev_minor)
    times = [each.seconds * 1_000_000_000 + each.nanoseconds for each in (found.atime, found.mtime, found.ctime)]
    fields = (found.mode, found.ino, device, found.nlink, found.uid, found.gid, found.size)
    exact = dict(zip(("st_atime_ns", "st_mtime_ns", "st_ctime_ns"), times, strict=True))
    return os.stat_result((*fields, *(time // 1_000_000_000 for time in times)), exact)


def _look(file: str | int) -> os.stat_result:
    return os.fstat(file) if isinstance(file, int) else os.lstat(file)


def mount_id(path: str) -> int:
    """Return a number that no other mount ever has (Linux 6.8), or 0 if the system has none.

    No file server is asked.
    """
    function = _c_function("statx")
    found = _Statx()
    if function is None:
        return 0
    failed = function(_AT_FDCWD, os.fsencode(path), _AT_STATX_DONT_SYNC, _STATX_MNT_ID_UNIQUE, ctypes.byref(found))
    return 0 if failed or not found.mask & _STATX_MNT_ID_UNIQUE else int(found.mount_id)
