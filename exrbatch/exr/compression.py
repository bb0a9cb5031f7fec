"""The table of OpenEXR compressions: every fact about a compression stands here and nowhere else.

Source: OpenEXR 3.5 (`ImfCompression.h`, release notes); chunk heights and deep legality were checked
against files that the 3.5.3 library wrote.
"""

import enum
from dataclasses import dataclass


class Compression(enum.IntEnum):
    """The value of the header's `compression` attribute."""

    NONE = 0
    RLE = 1
    ZIPS = 2
    ZIP = 3
    PIZ = 4
    PXR24 = 5
    B44 = 6
    B44A = 7
    DWAA = 8
    DWAB = 9
    HTJ2K256 = 10
    HTJ2K32 = 11
    LJ2K = 12
    ZSTD = 13

    @property
    def facts(self) -> "CompressionFacts":
        """The row of the table for this compression."""
        return FACTS[self]


@dataclass(frozen=True, slots=True, kw_only=True)
class CompressionFacts:
    """What the format says about one compression.

    `lines_per_chunk` holds for scan line parts; a tile is always one chunk. `max_ratio` bounds how many
    raw bytes one packed byte can stand for: a chunk that claims more is damaged or hostile, and is
    refused before anything is allocated for it. 0 stands for no known bound.
    """

    lines_per_chunk: int
    deep: bool
    first_release: str
    max_ratio: int = 0


# RLE: a token of two bytes makes at most 128. Deflate: 1032 to 1 (RFC 1951, a match of 258 bytes in 2 bits).
FACTS: dict[Compression, CompressionFacts] = {
    Compression.NONE: CompressionFacts(lines_per_chunk=1, deep=True, first_release="1.0", max_ratio=1),
    Compression.RLE: CompressionFacts(lines_per_chunk=1, deep=True, first_release="1.0", max_ratio=64),
    Compression.ZIPS: CompressionFacts(lines_per_chunk=1, deep=True, first_release="1.0", max_ratio=1032),
    Compression.ZIP: CompressionFacts(lines_per_chunk=16, deep=False, first_release="1.0", max_ratio=1032),
    Compression.PIZ: CompressionFacts(lines_per_chunk=32, deep=False, first_release="1.0"),
    Compression.PXR24: CompressionFacts(lines_per_chunk=16, deep=False, first_release="1.1.1"),
    Compression.B44: CompressionFacts(lines_per_chunk=32, deep=False, first_release="1.5"),
    Compression.B44A: CompressionFacts(lines_per_chunk=32, deep=False, first_release="1.6"),
    Compression.DWAA: CompressionFacts(lines_per_chunk=32, deep=False, first_release="2.2"),
    Compression.DWAB: CompressionFacts(lines_per_chunk=256, deep=False, first_release="2.2"),
    Compression.HTJ2K256: CompressionFacts(lines_per_chunk=256, deep=False, first_release="3.4"),
    Compression.HTJ2K32: CompressionFacts(lines_per_chunk=32, deep=False, first_release="3.4"),
    Compression.LJ2K: CompressionFacts(lines_per_chunk=256, deep=False, first_release="3.5"),
    Compression.ZSTD: CompressionFacts(lines_per_chunk=1, deep=True, first_release="3.5"),
}

SUPPORTED = (Compression.NONE, Compression.RLE, Compression.ZIPS, Compression.ZIP)
"""Those that there are codecs for; files in the others are skipped."""

NEAREST_DEEP: dict[Compression, Compression] = {Compression.ZIP: Compression.ZIPS}
"""For a compression that deep data can't have: the legal one that packs in the same way."""

MAX_CHUNKS_PER_PART = 1 << 20
"""OpenEXR 3.4 and 3.5 refuse to read a part with more chunks."""
