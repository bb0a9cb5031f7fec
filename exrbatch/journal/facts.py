"""What a record says about a file, so that a later run can tell whether it is still the same."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

BUFFER = 1 << 20
"""Bytes that are read at a time to compute a digest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """The state of a file at one moment.

    Attributes:
        size: size in bytes.
        mtime_ns: time of the last change of its content, in nanoseconds since 1970.
        ctime_ns: time of the last change of its content, owner or permissions, in nanoseconds since
            1970.
        inode: its inode number.
        xxh3_128: XXH3-128 of all its bytes, in hexadecimal; None if it was not computed.
    """

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    xxh3_128: str | None = None

    @classmethod
    def of(cls, status: os.stat_result, digest: str | None = None) -> Self:
        """Return the facts that a system call has found."""
        return cls(
            size=status.st_size,
            mtime_ns=status.st_mtime_ns,
            ctime_ns=status.st_ctime_ns,
            inode=status.st_ino,
            xxh3_128=digest,
        )

    def is_same_state(self, other: "FileFacts") -> bool:
        """Return whether both describe the same unchanged file; digests are not compared."""
        return replace(self, xxh3_128=None) == replace(other, xxh3_128=None)

    def to_json(self) -> dict[str, object]:
        """Return the facts for a record."""
        facts: dict[str, object] = {
            "size": self.size,
            "mtime_ns": self.mtime_ns,
            "ctime_ns": self.ctime_ns,
            "inode": self.inode,
        }
        return facts if self.xxh3_128 is None else facts | {"xxh3_128": self.xxh3_128}

    @classmethod
    def from_json(cls, record: object) -> Self | None:
        """Read the facts from a record; return None if they are incomplete."""
        if not isinstance(record, Mapping):
            return None
        try:
            size, mtime, ctime, inode = (int(record[name]) for name in ("size", "mtime_ns", "ctime_ns", "inode"))
        except (KeyError, TypeError, ValueError):
            return None
        digest = record.get("xxh3_128")
        known = digest if isinstance(digest, str) else None
        return cls(size=size, mtime_ns=mtime, ctime_ns=ctime, inode=inode, xxh3_128=known)


def digest_of(fd: int) -> str:
    """Return the XXH3-128 of all bytes of an open file, in hexadecimal.

    Raises:
        OSError: it can't be read.
    """
    import xxhash  # imported late, like `disk`: commands that only need facts start sooner

    digest = xxhash.xxh3_128()
    if hasattr(os, "preadv"):
        buffer = bytearray(BUFFER)  # reused: a new one for each read would cost page faults
        view, offset = memoryview(buffer), 0
        while count := os.preadv(fd, [buffer], offset):
            digest.update(view[:count])
            offset += count
    else:
        from exrbatch.replacing import disk

        offset = 0
        while data := disk.read_at(fd, BUFFER, offset):
            digest.update(data)
            offset += len(data)
    return digest.hexdigest()
