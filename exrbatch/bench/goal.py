"""What the user wants from a compression, and how its figures are weighed for that.

Light to import, because the command line's parser needs it.
"""

import enum
from dataclasses import dataclass


class Goal(enum.StrEnum):
    """What the advice of a benchmark optimises.

    Attributes:
        ARCHIVE: small files; speed decides only between nearly equal sizes.
        BALANCED: small files, but not at any speed.
        PLAYBACK: files that open fast.
    """

    ARCHIVE = "archive"
    BALANCED = "balanced"
    PLAYBACK = "playback"


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """How much each figure counts.

    The score of a compression is size^size / (compression speed^compress * decompression
    speed^decompress); the lowest is best. With a weight of 0.15, twice the speed is worth 10 % of
    the size, because 2^0.15 is 1.11.

    Attributes:
        size: weight of the size after a run.
        compress: weight of the compression speed.
        decompress: weight of the decompression speed.
    """

    size: float
    compress: float
    decompress: float


WEIGHTS = {
    Goal.ARCHIVE: Weights(size=1.0, compress=0.02, decompress=0.02),
    Goal.BALANCED: Weights(size=1.0, compress=0.1, decompress=0.1),
    Goal.PLAYBACK: Weights(size=0.3, compress=0.05, decompress=1.0),
}
"""The weights of each goal. docs/compressions.md has them as a table."""
