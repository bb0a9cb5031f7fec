"""The records of a run as lines of JSON, and how to append one. `docs/records.md` describes them.

A line may be torn, because a run was killed or the disk was full while it was written. A reader
ignores such a line. If a good record follows a torn one on the same line, it is found nevertheless.
"""

import base64
import contextlib
import errno
import json
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO

from exrbatch.text import path_bytes, printable

FORMAT = "exrbatch-run-3"
"""Format of the records. A change that a script could notice gets another number."""
BEGINNINGS = ('{"type": "run"', '{"type": "file"')
"""How a file of records begins; the second one until version 0.9."""
_BEGINNING = b'{"type": "'
MAX_LINE = 1 << 26
"""Bytes of the longest line that a reader accepts."""
_TAIL = 1 << 16
"""Bytes at the end of a file in which its last record is found."""

Record = Mapping[str, Any]


def line_of(record: Record) -> bytes:
    """Return a record as a line of JSON, in ASCII."""
    return json.dumps(record).encode("ascii") + b"\n"


def append(path: str, record: Record) -> None:
    """Append a record to a file that exists and that other processes append to, too.

    It is on disk when this returns.

    Args:
        path: the file.
        record: the record; `type` must be its first key.

    Raises:
        OSError: it can't be written, or not completely.
    """
    from exrbatch.replacing import disk  # imported late: commands that only read records start sooner

    fd = os.open(path, os.O_WRONLY | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0))
    try:
        write_line(fd, line_of(record))
        disk.DISK.sync(fd)
    finally:
        os.close(fd)


def write_line(fd: int, line: bytes) -> None:
    """Write a line in a single call, so that lines of several processes never mix.

    Raises:
        OSError: it can't be written, or not completely.
    """
    if (count := os.write(fd, line)) < len(line):
        # A full disk often shows as a short count. The second call then reports the error.
        os.write(fd, b"\n")
        raise OSError(0, f"only {count} of {len(line)} bytes were written")


def open_records(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a file for reading. Anything but a regular file might never end, or never begin.

    Raises:
        OSError: it can't be opened, or is no regular file.
    """
    fd = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "not a regular file", path)
    return open(fd, "rb")


def read_records(stream: BinaryIO, only: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
    """Yield the records of a file; ignore lines that are torn or not JSON.

    Args:
        stream: the file.
        only: types of records; others are left out, mostly without parsing them. Empty for all.
    """
    wanted = [_BEGINNING + each.encode() for each in only]
    while line := stream.readline(MAX_LINE):
        if wanted and not any(each in line for each in wanted):
            continue
        if (record := parse_line(line)) is not None:
            yield record


def last_record(stream: BinaryIO) -> dict[str, Any]:
    """Return the last record of a file, if it is not too long; empty if there is none."""
    stream.seek(max(0, os.fstat(stream.fileno()).st_size - _TAIL))
    for line in reversed(stream.read(_TAIL).split(b"\n")):
        if (record := parse_line(line)) is not None:
            return record
    return {}


def parse_line(line: bytes) -> dict[str, Any] | None:
    """Return the record of a line; None if it has none.

    What a torn record has left before it is ignored.
    """
    start = 0
    while start >= 0:
        try:
            record = json.loads(line[start:])
        except (ValueError, RecursionError):
            start = line.find(_BEGINNING, start + 1)
            continue
        return record if isinstance(record, dict) and isinstance(record.get("type"), str) else None
    return None


def path_fields(key: str, path: str) -> dict[str, str]:
    """Return a path as fields of a record.

    If it is not valid UTF-8, there is also a field with its bytes in base64, named `KEY_b64`.
    """
    fields = {key: printable(path)}
    if fields[key] != path:
        fields[f"{key}_b64"] = base64.b64encode(path_bytes(path)).decode("ascii")
    return fields


def list_fields(key: str, texts: Sequence[str]) -> dict[str, list[str]]:
    """Return paths or arguments as fields of a record, like `path_fields`."""
    fields = {key: [printable(each) for each in texts]}
    if fields[key] != list(texts):
        fields[f"{key}_b64"] = [base64.b64encode(path_bytes(each)).decode("ascii") for each in texts]
    return fields


def read_path(record: Record, key: str) -> str | None:
    """Read a path from a record; None if it has none."""
    encoded = record.get(f"{key}_b64")
    if isinstance(encoded, str):
        return _decoded(encoded)
    path = record.get(key)
    return path if isinstance(path, str) else None


def read_list(record: Record, key: str) -> list[str]:
    """Read paths or arguments from a record; empty if it has none."""
    if isinstance(encoded := record.get(f"{key}_b64"), list):
        decoded = [_decoded(each) for each in encoded if isinstance(each, str)]
        return [each for each in decoded if each is not None]
    texts = record.get(key)
    return [each for each in texts if isinstance(each, str)] if isinstance(texts, list) else []


def _decoded(encoded: str) -> str | None:
    """Return a path from its base64; None if that is damaged."""
    with contextlib.suppress(ValueError):
        return os.fsdecode(base64.b64decode(encoded))
    return None
