"""ZIP and ZIPS: the predictor, then one zlib stream. They differ only in lines per chunk."""

import deflate
import numpy as np
from isal import isal_zlib

from exrbatch.codecs.codec import Packed, Stream, StreamCodec
from exrbatch.codecs.effort import Effort
from exrbatch.codecs.predictor import Predictor
from exrbatch.errors import CorruptChunk

ISAL_LEVEL = 1
LIBDEFLATE_LEVEL = {Effort.BALANCED: 4, Effort.MAX: 12}
"""4 is what OpenEXR 3.5 itself uses; 12 is the hardest that libdeflate can."""


class ZipCodec(StreamCodec):
    """One zlib stream a chunk. fast: ISA-L; balanced and max: libdeflate. Unpacks with libdeflate."""

    def __init__(self, effort: Effort) -> None:
        self._effort = effort
        self._predictor = Predictor()

    def pack_stream(self, stream: Stream) -> Packed:
        """Predict and deflate."""
        predicted = self._predictor.forward(stream.raw).data
        if self._effort is Effort.FAST:
            return isal_zlib.compress(predicted, ISAL_LEVEL)
        return deflate.zlib_compress(predicted, LIBDEFLATE_LEVEL[self._effort])

    def unpack_stream(self, packed: memoryview, stream: Stream) -> None:
        """Inflate and undo the prediction."""
        self._predictor.inverse(np.frombuffer(_inflate(packed, len(stream.raw)), np.uint8), stream.raw)

    def stream_holds(self, packed: memoryview, stream: Stream) -> bool:
        """Inflate and compare with the predicted bytes: as the predictor is one to one, equal there is equal raw."""
        return _inflate(packed, len(stream.raw)) == self._predictor.forward(stream.raw).data


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
