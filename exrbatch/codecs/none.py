"""NONE: no compression. Every stream is stored raw, so `StreamCodec` does all the work."""

from collections.abc import Sequence

from exrbatch.codecs.codec import ChunkGroup, Hash, Packed, Raw, Stream, StreamCodec
from exrbatch.errors import CorruptChunk


class NoneCodec(StreamCodec):
    """Codec that stores raw bytes."""

    def pack(self, group: ChunkGroup, raw: Raw, seen: Hash | None = None) -> list[Packed]:
        """Return views of the raw bytes; of streams of one size, there may be many."""
        size = group.sizes[0]
        if seen is not None or not size or set(group.sizes) != {size}:
            return super().pack(group, raw, seen)
        return [row.data for row in raw.reshape(-1, size)]

    def pack_stream(self, stream: Stream) -> tuple[Packed, Sequence[Packed]]:
        """Return the raw bytes themselves."""
        return stream.raw.data, (stream.raw.data,)

    def content(self, packed: memoryview, size: int) -> Sequence[Packed]:
        """Raise `CorruptChunk`, for the same reason as `unpack_stream`."""
        raise CorruptChunk(f"{len(packed)} bytes of uncompressed data instead of {size}")

    def unpack_stream(self, packed: memoryview, stream: Stream) -> None:
        """Raise `CorruptChunk`, because an uncompressed stream must have the raw length.

        `StreamCodec` calls this method only if the length differs.
        """
        raise CorruptChunk(f"{len(packed)} bytes of uncompressed data instead of {len(stream.raw)}")

    def stream_holds(self, packed: memoryview, stream: Stream) -> bool:
        """Raise `CorruptChunk`, for the same reason as `unpack_stream`."""
        raise CorruptChunk(f"{len(packed)} bytes of uncompressed data instead of {len(stream.raw)}")
