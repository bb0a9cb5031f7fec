"""Run-length encoding, as RLE uses it.

Run-length encoded data is a sequence of tokens. Each token begins with a signed byte c:

    c >= 0: one byte follows; it stands for c + 1 copies of itself
    c < 0:  -c literal bytes follow

Source: OpenEXR's `internal_rle.c`, whose functions do this here, too. They work with plain bytes
and know nothing about images. Where the OpenEXR wheel does not export them, numpy takes over, and
takes ten times as long: the beginnings of the tokens are found by a plain loop, because each token
determines where the next one begins.
"""

import ctypes
import functools
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from exrbatch.codecs.codec import Packed, Raw
from exrbatch.codecs.openexr_coders import address
from exrbatch.errors import CorruptChunk

MIN_RUN = 3
"""Length in bytes of the shortest run that gets a token of its own."""
MAX_RUN = 128
"""Length in bytes of the longest run that one token can hold."""
MAX_LITERALS = 127
"""Most literal bytes in one token. 128 (c = -128) would be legal, but OpenEXR never writes it."""
LEAST_SIZE = 1024
"""Fewest bytes that OpenEXR's function expands.

For damaged data it returns a small error number, which could be the size of a shorter stream.
"""


class RunCoder:
    """Encodes and expands runs. Each thread needs a coder of its own."""

    def __init__(self) -> None:
        self._functions = find_functions()
        self._buffer = np.empty(0, np.uint8)

    def pack(self, data: Raw) -> Packed:
        """Run-length encode at least one byte."""
        if self._functions is None:
            return pack_runs(data).data
        limit = len(data) + len(data) // 2 + 2  # OpenEXR reserves as much; a token of literals takes one byte in 128
        if len(self._buffer) < limit:
            self._buffer = np.empty(limit, np.uint8)
        size = self._functions.compress(len(data), address(data), address(self._buffer), limit)
        return self._buffer[:size].tobytes() if 0 < size <= limit else pack_runs(data).data

    def expand(self, packed: memoryview, size: int) -> Raw:
        """Decode run-length encoded bytes.

        Raises:
            CorruptChunk: the data is truncated, or does not decode to exactly `size` bytes.
        """
        if self._functions is not None and size >= LEAST_SIZE and len(packed):
            expanded = np.empty(size, np.uint8)
            if self._functions.expand(len(packed), size, address(packed), address(expanded)) == size:
                return expanded
        return unpack_runs(packed, size)  # says what is wrong


class Functions(NamedTuple):
    """OpenEXR's functions for run lengths.

    Attributes:
        compress: size of the data, the data, a buffer, its size; returns the encoded size.
        expand: encoded size, size of the buffer, the encoded data, the buffer; returns the size.
    """

    compress: Any
    expand: Any


@functools.cache
def find_functions() -> Functions | None:
    """Find OpenEXR's functions. Return None if there are none, or they fail in a test."""
    from exrbatch.codecs.library import library_path  # imported late, because it loads OpenEXR

    size, pointer = ctypes.c_size_t, ctypes.c_void_p
    try:
        library = ctypes.CDLL(library_path())
        found = Functions(library.exr_rle_compress_buffer, library.exr_rle_uncompress_buffer)
    except (AttributeError, OSError, TypeError):
        return None
    found.compress.argtypes, found.compress.restype = (size, pointer, pointer, size), size
    found.expand.argtypes, found.expand.restype = (size, size, pointer, pointer), size
    return found if _pass_test(found) else None


def _pass_test(functions: Functions) -> bool:
    """Return whether the functions encode and expand some runs and literals as we do."""
    data = np.repeat(np.arange(90, dtype=np.uint8), np.arange(90) % 7 + 1)
    packed, buffer = pack_runs(data), np.zeros(2 * len(data), np.uint8)
    size = functions.compress(len(data), address(data), address(buffer), len(buffer))
    if buffer[:size].tobytes() != packed.tobytes():
        return False
    size = functions.expand(len(packed), len(data), address(packed), address(buffer))
    damaged = functions.expand(len(packed) - 1, len(data), address(packed), address(buffer[len(data) :]))
    return size == len(data) != damaged and buffer[:size].tobytes() == data.tobytes()


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
