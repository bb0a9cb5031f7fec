"""Decide which compression each part of a file will have, or why the file can't have it."""

from dataclasses import dataclass

from exrbatch.errors import ReasonCode, UnsupportedFile
from exrbatch.exr.chunks import chunk_count
from exrbatch.exr.compression import MAX_CHUNKS_PER_PART, NEAREST_DEEP, Compression, release_number
from exrbatch.exr.header import Header
from exrbatch.exr.part import Part
from exrbatch.recompression.choices import LOSSY_SOURCE, LOSSY_SOURCE_HINT, Permissions

ACES_FLAG = "acesImageContainerFlag"
"""SMPTE ST 2065-4 forbids compression in files that carry this attribute."""


MAX_SAMPLED_WIDTH = 1 << 18
"""Maximum width in pixels of a data window with subsampled channels.

The library allocates memory for every pixel of a window, even if channels are subsampled.
"""
MAX_JPEG_CHANNELS = 1024
"""Maximum number of channels for JPEG 2000.

The library needs time proportional to the square of the number of channels. It takes 0.1 s for
1,000 channels, and minutes for 32,767.
"""


@dataclass(frozen=True, slots=True)
class Targets:
    """The compression that each part will have.

    Attributes:
        compressions: the compression of each part.
        notes: messages for the user about parts that will not have the compression asked for.
        trials: for an automatic choice, the result for each part: for each compression, by name,
            the compressed size of the sample divided by its raw size.
        lossy_channels: for each part, names of the channels whose samples will change.
    """

    compressions: tuple[Compression, ...]
    notes: tuple[str, ...] = ()
    trials: tuple[dict[str, float], ...] = ()
    lossy_channels: tuple[tuple[str, ...], ...] = ()


def choose_targets(header: Header, wanted: Compression) -> Targets:
    """Choose the wanted compression for flat parts, and the nearest allowed one for deep parts."""
    compressions, notes = [], []
    for part in header.parts:
        target = NEAREST_DEEP[wanted] if part.storage.is_deep else wanted
        if target is not wanted:
            notes.append(f"part {part.index}: {target.name}, because deep data can't be compressed with {wanted.name}")
        compressions.append(target)
    return Targets(tuple(compressions), tuple(notes), lossy_channels=_lossy(header, compressions))


def check_source(header: Header, allowed: Permissions) -> None:
    """Check that a file may be processed.

    Raises:
        UnsupportedFile: the file should be left alone, unless the user permits more, or it needs
            the OpenEXR library, which can't read it.
    """
    for part in header.parts:
        if part.find(ACES_FLAG) is not None and not allowed.allow_aces:
            reason = "an ACES container, which must not be compressed (--allow-aces compresses it anyway)"
            raise UnsupportedFile(reason, code=ReasonCode.ACES)
        _check_library(part, part.compression)
        lossy = part.compression.lossy_channels(part.channels)
        if lossy and not allowed.include_lossy_sources:
            raise UnsupportedFile(
                f"{LOSSY_SOURCE}: {part.compression.name} has changed {_listed(lossy)}; {LOSSY_SOURCE_HINT}",
                code=ReasonCode.LOSSY_SOURCE,
            )


def check_targets(header: Header, targets: Targets, allowed: Permissions) -> None:
    """Check that a file may have the chosen compressions.

    Raises:
        UnsupportedFile: a compression would change samples, can't compress a channel, or would give
            chunks that OpenEXR can't read.
    """
    for part, target, lossy in zip(header.parts, targets.compressions, targets.lossy_channels, strict=True):
        if lossy and not allowed.allow_lossy:
            reason = f"part {part.index}: {target.name} would change {_listed(lossy)} (--allow-lossy)"
            raise UnsupportedFile(reason, code=ReasonCode.LOSSY_TARGET)
        if impossible := target.impossible_channels(part.channels):
            raise UnsupportedFile(
                f"part {part.index}: {target.name} can't compress {_listed(impossible)}: the sampling is not a power"
                " of 2, or is too large"
            )
        _check_library(part, target)
        count = chunk_count(part, target)
        if count > MAX_CHUNKS_PER_PART:
            raise UnsupportedFile(
                f"part {part.index} would have {count} chunks as {target.name};"
                f" OpenEXR reads at most {MAX_CHUNKS_PER_PART}"
            )


def exact_compressions(part: Part, readers: str) -> list[Compression]:
    """List the compressions that keep every bit of a part and that the readers can read.

    Args:
        part: the part.
        readers: oldest OpenEXR release that must be able to read the part.
    """
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
    """Return why the OpenEXR library or its Python module can't process a part; None if it can."""
    strange = [channel.name for channel in part.channels if not channel.name.isprintable()]
    if strange:
        return f"OpenEXR's Python module can't handle names that are not printable UTF-8 ({_listed(strange)})"
    if part.is_subsampled and part.data_window.width > MAX_SAMPLED_WIDTH:
        width = part.data_window.width
        return (
            f"its subsampled channels lie in a window {width} pixels wide; OpenEXR would allocate memory for all of it"
        )
    if compression.facts.binary_sampling and len(part.channels) > MAX_JPEG_CHANNELS:
        return f"it has {len(part.channels)} channels, for which OpenEXR's JPEG 2000 takes minutes"
    return None


def _lossy(header: Header, compressions: list[Compression]) -> tuple[tuple[str, ...], ...]:
    pairs = zip(header.parts, compressions, strict=True)
    return tuple(tuple(target.lossy_channels(part.channels)) for part, target in pairs)


def _listed(names: list[str] | tuple[str, ...]) -> str:
    shown = ", ".join(names[:6])
    return f"channel{'s' * (len(names) != 1)} {shown}" + (f" and {len(names) - 6} more" if len(names) > 6 else "")
