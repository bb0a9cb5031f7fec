"""Compress predicted bytes to zlib streams, with the engines that suit them.

A cheap look at a few short samples tells what a stream holds. If several engines come into question
for that, a trial on larger pieces decides. The result is one ordinary zlib stream in any case.

If an engine is not installed, another one takes over, and the run says so.
"""

import functools
import itertools

import numpy as np
from numpy.typing import NDArray

from exrbatch.codecs.effort import Effort
from exrbatch.codecs.engine_names import Engine
from exrbatch.codecs.engines import (
    ZLIB_START,
    Packer,
    Setting,
    adler32,
    compress,
    is_installed,
)
from exrbatch.codecs.recipes import LONG, NANOSECONDS, REFERENCE, SHORT, SUBSTITUTES, Candidates, Content, Recipe

SAMPLE_BYTES, SAMPLES = 512, 4
"""Size of each sample in bytes, and number of samples, that decide what a stream holds."""
LOOK_BYTES = 1 << 20
"""Bytes after which the next stream of a group is looked at again.

A look takes some 60 microseconds, and neighbouring chunks mostly hold the same kind of data.
"""
NOISE, SMOOTH_NOISE = 0.45, 0.65
"""Compressed size of a sample by libdeflate 1, as a fraction, above which low bytes are noise.

The second is for smooth high bytes. Noise has few matches, so ISA-L 1 makes it as small as
libdeflate 4 does, in a quarter of the time.
"""
ROUGH = 0.22
"""The same fraction for the high bytes, above which they are rough."""
STRUCTURED, REPEATS = 0.30, 0.65
"""Structured data compresses to less than the first fraction, and more than the second fraction of
its bytes equal the byte before them.

Without the second condition, periodic patterns and planes of floats would go to zlib-ng, which is
slower there.
"""
LEAST_HALF, LEAST_LONG_HALF = 1 << 11, 1 << 15
"""Smallest half in bytes that is compressed separately, and smallest half of a long stream.

Halves of noise need different Huffman tables, even short ones. Short streams of other data would
lose more, because the second half can't use the first half as a dictionary.
"""
TRIAL_SHARE, LEAST_TRIAL, LARGEST_TRIAL = 1 / 128, 1 << 13, 1 << 15
"""Size of the piece of each half that all candidates compress, once for each content of a group.

It is a fraction of the group, with a minimum and a maximum in bytes. Smaller pieces miss matches
with the line above, and then the size is not what the trial promised.
"""
PRICE = 200.0
"""Nanoseconds of CPU time that the winner of a trial may spend to save one byte."""
LARGEST = 1.02
"""Largest size of the winner of a trial, as a factor of what `REFERENCE` makes.

If all candidates are larger, `REFERENCE` wins.
"""


