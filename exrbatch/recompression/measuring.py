"""Measure what it costs to compress and decompress one file in memory. Nothing is written."""

import time
from collections.abc import Sequence

import numpy as np

from exrbatch.codecs.codec import ChunkGroup, Codec, Packed, Raw
from exrbatch.codecs.effort import Effort
from exrbatch.codecs.registry import codecs_for
from exrbatch.errors import VerificationFailed
from exrbatch.exr.chunks import ChunkGrid
from exrbatch.exr.leader import LeaderLayout
from exrbatch.exr.reader import ExrFile
from exrbatch.recompression.channel_errors import ErrorMeter
from exrbatch.recompression.choices import Verify
from exrbatch.recompression.comparison import choose_decoders
from exrbatch.recompression.measurement import Measurement
from exrbatch.recompression.progress import Progress
from exrbatch.recompression.raw_reader import RawReader
from exrbatch.recompression.spans import Span, cut_spans
from exrbatch.recompression.targets import Targets
from exrbatch.recompression.transcode import target_grids, target_group

PIECES = 2
"""If only pieces of a file are wanted, at least so many spans are measured."""


def measure(
    source: ExrFile, targets: Targets, effort: Effort, progress: Progress, most_raw: int | None = None
) -> Measurement:
    """Compress a file as `recompress` would, then decompress and compare every chunk.

    The time for reading the source does not count as compression. Flat data is decompressed by the
    OpenEXR library, because other programs use it.

    Args:
        source: the open file.
        targets: the compression of each part.
        effort: compression effort.
        progress: called with the fraction that is done, 0 to 1.
        most_raw: measure only evenly spread pieces with about this many raw bytes; None for all.

    Raises:
        VerificationFailed: a chunk does not decompress to the original bytes.
    """
    began = time.perf_counter()
    grids = target_grids(source, targets.compressions)
    packers = codecs_for(targets.compressions, effort)
    decoders = choose_decoders(source.header.parts, targets.compressions, Verify.LIBRARY, targets.lossy_channels)
    reader = RawReader(source)
    spans = list(cut_spans(source, grids))
    if most_raw is not None:
        spans = _pieces(spans, source, grids, most_raw)
    meter, clock = ErrorMeter(), _Clock()
    raw_size = packed_size = 0
    cpu_began = time.process_time()
    for done, span in enumerate(spans):
        if not done:
            clock.warm_up(packers[span.part], decoders[span.part], reader, span, grids[span.part])
        raw = reader.read(span.part, span.source)
        group = target_group(span, grids[span.part], raw)
        packed = clock.pack(packers[span.part], group, raw)
        lossy = targets.lossy_channels[span.part]
        if not clock.comes_back(decoders[span.part], group, packed, raw, is_lossy=bool(lossy)):
            raise VerificationFailed(
                f"part {span.part}, chunk {span.target[0]}: it does not decompress to the original bytes"
            )
        if lossy:
            prefix = f"part {span.part}: " if source.header.is_multi_part else ""
            meter.add(group, raw, clock.unpacked[: len(raw)], lossy, prefix)
        raw_size += len(raw)
        packed_size += sum(map(len, packed))
        progress((done + 1) / len(spans))
    counted = clock.pack_seconds + clock.unpack_seconds + clock.first_seconds
    return Measurement(
        raw_size=raw_size,
        packed_size=packed_size,
        new_size=_size_around_payloads(source, grids) + packed_size if most_raw is None else 0,
        pack_seconds=clock.pack_seconds,
        unpack_seconds=clock.unpack_seconds,
        cpu_seconds=clock.cpu_seconds,
        first_seconds=clock.first_seconds,
        other_seconds=max(0.0, time.perf_counter() - began - counted),
        all_cpu_seconds=time.process_time() - cpu_began - clock.first_cpu_seconds,
        errors=meter.errors,
    )


def _size_around_payloads(source: ExrFile, grids: Sequence[ChunkGrid]) -> int:
    """Return the bytes of the header, the offset tables and the leaders of the new file."""
    leaders = [LeaderLayout.of(part, source.header.is_multi_part).size for part in source.header.parts]
    tables = sum((8 + leader) * grid.count for leader, grid in zip(leaders, grids, strict=True))
    return len(source.header.raw) + tables


def _pieces(spans: Sequence[Span], source: ExrFile, grids: Sequence[ChunkGrid], most_raw: int) -> list[Span]:
    """Choose evenly spread spans.

    The raw size of deep samples is not known before they are read. The size of the file stands for
    it.
    """
    raw_size = max(source.stat.st_size, sum(int(grid.raw_sizes.sum()) for grid in grids))
    count = min(len(spans), max(PIECES, round(len(spans) * most_raw / raw_size)))
    return [spans[(2 * place + 1) * len(spans) // (2 * count)] for place in range(count)]


class _Clock:
    """Adds up the time for compressing and decompressing.

    Attributes:
        pack_seconds: wall time of compressing.
        unpack_seconds: wall time of decompressing.
        cpu_seconds: CPU time of compressing.
        first_seconds: wall time of the first call, which is not part of the others.
        first_cpu_seconds: CPU time of the first call.
        unpacked: buffer that begins with the raw bytes that were decompressed last.
    """

    def __init__(self) -> None:
        self.pack_seconds = self.unpack_seconds = self.cpu_seconds = 0.0
        self.first_seconds = self.first_cpu_seconds = 0.0
        self.unpacked = np.empty(0, np.uint8)

    def warm_up(self, packer: Codec, decoder: Codec, reader: RawReader, span: Span, grid: ChunkGrid) -> None:
        """Read, compress and decompress once, because the first call loads code and makes buffers.

        In a real run, many files share that cost.
        """
        wall, cpu = time.perf_counter(), time.process_time()
        raw = reader.read(span.part, span.source)
        group = target_group(span, grid, raw)
        decoder.first_difference(group, [memoryview(data) for data in packer.pack(group, raw)], raw)
        self.first_seconds, self.first_cpu_seconds = time.perf_counter() - wall, time.process_time() - cpu

    def pack(self, packer: Codec, group: ChunkGroup, raw: Raw) -> list[Packed]:
        """Compress one group, and add the time that it takes."""
        wall, cpu = time.perf_counter(), time.process_time()
        packed = packer.pack(group, raw)
        self.pack_seconds += time.perf_counter() - wall
        self.cpu_seconds += time.process_time() - cpu
        return packed

    def comes_back(self, decoder: Codec, group: ChunkGroup, packed: list[Packed], raw: Raw, *, is_lossy: bool) -> bool:
        """Decompress one group, and add the time that it takes.

        Returns:
            whether the raw bytes are unchanged. If the group is lossy, only channels that must not
            change are compared.
        """
        if len(self.unpacked) < len(raw):
            self.unpacked = np.empty(len(raw), np.uint8)
        unpacked, views = self.unpacked[: len(raw)], [memoryview(data) for data in packed]
        wall = time.perf_counter()
        decoder.unpack(group, views, unpacked)
        self.unpack_seconds += time.perf_counter() - wall
        if is_lossy:
            return decoder.first_difference(group, views, raw) is None
        return np.array_equal(unpacked, raw)
