"""ZIP and ZIPS: the predictor, then one zlib stream.

The two compressions differ only in the number of lines per chunk.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from exrbatch.codecs.codec import ChunkGroup, Hash, Packed, Raw, Stream, StreamCodec, hash_sizes
from exrbatch.codecs.deflater import Deflater
from exrbatch.codecs.effort import Effort
from exrbatch.codecs.engines import adler32, inflate
from exrbatch.codecs.predictor import ROWS_BYTES, Predictor
from exrbatch.errors import CorruptChunk


class ZipCodec(StreamCodec):
    """Codec that makes one zlib stream of each chunk; `engines` chooses the compressing library."""

    def __init__(self, effort: Effort) -> None:
        self._deflater = Deflater(effort)
        self._predictor = Predictor()

    def pack(self, group: ChunkGroup, raw: Raw, seen: Hash | None = None) -> list[Packed]:
        """Compress each stream; short streams of equal length are predicted many at a time."""
        self._deflater.begin_group(group.raw_size)
        if not _are_rows(group):
            return super().pack(group, raw, seen)
        packed: list[Packed] = []
        for rows in _blocks(raw, group.sizes[0]):
            predicted = self._predictor.forward_rows(rows)
            deflated = self._deflater.compress_rows(predicted)
            is_shorter = [len(stream) < len(row) for stream, row in zip(deflated, rows, strict=True)]
            packed += [
                stream if short else row.data for stream, row, short in zip(deflated, rows, is_shorter, strict=True)
            ]
            if seen is not None and all(is_shorter):
                seen.update(predicted.data)
            elif seen is not None:
                for row, content, short in zip(rows, predicted, is_shorter, strict=True):
                    seen.update(content.data if short else row.data)
        hash_sizes(group, packed, seen)
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

    def confirms(self, group: ChunkGroup, packed: Sequence[memoryview], raw: Raw) -> bool:
        """Return whether raw bytes have the checksums of the streams that they came from.

        A zlib stream ends with a checksum of the predicted bytes. So this proves, independently of
        whoever decompressed the streams, that they were decompressed and rearranged correctly.
        Streams that are stored raw are ignored.
        """
        return all(
            len(data) == size or adler32(predicted.data).to_bytes(4, "big") == data[-4:]
            for data, size, predicted in zip(packed, group.sizes, self._predicted(group, raw), strict=True)
        )

    def _predicted(self, group: ChunkGroup, raw: Raw) -> Iterator[Raw]:
        """Yield the predicted bytes of each stream, valid until the next one."""
        if _are_rows(group):
            for rows in _blocks(raw, group.sizes[0]):
                yield from self._predictor.forward_rows(rows)
        else:
            for stream in group.split(raw):
                yield self._predictor.forward(stream.raw)

    def pack_stream(self, stream: Stream) -> tuple[Packed, Sequence[Packed]]:
        """Predict, then deflate."""
        predicted = self._predictor.forward(stream.raw).data
        return self._deflater.compress(predicted), (predicted,)

    def content(self, packed: memoryview, size: int) -> Sequence[Packed]:
        """Inflate to the predicted bytes."""
        return (inflate(packed, size),)

    def unpack_stream(self, packed: memoryview, stream: Stream) -> None:
        """Inflate, then undo the prediction."""
        self._predictor.inverse(np.frombuffer(inflate(packed, len(stream.raw)), np.uint8), stream.raw)

    def stream_holds(self, packed: memoryview, stream: Stream) -> bool:
        """Inflate and compare the result with the predicted raw bytes.

        The predictor maps one to one, so the raw bytes are equal if the predicted bytes are.
        """
        inflated = np.frombuffer(inflate(packed, len(stream.raw)), np.uint8)
        return bool(np.array_equal(inflated, self._predictor.forward(stream.raw)))


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


def _inflated(packed: memoryview, size: int, chunk: int) -> bytes | bytearray:
    try:
        return inflate(packed, size)
    except CorruptChunk as error:
        raise CorruptChunk(str(error), chunk) from None
