"""What is to be done with one file, and what that means once its header is known."""

import enum
from dataclasses import dataclass

from exrbatch.codecs.effort import Effort
from exrbatch.errors import UnsupportedFile
from exrbatch.exr.chunks import chunk_count
from exrbatch.exr.compression import MAX_CHUNKS_PER_PART, NEAREST_DEEP, Compression, release_number
from exrbatch.exr.header import Header
from exrbatch.exr.part import Part

READERS = ("2.2", "3.4", "3.5")
"""OpenEXR releases after which new compressions came: what a user may name as the oldest reader."""
DEFAULT_READERS = READERS[0]
"""The OpenEXR release that every reader in use has at least, as far as the user did not say otherwise."""
ACES_FLAG = "acesImageContainerFlag"
"""SMPTE ST 2065-4 forbids compression in files that carry this attribute."""


class Prefer(enum.StrEnum):
    """What an automatic choice looks for: the smallest file, or the most bytes saved per CPU second."""

    SIZE = "size"
    SPEED = "speed"


class Verify(enum.StrEnum):
    """Who unpacks the new file to prove it.

    LIBRARY: OpenEXR, but for deep data; NATIVE: our own codecs, where there is one; NONE: nobody.
    """

    LIBRARY = "library"
    NATIVE = "native"
    NONE = "none"


class Task(enum.StrEnum):
    """What to do with a file.

    COMPARE: only with the file at the destination. MEASURE: pack and unpack it in memory, and write nothing.
    """

    RECOMPRESS = "recompress"
    COMPARE = "compare"
    MEASURE = "measure"


class Hardlinks(enum.StrEnum):
    """What to do with a file that has several names.

    SKIP: leave it alone; BREAK: replace the name that was found, the others keep the old file; RELINK: replace all,
    if all are found.
    """

    SKIP = "skip"
    BREAK = "break"
    RELINK = "relink"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What holds for every file of a run; plain values only.

    `compression` is None for an automatic choice, which then goes by `prefer` among those that the OpenEXR release
    `readers` can read. `force`: keep the new file even if it is not smaller, and write over an existing
    destination. `dry_run`: decide, but write nothing. `allow_lossy`: let a target change samples;
    `include_lossy_sources`: take files whose compression has done so; `allow_aces`: take ACES containers.
    `verify_cold`: read the new file from the disk, not from the page cache, to verify it. `keep_backups`: of the files
    that have a place for one.
    """

    task: Task = Task.RECOMPRESS
    compression: Compression | None = Compression.ZIP
    prefer: Prefer = Prefer.SIZE
    readers: str = DEFAULT_READERS
    effort: Effort = Effort.BALANCED
    force: bool = False
    dry_run: bool = False
    allow_lossy: bool = False
    include_lossy_sources: bool = False
    allow_aces: bool = False
    verify: Verify = Verify.LIBRARY
    verify_cold: bool = False
    hardlinks: Hardlinks = Hardlinks.SKIP
    keep_backups: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePlan(Rules):
    """One job, which can cross to any process.

    `destination` is None for a replacement in place. `backup`: where to keep the original meanwhile. `twins`: its
    other names, hard links to it. `workers`: how many files may be in work at once, on the same disk.
    `threads`: how many may pack this one.
    """

    source: str
    destination: str | None = None
    backup: str | None = None
    twins: tuple[str, ...] = ()
    workers: int = 1
    threads: int = 1


@dataclass(frozen=True, slots=True)
class Targets:
    """The compression that each part will have.

    `notes` tells where it is not the one asked for. `trials`: for an automatic choice and each part, the packed
    size over the raw size of the sample, by compression. `lossy_channels`: those whose samples will change, by part.
    """

    compressions: tuple[Compression, ...]
    notes: tuple[str, ...] = ()
    trials: tuple[dict[str, float], ...] = ()
    lossy_channels: tuple[tuple[str, ...], ...] = ()


def choose_targets(header: Header, wanted: Compression) -> Targets:
    """Ask the table of compressions what each part can have."""
    compressions, notes = [], []
    for part in header.parts:
        target = NEAREST_DEEP[wanted] if part.storage.is_deep else wanted
        if target is not wanted:
            notes.append(f"part {part.index}: {target.name}, as deep data can't have {wanted.name}")
        compressions.append(target)
    return Targets(tuple(compressions), tuple(notes), lossy_channels=_lossy(header, compressions))


def check_source(header: Header, plan: FilePlan) -> None:
    """Raise `UnsupportedFile` for a file that should be left alone unless the user says otherwise."""
    for part in header.parts:
        if part.find(ACES_FLAG) is not None and not plan.allow_aces:
            raise UnsupportedFile("an ACES container, which must not be compressed (--allow-aces does it all the same)")
        _check_names(part, part.compression)
        lossy = part.compression.lossy_channels(part.channels)
        if lossy and not plan.include_lossy_sources:
            raise UnsupportedFile(
                f"a lossy source: {part.compression.name} has changed {_listed(lossy)}, and packed without loss it"
                " usually grows (--include-lossy-sources takes it)"
            )


def check_targets(header: Header, targets: Targets, plan: FilePlan) -> None:
    """Raise `UnsupportedFile` for a target that would change samples or that OpenEXR could not read."""
    for part, target, lossy in zip(header.parts, targets.compressions, targets.lossy_channels, strict=True):
        if lossy and not plan.allow_lossy:
            raise UnsupportedFile(f"part {part.index}: {target.name} would change {_listed(lossy)} (--allow-lossy)")
        if impossible := target.impossible_channels(part.channels):
            raise UnsupportedFile(
                f"part {part.index}: {target.name} can't hold {_listed(impossible)}: sampled by no power of 2,"
                " or by more than the lines of a chunk"
            )
        _check_names(part, target)
        count = chunk_count(part, target)
        if count > MAX_CHUNKS_PER_PART:
            raise UnsupportedFile(
                f"part {part.index} would have {count} chunks as {target.name};"
                f" OpenEXR reads at most {MAX_CHUNKS_PER_PART}"
            )


def exact_compressions(part: Part, readers: str) -> list[Compression]:
    """List what keeps every bit of a part and what readers of that OpenEXR release can read."""
    return [
        compression
        for compression in Compression
        if release_number(compression.facts.first_release) <= release_number(readers)
        and (compression.facts.deep or not part.storage.is_deep)
        and not compression.lossy_channels(part.channels)
        and not compression.impossible_channels(part.channels)
        and not (compression.facts.in_library and strange_names(part))
        and chunk_count(part, compression) <= MAX_CHUNKS_PER_PART
    ]


def _check_names(part: Part, compression: Compression) -> None:
    if compression.facts.in_library and (names := strange_names(part)):
        raise UnsupportedFile(
            f"part {part.index}: {_listed(names)} not named in UTF-8; the OpenEXR module for Python, which"
            f" {compression.name} needs, can't handle that"
        )


def strange_names(part: Part) -> list[str]:
    """List the channels whose names are not UTF-8 (their bytes are kept as surrogates): the library can't have them."""
    return [channel.name for channel in part.channels if not channel.name.isprintable()]


def _lossy(header: Header, compressions: list[Compression]) -> tuple[tuple[str, ...], ...]:
    pairs = zip(header.parts, compressions, strict=True)
    return tuple(tuple(target.lossy_channels(part.channels)) for part, target in pairs)


def _listed(names: list[str] | tuple[str, ...]) -> str:
    shown = ", ".join(names[:6])
    return f"channel{'s' * (len(names) != 1)} {shown}" + (f" and {len(names) - 6} more" if len(names) > 6 else "")
