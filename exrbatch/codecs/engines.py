"""Deflate engines: which library compresses which bytes, at which level, and the quirks of each.

The predictor puts the low bytes of all samples into the first half of a stream and the high bytes
into the second. The halves differ so much that each has an engine of its own. A cheap look at a few
short samples tells which: grain goes to ISA-L, structured data such as renders to zlib-ng, and the
rest to libdeflate. The result is one ordinary zlib stream in any case. The measurements behind the
tables are in benchmarks/RESULTS.md.

If an engine is not installed, another one takes over (`SUBSTITUTES`), and the run says so.
"""

import enum
import importlib
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exrbatch.codecs.effort import Effort
from exrbatch.codecs.engine_names import MODULES, Engine
from exrbatch.errors import CorruptChunk

SAMPLE_BYTES, SAMPLES = 512, 4
"""Size of each sample in bytes, and number of samples, that decide what a stream holds."""
LOOK_BYTES = 1 << 18
"""Bytes after which the next stream of a group is looked at again.

A look takes some 60 microseconds, and neighbouring chunks mostly hold the same kind of data.
"""
NOISE = 0.55
"""Compressed size of a sample by libdeflate 1, as a fraction, above which it counts as noise.

Noise has few matches, so ISA-L 1 makes it as small as libdeflate 4 does, in a quarter of the time.
"""
ROUGH = 0.22
"""The same fraction for the high bytes of noise.

Above it, libdeflate 2 takes 0.8 times as long as libdeflate 4, and its output is 1 % larger. In
smoother bytes it would lose more.
"""
STRUCTURED, REPEATS = 0.30, 0.65
"""Structured data compresses to less than the first fraction, and more than the second fraction of
its bytes equal the byte before them.

Without the second condition, periodic patterns and planes of floats would go to zlib-ng, which is
slower there.
"""
LEAST_NOISY_HALF, LEAST_HALF = 1 << 14, 1 << 15
"""Smallest half in bytes that is compressed separately, of noise and of other data.

With smaller halves, two costs would become noticeable: a second set of Huffman tables is needed,
and the second half can't use the first half as a dictionary.
"""
ISAL_PIECE = 1 << 15
"""Bytes given to ISA-L at a time. Larger pieces make its output of grainy plates 0.4 % larger."""
_ZLIB_START = b"\x78\x5e"


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


@dataclass(frozen=True, slots=True)
class Setting:
    """An engine and its level."""

    engine: Engine
    level: int


def _isal(level: int) -> Setting:
    return Setting(Engine.ISAL, level)


def _ng(level: int) -> Setting:
    return Setting(Engine.ZLIB_NG, level)


def _libdeflate(level: int) -> Setting:
    return Setting(Engine.LIBDEFLATE, level)


Recipe = tuple[Setting, Setting]
"""Settings for the first and the second half of a stream.

libdeflate can't make the first half alone, because it always ends the stream.
"""


def _both(setting: Setting) -> Recipe:
    return setting, setting


LONG: dict[Effort, dict[Content, Recipe]] = {
    Effort.FAST: {
        Content.NOISE: _both(_isal(1)),
        Content.SMOOTH_NOISE: _both(_isal(1)),
        Content.STRUCTURED: (_isal(1), _ng(2)),
        Content.MIXED: _both(_isal(1)),
    },
    Effort.BALANCED: {
        Content.NOISE: (_isal(1), _libdeflate(2)),
        Content.SMOOTH_NOISE: (_isal(1), _libdeflate(4)),
        Content.STRUCTURED: (_ng(3), _ng(4)),
        Content.MIXED: _both(_libdeflate(4)),  # what OpenEXR itself uses
    },
    Effort.HIGH: {
        Content.NOISE: (_isal(3), _libdeflate(7)),
        Content.SMOOTH_NOISE: (_isal(3), _libdeflate(7)),
        Content.STRUCTURED: (_ng(7), _ng(6)),
        Content.MIXED: _both(_libdeflate(7)),
    },
    Effort.MAX: {
        Content.NOISE: _both(_libdeflate(10)),
        Content.SMOOTH_NOISE: _both(_libdeflate(10)),
        Content.STRUCTURED: (_ng(8), _libdeflate(10)),
        Content.MIXED: _both(_libdeflate(10)),
    },
}
"""Recipes for streams with halves that are long enough to be compressed separately."""

