"""Describe the content of a file in a few words: storage, channels and pixel types."""

from exrbatch.exr.header import Header
from exrbatch.exr.part import LevelMode, Part, Storage
from exrbatch.text import safe_text

COLOUR_ORDER = "RGBAYXZ"
_STORAGE_WORDS = {
    Storage.SCAN_LINE: "scan lines",
    Storage.TILED: "tiles",
    Storage.DEEP_SCAN_LINE: "deep scan lines",
    Storage.DEEP_TILED: "deep tiles",
}


def describe(header: Header) -> str:
    """Return storage, channels and pixel types of a file in a few words."""
    parts = header.parts
    words = list(dict.fromkeys(_kind(part) for part in parts))
    several = f"{len(parts)} parts, " if len(parts) > 1 else ""
    return several + "; ".join(words[:2]) + ("; ..." if len(words) > 2 else "")


def storage_of(part: Part) -> str:
    """Return how a part stores its pixels, in words such as "scan lines" or "mip tiles"."""
    words = _STORAGE_WORDS[part.storage]
    if part.tiles is None or part.tiles.level_mode is LevelMode.ONE_LEVEL:
        return words
    return f"{'mip' if part.tiles.level_mode is LevelMode.MIPMAP_LEVELS else 'rip'} {words}"


def _kind(part: Part) -> str:
    names = sorted((channel.name for channel in part.channels), key=lambda name: (_colour_place(name), name))
    listed = "".join(names) if all(map(_is_colour, names)) else ",".join(names)
    shown = safe_text(listed) if len(names) <= 4 and len(listed) <= 12 else f"{len(names)} channels"
    types = "+".join(sorted({channel.pixel_type.name.lower() for channel in part.channels}))
    return f"{storage_of(part)}, {shown} {types}{' subsampled' if part.is_subsampled else ''}"


def _is_colour(name: str) -> bool:
    return len(name) == 1 and name in COLOUR_ORDER


def _colour_place(name: str) -> int:
    return COLOUR_ORDER.index(name) if _is_colour(name) else len(COLOUR_ORDER)
