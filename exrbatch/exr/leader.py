"""The leader: the integers in front of the payload of each chunk.

A leader consists of:

1. the part number, in multi-part files only;
2. the coordinates of the chunk: the first line, or tile x, tile y, level x, level y;
3. the sizes in bytes. Flat data has one int32, the payload size. Deep data has three uint64: the
   compressed size of the sample count table, then the compressed and the raw size of the samples.

Reader and writer share this module.
"""

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from exrbatch.exr.part import Part


@dataclass(frozen=True, slots=True, eq=False)
class LeaderLayout:
    """Layout of the leaders of one part.

    Attributes:
        part_number: the part number in a tuple; empty if the file is not multi-part.
        is_deep: whether the part is deep.
        structure: binary layout of a leader.
    """

    part_number: tuple[int, ...]
    is_deep: bool
    structure: struct.Struct

    @classmethod
    def of(cls, part: Part, is_multi_part: bool) -> "LeaderLayout":
        """Return the layout of the leaders of a part."""
        prefix = 4 if part.storage.is_tiled else 1
        sizes = "QQQ" if part.storage.is_deep else "i"
        structure = struct.Struct(f"<{'i' * (prefix + is_multi_part)}{sizes}")
        return cls((part.index,) if is_multi_part else (), part.storage.is_deep, structure)

    @property
    def size(self) -> int:
        """Size of one leader in bytes."""
        return self.structure.size

    def pack(self, coordinates: list[int], sizes: tuple[int, ...]) -> bytes:
        """Return the bytes of a leader.

        Args:
            coordinates: coordinates of the chunk.
            sizes: its sizes in bytes (see the module's description).
        """
        return self.structure.pack(*self.part_number, *coordinates, *sizes)

    def pack_flat(self, coordinates: NDArray[np.int32], sizes: NDArray[np.int64]) -> bytes:
        """Return the bytes of the leaders of flat chunks, one after another.

        Args:
            coordinates: coordinates of the chunks, shape (chunks, 1 or 4).
            sizes: their payload sizes in bytes, shape (chunks,).
        """
        fields = np.empty((len(sizes), self.size // 4), "<i4")
        fields[:, : len(self.part_number)] = self.part_number
        fields[:, len(self.part_number) : -1] = coordinates
        fields[:, -1] = sizes
        return fields.tobytes()

    def unpack(self, data: bytearray | bytes, offset: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Parse the leader at an offset of `data`.

        Returns:
            two tuples: the part number (multi-part files only) and the coordinates; the sizes.
        """
        fields = self.structure.unpack_from(data, offset)
        split = len(fields) - (3 if self.is_deep else 1)
        return fields[:split], fields[split:]
