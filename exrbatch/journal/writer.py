"""The journal that a run writes as it goes."""

import contextlib
import functools
import os
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from exrbatch.journal.folder import create_journal, remove_old_journals
from exrbatch.journal.records import FORMAT, Record, line_of, list_fields, path_fields, write_line
from exrbatch.replacing import disk
from exrbatch.text import timestamp
from exrbatch.version import __version__

MOST_WAITING = 100
"""Number of records that are written together at most."""
STATUS_SECONDS = 30.0
"""Seconds between two records of the status of a run."""


def about_run(command: str, arguments: list[str] | None = None) -> dict[str, object]:
    """Describe a run: format, versions, command and its arguments, host, and when it began.

    Args:
        command: name of the command or of the library's function.
        arguments: the arguments of the command; None for those of this process.
    """
    return {
        "format": FORMAT,
        "exrbatch": __version__,
        "openexr": openexr_version(),
        "command": command,
        **list_fields("arguments", sys.argv[1:] if arguments is None else arguments),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "started_at": timestamp(time.time()),
        **path_fields("folder", _current_folder()),
    }


@functools.cache
def openexr_version() -> str:
    """Return the version of the OpenEXR package, without importing it."""
    from importlib import metadata

    with contextlib.suppress(metadata.PackageNotFoundError):
        return metadata.version("OpenEXR")
    return "unknown"


def _current_folder() -> str:
    try:
        return os.getcwd()
    except OSError:
        return ""


class Journal:
    """The journal of a run.

    If it can't be written, the user is warned once, and the run goes on.

    Attributes:
        path: its path; None if it could not be created.
        run_id: the ID of the run; empty if there is no journal.
    """

    def __init__(self, about: Record, warn: Callable[[str], None]) -> None:
        """Create the journal, and write the record of the run.

        Args:
            about: fields of that record.
            warn: called with one line for the user if the journal can't be written.
        """
        self.path: str | None = None
        self.run_id = ""
        self._warn_user = warn
        self._has_warned = False
        self._fd = -1
        self._counts: Counter[str] = Counter()
        self._saved = 0
        self._waiting: list[bytes] = []
        self._next_status = time.monotonic() + STATUS_SECONDS
        try:
            self.run_id, self.path, self._fd = create_journal()
        except OSError as error:
            self._warn(f"{error.strerror}: {error.filename}" if error.filename else str(error.strerror))
            return
        remove_old_journals()
        self._write({"type": "run", "run": self.run_id, **about}, durable=True)
        with contextlib.suppress(OSError):  # where the name of a new file can't be synced, it must do without
            disk.DISK.sync_directory(os.path.dirname(self.path))

    def add(self, record: Record, *, is_urgent: bool = True) -> None:
        """Write the record of a file.

        Args:
            record: the record.
            is_urgent: write it at once. Otherwise it may be written together with others; if the
                run dies before, the file is examined once more by the next run.
        """
        self._counts[str(record["status"])] += 1
        self._saved += int(record["saved"])
        self._waiting.append(line_of({"type": "file", **record}))
        if is_urgent or len(self._waiting) >= MOST_WAITING:
            self._write_waiting()

    def identity(self) -> tuple[str, int, int] | None:
        """Return path, device and inode of the journal; None if there is none."""
        if self._fd < 0 or self.path is None:
            return None
        found = os.fstat(self._fd)
        return self.path, found.st_dev, found.st_ino

    def add_replacing(self, record: Record) -> None:
        """Write what a worker on another machine is going to replace."""
        self._write(dict(record))

    @property
    def is_status_due(self) -> bool:
        """Whether it is time for a record of the status."""
        return time.monotonic() >= self._next_status

    def add_status(self, status: Record) -> None:
        """Write a record of the status of the run, and make all records durable."""
        self._next_status = time.monotonic() + STATUS_SECONDS
        counts = {"counts": dict(self._counts), "bytes_saved": self._saved}
        self._write({"type": "status", "at": timestamp(time.time()), **counts, **status}, durable=True)

    def end(self, summary: Record) -> None:
        """Write the summary, and close the journal."""
        self._write({"type": "summary", **summary}, durable=True)
        self.close()

    def close(self) -> None:
        """Close the journal. Without a summary, it says that the run died."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            with contextlib.suppress(OSError):
                os.close(fd)

    def _write(self, record: dict[str, Any], *, durable: bool = False) -> None:
        self._waiting.append(line_of(record))
        self._write_waiting(durable=durable)

    def _write_waiting(self, *, durable: bool = False) -> None:
        lines, self._waiting = b"".join(self._waiting), []
        if self._fd < 0:
            return
        try:
            write_line(self._fd, lines)
            if durable:
                disk.DISK.sync(self._fd)
        except OSError as error:
            self._warn(str(error.strerror))

    def _warn(self, reason: str) -> None:
        if not self._has_warned:
            self._has_warned = True
            self._warn_user(
                f"can't write the journal: {reason}; report, continue and undo will not know all of this run"
            )
