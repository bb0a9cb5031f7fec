"""The content digest: a SHA-256 of what a recompression does not change.

`docs/digests.md` defines the bytes that are hashed, so that other programs can compute the same
digest. A change of the definition needs another `VERSION`.
"""

import hashlib
from collections.abc import Sequence

from exrbatch.codecs.codec import Raw
from exrbatch.exr.chunks import ChunkGrid
from exrbatch.exr.part import CHANGED_ATTRIBUTES, Part
from exrbatch.exr.reader import ExrFile
from exrbatch.recompression.lanes import Lanes, Walk
from exrbatch.recompression.raw_reader import RawReader
from exrbatch.recompression.spans import Span, ordered_spans

VERSION = b"exrbatch content 1\n"
"""What the hashed bytes begin with."""


def content_digest(walk: Walk) -> str:
    """Read all of an open file, and return its content digest in hexadecimal.

    Args:
        walk: the walk over the file.

    Raises:
        InvalidFile: the file is damaged.
        UnsupportedFile: the file can't be read. The message is the reason.
    """
    source = walk.source
    digest = ContentDigest(source)
    total = sum(table.grid.count for table in source.parts)
    done = 0

    def read(reader: RawReader, span: Span) -> tuple[Span, Raw]:
        return span, reader.read(span.part, span.source)

    for span, raw in Lanes(lambda: RawReader(source), walk.threads).map(read, ordered_spans(source)):
        digest.add(span.part, span.source, raw)
        done += len(span.source)
        walk.progress(done / total)
    result = digest.result()
    assert result is not None, "these spans are in the right order"
    return result


class ContentDigest:
    """Computes the content digest from raw bytes as they pass, for example during a recompression.

    That is possible only if all chunks pass in the order of the definition. If they do not, the
    result is None, and the caller must read the file again (`content_digest`).
    """

    def __init__(self, source: ExrFile) -> None:
        self._grids = [table.grid for table in source.parts]
        self._hash = hashlib.sha256(VERSION + _header_bytes(source.header.parts))
        self._part = self._chunk = 0  # those that must come next
        self._is_in_order = True

    def add(self, part: int, chunks: Sequence[int], raw: Raw) -> None:
        """Add the raw bytes of some chunks, one after another; exactly one chunk of a deep part."""
        end = self._chunk + len(chunks)
        if not self._is_in_order or part != self._part or tuple(chunks) != tuple(range(self._chunk, end)):
            self._is_in_order = False
            return
        grid = self._grids[part]
        if grid.part.storage.is_deep:
            self._add_deep(grid, chunks[0], raw)
        else:
            self._hash.update(raw.data)
        self._part, self._chunk = (part + 1, 0) if end == grid.count else (part, end)

    def _add_deep(self, grid: ChunkGrid, chunk: int, raw: Raw) -> None:
        """Add a deep chunk: of each line the sample counts, then the samples."""
        table_size, height = int(grid.raw_sizes[chunk]), int(grid.heights[chunk])
        counts = raw[:table_size].view("<i4").reshape(height, -1)
        begin = table_size
        for line in counts:
            end = begin + int(line[-1]) * grid.part.bytes_per_pixel
            self._hash.update(line.data)
            self._hash.update(raw[begin:end].data)
            begin = end

    def result(self) -> str | None:
        """Return the digest in hexadecimal, or None if chunks were missing or in another order."""
        is_complete = self._is_in_order and self._part == len(self._grids)
        return self._hash.hexdigest() if is_complete else None


def _header_bytes(parts: Sequence[Part]) -> bytes:
    """Return the headers of all parts as they are hashed."""
    hashed = bytearray()
    for part in parts:
        hashed += part.storage.value.encode() + b"\0"
        kept = [each for each in part.attributes if each.name not in CHANGED_ATTRIBUTES]
        for attribute in sorted(kept, key=lambda each: _encoded(each.name)):  # stable: equal names keep their order
            hashed += _encoded(attribute.name) + b"\0" + _encoded(attribute.type) + b"\0"
            hashed += len(attribute.value).to_bytes(4, "little") + attribute.value
        hashed += b"\0"
    return bytes(hashed + b"\0")


def _encoded(text: str) -> bytes:
    """Return a name as the bytes in the file."""
    return text.encode("utf-8", "surrogateescape")