SHORT: dict[Effort, dict[Content, Setting]] = {
    Effort.FAST: dict.fromkeys(Content, _isal(1)),
    Effort.BALANCED: {
        Content.NOISE: _libdeflate(1),
        Content.SMOOTH_NOISE: _libdeflate(4),
        Content.STRUCTURED: _ng(3),
        Content.MIXED: _libdeflate(4),
    },
    Effort.HIGH: dict.fromkeys(Content, _libdeflate(7)) | {Content.STRUCTURED: _ng(6)},
    Effort.MAX: dict.fromkeys(Content, _libdeflate(10)),
}
"""Settings for shorter streams, such as the lines of ZIPS.

For short noise ISA-L would take 0.7 times as long as libdeflate 1. But for some inputs its output
depends on what was in memory before, so that two runs would not write the same bytes.
"""

SUBSTITUTES: dict[Effort, tuple[Setting, ...]] = {
    Effort.FAST: (_isal(1), _libdeflate(1), _ng(2), Setting(Engine.ZLIB, 1)),
    Effort.BALANCED: (_libdeflate(4), _ng(4), _isal(3), Setting(Engine.ZLIB, 4)),
    Effort.HIGH: (_libdeflate(7), _ng(6), Setting(Engine.ZLIB, 7)),
    Effort.MAX: (_libdeflate(10), _ng(9), Setting(Engine.ZLIB, 9)),
}
"""What takes over if an engine is not installed, in this order."""


