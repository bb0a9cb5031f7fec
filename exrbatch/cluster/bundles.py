"""The files that a worker of a cluster has, and what is heard of them."""

import os
import pickle
from bisect import bisect_right
from collections import deque
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from exrbatch.batch.discovery.candidate import Candidate
from exrbatch.batch.workers.interface import Running
from exrbatch.cluster.members import Member
from exrbatch.cluster.tokens import Tokens
from exrbatch.cluster.travel import Orders, Task, as_at_home, for_elsewhere
from exrbatch.jobs.file_report import FileReport, Status
from exrbatch.jobs.job import Job
from exrbatch.journal.facts import FileFacts
from exrbatch.journal.records import Record
from exrbatch.journal.writer import Journal

WORKED = (Status.RECOMPRESSED, Status.NO_GAIN, Status.PLANNED)
"""If a file ends like this, all of it was processed."""
FILE_SECONDS = 0.005
"""Seconds that a file takes besides its bytes."""
BUNDLE_SECONDS = 5.0
"""A bundle takes about this long, because each costs the scheduler and us 4 to 5 ms of CPU time."""
MAX_FILES = 1000
"""Number of files in a bundle at most."""
START_RATE = 30e6
"""Bytes per second of a worker, as long as none has been measured."""


@dataclass(eq=False, slots=True)
class Bundle:
    """The files that a worker has. It gets them in pieces: all at once, or one by one.

    Attributes:
        number: number of the bundle; no other bundle of the run has it.
        member: the worker.
        candidates: the files.
        jobs: what to do with each.
        pieces: indexes of the files that the worker did not get yet, in pieces.
        sent: indexes of the piece that it has.
        open: indexes of the files without a report.
        ended_size: bytes of the files with one.
        has_begun: whether the worker has said anything since it got the piece.
        current: index of the file in progress, as far as it is known.
        done: fraction of that file that is done, 0 to 1.
        waited: seconds that the worker has waited because of a limit of bytes per second.
        spent: seconds spent on the file in progress.
        seconds: seconds since the worker got the bundle, without those in which it was frozen.
    """

    number: int
    member: Member
    candidates: Sequence[Candidate]
    jobs: Sequence[Job]
    pieces: deque[list[int]]
    sent: list[int] = field(default_factory=list)
    open: set[int] = field(default_factory=set)
    ended_size: int = 0
    has_begun: bool = False
    current: int = 0
    done: float = 0.0
    waited: float = 0.0
    spent: float = 0.0
    seconds: float = 0.0

    @classmethod
    def of(
        cls,
        number: int,
        member: Member,
        candidates: Sequence[Candidate],
        jobs: Sequence[Job],
        suspects: Container[str],
    ) -> "Bundle":
        """Make a bundle. The files that are suspects are sent one by one, after the others."""
        every = range(len(candidates))
        others = [index for index in every if candidates[index].path not in suspects]
        alone = [[index] for index in every if candidates[index].path in suspects]
        pieces = deque([others, *alone] if others else alone)
        return cls(number, member, candidates, jobs, pieces, open=set(every))

    def next_task(
        self,
        tokens: Tokens,
        *,
        topic: str,
        orders: Orders,
        every: float,
        sweep: Sequence[tuple[str, str | None]] = (),
    ) -> Task:
        """Make a task of the next piece; there must be one. The arguments are those of `Task`."""
        self.sent, self.has_begun = self.pieces.popleft(), False
        self.begin(self.sent[0])
        jobs = [for_elsewhere(self.jobs[index]) for index in self.sent]
        return Task(
            topic=topic,
            number=self.number,
            indexes=self.sent,
            jobs=jobs,
            tokens=tokens.of(folder for job in jobs for folder in (os.path.dirname(job.source), *job.folders())),
            orders=orders,
            every=every,
            has_journal=self.member.has_journal,
            sweep=sweep,
        )

    def note_beginning(self) -> None:
        """Note that the worker has begun the piece. Before, it may have been busy for others."""
        if not self.has_begun:
            self.has_begun, self.spent = True, 0.0

    def begin(self, index: int, done: float = 0.0) -> None:
        """Note which file is in progress."""
        if index != self.current:
            self.spent = 0.0
        self.current, self.done = index, done

    def end(self, index: int, packed: bytes) -> FileReport | None:
        """Take the report of a file; return None if the file has one already."""
        if index not in self.open:
            return None
        self.open.discard(index)
        self.ended_size += self.candidates[index].size
        place = bisect_right(self.sent, index)
        if place < len(self.sent):
            self.begin(self.sent[place])
        report: FileReport = pickle.loads(packed)  # noqa: S301  Dask itself unpickles what workers send
        return as_at_home(report, self.jobs[index], self.member.host)

    def unfinished(self) -> list[Candidate]:
        """Return the files without a report."""
        return [self.candidates[index] for index in sorted(self.open)]

    def running(self) -> Running:
        """Describe the file in progress."""
        return Running(
            self.member.number,
            self.candidates[self.current],
            self.done if self.current in self.open else 0.0,
            self.seconds,
            self.ended_size,
            self.waited,
            self.member.host,
        )


