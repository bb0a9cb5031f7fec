"""Deflate engines: the libraries, what they can do, and their quirks.

Which engine compresses which bytes is decided in `recipes` and `deflater`.
"""

import importlib
import zlib
from dataclasses import dataclass
from typing import Any

from exrbatch.codecs.engine_names import MODULES, Engine
from exrbatch.errors import CorruptChunk

ISAL_PIECE = 1 << 15
"""Bytes given to ISA-L at a time. Larger pieces make its output of grainy plates 0.4 % larger."""
ZLIB_START = b"\x78\x5e"
"""The two bytes before the deflate blocks of a zlib stream."""


@dataclass(frozen=True, slots=True)
class Setting:
    """An engine and its level. Level 0 of `Engine.ZLIB` stores the bytes as they are."""

    engine: Engine
    level: int


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


def is_installed(setting: Setting) -> bool:
    """Return whether the engine of a setting can be used."""
    return _MODULES[setting.engine] is not None


def compress(setting: Setting, data: memoryview) -> bytes:
    """Make a whole zlib stream."""
    module = _MODULES[setting.engine]
    if setting.engine is Engine.LIBDEFLATE:
        packed: bytes = module.zlib_compress(data, setting.level)
    else:
        packed = module.compress(data, setting.level)
    return packed


def compress_first(setting: Setting, data: memoryview) -> bytes:
    """Make the beginning of a raw deflate stream; it ends on a whole byte, without a last block.

    libdeflate can't do this, because it always ends the stream.
    """
    module = _MODULES[setting.engine]
    packer = module.compressobj(setting.level, zlib.DEFLATED, -zlib.MAX_WBITS)
    piece = ISAL_PIECE if setting.engine is Engine.ISAL else len(data)
    packed = [packer.compress(data[start : start + piece]) for start in range(0, len(data), piece)]
    return b"".join((*packed, packer.flush(zlib.Z_SYNC_FLUSH)))


def compress_last(setting: Setting, data: memoryview) -> bytes:
    """Make the rest of a raw deflate stream, to its end."""
    module = _MODULES[setting.engine]
    if setting.engine is Engine.LIBDEFLATE:
        packed: bytes = module.deflate_compress(data, setting.level)
        return packed
    packer = module.compressobj(setting.level, zlib.DEFLATED, -zlib.MAX_WBITS)
    piece = ISAL_PIECE if setting.engine is Engine.ISAL else len(data)
    parts = [packer.compress(data[start : start + piece]) for start in range(0, len(data), piece)]
    return b"".join((*parts, packer.flush()))


def adler32(data: memoryview | bytes | bytearray) -> int:
    """Return the checksum at the end of a zlib stream.

    ISA-L leaves the upper halves of the vector registers in use, which makes libdeflate's matching
    15 % slower on the x86-64 processors that were measured. libdeflate's checksum function clears
    them when it returns, so call this between the two.
    """
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
