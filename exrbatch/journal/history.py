"""Read the records of one or several runs, and merge them: each file counts once."""

import contextlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from exrbatch.errors import OptionsError, ReasonCode
from exrbatch.journal.facts import FileFacts
from exrbatch.journal.folder import is_running
from exrbatch.journal.records import Record, open_records, read_list, read_path, read_records
from exrbatch.paths import absolute
from exrbatch.text import safe_text

RECOMPRESSED = "recompressed"
MOST_BYTES = 1 << 63
"""A record of more bytes is wrong."""
MOST_SECONDS = 1e9
"""A record that says that a file took longer is wrong."""


@dataclass(frozen=True, slots=True)
class PastFile:
    """How a file ended in an earlier run.

    Attributes:
        path: its absolute path.
        destination: absolute path of its output; None if it was to be replaced in place.
        status: its status, such as "recompressed".
        reason: why it was skipped or has failed; empty if there is no reason.
        reason_code: the same for scripts; empty if there is none.
        size_before: size of the source in bytes.
        size_after: size of the result in bytes.
        seconds: wall time in the worker.
        ended_at: when it ended, in seconds since 1970; 0 if unknown.
        compressions_before: name of each part's compression; empty if unknown.
        compressions_after: the same for the result.
        before: the state of the source; None if unknown.
        after: the state of the result; None if unknown.
    """

    path: str
    destination: str | None
    status: str
    reason: str
    reason_code: str
    size_before: int
    size_after: int
    seconds: float
    ended_at: float
    compressions_before: tuple[str, ...]
    compressions_after: tuple[str, ...]
    before: FileFacts | None
    after: FileFacts | None

    @property
    def saved(self) -> int:
        """Bytes saved."""
        return self.size_before - self.size_after if self.status == RECOMPRESSED else 0


@dataclass(slots=True)
class PastRun:
    """The records of one run.

    Attributes:
        about: the record of the run; empty in files of version 0.8 and older.
        source: the file of records.
        files: how each file ended, by path and destination, in the order in which they ended.
        unfinished: files that were going to be replaced when the run died, by path.
        summary: the totals; empty if the run died or is still going on.
        status: the last record of how far it had come; empty if there is none.
        last_seen: time of the last record, in seconds since 1970; 0 if unknown.
    """

    about: Record
    source: Path
    files: dict[tuple[str, str | None], PastFile] = field(default_factory=dict)
    unfinished: dict[str, PastFile] = field(default_factory=dict)
    summary: Record = field(default_factory=dict)
    status: Record = field(default_factory=dict)
    last_seen: float = 0.0

    @property
    def name(self) -> str:
        """The ID of the run, or the name of its file of records if it has none."""
        name = self.about.get("run")
        return name if isinstance(name, str) else self.source.name

    @property
    def is_running(self) -> bool:
        """Whether the run is still going on, on this machine."""
        return not self.summary and self.source.stem == self.about.get("run") and is_running(self.source)

    @property
    def began(self) -> float:
        """When the run began, in seconds since 1970; 0 if unknown."""
        return seconds_of(self.about.get("started_at"))

    @property
    def state(self) -> str:
        """Whether the run is "running", has "ended" or "died"; "unknown" without a record of it."""
        if self.summary:
            return "ended"
        if not self.about:
            return "unknown"
        return "running" if self.is_running else "died"

    @property
    def folder(self) -> str:
        """The folder in which the run was started."""
        return read_path(self.about, "folder") or os.sep

    @property
    def roots(self) -> list[str]:
        """Absolute paths of the files and folders that the run was about."""
        return read_list(self.about, "roots")

    @property
    def last_file(self) -> PastFile | None:
        """The file that ended last; None if no file has ended."""
        return next(reversed(self.files.values()), None)


def read_runs(path: Path) -> list[PastRun]:
    """Read all runs of a file of records: one for a journal, any number for a `--report` file.

    Raises:
        OptionsError: it can't be read, or has no record.
    """
    runs: list[PastRun] = []
    try:
        with open_records(path) as stream:
            for record in read_records(stream):
                if record["type"] == "run" or not runs:
                    runs.append(PastRun(record if record["type"] == "run" else {}, path))
                _add(runs[-1], record)
    except OSError as error:
        raise OptionsError(f"can't read {path}: {error.strerror}") from None
    if not runs:
        raise OptionsError(
            f"{safe_text(str(path))} has no records of exrbatch; if the disk was full, name another run"
            " (exrbatch report --list)"
        )
    return runs


