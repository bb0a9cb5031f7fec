"""Compression effort. This module imports little, because the command-line parser needs it."""

import enum


class Effort(enum.StrEnum):
    """How much time a codec spends to make chunks smaller.

    Attributes:
        FAST: about twice the speed of `BALANCED`, and files up to an eighth larger.
        BALANCED: files about as large as those that OpenEXR itself writes.
        HIGH: for a run overnight: smaller files in about twice the time.
        MAX: as small as the codec can get without becoming a hundred times slower.
    """

    FAST = "fast"
    BALANCED = "balanced"
    HIGH = "high"
    MAX = "max"