class Deflater:
    """Compresses predicted bytes to zlib streams, with one effort.

    Args:
        effort: selects the tables of `recipes`.
    """

    def __init__(self, effort: Effort) -> None:
        self._effort = effort
        self._content, self._bytes_since_look, self._trial_bytes = Content.MIXED, LOOK_BYTES, LARGEST_TRIAL
        self._recipes: dict[Content, Recipe] = {}
        self._packer = Packer()

    @functools.cached_property
    def _candidates(self) -> dict[Content, Candidates]:
        """For long streams: the candidates, or the substitute if one of them is not installed."""
        substitute = Candidates((self._substitute,), (self._substitute,))
        return {
            content: each if all(map(is_installed, (*each.low, *each.high))) else substitute
            for content, each in LONG[self._effort].items()
        }

    @functools.cached_property
    def _short(self) -> dict[Content, Recipe]:
        """For short streams: the recipe, or the substitute if an engine is not installed."""
        substitute = self._substitute, self._substitute
        table = SHORT[self._effort]
        return {content: each if all(map(is_installed, each)) else substitute for content, each in table.items()}

    @functools.cached_property
    def _content_matters(self) -> bool:
        return len(set(self._candidates.values())) > 1 or len(set(self._short.values())) > 1

    @property
    def _substitute(self) -> Setting:
        return next(each for each in SUBSTITUTES[self._effort] if is_installed(each))

    def begin_group(self, size: int) -> None:
        """Forget earlier groups, so that the output does not depend on them.

        Args:
            size: raw size of the group in bytes.
        """
        self._bytes_since_look = LOOK_BYTES
        self._trial_bytes = min(max(LEAST_TRIAL, int(size * TRIAL_SHARE)), LARGEST_TRIAL)
        self._recipes.clear()
        self._packer.restart()

    def compress(self, predicted: memoryview) -> bytes:
        """Compress one stream."""
        middle = (len(predicted) + 1) // 2
        low, high = predicted[:middle], predicted[middle:]
        if middle >= LEAST_LONG_HALF:
            return self._by_halves(self._long_recipe(low, high), low, high, predicted)
        return self._compress_short(self._short[self._look(low, high)], predicted)

    def compress_rows(self, predicted: NDArray[np.uint8]) -> list[bytes]:
        """Compress streams of equal length, shape (streams, bytes), after one look at them."""
        middle = predicted.shape[1] // 2
        if middle >= LEAST_LONG_HALF:
            return [self.compress(row.data) for row in predicted]
        content = Content.MIXED
        if self._content_matters:
            step = max(1, len(predicted) // SAMPLES)
            content = find_content(predicted[::step, :middle].tobytes(), predicted[::step, middle:].tobytes())
        recipe = self._short[content]
        return [self._compress_short(recipe, row.data) for row in predicted]

    def _look(self, low: memoryview, high: memoryview) -> Content:
        """Return the content of a stream, or of one not long before it."""
        if self._bytes_since_look >= LOOK_BYTES and self._content_matters:
            self._content, self._bytes_since_look = find_content(low, high), 0
        self._bytes_since_look += len(low) + len(high)
        return self._content

    def _long_recipe(self, low: memoryview, high: memoryview) -> Recipe:
        """Return the recipe for a long stream; that for a content is the same in all of a group."""
        content = self._look(low, high)
        if content not in self._recipes:
            self._recipes[content] = choose(self._packer, self._candidates[content], low, high, self._trial_bytes)
        return self._recipes[content]

    def _compress_short(self, recipe: Recipe, predicted: memoryview) -> bytes:
        middle = (len(predicted) + 1) // 2
        if middle < LEAST_HALF:
            return self._packer.compress(recipe[1], predicted)
        return self._by_halves(recipe, predicted[:middle], predicted[middle:], predicted)

    def _by_halves(self, recipe: Recipe, low: memoryview, high: memoryview, whole: memoryview) -> bytes:
        """Make one zlib stream of both halves.

        ISA-L gets each half by itself even if both have the same setting: they need different
        Huffman tables, which the other engines begin by themselves.
        """
        if recipe[0] == recipe[1] and recipe[0].engine is not Engine.ISAL:
            return compress(recipe[0], whole)
        first = self._packer.compress_first(recipe[0], low)
        checksum = adler32(whole).to_bytes(4, "big")
        return b"".join((ZLIB_START, first, self._packer.compress_last(recipe[1], high), checksum))


def choose(packer: Packer, candidates: Candidates, low: memoryview, high: memoryview, trial_bytes: int) -> Recipe:
    """Choose one of the candidates for each half of a stream.

    Args:
        packer: compresses.
        candidates: the settings to choose from.
        low: the first half.
        high: the second half.
        trial_bytes: size of the piece of each half that all candidates compress.

    Returns:
        the cheapest recipe by CPU time and size (`PRICE`) that is small enough (`LARGEST`).
    """
    if len(candidates.low) == len(candidates.high) == 1:
        return candidates.low[0], candidates.high[0]
    low, high = _middle(low, trial_bytes), _middle(high, trial_bytes)
    lows = [(each, len(packer.compress_first(each, low))) for each in candidates.low]
    reference = len(packer.compress_last(REFERENCE, low)) + len(packer.compress_last(REFERENCE, high))
    highs = [(each, len(packer.compress_last(each, high))) for each in candidates.high]
    costs = {
        (first, last): _cost(first, len(low), first_size) + _cost(last, len(high), last_size)
        for (first, first_size), (last, last_size) in itertools.product(lows, highs)
        if first_size + last_size <= LARGEST * reference
    }
    return min(costs, key=costs.__getitem__, default=(REFERENCE, REFERENCE))


def _cost(setting: Setting, size: int, packed_size: int) -> float:
    """Return what it costs to compress some bytes, in nanoseconds: CPU time and `PRICE`."""
    per_byte, per_packed_byte = NANOSECONDS[setting]
    return per_byte * size + (per_packed_byte + PRICE) * packed_size


def _middle(half: memoryview, size: int) -> memoryview:
    start = max(0, (len(half) - size) // 2)
    return half[start : start + size]


def find_content(low: memoryview | bytes, high: memoryview | bytes) -> Content:
    """Look at both halves of a stream. A sample of each kind costs some 20 microseconds."""
    sample = _sample(low)
    ratio = _sampled_ratio(sample)
    if ratio > NOISE:
        if _sampled_ratio(_sample(high)) > ROUGH:
            return Content.NOISE
        return Content.SMOOTH_NOISE if ratio > SMOOTH_NOISE else Content.MIXED
    if ratio < STRUCTURED:
        values = np.frombuffer(sample, np.uint8)
        if np.count_nonzero(values[1:] == values[:-1]) > REPEATS * len(values):
            return Content.STRUCTURED
    return Content.MIXED


def _sample(half: memoryview | bytes) -> bytes:
    if len(half) <= SAMPLE_BYTES * SAMPLES:
        return bytes(half)
    starts = [index * (len(half) - SAMPLE_BYTES) // (SAMPLES - 1) for index in range(SAMPLES)]
    return b"".join(half[start : start + SAMPLE_BYTES] for start in starts)


def _sampled_ratio(sample: bytes) -> float:
    libdeflate = Setting(Engine.LIBDEFLATE, 1)
    setting = libdeflate if is_installed(libdeflate) else Setting(Engine.ZLIB, 1)
    return len(compress(setting, memoryview(sample))) / max(1, len(sample))
