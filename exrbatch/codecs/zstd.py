"""ZSTD, as OpenEXR 3.5 writes it.

A row is one channel on one line: n samples of 2 bytes (half) or 4 bytes (float, uint). A stream is
compressed in these steps:

1. Sort the rows by sample size into two blocks: the rows of 2-byte samples, then those of 4-byte
   samples.
2. For flat data, replace the samples of each row by differences. Deep data skips this step.
3. Split each block into byte planes, the lowest bytes first. Its size in bytes is put before it.
4. Compress both blocks into one zstd frame.
5. Put a header of 24 bytes before the frame. It names the format.

At level 5, the level of the library, the output was compared with that of library 3.5.3: the bytes
are the same. Grain is compressed at a lower level.
"""

import struct
from collections.abc import Sequence

import numpy as np
import zstandard
from numpy.typing import NDArray

from exrbatch.codecs.codec import ChunkGroup, Hash, Packed, Raw, Stream, StreamCodec, feed, hash_sizes
from exrbatch.codecs.effort import Effort
from exrbatch.codecs.zstd_rows import UniformStreams, join_planes, split_planes
from exrbatch.errors import CorruptChunk

MAGIC = b"zstd-exr"
_HEADER = struct.Struct("<8sIIQ")
PLAIN, VARIED = 1, 2
"""Format numbers in the header: a format without flags, and a format with flags."""
DELTA = 1
"""The only flag: the rows hold differences."""
LEVELS = {Effort.FAST: 1, Effort.BALANCED: 5, Effort.HIGH: 9, Effort.MAX: 19}
"""zstd levels. The library uses level 5."""
QUICK_LEVEL, LARGEST = 3, 1.02
"""Level for data that it makes hardly larger than level 5 does, and what hardly means, as a factor.

That is the case with grain, for which it takes half of the time.
"""
LOOK_BYTES, LOOK_SAMPLE = 1 << 20, 1 << 15
"""Bytes after which both levels are tried again, and most bytes that they are tried with."""
MAX_FRAME_EXCESS = 16
"""Most bytes by which the content of a frame may exceed the raw size: the lengths of two blocks."""

Rows = NDArray[np.int64]
"""Rows of a stream, shape (rows, 2): size of a sample in bytes, number of samples."""


