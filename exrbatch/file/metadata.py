"""What a new file takes over from the one that it replaces: owner, attributes, mode, times."""

import contextlib
import errno
import os
import stat

from exrbatch.file import disk

# An attribute that only the system may set, or that the file system doesn't have, is no loss of the user's.
_TOLERATED_XATTRS = ("security.", "trusted.", "system.nfs", "com.apple.")


def copy_metadata(source_fd: int, source: os.stat_result, fd: int, path: str) -> None:
    """Make the open file `fd` look like `source`. Raises `OSError` where something of the user's would be lost."""
    # The order matters: chown clears setuid bits, and every later change would touch the times.
    if hasattr(os, "fchown"):
        _copy_owner(fd, source)
    _copy_xattrs(source_fd, fd)
    if hasattr(os, "fchmod"):
        disk.DISK.change_mode(fd, stat.S_IMODE(source.st_mode))
    disk.DISK.set_times(fd, path, source.st_atime_ns, source.st_mtime_ns)


def _copy_owner(fd: int, source: os.stat_result) -> None:
    """Keep owner and group; where only the group is ours to give, keep that."""
    mine = disk.DISK.look_open(fd)
    if (mine.st_uid, mine.st_gid) == (source.st_uid, source.st_gid):
        return
    for uid in (source.st_uid, -1):
        with contextlib.suppress(PermissionError):
            disk.DISK.change_owner(fd, uid, source.st_gid)
            return


def _copy_xattrs(source_fd: int, fd: int) -> None:
    """Keep extended attributes, access control lists among them; losing one of the user's is an error."""
    if not hasattr(os, "listxattr"):
        return
    try:
        names, inherited = os.listxattr(source_fd), os.listxattr(fd)
    except OSError as error:
        if error.errno in (errno.ENOTSUP, errno.EINVAL):
            return
        raise
    # A folder may hand down an access control list to every new file; the original never had it.
    for name in set(inherited) - set(names):
        if not name.startswith(_TOLERATED_XATTRS):
            disk.DISK.remove_xattr(fd, name)
    for name in names:
        try:
            disk.DISK.set_xattr(fd, name, os.getxattr(source_fd, name))
        except OSError:
            if not name.startswith(_TOLERATED_XATTRS):
                raise
