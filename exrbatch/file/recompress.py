"""Source chunks -> raw bytes -> target chunks, span by span."""

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence

from exrbatch.codecs.codec import ChunkGroup, Codec, Packed, Raw
from exrbatch.codecs.effort import Effort
from exrbatch.codecs.table import codecs_for
from exrbatch.exr.chunks import ChunkGrid, chunk_grid
from exrbatch.exr.compression import Compression
from exrbatch.exr.reader import ExrFile
from exrbatch.exr.writer import ExrWriter, Write
from exrbatch.file.digests import Digests
from exrbatch.file.ordered import lanes, ordered
from exrbatch.file.raw import RawReader
from exrbatch.file.spans import Span, cut_spans

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

    `digests` is given the raw bytes of each span to remember. Holds one span at a time (about 4 MB of raw bytes, or
    one chunk common to both compressions); with several threads, which pack, one more than there are.
    """
    grids = target_grids(source, compressions)
    header = source.header.recompressed(compressions, [grid.count for grid in grids])
    writer = ExrWriter(write, source.header, header, grids)
    total = sum(grid.count for grid in grids)
    done = 0
    for span, group, packed in ordered(_tasks(source, grids, compressions, effort, threads, digests), threads):
        _write_span(writer, span, group, packed)
        done += len(span.target)
        progress(done / total)
    writer.finish()


def _tasks(
    source: ExrFile,
    grids: Sequence[ChunkGrid],
    compressions: Sequence[Compression],
    effort: Effort,
    threads: int,
    digests: Digests | None,
) -> Iterator[Callable[[], tuple[Span, ChunkGroup, list[Packed]]]]:
    """Unpack span after span; yield what is to be packed. Reader and codecs own buffers: a set for each lane."""
    sets = [(RawReader(source), codecs_for(compressions, effort)) for _ in range(lanes(threads))]
    for span, (reader, codecs) in zip(cut_spans(source, grids), itertools.cycle(sets), strict=False):
        raw = reader.read(span.part, span.source)
        if digests is not None:
            digests.add(raw)
        group = target_group(span, grids[span.part], raw)
        yield functools.partial(_pack, span, group, codecs[span.part], raw)


def _pack(span: Span, group: ChunkGroup, codec: Codec, raw: Raw) -> tuple[Span, ChunkGroup, list[Packed]]:
    return span, group, codec.pack(group, raw)


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
