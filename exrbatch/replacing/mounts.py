"""The mount table: which file system a path lies on, and where that comes from."""

import functools
import os
import re
import select
from dataclasses import dataclass

_TABLE = "/proc/self/mountinfo"
_FIXED = 6
"""Fields of a line before those whose number varies, which a single "-" ends (proc_pid_mountinfo(5))."""

LOCAL = frozenset(
    (
        *("bcachefs", "btrfs", "exfat", "ext2", "ext3", "ext4", "f2fs", "jfs", "msdos", "nilfs2", "ntfs3", "overlay"),
        *("ramfs", "reiserfs", "tmpfs", "vfat", "xfs", "zfs"),
    )
)
"""Types that this kernel alone serves, from its own disks or memory."""


@dataclass(frozen=True, slots=True)
class Mount:
    """A line of the mount table.

    Attributes:
        kind: type of the file system, such as ext4, nfs4 or cifs; empty where the system does not tell.
        source: the device, or the server and what it exports.
    """

    kind: str
    source: str

    @property
    def is_local(self) -> bool:
        """Whether it is known to be served by this kernel alone."""
        return self.kind in LOCAL


class _Changes:
    """Notices when anything is mounted or unmounted: a device number may then belong to another file system."""

    def __init__(self) -> None:
        self._poll: select.poll | None = None
        self.count = 0

    def look(self) -> int:
        """Count the changes that were noticed; one more than before says that what is remembered may be wrong."""
        try:
            if self._poll is None:
                poll = select.poll()
                # It stays open, as the kernel marks it at each change.
                poll.register(os.open(_TABLE, os.O_RDONLY), select.POLLPRI | select.POLLERR)
                self._poll = poll
                self.count += 1
            elif self._poll.poll(0):
                self.count += 1
        except (OSError, AttributeError):  # another system
            pass
        return self.count


_changes = _Changes()


def changes() -> int:
    """Count how often the mount table is known to have changed; what was learned before may be wrong."""
    return _changes.look()


def mount_of(device: int, path: str) -> Mount:
    """Look a device up by its number, or where that is hidden (btrfs) by the real path of something on it."""
    return _mount_of(device, path, changes())


def lines_of(device: int) -> frozenset[bytes]:
    """Return what the mount table says of a device number: as long as that stays, so does the file system."""
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
    """Read the fields of each line. Only blanks and line feeds separate: paths hold everything else as it is."""
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