class ZstdCodec(StreamCodec):
    """Codec that makes one zstd frame of each stream.

    At effort `BALANCED`, flat data is compressed at `QUICK_LEVEL` where that is hardly larger. At
    effort `MAX`, it is compressed with and without differences, and the smaller result is used.
    """

    def __init__(self, effort: Effort) -> None:
        self._effort = effort
        self._compressor = zstandard.ZstdCompressor(level=LEVELS[effort], write_checksum=False)
        self._quick = zstandard.ZstdCompressor(level=QUICK_LEVEL, write_checksum=False)
        self._decompressor = zstandard.ZstdDecompressor()
        self._is_quick, self._bytes_since_look = False, LOOK_BYTES

    def pack(self, group: ChunkGroup, raw: Raw, seen: Hash | None = None) -> list[Packed]:
        """Compress each stream; streams of one shape are rearranged many at a time."""
        self._bytes_since_look = LOOK_BYTES  # so that the output does not depend on earlier groups
        streams = UniformStreams.of(group)
        if streams is None or self._effort is Effort.MAX:
            return super().pack(group, raw, seen)
        packed: list[Packed] = []
        for block in streams.blocks():
            rows = raw[block.start * streams.size : block.stop * streams.size]
            for index, inner in enumerate(streams.arrange(rows)):
                frame: Packed = self._frame(VARIED, DELTA, inner.data)
                content: Sequence[Packed] = (inner.data, b"\1")
                if len(frame) >= streams.size:
                    frame = rows[index * streams.size : (index + 1) * streams.size].data
                    content = (frame,)
                packed.append(frame)
                feed(seen, content)
        hash_sizes(group, packed, seen)
        return packed

    def unpack(self, group: ChunkGroup, packed: Sequence[memoryview], raw: Raw) -> None:
        """Decompress each stream; compressed streams of one shape are restored many at a time."""
        streams = UniformStreams.of(group)
        if streams is None or max(map(len, packed)) >= streams.size:
            super().unpack(group, packed, raw)
            return
        for block in streams.blocks():
            rows = raw[block.start * streams.size : block.stop * streams.size]
            if not self._restore(streams, packed[block], rows):  # one by one, to name what is damaged
                some = ChunkGroup(group.grid, group.chunks[block], group.sizes[block])
                super().unpack(some, packed[block], rows)

    def _restore(self, streams: UniformStreams, packed: Sequence[memoryview], raw: Raw) -> bool:
        """Decompress a block of streams; return False if one is damaged or their forms differ."""
        try:
            opened = [self._open(data, streams.size) for data in packed]
        except CorruptChunk:
            return False
        if {(len(inner), delta) for inner, delta in opened} - {(streams.inner_size, opened[0][1])}:
            return False
        inner = np.frombuffer(b"".join(inner for inner, _ in opened), np.uint8).reshape(len(opened), -1)
        return streams.restore(inner, raw, delta=opened[0][1])

    def pack_stream(self, stream: Stream) -> tuple[Packed, Sequence[Packed]]:
        """Rearrange the raw bytes, then compress them."""
        rows = rows_of(stream)
        if stream.group.part.storage.is_deep:
            return self._packed(stream.raw, rows, delta=False, form=PLAIN)
        best = self._packed(stream.raw, rows, delta=True, form=VARIED)
        if self._effort is Effort.MAX:
            best = min(best, self._packed(stream.raw, rows, delta=False, form=PLAIN), key=lambda each: len(each[0]))
        return best

    def _packed(self, raw: Raw, rows: Rows, *, delta: bool, form: int) -> tuple[Packed, Sequence[Packed]]:
        inner = arrange(raw, rows, delta=delta)
        return self._frame(form, DELTA if delta else 0, inner), (inner, bytes([delta]))

    def content(self, packed: memoryview, size: int) -> Sequence[Packed]:
        """Decompress the frame to the rearranged bytes, and whether they are differences."""
        inner, delta = self._open(packed, size)
        return inner, bytes([delta])

    def unpack_stream(self, packed: memoryview, stream: Stream) -> None:
        """Decompress the frame, then restore the order of the raw bytes."""
        inner, delta = self._open(packed, len(stream.raw))
        restore(inner, rows_of(stream), delta, stream.raw)

    def stream_holds(self, packed: memoryview, stream: Stream) -> bool:
        """Decompress the frame and compare its content with the rearranged raw bytes.

        `arrange` maps one to one, so the raw bytes are equal if the rearranged bytes are.
        """
        inner, delta = self._open(packed, len(stream.raw))
        return inner == arrange(stream.raw, rows_of(stream), delta=delta)

    def _frame(self, form: int, flags: int, inner: bytes | memoryview) -> bytes:
        is_quick = self._effort is Effort.BALANCED and flags & DELTA and self._suffices_quick(inner)
        frame = (self._quick if is_quick else self._compressor).compress(inner)
        return _HEADER.pack(MAGIC, form, flags, len(frame)) + frame

    def _suffices_quick(self, inner: bytes | memoryview) -> bool:
        """Return whether `QUICK_LEVEL` makes this, or data not long before it, hardly larger."""
        if self._bytes_since_look >= LOOK_BYTES:
            start = max(0, len(inner) - LOOK_SAMPLE) // 2
            sample = inner[start : start + LOOK_SAMPLE]
            quick, full = (len(each.compress(sample)) for each in (self._quick, self._compressor))
            self._is_quick, self._bytes_since_look = quick <= LARGEST * full, 0
        self._bytes_since_look += len(inner)
        return self._is_quick

    def _open(self, packed: memoryview, raw_size: int) -> tuple[bytes, bool]:
        """Check the header and decompress the frame.

        Returns:
            the content of the frame, and whether its rows hold differences.

        Raises:
            CorruptChunk: the header or the frame is damaged, or the content is too large.
        """
        if len(packed) < _HEADER.size or packed[: len(MAGIC)] != MAGIC:
            raise CorruptChunk("the ZSTD header is missing or damaged")
        _, form, flags, size = _HEADER.unpack_from(packed)
        if form not in (PLAIN, VARIED) or flags > (DELTA if form == VARIED else 0):
            raise CorruptChunk(f"unknown ZSTD format {form} with flags {flags:#x}")
        frame = packed[_HEADER.size :]
        if size != len(frame):
            raise CorruptChunk(f"the ZSTD header announces {size} bytes, but {len(frame)} follow it")
        most = raw_size + MAX_FRAME_EXCESS
        try:
            claimed = zstandard.frame_content_size(frame)
            if claimed > most:
                raise CorruptChunk(f"the ZSTD frame claims {claimed} bytes, too many for {raw_size} raw bytes")
            inner = self._decompressor.decompress(frame, max_output_size=most, allow_extra_data=False)
        except zstandard.ZstdError:
            raise CorruptChunk(f"the ZSTD frame of {size} bytes is damaged") from None
        return inner, bool(flags & DELTA)


