"""What a dashboard needs to know of the past: sequences, failures, throughput.

All of it is bounded, however many files and sequences a run has.
"""

from collections import OrderedDict, deque
from dataclasses import dataclass

from exrbatch.jobs.file_report import BAD, FileReport, Status
from exrbatch.text import safe_text, shortened_end

MAX_SEQUENCES = 1000
"""Sequences that are kept apart. Those beyond that are added up, least recently used first."""
MAX_TROUBLES = 100
"""Failures, and skipped files, that are kept."""
MAX_REASON = 500
"""Characters of a reason that are kept."""
MAX_BUCKETS = 128
"""Points of the curve of throughput. If a run takes longer, each stands for twice the time."""
RECENT_FILES = 32
"""Number of files from which the share of computing time is taken."""
NEW_SHARE = 0.2
"""Weight of the last look in the share of waiting time."""
MAX_DIGITS = 15
"""Digits of a number of a frame. A longer number is something else."""


@dataclass(frozen=True, slots=True)
class SequenceRow:
    """The totals of one sequence.

    Attributes:
        name: the sequence, safe to print.
        files: number of files that have ended.
        size: size of these files before, in bytes.
        tried: size before of those that were compressed again.
        kept: size of these afterwards.
        bad: number of files that failed or differ.
    """

    name: str
    files: int
    size: int
    tried: int
    kept: int
    bad: int

    @property
    def saved(self) -> int:
        """Bytes saved; negative if the files grew."""
        return self.tried - self.kept

    @property
    def share(self) -> float:
        """Bytes saved as a fraction of the size before; negative if the files grew."""
        return self.saved / self.tried if self.tried else 0.0


@dataclass(frozen=True, slots=True)
class Trouble:
    """A file that failed, differs or was skipped.

    Attributes:
        status: how it ended.
        name: its path, safe to print.
        reason: why.
    """

    status: Status
    name: str
    reason: str


class _Sequence:
    """Totals of a sequence that are still growing."""

    __slots__ = ("_row", "bad", "files", "first", "head", "kept", "last", "size", "tail", "tried", "width")

    def __init__(self, head: str, tail: str) -> None:
        self.head, self.tail = head, tail
        self.first = self.last = -1
        self._row: SequenceRow | None = None
        self.width = self.files = self.size = self.tried = self.kept = self.bad = 0

    def add(self, report: FileReport, frame: str) -> None:
        self._row = None
        if frame:
            number = int(frame)
            self.first = number if self.first < 0 else min(self.first, number)
            self.last = max(self.last, number)
            self.width = max(self.width, len(frame) if frame.startswith("0") else 0)
        self.files += 1
        self.size += report.size_before
        self.bad += report.status in BAD
        if report.status in (Status.RECOMPRESSED, Status.NO_GAIN):
            self.tried += report.size_before
            self.kept += report.size_after

    def merge(self, other: "_Sequence") -> None:
        self._row = None
        for name in ("files", "size", "tried", "kept", "bad"):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def row(self) -> SequenceRow:
        if self._row is None:
            name = safe_text(self._name())
            self._row = SequenceRow(name, self.files, self.size, self.tried, self.kept, self.bad)
        return self._row

    def _name(self) -> str:
        """Return the name as `cli.sequence_names` writes it, with the range of frames so far."""
        if self.first < 0:
            return self.head
        if self.first == self.last:
            return f"{self.head}{self.first:0{max(1, self.width)}}{self.tail}"
        is_natural = len(str(self.first)) >= self.width
        return f"{self.head}{self.first}-{self.last}{'#' * (1 if is_natural else self.width)}{self.tail}"


def _split(path: str) -> tuple[str, str, str]:
    """Split a path into what is before the number of the frame, the number, and what is behind it.

    The last two are empty if the file belongs to no sequence.
    """
    stem, dot, extension = path.rpartition(".")
    head = stem.rstrip("0123456789")
    frame = stem[len(head) :]
    is_frame = 0 < len(frame) <= MAX_DIGITS and "/" not in extension
    return (head, frame, dot + extension) if is_frame else (path, "", "")