def _add(run: PastRun, record: Record) -> None:
    if record["type"] == "file":
        if (file := _past_file(record, run.folder)) is not None:
            run.files.pop((file.path, file.destination), None)  # so that it moves to the end
            run.files[file.path, file.destination] = file
            run.unfinished.pop(file.path, None)
            run.last_seen = file.ended_at or run.last_seen
    elif record["type"] == "replacing":
        if (file := _past_file({**record, "status": RECOMPRESSED}, run.folder)) is not None:
            run.unfinished[file.path] = file
    elif record["type"] == "summary":
        run.summary = record
        run.last_seen = seconds_of(record.get("ended_at")) or run.last_seen
    else:
        if record["type"] == "status":
            run.status = record
        run.last_seen = seconds_of(record.get("at", record.get("started_at"))) or run.last_seen


def _past_file(record: Record, folder: str) -> PastFile | None:
    path, destination = read_path(record, "path"), read_path(record, "destination")
    if path is None:
        return None
    before, after = FileFacts.from_json(record.get("before")), FileFacts.from_json(record.get("after"))
    return PastFile(
        path=absolute(os.path.join(folder, path)),
        destination=None if destination is None else absolute(os.path.join(folder, destination)),
        status=safe_text(str(record.get("status", ""))),  # a report may come from anywhere
        reason=safe_text(str(record.get("reason", ""))),
        reason_code=safe_text(str(record.get("reason_code", ""))),
        size_before=number_of(record.get("size_before", before.size if before is not None else 0)),
        size_after=number_of(record.get("size_after", after.size if after is not None else 0)),
        seconds=_seconds(record.get("seconds")),
        ended_at=seconds_of(record.get("ended_at", record.get("at"))),
        compressions_before=_names(record.get("compressions_before")),
        compressions_after=_names(record.get("compressions_after")),
        before=before,
        after=after,
    )


def number_of(value: Any) -> int:
    """Return a number of a record; 0 if it is missing or wrong."""
    return value if isinstance(value, int) and abs(value) <= MOST_BYTES else 0


def _seconds(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and 0 <= value <= MOST_SECONDS else 0.0


def _names(value: Any) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list) else ()


def seconds_of(timestamp: object) -> float:
    """Convert a time of a record into seconds since 1970; 0 if it is missing or wrong."""
    with contextlib.suppress(ValueError):
        found = datetime.fromisoformat(str(timestamp))
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    return 0.0


def merged(runs: Iterable[PastRun]) -> list[PastFile]:
    """Merge runs, so that each file counts once.

    A file that one run recompressed is "already" in the next. It keeps what the record that says
    "recompressed" knows about sizes; otherwise its last outcome counts. If a run died while it
    replaced a file, and the next found the file finished, then it was replaced. If two runs worked
    on a file at once, it has changed for the second one, because the first one has replaced it.
    """
    latest: dict[tuple[str, str | None], PastFile] = {}
    unfinished: dict[tuple[str, str | None], PastFile] = {}
    for run in sorted(runs, key=lambda run: run.began or run.last_seen):
        for key, file in run.files.items():
            earlier = latest.pop(key, None) or unfinished.pop(key, None)
            latest[key] = earlier if earlier is not None and _still_holds(earlier, file) else file
        unfinished |= {(path, None): file for path, file in run.unfinished.items()}
    return list(latest.values())


def _still_holds(earlier: PastFile, later: PastFile) -> bool:
    """Return whether a file is as an earlier record says, although a later run has met it, too."""
    if earlier.status != RECOMPRESSED:
        return False
    was_replaced_meanwhile = later.ended_at - later.seconds <= earlier.ended_at <= later.ended_at
    return later.status == "already" or (later.reason_code == ReasonCode.CHANGED and was_replaced_meanwhile)
