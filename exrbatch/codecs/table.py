"""Which codec packs which compression."""

from exrbatch.codecs.codec import Codec
from exrbatch.codecs.effort import Effort
from exrbatch.codecs.none import NoneCodec
from exrbatch.codecs.rle import RleCodec
from exrbatch.codecs.zip import ZipCodec
from exrbatch.exr.compression import Compression


def codec_for(compression: Compression, effort: Effort) -> Codec:
    """Make a codec; it owns work buffers, so keep it for a whole file."""
    match compression:
        case Compression.NONE:
            return NoneCodec()
        case Compression.RLE:
            return RleCodec()
        case Compression.ZIPS | Compression.ZIP:
            return ZipCodec(effort)
    raise AssertionError(f"{compression.name} is not in SUPPORTED")
