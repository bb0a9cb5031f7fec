"""The state of the page cache in which `bench` measures. Light to import: the command line's parser needs it."""

import enum


class CacheState(enum.StrEnum):
    """Where the files of a trial come from.

    Attributes:
        MEMORY: no disk takes part.
        WARM: the page cache.
        COLD: the disk (Linux).
    """

    MEMORY = "memory"
    WARM = "warm"
    COLD = "cold"
