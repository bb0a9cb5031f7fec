"""The table of OpenEXR compressions: every fact about a compression stands here and nowhere else.

Source: OpenEXR 3.5 (`ImfCompression.h`, release notes) and experiments with the 3.5.3 library: what is exact was
compared bit by bit (a test does it again with the library that is installed), ratios are those of black frames.
"""

import enum
from collections.abc import Iterable
from dataclasses import dataclass

from exrbatch.exr.channel import Channel, PixelType


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

    def lossy_channels(self, channels: Iterable[Channel]) -> list[str]:
        """Name the channels of a part that this compression does not keep bit by bit."""
        listed = list(channels)
        triples = _rgb_layers(listed) if self.facts.lossy_names is Names.RGB_TRIPLE else frozenset()
        return [channel.name for channel in listed if self.facts.is_lossy_for(channel, triples)]

    def impossible_channels(self, channels: Iterable[Channel]) -> list[str]:
        """Name the channels of a part that the library can't pack because of how they are sampled."""
        if not self.facts.binary_sampling:
            return []
        most = self.facts.lines_per_chunk  # with more, chunks would have no line of the channel, and can't be read
        return [
            c.name
            for c in channels
            if c.x_sampling.bit_count() != 1
            or c.y_sampling.bit_count() != 1
            or c.y_sampling > most
            or c.x_sampling > MAX_BINARY_SAMPLING
        ]


MAX_BINARY_SAMPLING = 64
"""With x samplings of millions the library's JPEG 2000 divides by zero, which ends the process."""


class Names(enum.Enum):
    """Which channels a lossy compression touches, by name. Case counts; only the suffix after the last dot does."""

    ANY = "any channel"
    COLOUR = "R, G, B, Y, RY, BY"
    RGB_TRIPLE = "a complete R, G, B"


_COLOUR_SUFFIXES = frozenset(("R", "G", "B", "Y", "RY", "BY"))
_RGB = frozenset(("R", "G", "B"))
_HALF, _FLOAT = frozenset((PixelType.HALF,)), frozenset((PixelType.FLOAT,))


@dataclass(frozen=True, slots=True, kw_only=True)
class CompressionFacts:
    """What is known about one compression.

    `lines_per_chunk` holds for scan line parts; a tile is always one chunk. `deep`: legal for deep data.
    `lossy_types` and `lossy_names`: the channels whose samples it may change; all others are exact.
    `binary_sampling`: the library packs only channels whose samplings are powers of 2 and, downwards, at most
    the lines of a chunk (JPEG 2000). `in_library`: packed by the OpenEXR library, not by our own code.
    `first_release`: of OpenEXR, to read it. `max_ratio`: how many raw bytes one packed byte can stand for at most, 0
    where that has no bound; a chunk that claims more is damaged, and is refused before anything is allocated for it.
    `cost`: CPU time to pack at balanced effort, ZIP's being 1 (benchmarks/RESULTS.md: the mean over CG, depth and
    plate; of those that are rarely exact, by their ratio to PIZ; LJ2K, which is like HTJ2K, is guessed).
    """

    lines_per_chunk: int
    first_release: str
    cost: float
    max_ratio: int = 0
    deep: bool = False
    lossy_types: frozenset[PixelType] = frozenset()
    lossy_names: Names = Names.ANY
    binary_sampling: bool = False
    in_library: bool = False

    def is_lossy_for(self, channel: Channel, rgb_layers: frozenset[str]) -> bool:
        """Whether this channel may change; `rgb_layers`: the layers of its part that hold a complete R, G, B."""
        if channel.pixel_type not in self.lossy_types:
            return False
        if self.lossy_names is Names.COLOUR:
            return channel.suffix in _COLOUR_SUFFIXES
        if self.lossy_names is Names.RGB_TRIPLE:
            return channel.suffix in _RGB and channel.layer in rgb_layers
        return True


