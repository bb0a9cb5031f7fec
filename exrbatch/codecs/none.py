"""NONE: every stream is stored raw, so the rule in StreamCodec does all the work."""

from exrbatch.codecs.codec import Packed, Stream, StreamCodec
from exrbatch.errors import CorruptChunk


class NoneCodec(StreamCodec):
    """Copies."""

    def pack_stream(self, stream: Stream) -> Packed:
        """Return the raw bytes themselves."""
        return stream.raw.data

    def unpack_stream(self, packed: memoryview, stream: Stream) -> None:
        """Refuse: a stream of another length than its raw bytes is not uncompressed."""
        raise CorruptChunk(f"{len(packed)} bytes of uncompressed data where {len(stream.raw)} belong")

    def stream_holds(self, packed: memoryview, stream: Stream) -> bool:
        """Refuse, as `unpack_stream`."""
        raise CorruptChunk(f"{len(packed)} bytes of uncompressed data where {len(stream.raw)} belong")
