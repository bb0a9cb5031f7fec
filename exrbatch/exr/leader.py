"""The few integers in front of each chunk's payload: one layout, used by reader and writer.

A leader holds: the part number (multi-part files only); the chunk's coordinates (first line; or tile x,
tile y, level x, level y); then for flat data the payload size (int32), for deep data three uint64: packed
size of the sample count table, packed and raw size of the samples.
"""

import struct
from dataclasses import dataclass

from exrbatch.exr.part import Part


@dataclass(frozen=True, slots=True, eq=False)
class LeaderLayout:
    """How the leaders of one part look. `size`: bytes of one leader."""

    part_number: tuple[int, ...]
    is_deep: bool
    structure: struct.Struct

    @classmethod
    def of(cls, part: Part, is_multi_part: bool) -> "LeaderLayout":
        """Return the layout for a part."""
        prefix = 4 if part.storage.is_tiled else 1
        sizes = "QQQ" if part.storage.is_deep else "i"
        structure = struct.Struct(f"<{'i' * (prefix + is_multi_part)}{sizes}")
        return cls((part.index,) if is_multi_part else (), part.storage.is_deep, structure)

    @property
    def size(self) -> int:
        """Bytes of one leader."""
        return self.structure.size

    def pack(self, coordinates: list[int], sizes: tuple[int, ...]) -> bytes:
        """Make the leader of the chunk at these coordinates; `sizes` as in the module's docstring."""
        return self.structure.pack(*self.part_number, *coordinates, *sizes)

    def unpack(self, data: bytearray | bytes, offset: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return (part number if there is one + coordinates, sizes) of the leader at `offset`."""
        fields = self.structure.unpack_from(data, offset)
        split = len(fields) - (3 if self.is_deep else 1)
        return fields[:split], fields[split:]
