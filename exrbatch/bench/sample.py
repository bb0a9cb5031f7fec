"""The user's files -> a small sample with every kind of content in it.

Files fall into content classes by what their headers say and by how grainy they are; the middle frame of a sequence,
or of a piece of it, stands for it. Headers are read here; pixels only in workers, as any of the files may be damaged.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from exrbatch.batch.discovery.candidate import Candidate
from exrbatch.batch.discovery.discover import Selection, discover
from exrbatch.batch.options import Options
from exrbatch.batch.run import Run
from exrbatch.bench.content import describe
from exrbatch.errors import ExrbatchError
from exrbatch.exr.compression import Compression
from exrbatch.exr.reader import open_exr
from exrbatch.jobs.file_report import FileReport, Status, failed
from exrbatch.jobs.measure_job import MeasureRules

LOOKED_AT = 3
"""So many times the sample's size are packed once, to know their grain, before the sample is chosen."""
TRIES = 3
"""Frames of a sequence that are tried until one is sound."""
GRAINY = 0.3
"""Packed as ZIP, film grain leaves more than this of the raw bytes; clean renders leave 0.02 to 0.2."""


@dataclass(frozen=True, slots=True)
class SampleFile:
    """One file of the sample.

    `content`: its class; `sha256`: of its bytes; `raw_size`: bytes of its raw chunks. `weight`: how many
    times its bytes it stands for.
    """

    path: str
    content: str
    size: int
    raw_size: int
    sha256: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class ContentClass:
    """How many of the files, and of their bytes, are about of one class."""

    name: str
    files: int
    size: int


@dataclass(slots=True)
class Sample:
    """What was found, and what was chosen.

    `found`: all files below the paths; `looked_at`: those that were packed to know their class. `failures`: what can't
    be measured, and `skipped`: what no run would take, among those. `seconds_per_byte`: CPU time of ZIP per raw byte,
    on this machine.
    """

    found: int = 0
    looked_at: int = 0
    classes: list[ContentClass] = field(default_factory=list)
    files: list[SampleFile] = field(default_factory=list)
    failures: list[FileReport] = field(default_factory=list)
    skipped: list[FileReport] = field(default_factory=list)
    seconds_per_byte: float = 0.0


@dataclass(slots=True)
class _Sequence:
    """Frames that belong together, or a piece of them; one stands for them.

    `kind`: what it holds. `files`, `stands_for`: how many files, and bytes, it stands for.
    """

    candidates: list[Candidate] = field(default_factory=list)
    tries: int = 0
    kind: str = ""
    files: float = 0.0
    stands_for: float = 0.0

    @property
    def frame(self) -> Candidate:
        """The middle one; the next one with each try."""
        return self.candidates[(len(self.candidates) // 2 + self.tries) % len(self.candidates)]

    @property
    def size(self) -> int:
        return sum(candidate.size for candidate in self.candidates)


def take_sample(paths: Sequence[str], size: int, selection: Selection, jobs: int) -> Sample:
    """Choose `size` files, or fewer if there are not so many; packs up to three times as many once.

    Raises `RunStopped` if workers keep dying.
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
    for sequence, report in _looks(looked, jobs, sample):
        assert report.measurement is not None, "only those that were measured"
        grain = "grainy" if report.measurement.new_size > GRAINY * report.measurement.raw_size else "clean"
        classes.setdefault(f"{sequence.kind}, {grain}", []).append((sequence, report))
    _choose(sample, classes, size)
    return sample


def _describe(sequence: _Sequence, sample: Sample) -> bool:
    """Find out what a sequence holds, by the first frame of a few that has a sound header."""
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
    """Let those that are looked at stand for all of their kind."""
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
    """Find all files, and put the frames of each sequence together."""
    import fileseq  # a tenth of a second that others should not pay

    found: dict[tuple[str, ...], _Sequence] = {}
    for each in discover(paths, None, selection, sweep=False):
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
        except fileseq.FileSeqException:  # a name like no other stands for itself
            pass
        found.setdefault(key, _Sequence()).candidates.append(each)
    return list(found.values())


def _divided(sequences: list[_Sequence], size: int) -> list[_Sequence]:
    """Cut sequences into pieces where there are fewer than the sample has files: a shot changes as it goes."""
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
    """Take `count` sequences: in turn from each kind, that with most bytes first, and evenly spread in a kind."""
    ordered = sorted(kinds, key=lambda kind: -sum(sequence.size for sequence in kinds[kind]))
    shares = dict.fromkeys(ordered, 0)
    while sum(shares.values()) < count and any(shares[kind] < len(kinds[kind]) for kind in ordered):
        for kind in ordered:
            if shares[kind] < len(kinds[kind]) and sum(shares.values()) < count:
                shares[kind] += 1
    for kind, share in shares.items():
        yield from (kinds[kind][(2 * place + 1) * len(kinds[kind]) // (2 * share)] for place in range(share))


def _looks(sequences: list[_Sequence], jobs: int, sample: Sample) -> Iterator[tuple[_Sequence, FileReport]]:
    """Pack a frame of each sequence once, as ZIP, in workers; another frame where one can't be."""
    options = Options(rules=MeasureRules(compression=Compression.ZIP), jobs=jobs)
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
    """Fill in the sample's files and classes."""
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
    costs = [report.measurement for _, report in reports.values() if report.measurement is not None]
    raw_total = sum(cost.raw_size for cost in costs)
    sample.seconds_per_byte = sum(cost.cpu_seconds for cost in costs) / raw_total if raw_total else 0.0


def _failed(candidate: Candidate, error: Exception) -> FileReport:
    reason = f"can't read it: {error.strerror}" if isinstance(error, OSError) else str(error)
    return failed(Options().job(candidate), reason, candidate.size)


def _sha256(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
