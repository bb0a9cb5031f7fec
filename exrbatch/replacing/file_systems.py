"""What the file system under a folder does, where a replacement depends on it: told by its type, or found by a probe.

Local file systems of Linux answer truthfully whether a file is open for writing, and let a file be renamed over one
that is open. Others may not. An SMB client that renames over a file which it holds open is refused by the server, and
has removed the target by then; an NFSv4 client says that a file has a writer when it only lacks a delegation.
"""

import os
from dataclasses import dataclass, replace

from exrbatch.errors import ReplaceFailed
from exrbatch.replacing import disk, linux, mounts
from exrbatch.replacing.probes import Links, Probes

SMB = frozenset(("cifs", "smb2", "smb3", "smbfs"))
"""Types of SMB clients."""
READ_ONLY = "its file system is mounted read-only"
CANT_REPLACE = "files on this storage ({}) can't be replaced in place without the risk of losing them; use --output"


@dataclass(frozen=True, slots=True)
class FileSystem:
    """One file system, as this process sees it.

    Attributes:
        kind: its type, as the mount table calls it; empty where that is not known.
        loses_targets: whether a rename over a file that is held open fails; the file may be gone after that.
        clock_offset: seconds by which its clock is ahead of this machine's.
        can_exchange: whether two names can change places at once.
        can_rename_new: whether a rename can be asked to spare what has the new name.
        has_links: whether there are hard links that show one inode number.
    """

    kind: str
    loses_targets: bool = False
    clock_offset: float = 0.0
    can_exchange: bool = True
    can_rename_new: bool = True
    has_links: bool = True

    @property
    def is_local(self) -> bool:
        """Whether it is known to be served by this kernel alone."""
        return self.kind in mounts.LOCAL


def file_system_at(folder: str, device: int | None = None, *, may_write: bool = True) -> FileSystem:
    """Tell what the file system at a folder does. Raises `OSError`, and `ReplaceFailed` if it can't be probed.

    A file system that is not local is probed, once for each device and process, with two files of our own; unless we
    may not write there: then it is judged by its type alone. Of a local one everything is expected: where it refuses a
    call (exFAT has no links), trying again costs nothing.

    `device`: its number, where that is known: to look costs a round trip.
    """
    if device is None:
        device = os.stat(folder).st_dev
    _forget_after_mounts()
    if device in _known:
        return _known[device]
    if (failure := _failures.get((device, folder))) is not None:
        raise ReplaceFailed(str(failure), failure.errno)
    kind = mounts.mount_of(device, os.path.realpath(folder)).kind
    if kind not in mounts.LOCAL and not may_write:
        return FileSystem(kind, loses_targets=kind in SMB)
    _known[device] = FileSystem(kind) if kind in mounts.LOCAL else _probe(folder, device, kind)
    _marks[device] = folder, _mark(device, folder)
    return _known[device]


def _forget_after_mounts() -> None:
    """Forget devices whose mounts are others than when they were probed: device numbers are used again."""
    global _seen_changes
    if (now := mounts.changes()) == _seen_changes:
        return
    _seen_changes = now
    _failures.clear()
    for device, (folder, mark) in list(_marks.items()):
        if _mark(device, folder) != mark:
            del _marks[device], _known[device]


def _mark(device: int, folder: str) -> tuple[int, frozenset[bytes]]:
    """Return what changes when another file system is mounted there."""
    return linux.mount_id(folder), mounts.lines_of(device)


def is_read_only(folder: str) -> bool:
    """Whether the file system at a folder is mounted read-only. Raises `OSError`."""
    return hasattr(os, "statvfs") and bool(os.statvfs(folder).f_flag & os.ST_RDONLY)


def is_open_for_writing(fd: int, path: str, device: int) -> bool:
    """Whether anybody has this file, which is open for reading, open for writing; False where nobody can tell.

    Believed on local file systems only: NFSv4 and SMB clients say so whenever they lack a delegation or an oplock.
    """
    return file_system_at(os.path.dirname(path) or ".", device, may_write=False).is_local and disk.DISK.has_writer(fd)


_known: dict[int, FileSystem] = {}
_failures: dict[tuple[int, str], ReplaceFailed] = {}
_marks: dict[int, tuple[str, tuple[int, frozenset[bytes]]]] = {}  # by device: the folder that was probed, and its mark
_seen_changes = 0


def _probe(folder: str, device: int, kind: str) -> FileSystem:
    probes = Probes(folder)
    try:
        with probes:
            found = FileSystem(
                kind,
                clock_offset=probes.clock_offset(),
                can_exchange=probes.can_exchange(),
                can_rename_new=probes.can_rename_new(),
                has_links=probes.links() is Links.SAME_FILE,
            )
            can_replace = probes.can_replace_open()
        if not can_replace:  # once may be a lost reply
            probes = Probes(folder)
            with probes:
                can_replace = probes.can_replace_open()
        return replace(found, loses_targets=not can_replace or kind in SMB)
    except OSError as error:
        reason = f"can't try out with temporary files what its storage can do: {error.strerror}"
        if not probes.left:
            raise ReplaceFailed(reason, error.errno) from error
        failure = ReplaceFailed(f"{reason}; left behind in {folder}: {', '.join(probes.left)}", error.errno)
        _failures[device, folder] = failure  # to try again for each frame would leave more of them each time
        raise failure from error
