"""The result of measuring one file. `measuring` makes it. This module is light to import."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelError:
    """How much a lossy compression changed one channel of one file.

    Only samples that are finite before and after count.

    Attributes:
        channel: name of the channel; in a file with several parts, with the number of its part.
        max_error: largest absolute difference of a sample.
        peak: largest absolute value of the channel before compression.
        mean_square: mean of the squared differences.
        lost: number of samples that were finite, and are infinite or NaN now.
    """

    channel: str
    max_error: float
    peak: float
    mean_square: float
    lost: int = 0

    @property
    def psnr(self) -> float:
        """Peak signal-to-noise ratio in dB: 10 log10(peak² / mean square); infinite if equal."""
        if not self.mean_square:
            return math.inf
        return 10 * math.log10(self.peak**2 / self.mean_square) if self.peak else -math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What it costs to compress and decompress one file, or evenly spread pieces of it, in memory.

    Attributes:
        raw_size: size of the measured raw chunks in bytes.
        packed_size: size of these chunks after compression in bytes.
        new_size: size in bytes that the new file would have; 0 if only pieces were measured.
        pack_seconds: wall time of compressing, in seconds.
        unpack_seconds: wall time of decompressing, in seconds.
        cpu_seconds: CPU time of compressing and of an automatic choice, in seconds.
        choice_seconds: wall time of an automatic choice, in seconds.
        first_seconds: wall time of the calls that load code and make buffers, in seconds.
        other_seconds: wall time of everything else, in seconds: reading the source, comparing.
        all_cpu_seconds: CPU time of all that, without the calls that load code, in seconds.
        errors: how much each channel changed, if the compression is lossy.
        peak_memory: peak resident memory of the worker in bytes; 0 if it can't be determined.
    """

    raw_size: int
    packed_size: int = 0
    new_size: int
    pack_seconds: float
    unpack_seconds: float
    cpu_seconds: float
    choice_seconds: float = 0.0
    first_seconds: float = 0.0
    other_seconds: float = 0.0
    all_cpu_seconds: float = 0.0
    errors: tuple[ChannelError, ...] = ()
    peak_memory: int = 0

    @property
    def seconds(self) -> float:
        """Wall time of the whole measurement, in seconds."""
        counted = self.pack_seconds + self.unpack_seconds + self.other_seconds
        return counted + self.choice_seconds + self.first_seconds
