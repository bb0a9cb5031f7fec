"""Names of temp files, and the rule by which those that were left behind are removed.

A name says what the file is, who made it and for which frame:

    .exrbatch-HOST-PID-TOKEN-NAME-INODE-SIZE-MTIME[-NEW].PHASE

NAME is a hash of the name that the frame (or its backup) has in this folder; INODE, SIZE and MTIME are those of the
frame as it was read, NEW is the inode number of the new file. So whoever finds such a file can tell whether it is that
original, or our new file, or what somebody wrote in the last instant, and whether its successor is whole. The phases:

    tmp   a new file that is being written: never the only copy of anything
    old   for the commit: what the original is called once it and the new file have changed places
    bak   record of a backup that goes when the new file is in place (`backups` has the rules)
    keep  record of a backup that stays
"""

import contextlib
import functools
import hashlib
import os
import re
import secrets
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from exrbatch.replacing import disk
from exrbatch.replacing.mounts import mount_of

_PREFIX = ".exrbatch-"
_TEMP_NAME = re.compile(
    r"\.exrbatch-(?P<host>[0-9a-f]{8})-(?P<pid>\d{1,10})-[0-9a-f]{8}"
    r"-(?P<name>[0-9a-f]{8})-(?P<inode>[0-9a-f]+)-(?P<size>[0-9a-f]+)-(?P<mtime>[0-9a-f]+)"
    r"(?:-(?P<new>[0-9a-f]+))?\.(?P<phase>tmp|old|bak|keep)"
)
FOREIGN_SECONDS = 24 * 3600.0
"""After this time without a change a temp file is stale whatever its host or process number says."""
RECORDS = ("bak", "keep")
"""Phases of the records of backups."""

COARSEST_NS = 2_000_000_000
"""The coarsest times of a file system in use: vfat counts in steps of 2 s."""
_64_BITS = (1 << 64) - 1

Identity = tuple[int, int]
"""Device and inode: what a file is, whatever it is called."""


def identity(status: os.stat_result) -> Identity:
    """Tell which file this is."""
    return status.st_dev, status.st_ino


def identity_at(path: str) -> Identity | None:
    """Tell which file has this name now, or None if nothing has it."""
    try:
        return identity(disk.DISK.look_now(path))
    except FileNotFoundError:
        return None


def identity_shown(path: str) -> Identity | None:
    """Tell which file has this name, as a client may remember it from a call a moment ago: saves a round trip."""
    try:
        return identity(disk.DISK.look(path))
    except FileNotFoundError:
        return None


def is_same_time(one: int, other: int) -> bool:
    """Whether two times, in nanoseconds, may be the same after a file system has rounded them."""
    return abs(one - other) <= COARSEST_NS


def temp_name(source_name: str, source: os.stat_result, phase: str = "tmp") -> str:
    """Make a new name for a temp file. It has no part of the original's own: that may be 255 bytes long.

    The suffix is not .exr, so that no player or farm takes it for a frame.
    """
    of_source = f"{source.st_ino:x}-{source.st_size:x}-{_mtime(source)}"
    return f"{_prefix(os.getpid())}{secrets.token_hex(4)}-{_hashed(source_name)}-{of_source}.{phase}"


def old_name(temp: str, new: Identity) -> str:
    """Name a temp file, given its path, for the commit; `new`: the file that is ours under that name."""
    return f"{temp.removesuffix('.tmp')}-{new[1]:x}.old"


def unplaced_name(record: str) -> str:
    """Name the file that is to become the backup, given the path of its record: as long as it is there, it is not."""
    return record.rpartition(".")[0] + ".tmp"


@dataclass(frozen=True, slots=True)
class Record:
    """The record of a backup.

    Attributes:
        path: where it lies.
        file: which file it is: that of the backup, if that is in place.
        is_kept: whether the run that made it meant the backup to stay.
        is_orphan: whether it is known that the process that made it, on this host, has ended.
    """

    path: str
    file: Identity
    is_kept: bool
    is_orphan: bool


def records_of(path: str) -> Iterator[Record]:
    """Find the records of a backup at a path, whoever made them."""
    directory, name = os.path.split(path)
    try:
        names = os.listdir(directory or ".")
    except OSError:
        return
    for each in names:
        match = _TEMP_NAME.fullmatch(each)
        if match is None or match["phase"] not in RECORDS or match["name"] != _hashed(name):
            continue
        if unplaced_name(each) in names:
            continue
        record = os.path.join(directory, each)
        with contextlib.suppress(OSError):
            file = identity(disk.DISK.look(record))
            yield Record(record, file, match["phase"] == "keep", _has_dead_owner(match))


def left_names(path: str, file: Identity) -> int:
    """Count the temp names that processes of this host, which have ended, gave a file for that place."""
    directory, name = os.path.split(path)
    count = 0
    with contextlib.suppress(OSError):
        for each in os.listdir(directory or "."):
            match = _TEMP_NAME.fullmatch(each)
            if match is not None and match["name"] == _hashed(name) and _has_dead_owner(match):
                count += identity_at(os.path.join(directory, each)) == file
    return count


