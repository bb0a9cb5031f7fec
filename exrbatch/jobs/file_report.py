"""`FileReport`: the result for one file.

It has plain values only, so that any process can send it.
"""

import enum
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from exrbatch.errors import ReasonCode
from exrbatch.exr.damage import Damage
from exrbatch.journal.facts import FileFacts
from exrbatch.journal.records import path_fields
from exrbatch.recompression.measurement import Measurement
from exrbatch.text import safe_text, timestamp


class Status(enum.StrEnum):
    """The status of a file at the end. Each file has exactly one.

    Attributes:
        RECOMPRESSED: a new file is in place.
        ALREADY: the file has the compression already, or its output is already there.
        NO_GAIN: the new file was not smaller, and was not kept.
        SKIPPED: the file was left alone; the report has a reason.
        FAILED: there was an error; the report has a reason.
        PLANNED: the file would be recompressed; in a dry run only.
        EQUAL: both files have the same content; in a comparison only.
        DIFFERENT: the files differ; the report says where. In a comparison only.
        MEASURED: the file was measured; in a benchmark only.
        SOUND: all of the file was read and decompressed; in a check only.
        DIGESTED: the content digest was computed; in a run of `digest` only.
    """

    RECOMPRESSED = "recompressed"
    ALREADY = "already"
    NO_GAIN = "no_gain"
    SKIPPED = "skipped"
    FAILED = "failed"
    PLANNED = "planned"
    EQUAL = "equal"
    DIFFERENT = "different"
    MEASURED = "measured"
    SOUND = "sound"
    DIGESTED = "digested"


BAD = (Status.FAILED, Status.DIFFERENT)
"""If a file ends like this, the exit code of the run is 1."""


COPYABLE = (ReasonCode.ACES, ReasonCode.LOSSY_SOURCE, ReasonCode.LOSSY_TARGET, ReasonCode.UNSUPPORTED)
"""Reasons to skip a file that lie in its content, so that a copy is as good as the file itself."""


