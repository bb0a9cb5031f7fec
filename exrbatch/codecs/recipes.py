"""Which deflate engines come into question for which bytes.

The predictor puts the low bytes of all samples into the first half of a stream and the high bytes
into the second. The halves differ so much that each has an engine of its own. `deflater` looks at
the bytes and chooses; this module holds what it chooses from, and what each engine costs. The
measurements behind the tables are in benchmarks/RESULTS.md.
"""

import enum
from typing import NamedTuple

from exrbatch.codecs.effort import Effort
from exrbatch.codecs.engine_names import Engine
from exrbatch.codecs.engines import Setting


class Content(enum.Enum):
    """What a stream holds, as far as that matters to the choice of an engine.

    Attributes:
        NOISE: grain in the low bytes, and rough high bytes, as in photos.
        SMOOTH_NOISE: grain in the low bytes only.
        STRUCTURED: long runs and repeated patterns, as in renders.
        MIXED: anything else.
    """

    NOISE = "noise"
    SMOOTH_NOISE = "smooth noise"
    STRUCTURED = "structured"
    MIXED = "mixed"


Recipe = tuple[Setting, Setting]
"""The setting for the first and that for the second half of a stream."""


class Candidates(NamedTuple):
    """The settings that come into question for each half of a stream.

    Attributes:
        low: settings for the first half.
        high: settings for the second half.

    libdeflate can't make the first half alone, because it always ends the stream. So it may only
    be a setting for the first half if it is the only one for both.
    """

    low: tuple[Setting, ...]
    high: tuple[Setting, ...]


def _isal(level: int) -> Setting:
    return Setting(Engine.ISAL, level)


def _ng(level: int) -> Setting:
    return Setting(Engine.ZLIB_NG, level)


def _libdeflate(level: int) -> Setting:
    return Setting(Engine.LIBDEFLATE, level)


def _one(low: Setting, high: Setting) -> Candidates:
    return Candidates((low,), (high,))


STORED = Setting(Engine.ZLIB, 0)
"""Bytes that can't be compressed are stored as they are."""
REFERENCE = _libdeflate(4)
"""What OpenEXR itself uses."""

LONG: dict[Effort, dict[Content, Candidates]] = {
    Effort.FAST: dict.fromkeys(Content, _one(_isal(1), _isal(1))),
    Effort.BALANCED: {
        Content.NOISE: Candidates((STORED, _isal(1)), (_isal(1), _libdeflate(1), _libdeflate(2))),
        Content.SMOOTH_NOISE: Candidates((_isal(1),), (_ng(3), _libdeflate(2))),
        Content.STRUCTURED: _one(_ng(3), _ng(4)),
        Content.MIXED: _one(REFERENCE, REFERENCE),
    },
    Effort.HIGH: {
        Content.NOISE: _one(_isal(1), _libdeflate(6)),
        Content.SMOOTH_NOISE: _one(_isal(1), _ng(6)),
        Content.STRUCTURED: _one(_ng(7), _ng(6)),
        Content.MIXED: _one(_libdeflate(7), _libdeflate(7)),
    },
    Effort.MAX: {
        Content.NOISE: _one(_libdeflate(10), _libdeflate(10)),
        Content.SMOOTH_NOISE: _one(_libdeflate(10), _libdeflate(10)),
        Content.STRUCTURED: _one(_ng(8), _libdeflate(10)),
        Content.MIXED: _one(_libdeflate(10), _libdeflate(10)),
    },
}
"""Candidates for streams with halves that are long enough to be compressed separately.

If there are several, a trial decides, and needs their `NANOSECONDS`.
"""


def _halves(noise: Recipe, other: dict[Content, Setting]) -> dict[Content, Recipe]:
    """Return recipes: one for both kinds of noise, the others for whole streams."""
    whole = {content: (setting, setting) for content, setting in other.items()}
    return {Content.NOISE: noise, Content.SMOOTH_NOISE: noise} | whole


SHORT: dict[Effort, dict[Content, Recipe]] = {
    Effort.FAST: dict.fromkeys(Content, (_isal(1), _isal(1))),
    Effort.BALANCED: _halves((_isal(1), _isal(1)), {Content.STRUCTURED: _ng(3), Content.MIXED: _libdeflate(4)}),
    Effort.HIGH: _halves((_isal(1), _libdeflate(6)), {Content.STRUCTURED: _ng(6), Content.MIXED: _libdeflate(7)}),
    Effort.MAX: dict.fromkeys(Content, (_libdeflate(10), _libdeflate(10))),
}
"""Recipes for shorter streams, such as the lines of ZIPS.

ISA-L makes short noise smaller than libdeflate 4 does, in half of its time or less: each half gets
Huffman tables of its own.
"""

SUBSTITUTES: dict[Effort, tuple[Setting, ...]] = {
    Effort.FAST: (_isal(1), _libdeflate(1), _ng(2), Setting(Engine.ZLIB, 1)),
    Effort.BALANCED: (_libdeflate(4), _ng(4), _isal(3), Setting(Engine.ZLIB, 4)),
    Effort.HIGH: (_libdeflate(7), _ng(6), Setting(Engine.ZLIB, 7)),
    Effort.MAX: (_libdeflate(10), _ng(9), Setting(Engine.ZLIB, 9)),
}
"""What takes over if an engine is not installed, in this order."""

NANOSECONDS: dict[Setting, tuple[float, float]] = {
    STORED: (0.1, 0.0),
    _isal(1): (1.0, 4.6),
    _ng(3): (2.0, 23.0),
    _libdeflate(1): (3.7, 6.0),
    _libdeflate(2): (4.2, 11.0),
}
"""Nanoseconds of CPU time of a candidate: for each byte, and for each byte of its output.

Fitted to 21 real images. A run does not measure it, because it would then write other bytes
whenever the machine is busy.
"""
