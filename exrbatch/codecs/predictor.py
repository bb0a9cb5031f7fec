"""The transform in front of ZIP, ZIPS and RLE: even and odd bytes apart, then differences.

Of n raw bytes r: t = even-index bytes, then odd-index bytes; p[0] = t[0], p[i] = t[i] - t[i-1] + 128 mod 256.
Source: OpenEXR's `internal_zip.c`; the split knows nothing of lines and channels.
"""

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]


class Predictor:
    """The transform with its work buffers: a fresh array above 128 KB costs a page fault per 4 KB, each time."""

    def __init__(self) -> None:
        self._split = np.empty(0, np.uint8)
        self._predicted = np.empty(0, np.uint8)
        self._words = np.empty(0, np.uint16)

    def forward(self, raw: Bytes) -> Bytes:
        """Return the predicted bytes of `raw` (n >= 1); the array is good until the next call."""
        n = len(raw)
        self._reserve(n)
        split, predicted = self._split[:n], self._predicted[:n]
        half = n // 2
        evens = n - half
        words, high = raw[: 2 * half].view("<u2"), self._words[:half]
        np.copyto(split[:half], words, casting="unsafe")
        np.right_shift(words, 8, out=high)
        np.copyto(split[evens:], high, casting="unsafe")
        if n % 2:
            split[half] = raw[-1]
        np.subtract(split[1:], split[:-1], out=predicted[1:])
        np.bitwise_xor(predicted[1:], 0x80, out=predicted[1:])  # the same as + 128 mod 256
        predicted[0] = split[0]
        return predicted

    def inverse(self, predicted: Bytes, raw: Bytes) -> None:
        """Fill `raw` (n >= 1 bytes, like `predicted`) with the bytes that `forward` would turn into `predicted`."""
        n = len(raw)
        self._reserve(n)
        split, deltas = self._split[:n], self._predicted[:n]
        half = n // 2
        evens = n - half
        np.bitwise_xor(predicted, 0x80, out=deltas)
        deltas[0] = predicted[0]
        np.add.accumulate(deltas, out=split)
        words, high = raw[: 2 * half].view("<u2"), self._words[:half]
        np.copyto(high, split[evens:])
        np.left_shift(high, 8, out=high)
        np.copyto(words, split[:half])
        np.bitwise_or(words, high, out=words)
        if n % 2:
            raw[-1] = split[half]

    def _reserve(self, n: int) -> None:
        if len(self._split) < n:
            self._split = np.empty(n, np.uint8)
            self._predicted = np.empty(n, np.uint8)
            self._words = np.empty(n // 2, np.uint16)
