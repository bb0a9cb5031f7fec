"""The mount table: which file system a path lies on, and where that comes from."""

import functools
import os
import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mount:
    """A line of the mount table.

    Attributes:
        kind: type of the file system, such as ext4, nfs4 or cifs; empty where the system does not tell.
        source: the device, or the server and what it exports.
    """

    kind: str
    source: str


@functools.lru_cache(maxsize=1024)
def mount_of(device: int, path: str) -> Mount:
    """Look a device up by its number, or where that is hidden (btrfs) by the real path of something on it."""
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            mounts = [line.split() for line in file]
    except OSError:
        return Mount("", "")
    number = f"{os.major(device)}:{os.minor(device)}"
    same = [fields for fields in mounts if fields[2] == number]
    if same:
        return _mount(same[-1])
    above = [(len(place), fields) for fields in mounts if _holds(place := _unescaped(fields[4]), path)]
    return _mount(max(above, key=lambda each: each[0])[1])


def _mount(fields: list[str]) -> Mount:
    kind, source = fields[fields.index("-") + 1 :][:2]
    return Mount(kind, _unescaped(source))


def _holds(place: str, path: str) -> bool:
    return path == place or path.startswith(place.rstrip("/") + "/")


def _unescaped(field: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)