class Pace:
    """How fast workers are, as measured in this run."""

    def __init__(self) -> None:
        self._seconds, self._size, self._files = 0.0, 0, 0

    def note(self, report: FileReport) -> None:
        """Learn from the report of a file."""
        self._seconds += report.seconds
        self._size += report.size_before if report.status in WORKED else 0
        self._files += 1

    def seconds(self, files: int, size: int) -> float:
        """Predict how long some files of `size` bytes together take."""
        spent = self._seconds - FILE_SECONDS * self._files
        rate = self._size / spent if spent > 1 and self._size else START_RATE
        return files * FILE_SECONDS + size / rate

    def is_enough(self, files: int, size: int) -> bool:
        """Return whether some files of `size` bytes together take long enough for one bundle."""
        return files >= MAX_FILES or self.seconds(files, size) >= BUNDLE_SECONDS


class Replacements:
    """What workers were about to put in place when they were heard of last.

    If a worker dies after it has put a new file in place, and before its report has arrived, the
    file comes again, and is then found to be finished. The report says so, but it does not say what
    was saved; this does.
    """

    def __init__(self, journal: Journal | None) -> None:
        """Begin with nothing. Records that the journal of the run lacks are added to it."""
        self._journal = journal
        self._records: dict[str, Mapping[str, Any]] = {}

    def hear(self, event: Mapping[str, object]) -> Record | None:
        """Return the record in an event, if it has one, and see that it is in the journal.

        A worker that was given up may still replace a file: undo must know that, too.
        """
        packed = event.get("replacing")
        if not isinstance(packed, bytes):
            return None
        record: Record = pickle.loads(packed)  # noqa: S301  Dask itself unpickles what workers send
        if not event.get("is_kept") and self._journal is not None:
            self._journal.add_replacing(record)
        return record

    def note(self, path: str, record: Mapping[str, Any]) -> None:
        """Keep a record of the file at a path that is going to be replaced."""
        self._records[path] = record

    def corrected(self, report: FileReport) -> FileReport:
        """Return a report, as it would be if the worker had not died."""
        record = self._records.pop(report.path, None)
        if record is None or report.status is not Status.ALREADY:
            return report
        before, after = FileFacts.from_json(record.get("before")), FileFacts.from_json(record.get("after"))
        found = report.before
        if before is None or after is None or found is None:
            return report
        if (found.inode, found.size, found.mtime_ns) != (after.inode, after.size, after.mtime_ns):
            return report
        return replace(
            report,
            status=Status.RECOMPRESSED,
            reason=None,
            reason_code=None,
            size_before=before.size,
            size_after=after.size,
            compressions_before=tuple(record.get("compressions_before", ())),
            compressions_after=tuple(record.get("compressions_after", ())),
            lossy_channels=tuple(record.get("lossy_channels", ())),
            before=before,
            after=replace(found, xxh3_128=after.xxh3_128),
            notes=(*report.notes, "done, although its worker died"),
        )
