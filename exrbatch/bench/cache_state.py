"""The state of the page cache in which `bench` measures.

Light to import, because the command line's parser needs it.
"""

import enum


class CacheState(enum.StrEnum):
    """Where the files of a trial come from.

    Attributes:
        MEMORY: there are only trials in memory, so no disk takes part.
        WARM: files come from the page cache.
        COLD: files come from disk (Linux).
    """

    MEMORY = "memory"
    WARM = "warm"
    COLD = "cold"
