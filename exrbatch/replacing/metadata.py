"""Copy metadata to a new file or folder: owner, group, extended attributes, ACL, mode, times.

Owner and attributes are set first, before the expensive work begins. The system may refuse them (no
CAP_CHOWN in a container, root squash on a file server, a file system without access control lists),
and then a file may have to be skipped. The mode is set last. If something was refused, the mode is
restricted so that no user gains permissions.
"""

import errno
import os
import stat
import struct
from collections.abc import Iterator

from exrbatch.replacing import disk

_TOLERATED_XATTRS = ("security.", "trusted.", "system.nfs", "com.apple.")
"""Prefixes of attributes whose loss is tolerated, because they do not belong to the user.

Only the system can set them, or the file system does not have them.
"""
OWN_XATTR = "user.exrbatch"
"""The attribute for exrbatch's note on an output (`origin_notes`).

It is never copied, because it is true of that one file only.
"""
_ACL = "system.posix_acl_access"
_REFUSED = {
    getattr(errno, name)
    for name in ("EPERM", "EACCES", "EINVAL", "EOVERFLOW", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "ERANGE", "E2BIG")
}
"""Error numbers of calls that are not supported or not allowed. Others mean a real failure."""
_ACL_USER, _ACL_GROUP_OBJ, _ACL_GROUP, _ACL_MASK, _ACL_OTHER = 0x02, 0x04, 0x08, 0x10, 0x20


class Metadata:
    """The metadata of an open file or folder, and the methods that set it on another one.

    Attributes:
        lost: what the system refused to set, in words: "owner", "group", "access control list",
            "attribute user.x".
    """

    def __init__(self, source_fd: int, source: os.stat_result) -> None:
        self._source = source
        self._xattrs = _read_xattrs(source_fd)
        self._acl = self._xattrs.pop(_ACL, None)
        self.lost: list[str] = []

    def give_owner_and_attributes(self, fd: int) -> None:
        """Set the owner, the group and the extended attributes of an open file.

        The access control list is only tried, so that `lost` is complete after this call; it is
        set finally by `give_mode`.

        Raises:
            OSError: A call failed for a reason other than a refusal, which is recorded in `lost`.
        """
        if hasattr(os, "fchown"):
            self._give_owner(fd)
        if hasattr(os, "setxattr"):
            self._give_xattrs(fd)

    def give_mode(self, fd: int, at_least: int = 0) -> None:
        """Set the access control list and the mode, restricted if something was lost.

        Call this after the owner is set, because chown clears setuid bits. Call it after the data
        is written, because until then no other user may open the file.

        Args:
            fd: descriptor of the new file.
            at_least: mode bits that are set in any case.
        """
        mode = self._safe_mode() | at_least
        if self._acl is not None and "access control list" not in self.lost:
            disk.DISK.set_xattr(fd, _ACL, _cut_acl(self._acl, mode))
        if hasattr(os, "fchmod"):
            disk.DISK.change_mode(fd, mode)

    def give_times(self, fd: int, path: str) -> None:
        """Set the access and modification times. Call this last: any other change alters them."""
        disk.DISK.set_times(fd, path, self._source.st_atime_ns, self._source.st_mtime_ns)

    def _give_owner(self, fd: int) -> None:
        """Set owner and group. If the owner is refused, set at least the group."""
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
        """Set the extended attributes, and remove those that the file inherited from its folder.

        The access control list is one of them. It is tried without any permission for group and
        others, because the new file must stay private until it is complete.
        """
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
                # ENOSPC does not mean a full disk here: some file systems report it for an
                # attribute that is too large.
                if error.errno not in _REFUSED | {errno.ENOSPC}:
                    raise
                self.lost.append("access control list" if name == _ACL else f"attribute {name}")

    def _safe_mode(self) -> int:
        """Return the source's mode, restricted so that no user gains permissions because of a loss.

        Bits are only removed, never added.
        """
        mode = stat.S_IMODE(self._source.st_mode)
        if "owner" in self.lost or "group" in self.lost:
            mode &= ~(stat.S_ISUID | stat.S_ISGID)
        group, other = mode >> 3 & 7, mode & 7
        entries = [] if self._acl is None else list(_acl_entries(self._acl))
        mask = next((bits for tag, bits in entries if tag == _ACL_MASK), 7)
        # If there is an ACL, the group bits of the mode are its mask, and an entry of the list has
        # the permissions of the owning group.
        of_group = next((bits & mask for tag, bits in entries if tag == _ACL_GROUP_OBJ), group)
        # Members of the new group were "others" before; members of the old group are "others" now.
        if "group" in self.lost:
            group, other = group & other, other & of_group
        # Users and groups that the ACL named now get the permissions of the group or of others.
        if "access control list" in self.lost:
            group &= of_group
            for tag, bits in entries:
                if tag in (_ACL_USER, _ACL_GROUP):
                    group, other = group & bits & mask, other & bits & mask
        return mode & ~(stat.S_IRWXG | stat.S_IRWXO) | group << 3 | other


def _is_given(fd: int, uid: int, gid: int) -> bool:
    """Try to set owner and group. Return False if the system refuses."""
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
    """Return an access control list restricted to what a mode allows the group and others.

    The group bits of the mode apply to the list's mask, or to the owning group if there is no mask.
    """
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
    """Yield the tag and the permission bits of each entry of an access control list.

    Format of Linux (<linux/posix_acl_xattr.h>): a version, then 8 bytes for each entry.
    """
    for tag, bits, _identity in struct.iter_unpack("<HHI", acl[4:]):
        yield tag, bits & 7
