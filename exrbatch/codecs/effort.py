"""Effort: how hard a packer tries. Light to import: the command line's parser needs it."""

import enum


class Effort(enum.StrEnum):
    """How hard a packer tries. Balanced is about the size that OpenEXR itself writes."""

    FAST = "fast"
    BALANCED = "balanced"
    MAX = "max"
