"""The result of measuring one file. `measuring` makes it. This module is light to import."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What it costs to compress and decompress one file in memory.

    Attributes:
        raw_size: size of its raw chunks in bytes.
        new_size: size in bytes that the new file would have.
        pack_seconds: wall time of compressing, in seconds.
        unpack_seconds: wall time of decompressing, in seconds.
        cpu_seconds: CPU time of compressing, in seconds.
        peak_memory: peak resident memory of the worker in bytes; 0 if it can't be determined.
    """

    raw_size: int
    new_size: int
    pack_seconds: float
    unpack_seconds: float
    cpu_seconds: float
    peak_memory: int = 0
