"""Files that earlier runs with the same options have finished, as their journals say.

Such a file costs one look at its state (two with an output), and nothing of it is read. That needs
proof that it has not changed since: its size, its times and its inode number must be as recorded.
Where these are not reliable, the worker reads the header, too (`Known`).
"""

import contextlib
import itertools
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from exrbatch.batch.discovery.candidate import Candidate
from exrbatch.errors import ReplaceFailed
from exrbatch.jobs.file_report import FileReport, Status
from exrbatch.jobs.known import Known
from exrbatch.journal.facts import FileFacts
from exrbatch.journal.folder import journals, run_record
from exrbatch.journal.history import seconds_of
from exrbatch.journal.records import Record, read_path, read_records
from exrbatch.paths import absolute
from exrbatch.replacing import file_system_at

MOST_JOURNALS = 5
"""Number of matching journals that are read.

Each has the records of all files of its run, so the latest ones suffice.
"""
RACE_NS = 2_000_000_000
"""A file that was changed less than this many nanoseconds before it was recorded is not trusted.

A second change could have given it the same time. File systems have steps of up to 2 s.
"""
UNRELIABLE = frozenset(("exfat", "msdos", "vfat"))
"""Local file systems without a ctime or with inode numbers that change."""
FINISHED = (Status.RECOMPRESSED, Status.ALREADY, Status.NO_GAIN)


_Key = tuple[str, str | None]
"""Absolute paths of a file and its output; None if it was to be replaced in place."""


@dataclass(frozen=True, slots=True)
class _Finished:
    """A finished file as a journal has it.

    Attributes:
        known: what can be said about it in any case.
        source: its state in the end: of the new file if it was replaced in place.
        output: the state of its output; None if it was to be replaced in place.
        compressions_before: name of each part's compression in the source.
    """

    known: Known
    source: FileFacts
    output: FileFacts | None
    compressions_before: tuple[str, ...]


class FinishedFiles:
    """Knows which files earlier runs have finished.

    A journal is read when no later one has the file in question. So a run over files that the last
    run has finished reads one journal.
    """

    def __init__(self, about: Record) -> None:
        """Prepare to answer questions for a run.

        Args:
            about: the record of the run, whose options and versions must be those of the earlier
                runs.
        """
        self._about = about
        self._files: dict[_Key, _Finished | None] = {}
        matching = (path for path in journals() if _is_like(run_record(path), about))
        self._unread = itertools.islice(matching, MOST_JOURNALS)
        self._is_reliable: dict[str, bool] = {}

    def answered(self, found: Iterable[Candidate | FileReport]) -> Iterator[Candidate | FileReport]:
        """Turn candidates that are finished into their reports."""
        for each in found:
            yield each if isinstance(each, FileReport) else self._answer(each)

    def _answer(self, candidate: Candidate) -> Candidate | FileReport:
        place = None if candidate.counterpart is None or self._is_in_place else absolute(candidate.counterpart)
        finished = self._find((absolute(candidate.path), place))
        if finished is None or candidate.hard_links:
            return candidate
        now = FileFacts(
            size=candidate.size, mtime_ns=candidate.mtime_ns, ctime_ns=candidate.ctime_ns, inode=candidate.inode
        )
        if not self._has_reliable_facts(os.path.dirname(candidate.path) or "."):
            return candidate._replace(known=finished.known) if self._is_in_place else candidate
        if not finished.source.is_same_state(now):
            return candidate
        report = finished.known.report(candidate.path, now)
        if finished.output is None:
            return report
        if not self._is_unchanged(candidate.counterpart, finished.output):
            return candidate
        return replace(
            report,
            status=Status.ALREADY,
            destination=candidate.counterpart,
            tried_size=None,
            compressions_before=finished.compressions_before,
            size_after=finished.output.size,
            after=finished.output,
        )

    def _find(self, key: _Key) -> _Finished | None:
        """Return what the latest record of a file says."""
        while key not in self._files:
            path = next(self._unread, None)
            if path is None:
                return None
            self._files = _read(path) | self._files
        return self._files[key]

    @property
    def _is_in_place(self) -> bool:
        return bool(self._about["replaces_files"])

    def _has_reliable_facts(self, folder: str) -> bool:
        """Return whether an unchanged state proves that the files of a folder are unchanged."""
        if folder not in self._is_reliable:
            self._is_reliable[folder] = False
            with contextlib.suppress(OSError, ReplaceFailed):
                storage = file_system_at(folder, may_write=False)
                self._is_reliable[folder] = storage.is_local and storage.kind not in UNRELIABLE
        return self._is_reliable[folder]

    def _is_unchanged(self, path: str | None, facts: FileFacts) -> bool:
        if path is None or not self._has_reliable_facts(os.path.dirname(path) or "."):
            return False
        with contextlib.suppress(OSError):
            return facts.is_same_state(FileFacts.of(os.lstat(path)))
        return False


def _read(path: Path) -> dict[_Key, _Finished | None]:
    """Read a journal. The latest record of a file counts."""
    files: dict[_Key, _Finished | None] = {}
    with contextlib.suppress(OSError), open(path, "rb") as stream:
        records = read_records(stream, only=("run", "file"))
        run = next(records, {})
        folder = read_path(run, "folder") or os.sep
        for record in records:
            if record["type"] == "file" and (source := read_path(record, "path")) is not None:
                destination = read_path(record, "destination")
                place = None if destination is None else absolute(os.path.join(folder, destination))
                files[absolute(os.path.join(folder, source)), place] = _finished(record)
    return files


def _is_like(run: Mapping[str, Any], about: Record) -> bool:
    """Return whether a run had the same options and versions, and may have had the same files."""
    same = ("format", "exrbatch", "openexr", "replaces_files", "decided_by")
    if any(run.get(key) != about[key] for key in same):
        return False
    ours, theirs = (os.path.join(read_path(each, "base") or os.sep, "") for each in (about, run))
    return ours.startswith(theirs) or theirs.startswith(ours)


def _finished(record: Record) -> _Finished | None:
    """Read the record of a file; return None if it is not finished or can't be trusted."""
    if record.get("status") not in FINISHED or record.get("lossy_channels"):
        return None
    status = Status(record["status"])
    before, after = FileFacts.from_json(record.get("before")), FileFacts.from_json(record.get("after"))
    is_in_place = record.get("destination") is None
    source = after if is_in_place and status is Status.RECOMPRESSED else before
    if source is None or (not is_in_place and after is None):
        return None
    recorded_ns = int(seconds_of(record.get("ended_at")) * 1e9)
    if any(recorded_ns - facts.mtime_ns < RACE_NS for facts in (source, after) if facts is not None):
        return None
    tried = record.get("tried_size")
    known = Known(
        status=status,
        size=source.size,
        mtime_ns=source.mtime_ns,
        compressions=tuple(map(str, record.get("compressions_after", ()))),
        tried_size=tried if isinstance(tried, int) else None,
    )
    before_names = tuple(map(str, record.get("compressions_before", ())))
    return _Finished(known, source, None if is_in_place else after, before_names)
