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

from exrbatch.replacing import disk

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
_ACL_USER, _ACL_GROUP_OBJ, _ACL_GROUP, _ACL_MASK, _ACL_OTHER = 0x02, 0x04, 0x08, 0x10, 0x20


class Metadata:
    """The metadata of an open file or folder, to be given to another one.

    Attributes:
        lost: what the system refused, in words: "owner", "group", "access control list", "attribute user.x".
    """

    def __init__(self, source_fd: int, source: os.stat_result) -> None:
        self._source = source
        self._xattrs = _read_xattrs(source_fd)
        self._acl = self._xattrs.pop(_ACL, None)
        self.lost: list[str] = []

    def give_owner_and_attributes(self, fd: int) -> None:
        """Give all but mode, access control list and times; `lost` tells what was refused, also of these.

        Raises `OSError` for any other failure.
        """
        if hasattr(os, "fchown"):
            self._give_owner(fd)
        if hasattr(os, "setxattr"):
            self._give_xattrs(fd)

    def give_mode(self, fd: int, at_least: int = 0) -> None:
        """Give access control list and mode, cut where something was lost; the mode with the bits `at_least`.

        Comes after the owner, because chown clears setuid bits; and after the data, because until then nobody else may
        open the file.
        """
        mode = self._safe_mode() | at_least
        if self._acl is not None and "access control list" not in self.lost:
            disk.DISK.set_xattr(fd, _ACL, _cut_acl(self._acl, mode))
        if hasattr(os, "fchmod"):
            disk.DISK.change_mode(fd, mode)

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
        trials = {} if self._acl is None else {_ACL: _cut_acl(self._acl, stat.S_IRUSR | stat.S_IWUSR)}
        for name, value in (self._xattrs | trials).items():
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
        """Cut the mode so that with what was lost nobody may do more than before: bits are only ever taken away."""
        mode = stat.S_IMODE(self._source.st_mode)
        if "owner" in self.lost or "group" in self.lost:
            mode &= ~(stat.S_ISUID | stat.S_ISGID)
        group, other = mode >> 3 & 7, mode & 7
        entries = [] if self._acl is None else list(_acl_entries(self._acl))
        mask = next((bits for tag, bits in entries if tag == _ACL_MASK), 7)
        # With a list the mode's group bits are its mask; what the owning group may do is an entry of the list.
        of_group = next((bits & mask for tag, bits in entries if tag == _ACL_GROUP_OBJ), group)
        if "group" in self.lost:  # the new group were others before, and the old group are others now
            group, other = group & other, other & of_group
        if "access control list" in self.lost:  # those whom it named may be in the group now, or among the others
            group &= of_group
            for tag, bits in entries:
                if tag in (_ACL_USER, _ACL_GROUP):
                    group, other = group & bits & mask, other & bits & mask
        return mode & ~(stat.S_IRWXG | stat.S_IRWXO) | group << 3 | other


def _is_given(fd: int, uid: int, gid: int) -> bool:
    """Try to give a file away; False if the system refuses."""
    try:
        disk.DISK.change_owner(fd, uid, gid)
    except OSError as error:
        if error.errno not in _REFUSED:
            raise
        return False
    return True


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


def _cut_acl(acl: bytes, mode: int) -> bytes:
    """Cut an access control list to what a mode allows the group, whose bits are the list's mask, and others."""
    group, other = mode >> 3 & 7, mode & 7
    has_mask = any(tag == _ACL_MASK for tag, _ in _acl_entries(acl))
    cut = bytearray(acl)
    for place, (tag, bits) in enumerate(_acl_entries(acl)):
        if tag == _ACL_OTHER:
            bits &= other
        elif tag == _ACL_MASK or (tag == _ACL_GROUP_OBJ and not has_mask):
            bits &= group
        struct.pack_into("<H", cut, 4 + 8 * place + 2, bits)
    return bytes(cut)


def _acl_entries(acl: bytes) -> Iterator[tuple[int, int]]:
    """Yield tag and permission bits of each entry (Linux, <linux/posix_acl_xattr.h>: version, then 8 bytes each)."""
    for tag, bits, _identity in struct.iter_unpack("<HHI", acl[4:]):
        yield tag, bits & 7
