"""RLE: the predictor, then run-length encoding.

The OpenEXR library decompresses flat chunks, because it undoes the prediction faster than numpy.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from exrbatch.codecs.codec import ChunkGroup, Packed, Raw
from exrbatch.codecs.predicted import PredictedCodec
from exrbatch.codecs.predictor import Rows
from exrbatch.codecs.run_lengths import RunCoder
from exrbatch.exr.compression import Compression

if TYPE_CHECKING:
    from exrbatch.codecs.library import LibraryCodec


class RleCodec(PredictedCodec):
    """Codec that run-length encodes the predicted bytes."""

    def __init__(self) -> None:
        super().__init__()
        self._coder = RunCoder()
        self._library: LibraryCodec | None = None

    def unpack(self, group: ChunkGroup, packed: Sequence[memoryview], raw: Raw) -> None:
        """Decompress; the library takes plain bytes of flat chunks without subsampling only."""
        if group.part.storage.is_deep or group.part.is_subsampled:
            super().unpack(group, packed, raw)
            return
        if self._library is None:
            from exrbatch.codecs.library import LibraryCodec  # most files never need it

            self._library = LibraryCodec(Compression.RLE)
        self._library.unpack(group, packed, raw)

    def compress(self, predicted: memoryview) -> Packed:
        """Run-length encode one stream."""
        return self._coder.pack(np.frombuffer(predicted, np.uint8))

    def compress_rows(self, predicted: Rows) -> Sequence[Packed]:
        """Run-length encode streams of equal length."""
        return [self._coder.pack(row) for row in predicted]

    def expand(self, packed: memoryview, size: int) -> Packed:
        """Expand the runs."""
        return self._coder.expand(packed, size).data
