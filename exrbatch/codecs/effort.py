"""Compression effort. This module imports little, because the command-line parser needs it."""

import enum


class Effort(enum.StrEnum):
    """How much time a codec spends to make chunks smaller.

    With `BALANCED`, files are about as large as those that OpenEXR itself writes.
    """

    FAST = "fast"
    BALANCED = "balanced"
    MAX = "max"
