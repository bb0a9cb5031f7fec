"""Measure what it costs to compress and decompress one file in memory. Nothing is written."""

import time

import numpy as np

from exrbatch.codecs.codec import ChunkGroup, Codec, Packed, Raw
from exrbatch.codecs.effort import Effort
from exrbatch.codecs.registry import codecs_for
from exrbatch.errors import VerificationFailed
from exrbatch.exr.leader import LeaderLayout
from exrbatch.exr.reader import ExrFile
from exrbatch.recompression.choices import Verify
from exrbatch.recompression.comparison import choose_decoders
from exrbatch.recompression.measurement import Measurement
from exrbatch.recompression.progress import Progress
from exrbatch.recompression.raw_reader import RawReader
from exrbatch.recompression.spans import cut_spans
from exrbatch.recompression.targets import Targets
from exrbatch.recompression.transcode import target_grids, target_group


def measure(source: ExrFile, targets: Targets, effort: Effort, progress: Progress) -> Measurement:
    """Compress a file as `recompress` would, then decompress and compare every chunk.

    The time for reading the source is not measured. Flat data is decompressed by the OpenEXR
    library, because other programs use it.

    Args:
        source: the open file.
        targets: the compression of each part.
        effort: compression effort.
        progress: called with the fraction that is done, 0 to 1.

    Raises:
        VerificationFailed: a chunk does not decompress to the original bytes.
    """
    grids = target_grids(source, targets.compressions)
    packers = codecs_for(targets.compressions, effort)
    decoders = choose_decoders(source.header.parts, targets.compressions, Verify.LIBRARY, targets.lossy_channels)
    reader = RawReader(source)
    total = sum(grid.count for grid in grids)
    clock = _Clock()
    done = raw_size = packed_size = 0
    for span in cut_spans(source, grids):
        raw = reader.read(span.part, span.source)
        group = target_group(span, grids[span.part], raw)
        # Make one call that is not timed, because the first call loads code and makes buffers. In a
        # real run, many files share that cost.
        if not done:
            decoders[span.part].first_difference(
                group, [memoryview(p) for p in packers[span.part].pack(group, raw)], raw
            )
        packed = clock.pack(packers[span.part], group, raw)
        lossy = targets.lossy_channels[span.part]
        if not clock.comes_back(decoders[span.part], group, packed, raw, is_lossy=bool(lossy)):
            raise VerificationFailed(
                f"part {span.part}, chunk {span.target[0]}: it does not decompress to the original bytes"
            )
        raw_size += len(raw)
        packed_size += sum(map(len, packed))
        done += len(span.target)
        progress(done / total)
    leaders = [LeaderLayout.of(part, source.header.is_multi_part).size for part in source.header.parts]
    around = sum((8 + leader) * grid.count for leader, grid in zip(leaders, grids, strict=True))
    return Measurement(
        raw_size=raw_size,
        new_size=len(source.header.raw) + around + packed_size,
        pack_seconds=clock.pack_seconds,
        unpack_seconds=clock.unpack_seconds,
        cpu_seconds=clock.cpu_seconds,
    )


class _Clock:
    """Adds up the time for compressing and decompressing."""

    def __init__(self) -> None:
        self.pack_seconds = self.unpack_seconds = self.cpu_seconds = 0.0
        self._unpacked = np.empty(0, np.uint8)

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
        if len(self._unpacked) < len(raw):
            self._unpacked = np.empty(len(raw), np.uint8)
        unpacked, views = self._unpacked[: len(raw)], [memoryview(data) for data in packed]
        wall = time.perf_counter()
        decoder.unpack(group, views, unpacked)
        self.unpack_seconds += time.perf_counter() - wall
        if is_lossy:
            return decoder.first_difference(group, views, raw) is None
        return np.array_equal(unpacked, raw)
