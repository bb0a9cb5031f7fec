"""What a new file or folder takes over from the one that it stands for: owner, group, attributes, mode, times.

Owner and attributes are given first, before any work is done: a system may refuse them (no CAP_CHOWN in a container,
root squash on a file server, a file system without access control lists), and what can't be kept in place must be known
then. The mode comes last. Where something was refused, the mode is cut so that nobody may do more than before.
"""

import errno
import os
import stat
import struct
from collections.abc import Iterator

from exrbatch.file import disk

_TOLERATED_XATTRS = ("security.", "trusted.", "system.nfs", "com.apple.")
"""Attributes that only the system may set, or that the file system doesn't have: no loss of the user's."""
OWN_XATTR = "user.exrbatch"
"""What exrbatch notes on an output (`made_from` reads it): it holds for that file only, and is never copied."""
_ACL = "system.posix_acl_access"
_REFUSED = {
    getattr(errno, name)
    for name in ("EPERM", "EACCES", "EINVAL", "EOVERFLOW", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "ERANGE", "E2BIG")
}
"""Errors that say that the system does not do this here; others say that something is broken."""
_ACL_USER, _ACL_GROUP_OBJ, _ACL_GROUP, _ACL_MASK = 0x02, 0x04, 0x08, 0x10


class Metadata:
    """The metadata of an open file or folder, to be given to another one.

    Attributes:
        lost: what the system refused, in words: "owner", "group", "access control list", "attribute user.x".
    """

    def __init__(self, source_fd: int, source: os.stat_result) -> None:
        self._source = source
        self._xattrs = _read_xattrs(source_fd)
        self.lost: list[str] = []

    def give_owner_and_attributes(self, fd: int) -> None:
        """Give all but mode and times; `lost` tells what was refused. Raises `OSError` for any other failure.

        The mode of `fd` may change on the way (an access control list is a mode, too), but only to the source's.
        """
        if hasattr(os, "fchown"):
            self._give_owner(fd)
        if hasattr(os, "setxattr"):
            self._give_xattrs(fd)

    def give_mode(self, fd: int, at_least: int = 0) -> None:
        """Give the mode, cut where something was lost, with the bits `at_least`.

        Comes after the owner, because chown clears setuid bits.
        """
        if hasattr(os, "fchmod"):
            disk.DISK.change_mode(fd, self._safe_mode() | at_least)

    def give_times(self, fd: int, path: str) -> None:
        """Give the times; every other change would touch them, so this comes last."""
        disk.DISK.set_times(fd, path, self._source.st_atime_ns, self._source.st_mtime_ns)

    def _give_owner(self, fd: int) -> None:
        """Keep owner and group; where only the group is ours to give, keep that."""
        mine, source = disk.DISK.look_open(fd), self._source
        if (mine.st_uid, mine.st_gid) == (source.st_uid, source.st_gid):
            return
        if _is_given(fd, source.st_uid, source.st_gid):
            return
        if mine.st_uid != source.st_uid:
            self.lost.append("owner")
        if mine.st_gid != source.st_gid and not _is_given(fd, -1, source.st_gid):
            self.lost.append("group")

    def _give_xattrs(self, fd: int) -> None:
        """Set extended attributes, access control lists among them, and remove those that the folder handed down."""
        try:
            inherited = os.listxattr(fd)
        except OSError as error:
            if error.errno not in _REFUSED:
                raise
            inherited = []
        for name in inherited:
            if name not in self._xattrs and not name.startswith(_TOLERATED_XATTRS):
                disk.DISK.remove_xattr(fd, name)
        for name, value in self._xattrs.items():
            try:
                disk.DISK.set_xattr(fd, name, value)
            except OSError as error:
                if name.startswith(_TOLERATED_XATTRS):
                    continue
                # An attribute that does not fit is "no space left" on some file systems: the disk is not full.
                if error.errno not in _REFUSED | {errno.ENOSPC}:
                    raise
                self.lost.append("access control list" if name == _ACL else f"attribute {name}")

    def _safe_mode(self) -> int:
        mode = stat.S_IMODE(self._source.st_mode)
        if "owner" in self.lost or "group" in self.lost:
            mode &= ~(stat.S_ISUID | stat.S_ISGID)
        if "group" in self.lost:  # the new group may do no more than everybody could
            mode &= ~stat.S_IRWXG | (mode & stat.S_IRWXO) << 3
        if "access control list" in self.lost:
            mode = _mode_without_acl(mode, self._xattrs[_ACL])
        return mode


def _is_given(fd: int, uid: int, gid: int) -> bool:
    """Try to give a file away; False if the system refuses."""
    try:
        disk.DISK.change_owner(fd, uid, gid)
    except OSError as error:
        if error.errno not in _REFUSED:
            raise
        return False
    return True


def origin_note(source: os.stat_result, output: os.stat_result) -> bytes:
    """Write down which file an output was made from, and which file that output is.

    Device numbers are not in it: they may change with every mount.
    """
    numbers = source.st_ino, source.st_size, source.st_mtime_ns, source.st_ctime_ns
    return " ".join(f"{n:x}" for n in (*numbers, output.st_ino, output.st_size, output.st_mtime_ns)).encode()


def _read_xattrs(fd: int) -> dict[str, bytes]:
    if not hasattr(os, "listxattr"):
        return {}
    try:
        names = os.listxattr(fd)
    except OSError as error:
        if error.errno in _REFUSED:
            return {}
        raise
    values = {}
    for name in names:
        if name == OWN_XATTR:
            continue
        try:
            values[name] = os.getxattr(fd, name)
        except OSError:
            if not name.startswith(_TOLERATED_XATTRS):
                raise
    return values


def _mode_without_acl(mode: int, acl: bytes) -> int:
    """Cut a mode so that without its access control list nobody may do more than with it.

    With a list the mode's group bits are the list's mask: the most that any of its entries may have. Entries of the
    list that allow less than group or others would no longer hold.
    """
    entries = list(_acl_entries(acl))
    mask = next((bits for tag, bits in entries if tag == _ACL_MASK), 7)
    allowed = 7
    for tag, bits in entries:
        if tag in (_ACL_USER, _ACL_GROUP):
            allowed &= bits & mask
    group = next((bits for tag, bits in entries if tag == _ACL_GROUP_OBJ), 0) & mask & allowed
    return mode & ~(stat.S_IRWXG | stat.S_IRWXO) | group << 3 | mode & stat.S_IRWXO & allowed


def _acl_entries(acl: bytes) -> Iterator[tuple[int, int]]:
    """Yield tag and permission bits of each entry (Linux, <linux/posix_acl_xattr.h>: version, then 8 bytes each)."""
    for tag, bits, _identity in struct.iter_unpack("<HHI", acl[4:]):
        yield tag, bits & 7
