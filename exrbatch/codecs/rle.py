"""RLE: the predictor, then runs. A signed byte c: c >= 0, the next byte c + 1 times; c < 0, -c bytes as they are.

Source: OpenEXR's `internal_rle.c`. Numpy finds the runs; only the walk from token to token, where each
says where the next one begins, is a plain loop.
"""

import numpy as np
from numpy.typing import NDArray

from exrbatch.codecs.codec import Packed, Raw, Stream, StreamCodec
from exrbatch.codecs.predictor import Predictor
from exrbatch.errors import CorruptChunk

MIN_RUN = 3
MAX_RUN = 128
MAX_LITERALS = 127
"""-128 would be legal too, but the library never writes it."""


class RleCodec(StreamCodec):
    """Run lengths of the predicted bytes."""

    def __init__(self) -> None:
        self._predictor = Predictor()

    def pack_stream(self, stream: Stream) -> Packed:
        """Predict and find the runs."""
        return pack_runs(self._predictor.forward(stream.raw)).data

    def unpack_stream(self, packed: memoryview, stream: Stream) -> None:
        """Expand the runs and undo the prediction."""
        self._predictor.inverse(unpack_runs(packed, len(stream.raw)), stream.raw)

    def stream_holds(self, packed: memoryview, stream: Stream) -> bool:
        """Expand the runs and compare with the predicted bytes."""
        return bool(np.array_equal(unpack_runs(packed, len(stream.raw)), self._predictor.forward(stream.raw)))


def pack_runs(data: Raw) -> Raw:
    """Encode bytes (at least one). Runs of MIN_RUN and more become runs, all between them literals."""
    starts = np.flatnonzero(np.diff(data, prepend=data[0] ^ 1))
    lengths = np.diff(starts, append=len(data))
    is_run = lengths >= MIN_RUN
    # Neighbouring stretches without a run make one stretch of literals.
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
    """Decode to exactly `size` bytes, or raise `CorruptChunk`."""
    data = np.frombuffer(packed, np.uint8)
    heads = np.array(_token_heads(data.view(np.int8).tolist()), np.int64)
    tokens = data.view(np.int8)[heads].astype(np.int64)
    is_run = tokens >= 0
    lengths = np.where(is_run, tokens + 1, -tokens)
    if lengths.sum() != size:
        raise CorruptChunk(f"the runs hold {lengths.sum()} bytes where {size} belong")
    raw = np.repeat(data[heads + 1], lengths)
    literal = ~is_run
    starts = np.cumsum(lengths) - lengths
    raw[_ranges(starts[literal], lengths[literal])] = data[_ranges(heads[literal] + 1, lengths[literal])]
    return raw


def _token_heads(signed: list[int]) -> list[int]:
    """Walk from token to token; the last one must end where the data ends."""
    heads = []
    position, end = 0, len(signed)
    while position < end:
        heads.append(position)
        token = signed[position]
        position += 2 if token >= 0 else 1 - token
    if position != end:
        raise CorruptChunk("the last run is cut short")
    return heads


def _split_long(
    starts: NDArray[np.int64], lengths: NDArray[np.int64], is_run: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Cut stretches that are longer than one token can say."""
    limit = np.where(is_run, MAX_RUN, MAX_LITERALS)
    pieces = -(-lengths // limit)
    index = np.repeat(np.arange(len(starts)), pieces)
    step = np.arange(len(index)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    done = step * limit[index]
    return starts[index] + done, np.minimum(limit[index], lengths[index] - done), is_run[index]


def _ranges(starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the indices starts[0] .. starts[0] + lengths[0] - 1, then those of the next range, and so on."""
    total = int(lengths.sum())
    shifts: NDArray[np.int64] = starts - (np.cumsum(lengths) - lengths)
    return np.repeat(shifts, lengths) + np.arange(total)