def rows_of(stream: Stream) -> Rows:
    """Return the rows of a stream in the order of its raw bytes, including rows without samples."""
    group, part = stream.group, stream.group.part
    chunk = group.chunk_of(stream.index)
    width, height = int(group.grid.widths[chunk]), int(group.grid.heights[chunk])
    sizes = [channel.pixel_type.size for channel in part.channels]
    if part.storage.is_deep:
        if stream.index == 0:
            return np.tile(np.array([[4, width]], np.int64), (height, 1))
        table = stream.group_raw[: group.sizes[0]].view("<i4").reshape(height, width)
        return np.stack([np.tile(sizes, height), np.repeat(table[:, -1].astype(np.int64), len(sizes))], axis=1)
    first = int(group.grid.coordinates[chunk][0])
    lines = range(first, first + height) if part.tiles is None else range(height)
    counts = [
        width // channel.x_sampling if y % channel.y_sampling == 0 else 0 for y in lines for channel in part.channels
    ]
    return np.stack([np.tile(sizes, height), counts], axis=1)


def arrange(raw: Raw, rows: Rows, *, delta: bool) -> bytes:
    """Rearrange raw bytes into the content of a frame (steps 1 to 3 of the module's description).

    Args:
        raw: raw bytes of a stream.
        rows: its rows.
        delta: whether to replace samples by differences.
    """
    pieces = []
    for block, size, counts in _blocks(raw, rows):
        samples = block.view(f"<u{size}")
        if delta:
            starts = (np.cumsum(counts) - counts)[counts > 0]
            differences = np.diff(samples, prepend=samples[:1])
            differences[starts] = samples[starts]
            samples = differences
        planes = np.empty((size, len(samples)), np.uint8)
        split_planes(samples, planes)
        pieces += [struct.pack("<Q", planes.size), planes.tobytes()]
    return b"".join(pieces)


def restore(inner: bytes, rows: Rows, delta: bool, raw: Raw) -> None:
    """Undo `arrange`.

    Args:
        inner: content of a frame.
        rows: rows of the stream. Those of a deep chunk come from its sample counts, which have not
            been checked before.
        delta: whether the rows hold differences.
        raw: array that is filled with the raw bytes of the stream.

    Raises:
        CorruptChunk: the sizes of `raw` or of the blocks do not match the rows.
    """
    needed = int((rows[:, 0] * rows[:, 1]).sum())
    if needed != len(raw) or (rows[:, 1] < 0).any():
        raise CorruptChunk(f"{len(raw)} bytes of samples, but the sample counts require {needed}")
    position = 0
    blocks = {}
    for size in (2, 4):
        counts = rows[rows[:, 0] == size, 1]
        expected = size * int(counts.sum())
        if not expected:
            continue
        if inner[position : position + 8] != struct.pack("<Q", expected) or len(inner) < position + 8 + expected:
            raise CorruptChunk(f"the block of {size}-byte samples ({expected} bytes) is missing or damaged")
        planes = np.frombuffer(inner, np.uint8, expected, position + 8).reshape(size, -1)
        samples = join_planes(planes, np.dtype(f"<u{size}"))
        if delta:
            _sum_rows(samples, counts)
        blocks[size] = samples.view(np.uint8)
        position += 8 + expected
    if position != len(inner):
        raise CorruptChunk(f"{len(inner) - position} extra bytes after the blocks of samples")
    if len(blocks) == 1:
        raw[:] = next(iter(blocks.values()))
        return
    ends = np.cumsum(rows[:, 0] * rows[:, 1])
    used = {2: 0, 4: 0}
    for (size, count), end in zip(rows.tolist(), ends.tolist(), strict=True):
        length = size * count
        raw[end - length : end] = blocks[size][used[size] : used[size] + length]
        used[size] += length


def _blocks(raw: Raw, rows: Rows) -> list[tuple[Raw, int, NDArray[np.int64]]]:
    """Sort the rows by sample size into blocks.

    Returns:
        for each sample size that occurs: the bytes of its rows, the size, and the number of samples
        of each row.
    """
    sizes = rows[:, 0]
    lengths = sizes * rows[:, 1]
    found = []
    for size in (2, 4):
        chosen = sizes == size
        counts = rows[chosen, 1]
        total = int(lengths[chosen].sum())
        if total == len(raw):
            return [(raw, size, counts)]
        if total:
            ends = np.cumsum(lengths)[chosen].tolist()
            pieces = [raw[end - length : end] for end, length in zip(ends, lengths[chosen].tolist(), strict=True)]
            found.append((np.concatenate(pieces), size, counts))
    return found


def _sum_rows(samples: Raw, counts: NDArray[np.int64]) -> None:
    """Replace the differences of each row by samples, in place, because chunks may be large.

    The samples are running sums over the row, modulo 2^16 or 2^32. To get them, compute running
    sums over the whole block, and subtract the sum at the start of each row from the row.
    """
    np.add.accumulate(samples, out=samples)
    starts = np.cumsum(counts) - counts
    before = np.where(starts > 0, samples[np.maximum(starts, 1) - 1], 0).astype(samples.dtype)
    samples -= np.repeat(before, counts)
