"""Source chunks -> raw bytes -> target chunks, span by span."""

from collections.abc import Callable, Sequence

from exrbatch.codecs.codec import ChunkGroup, Codec, Raw
from exrbatch.codecs.effort import Effort
from exrbatch.codecs.table import codecs_for
from exrbatch.exr.chunks import ChunkGrid, chunk_grid
from exrbatch.exr.compression import Compression
from exrbatch.exr.reader import ExrFile
from exrbatch.exr.writer import ExrWriter, Write
from exrbatch.file.raw import RawReader
from exrbatch.file.spans import Span, cut_spans

Progress = Callable[[float], None]
"""Called with the part of a step that is done, 0 to 1."""


def target_grids(source: ExrFile, compressions: Sequence[Compression]) -> list[ChunkGrid]:
    """Build the chunk grid that each part will have."""
    return [chunk_grid(part, target) for part, target in zip(source.header.parts, compressions, strict=True)]


def recompress(
    source: ExrFile, compressions: Sequence[Compression], effort: Effort, write: Write, progress: Progress
) -> None:
    """Write the source, with each part packed anew, to an empty file.

    Holds one span at a time (about 4 MB of raw bytes, or one chunk common to both compressions).
    """
    grids = target_grids(source, compressions)
    header = source.header.recompressed(compressions, [grid.count for grid in grids])
    writer = ExrWriter(write, source.header, header, grids)
    reader = RawReader(source)
    codecs = codecs_for(compressions, effort)
    total = sum(grid.count for grid in grids)
    done = 0
    for span in cut_spans(source, grids):
        raw = reader.read(span.part, span.source)
        _write_span(writer, span, grids[span.part], codecs[span.part], raw)
        done += len(span.target)
        progress(done / total)
    writer.finish()


def _write_span(writer: ExrWriter, span: Span, grid: ChunkGrid, codec: Codec, raw: Raw) -> None:
    group = target_group(span, grid, raw)
    packed = codec.pack(group, raw)
    if grid.part.storage.is_deep:
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
