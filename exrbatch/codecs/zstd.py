"""ZSTD as OpenEXR 3.5 writes it: samples sorted by size, differences along rows, byte planes, one zstd frame.

A row is one channel on one line: n samples of 2 (half) or 4 (float, uint) bytes. The rows of 2 bytes are put
before those of 4; flat data takes differences within each row (deep data does not); each of the two blocks is
split into planes, the lowest bytes first. A header of 24 bytes names the format. Checked against the 3.5.3
library: the same bytes at its level, 5.
"""

import struct

import numpy as np
import zstandard
from numpy.typing import NDArray

from exrbatch.codecs.codec import Packed, Raw, Stream, StreamCodec
from exrbatch.codecs.effort import Effort
from exrbatch.errors import CorruptChunk

MAGIC = b"zstd-exr"
_HEADER = struct.Struct("<8sIIQ")
PLAIN, VARIED = 1, 2
"""Formats: without flags, and with: the one flag there is says that rows hold differences."""
DELTA = 1
LEVELS = {Effort.FAST: 1, Effort.BALANCED: 5, Effort.MAX: 19}
"""5 is what the library uses."""
MAX_FRAME_EXCESS = 16
"""Bytes by which a frame may be larger than its raw bytes: two block lengths."""

Rows = NDArray[np.int64]
"""Shape (rows, 2): bytes of a sample, number of samples."""


class ZstdCodec(StreamCodec):
    """One zstd frame a stream. At max effort flat data is packed with and without differences, whichever is smaller."""

    def __init__(self, effort: Effort) -> None:
        self._effort = effort
        self._compressor = zstandard.ZstdCompressor(level=LEVELS[effort], write_checksum=False)
        self._decompressor = zstandard.ZstdDecompressor()

    def pack_stream(self, stream: Stream) -> Packed:
        """Sort, difference, split into planes and pack."""
        rows = rows_of(stream)
        if stream.group.part.storage.is_deep:
            return self._frame(PLAIN, 0, arrange(stream.raw, rows, delta=False))
        packed = self._frame(VARIED, DELTA, arrange(stream.raw, rows, delta=True))
        if self._effort is Effort.MAX:
            packed = min(packed, self._frame(PLAIN, 0, arrange(stream.raw, rows, delta=False)), key=len)
        return packed

    def unpack_stream(self, packed: memoryview, stream: Stream) -> None:
        """Unpack and put the samples back into their order."""
        inner, delta = self._open(packed, len(stream.raw))
        restore(inner, rows_of(stream), delta, stream.raw)

    def stream_holds(self, packed: memoryview, stream: Stream) -> bool:
        """Unpack and compare with the arranged bytes, which stand for the raw ones one to one."""
        inner, delta = self._open(packed, len(stream.raw))
        return inner == arrange(stream.raw, rows_of(stream), delta=delta)

    def _frame(self, form: int, flags: int, inner: bytes) -> bytes:
        frame = self._compressor.compress(inner)
        return _HEADER.pack(MAGIC, form, flags, len(frame)) + frame

    def _open(self, packed: memoryview, raw_size: int) -> tuple[bytes, bool]:
        """Check the header and unpack the frame; return its content and whether it holds differences."""
        if len(packed) < _HEADER.size or packed[: len(MAGIC)] != MAGIC:
            raise CorruptChunk("no ZSTD header")
        _, form, flags, size = _HEADER.unpack_from(packed)
        if form not in (PLAIN, VARIED) or flags > (DELTA if form == VARIED else 0):
            raise CorruptChunk(f"unknown ZSTD format {form} with flags {flags:#x}")
        frame = packed[_HEADER.size :]
        if size != len(frame):
            raise CorruptChunk(f"a ZSTD frame of {size} bytes in the room of {len(frame)}")
        most = raw_size + MAX_FRAME_EXCESS
        try:
            claimed = zstandard.frame_content_size(frame)
            if claimed > most:
                raise CorruptChunk(f"a ZSTD frame that claims {claimed} bytes for {raw_size} raw ones")
            inner = self._decompressor.decompress(frame, max_output_size=most, allow_extra_data=False)
        except zstandard.ZstdError:
            raise CorruptChunk(f"the ZSTD frame of {size} bytes is damaged") from None
        return inner, bool(flags & DELTA)


def rows_of(stream: Stream) -> Rows:
    """List the rows of a stream in the order of its raw bytes; a row that has no samples counts as well."""
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
    """Turn raw bytes into what the frame holds."""
    pieces = []
    for block, size, counts in _blocks(raw, rows):
        samples = block.view(f"<u{size}")
        if delta:
            starts = (np.cumsum(counts) - counts)[counts > 0]
            differences = np.diff(samples, prepend=samples[:1])
            differences[starts] = samples[starts]
            samples = differences
        planes = samples.view(np.uint8).reshape(-1, size).T
        pieces += [struct.pack("<Q", planes.size), planes.tobytes()]
    return b"".join(pieces)


def restore(inner: bytes, rows: Rows, delta: bool, raw: Raw) -> None:
    """Undo `arrange`. Raises `CorruptChunk` where the blocks do not have the size that the rows ask for.

    The rows of a deep chunk come from its sample counts, which nobody has checked yet.
    """
    needed = int((rows[:, 0] * rows[:, 1]).sum())
    if needed != len(raw) or (rows[:, 1] < 0).any():
        raise CorruptChunk(f"{len(raw)} bytes of samples where the sample counts ask for {needed}")
    position = 0
    blocks = {}
    for size in (2, 4):
        counts = rows[rows[:, 0] == size, 1]
        expected = size * int(counts.sum())
        if not expected:
            continue
        if inner[position : position + 8] != struct.pack("<Q", expected) or len(inner) < position + 8 + expected:
            raise CorruptChunk(f"no block of {expected} bytes for the samples of {size} bytes")
        planes = np.frombuffer(inner, np.uint8, expected, position + 8).reshape(size, -1)
        samples = planes.T.copy().view(f"<u{size}").ravel()
        if delta:
            _sum_rows(samples, counts)
        blocks[size] = samples.view(np.uint8)
        position += 8 + expected
    if position != len(inner):
        raise CorruptChunk(f"{len(inner) - position} bytes after the blocks of samples")
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
    """Sort the rows by sample size: for each size that occurs its bytes, the size, and the samples of each row."""
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
    """Turn differences into samples, modulo the size of a sample: a running sum, less what it was at the row's start.

    In place, as chunks may be large.
    """
    np.add.accumulate(samples, out=samples)
    starts = np.cumsum(counts) - counts
    before = np.where(starts > 0, samples[np.maximum(starts, 1) - 1], 0).astype(samples.dtype)
    samples -= np.repeat(before, counts)
