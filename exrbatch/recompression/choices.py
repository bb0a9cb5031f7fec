"""What a user may choose about a recompression, besides the compression itself. Light to import."""

import enum
from dataclasses import dataclass

READERS = ("2.2", "3.4", "3.5")
"""OpenEXR releases after which new compressions came: what a user may name as the oldest reader."""
DEFAULT_READERS = READERS[0]
"""The OpenEXR release that every reader in use has at least, as far as the user did not say otherwise."""


class Prefer(enum.StrEnum):
    """What an automatic choice looks for: the smallest file, or the most bytes saved per CPU second."""

    SIZE = "size"
    SPEED = "speed"


class Verify(enum.StrEnum):
    """Who unpacks the new file to prove it.

    LIBRARY: OpenEXR, but for deep data; NATIVE: our own codecs, where there is one; NONE: nobody.
    """

    LIBRARY = "library"
    NATIVE = "native"
    NONE = "none"


class Hardlinks(enum.StrEnum):
    """What to do with a file that has several names.

    Attributes:
        SKIP: leave it alone.
        BREAK: replace the name that was found; the others keep the old file.
        RELINK: replace all names, if all are found.
    """

    SKIP = "skip"
    BREAK = "break"
    RELINK = "relink"


@dataclass(frozen=True, slots=True, kw_only=True)
class Permissions:
    """What the user has allowed besides what is always safe.

    Attributes:
        allow_lossy: let a target change samples.
        include_lossy_sources: take files whose compression has changed samples.
        allow_aces: take ACES containers.
    """

    allow_lossy: bool = False
    include_lossy_sources: bool = False
    allow_aces: bool = False
