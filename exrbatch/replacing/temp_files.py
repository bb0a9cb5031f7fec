"""Names of temp files, and the sweep that removes those that ended runs left behind.

A name says what the file is, which process made it, and for which frame:

    .exrbatch-HOST-PID-TOKEN-NAME-INODE-SIZE-MTIME[-NEW].PHASE

HOST is a hash that identifies the host. TOKEN is random. NAME is a hash of the name that the frame
(or its backup) has in this folder. INODE, SIZE and MTIME are those of the frame as it was read. NEW
is the inode number of the new file. All numbers except PID are hexadecimal. So a later run can find
out whether such a file is that original, our new file, or something that another program wrote at
the last moment, and whether its successor is complete. The phases are:

    tmp   new file that is being written; never the only copy of anything
    old   name for the commit; the original gets it when it and the new file are exchanged
    bak   record of a backup that is removed when the new file is in place (rules: see `backups`)
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
from collections.abc import Callable, Iterable, Iterator, Sequence
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
"""After this time without a change, a temp file is stale, whatever its host or process number."""
RECORDS = ("bak", "keep")
"""Phases of the records of backups."""

COARSEST_NS = 2_000_000_000
"""Coarsest time resolution of the file systems in use, in ns: vfat counts in steps of 2 s."""
_64_BITS = (1 << 64) - 1

Identity = tuple[int, int]
"""Device and inode number. They identify a file whatever its name is."""


def identity(status: os.stat_result) -> Identity:
    """Return the identity of a file from its state."""
    return status.st_dev, status.st_ino


def identity_at(path: str) -> Identity | None:
    """Return the identity of the file that has this name now, or None if there is none."""
    try:
        return identity(disk.DISK.look_now(path))
    except FileNotFoundError:
        return None


def identity_shown(path: str) -> Identity | None:
    """Return the identity of the file that has this name, or None if there is none.

    Unlike `identity_at`, this may use what a network client cached a moment ago, which saves a
    round trip.
    """
    try:
        return identity(disk.DISK.look(path))
    except FileNotFoundError:
        return None


def is_same_time(one: int, other: int) -> bool:
    """Return whether two times in ns may be equal, if a file system has rounded them."""
    return abs(one - other) <= COARSEST_NS


def temp_name(source_name: str, source: os.stat_result, phase: str = "tmp") -> str:
    """Return a new name for a temp file.

    It contains no part of the original's name, which may itself be 255 bytes long. The suffix is
    not .exr, so that no player or farm takes the file for a frame.
    """
    of_source = f"{source.st_ino:x}-{source.st_size:x}-{_mtime(source)}"
    return f"{_prefix(os.getpid())}{secrets.token_hex(4)}-{_hashed(source_name)}-{of_source}.{phase}"


def old_name(temp: str, new: Identity) -> str:
    """Return the temp path for the commit, given a temp path and the identity of the new file."""
    return f"{temp.removesuffix('.tmp')}-{new[1]:x}.old"


def unplaced_name(record: str) -> str:
    """Return the temp path that the backup of this record has until it is in place."""
    return record.rpartition(".")[0] + ".tmp"


@dataclass(frozen=True, slots=True)
class Record:
    """Record of a backup.

    Attributes:
        path: path of the record.
        file: identity of the record, and of the backup if that is in place.
        is_kept: whether the run that made the backup meant it to stay.
        is_orphan: whether the process that made the backup is known to have ended on this host.
    """

    path: str
    file: Identity
    is_kept: bool
    is_orphan: bool


def parse_temp_name(name: str) -> re.Match[str] | None:
    """Parse a name; return None if it is not that of a temp file."""
    return _TEMP_NAME.fullmatch(name)


def is_of_this_host(left: re.Match[str]) -> bool:
    """Return whether a process of this host made a temp file."""
    return left["host"] == host_hash()


def records_of(path: str) -> Iterator[Record]:
    """Yield the records of the backup that any run put in place at `path`."""
    found: list[tuple[str, re.Match[str]]] = []
    with contextlib.suppress(OSError):
        found += _names_for(path)
    names = {os.path.basename(each) for each, _ in found}
    for each, match in found:
        if match["phase"] not in RECORDS or unplaced_name(os.path.basename(each)) in names:
            continue
        with contextlib.suppress(OSError):
            file = identity(disk.DISK.look(each))
            yield Record(each, file, match["phase"] == "keep", _has_dead_owner(match))


def left_names(path: str, file: Identity) -> int:
    """Count the temp names that ended processes of this host left of a file.

    Args:
        path: the path that the temp names were made for.
        file: identity of the file that they must refer to.
    """
    count = 0
    with contextlib.suppress(OSError):
        for each, match in _names_for(path):
            count += _has_dead_owner(match) and identity_at(each) == file
    return count


def _names_for(path: str) -> Iterator[tuple[str, re.Match[str]]]:
    """Yield the path of each temp name that was made for a path, and what the name says.

    Raises:
        OSError: the folder can't be listed.
    """
    directory, name = os.path.split(path)
    for each in os.listdir(directory or "."):
        match = _TEMP_NAME.fullmatch(each)
        if match is not None and match["name"] == _hashed(name):
            yield os.path.join(directory, each), match


def sweep_folder(
    directory: str,
    names: Iterable[str],
    is_whole: Callable[[str], bool],
    is_stale: Callable[[str], bool] | None = None,
    *,
    frames: str | None = None,
) -> list[str]:
    """Remove stale temp files.

    By default, a file is stale if a process of this host made it that has ended (as after a power
    cut), or if it has not changed for a day. Younger files of running processes and of other hosts
    are never touched.

    Args:
        directory: the folder.
        names: the names in it.
        is_whole: whether the file at a path is complete, so that the file it replaced can go.
        is_stale: whether the temp file at a path may be removed at all.
        frames: the folder of the frames, if `directory` holds their backups.

    Returns:
        Names of stale files that were kept, because each may be the only copy of something.
    """
    stale = is_left_over if is_stale is None else is_stale
    kept = []
    # Remove records first: if a record outlived the temp file of its backup, that backup would seem
    # to be in place.
    names = sorted(names, key=lambda name: not name.endswith(RECORDS))
    for name in names:
        path = os.path.join(directory, name)
        if not name.startswith(_PREFIX) or (match := _TEMP_NAME.fullmatch(name)) is None or not stale(path):
            continue
        with contextlib.suppress(OSError):
            if is_placed_record(directory, names, match):
                continue  # the next job for this frame decides
            if is_superfluous(path, match, directory if frames is None else frames, is_whole):
                disk.DISK.remove(path)
            else:
                kept.append(name)
    return kept


def sweep_process(directory: str, pid: int, is_whole: Callable[[str], bool], *, frames: str | None = None) -> list[str]:
    """Remove the temp files that an ended process of this host left in a folder.

    Arguments and result are those of `sweep_folder`.
    """
    try:
        names = os.listdir(directory)
    except OSError:
        return []
    return sweep_folder(
        directory, names, is_whole, lambda path: os.path.basename(path).startswith(_prefix(pid)), frames=frames
    )


def is_placed_record(directory: str, names: Sequence[str], record: re.Match[str]) -> bool:
    """Return whether a temp file is the record of a backup that is in place."""
    if record["phase"] not in RECORDS or unplaced_name(record.string) in names:
        return False
    file = identity(disk.DISK.look(os.path.join(directory, record.string)))
    return any(_hashed(name) == record["name"] and identity_at(os.path.join(directory, name)) == file for name in names)


def is_superfluous(path: str, left: re.Match[str], frames: str, is_whole: Callable[[str], bool]) -> bool:
    """Return whether a temp file can go.

    An unfinished new file always can. Another one can go if a complete file has the name that it
    was made for, and if the file itself is provably one of two things: the original as it was read
    (its successor was verified against that), or our own new file. Anything else was written by
    another program. No program may have the file open for writing, unless it is just another name
    of the frame itself. A record is always ours. The record of a backup that was to stay goes only
    if the frame was never touched.
    """
    if left["phase"] == "tmp":
        return True
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
    """Return inode, size and mtime as they are spelled in names of temp files."""
    return f"{status.st_ino:x}", f"{status.st_size:x}", _mtime(status)


def _has_writer(path: str) -> bool:
    """Return whether a file is open for writing; False if its file system is not local."""
    fd = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    try:
        is_local = mount_of(os.fstat(fd).st_dev, os.path.realpath(os.path.dirname(path))).is_local
        return is_local and disk.DISK.has_writer(fd)
    finally:
        os.close(fd)


def was_exchanged(frame: str, pid: int) -> bool:
    """Return whether an ended process of this host had put its new file in place.

    The sign is that the original still lies beside the frame.
    """
    for each, match in _names_for(frame):
        if match["phase"] != "old" or not os.path.basename(each).startswith(_prefix(pid)):
            continue
        original = disk.DISK.look(each)
        is_original = _as_read(original) == (match["inode"], match["size"], match["mtime"])
        if is_original and f"{disk.DISK.look(frame).st_ino:x}" == match["new"]:
            return True
    return False


def _mtime(status: os.stat_result) -> str:
    return f"{status.st_mtime_ns & _64_BITS:x}"


def is_left_over(path: str) -> bool:
    """Return whether the process that made a temp file has ended, or has not used it for a day."""
    match = _TEMP_NAME.fullmatch(os.path.basename(path))
    if match is not None and _has_dead_owner(match):
        return True
    try:
        # The mtime was copied from the original. The ctime was set by the last write or rename.
        return time.time() - disk.DISK.look(path).st_ctime > FOREIGN_SECONDS
    except OSError:
        return False


def _has_dead_owner(match: re.Match[str]) -> bool:
    return is_of_this_host(match) and not is_alive(int(match["pid"]))


def _prefix(pid: int) -> str:
    return f"{_PREFIX}{host_hash()}-{pid}-"


def _hashed(name: str) -> str:
    return hashlib.sha256(os.fsencode(name)).hexdigest()[:8]


@functools.cache
def host_hash() -> str:
    """Return 8 characters that identify this host and its PID namespace.

    A folder may be shared between hosts, where a process number means nothing, or between
    containers with the same host name, so the namespace is included.
    """
    identity = [socket.gethostname()]
    with contextlib.suppress(OSError):
        identity.append(os.readlink("/proc/self/ns/pid"))
    with contextlib.suppress(OSError), open("/etc/machine-id", encoding="ascii", errors="replace") as file:
        identity.append(file.read())
    return hashlib.sha256(" ".join(identity).encode()).hexdigest()[:8]


def is_alive(pid: int) -> bool:
    """Return whether a process of this host is still running. A zombie counts as ended."""
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
