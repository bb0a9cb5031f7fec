"""Source chunks -> raw bytes -> target chunks, span by span."""

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from exrbatch.codecs.codec import ChunkGroup, Codec, Packed, Raw
from exrbatch.codecs.effort import Effort
from exrbatch.codecs.registry import codecs_for
from exrbatch.exr.chunks import ChunkGrid, chunk_grid
from exrbatch.exr.compression import Compression
from exrbatch.exr.reader import ExrFile
from exrbatch.exr.writer import ExrWriter, Write
from exrbatch.recompression.digests import Digests, digest
from exrbatch.recompression.lanes import lanes, ordered
from exrbatch.recompression.raw_reader import RawReader
from exrbatch.recompression.spans import Span, cut_spans

Progress = Callable[[float], None]
"""Called with the part of a step that is done, 0 to 1."""


def target_grids(source: ExrFile, compressions: Sequence[Compression]) -> list[ChunkGrid]:
    """Build the chunk grid that each part will have."""
    return [chunk_grid(part, target) for part, target in zip(source.header.parts, compressions, strict=True)]


def recompress(
    source: ExrFile,
    compressions: Sequence[Compression],
    effort: Effort,
    write: Write,
    progress: Progress,
    threads: int = 1,
    digests: Digests | None = None,
) -> None:
    """Write the source, with each part packed anew, to an empty file.

    `digests` gets that of each span's raw bytes. Holds one span at a time (about 4 MB of raw bytes, or
    one chunk common to both compressions); with several threads one more than there are.
    """
    grids = target_grids(source, compressions)
    header = source.header.recompressed(compressions, [grid.count for grid in grids])
    writer = ExrWriter(write, source.header, header, grids)
    total = sum(grid.count for grid in grids)
    done = 0
    tasks = _tasks(source, grids, compressions, effort, threads, with_digests=digests is not None)
    for ready in ordered(tasks, threads):
        _write_span(writer, ready.span, ready.group, ready.packed)
        if digests is not None:
            digests.append(ready.digest)
        done += len(ready.span.target)
        progress(done / total)
    writer.finish()


@dataclass(frozen=True, slots=True, eq=False)
class _PackedSpan:
    """A span that is ready to be written; the digest is empty where none was asked for."""

    span: Span
    group: ChunkGroup
    packed: Sequence[Packed]
    digest: bytes


def _tasks(
    source: ExrFile,
    grids: Sequence[ChunkGrid],
    compressions: Sequence[Compression],
    effort: Effort,
    threads: int,
    *,
    with_digests: bool,
) -> Iterator[Callable[[], _PackedSpan]]:
    """Yield what is to be done for each span. Reader and codecs own buffers: a set for each lane."""
    sets = [(RawReader(source), codecs_for(compressions, effort)) for _ in range(lanes(threads))]
    for span, (reader, codecs) in zip(cut_spans(source, grids), itertools.cycle(sets), strict=False):
        yield functools.partial(_pack, span, grids[span.part], reader, codecs[span.part], with_digests)


def _pack(span: Span, grid: ChunkGrid, reader: RawReader, codec: Codec, with_digest: bool) -> _PackedSpan:
    raw = reader.read(span.part, span.source)
    known = digest(raw) if with_digest else b""
    group = target_group(span, grid, raw)
    return _PackedSpan(span, group, codec.pack(group, raw), known)


def _write_span(writer: ExrWriter, span: Span, group: ChunkGroup, packed: Sequence[Packed]) -> None:
    if group.part.storage.is_deep:
        table, samples = packed
        writer.write_deep(span.part, span.target[0], table, samples, group.sizes[1])
    else:
        order = range(len(packed))
        for index in reversed(order) if span.backwards else order:
            writer.write_flat(span.part, span.target[index], packed[index])
    writer.flush()


def target_group(span: Span, grid: ChunkGrid, raw: Raw) -> ChunkGroup:
    """The target's chunks that hold these raw bytes."""
    table_size = int(grid.raw_sizes[span.target[0]])
    return ChunkGroup.of(grid, span.target, len(raw) - table_size)
