"""The mount table of Linux: the file system that a path lies on, and its device or server."""

import functools
import os
import re
import select
from dataclasses import dataclass

_TABLE = "/proc/self/mountinfo"
_FIXED = 6
"""Number of fixed fields at the start of a line (proc_pid_mountinfo(5)).

A varying number of optional fields follows them, and then a single "-".
"""

LOCAL = frozenset(
    (
        *("bcachefs", "btrfs", "exfat", "ext2", "ext3", "ext4", "f2fs", "jfs", "msdos", "nilfs2", "ntfs3", "overlay"),
        *("ramfs", "reiserfs", "tmpfs", "vfat", "xfs", "zfs"),
    )
)
"""Types of file systems that only this machine's kernel serves, from its own disks or memory."""


@dataclass(frozen=True, slots=True)
class Mount:
    """An entry of the mount table.

    Attributes:
        kind: type of the file system, such as ext4, nfs4 or cifs; empty if it is unknown.
        source: the device, or the server and its export; empty if it is unknown.
    """

    kind: str
    source: str

    @property
    def is_local(self) -> bool:
        """Whether it is known that only this machine's kernel serves it."""
        return self.kind in LOCAL


class _Changes:
    """Counter of changes to the mount table.

    After a change, a device number may belong to another file system.
    """

    def __init__(self) -> None:
        self._poll: select.poll | None = None
        self.count = 0

    def look(self) -> int:
        """Check for a change, and return the number of changes noticed so far.

        If the number is higher than before, remembered facts about mounts may be wrong. On systems
        without this mount table, the number stays 0.
        """
        try:
            if self._poll is None:
                poll = select.poll()
                # The descriptor stays open, because the kernel reports each change on it.
                poll.register(os.open(_TABLE, os.O_RDONLY), select.POLLPRI | select.POLLERR)
                self._poll = poll
                self.count += 1
            elif self._poll.poll(0):
                self.count += 1
        except (OSError, AttributeError):  # not Linux
            pass
        return self.count


_changes = _Changes()


def changes() -> int:
    """Return the number of known changes to the mount table.

    If it is higher than before, facts about mounts that were learned before may be wrong.
    """
    return _changes.look()


def mount_of(device: int, path: str) -> Mount:
    """Return the mount of a device.

    Args:
        device: the device number of a file (`st_dev`).
        path: real path of the file. It is used if the mount table does not show the device number,
            as with btrfs.
    """
    return _mount_of(device, path, changes())


def lines_of(device: int) -> frozenset[bytes]:
    """Return the lines of the mount table for a device number.

    While they stay the same, the number belongs to the same file system.
    """
    return frozenset(b" ".join(fields) for fields in _of_device(_read_table(), device))


@functools.lru_cache(maxsize=1024)
def _mount_of(device: int, path: str, _changes: int) -> Mount:
    mounts = _read_table()
    if same := _of_device(mounts, device):
        return _mount(same[-1])
    above = [(len(place), fields) for fields in mounts if _holds(place := _unescaped(fields[4]), path)]
    return _mount(max(above, key=lambda each: each[0])[1]) if above else Mount("", "")


def _of_device(mounts: list[list[bytes]], device: int) -> list[list[bytes]]:
    number = f"{os.major(device)}:{os.minor(device)}".encode()
    return [fields for fields in mounts if fields[2] == number]


def _read_table() -> list[list[bytes]]:
    """Return the fields of each line.

    Only blanks and line feeds are separators; all other characters can occur in paths unescaped.
    """
    try:
        with open(_TABLE, "rb") as file:
            lines = [line.split(b" ") for line in file.read().split(b"\n")]
    except OSError:
        return []
    return [fields for fields in lines if len(fields) > _FIXED + 2 and b"-" in fields[_FIXED:-2]]


def _mount(fields: list[bytes]) -> Mount:
    kind, source = fields[fields.index(b"-", _FIXED) + 1 :][:2]
    return Mount(_unescaped(kind), _unescaped(source))


def _holds(place: str, path: str) -> bool:
    return path == place or path.startswith(place.rstrip("/") + "/")


def _unescaped(field: bytes) -> str:
    return os.fsdecode(re.sub(rb"\\([0-7]{3})", lambda match: bytes([int(match[1], 8)]), field))
