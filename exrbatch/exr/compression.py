"""The table of OpenEXR compressions. All facts about compressions are in this module.

Sources are OpenEXR 3.5 (`ImfCompression.h`, release notes) and experiments with library 3.5.3.
Whether a compression is exact was found by comparing bit by bit; a test repeats this with the
installed library. Compression ratios were measured with black frames.
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
        """The facts about this compression."""
        return FACTS[self]

    def lossy_channels(self, channels: Iterable[Channel]) -> list[str]:
        """Return the names of the channels that this compression does not preserve bit for bit.

        Args:
            channels: all channels of a part.
        """
        listed = list(channels)
        triples = _rgb_layers(listed) if self.facts.lossy_names is Names.RGB_TRIPLE else frozenset()
        return [channel.name for channel in listed if self.facts.is_lossy_for(channel, triples)]

    def impossible_channels(self, channels: Iterable[Channel]) -> list[str]:
        """Return the names of the channels whose sampling this compression does not support."""
        if not self.facts.binary_sampling:
            return []
        most = self.facts.lines_per_chunk  # a chunk without any line of a channel can't be read
        return [
            c.name
            for c in channels
            if c.x_sampling.bit_count() != 1
            or c.y_sampling.bit_count() != 1
            or c.y_sampling > most
            or c.x_sampling > MAX_BINARY_SAMPLING
        ]


MAX_BINARY_SAMPLING = 64
"""Largest x sampling that is passed to JPEG 2000 compressions.

With x samplings of millions, the library divides by zero, which ends the process.
"""


class Names(enum.Enum):
    """Which channels a lossy compression may change, by name.

    Only the suffix after the last dot is compared; upper and lower case differ.
    """

    ANY = "any channel"
    COLOUR = "R, G, B, Y, RY, BY"
    RGB_TRIPLE = "a complete R, G, B"


_COLOUR_SUFFIXES = frozenset(("R", "G", "B", "Y", "RY", "BY"))
_RGB = frozenset(("R", "G", "B"))
_HALF, _FLOAT = frozenset((PixelType.HALF,)), frozenset((PixelType.FLOAT,))


@dataclass(frozen=True, slots=True, kw_only=True)
class CompressionFacts:
    """Facts about one compression.

    Attributes:
        lines_per_chunk: scan lines per chunk. In a tiled part, each tile is one chunk.
        first_release: oldest OpenEXR release that can read it.
        cost: CPU time to compress at balanced effort, relative to ZIP, on real images
            (benchmarks/RESULTS.md). Compressions that are rarely exact are scaled by their ratio to
            PIZ. The value of LJ2K is a guess from HTJ2K, which is similar.
        max_ratio: most raw bytes that one compressed byte can stand for; 0 if there is no limit. A
            chunk that claims more is damaged, and is refused before memory is allocated for it.
        deep: whether it is allowed for deep data.
        lossy_types: pixel types of the channels that it may change. A channel may change only if
            `lossy_names` includes it too; all others are exact.
        lossy_names: names of the channels that it may change.
        binary_sampling: whether it supports only channels whose samplings are powers of 2 and whose
            y sampling does not exceed the lines of a chunk (JPEG 2000).
        in_library: whether the OpenEXR library compresses it, not our own code.
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
        """Return whether this compression may change the samples of a channel.

        Args:
            channel: the channel.
            rgb_layers: layers of the part that have all of R, G and B.
        """
        if channel.pixel_type not in self.lossy_types:
            return False
        if self.lossy_names is Names.COLOUR:
            return channel.suffix in _COLOUR_SUFFIXES
        if self.lossy_names is Names.RGB_TRIPLE:
            return channel.suffix in _RGB and channel.layer in rgb_layers
        return True


def _rgb_layers(channels: Iterable[Channel]) -> frozenset[str]:
    """Return the names of the layers that have all of R, G and B.

    Each channel is visited only once, because parts may have thousands of channels.
    """
    suffixes: dict[str, set[str]] = {}
    for channel in channels:
        if channel.suffix in _RGB:
            suffixes.setdefault(channel.layer, set()).add(channel.suffix)
    return frozenset(layer for layer, found in suffixes.items() if len(found) == len(_RGB))


