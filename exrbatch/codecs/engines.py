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
LAST_BLOCK = b"\x03\x00"
"""An empty deflate block that is the last one of its stream."""


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
    """Make a whole zlib stream by one call of an engine other than ISA-L."""
    module = _MODULES[setting.engine]
    if setting.engine is Engine.LIBDEFLATE:
        packed: bytes = module.zlib_compress(data, setting.level)
    else:
        packed = module.compress(data, setting.level)
    return packed


class Packer:
    """Compresses with any engine. Each thread needs a packer of its own.

    It keeps ISA-L's compressors, because making one takes as long as compressing a short stream. A
    full flush ends each piece: it ends on a whole byte, and no later piece refers to it. Now and
    then, it matters to the choice of matches what a compressor did before. So `restart` at places
    that are the same in every run. Rarely, ISA-L makes other bytes even so (RESULTS.md), for a
    reason that is not known.
    """

    def __init__(self) -> None:
        self._isal: dict[int, Any] = {}

    def restart(self) -> None:
        """Forget what was compressed before."""
        self._isal.clear()

    def compress(self, setting: Setting, data: memoryview) -> bytes:
        """Make a whole zlib stream."""
        if setting.engine is not Engine.ISAL:
            return compress(setting, data)
        return b"".join((ZLIB_START, self._pieces(setting.level, data), LAST_BLOCK, adler32(data).to_bytes(4, "big")))

    def compress_first(self, setting: Setting, data: memoryview) -> bytes:
        """Make the beginning of a raw deflate stream.

        It ends on a whole byte, without a last block. libdeflate can't do this,
        because it always ends the stream.
        """
        if setting.engine is Engine.ISAL:
            return self._pieces(setting.level, data)
        packer = _MODULES[setting.engine].compressobj(setting.level, zlib.DEFLATED, -zlib.MAX_WBITS)
        return b"".join((packer.compress(data), packer.flush(zlib.Z_SYNC_FLUSH)))

    def compress_last(self, setting: Setting, data: memoryview) -> bytes:
        """Make the rest of a raw deflate stream, to its end."""
        if setting.engine is Engine.ISAL:
            return self._pieces(setting.level, data) + LAST_BLOCK
        module = _MODULES[setting.engine]
        if setting.engine is Engine.LIBDEFLATE:
            packed: bytes = module.deflate_compress(data, setting.level)
            return packed
        packer = module.compressobj(setting.level, zlib.DEFLATED, -zlib.MAX_WBITS)
        return b"".join((packer.compress(data), packer.flush()))

    def _pieces(self, level: int, data: memoryview) -> bytes:
        """Compress by ISA-L, up to a full flush."""
        if level not in self._isal:
            self._isal[level] = _MODULES[Engine.ISAL].compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
        packer = self._isal[level]
        if len(data) <= ISAL_PIECE:
            packed: bytes = packer.compress(data) + packer.flush(zlib.Z_FULL_FLUSH)
            return packed
        packed_pieces = [packer.compress(data[start : start + ISAL_PIECE]) for start in range(0, len(data), ISAL_PIECE)]
        return b"".join((*packed_pieces, packer.flush(zlib.Z_FULL_FLUSH)))


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
