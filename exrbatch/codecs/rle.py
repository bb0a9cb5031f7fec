"""RLE: the predictor, then run-length encoding.

Run-length encoded data is a sequence of tokens. Each token begins with a signed byte c:

    c >= 0: one byte follows; it stands for c + 1 copies of itself
    c < 0:  -c literal bytes follow

Source: OpenEXR's `internal_rle.c`. Almost all work is done by numpy. Only the search for the
beginnings of the tokens is a plain loop, because each token determines where the next one begins.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from exrbatch.codecs.codec import ChunkGroup, Hash, Packed, Raw, Stream, StreamCodec
from exrbatch.codecs.predictor import Predictor
from exrbatch.errors import CorruptChunk
from exrbatch.exr.compression import Compression

if TYPE_CHECKING:
    from exrbatch.codecs.library import LibraryCodec

MIN_RUN = 3
"""Length in bytes of the shortest run that gets a token of its own."""
MAX_RUN = 128
"""Length in bytes of the longest run that one token can hold."""
MAX_LITERALS = 127
"""Most literal bytes in one token. 128 (c = -128) would be legal, but OpenEXR never writes it."""


class RleCodec(StreamCodec):
    """Codec that run-length encodes the predicted bytes.

    The OpenEXR library does that for flat data, because it is ten times as fast. Our own code does
    it for deep data and subsampled channels, which the library's Python module can't process as
    plain bytes.
    """

    def __init__(self) -> None:
        self._predictor = Predictor()
        self._library: LibraryCodec | None = None

    def pack(self, group: ChunkGroup, raw: Raw, seen: Hash | None = None) -> list[Packed]:
        """Compress by the library where it can, unless a hash of the contents is wanted."""
        if seen is None and (library := self._library_for(group)) is not None:
            return library.pack(group, raw)
        return super().pack(group, raw, seen)

    def unpack(self, group: ChunkGroup, packed: Sequence[memoryview], raw: Raw) -> None:
        """Decompress by the library where it can."""
        if (library := self._library_for(group)) is not None:
            library.unpack(group, packed, raw)
        else:
            super().unpack(group, packed, raw)

    def _library_for(self, group: ChunkGroup) -> "LibraryCodec | None":
        """Return the library's codec if it can treat the chunks of a group as plain bytes."""
        is_whole = group.grid.raw_sizes[list(group.chunks)].tolist() == list(group.sizes)
        if group.part.storage.is_deep or group.part.is_subsampled or not is_whole:
            return None
        if self._library is None:
            from exrbatch.codecs.library import LibraryCodec  # most files never need it

            self._library = LibraryCodec(Compression.RLE)
        return self._library

    def pack_stream(self, stream: Stream) -> tuple[Packed, Sequence[Packed]]:
        """Predict, then run-length encode."""
        predicted = self._predictor.forward(stream.raw)
        return pack_runs(predicted).data, (predicted.data,)

    def content(self, packed: memoryview, size: int) -> Sequence[Packed]:
        """Expand the runs to the predicted bytes."""
        return (unpack_runs(packed, size).data,)

    def unpack_stream(self, packed: memoryview, stream: Stream) -> None:
        """Expand the runs, then undo the prediction."""
        self._predictor.inverse(unpack_runs(packed, len(stream.raw)), stream.raw)

    def stream_holds(self, packed: memoryview, stream: Stream) -> bool:
        """Expand the runs and compare them with the predicted raw bytes."""
        return bool(np.array_equal(unpack_runs(packed, len(stream.raw)), self._predictor.forward(stream.raw)))


def pack_runs(data: Raw) -> Raw:
    """Run-length encode at least one byte.

    Runs of `MIN_RUN` or more equal bytes become runs. All bytes between them become literals.
    """
    starts = np.flatnonzero(np.diff(data, prepend=data[0] ^ 1))
    lengths = np.diff(starts, append=len(data))
    is_run = lengths >= MIN_RUN
    # Merge neighbouring runs that are too short into one stretch of literals.
    begins = is_run | np.concatenate(([True], is_run[:-1]))
    starts, is_run = starts[begins], is_run[begins]
    starts, lengths, is_run = _split_long(starts, np.diff(starts, append=len(data)), is_run)
    token_sizes = np.where(is_run, 2, 1 + lengths)
    ends = np.cumsum(token_sizes)
    heads = ends - token_sizes
    packed = np.empty(ends[-1], np.uint8)
    packed[heads] = np.where(is_run, lengths - 1, -lengths).astype(np.int8).view(np.uint8)
    packed[heads[is_run] + 1] = data[starts[is_run]]
    literal = ~is_run
    packed[_ranges(heads[literal] + 1, lengths[literal])] = data[_ranges(starts[literal], lengths[literal])]
    return packed


def unpack_runs(packed: memoryview, size: int) -> Raw:
    """Decode run-length encoded bytes.

    Raises:
        CorruptChunk: the data is truncated, or does not decode to exactly `size` bytes.
    """
    data = np.frombuffer(packed, np.uint8)
    heads = np.array(_token_heads(data.view(np.int8).tolist()), np.int64)
    tokens = data.view(np.int8)[heads].astype(np.int64)
    is_run = tokens >= 0
    lengths = np.where(is_run, tokens + 1, -tokens)
    if lengths.sum() != size:
        raise CorruptChunk(f"the RLE data decompresses to {lengths.sum()} bytes instead of {size}")
    raw = np.repeat(data[heads + 1], lengths)
    literal = ~is_run
    starts = np.cumsum(lengths) - lengths
    raw[_ranges(starts[literal], lengths[literal])] = data[_ranges(heads[literal] + 1, lengths[literal])]
    return raw


def _token_heads(signed: list[int]) -> list[int]:
    """Return the positions at which tokens begin.

    Raises:
        CorruptChunk: the last token does not end where the data ends.
    """
    heads = []
    position, end = 0, len(signed)
    while position < end:
        heads.append(position)
        token = signed[position]
        position += 2 if token >= 0 else 1 - token
    if position != end:
        raise CorruptChunk("the RLE data is truncated")
    return heads


def _split_long(
    starts: NDArray[np.int64], lengths: NDArray[np.int64], is_run: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Split runs and stretches of literals that are too long for one token."""
    limit = np.where(is_run, MAX_RUN, MAX_LITERALS)
    pieces = -(-lengths // limit)
    index = np.repeat(np.arange(len(starts)), pieces)
    step = np.arange(len(index)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    done = step * limit[index]
    return starts[index] + done, np.minimum(limit[index], lengths[index] - done), is_run[index]


def _ranges(starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the indices starts[0] to starts[0] + lengths[0] - 1, then those of the next range."""
    total = int(lengths.sum())
    shifts: NDArray[np.int64] = starts - (np.cumsum(lengths) - lengths)
    return np.repeat(shifts, lengths) + np.arange(total)