# The values of max_ratio follow from the formats. RLE: a token of two bytes stands for at most 128
# bytes. ZIP and ZIPS: deflate reaches 1032 to 1, a match of 258 bytes in 2 bits (RFC 1951). PXR24:
# it stores floats in 3 bytes, then applies deflate. B44: 14 bytes stand for 32. B44A: 3 bytes stand
# for 32. The others have no useful limit: a black frame with 24 float channels reaches 1,000,000 to
# 1. What they decompress to is limited by the memory of the job (`recompression/raw_reader.py`).
_F = CompressionFacts
FACTS: dict[Compression, CompressionFacts] = {
    Compression.NONE: _F(lines_per_chunk=1, first_release="1.0", max_ratio=1, cost=0.05, deep=True),
    Compression.RLE: _F(lines_per_chunk=1, first_release="1.0", max_ratio=64, cost=0.8, deep=True),
    Compression.ZIPS: _F(lines_per_chunk=1, first_release="1.0", max_ratio=1032, cost=1.5, deep=True),
    Compression.ZIP: _F(lines_per_chunk=16, first_release="1.0", max_ratio=1032, cost=1.0),
    Compression.PIZ: _F(in_library=True, lines_per_chunk=32, first_release="1.0", cost=1.5),
    Compression.PXR24: _F(
        in_library=True, lines_per_chunk=16, first_release="1.1.1", max_ratio=1400, cost=1.6, lossy_types=_FLOAT
    ),
    Compression.B44: _F(
        in_library=True, lines_per_chunk=32, first_release="1.5", max_ratio=16, cost=1.1, lossy_types=_HALF
    ),
    Compression.B44A: _F(
        in_library=True, lines_per_chunk=32, first_release="1.6", max_ratio=16, cost=1.1, lossy_types=_HALF
    ),
    Compression.DWAA: _F(
        in_library=True,
        lines_per_chunk=32,
        first_release="2.2",
        cost=4.7,
        lossy_types=_HALF | _FLOAT,
        lossy_names=Names.COLOUR,
    ),
    Compression.DWAB: _F(
        in_library=True,
        lines_per_chunk=256,
        first_release="2.2",
        cost=4.7,
        lossy_types=_HALF | _FLOAT,
        lossy_names=Names.COLOUR,
    ),
    Compression.HTJ2K256: _F(in_library=True, lines_per_chunk=256, first_release="3.4", cost=0.8, binary_sampling=True),
    Compression.HTJ2K32: _F(in_library=True, lines_per_chunk=32, first_release="3.4", cost=0.8, binary_sampling=True),
    Compression.LJ2K: _F(
        in_library=True,
        lines_per_chunk=256,
        first_release="3.5",
        cost=0.8,
        lossy_types=_HALF | _FLOAT,
        lossy_names=Names.RGB_TRIPLE,
        binary_sampling=True,
    ),
    Compression.ZSTD: _F(lines_per_chunk=1, first_release="3.5", cost=1.5, deep=True),
}

NEAREST_DEEP: dict[Compression, Compression] = {
    compression: compression if facts.deep else Compression.ZIPS for compression, facts in FACTS.items()
}
"""The compression that a deep part gets, for each requested compression.

It is the requested one if that is allowed for deep data. Otherwise it is ZIPS, the best compression
that all readers know.
"""

OLDEST_NOTABLE_RELEASE = "3.4"
"""If a compression needs this OpenEXR release or a newer one to be read, users are notified."""


def release_number(text: str) -> tuple[int, ...]:
    """Return the major and minor number of a release: "3.5.3" gives (3, 5).

    The third number is dropped, because only minor releases change what can be read.
    """
    return tuple(int(number) for number in text.split(".")[:2])


MAX_CHUNKS_PER_PART = 1 << 20
"""Most chunks of a part. OpenEXR 3.4 and 3.5 refuse to read a part with more."""

MAX_CHUNKS = 1 << 21
"""Most chunks of a file. Each chunk needs about 130 bytes of tables. Real files have far fewer."""
