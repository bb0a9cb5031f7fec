"""What ZIP, ZIPS and RLE have in common: they compress the predicted bytes of each stream."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence

import numpy as np

from exrbatch.codecs.codec import ChunkGroup, Hash, Packed, Raw, Stream, StreamCodec, hash_sizes
from exrbatch.codecs.predictor import ROWS_BYTES, Predictor, Rows
from exrbatch.errors import CorruptChunk


class PredictedCodec(StreamCodec):
    """Codec that predicts, then compresses. The content of a stream is the predicted bytes.

    Short streams of equal length, such as lines, are predicted many at a time.
    """

    def __init__(self) -> None:
        self._predictor = Predictor()

    @abstractmethod
    def compress(self, predicted: memoryview) -> Packed:
        """Compress the predicted bytes of a stream; the result may be longer."""

    @abstractmethod
    def compress_rows(self, predicted: Rows) -> Sequence[Packed]:
        """Compress the predicted bytes of streams of equal length, shape (streams, bytes)."""

    @abstractmethod
    def expand(self, packed: memoryview, size: int) -> Packed:
        """Decompress a stream to its predicted bytes.

        Raises:
            CorruptChunk: `packed` is damaged, or does not hold exactly `size` bytes.
        """

    def pack(self, group: ChunkGroup, raw: Raw, seen: Hash | None = None) -> list[Packed]:
        """Compress each stream."""
        if not _are_rows(group):
            return super().pack(group, raw, seen)
        packed: list[Packed] = []
        for rows in _blocks(raw, group.sizes[0]):
            predicted = self._predictor.forward_rows(rows)
            compressed = self.compress_rows(predicted)
            is_shorter = [len(stream) < len(row) for stream, row in zip(compressed, rows, strict=True)]
            packed += [
                stream if short else row.data for stream, row, short in zip(compressed, rows, is_shorter, strict=True)
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
                expanded = [self._expand(data, size, group.chunks[start + place]) for place, data in enumerate(streams)]
                predicted = np.frombuffer(b"".join(expanded), np.uint8).reshape(rows.shape)
                self._predictor.inverse_rows(predicted, rows)
            else:  # at least one stream is stored raw or is too long
                some = ChunkGroup(group.grid, group.chunks[start : start + len(rows)], group.sizes[: len(rows)])
                super().unpack(some, streams, rows.reshape(-1))
            start += len(rows)

    def _expand(self, packed: memoryview, size: int, chunk: int) -> Packed:
        try:
            return self.expand(packed, size)
        except CorruptChunk as error:
            raise CorruptChunk(str(error), chunk) from None

    def predicted(self, group: ChunkGroup, raw: Raw) -> Iterator[Raw]:
        """Yield the predicted bytes of each stream, valid until the next one."""
        if _are_rows(group):
            for rows in _blocks(raw, group.sizes[0]):
                yield from self._predictor.forward_rows(rows)
        else:
            for stream in group.split(raw):
                yield self._predictor.forward(stream.raw)

    def pack_stream(self, stream: Stream) -> tuple[Packed, Sequence[Packed]]:
        """Predict, then compress."""
        predicted = self._predictor.forward(stream.raw).data
        return self.compress(predicted), (predicted,)

    def content(self, packed: memoryview, size: int) -> Sequence[Packed]:
        """Decompress to the predicted bytes."""
        return (self.expand(packed, size),)

    def unpack_stream(self, packed: memoryview, stream: Stream) -> None:
        """Decompress, then undo the prediction."""
        self._predictor.inverse(np.frombuffer(self.expand(packed, len(stream.raw)), np.uint8), stream.raw)

    def stream_holds(self, packed: memoryview, stream: Stream) -> bool:
        """Decompress and compare the result with the predicted raw bytes.

        The predictor maps one to one, so the raw bytes are equal if the predicted bytes are.
        """
        expanded = np.frombuffer(self.expand(packed, len(stream.raw)), np.uint8)
        return bool(np.array_equal(expanded, self._predictor.forward(stream.raw)))


def _are_rows(group: ChunkGroup) -> bool:
    """Return whether all streams are short and have the same even length, as lines usually do."""
    size = group.sizes[0]
    is_short = 0 < size <= ROWS_BYTES // 2 and size % 2 == 0
    return is_short and len(group.chunks) > 1 and set(group.sizes) == {size}


def _blocks(raw: Raw, size: int) -> Iterator[Rows]:
    """Split raw bytes into blocks of shape (streams, size)."""
    rows = raw.reshape(-1, size)
    step = ROWS_BYTES // size
    return (rows[start : start + step] for start in range(0, len(rows), step))
