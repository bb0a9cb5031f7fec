"""Find out what the storage of a folder can do, and describe in words what a run would do there.

`exrbatch doctor` prints the result. The facts come from the same probes that a run uses, and from a
few more that are only of interest to people.
"""

import os
import struct
from dataclasses import dataclass, replace

from exrbatch.errors import ReplaceFailed
from exrbatch.replacing import mounts
from exrbatch.replacing.file_systems import READ_ONLY, SMB, FileSystem, file_system_at
from exrbatch.replacing.probes import Links, Probes

REQUESTS_PER_FRAME = 26
"""Round trips per small frame on storage that can't exchange names (benchmarks/RESULTS.md)."""
TYPICAL_CPU_SECONDS = 0.1
"""CPU seconds for an HD frame with a few channels. Only `Storage.suggested_jobs` depends on it."""
MOST_WORKERS_PER_CORE = 4
UNKNOWN = FileSystem("")
_ACL = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", *entry)
    for entry in (
        (1, 6, 0xFFFFFFFF),
        (2, 4, 0),
        (4, 0, 0xFFFFFFFF),
        (16, 4, 0xFFFFFFFF),
        (32, 0, 0xFFFFFFFF),
    )
)
"""A small access control list that names a user, in Linux format (<linux/posix_acl_xattr.h>)."""


@dataclass(frozen=True, slots=True)
class Storage:
    """What is known about the file system of a folder.

    Attributes:
        path: path of the folder.
        mount: the type of the file system, and the device or server that it comes from.
        problem: why no file can be written there, or None if files can be written. If there is a
            problem, only `path`, `mount`, `total` and `free` are known.
        total: size of the file system in bytes; 0 if it does not report one.
        free: bytes that can still be written.
        system: the facts on which a run bases its decisions.
        links: what a hard link is on this file system.
        sees_writers: whether leases show that a file is open for writing.
        time_step: granularity of file times in nanoseconds.
        has_xattrs: whether the file system has extended attributes of users.
        has_acls: whether the file system has access control lists.
        keeps_owner: whether new files can have the owner and group of the examined file or folder.
        round_trip: seconds that one request takes.
        sync_time: seconds that it takes to write and sync a small file.
    """

    path: str
    mount: mounts.Mount
    problem: str | None = None
    total: int = 0
    free: int = 0
    system: FileSystem = UNKNOWN
    links: Links = Links.NONE
    sees_writers: bool = False
    time_step: int = 1
    has_xattrs: bool = False
    has_acls: bool = False
    keeps_owner: bool = False
    round_trip: float = 0.0
    sync_time: float = 0.0

    @property
    def trusts_leases(self) -> bool:
        """Whether a run relies on leases here: they must work, on a local file system."""
        return self.sees_writers and self.system.is_local

    def suggested_jobs(self, cores: int) -> int:
        """Return a suitable number of workers: while some wait for the storage, others compute.

        Args:
            cores: the number of workers that suits this machine if storage causes no waiting.
        """
        waiting = REQUESTS_PER_FRAME * self.round_trip + self.sync_time
        return max(1, min(MOST_WORKERS_PER_CORE * cores, round(cores * (1 + waiting / TYPICAL_CPU_SECONDS))))


def examine(path: str) -> Storage:
    """Probe the storage of a file or folder with temporary files in the folder.

    Raises:
        OSError: Nothing exists at the path, or it can't be accessed. If only writing fails there,
            the result has a `problem` instead.
    """
    path = path if os.path.isdir(path) else os.path.realpath(path)  # a run replaces the target of a link
    folder = path if os.path.isdir(path) else os.path.dirname(path) or "."
    owner = os.stat(path)
    mount = mounts.mount_of(os.stat(folder).st_dev, os.path.realpath(folder))
    total = free = 0
    if hasattr(os, "statvfs"):
        system = os.statvfs(folder)
        total, free = system.f_blocks * system.f_frsize, system.f_bavail * system.f_frsize
        if system.f_flag & os.ST_RDONLY:
            return Storage(folder, mount, READ_ONLY, total, free)
    try:
        return _probed(folder, mount, owner, total, free)
    except ReplaceFailed as error:
        return Storage(folder, mount, str(error), total, free)
    except OSError as error:
        return Storage(folder, mount, f"can't create a file there: {error.strerror}", total, free)


def _probed(folder: str, mount: mounts.Mount, owner: os.stat_result, total: int, free: int) -> Storage:
    system = file_system_at(folder)
    with Probes(folder) as probes:
        can_exchange, can_rename_new, links = probes.can_exchange(), probes.can_rename_new(), probes.links()
        if mount.is_local:  # a run does not probe it, but assumes that it can do everything
            has_links = links is Links.SAME_FILE
            system = replace(system, can_exchange=can_exchange, can_rename_new=can_rename_new, has_links=has_links)
        return Storage(
            folder,
            mount,
            None,
            total,
            free,
            system,
            links=links,
            sees_writers=probes.sees_writers(),
            time_step=probes.time_step(),
            has_xattrs=probes.can_set_xattr("user.exrbatch.probe", b"1"),
            has_acls=probes.can_set_xattr("system.posix_acl_access", _ACL),
            round_trip=probes.round_trip(),
            sync_time=probes.sync_time(),
            keeps_owner=probes.can_give_to(owner.st_uid, owner.st_gid),
        )


def in_place(storage: Storage) -> tuple[bool, str]:
    """Return whether files can be replaced in place here, and how, or why not."""
    if storage.problem is not None:
        return False, storage.problem
    if storage.system.loses_targets:
        why = "it is an SMB mount" if storage.mount.kind in SMB else "a rename over an open file fails"
        return False, f"refused, because files could be lost: {why}; use -o DIR"
    if storage.system.can_exchange:
        return True, "by exchange of names"
    if storage.links is Links.SAME_FILE:
        return True, "by hard link and rename"
    return True, "by rename"


def outputs(storage: Storage) -> tuple[bool, str]:
    """Return whether outputs (`-o`) can be written here, and with which limits, or why not."""
    if storage.problem is not None:
        return False, storage.problem
    notes = [] if storage.has_xattrs else ["a second run must compare contents to recognize its outputs"]
    if not storage.keeps_owner:
        notes.append("outputs can't have the owner or group of the source")
    return True, "; ".join(notes)


def backups(storage: Storage) -> tuple[bool, str]:
    """Return whether backups can be made beside the frames, and as what, or why not."""
    is_possible, reason = in_place(storage)
    if not is_possible:
        return False, reason
    if storage.links is Links.SAME_FILE:
        return True, "as hard links, which take no space"
    return True, "as copies; after a killed run you must move leftover copies away by hand"


def promise(storage: Storage) -> str:
    """Return what is promised for frames that another program changes while they are processed.

    The result is empty if files can't be replaced in place here.
    """
    if storage.trusts_leases:
        seen = "a frame that is open for writing is left alone"
    else:
        seen = "a frame must be 60 s old, because this storage can't show whether it is still being written"
    if storage.system.loses_targets or storage.problem is not None:
        return ""
    if storage.system.can_exchange:
        return f"{seen}; a change at the last instant survives"
    gap = "microseconds" if storage.system.is_local else f"about {1000 * 2 * storage.round_trip:.1f} ms"
    return f"{seen}; a frame that another program renames into place within {gap} before our own rename is lost"
