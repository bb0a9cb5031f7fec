"""ZIP and ZIPS: the predictor, then one zlib stream.

The two compressions differ only in the number of lines per chunk.
"""

from collections.abc import Iterator, Sequence

import deflate
import numpy as np
from isal import isal_zlib

from exrbatch.codecs.codec import ChunkGroup, Packed, Raw, Stream, StreamCodec
from exrbatch.codecs.effort import Effort
from exrbatch.codecs.predictor import ROWS_BYTES, Predictor
from exrbatch.errors import CorruptChunk

ISAL_LEVEL = 1
"""ISA-L level for `Effort.FAST`, and for the samples that decide whether data is noise."""
LIBDEFLATE_LEVEL = {Effort.BALANCED: 4, Effort.MAX: 12}
"""OpenEXR 3.5 itself uses level 4. Level 12 is the highest of libdeflate."""

NOISE = 0.67
"""Compressed size, as a fraction of the raw size, above which sampled data counts as noise.

Noise has few matches, so ISA-L compresses it as well as libdeflate level 4 does. On film scans and
grainy plates, its output is 0.98 to 1.00 times as large, and it takes 0.17 times as long.
"""
NOISE_LEVEL = 2
"""ISA-L level for noise. Level 3 would save 0.5 % of the bytes, but take twice the time."""
SAMPLE_BYTES, SAMPLES = 1024, 4
"""Size of each sample in bytes, and number of samples, that decide whether data is noise."""
LEAST_HALF = 1 << 15
"""Smallest half in bytes that is compressed separately.

With smaller halves, two costs would become noticeable: a second set of Huffman tables is needed,
and the second half can't use the first half as a dictionary.
"""
NOISE_PIECE = 1 << 15
"""Bytes passed to ISA-L level 2 at a time. With larger pieces its output is 0.5 to 1.5 % larger."""
ZLIB_START = b"\x78\x5e"
"""The header of a zlib stream."""


class ZipCodec(StreamCodec):
    """Codec that makes one zlib stream of each chunk.

    The effort decides which library compresses: ISA-L (fast), libdeflate (max), or libdeflate with
    ISA-L for noise (balanced). libdeflate decompresses.
    """

    def __init__(self, effort: Effort) -> None:
        self._effort = effort
        self._predictor = Predictor()

    def pack(self, group: ChunkGroup, raw: Raw) -> list[Packed]:
        """Compress each stream; short streams of equal length are predicted many at a time."""
        if not _are_rows(group):
            return super().pack(group, raw)
        packed: list[Packed] = []
        for rows in _blocks(raw, group.sizes[0]):
            for row, predicted in zip(rows, self._predictor.forward_rows(rows), strict=True):
                deflated = self._deflate(predicted.data)
                packed.append(deflated if len(deflated) < len(row) else row.data)
        return packed

    def unpack(self, group: ChunkGroup, packed: Sequence[memoryview], raw: Raw) -> None:
        """Decompress each stream.

        Short streams of equal length are processed a block at a time. A block in which any stream
        is stored raw is processed stream by stream.
        """
        if not _are_rows(group):
            super().unpack(group, packed, raw)
            return
        size, start = group.sizes[0], 0
        for rows in _blocks(raw, size):
            streams = packed[start : start + len(rows)]
            if max(map(len, streams)) < size:
                inflated = [_inflated(data, size, group.chunks[start + place]) for place, data in enumerate(streams)]
                predicted = np.frombuffer(b"".join(inflated), np.uint8).reshape(rows.shape)
                self._predictor.inverse_rows(predicted, rows)
            else:  # at least one stream is stored raw or is too long
                some = ChunkGroup(group.grid, group.chunks[start : start + len(rows)], group.sizes[: len(rows)])
                super().unpack(some, streams, rows.reshape(-1))
            start += len(rows)

    def pack_stream(self, stream: Stream) -> Packed:
        """Predict, then deflate."""
        return self._deflate(self._predictor.forward(stream.raw).data)

    def _deflate(self, predicted: memoryview) -> Packed:
        if self._effort is Effort.FAST:
            return isal_zlib.compress(predicted, ISAL_LEVEL)
        if self._effort is Effort.BALANCED and _begins_with_noise(predicted):
            return _pack_halves(predicted)
        return deflate.zlib_compress(predicted, LIBDEFLATE_LEVEL[self._effort])

    def unpack_stream(self, packed: memoryview, stream: Stream) -> None:
        """Inflate, then undo the prediction."""
        self._predictor.inverse(np.frombuffer(_inflate(packed, len(stream.raw)), np.uint8), stream.raw)

    def stream_holds(self, packed: memoryview, stream: Stream) -> bool:
        """Inflate and compare the result with the predicted raw bytes.

        The predictor maps one to one, so the raw bytes are equal if the predicted bytes are.
        """
        return _inflate(packed, len(stream.raw)) == self._predictor.forward(stream.raw).data


