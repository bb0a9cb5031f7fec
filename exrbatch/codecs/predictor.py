"""The transform that ZIP, ZIPS and RLE apply before they compress.

It has two steps. From the raw bytes r of a stream it makes t, the bytes with an even index followed
by those with an odd index. From t it makes the predicted bytes p:

    p[0] = t[0]
    p[i] = (t[i] - t[i - 1] + 128) mod 256

Both steps ignore where lines and channels begin. Source: OpenEXR's `internal_zip.c`.
"""

import numpy as np
from numpy.typing import NDArray

from exrbatch.errors import VerificationFailed

Bytes = NDArray[np.uint8]
Rows = NDArray[np.uint8]

BLOCK = 1 << 17
"""Number of byte pairs that are split at a time.

The split bytes are then still in the cache when their differences are computed.
"""

ROWS_BYTES = 1 << 17
"""Number of bytes that are transformed at a time if the chunks are short; each chunk is one row.

A call for each chunk would cost more.
"""

OVERREAD = 64
"""Zero bytes kept after predicted bytes.

ISA-L looks at a few bytes after its input before it decides about the last matches. If they were
left over from earlier work, equal chunks would compress to different bytes.
"""


class Predictor:
    """The transform and its work buffers.

    The buffers are kept, because each new array of more than 128 KB costs one page fault per 4 KB.
    """

    def __init__(self) -> None:
        self._predicted = np.empty(0, np.uint8)
        self._split = np.empty(0, np.uint8)
        # One byte longer than a block: the first is the last byte of the block before.
        self._low, self._high = np.empty(BLOCK + 1, np.uint8), np.empty(BLOCK + 1, np.uint8)
        self._shifted = np.empty(BLOCK, np.uint16)
        self._rows = np.empty(0, np.uint8)
        self._sums = _RunningSums()

    def forward(self, raw: Bytes) -> Bytes:
        """Return the predicted bytes of `raw`.

        Args:
            raw: at least one byte.

        Returns:
            an array of equal length; the next call overwrites it.
        """
        n = len(raw)
        if len(self._predicted) < n + OVERREAD:
            self._predicted = np.empty(n + OVERREAD, np.uint8)
        self._predicted[n : n + OVERREAD] = 0
        predicted = self._predicted[:n]
        half = n // 2
        evens = n - half
        words = raw[: 2 * half].view("<u2")
        self._low[0] = 0
        self._high[0] = raw[2 * (evens - 1)]  # the last even byte comes just before the first odd one
        for start in range(0, half, BLOCK):
            block = words[start : start + BLOCK]
            size = len(block)
            np.copyto(self._low[1 : size + 1], block, casting="unsafe")
            np.right_shift(block, 8, out=self._high[1 : size + 1], casting="unsafe")
            for split, offset in ((self._low, start), (self._high, evens + start)):
                out = predicted[offset : offset + size]
                np.subtract(split[1 : size + 1], split[:size], out=out)
                np.bitwise_xor(out, 0x80, out=out)  # the same as + 128 mod 256
                split[0] = split[size]
        if n % 2:
            predicted[half] = (int(raw[-1]) - int(raw[-3]) + 128) % 256 if half else raw[0]
        predicted[0] = raw[0]
        return predicted

    def inverse(self, predicted: Bytes, raw: Bytes) -> None:
        """Fill `raw` with the bytes from which `forward` makes `predicted`.

        Finally run `forward` on the result, which must give `predicted` again. This check is needed
        because no other code decompresses the source, so that a mistake made here would stay
        unnoticed. It takes a sixth of this method's time.

        Args:
            predicted: at least one byte.
            raw: array of the same length.

        Raises:
            VerificationFailed: the check failed.
        """
        n = len(raw)
        if len(self._split) < n:
            self._split = np.empty(n, np.uint8)
        split = self._split[:n]
        half = n // 2
        evens = n - half
        np.bitwise_xor(predicted, 0x80, out=split)
        split[0] = predicted[0]
        self._sums.accumulate(split)
        words = raw[: 2 * half].view("<u2")
        for start in range(0, half, BLOCK):
            block = words[start : start + BLOCK]
            high = self._shifted[: len(block)]
            np.copyto(high, split[evens + start : evens + start + len(block)])
            np.left_shift(high, 8, out=high)
            np.copyto(block, split[start : start + len(block)])
            np.bitwise_or(block, high, out=block)
        if n % 2:
            raw[-1] = split[half]
        _prove(self.forward(raw), predicted)

    def forward_rows(self, raw: Rows) -> Rows:
        """Do `forward` for each row.

        Args:
            raw: raw bytes, shape (rows, bytes per row); the number of bytes per row is even.

        Returns:
            an array of the same shape; the next call overwrites it.
        """
        split, predicted = self._row_buffers(raw.shape)
        words = raw.view("<u2")
        half = words.shape[1]
        np.copyto(split[:, :half], words, casting="unsafe")
        np.right_shift(words, 8, out=split[:, half:], casting="unsafe")
        np.subtract(split[:, 1:], split[:, :-1], out=predicted[:, 1:])
        np.bitwise_xor(predicted, 0x80, out=predicted)
        predicted[:, 0] = split[:, 0]
        return predicted

    def inverse_rows(self, predicted: Rows, raw: Rows) -> None:
        """Do `inverse` for each row, including the check.

        Args:
            predicted: shape (rows, bytes per row); the number of bytes per row is even.
            raw: array of the same shape.

        Raises:
            VerificationFailed: the check failed.
        """
        split, _ = self._row_buffers(raw.shape)
        np.bitwise_xor(predicted, 0x80, out=split)
        split[:, 0] = predicted[:, 0]
        self._sums.accumulate(split.reshape(-1))
        ends = split[:-1, -1].copy()  # the sum of all rows above, which each row includes
        np.subtract(split[1:], ends[:, np.newaxis], out=split[1:])
        words = raw.view("<u2")
        half = words.shape[1]
        np.copyto(words, split[:, half:])
        np.left_shift(words, 8, out=words)
        np.bitwise_or(words, split[:, :half], out=words)
        _prove(self.forward_rows(raw), predicted)

    def _row_buffers(self, shape: tuple[int, ...]) -> tuple[Rows, Rows]:
        size = shape[0] * shape[1]
        if len(self._rows) < 2 * size + OVERREAD:
            self._rows = np.empty(2 * size + OVERREAD, np.uint8)
        self._rows[2 * size : 2 * size + OVERREAD] = 0
        return self._rows[:size].reshape(shape), self._rows[size : 2 * size].reshape(shape)


