"""The codec of each compression."""

from collections.abc import Sequence

from exrbatch.codecs.codec import Codec
from exrbatch.codecs.effort import Effort
from exrbatch.exr.compression import Compression


def codecs_for(compressions: Sequence[Compression], effort: Effort) -> list[Codec]:
    """Make the codecs for the parts of a file.

    Parts with the same compression share a codec, because its work buffers are large.

    Args:
        compressions: compression of each part.
        effort: how much time to spend on compression.

    Returns:
        the codec of each part.

    Raises:
        UnsupportedFile: the installed OpenEXR is too old for one of the compressions.
    """
    made = {each: codec_for(each, effort) for each in dict.fromkeys(compressions)}
    return [made[each] for each in compressions]


def codec_for(compression: Compression, effort: Effort) -> Codec:
    """Make the codec for a compression.

    Keep the codec for a whole file, because it owns work buffers. Its module is imported when it is
    first needed, because most files need only one or two codecs.

    Raises:
        UnsupportedFile: the installed OpenEXR is too old for the compression.
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