class History:
    """The past of one run.

    Attributes:
        failures: the files that failed last, latest last.
        skips: the files that were skipped last, latest last.
        throughput: bytes processed over time.
        throttled_share: fraction of their time in which workers waited lately because of a limit of
            bytes per second.
    """

    def __init__(self) -> None:
        self.failures: deque[Trouble] = deque(maxlen=MAX_TROUBLES)
        self.skips: deque[Trouble] = deque(maxlen=MAX_TROUBLES)
        self.throughput = Throughput()
        self.throttled_share = 0.0
        self._sequences: OrderedDict[tuple[str, str], _Sequence] = OrderedDict()
        self._others = _Sequence("other sequences", "")
        self._merged = 0
        self._recent: deque[tuple[float, float]] = deque(maxlen=RECENT_FILES)
        self._reached = 0.0

    def add(self, report: FileReport) -> None:
        """Note that a file has ended."""
        head, frame, tail = _split(report.path)
        key = (head, tail)
        sequence = self._sequences.get(key)
        if sequence is None:
            sequence = self._sequences[key] = _Sequence(*key)
        self._sequences.move_to_end(key)
        sequence.add(report, frame)
        if len(self._sequences) > MAX_SEQUENCES:
            _, oldest = self._sequences.popitem(last=False)
            self._others.merge(oldest)
            self._merged += 1
        if report.seconds > 0:
            self._recent.append((report.cpu_seconds, report.seconds))
        if report.status in BAD or report.status is Status.SKIPPED:
            reason = shortened_end(report.reason or "", MAX_REASON)
            kept = self.skips if report.status is Status.SKIPPED else self.failures
            kept.append(Trouble(report.status, safe_text(report.path), reason))

    def note_waiting(self, waited: float, seconds: float) -> None:
        """Note how long workers waited because of a limit, and how long their files have taken."""
        if seconds > 0:
            self.throttled_share += (min(1.0, waited / seconds) - self.throttled_share) * NEW_SHARE

    def reach(self, size: float) -> float:
        """Return the largest number of bytes that was done at any time, so that it never shrinks.

        Files may be given up and tried again, and the files of a bundle are reported one by one.

        Args:
            size: number of bytes that are done now.
        """
        self._reached = max(self._reached, size)
        return self._reached

    def sequences(self, most: int) -> tuple[SequenceRow, ...]:
        """Return the sequences that have had files last, latest first."""
        latest = [sequence for sequence, _ in zip(reversed(self._sequences.values()), range(most), strict=False)]
        rows = [sequence.row() for sequence in latest]
        if self._merged and len(rows) < most:
            rows.append(self._others.row())
        return tuple(rows)

    @property
    def sequence_count(self) -> int:
        """Number of sequences. One that was added up and comes again is counted again."""
        return len(self._sequences) + self._merged

    @property
    def computing_share(self) -> float | None:
        """Fraction of the time of the last files in which their workers computed; None at first."""
        wall = sum(seconds for _, seconds in self._recent)
        return sum(cpu for cpu, _ in self._recent) / wall if wall > 0 else None


class Throughput:
    """Bytes processed over time, in at most `MAX_BUCKETS` buckets of equal length.

    Attributes:
        bucket_seconds: seconds that each bucket stands for.
    """

    def __init__(self) -> None:
        self.bucket_seconds = 1.0
        self._buckets: list[float] = []
        self._reached = 0.0

    def look(self, seconds: float, reached: float) -> None:
        """Note how many bytes are done.

        Args:
            seconds: seconds since the run began.
            reached: bytes that are done by now. It may become smaller, when a file is given up.
        """
        while seconds >= self.bucket_seconds * MAX_BUCKETS:
            pairs = range(0, len(self._buckets), 2)
            self._buckets = [sum(self._buckets[index : index + 2]) for index in pairs]
            self.bucket_seconds *= 2
        index = int(seconds / self.bucket_seconds)
        self._buckets += [0.0] * (index + 1 - len(self._buckets))
        self._buckets[index] += reached - self._reached
        self._reached = reached

    def rates(self) -> tuple[float, ...]:
        """Return bytes per second of each complete bucket, oldest first."""
        return tuple(max(0.0, size) / self.bucket_seconds for size in self._buckets[:-1])