def _are_rows(group: ChunkGroup) -> bool:
    """Return whether all streams are short and have the same even length, as is usual for ZIPS."""
    size = group.sizes[0]
    is_short = 0 < size <= ROWS_BYTES // 2 and size % 2 == 0
    return is_short and len(group.chunks) > 1 and set(group.sizes) == {size}


def _blocks(raw: Raw, size: int) -> Iterator[Raw]:
    """Split raw bytes into blocks of shape (streams, size)."""
    rows = raw.reshape(-1, size)
    step = ROWS_BYTES // size
    return (rows[start : start + step] for start in range(0, len(rows), step))


def _inflated(packed: memoryview, size: int, chunk: int) -> bytearray:
    try:
        return _inflate(packed, size)
    except CorruptChunk as error:
        raise CorruptChunk(str(error), chunk) from None


def _begins_with_noise(predicted: memoryview) -> bool:
    """Return whether the first half of the bytes, the low bytes of the samples, is noise."""
    half = len(predicted) // 2
    if half < LEAST_HALF:
        return False
    starts = [index * (half - SAMPLE_BYTES) // (SAMPLES - 1) for index in range(SAMPLES)]
    sample = b"".join(predicted[start : start + SAMPLE_BYTES] for start in starts)
    packed_size = len(isal_zlib.compress(sample, ISAL_LEVEL))
    deflate.adler32(sample)  # see _pack_halves
    return packed_size > NOISE * len(sample)


def _pack_halves(predicted: memoryview) -> bytes:
    """Return one zlib stream whose first half is made by ISA-L, the second by libdeflate.

    Deflate streams can be joined if the first ends on a whole byte and its last block is not marked
    as the final one.

    The checksum is computed after the first half and before the second. ISA-L leaves the upper
    halves of the vector registers in use, which makes libdeflate's matching 15 % slower on the
    x86-64 processors that were measured. libdeflate's checksum function clears them when it
    returns.
    """
    half = len(predicted) // 2
    packer = isal_zlib.compressobj(NOISE_LEVEL, isal_zlib.DEFLATED, -isal_zlib.MAX_WBITS)
    low = [packer.compress(predicted[start : min(start + NOISE_PIECE, half)]) for start in range(0, half, NOISE_PIECE)]
    low.append(packer.flush(isal_zlib.Z_SYNC_FLUSH))
    checksum = deflate.adler32(predicted)
    high = deflate.deflate_compress(predicted[half:], LIBDEFLATE_LEVEL[Effort.BALANCED])
    return b"".join((ZLIB_START, *low, high, checksum.to_bytes(4, "big")))


def _inflate(packed: memoryview, size: int) -> bytearray:
    try:
        predicted = deflate.zlib_decompress(packed, size)
    except deflate.DeflateError:
        raise CorruptChunk(f"the zlib stream of {len(packed)} bytes is damaged") from None
    if len(predicted) != size:
        raise CorruptChunk(f"the zlib stream decompresses to {len(predicted)} bytes instead of {size}")
    # libdeflate ignores extra bytes after the stream, but OpenEXR refuses them. A zlib stream ends
    # with its checksum, which libdeflate has just verified. If the payload does not end with this
    # checksum, it has extra bytes.
    if packed[-4:] != deflate.adler32(predicted).to_bytes(4, "big"):
        raise CorruptChunk("extra bytes after the end of the zlib stream")
    return predicted