def _rgb_layers(channels: Iterable[Channel]) -> frozenset[str]:
    """Name the layers that hold a complete R, G, B. Parts may have thousands of channels: each is looked at once."""
    suffixes: dict[str, set[str]] = {}
    for channel in channels:
        if channel.suffix in _RGB:
            suffixes.setdefault(channel.layer, set()).add(channel.suffix)
    return frozenset(layer for layer, found in suffixes.items() if len(found) == len(_RGB))


# max_ratio. RLE: a token of two bytes makes at most 128. Deflate: 1032 to 1 (RFC 1951, a match of 258 bytes in 2 bits);
# PXR24 stores a float in 3 bytes before it. B44: 14 bytes for 32, B44A 3 for 32. The others have no bound worth the
# name: a black frame of 24 float channels has 1,000,000 to 1. Memory bounds what they unpack (`file/raw.py`).
_F = CompressionFacts
FACTS: dict[Compression, CompressionFacts] = {
    Compression.NONE: _F(lines_per_chunk=1, first_release="1.0", max_ratio=1, cost=0.05, deep=True),
    Compression.RLE: _F(lines_per_chunk=1, first_release="1.0", max_ratio=64, cost=4.0, deep=True),
    Compression.ZIPS: _F(lines_per_chunk=1, first_release="1.0", max_ratio=1032, cost=1.5, deep=True),
    Compression.ZIP: _F(lines_per_chunk=16, first_release="1.0", max_ratio=1032, cost=1.0),
    Compression.PIZ: _F(in_library=True, lines_per_chunk=32, first_release="1.0", cost=1.8),
    Compression.PXR24: _F(
        in_library=True, lines_per_chunk=16, first_release="1.1.1", max_ratio=1400, cost=1.8, lossy_types=_FLOAT
    ),
    Compression.B44: _F(
        in_library=True, lines_per_chunk=32, first_release="1.5", max_ratio=16, cost=1.2, lossy_types=_HALF
    ),
    Compression.B44A: _F(
        in_library=True, lines_per_chunk=32, first_release="1.6", max_ratio=16, cost=1.2, lossy_types=_HALF
    ),
    Compression.DWAA: _F(
        in_library=True,
        lines_per_chunk=32,
        first_release="2.2",
        cost=5.0,
        lossy_types=_HALF | _FLOAT,
        lossy_names=Names.COLOUR,
    ),
    Compression.DWAB: _F(
        in_library=True,
        lines_per_chunk=256,
        first_release="2.2",
        cost=5.0,
        lossy_types=_HALF | _FLOAT,
        lossy_names=Names.COLOUR,
    ),
    Compression.HTJ2K256: _F(in_library=True, lines_per_chunk=256, first_release="3.4", cost=1.0, binary_sampling=True),
    Compression.HTJ2K32: _F(in_library=True, lines_per_chunk=32, first_release="3.4", cost=1.05, binary_sampling=True),
    Compression.LJ2K: _F(
        in_library=True,
        lines_per_chunk=256,
        first_release="3.5",
        cost=1.05,
        lossy_types=_HALF | _FLOAT,
        lossy_names=Names.RGB_TRIPLE,
        binary_sampling=True,
    ),
    Compression.ZSTD: _F(lines_per_chunk=1, first_release="3.5", cost=2.2, deep=True),
}

NEAREST_DEEP: dict[Compression, Compression] = {
    compression: compression if facts.deep else Compression.ZIPS for compression, facts in FACTS.items()
}
"""What a deep part gets: the compression asked for, or else the best one that all readers know."""

OLDEST_NOTABLE_RELEASE = "3.4"
"""Compressions that need at least this OpenEXR release to be read deserve a word when they are chosen."""


def release_number(text: str) -> tuple[int, ...]:
    """Turn "3.5.3" into (3, 5): what can be read changes with minor releases."""
    return tuple(int(number) for number in text.split(".")[:2])


MAX_CHUNKS_PER_PART = 1 << 20
"""OpenEXR 3.4 and 3.5 refuse to read a part with more chunks."""

MAX_CHUNKS = 1 << 21
"""Of all parts of a file: about 130 bytes of tables each. No real file of many parts comes near."""
