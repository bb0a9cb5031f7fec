"""FileReport: how one file ended. Plain values only, so that it can cross from any process."""

import base64
import enum
import os
from dataclasses import dataclass
from typing import Protocol

from exrbatch.recompression.measurement import Measurement
from exrbatch.text import path_bytes, safe_text


class Status(enum.StrEnum):
    """A file ends as exactly one of these.

    PLANNED occurs in a dry run only: it would be recompressed. EQUAL occurs in a comparison only, MEASURED in a
    benchmark only.
    """

    RECOMPRESSED = "recompressed"
    ALREADY = "already"
    NO_GAIN = "no_gain"
    SKIPPED = "skipped"
    FAILED = "failed"
    PLANNED = "planned"
    EQUAL = "equal"
    MEASURED = "measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReport:
    """How one file ended.

    `reason`: one line, for SKIPPED and FAILED always. `size_before`, `size_after`: bytes on disk of the
    source and of what now stands for it (equal unless RECOMPRESSED); `tried_size`: bytes of the new file
    that was not kept, for NO_GAIN. `compressions_before`, `compressions_after`: names, one a part; empty
    where the header could not be read. `lossy_channels`: those whose samples changed, as was allowed. `trials`:
    for an automatic choice, by part, packed over raw bytes of the sample. `seconds`: wall time in the worker;
    `cpu_seconds`: of its process. `disk_is_full`: it failed for want of space, as the next one would.
    `retry_alone`: it may be possible when no other file is in progress. `measurement`: of MEASURED.
    """

    path: str
    status: Status
    destination: str | None = None
    reason: str | None = None
    notes: tuple[str, ...] = ()
    size_before: int = 0
    size_after: int = 0
    tried_size: int | None = None
    compressions_before: tuple[str, ...] = ()
    compressions_after: tuple[str, ...] = ()
    lossy_channels: tuple[str, ...] = ()
    trials: tuple[dict[str, float], ...] = ()
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    disk_is_full: bool = False
    retry_alone: bool = False
    measurement: Measurement | None = None

    def __post_init__(self) -> None:
        """Make what a person reads safe to print, whoever wrote it."""
        if self.reason is not None:
            object.__setattr__(self, "reason", safe_text(self.reason))
        if self.notes:
            object.__setattr__(self, "notes", tuple(map(safe_text, self.notes)))

    @property
    def saved(self) -> int:
        """Bytes saved; negative where a forced recompression made the file larger."""
        return self.size_before - self.size_after if self.status is Status.RECOMPRESSED else 0

    @property
    def ok(self) -> bool:
        """False for FAILED only."""
        return self.status is not Status.FAILED

    def to_json(self) -> dict[str, object]:
        """Return the record of `--report` and `--json`; a path that is not UTF-8 comes with `path_b64`."""
        record: dict[str, object] = {"path": printable(self.path), "status": str(self.status)}
        for key, path in (("path", self.path), ("destination", self.destination)):
            if path is None:
                continue
            record[key] = printable(path)
            if printable(path) != path:
                record[f"{key}_b64"] = base64.b64encode(path_bytes(path)).decode("ascii")
        for key in ("reason", "tried_size"):
            if (value := getattr(self, key)) is not None:
                record[key] = value
        for key in ("notes", "compressions_before", "compressions_after", "lossy_channels", "trials"):
            if value := getattr(self, key):
                record[key] = list(value)
        record |= {"size_before": self.size_before, "size_after": self.size_after, "saved": self.saved}
        return record | {"seconds": round(self.seconds, 4), "cpu_seconds": round(self.cpu_seconds, 4)}


class Located(Protocol):
    """What a report names of a job."""

    @property
    def source(self) -> str:
        """Path of the file."""
        ...

    @property
    def destination(self) -> str | None:
        """Path of the other file, if there is one."""
        ...


def failed(job: Located, reason: str, size: int = 0) -> FileReport:
    """Make the report of a file that failed, with a reason of one line."""
    return FileReport(
        path=job.source,
        status=Status.FAILED,
        destination=job.destination,
        reason=" ".join(reason.split()),
        size_before=size,
        size_after=size,
    )


def size_of(path: str) -> int:
    """Return the bytes of a file, 0 where that can't be told."""
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def printable(path: str) -> str:
    """Show a path whose bytes are not UTF-8 with the replacement character."""
    return path_bytes(path).decode("utf-8", "replace")