READ_WHOLE = frozenset(
    (Status.RECOMPRESSED, Status.NO_GAIN, Status.EQUAL, Status.DIFFERENT, Status.SOUND, Status.DIGESTED)
)
"""Files that end like this were read as a whole, so their time says how long others take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReport:
    """The result for one file.

    Attributes:
        path: path of the file.
        status: how the file ended.
        destination: path of the output, or of the file that it was compared with, if there is one.
        reason: one line; always set for SKIPPED, FAILED and DIFFERENT.
        reason_code: the same for scripts; set whenever `reason` is.
        copied: whether the file was copied to the output as it is.
        notes: further facts that the user should know, one line each.
        size_before: size of the source in bytes.
        size_after: size in bytes of the resulting file, or of the output that was there already.
        tried_size: size in bytes of the new file that was not kept; for NO_GAIN only.
        compressions_before: name of each part's compression; empty if the header was not read.
        compressions_after: the same for the result.
        lossy_channels: names of channels whose samples changed, which the user had allowed.
        trials: for an automatic choice: for each part and each compression tried, the compressed
            size divided by the raw size of the sample.
        seconds: wall time in the worker.
        cpu_seconds: CPU time of the worker process.
        ended_at: when the file ended, in seconds since 1970.
        disk_is_full: whether it failed because the disk is full, so that the next file would, too.
        errno: number of the system's error, if that is what a failed file has failed with.
        retry_alone: whether the file may succeed when no other file is in progress.
        measurement: the result of a benchmark; for MEASURED only.
        damage: the damaged places, at most `exr.damage.MAX_LISTED`; in a check only. Empty if the
            file could not be checked.
        damage_count: number of damaged places, including those that are not in `damage`.
        before: what is known about the source as it was opened; None if it was not opened.
        after: the same for the new file, or for the output that was there already.
        steps: wall time in seconds of each step of a recompression.
        content_sha256: the content digest (docs/digests.md) in hexadecimal, if it was computed.
        host: name of the machine that processed it; None for the one of the run.
    """

    path: str
    status: Status
    destination: str | None = None
    reason: str | None = None
    reason_code: ReasonCode | None = None
    copied: bool = False
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
    ended_at: float = field(default_factory=time.time, compare=False)
    disk_is_full: bool = False
    errno: int | None = None
    retry_alone: bool = False
    measurement: Measurement | None = None
    damage: tuple[Damage, ...] = ()
    damage_count: int = 0
    before: FileFacts | None = None
    after: FileFacts | None = None
    steps: Mapping[str, float] = field(default_factory=dict)
    content_sha256: str | None = None
    host: str | None = None

    def __post_init__(self) -> None:
        """Make all texts safe to print, because parts of them may come from the file."""
        if self.reason is not None:
            object.__setattr__(self, "reason", safe_text(self.reason))
        if self.notes:
            object.__setattr__(self, "notes", tuple(map(safe_text, self.notes)))

    @property
    def saved(self) -> int:
        """Bytes saved; negative if a forced recompression made the file larger."""
        return self.size_before - self.size_after if self.status is Status.RECOMPRESSED else 0

    @property
    def ok(self) -> bool:
        """Whether the status is neither FAILED nor DIFFERENT."""
        return self.status not in BAD

    @property
    def took_work(self) -> bool:
        """Whether the file was processed; if not, a look at it was enough."""
        is_left_alone = self.status in (Status.SKIPPED, Status.ALREADY) or self.reason_code is ReasonCode.RECORDED
        return self.copied or not is_left_alone

    def to_json(self) -> dict[str, object]:
        """Return the record for `--report`, `--json` and the journal.

        If a path is not valid UTF-8, the record also has its bytes in base64, as `path_b64` or
        `destination_b64`.
        """
        record: dict[str, object] = {**path_fields("path", self.path), "status": str(self.status)}
        if self.destination is not None:
            record |= path_fields("destination", self.destination)
        record |= {key: value for key in _OPTIONAL if (value := getattr(self, key)) is not None}
        if self.copied:
            record["copied"] = True
        record |= {key: list(value) for key in _LISTS if (value := getattr(self, key))}
        if self.damage:
            record |= {"damage": [each.to_json() for each in self.damage], "damage_count": self.damage_count}
        record |= {"size_before": self.size_before, "size_after": self.size_after, "saved": self.saved}
        record |= {key: facts.to_json() for key in _FACTS if (facts := getattr(self, key)) is not None}
        if self.steps:
            record["steps"] = {name: round(seconds, 4) for name, seconds in self.steps.items()}
        record |= {"seconds": round(self.seconds, 4), "cpu_seconds": round(self.cpu_seconds, 4)}
        return record | {"ended_at": timestamp(self.ended_at)}


_OPTIONAL = ("reason", "reason_code", "tried_size", "content_sha256", "host")
_LISTS = ("notes", "compressions_before", "compressions_after", "lossy_channels", "trials")
_FACTS = ("before", "after")


class Located(Protocol):
    """The paths of a job that its report needs."""

    @property
    def source(self) -> str:
        """Path of the file."""
        ...

    @property
    def destination(self) -> str | None:
        """Path of the other file, if there is one."""
        ...


def failed(job: Located, reason: str, code: ReasonCode, size: int = 0) -> FileReport:
    """Return the report of a file that failed.

    Args:
        job: the job of the file.
        reason: what went wrong; line breaks become blanks.
        code: the same for scripts.
        size: size of the file in bytes.
    """
    return FileReport(
        path=job.source,
        status=Status.FAILED,
        destination=job.destination,
        reason=" ".join(reason.split()),
        reason_code=code,
        size_before=size,
        size_after=size,
    )


def size_of(path: str) -> int:
    """Return the size of a file in bytes, or 0 if it is unknown."""
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
