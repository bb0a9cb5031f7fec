"""The Codec protocol, and the rule that holds for all of them: store raw if not smaller.

"Raw" is what an uncompressed file holds: for each line, for each channel, its samples, little endian.
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from exrbatch.errors import CorruptChunk

Raw = NDArray[np.uint8]
"""Raw bytes, shape (n,), contiguous; mostly a view into a buffer that is used again for the next chunks."""
Packed = bytes | bytearray | memoryview


class Codec(Protocol):
    """Packs and unpacks one chunk. `pack_stream` may return something larger than `raw`."""

    def pack_stream(self, raw: Raw) -> Packed:
        """Pack `raw`, which is not empty."""
        ...

    def unpack_stream(self, packed: memoryview, raw: Raw) -> None:
        """Fill `raw` with exactly its length of bytes, or raise `CorruptChunk`."""
        ...

    def stream_holds(self, packed: memoryview, raw: Raw) -> bool:
        """Whether `packed` unpacks to exactly `raw`; raises `CorruptChunk` if it does not unpack at all.

        Compares in the form that costs least: as the predictor is one to one, equal predicted bytes are
        equal raw bytes.
        """
        ...


def pack(codec: Codec, raw: Raw) -> Packed:
    """Pack one chunk, or return a view of `raw` itself (no copy) where packing does not make it smaller.

    Readers tell the two apart by the length, so a packed stream of exactly the raw length must not occur.
    """
    if not len(raw):
        return b""
    packed = codec.pack_stream(raw)
    return packed if len(packed) < len(raw) else raw.data


def unpack(codec: Codec, packed: memoryview, raw: Raw) -> None:
    """Fill `raw` from a payload. Raises `CorruptChunk`, without the place: the caller knows it."""
    if len(packed) == len(raw):
        raw[:] = np.frombuffer(packed, np.uint8)
    elif len(packed) > len(raw):
        raise CorruptChunk(f"{len(packed)} packed bytes for {len(raw)} raw ones")
    else:
        codec.unpack_stream(packed, raw)


def holds(codec: Codec, packed: memoryview, raw: Raw) -> bool:
    """Whether a payload stands for exactly these raw bytes."""
    if len(packed) == len(raw):
        return bool(np.array_equal(np.frombuffer(packed, np.uint8), raw))
    return len(packed) < len(raw) and codec.stream_holds(packed, raw)
