"""Choose a small sample of the user's files that covers every kind of content.

Files are divided into content classes by their headers and by how grainy they are. The middle frame
of a sequence, or of a piece of it, represents the others. This process reads only headers. Workers
read the pixels, because any file may be damaged.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from exrbatch.batch.discovery.candidate import Candidate
from exrbatch.batch.discovery.discover import discover
from exrbatch.batch.discovery.selection import Selection
from exrbatch.batch.options import Options
from exrbatch.batch.run import Run
from exrbatch.bench.content import describe
from exrbatch.errors import ExrbatchError, ReasonCode
from exrbatch.exr.compression import Compression
from exrbatch.exr.reader import open_exr
from exrbatch.jobs.file_report import FileReport, Status, failed
from exrbatch.jobs.measure_job import MeasureRules
from exrbatch.recompression.choices import Permissions

LOOKED_AT = 3
"""Files that are compressed once to find out their grain before the sample is chosen, as a multiple
of the sample's size."""
TRIES = 3
"""Highest number of frames of a sequence that are tried until one is undamaged."""
GRAINY = 0.3
"""Content is grainy if ZIP leaves more than this fraction of the raw bytes. Film grain does; clean
renders leave 0.02 to 0.2."""


@dataclass(frozen=True, slots=True)
class SampleFile:
    """One file of the sample.

    Attributes:
        path: path of the file.
        content: name of its content class.
        size: size in bytes.
        raw_size: size of its raw bytes.
        sha256: hash of the file, as hexadecimal digits.
        weight: bytes that the file represents, as a multiple of its own size.
    """

    path: str
    content: str
    size: int
    raw_size: int
    sha256: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class ContentClass:
    """A class of files with similar content.

    Attributes:
        name: name of the class.
        files: estimated number of files of the class.
        size: their estimated size in bytes.
    """

    name: str
    files: int
    size: int


@dataclass(slots=True)
class Sample:
    """The files that were found, and the sample that was chosen from them.

    Attributes:
        found: number of files below the given paths.
        looked_at: number of files that were compressed to find out their class.
        classes: the content classes.
        files: the sample.
        failures: reports of files that cannot be measured.
        skipped: reports of examined files that a run would skip.
    """

    found: int = 0
    looked_at: int = 0
    classes: list[ContentClass] = field(default_factory=list)
    files: list[SampleFile] = field(default_factory=list)
    failures: list[FileReport] = field(default_factory=list)
    skipped: list[FileReport] = field(default_factory=list)


