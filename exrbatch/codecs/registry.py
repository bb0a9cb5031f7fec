"""Which codec packs which compression."""

from collections.abc import Sequence

from exrbatch.codecs.codec import Codec
from exrbatch.codecs.effort import Effort
from exrbatch.exr.compression import Compression


def codecs_for(compressions: Sequence[Compression], effort: Effort) -> list[Codec]:
    """Make the codec of each part; parts with the same compression share one, as its work buffers are large."""
    made = {each: codec_for(each, effort) for each in dict.fromkeys(compressions)}
    return [made[each] for each in compressions]


def codec_for(compression: Compression, effort: Effort) -> Codec:
    """Make a codec; it owns work buffers, so keep it for a whole file.

    Raises `UnsupportedFile` if the OpenEXR that is installed is too old for the compression. Each codec is
    imported when it is first asked for: most files need one or two.
    """
    match compression:
        case Compression.NONE:
            from exrbatch.codecs.none import NoneCodec

            return NoneCodec()
        case Compression.RLE:
            from exrbatch.codecs.rle import RleCodec

            return RleCodec()
        case Compression.ZIPS | Compression.ZIP:
            from exrbatch.codecs.zip import ZipCodec

            return ZipCodec(effort)
        case Compression.ZSTD:
            from exrbatch.codecs.zstd import ZstdCodec

            return ZstdCodec(effort)
    from exrbatch.codecs.library import LibraryCodec

    return LibraryCodec(compression)
