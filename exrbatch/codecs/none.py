"""NONE: every chunk is stored raw, so the rule in `codec` does all the work."""

from exrbatch.codecs.codec import Packed, Raw
from exrbatch.errors import CorruptChunk


class NoneCodec:
    """Copies."""

    def pack_stream(self, raw: Raw) -> Packed:
        """Return a view of `raw` itself."""
        return raw.data

    def unpack_stream(self, packed: memoryview, raw: Raw) -> None:
        """Refuse: a chunk of another length than its raw bytes is no uncompressed chunk."""
        raise CorruptChunk(f"{len(packed)} bytes of uncompressed data where {len(raw)} belong")

    def stream_holds(self, packed: memoryview, raw: Raw) -> bool:
        """Refuse, as `unpack_stream`."""
        self.unpack_stream(packed, raw)
        return False
