"""What a plan means for one file, once its header is known: which compressions, or why none."""

from dataclasses import dataclass

from exrbatch.errors import UnsupportedFile
from exrbatch.exr.chunks import chunk_count
from exrbatch.exr.compression import MAX_CHUNKS_PER_PART, NEAREST_DEEP, Compression, release_number
from exrbatch.exr.header import Header
from exrbatch.exr.part import Part
from exrbatch.recompression.choices import Permissions

ACES_FLAG = "acesImageContainerFlag"
"""SMPTE ST 2065-4 forbids compression in files that carry this attribute."""


MAX_SAMPLED_WIDTH = 1 << 18
"""Pixels. The library takes memory for every pixel of a window, also where the channels have few samples."""
MAX_JPEG_CHANNELS = 1024
"""The library's JPEG 2000 takes time by the square of the channels: 0.1 s for 1,000, minutes for 32,767."""


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


def check_source(header: Header, allowed: Permissions) -> None:
    """Raise `UnsupportedFile` for a file that should be left alone unless the user says otherwise."""
    for part in header.parts:
        if part.find(ACES_FLAG) is not None and not allowed.allow_aces:
            raise UnsupportedFile("an ACES container, which must not be compressed (--allow-aces does it all the same)")
        _check_library(part, part.compression)
        lossy = part.compression.lossy_channels(part.channels)
        if lossy and not allowed.include_lossy_sources:
            raise UnsupportedFile(
                f"a lossy source: {part.compression.name} has changed {_listed(lossy)}, and packed without loss it"
                " usually grows (--include-lossy-sources takes it)"
            )


def check_targets(header: Header, targets: Targets, allowed: Permissions) -> None:
    """Raise `UnsupportedFile` for a target that would change samples or that OpenEXR could not read."""
    for part, target, lossy in zip(header.parts, targets.compressions, targets.lossy_channels, strict=True):
        if lossy and not allowed.allow_lossy:
            raise UnsupportedFile(f"part {part.index}: {target.name} would change {_listed(lossy)} (--allow-lossy)")
        if impossible := target.impossible_channels(part.channels):
            raise UnsupportedFile(
                f"part {part.index}: {target.name} can't hold {_listed(impossible)}: sampled by no power of 2,"
                " or by more than the lines of a chunk"
            )
        _check_library(part, target)
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
        and not (compression.facts.in_library and beyond_library(part, compression))
        and chunk_count(part, compression) <= MAX_CHUNKS_PER_PART
    ]


def _check_library(part: Part, compression: Compression) -> None:
    if compression.facts.in_library and (reason := beyond_library(part, compression)):
        raise UnsupportedFile(f"part {part.index}: {reason}; {compression.name} needs the OpenEXR library")


def beyond_library(part: Part, compression: Compression) -> str | None:
    """Say why the OpenEXR library, or its module for Python, can't be given a part; None if it can."""
    strange = [channel.name for channel in part.channels if not channel.name.isprintable()]
    if strange:
        return f"{_listed(strange)}: names that are not printable UTF-8 are not passed to OpenEXR's Python module"
    is_sampled = any((channel.x_sampling, channel.y_sampling) != (1, 1) for channel in part.channels)
    if is_sampled and part.data_window.width > MAX_SAMPLED_WIDTH:
        width = part.data_window.width
        return f"its subsampled channels lie in a window {width} pixels wide, for all of which it takes memory"
    if compression.facts.binary_sampling and len(part.channels) > MAX_JPEG_CHANNELS:
        return f"{len(part.channels)} channels, for which its JPEG 2000 takes minutes"
    return None


def _lossy(header: Header, compressions: list[Compression]) -> tuple[tuple[str, ...], ...]:
    pairs = zip(header.parts, compressions, strict=True)
    return tuple(tuple(target.lossy_channels(part.channels)) for part, target in pairs)


def _listed(names: list[str] | tuple[str, ...]) -> str:
    shown = ", ".join(names[:6])
    return f"channel{'s' * (len(names) != 1)} {shown}" + (f" and {len(names) - 6} more" if len(names) > 6 else "")