def _imported(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


_MODULES: dict[Engine, Any] = {engine: _imported(name) for engine, name in MODULES.items()}
_libdeflate_module = _MODULES[Engine.LIBDEFLATE]
_INFLATE_ERRORS: tuple[type[Exception], ...] = (
    ValueError,
    *(module.error for engine, module in _MODULES.items() if module is not None and engine is not Engine.LIBDEFLATE),
    *((_libdeflate_module.DeflateError,) if _libdeflate_module is not None else ()),
)


class Deflater:
    """Compresses predicted bytes to zlib streams, with one effort.

    Args:
        effort: selects the tables above.
    """

    def __init__(self, effort: Effort) -> None:
        substitute = next(each for each in SUBSTITUTES[effort] if _is_installed(each))
        self._long = {
            content: recipe if all(map(_is_installed, recipe)) else _both(substitute)
            for content, recipe in LONG[effort].items()
        }
        self._short = {
            content: setting if _is_installed(setting) else substitute for content, setting in SHORT[effort].items()
        }
        self._needs_look = len(set(self._short.values())) > 1
        self._content, self._bytes_since_look = Content.MIXED, LOOK_BYTES

    def begin_group(self) -> None:
        """Look at the next stream, so that the output does not depend on earlier groups."""
        self._bytes_since_look = LOOK_BYTES

    def compress(self, predicted: memoryview) -> bytes:
        """Compress one stream; long ones half by half."""
        middle = (len(predicted) + 1) // 2
        if self._bytes_since_look >= LOOK_BYTES:
            self._content, self._bytes_since_look = _content(predicted[:middle], predicted[middle:]), 0
        self._bytes_since_look += len(predicted)
        content = self._content
        least = LEAST_HALF if content is Content.STRUCTURED else LEAST_NOISY_HALF
        if middle < least:
            return _compress(self._short[content], predicted)
        low, high = self._long[content]
        if low == high:
            return _compress(low, predicted)
        parts = _compress_first(low, predicted[:middle]), _compress_last(high, predicted[middle:], predicted)
        return b"".join((_ZLIB_START, *parts))

    def compress_rows(self, predicted: NDArray[np.uint8]) -> list[bytes]:
        """Compress short streams, shape (streams, bytes), after one look at all of them."""
        middle = predicted.shape[1] // 2
        content = Content.MIXED
        if self._needs_look:
            step = max(1, len(predicted) // SAMPLES)
            low, high = predicted[::step, :middle], predicted[::step, middle:]
            content = _content(low.tobytes(), high.tobytes())
        setting = self._short[content]
        return [_compress(setting, row.data) for row in predicted]


def _is_installed(setting: Setting) -> bool:
    return _MODULES[setting.engine] is not None


def _content(low: memoryview | bytes, high: memoryview | bytes) -> Content:
    """Look at both halves of a stream. A sample of each kind costs some 20 microseconds."""
    sample = _sample(low)
    ratio = _sampled_ratio(sample)
    if ratio > NOISE:
        return Content.NOISE if _sampled_ratio(_sample(high)) > ROUGH else Content.SMOOTH_NOISE
    if ratio < STRUCTURED:
        values = np.frombuffer(sample, np.uint8)
        if np.count_nonzero(values[1:] == values[:-1]) > REPEATS * len(values):
            return Content.STRUCTURED
    return Content.MIXED


def _sample(half: memoryview | bytes) -> bytes:
    if len(half) <= SAMPLE_BYTES * SAMPLES:
        return bytes(half)
    starts = [index * (len(half) - SAMPLE_BYTES) // (SAMPLES - 1) for index in range(SAMPLES)]
    return b"".join(half[start : start + SAMPLE_BYTES] for start in starts)


def _sampled_ratio(sample: bytes) -> float:
    engine = Engine.LIBDEFLATE if _libdeflate_module is not None else Engine.ZLIB
    return len(_compress(Setting(engine, 1), memoryview(sample))) / max(1, len(sample))


def _compress(setting: Setting, data: memoryview) -> bytes:
    """Make a whole zlib stream."""
    module = _MODULES[setting.engine]
    if setting.engine is Engine.LIBDEFLATE:
        packed: bytes = module.zlib_compress(data, setting.level)
    else:
        packed = module.compress(data, setting.level)
    return packed


def _compress_first(setting: Setting, data: memoryview) -> bytes:
    """Make the beginning of a raw deflate stream; it ends on a whole byte, without a last block."""
    module = _MODULES[setting.engine]
    packer = module.compressobj(setting.level, zlib.DEFLATED, -zlib.MAX_WBITS)
    piece = ISAL_PIECE if setting.engine is Engine.ISAL else len(data)
    packed = [packer.compress(data[start : start + piece]) for start in range(0, len(data), piece)]
    return b"".join((*packed, packer.flush(zlib.Z_SYNC_FLUSH)))


def _compress_last(setting: Setting, data: memoryview, whole: memoryview) -> bytes:
    """Make the rest of a zlib stream: its last blocks and the checksum of the whole stream.

    ISA-L leaves the upper halves of the vector registers in use, which makes libdeflate's matching
    15 % slower on the x86-64 processors that were measured. libdeflate's own checksum function
    clears them when it returns, so it is called first.
    """
    checksum = adler32(whole)
    module = _MODULES[setting.engine]
    if setting.engine is Engine.LIBDEFLATE:
        packed: bytes = module.deflate_compress(data, setting.level)
    else:
        packer = module.compressobj(setting.level, zlib.DEFLATED, -zlib.MAX_WBITS)
        packed = packer.compress(data) + packer.flush()
    return packed + checksum.to_bytes(4, "big")


def adler32(data: memoryview | bytes | bytearray) -> int:
    """Return the checksum at the end of a zlib stream."""
    checksum: int = (_libdeflate_module or zlib).adler32(data)
    return checksum


def inflate(packed: memoryview, size: int) -> bytes | bytearray:
    """Decompress a zlib stream.

    Args:
        packed: the stream, and nothing else.
        size: bytes that it must hold.

    Raises:
        CorruptChunk: the stream is damaged, or holds another number of bytes, or bytes follow it.
    """
    try:
        if _libdeflate_module is not None:
            data: bytes | bytearray = _libdeflate_module.zlib_decompress(packed, size)
        else:
            data = _inflate_by_zlib(packed, size)
    except _INFLATE_ERRORS:
        raise CorruptChunk(f"the zlib stream of {len(packed)} bytes is damaged") from None
    if len(data) != size:
        raise CorruptChunk(f"the zlib stream decompresses to {len(data)} bytes instead of {size}")
    # libdeflate ignores extra bytes after the stream, but OpenEXR refuses them. A zlib stream ends
    # with its checksum, which has just been verified. If the payload does not end with this
    # checksum, it has extra bytes.
    if packed[-4:] != adler32(data).to_bytes(4, "big"):
        raise CorruptChunk("extra bytes after the end of the zlib stream")
    return data


def _inflate_by_zlib(packed: memoryview, size: int) -> bytes:
    """Decompress to at most one byte more than expected, so that a bomb stays small."""
    module = _MODULES[Engine.ISAL] or zlib
    decompressor = module.decompressobj()
    data: bytes = decompressor.decompress(packed, size + 1)
    if not decompressor.eof:
        raise ValueError("longer than expected, or cut off")
    return data
