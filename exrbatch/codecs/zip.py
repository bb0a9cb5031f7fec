"""ZIP and ZIPS: the predictor, then one zlib stream. They differ only in lines per chunk."""

from collections.abc import Iterator, Sequence

import deflate
import numpy as np
from isal import isal_zlib

from exrbatch.codecs.codec import ChunkGroup, Packed, Raw, Stream, StreamCodec
from exrbatch.codecs.effort import Effort
from exrbatch.codecs.predictor import ROWS_BYTES, Predictor
from exrbatch.errors import CorruptChunk

ISAL_LEVEL = 1
LIBDEFLATE_LEVEL = {Effort.BALANCED: 4, Effort.MAX: 12}
"""4 is what OpenEXR 3.5 itself uses; 12 is the hardest that libdeflate can."""

NOISE = 0.67
"""A sample that packs to more than this holds few matches: there ISA-L is as good as libdeflate 4 (0.98 to 1.00 of its
bytes on film scans and grainy plates) and takes 0.17 of its time. Level 3 would save 0.5 % for twice that time."""
NOISE_LEVEL = 2
SAMPLE_BYTES, SAMPLES = 1024, 4
LEAST_HALF = 1 << 15
"""Bytes. Of less, the second block of Huffman tables would be felt, and the first half as a dictionary be missed."""
NOISE_PIECE = 1 << 15
"""Bytes given to ISA-L 2 at a time: of more, it makes 0.5 to 1.5 % more."""
ZLIB_START = b"\x78\x5e"


class ZipCodec(StreamCodec):
    """One zlib stream a chunk. fast: ISA-L; balanced: libdeflate, and ISA-L for noise; max: libdeflate.

    Unpacks with libdeflate.
    """

    def __init__(self, effort: Effort) -> None:
        self._effort = effort
        self._predictor = Predictor()

    def pack(self, group: ChunkGroup, raw: Raw) -> list[Packed]:
        """Pack each stream; short ones of equal length are predicted many at a time."""
        if not _are_rows(group):
            return super().pack(group, raw)
        packed: list[Packed] = []
        for rows in _blocks(raw, group.sizes[0]):
            for row, predicted in zip(rows, self._predictor.forward_rows(rows), strict=True):
                deflated = self._deflate(predicted.data)
                packed.append(deflated if len(deflated) < len(row) else row.data)
        return packed

    def unpack(self, group: ChunkGroup, packed: Sequence[memoryview], raw: Raw) -> None:
        """Unpack each stream; short ones of equal length, if all of a block are packed, many at a time."""
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
            else:  # some are stored raw, or are too long
                some = ChunkGroup(group.grid, group.chunks[start : start + len(rows)], group.sizes[: len(rows)])
                super().unpack(some, streams, rows.reshape(-1))
            start += len(rows)

    def pack_stream(self, stream: Stream) -> Packed:
        """Predict and deflate."""
        return self._deflate(self._predictor.forward(stream.raw).data)

    def _deflate(self, predicted: memoryview) -> Packed:
        if self._effort is Effort.FAST:
            return isal_zlib.compress(predicted, ISAL_LEVEL)
        if self._effort is Effort.BALANCED and _begins_with_noise(predicted):
            return _pack_halves(predicted)
        return deflate.zlib_compress(predicted, LIBDEFLATE_LEVEL[self._effort])

    def unpack_stream(self, packed: memoryview, stream: Stream) -> None:
        """Inflate and undo the prediction."""
        self._predictor.inverse(np.frombuffer(_inflate(packed, len(stream.raw)), np.uint8), stream.raw)

    def stream_holds(self, packed: memoryview, stream: Stream) -> bool:
        """Inflate and compare with the predicted bytes: as the predictor is one to one, equal there is equal raw."""
        return _inflate(packed, len(stream.raw)) == self._predictor.forward(stream.raw).data


def _are_rows(group: ChunkGroup) -> bool:
    """Whether the streams are short and of one even length, as those of ZIPS are: the lines of a picture."""
    size = group.sizes[0]
    is_short = 0 < size <= ROWS_BYTES // 2 and size % 2 == 0
    return is_short and len(group.chunks) > 1 and set(group.sizes) == {size}


def _blocks(raw: Raw, size: int) -> Iterator[Raw]:
    """Cut raw bytes into blocks of shape (streams, size)."""
    rows = raw.reshape(-1, size)
    step = ROWS_BYTES // size
    return (rows[start : start + step] for start in range(0, len(rows), step))


def _inflated(packed: memoryview, size: int, chunk: int) -> bytearray:
    try:
        return _inflate(packed, size)
    except CorruptChunk as error:
        raise CorruptChunk(str(error), chunk) from None


def _begins_with_noise(predicted: memoryview) -> bool:
    """Whether the first half, the low bytes of the samples, is grain."""
    half = len(predicted) // 2
    if half < LEAST_HALF:
        return False
    starts = [index * (half - SAMPLE_BYTES) // (SAMPLES - 1) for index in range(SAMPLES)]
    sample = b"".join(predicted[start : start + SAMPLE_BYTES] for start in starts)
    packed_size = len(isal_zlib.compress(sample, ISAL_LEVEL))
    deflate.adler32(sample)  # see _pack_halves
    return packed_size > NOISE * len(sample)


def _pack_halves(predicted: memoryview) -> bytes:
    """Make one zlib stream of two deflate streams: the first ends on a whole byte, and not as the last block.

    ISA-L leaves the upper halves of the vector registers in use, which makes libdeflate's matching 15 % slower on
    the x86-64 processors that were measured; libdeflate's own checksum tidies up behind itself, so it comes between.
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
        raise CorruptChunk(f"the zlib stream holds {len(predicted)} bytes where {size} belong")
    # libdeflate ignores bytes behind the stream, OpenEXR refuses them. The stream ends with the checksum that
    # libdeflate has just proved, so a payload that does not end with it has such bytes.
    if packed[-4:] != deflate.adler32(predicted).to_bytes(4, "big"):
        raise CorruptChunk("bytes after the end of the zlib stream")
    return predicted
