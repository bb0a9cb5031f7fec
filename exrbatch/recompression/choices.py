"""What a user can choose for a recompression, besides the compression. Light to import."""

import enum
from dataclasses import dataclass

READERS = ("2.2", "3.4", "3.5")
"""OpenEXR releases that a user can name as the oldest reader: those that added compressions."""
DEFAULT_READERS = READERS[0]
"""Oldest reader if the user names none: all readers in use are assumed to be at least as new."""

LOSSY_SOURCE = "a lossy source"
"""How the reason begins for which such a file is skipped."""
LOSSY_SOURCE_HINT = (
    "a lossless compression usually makes such a file larger (--include-lossy-sources processes it anyway)"
)
"""How that reason ends."""


class Prefer(enum.StrEnum):
    """What an automatic choice optimises.

    Attributes:
        SIZE: choose the smallest file.
        SPEED: save the most bytes per CPU second.
    """

    SIZE = "size"
    SPEED = "speed"


class Verify(enum.StrEnum):
    """Which decoder is used to verify the new file.

    Attributes:
        LIBRARY: the OpenEXR library, except for deep data.
        NATIVE: our own codecs; the library for compressions that we have no codec for.
        NONE: the new file is not verified.
    """

    LIBRARY = "library"
    NATIVE = "native"
    NONE = "none"


class Hardlinks(enum.StrEnum):
    """What to do with a file that has several names (hard links).

    Attributes:
        SKIP: leave the file alone.
        BREAK: replace the name that was found; the other names keep the old file.
        RELINK: replace all names, if all of them were found.
    """

    SKIP = "skip"
    BREAK = "break"
    RELINK = "relink"


@dataclass(frozen=True, slots=True, kw_only=True)
class Permissions:
    """What the user permits besides the operations that are always safe.

    Attributes:
        allow_lossy: the new compression may change samples.
        include_lossy_sources: process files whose compression has already changed samples.
        allow_aces: process ACES containers.
    """

    allow_lossy: bool = False
    include_lossy_sources: bool = False
    allow_aces: bool = False
