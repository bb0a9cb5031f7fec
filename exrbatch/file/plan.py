"""What is to be done with one file, and what that means once its header is known."""

from dataclasses import dataclass

from exrbatch.codecs.effort import Effort
from exrbatch.errors import UnsupportedFile
from exrbatch.exr.chunks import chunk_count
from exrbatch.exr.compression import MAX_CHUNKS_PER_PART, NEAREST_DEEP, SUPPORTED, Compression
from exrbatch.exr.header import Header


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePlan:
    """One job: plain values only, so that it can cross to any process.

    `destination` is None for a replacement in place. `force`: keep the new file even if it is not smaller,
    and write over an existing destination. `dry_run`: decide, but write nothing.
    """

    source: str
    destination: str | None = None
    compression: Compression = Compression.ZIP
    effort: Effort = Effort.BALANCED
    force: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Targets:
    """The compression that each part will have; `notes` tells where it is not the one asked for."""

    compressions: tuple[Compression, ...]
    notes: tuple[str, ...]


def choose_targets(header: Header, wanted: Compression) -> Targets:
    """Ask the table of compressions what each part can have. Raises `UnsupportedFile` with the reason."""
    compressions, notes = [], []
    for part in header.parts:
        target = wanted
        if part.storage.is_deep and not wanted.facts.deep:
            target = NEAREST_DEEP[wanted]
            notes.append(f"part {part.index}: {target.name}, as deep data can't have {wanted.name}")
        for compression in (part.compression, target):
            if compression not in SUPPORTED:
                raise UnsupportedFile(f"part {part.index} is compressed as {compression.name}: not supported yet")
        count = chunk_count(part, target)
        if count > MAX_CHUNKS_PER_PART:
            raise UnsupportedFile(
                f"part {part.index} would have {count} chunks as {target.name};"
                f" OpenEXR reads at most {MAX_CHUNKS_PER_PART}"
            )
        compressions.append(target)
    return Targets(tuple(compressions), tuple(notes))
