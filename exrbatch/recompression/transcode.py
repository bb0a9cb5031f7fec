"""Convert source chunks to raw bytes, and raw bytes to target chunks, span by span."""

from collections.abc import Sequence
from dataclasses import dataclass

from exrbatch.codecs.codec import ChunkGroup, Codec, Packed, Raw, StreamCodec
from exrbatch.codecs.effort import Effort
from exrbatch.codecs.registry import codecs_for
from exrbatch.exr.chunks import ChunkGrid, chunk_grid
from exrbatch.exr.compression import Compression
from exrbatch.exr.reader import ExrFile
from exrbatch.exr.writer import ExrWriter, Write
from exrbatch.recompression.content_digest import ContentDigest
from exrbatch.recompression.digests import Digests, digest, pack_with_digest
from exrbatch.recompression.lanes import Lanes, Walk
from exrbatch.recompression.raw_reader import RawReader
from exrbatch.recompression.spans import Span, cut_spans


def target_grids(source: ExrFile, compressions: Sequence[Compression]) -> list[ChunkGrid]:
    """Build the grid of the chunks that each part will have."""
    return [chunk_grid(part, target) for part, target in zip(source.header.parts, compressions, strict=True)]


def recompress(
    walk: Walk,
    compressions: Sequence[Compression],
    effort: Effort,
    write: Write,
    digests: Digests | None = None,
    content: ContentDigest | None = None,
) -> None:
    """Write a copy of a file, with other compressions, to an empty file.

    With one thread, this holds one span in memory at a time: about 4 MB of raw bytes, or one chunk
    that is common to both compressions. With several threads, it holds one span more than there are
    threads.

    Args:
        walk: the walk over the source.
        compressions: new compression of each part.
        effort: compression effort.
        write: writes bytes at an offset of the new file.
        digests: if given, the digest of each span is appended to it.
        content: if given, the raw bytes are added to it as they pass.
    """
    source = walk.source
    grids = target_grids(source, compressions)
    header = source.header.recompressed(compressions, [grid.count for grid in grids])
    writer = ExrWriter(write, source.header, header, grids)
    total = sum(grid.count for grid in grids)
    done = 0
    lanes = Lanes(lambda: _Tools(RawReader(source), codecs_for(compressions, effort)), walk.threads)

    def pack(tools: _Tools, span: Span) -> _PackedSpan:
        return _pack(tools, span, grids[span.part], digests)

    for ready in lanes.map(pack, cut_spans(source, grids)):
        _write_span(writer, ready.span, ready.group, ready.packed)
        if digests is not None:
            digests.append(ready.digest)
        if content is not None:
            content.add(ready.span.part, ready.span.source, ready.raw)
        done += len(ready.span.target)
        walk.progress(done / total)
    writer.finish()


@dataclass(frozen=True, slots=True, eq=False)
class _Tools:
    """The tools for the work on one span. Both own buffers."""

    reader: RawReader
    codecs: Sequence[Codec]


@dataclass(frozen=True, slots=True, eq=False)
class _PackedSpan:
    """A span that is ready to be written.

    Attributes:
        span: the span.
        raw: its raw bytes.
        group: its target chunks.
        packed: the compressed streams of these chunks.
        digest: its digest, as `Digests` says; empty if no digests are wanted.
    """

    span: Span
    raw: Raw
    group: ChunkGroup
    packed: Sequence[Packed]
    digest: bytes


def _pack(tools: _Tools, span: Span, grid: ChunkGrid, digests: Digests | None) -> _PackedSpan:
    raw, codec = tools.reader.read(span.part, span.source), tools.codecs[span.part]
    group = target_group(span, grid, raw)
    if digests is not None and digests.is_of_contents(span.part) and isinstance(codec, StreamCodec):
        packed, known = pack_with_digest(codec, group, raw)
        return _PackedSpan(span, raw, group, packed, known)
    known = b"" if digests is None else digest(raw)
    return _PackedSpan(span, raw, group, codec.pack(group, raw), known)


def _write_span(writer: ExrWriter, span: Span, group: ChunkGroup, packed: Sequence[Packed]) -> None:
    if group.part.storage.is_deep:
        table, samples = packed
        writer.write_deep(span.part, span.target[0], table, samples, group.sizes[1])
    else:
        step = -1 if span.backwards else 1
        writer.write_flat(span.part, span.target[::step], packed[::step])
    writer.flush()


def target_group(span: Span, grid: ChunkGrid, raw: Raw) -> ChunkGroup:
    """Return the target chunks of a span as a group.

    Args:
        span: the span.
        grid: target chunks of its part.
        raw: raw bytes of the span, which state the size of deep samples.
    """
    table_size = int(grid.raw_sizes[span.target[0]])
    return ChunkGroup.of(grid, span.target, len(raw) - table_size)
