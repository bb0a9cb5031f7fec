"""Digests of the spans of a source, so that verification need not read and decompress it again."""

from collections.abc import Sequence

import xxhash

from exrbatch.codecs.codec import ChunkGroup, Codec, Packed, Raw, StreamCodec
from exrbatch.codecs.library import LibraryCodec
from exrbatch.codecs.none import NoneCodec


def digest(raw: Raw) -> bytes:
    """Return the XXH3 digest of raw bytes, 16 bytes long.

    Computing it (at 30 GB/s) takes a tenth of the time of reading and comparing a frame again. Two
    different spans have the same digest with a probability of 1 in 2^128. Memory errors are far
    more likely.
    """
    return xxhash.xxh3_128_digest(raw.data)


def digest_by_library(codec: LibraryCodec, group: ChunkGroup, packed: Sequence[memoryview]) -> bytes:
    """Let the OpenEXR library decompress a group, and return the digest of its raw bytes.

    Raises:
        CorruptChunk: a chunk can't be decompressed; the error holds its index.
    """
    return codec.hash_raw(group, packed, xxhash.xxh3_128).digest()


def pack_with_digest(codec: StreamCodec, group: ChunkGroup, raw: Raw) -> tuple[list[Packed], bytes]:
    """Compress a group, and return the streams with the digest of their contents."""
    seen = xxhash.xxh3_128()
    return codec.pack(group, raw, seen), seen.digest()


def digest_of_contents(codec: StreamCodec, group: ChunkGroup, packed: Sequence[memoryview]) -> bytes:
    """Decompress a group to its contents, and return their digest.

    Raises:
        CorruptChunk: a chunk can't be decompressed; the error holds its index.
    """
    seen = xxhash.xxh3_128()
    codec.hash_contents(group, packed, seen)
    return seen.digest()


class Digests:
    """The digest of each span of a file, in the order of `cut_spans`.

    Of a part that the OpenEXR library will verify, and of one that is not compressed, digests are
    of the raw bytes. Of a part that one of our own codecs will verify, they are of the contents
    (`StreamCodec`), if that is enough: then verification need not undo the rearrangement of bytes.

    All digests are in one byte array, because a deep file has a span for each of up to a million
    chunks.

    Args:
        decoders: for each part, the decoder that will verify it.
        contents_suffice: whether it is enough that each stream of the new file decompresses to what
            was compressed. If not, our own codecs have to compare raw bytes, without digests.
    """

    def __init__(self, decoders: Sequence[Codec], *, contents_suffice: bool) -> None:
        self._is_own = [isinstance(each, StreamCodec) and not isinstance(each, NoneCodec) for each in decoders]
        self._contents_suffice = contents_suffice
        self._bytes = bytearray()

    def is_of_contents(self, part: int) -> bool:
        """Return whether the digests of a part are of the contents of its streams."""
        return self._is_own[part] and self._contents_suffice

    def is_known(self, part: int) -> bool:
        """Return whether the decoder of a part can use digests."""
        return not self._is_own[part] or self._contents_suffice

    def append(self, one: bytes) -> None:
        """Append the digest of the next span."""
        self._bytes += one

    def __getitem__(self, index: int) -> bytes:
        return bytes(self._bytes[16 * index : 16 * index + 16])
