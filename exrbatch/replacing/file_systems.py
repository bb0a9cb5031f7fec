"""What the file system of a folder can do, as far as safe replacement depends on it.

The answer comes from the type of the file system, or from a probe. Local file systems of Linux
report correctly whether a file is open for writing, and they allow a rename over an open file.
Others may do neither:

- When an SMB client renames a file over one that it has open, the server refuses. By then the
  client has already removed the target.
- An NFSv4 client reports that a file has a writer when the client only lacks a delegation.
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
        kind: its type, as in the mount table; empty if it is unknown.
        loses_targets: whether a rename over an open file fails. After such a failure, the file at
            the target may be gone.
        clock_offset: seconds by which its clock is ahead of this machine's.
        can_exchange: whether two names can be exchanged in one step.
        can_rename_new: whether there is a rename that never overwrites.
        has_links: whether there are hard links, and all of a file show the same inode number.
    """

    kind: str
    loses_targets: bool = False
    clock_offset: float = 0.0
    can_exchange: bool = True
    can_rename_new: bool = True
    has_links: bool = True

    @property
    def is_local(self) -> bool:
        """Whether it is known that only this machine's kernel serves it."""
        return self.kind in mounts.LOCAL


def file_system_at(folder: str, device: int | None = None, *, may_write: bool = True) -> FileSystem:
    """Return what the file system of a folder can do.

    If the file system is not local, it is probed with two temporary files, once per device and
    process. A local one is not probed: it is assumed to support everything. If it refuses a call
    (exFAT has no hard links), a repeated attempt costs nothing.

    Args:
        folder: path of the folder.
        device: device number of the folder, if it is known. Looking it up costs a round trip.
        may_write: whether temporary files may be created there. If not, a file system that is not
            local is judged by its type alone, unless it was probed before.

    Raises:
        OSError: The folder can't be accessed.
        ReplaceFailed: The file system can't be probed.
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
    """Forget devices whose mounts have changed since the probe: device numbers are reused."""
    global _seen_changes
    if (now := mounts.changes()) == _seen_changes:
        return
    _seen_changes = now
    _failures.clear()
    for device, (folder, mark) in list(_marks.items()):
        if _mark(device, folder) != mark:
            del _marks[device], _known[device]


def _mark(device: int, folder: str) -> tuple[int, frozenset[bytes]]:
    """Return a value that changes when another file system is mounted there."""
    return linux.mount_id(folder), mounts.lines_of(device)


def is_read_only(folder: str) -> bool:
    """Return whether the file system of a folder is mounted read-only.

    Raises:
        OSError: The folder can't be accessed.
    """
    return hasattr(os, "statvfs") and bool(os.statvfs(folder).f_flag & os.ST_RDONLY)


def is_open_for_writing(fd: int, path: str, device: int) -> bool:
    """Return whether any process has a file open for writing.

    Leases are believed on local file systems only. NFSv4 and SMB clients report a writer whenever
    they lack a delegation or an oplock.

    Args:
        fd: a descriptor of the file, opened for reading only.
        path: path of the file.
        device: device number of the file.

    Returns:
        True if there is a writer; False if there is none, or if that can't be found out.
    """
    return file_system_at(os.path.dirname(path) or ".", device, may_write=False).is_local and disk.DISK.has_writer(fd)


_known: dict[int, FileSystem] = {}
_failures: dict[tuple[int, str], ReplaceFailed] = {}
_marks: dict[int, tuple[str, tuple[int, frozenset[bytes]]]] = {}  # per device: the folder asked about, and its mark
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
        if not can_replace:  # try once more: the failure may have been a lost reply
            probes = Probes(folder)
            with probes:
                can_replace = probes.can_replace_open()
        return replace(found, loses_targets=not can_replace or kind in SMB)
    except OSError as error:
        reason = f"can't test its storage with temporary files: {error.strerror}"
        if not probes.left:
            raise ReplaceFailed(reason, error.errno) from error
        failure = ReplaceFailed(f"{reason}; remove these from {folder}: {', '.join(probes.left)}", error.errno)
        _failures[device, folder] = failure  # a new probe for each frame would leave more files each time
        raise failure from error
