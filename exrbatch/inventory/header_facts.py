"""What the header of a file says, in short, and whether its chunk tables are complete."""

import struct
from dataclasses import dataclass

import numpy as np

from exrbatch.bench.content import describe, storage_of
from exrbatch.errors import CorruptChunk, ExrbatchError, InvalidFile
from exrbatch.exr.damage import Findings
from exrbatch.exr.header import Header
from exrbatch.exr.reader import ExrFile, open_exr
from exrbatch.exr.survey import check_chunk_counts
from exrbatch.jobs.check_job import CheckJob
from exrbatch.jobs.file_report import FileReport
from exrbatch.recompression.targets import ACES_FLAG
from exrbatch.text import safe_text


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderFacts:
    """What a header says. Two frames of a sequence usually have the same.

    Attributes:
        compressions: name of each part's compression.
        storage: how each part stores its pixels: "scan lines", "mip tiles", "deep tiles" and so on.
        channels: names of the channels of all parts, each name once. They are safe to print.
        pixel_types: names of the pixel types of all parts, each type once.
        content: storage, channels and pixel types in a few words.
        width: width of the display window in pixels; 0 if the header has none.
        height: its height in pixels; 0 if the header has none.
        lossy_channels: names of the channels whose samples the compression has changed. A run
            skips such files.
        is_aces: whether it is an ACES container, which a run skips.
    """

    compressions: tuple[str, ...]
    storage: tuple[str, ...]
    channels: tuple[str, ...]
    pixel_types: tuple[str, ...]
    content: str
    width: int
    height: int
    lossy_channels: tuple[str, ...] = ()
    is_aces: bool = False

    @classmethod
    def of(cls, header: Header) -> "HeaderFacts":
        """Collect the facts of a header."""
        parts = header.parts
        channels = [channel for part in parts for channel in part.channels]
        lossy = [name for part in parts for name in part.compression.lossy_channels(part.channels)]
        width, height = _display_size(header)
        return cls(
            compressions=tuple(part.compression.name for part in parts),
            storage=tuple(storage_of(part) for part in parts),
            channels=tuple(dict.fromkeys(safe_text(channel.name) for channel in channels)),
            pixel_types=tuple(dict.fromkeys(channel.pixel_type.name.lower() for channel in channels)),
            content=describe(header),
            width=width,
            height=height,
            lossy_channels=tuple(dict.fromkeys(map(safe_text, lossy))),
            is_aces=any(part.find(ACES_FLAG) is not None for part in parts),
        )

    def to_json(self) -> dict[str, object]:
        """Return the facts as plain values that can be written as JSON."""
        return {
            "compressions": list(self.compressions),
            "storage": list(self.storage),
            "channels": list(self.channels),
            "pixel_types": list(self.pixel_types),
            "content": self.content,
            "width": self.width,
            "height": self.height,
            "lossy_channels": list(self.lossy_channels),
            "aces": self.is_aces,
        }


def read_header(path: str, *, with_tables: bool = False) -> HeaderFacts | FileReport:
    """Read the header of a file. No pixels are read.

    Args:
        path: the file. If it is a named pipe, it is not waited for.
        with_tables: also check that the chunk tables lead to every chunk.

    Returns:
        The facts, or why the file has none: the report has the status FAILED for a damaged or
        unreadable file, and SKIPPED for one that can't be processed, was removed, or is being
        written.
    """
    try:
        with open_exr(path) as file:
            facts = HeaderFacts.of(file.header)
            if with_tables:
                _check_tables(file)
            return facts
    except (ExrbatchError, OSError, MemoryError) as error:
        return CheckJob(source=path).outcome(error)


def _check_tables(file: ExrFile) -> None:
    """Check the chunk tables.

    Raises:
        InvalidFile: a chunk is missing, or a table leads to the wrong place.
        UnsupportedFile: a chunk is too large.
    """
    count = sum(file.counts)
    entries = np.frombuffer(file.read(len(file.header.raw), 8 * count), "<u8")
    if missing := int((entries == 0).sum()):
        raise InvalidFile(f"incomplete: {missing} of {count} chunks were not written")
    findings = Findings()
    check_chunk_counts(file, findings)
    if findings.listed:
        raise CorruptChunk(str(findings.listed[0]))
    file.parts  # noqa: B018  this reads and checks the offset tables


def _display_size(header: Header) -> tuple[int, int]:
    """Return width and height of the display window in pixels."""
    attribute = header.parts[0].find("displayWindow")
    if attribute is None or len(attribute.value) != 16:
        return 0, 0
    x_min, y_min, x_max, y_max = struct.unpack("<4i", attribute.value)
    return x_max - x_min + 1, y_max - y_min + 1
