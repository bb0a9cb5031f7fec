"""What a measurement of one file gives. Light to import; `measuring` takes it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What it takes to compress and decompress one file in memory.

    Attributes:
        raw_size: bytes of its raw chunks.
        new_size: bytes that the new file would have.
        pack_seconds: wall time of compressing.
        unpack_seconds: wall time of decompressing.
        cpu_seconds: CPU time of compressing.
        peak_memory: resident bytes of the worker at most; 0 where that can't be told.
    """

    raw_size: int
    new_size: int
    pack_seconds: float
    unpack_seconds: float
    cpu_seconds: float
    peak_memory: int = 0