def _prove(again: NDArray[np.uint8], predicted: NDArray[np.uint8]) -> None:
    """Raise `VerificationFailed` if the two arrays differ."""
    whole = again.size // 8 * 8
    one, other = again.reshape(-1), predicted.reshape(-1)
    same = np.array_equal(one[:whole].view("<u8"), other[:whole].view("<u8"))  # 8 times fewer results
    if not (same and np.array_equal(one[whole:], other[whole:])):
        raise VerificationFailed(
            "internal check failed: the decompressed bytes do not compress back to the original data"
        )


SUMMED_WORDS = 1 << 14
"""Number of 8-byte words that are summed at a time, so that the work buffers stay in the cache."""
_BYTES = np.uint64(0x00FF00FF00FF00FF)
_ONES = np.uint64(0x0001000100010001)


class _RunningSums:
    """Running sums of bytes modulo 256, 2 to 3 times as fast as `np.add.accumulate`.

    `np.add.accumulate` is slow because each addition must wait for the one before.

    Here each word of 8 bytes is split into two words of four 16-bit fields: one for the bytes with
    an even index, one for those with an odd index. A multiplication by a word whose fields are all
    1 replaces the four fields by their running sums, which are too small to overflow a field.
    """

    def __init__(self) -> None:
        self._even, self._odd, self._both = (np.empty(SUMMED_WORDS, np.uint64) for _ in range(3))
        self._totals = np.empty(SUMMED_WORDS + 1, np.uint8)

    def accumulate(self, data: Bytes) -> None:
        """Replace each byte by the sum of all bytes up to and including it, modulo 256."""
        whole = len(data) // 8 * 8
        words = data[:whole].view("<u8")
        for start in range(0, len(words), SUMMED_WORDS):
            before = data[8 * start - 1] if start else 0
            self._accumulate_words(words[start : start + SUMMED_WORDS], before)
        rest = data[max(0, whole - 1) :]
        np.add.accumulate(rest, out=rest)

    def _accumulate_words(self, words: NDArray[np.uint64], before: int) -> None:
        """Do `accumulate` for some words; `before` is the sum of all bytes in front of them."""
        size = len(words)
        even, odd, both = self._even[:size], self._odd[:size], self._both[:size]
        np.bitwise_and(words, _BYTES, out=even)
        np.right_shift(words, 8, out=odd)
        np.bitwise_and(odd, _BYTES, out=odd)
        np.multiply(even, _ONES, out=even)
        np.multiply(odd, _ONES, out=odd)
        # The last fields of both words add up to the sum of 8 bytes. From these sums follows what
        # comes before each word; it is added to all of its fields.
        np.add(even, odd, out=both)
        np.right_shift(both, 48, out=both)
        totals = self._totals[: size + 1]
        totals[0] = before
        np.copyto(totals[1:], both, casting="unsafe")
        np.add.accumulate(totals, out=totals)
        np.copyto(both, totals[:size])
        np.multiply(both, _ONES, out=both)
        np.add(even, both, out=even)
        # The sum up to an odd byte is even + odd of the same field. The sum up to an even byte must
        # not include the odd byte after it, so it takes the odd sum of the field before.
        np.add(even, odd, out=both)
        np.left_shift(odd, 16, out=odd)
        np.add(even, odd, out=even)
        np.bitwise_and(even, _BYTES, out=even)
        np.bitwise_and(both, _BYTES, out=both)
        np.left_shift(both, 8, out=both)
        np.bitwise_or(even, both, out=words)
