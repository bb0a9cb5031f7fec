"""ZIP and ZIPS: the predictor, then one zlib stream.

The two compressions differ only in the number of lines per chunk.
"""

from collections.abc import Sequence

from exrbatch.codecs.codec import ChunkGroup, Hash, Packed, Raw
from exrbatch.codecs.deflater import Deflater
from exrbatch.codecs.effort import Effort
from exrbatch.codecs.engines import adler32, inflate
from exrbatch.codecs.predicted import PredictedCodec
from exrbatch.codecs.predictor import Rows


class ZipCodec(PredictedCodec):
    """Codec that makes one zlib stream of each chunk; `deflater` chooses how."""

    def __init__(self, effort: Effort) -> None:
        super().__init__()
        self._deflater = Deflater(effort)

    def pack(self, group: ChunkGroup, raw: Raw, seen: Hash | None = None) -> list[Packed]:
        """Compress each stream; the deflater begins anew."""
        self._deflater.begin_group(group.raw_size)
        return super().pack(group, raw, seen)

    def compress(self, predicted: memoryview) -> Packed:
        """Deflate one stream."""
        return self._deflater.compress(predicted)

    def compress_rows(self, predicted: Rows) -> Sequence[Packed]:
        """Deflate streams of equal length."""
        return self._deflater.compress_rows(predicted)

    def expand(self, packed: memoryview, size: int) -> Packed:
        """Inflate one stream."""
        return inflate(packed, size)

    def confirms(self, group: ChunkGroup, packed: Sequence[memoryview], raw: Raw) -> bool:
        """Return whether raw bytes have the checksums of the streams that they came from.

        A zlib stream ends with a checksum of the predicted bytes. So this proves, independently of
        whoever decompressed the streams, that they were decompressed and rearranged correctly.
        Streams that are stored raw are ignored.
        """
        return all(
            len(data) == size or adler32(predicted.data).to_bytes(4, "big") == data[-4:]
            for data, size, predicted in zip(packed, group.sizes, self.predicted(group, raw), strict=True)
        )
