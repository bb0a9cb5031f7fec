"""Check whether a file is sound: read and decompress every chunk, and list those that are damaged.

A sound file is read once, in the spans of a recompression. Only if that fails, the file is surveyed
(`exr.survey`) and every chunk that can be found is tried by itself.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from exrbatch.codecs.codec import Codec, Raw, StreamCodec
from exrbatch.codecs.effort import Effort
from exrbatch.codecs.library import LibraryCodec
from exrbatch.codecs.registry import codecs_for
from exrbatch.errors import InvalidFile
from exrbatch.exr.compression import Compression
from exrbatch.exr.damage import MAX_LISTED, Damage, Findings
from exrbatch.exr.offset_tables import PartChunks
from exrbatch.exr.reader import ExrFile
from exrbatch.exr.survey import check_chunk_counts, check_header, level_of, survey
from exrbatch.recompression.choices import Verify
from exrbatch.recompression.comparison import choose_decoders
from exrbatch.recompression.content_digest import ContentDigest
from exrbatch.recompression.lanes import Lanes, Walk
from exrbatch.recompression.raw_reader import RawReader
from exrbatch.recompression.spans import SPAN_BYTES, SPAN_CHUNKS, Span, cut_spans, ordered_spans

STOPPED = f"the search stopped after {MAX_LISTED} damaged chunks; there may be more"


def find_damage(walk: Walk, mode: Verify, *, wants_digest: bool = False) -> Findings:
    """Find what is damaged in an open file.

    Args:
        walk: the walk over the file.
        mode: which decoders read it. Our own codecs always do; with LIBRARY, the OpenEXR library
            decompresses flat ZIP, ZIPS and ZSTD chunks once more, and must return the same bytes.
        wants_digest: whether to compute the content digest, too.

    Raises:
        InvalidFile: the file is damaged in a way that leaves no chunk to look for.
        UnsupportedFile: the file can't be checked. The message is the reason.
    """
    findings = Findings()
    check_header(walk.source.header, findings)
    check_chunk_counts(walk.source, findings)
    try:
        findings.content_sha256 = _decode_all(walk, mode, wants_digest)
    except InvalidFile:
        _decode_what_is_left(walk, mode, findings)
    return findings


def _decode_all(walk: Walk, mode: Verify, wants_digest: bool) -> str | None:
    """Decompress every chunk, and return the content digest if it is wanted.

    Raises:
        InvalidFile: one of them is damaged, or the offset tables are.
    """
    source = walk.source
    grids = [table.grid for table in source.parts]
    total, done = sum(grid.count for grid in grids), 0
    second = _second_decoders(source, mode)
    content = ContentDigest(source) if wants_digest else None

    def check(reader: RawReader, span: Span) -> tuple[Span, Raw]:
        return span, reader.check(span.part, span.source, second[span.part])

    spans = cut_spans(source, grids) if content is None else ordered_spans(source)
    # A second decoder has no state, so threads can share it.
    for span, raw in Lanes(lambda: RawReader(source), walk.threads).map(check, spans):
        if content is not None:
            content.add(span.part, span.source, raw)
        done += len(span.source)
        walk.progress(done / total)
    return None if content is None else content.result()


def _second_decoders(source: ExrFile, mode: Verify) -> list[Codec | None]:
    """Return for each part the decoder that must agree with our own codec, or None.

    None if our own codec calls the library anyway, as for PIZ and for flat RLE, and for NONE, where
    the library would only copy bytes.
    """
    parts = source.header.parts
    compressions = [part.compression for part in parts]
    own = codecs_for(compressions, Effort.BALANCED)
    decoders = choose_decoders(parts, compressions, mode, [()] * len(parts))
    by_library = (Compression.NONE, Compression.RLE)
    return [
        decoder
        if isinstance(decoder, LibraryCodec) and isinstance(codec, StreamCodec) and compression not in by_library
        else None
        for codec, decoder, compression in zip(own, decoders, compressions, strict=True)
    ]


def _decode_what_is_left(walk: Walk, mode: Verify, findings: Findings) -> None:
    """Survey a damaged file, and decompress every chunk that can be found."""
    source = walk.source
    found = survey(source, findings)
    source.use_tables(found.tables)
    reader, second = RawReader(source), _second_decoders(source, mode)
    total, done = max(1, sum(map(len, found.readable))), 0
    for part, (table, readable) in enumerate(zip(found.tables, found.readable, strict=True)):
        for group in _groups(table, readable):
            done += sum(map(len, group))
            for error in _errors(reader, part, group, second[part]):
                findings.add(_located(table, error))
                if findings.total >= MAX_LISTED:
                    findings.notes.append(STOPPED)
                    return
            walk.progress(done / total)


def _errors(
    reader: RawReader, part: int, group: Sequence[tuple[int, ...]], second: Codec | None
) -> Iterator[InvalidFile]:
    """Decompress the units of a group together and, if that fails, each by itself.

    Yields:
        the error of each unit that is damaged.
    """
    try:
        reader.check(part, [chunk for unit in group for chunk in unit], second)
    except InvalidFile as error:
        if len(group) == 1:
            yield error
            return
        for unit in group:
            yield from _errors(reader, part, [unit], second)


def _groups(table: PartChunks, readable: NDArray[np.int64]) -> Iterator[list[tuple[int, ...]]]:
    """Cut the readable chunks of a part into groups of about `SPAN_BYTES`.

    Yields:
        groups of units. A unit is what can be decompressed by itself: a chunk or, with subsampled
        channels, as many chunks as begin on a line of every channel. Units that lack a chunk are
        left out.
    """
    part, grid = table.grid.part, table.grid
    step = 1
    if part.tiles is None:
        lines = int(grid.heights[0])
        step = math.lcm(lines, *(channel.y_sampling for channel in part.channels)) // lines
    chosen = set(readable.tolist())
    group: list[tuple[int, ...]] = []
    size = chunks = 0
    for first in dict.fromkeys(chunk // step * step for chunk in readable.tolist()):
        unit = tuple(range(first, min(first + step, grid.count)))
        if not chosen.issuperset(unit):
            continue
        unit_size = int(grid.raw_sizes[list(unit)].sum())
        if group and (part.storage.is_deep or size + unit_size > SPAN_BYTES or chunks + len(unit) > SPAN_CHUNKS):
            yield group
            group, size, chunks = [], 0, 0
        group.append(unit)
        size, chunks = size + unit_size, chunks + len(unit)
    if group:
        yield group


def _located(table: PartChunks, error: InvalidFile) -> Damage:
    """Return the damage that an error is about."""
    damage = Damage.of_message(str(error))
    level = None if damage.chunk is None else level_of(table.grid, damage.chunk)
    return Damage(reason=damage.reason, part=damage.part, chunk=damage.chunk, level=level, offset=damage.offset)