def sweep_folder(
    directory: str,
    names: Iterable[str],
    is_whole: Callable[[str], bool],
    is_stale: Callable[[str], bool] | None = None,
    *,
    frames: str | None = None,
) -> list[str]:
    """Remove stale temp files; return the names of those that are kept because they may be the only copy of something.

    Stale is by default what a process of this host left that is no more, as after a power cut, and what is older than
    a day: a living run's temps, and the young ones of another host, are never touched.

    Args:
        directory: the folder.
        names: what is in it.
        is_whole: whether the file at a path is complete, so that what it has replaced can go.
        is_stale: whether the temp file at a path may be removed at all.
        frames: for a folder of backups, the folder of the frames that they are of.
    """
    stale = _is_left_over if is_stale is None else is_stale
    kept = []
    # Records first: one whose file was never put in place must not be left without that file.
    names = sorted(names, key=lambda name: not name.endswith(RECORDS))
    for name in names:
        path = os.path.join(directory, name)
        if not name.startswith(_PREFIX) or (match := _TEMP_NAME.fullmatch(name)) is None or not stale(path):
            continue
        with contextlib.suppress(OSError):
            if match["phase"] in RECORDS and unplaced_name(name) not in names and _has_backup(directory, names, match):
                continue  # the job on its frame decides
            if match["phase"] == "tmp" or _is_dispensable(
                path, match, directory if frames is None else frames, is_whole
            ):
                disk.DISK.remove(path)
            else:
                kept.append(name)
    return kept


def sweep_process(directory: str, pid: int, is_whole: Callable[[str], bool], *, frames: str | None = None) -> list[str]:
    """Remove the temp files that a process of this host, which has ended, left in a directory; like `sweep_folder`."""
    try:
        names = os.listdir(directory)
    except OSError:
        return []
    return sweep_folder(
        directory, names, is_whole, lambda path: os.path.basename(path).startswith(_prefix(pid)), frames=frames
    )


def _has_backup(directory: str, names: Iterable[str], record: re.Match[str]) -> bool:
    """Whether the backup that a record was made for is in place."""
    file = identity(disk.DISK.look(os.path.join(directory, record.string)))
    return any(_hashed(name) == record["name"] and identity_at(os.path.join(directory, name)) == file for name in names)


def _is_dispensable(path: str, left: re.Match[str], frames: str, is_whole: Callable[[str], bool]) -> bool:
    """Whether a file that may have been an original can go.

    It can if a whole file has the name that it was made for, and if it is provably one of two: the original as it was
    read (that its successor was verified against), or our own new file. Anything else somebody wrote. Nobody may have
    it open for writing, unless it is one more name of the frame itself. A record is always ours; that of a backup that
    was to stay goes only if the frame was never touched.
    """
    found = disk.DISK.look(path)
    as_read = left["inode"], left["size"], left["mtime"]
    is_original = _as_read(found) == as_read
    is_ours = left["phase"] in RECORDS or f"{found.st_ino:x}" == left["new"]
    if not (is_original or is_ours):
        return False
    for name in os.listdir(frames):
        frame = os.path.join(frames, name)
        if _hashed(name) == left["name"] and is_whole(frame):
            now = disk.DISK.look(frame)
            if identity(now) != identity(found) and _has_writer(path):
                return False
            return left["phase"] != "keep" or _as_read(now) == as_read
    return False


def _as_read(status: os.stat_result) -> tuple[str, str, str]:
    """Inode, size and mtime as names of temp files hold them."""
    return f"{status.st_ino:x}", f"{status.st_size:x}", _mtime(status)


def _has_writer(path: str) -> bool:
    """Whether anybody has a file open for writing, as far as that can be told: on local file systems."""
    fd = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    try:
        is_local = mount_of(os.fstat(fd).st_dev, os.path.realpath(os.path.dirname(path))).is_local
        return is_local and disk.DISK.has_writer(fd)
    finally:
        os.close(fd)


def was_exchanged(frame: str, pid: int) -> bool:
    """Whether a process of this host, which has ended, had put its new file in place: the original lies beside it."""
    directory, name = os.path.split(frame)
    for each in os.listdir(directory or "."):
        match = _TEMP_NAME.fullmatch(each)
        if (
            match is None
            or not each.startswith(_prefix(pid))
            or (match["phase"], match["name"]) != ("old", _hashed(name))
        ):
            continue
        original = disk.DISK.look(os.path.join(directory, each))
        is_original = _as_read(original) == (match["inode"], match["size"], match["mtime"])
        if is_original and f"{disk.DISK.look(frame).st_ino:x}" == match["new"]:
            return True
    return False


def _mtime(status: os.stat_result) -> str:
    return f"{status.st_mtime_ns & _64_BITS:x}"


def _is_left_over(path: str) -> bool:
    match = _TEMP_NAME.fullmatch(os.path.basename(path))
    if match is not None and _has_dead_owner(match):
        return True
    try:
        # The mtime is the original's; writing and renaming set the ctime.
        return time.time() - disk.DISK.look(path).st_ctime > FOREIGN_SECONDS
    except OSError:
        return False


def _has_dead_owner(match: re.Match[str]) -> bool:
    return match["host"] == _host() and not is_alive(int(match["pid"]))


def _prefix(pid: int) -> str:
    return f"{_PREFIX}{_host()}-{pid}-"


def _hashed(name: str) -> str:
    return hashlib.sha256(os.fsencode(name)).hexdigest()[:8]


@functools.cache
def _host() -> str:
    """Name this host in 8 characters: a folder may be shared, and a process number means nothing elsewhere.

    Nor does it in another container, even of the same host name: the namespace of process numbers belongs to it.
    """
    identity = [socket.gethostname()]
    with contextlib.suppress(OSError):
        identity.append(os.readlink("/proc/self/ns/pid"))
    with contextlib.suppress(OSError), open("/etc/machine-id", encoding="ascii", errors="replace") as file:
        identity.append(file.read())
    return hashlib.sha256(" ".join(identity).encode()).hexdigest()[:8]


def is_alive(pid: int) -> bool:
    """Whether a process of this host still runs. One that has ended, and that nobody has waited for, does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        pass
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            state = file.read().rpartition(b")")[2].split()[0]
    except (OSError, IndexError):
        return True
    return state not in (b"Z", b"X")
