"""Cut files into shards of about the same number of bytes.

No shard is larger than the mean by more than 5 %, or by more than one unit if that is larger. A
unit is one file, or all hard links to one file. Within this bound, as few sequences as possible are
cut. There are two ways, and the one that cuts fewer sequences is taken:

- in order: the files stay in their order, and each border between shards moves to a border between
  sequences if one is close enough;
- packed: whole sequences go to the shard that has the fewest bytes, the largest sequence first.
  Only sequences that are too large for one shard are cut.

Large files take up several shards. The largest of the other shards are halved instead.
"""

import heapq
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

PERCENT_ABOVE = 5
"""Percentage by which a shard may be larger than the mean."""


class Unit(NamedTuple):
    """Files that must be in one shard.

    Attributes:
        size: size in bytes of all of them.
        sequence: number of the sequence that the first of them belongs to.
        paths: their paths.
    """

    size: int
    sequence: int
    paths: tuple[str, ...]


def into_shards(units: Sequence[Unit], count: int) -> list[list[Unit]]:
    """Cut units into shards.

    Args:
        units: the files; those of a sequence follow each other.
        count: number of shards.

    Returns:
        the units of each shard, in their order. There are fewer than `count` only if there are
        fewer units, because no shard is empty.
    """
    if not units:
        return []
    weights = [unit.size for unit in units]
    if not any(weights):
        weights = [1] * len(units)
    task = _Task(weights, [unit.sequence for unit in units], min(count, len(units)))
    shards = task.halved(task.in_order())
    cuts = task.cut_sequences(shards)
    if cuts and (packed := task.packed()) is not None:
        packed = task.halved(packed)
        shards = packed if task.cut_sequences(packed) < cuts else shards
    return [[units[index] for index in shard] for shard in shards]


class _Task:
    """Weights that are to be cut into shards. Positions are sums of weights, exact integers."""

    def __init__(self, weights: Sequence[int], sequences: Sequence[int], count: int) -> None:
        self._weights, self._sequences, self._count = weights, sequences, count
        self._total, self._largest = sum(weights), max(weights)

    def in_order(self) -> list[list[int]]:
        """Cut near the ideal borders, at borders of sequences where these are close enough."""
        ends = list(accumulate(self._weights))
        every = range(1, len(ends))
        borders = [index for index in every if self._sequences[index] != self._sequences[index - 1]]
        border_ends = [ends[index - 1] for index in borders]
        cuts = {0, len(ends)}
        for number in range(1, self._count):
            if borders:
                border = self._nearest(border_ends, number)
                # Two borders of a shard may move, each by half of what the shard may be larger.
                if self._distance(border_ends[border], number) * 200 <= PERCENT_ABOVE * self._total:
                    cuts.add(borders[border])
                    continue
            if every:
                cuts.add(every[self._nearest(ends, number, len(every))])
        return [list(range(start, end)) for start, end in pairwise(sorted(cuts))]

    def _nearest(self, ends: Sequence[int], number: int, length: int | None = None) -> int:
        """Return the index of the position that is closest to an ideal border.

        Args:
            ends: positions in ascending order.
            number: number of the border, from 1.
            length: only so many positions count; None for all.
        """
        length = len(ends) if length is None else length
        after = bisect_left(ends, -(-self._total * number // self._count), 0, length)
        near = [index for index in (after - 1, after) if 0 <= index < length]
        return min(near, key=lambda index: self._distance(ends[index], number))

    def _distance(self, position: int, number: int) -> int:
        """Return the distance from an ideal border, times the number of shards."""
        return abs(position * self._count - self._total * number)

    def packed(self) -> list[list[int]] | None:
        """Pack whole sequences; return None if they do not fit within the bound."""
        full: list[list[int]] = []
        pieces: list[tuple[int, list[int]]] = []
        for sequence in self._whole_sequences():
            *parts, rest = self._parts(sequence)
            full += parts
            pieces.append((self._weight(rest), rest))
        bins = self._count - len(full)
        if not 0 < bins <= len(pieces):
            return None
        shards: list[list[int]] = [[] for _ in range(bins)]
        loads = [(0, 0, number) for number in range(bins)]
        for weight, piece in sorted(pieces, key=lambda each: (-each[0], each[1][0])):
            load, files, number = heapq.heappop(loads)
            if not self._is_allowed(load + weight):
                return None
            shards[number] += piece
            heapq.heappush(loads, (load + weight, files + len(piece), number))
        return sorted(sorted(shard) for shard in [*full, *shards] if shard)

    def halved(self, shards: list[list[int]]) -> list[list[int]]:
        """Halve the largest shards until there are as many as are wanted."""
        alone = [shard for shard in shards if len(shard) == 1]
        heap = [(-self._weight(shard), shard) for shard in shards if len(shard) > 1]
        heapq.heapify(heap)
        while heap and len(alone) + len(heap) < self._count:
            shard = heapq.heappop(heap)[1]
            place = self._middle(shard)
            for half in (shard[:place], shard[place:]):
                if len(half) > 1:
                    heapq.heappush(heap, (-self._weight(half), half))
                else:
                    alone.append(half)
        return sorted([*alone, *(shard for _, shard in heap)])

    def _middle(self, shard: Sequence[int]) -> int:
        """Return where to cut a shard: between two sequences if it has several."""
        places = range(1, len(shard))
        borders = [at for at in places if self._sequences[shard[at]] != self._sequences[shard[at - 1]]]
        ends = list(accumulate(self._weights[index] for index in shard))
        return min(borders or places, key=lambda at: abs(2 * ends[at - 1] - ends[-1]))

    def _whole_sequences(self) -> Iterable[list[int]]:
        found: dict[int, list[int]] = {}
        for index, sequence in enumerate(self._sequences):
            found.setdefault(sequence, []).append(index)
        return found.values()

    def _parts(self, sequence: list[int]) -> list[list[int]]:
        """Cut shards off the front of a sequence until the rest fits into one."""
        parts: list[list[int]] = []
        start, left = 0, self._weight(sequence)
        while not self._is_allowed(left):
            end, size = start, 0
            while end < len(sequence) - 1:
                weight = self._weights[sequence[end]]
                # The next file is in this part if that brings it closer to the mean.
                if size and 2 * (size * self._count - self._total) + weight * self._count > 0:
                    break
                size += weight
                end += 1
            parts.append(sequence[start:end])
            start, left = end, left - size
        return [*parts, sequence[start:]]

    def _weight(self, indices: Iterable[int]) -> int:
        return sum(self._weights[index] for index in indices)

    def _is_allowed(self, size: int) -> bool:
        """Return whether a shard may have this size."""
        above = size * self._count - self._total
        return above <= self._largest * self._count or above * 100 <= PERCENT_ABOVE * self._total

    def cut_sequences(self, shards: Iterable[Sequence[int]]) -> int:
        """Count how often a sequence goes on in another shard."""
        places = sum(len({self._sequences[index] for index in shard}) for shard in shards)
        return places - len(set(self._sequences))
