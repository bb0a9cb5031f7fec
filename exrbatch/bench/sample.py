"""The user's files -> a small sample with every kind of content in it.

Files fall into content classes by what their headers say and by how grainy they are; the middle frame of a sequence,
or of a piece of it, stands for it. Headers are read here; pixels only in workers, as any of the files may be damaged.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from exrbatch.batch.candidate import Candidate
from exrbatch.batch.discover import Selection, discover
from exrbatch.batch.options import Options
from exrbatch.batch.run import Run
from exrbatch.errors import ExrbatchError
from exrbatch.exr.compression import Compression
from exrbatch.exr.header import Header
from exrbatch.exr.part import LevelMode, Part, Storage
from exrbatch.exr.reader import open_exr
from exrbatch.file.plan import Task
from exrbatch.file.report import FileReport, Status, failed

DEFAULT_SIZE = 12
"""Files in a sample, if the user does not say."""
LOOKED_AT = 3
"""So many times the sample's size are packed once, to know their grain, before the sample is chosen."""
GRAINY = 0.3
"""Packed as ZIP, film grain leaves more than this of the raw bytes; clean renders leave 0.02 to 0.2."""
COLOUR_ORDER = "RGBAYXZ"
_STORAGE_WORDS = {
    Storage.SCAN_LINE: "scan lines",
    Storage.TILED: "tiles",
    Storage.DEEP_SCAN_LINE: "deep scan lines",
    Storage.DEEP_TILED: "deep tiles",
}


@dataclass(frozen=True, slots=True)
class SampleFile:
    """One file of the sample. `content`: its class; `sha256`: of its bytes; `raw_size`: bytes of its raw chunks."""

    path: str
    content: str
    size: int
    raw_size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ContentClass:
    """Files and bytes of the sequences that were found to be of one class."""

    name: str
    files: int
    size: int


@dataclass(slots=True)
class Sample:
    """What was found, and what was chosen.

    `found`: all files below the paths; `looked_at`: those that were packed to know their class; `failures`: those that
    can't be measured, among what was looked at. `seconds_per_byte`: CPU time of ZIP per raw byte, on this machine.
    """

    found: int = 0
    looked_at: int = 0
    classes: list[ContentClass] = field(default_factory=list)
    files: list[SampleFile] = field(default_factory=list)
    failures: list[FileReport] = field(default_factory=list)
    seconds_per_byte: float = 0.0


