"""Names of temp files, and the rule by which those that were left behind are removed.

A new file begins as `.tmp`, and that is never the only copy of anything. For the commit it becomes `.old`: the name
that the original has once they have changed places. The name tells which file was read (inode, size, mtime)
and, by a hash, what it was called: who finds an `.old` file can tell whether it is that original, whether
somebody wrote to it in the last instant, and whether its successor is whole.
"""

import contextlib
import functools
import hashlib
import os
import re
import secrets
import socket
import time
from collections.abc import Callable, Iterable

from exrbatch.errors import ExrbatchError
from exrbatch.file import disk

_PREFIX = ".exrbatch-"
_TEMP_NAME = re.compile(
    r"\.exrbatch-(?P<host>[0-9a-f]{8})-(?P<pid>\d{1,10})-[0-9a-f]{8}"
    r"-(?P<name>[0-9a-f]{8})-(?P<inode>[0-9a-f]+)-(?P<size>[0-9a-f]+)-(?P<mtime>[0-9a-f]+)\.(?P<phase>tmp|old)"
)
FOREIGN_SECONDS = 24 * 3600.0
"""After this time without a change a temp file is stale whatever its host or process number says."""


def temp_name(source_name: str, source: os.stat_result) -> str:
    """Make a new name for a temp file. It has no part of the original's own: that may be 255 bytes long.

    The suffix is not .exr, so that no player or farm takes it for a frame.
    """
    identity = f"{source.st_ino:x}-{source.st_size:x}-{_mtime(source)}"
    return f"{_prefix(os.getpid())}{secrets.token_hex(4)}-{_hashed(source_name)}-{identity}.tmp"


def old_name(temp: str) -> str:
    """Name a temp file, given its path, for the commit."""
    return temp.removesuffix(".tmp") + ".old"


def sweep(directory: str, names: Iterable[str], is_stale: Callable[[str], bool] | None = None) -> list[str]:
    """Remove stale temp files; return the names of those that are kept because they may be the only copy of something.

    Stale is by default what a process of this host left that is no more, as after a power cut, and what is older than
    a day: a living run's temps, and the young ones of another host, are never touched.
    """
    stale = _is_left_over if is_stale is None else is_stale
    kept = []
    names = list(names)
    for name in names:
        path = os.path.join(directory, name)
        if not name.startswith(_PREFIX) or (match := _TEMP_NAME.fullmatch(name)) is None or not stale(path):
            continue
        with contextlib.suppress(OSError):
            if match["phase"] == "tmp" or _is_dispensable(directory, names, match):
                disk.DISK.remove(path)
            else:
                kept.append(name)
    return kept


def sweep_process(directory: str, pid: int) -> list[str]:
    """Remove the temp files that a process of this host, which has ended, left in a directory; like `sweep`."""
    try:
        names = os.listdir(directory)
    except OSError:
        return []
    return sweep(directory, names, lambda path: os.path.basename(path).startswith(_prefix(pid)))


def _is_dispensable(directory: str, names: Iterable[str], old: re.Match[str]) -> bool:
    """Whether an `.old` file can go.

    It can if a whole file has the name that it was made for, and if it is the original as it was read (that its
    successor was verified against) or a new file, which has the original's mtime. Anything else somebody wrote.
    """
    found = disk.DISK.look(os.path.join(directory, old.string))
    if _mtime(found) != old["mtime"]:
        return False
    is_original = f"{found.st_ino:x}" == old["inode"]
    if is_original and f"{found.st_size:x}" != old["size"]:
        return False
    return any(_hashed(name) == old["name"] and _is_whole(os.path.join(directory, name)) for name in names)


def _is_whole(path: str) -> bool:
    from exrbatch.exr.reader import open_exr  # seldom needed, and it takes numpy with it: a run starts sooner

    try:
        with open_exr(path) as successor:
            return len(successor.parts) > 0
    except (ExrbatchError, OSError):
        return False


def _mtime(status: os.stat_result) -> str:
    return f"{status.st_mtime_ns & (1 << 64) - 1:x}"


def _is_left_over(path: str) -> bool:
    match = _TEMP_NAME.fullmatch(os.path.basename(path))
    if match is not None and match["host"] == _host() and not _is_alive(int(match["pid"])):
        return True
    try:
        # The mtime is the original's; writing and renaming set the ctime.
        return time.time() - disk.DISK.look(path).st_ctime > FOREIGN_SECONDS
    except OSError:
        return False


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


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