@dataclass(slots=True)
class _Sequence:
    """A frame sequence, or a piece of it. One of its frames represents it.

    Attributes:
        candidates: its frames.
        tries: number of frames that were tried without success.
        kind: description of its content, from the header.
        files: number of files that it represents.
        stands_for: bytes that it represents.
    """

    candidates: list[Candidate] = field(default_factory=list)
    tries: int = 0
    kind: str = ""
    files: float = 0.0
    stands_for: float = 0.0

    @property
    def frame(self) -> Candidate:
        """The middle frame; after each failed try, the next one."""
        return self.candidates[(len(self.candidates) // 2 + self.tries) % len(self.candidates)]

    @property
    def size(self) -> int:
        """Size of all frames in bytes."""
        return sum(candidate.size for candidate in self.candidates)


def take_sample(
    paths: Sequence[str], size: int, selection: Selection, jobs: int, permissions: Permissions = Permissions()
) -> Sample:
    """Choose a sample. Up to `LOOKED_AT` times as many files are compressed once for that.

    Args:
        paths: files, folders and frame sequences.
        size: number of files in the sample. It has fewer if there are not that many.
        selection: which files of a folder are taken.
        jobs: number of workers.
        permissions: which sources the user has allowed.

    Raises:
        RunStopped: workers keep dying.
    """
    sample = Sample()
    sequences = _divided(_sequences(paths, selection, sample), size)
    kinds: dict[str, list[_Sequence]] = {}
    for sequence in sequences:
        if _describe(sequence, sample):
            kinds.setdefault(sequence.kind, []).append(sequence)
    looked = list(_spread(kinds, LOOKED_AT * size))
    _weigh(kinds, looked)
    sample.looked_at = len(looked)
    classes: dict[str, list[tuple[_Sequence, FileReport]]] = {}
    for sequence, report in _looks(looked, jobs, sample, permissions):
        assert report.measurement is not None, "only those that were measured"
        grain = "grainy" if report.measurement.new_size > GRAINY * report.measurement.raw_size else "clean"
        classes.setdefault(f"{sequence.kind}, {grain}", []).append((sequence, report))
    _choose(sample, classes, size)
    return sample


def _describe(sequence: _Sequence, sample: Sample) -> bool:
    """Set the kind of a sequence from the first of a few frames that has a valid header.

    Returns:
        Whether there is such a frame.
    """
    while True:
        try:
            with open_exr(sequence.frame.path) as file:
                sequence.kind = describe(file.header)
            return True
        except (ExrbatchError, OSError) as error:
            sample.failures.append(_failed(sequence.frame, error))
        if not _try_next(sequence):
            return False


def _try_next(sequence: _Sequence) -> bool:
    sequence.tries += 1
    return sequence.tries < min(TRIES, len(sequence.candidates))


def _weigh(kinds: dict[str, list[_Sequence]], looked: list[_Sequence]) -> None:
    """Distribute the files and bytes of each kind over the sequences of that kind in `looked`."""
    for kind, members in kinds.items():
        mine = [sequence for sequence in looked if sequence.kind == kind]
        all_files, all_bytes = (
            sum(counts) for counts in zip(*((len(m.candidates), m.size) for m in members), strict=True)
        )
        files, size = sum(len(sequence.candidates) for sequence in mine), sum(sequence.size for sequence in mine)
        for sequence in mine:
            sequence.files = len(sequence.candidates) / files * all_files
            sequence.stands_for = sequence.size / max(1, size) * all_bytes


def _sequences(paths: Sequence[str], selection: Selection, sample: Sample) -> list[_Sequence]:
    """Find all files, and group the frames of each sequence."""
    import fileseq  # takes a tenth of a second, which other commands should not pay

    found: dict[tuple[str, ...], _Sequence] = {}
    for each in discover(paths, None, selection):
        sample.found += 1
        if isinstance(each, FileReport):
            if each.status is Status.FAILED:
                sample.failures.append(each)
            continue
        key: tuple[str, ...] = (each.path,)
        try:
            sequence = fileseq.FileSequence(each.path, pad_style=fileseq.PAD_STYLE_HASH1)
            if sequence.frameSet() is not None:
                key = (sequence.dirname(), sequence.basename(), sequence.extension())
        except fileseq.FileSeqException:  # a name that fileseq cannot parse is a sequence of its own
            pass
        found.setdefault(key, _Sequence()).candidates.append(each)
    return list(found.values())


def _divided(sequences: list[_Sequence], size: int) -> list[_Sequence]:
    """Cut sequences into pieces if there are fewer sequences than files in the sample.

    A shot changes over time, so several frames of it are useful.
    """
    lengths = [len(sequence.candidates) for sequence in sequences]
    pieces = 1
    while sum(min(pieces, length) for length in lengths) < min(size, sum(lengths)):
        pieces += 1
    return [
        _Sequence([sequence.candidates[index] for index in piece.tolist()])
        for sequence in sequences
        for piece in np.array_split(np.arange(len(sequence.candidates)), pieces)
        if len(piece)
    ]


def _spread(kinds: dict[str, list[_Sequence]], count: int) -> Iterator[_Sequence]:
    """Yield up to `count` sequences, evenly spread within each kind.

    The kinds take turns, starting with the kind that has most bytes.
    """
    ordered = sorted(kinds, key=lambda kind: -sum(sequence.size for sequence in kinds[kind]))
    shares = dict.fromkeys(ordered, 0)
    while sum(shares.values()) < count and any(shares[kind] < len(kinds[kind]) for kind in ordered):
        for kind in ordered:
            if shares[kind] < len(kinds[kind]) and sum(shares.values()) < count:
                shares[kind] += 1
    for kind, share in shares.items():
        yield from (kinds[kind][(2 * place + 1) * len(kinds[kind]) // (2 * share)] for place in range(share))


def _looks(
    sequences: list[_Sequence], jobs: int, sample: Sample, permissions: Permissions
) -> Iterator[tuple[_Sequence, FileReport]]:
    """Compress a frame of each sequence once, as ZIP, in workers.

    If a frame fails or is skipped, another frame of the sequence is tried.
    """
    options = Options(rules=MeasureRules(compression=Compression.ZIP, permissions=permissions), jobs=jobs)
    while sequences:
        by_path = {sequence.frame.path: sequence for sequence in sequences}
        sequences = []
        for report in Run(list(by_path), options).reports():
            sequence = by_path[report.path]
            if report.measurement is not None:
                yield sequence, report
                continue
            (sample.failures if report.status is Status.FAILED else sample.skipped).append(report)
            if _try_next(sequence):
                sequences.append(sequence)


def _choose(sample: Sample, classes: dict[str, list[tuple[_Sequence, FileReport]]], size: int) -> None:
    """Fill in the sample's classes and files."""
    for members in classes.values():
        members.sort(key=lambda member: member[1].path)
    reports = {id(sequence): (name, report) for name, members in classes.items() for sequence, report in members}
    for name, members in sorted(classes.items()):
        files, stands_for = (sum(counts) for counts in zip(*((s.files, s.stands_for) for s, _ in members), strict=True))
        sample.classes.append(ContentClass(name, round(files), round(stands_for)))
    chosen = list(_spread({name: [sequence for sequence, _ in members] for name, members in classes.items()}, size))
    sizes: dict[str, int] = {}
    for sequence in chosen:
        name, report = reports[id(sequence)]
        sizes[name] = sizes.get(name, 0) + report.size_before
    totals = {each.name: each.size for each in sample.classes}
    for sequence in chosen:
        name, report = reports[id(sequence)]
        assert report.measurement is not None, "only what was measured is in a class"
        weight = totals[name] / max(1, sizes[name])
        try:
            sha256 = _sha256(report.path)
        except OSError as error:
            sample.failures.append(_failed(sequence.frame, error))
            continue
        raw_size = report.measurement.raw_size
        sample.files.append(SampleFile(report.path, name, report.size_before, raw_size, sha256, weight))


def _failed(candidate: Candidate, error: Exception) -> FileReport:
    reason = f"can't read it: {error.strerror}" if isinstance(error, OSError) else str(error)
    return failed(Options().job(candidate), reason, ReasonCode.READ_ERROR, candidate.size)


def _sha256(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