@dataclass(slots=True)
class _Sequence:
    """Frames that belong together, or a piece of them; the middle one stands for them."""

    candidates: list[Candidate] = field(default_factory=list)

    @property
    def middle(self) -> Candidate:
        return self.candidates[len(self.candidates) // 2]

    @property
    def size(self) -> int:
        return sum(candidate.size for candidate in self.candidates)


def take_sample(paths: Sequence[str], size: int, selection: Selection, jobs: int) -> Sample:
    """Choose `size` files, or fewer if there are not so many sequences; packs up to three times as many once."""
    sample = Sample()
    sequences = _divided(_sequences(paths, selection, sample), size)
    kinds: dict[str, list[_Sequence]] = {}
    for sequence in sequences:
        try:
            with open_exr(sequence.middle.path) as file:
                kinds.setdefault(describe(file.header), []).append(sequence)
        except (ExrbatchError, OSError) as error:
            sample.failures.append(_failed(sequence.middle, error))
    looked = {each.middle.path: (kind, each) for kind, each in _spread(kinds, LOOKED_AT * size)}
    sample.looked_at = len(looked)
    classes: dict[str, list[tuple[_Sequence, FileReport]]] = {}
    for report in _looks(list(looked), jobs):
        measured = report.measurement
        if measured is None:
            sample.failures.append(report)
            continue
        kind, sequence = looked[report.path]
        grain = "grainy" if measured.new_size > GRAINY * measured.raw_size else "clean"
        classes.setdefault(f"{kind}, {grain}", []).append((sequence, report))
    _choose(sample, classes, size)
    return sample


def describe(header: Header) -> str:
    """Name storage, channels and pixel types of a file in a few words."""
    parts = header.parts
    words = list(dict.fromkeys(_kind(part) for part in parts))
    several = f"{len(parts)} parts, " if len(parts) > 1 else ""
    return several + "; ".join(words[:2]) + ("; ..." if len(words) > 2 else "")


def _kind(part: Part) -> str:
    storage = _STORAGE_WORDS[part.storage]
    if part.tiles is not None and part.tiles.level_mode is not LevelMode.ONE_LEVEL:
        storage = f"{'mip' if part.tiles.level_mode is LevelMode.MIPMAP_LEVELS else 'rip'} {storage}"
    names = sorted((channel.name for channel in part.channels), key=lambda name: (_colour_place(name), name))
    listed = "".join(names) if all(map(_is_colour, names)) else ",".join(names)
    shown = listed if len(names) <= 4 and len(listed) <= 12 else f"{len(names)} channels"
    types = "+".join(sorted({channel.pixel_type.name.lower() for channel in part.channels}))
    sampled = any((channel.x_sampling, channel.y_sampling) != (1, 1) for channel in part.channels)
    return f"{storage}, {shown} {types}{' subsampled' if sampled else ''}"


def _is_colour(name: str) -> bool:
    return len(name) == 1 and name in COLOUR_ORDER


def _colour_place(name: str) -> int:
    return COLOUR_ORDER.index(name) if _is_colour(name) else len(COLOUR_ORDER)


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
    pieces = -(-size // max(1, len(sequences)))
    return [
        _Sequence([sequence.candidates[index] for index in piece.tolist()])
        for sequence in sequences
        for piece in np.array_split(np.arange(len(sequence.candidates)), pieces)
        if len(piece)
    ]


def _spread(kinds: dict[str, list[_Sequence]], count: int) -> Iterator[tuple[str, _Sequence]]:
    """Take `count` sequences: in turn from each kind, that with most bytes first, and evenly spread in a kind."""
    ordered = sorted(kinds, key=lambda kind: -sum(sequence.size for sequence in kinds[kind]))
    shares = dict.fromkeys(ordered, 0)
    while sum(shares.values()) < count and any(shares[kind] < len(kinds[kind]) for kind in ordered):
        for kind in ordered:
            if shares[kind] < len(kinds[kind]) and sum(shares.values()) < count:
                shares[kind] += 1
    for kind, share in shares.items():
        places = np.linspace(0, len(kinds[kind]) - 1, share + 2)[1:-1] if share < len(kinds[kind]) else range(share)
        yield from ((kind, kinds[kind][round(place)]) for place in places)


def _looks(paths: list[str], jobs: int) -> Iterable[FileReport]:
    """Pack each file once, as ZIP, in workers."""
    if not paths:
        return []
    options = Options(
        task=Task.MEASURE, compression=Compression.ZIP, include_lossy_sources=True, allow_aces=True, jobs=jobs
    )
    return Run(paths, options).reports()


def _choose(sample: Sample, classes: dict[str, list[tuple[_Sequence, FileReport]]], size: int) -> None:
    """Fill in the sample's files and classes."""
    for members in classes.values():
        members.sort(key=lambda member: member[1].path)
    reports = {id(sequence): report for members in classes.values() for sequence, report in members}
    chosen = _spread({name: [sequence for sequence, _ in members] for name, members in classes.items()}, size)
    for name, sequence in chosen:
        report = reports[id(sequence)]
        assert report.measurement is not None, "only what was measured is in a class"
        raw_size = report.measurement.raw_size
        try:
            sample.files.append(SampleFile(report.path, name, report.size_before, raw_size, _sha256(report.path)))
        except OSError as error:
            sample.failures.append(_failed(sequence.middle, error))
    for name, members in sorted(classes.items()):
        files = sum(len(sequence.candidates) for sequence, _ in members)
        sample.classes.append(ContentClass(name, files, sum(sequence.size for sequence, _ in members)))
    costs = [report.measurement for report in reports.values() if report.measurement is not None]
    raw_size = sum(cost.raw_size for cost in costs)
    sample.seconds_per_byte = sum(cost.cpu_seconds for cost in costs) / raw_size if raw_size else 0.0


def _failed(candidate: Candidate, error: Exception) -> FileReport:
    return failed(Options(compression=Compression.ZIP).plan(candidate), str(error), candidate.size)


def _sha256(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
