"""What packing and unpacking one file costs: in memory, span by span, writing nothing."""

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
    """Pack a file as `recompress` would, unpack and compare every chunk; reading the source is not timed.

    Flat data is unpacked by the OpenEXR library, as other programs do it. Raises `VerificationFailed` if it does not
    come back.
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
        if not done:  # a worker's first call loads code and makes buffers: many files of a real run share that
            decoders[span.part].first_difference(
                group, [memoryview(p) for p in packers[span.part].pack(group, raw)], raw
            )
        packed = clock.pack(packers[span.part], group, raw)
        lossy = targets.lossy_channels[span.part]
        if not clock.comes_back(decoders[span.part], group, packed, raw, is_lossy=bool(lossy)):
            raise VerificationFailed(f"part {span.part}, chunk {span.target[0]}: it does not come back as it was")
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
    """Adds up what packing and unpacking take."""

    def __init__(self) -> None:
        self.pack_seconds = self.unpack_seconds = self.cpu_seconds = 0.0
        self._unpacked = np.empty(0, np.uint8)

    def pack(self, packer: Codec, group: ChunkGroup, raw: Raw) -> list[Packed]:
        """Pack one group."""
        wall, cpu = time.perf_counter(), time.process_time()
        packed = packer.pack(group, raw)
        self.pack_seconds += time.perf_counter() - wall
        self.cpu_seconds += time.process_time() - cpu
        return packed

    def comes_back(self, decoder: Codec, group: ChunkGroup, packed: list[Packed], raw: Raw, *, is_lossy: bool) -> bool:
        """Unpack one group; whether the bytes are the same (where it is lossy: of channels that must not change)."""
        if len(self._unpacked) < len(raw):
            self._unpacked = np.empty(len(raw), np.uint8)
        unpacked, views = self._unpacked[: len(raw)], [memoryview(data) for data in packed]
        wall = time.perf_counter()
        decoder.unpack(group, views, unpacked)
        self.unpack_seconds += time.perf_counter() - wall
        if is_lossy:
            return decoder.first_difference(group, views, raw) is None
        return np.array_equal(unpacked, raw)
